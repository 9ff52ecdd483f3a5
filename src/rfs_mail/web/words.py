"""
Every word that recipients read on our pages, in each language, in one place.

Keys are the same in all languages, and so are the `{placeholders}`; a test holds them to that.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "es": "Español"}
"""What the pages speak, each by its own name; the first is the one to fall back on."""

_EN: Final[Mapping[str, str]] = {
    "switch": "Language",
    # leaving
    "stop_title": "Stop e-mail from {entity}",
    "stop_plain_title": "Stop this e-mail",
    "for_address": "For {address}",
    "stop_what": "What should stop?",
    "scope_entity": "All e-mail from {entity}",
    "scope_entity_plain": "All e-mail from the organization that wrote to me",
    "scope_topic": "Only “{topic}”",
    "scope_topic_keeps": "You keep {topics}.",
    "scope_partners": "Also its partner organizations",
    "scope_partners_names": "All e-mail from {entities}.",
    "unsubscribe": "Unsubscribe",
    "nothing_yet": "Nothing changes until you press the button.",
    "rather": "Rather fewer e-mails, a pause, or another language?",
    "choose": "Choose what you get",
    "done_entity": "Done. No more e-mail from {entities}.",
    "done_topic": "Done. No more “{topic}” e-mail.",
    "done_plain": "Done. We have noted it.",
    "on_its_way": "Mail already on its way may still arrive.",
    "goes_on": "You keep {topics} from {entity}.",
    "is_left": "You get no e-mail from {entity}",
    "is_left_text": "You have unsubscribed. There is nothing more to do.",
    "topic_is_left": "You have already stopped “{topic}”.",
    # coming back
    "undo": "That was a mistake: undo",
    "undo_records": "If you undo it, we keep on record that you said:",
    "opt_in_text": "Yes, {entities} may e-mail me again.",
    "opt_in_topic_text": "Yes, send me “{topic}” from {entity} again.",
    "back_title": "Undone. {entities} may write to you again.",
    "back_topic_title": "Undone. You get “{topic}” again.",
    "back_text": "E-mails that were stopped in the meantime are not sent again.",
    "barred_title": "We have noted it, but we do not write to this address",
    "barred_text": "This address was reported or stopped in a way that a button cannot undo. Please write to us:",
    # preferences
    "preferences_title": "Choose what you get",
    "topics_of": "E-mail from {entity}",
    "left_entity": "You have unsubscribed from {entity}.",
    "pause": "Pause",
    "pause_until": "Pause until",
    "pause_help": "No e-mail before this day, one year from now at most. Leave it empty for no pause.",
    "pause_past": "This day is over or is today. Please choose a later one, or leave it empty.",
    "pause_far": "This is more than a year away. Please choose an earlier day.",
    "pause_unread": "This is no date we can read. Please write it like 2027-03-15.",
    "about_you": "About you",
    "not_now": "Not running this time",
    "not_now_help": "We note it and write less. You can change it here at any time.",
    "language": "Language of your e-mail",
    "correction": "Is something else wrong? Tell us",
    "correction_help": "Tell us what is right. A person reads this.",
    "correction_long": "Please use at most {count} characters.",
    "save": "Save",
    "saved_title": "Saved",
    "saved_paused": "No e-mail before {day}.",
    "saved_correction": "Thank you. Somebody will look at what you wrote.",
    "saved_again": "{entities} may write to you again.",
    "saved_text": "Mail already on its way may still arrive.",
    "change_more": "Change something else",
    "stop_all": "Stop all e-mail from {entity}",
    "not_saved": "Not saved yet: please look at “{field}”",
    "barred_note": "At the moment nothing is sent to this address.",
    # where she lives, what she wants
    "fix": "Wrong state or office? Fix it",
    "about_run": "Where you live and what you want to run for",
    "lives_in": "You live in {state}.",
    "lives_nowhere": "We do not know yet in which state you live.",
    "wants": "You want to run for: {offices}.",
    "wants_nothing": "We do not know yet what you want to run for.",
    "office_title": "Your state and your office",
    "office_intro": "Filing deadlines differ by state and by office. With this we tell you about yours.",
    "home": "Where you live",
    "home_state": "State",
    "home_unknown": "Please choose",
    "home_zip": "ZIP code (optional)",
    "home_zip_help": "In some states it tells us which time zone you live in.",
    "home_county": "County (optional)",
    "state_unread": "Please choose a state from the list.",
    "zip_unread": "This is no ZIP code that we know. Please write its five digits, or leave it empty.",
    "zip_elsewhere": "This ZIP code is in {state}. Please write the one where you live, or leave it empty.",
    "county_unread": "Please write the county in at most {count} characters, or leave it empty.",
    "run_for": "What you want to run for",
    "any_office": "Any office",
    "level_school_board": "School board",
    "level_municipal": "City or town: council, mayor, clerk",
    "level_county": "County office",
    "level_special_district": "Special district: water, fire, library, parks",
    "level_state_lower": "State legislature, lower house: house or assembly",
    "level_state_upper": "State legislature, upper house: senate",
    "level_statewide": "Statewide office: governor, secretary of state",
    "level_judicial": "Judge",
    "level_party": "Office in a party: precinct or county committee",
    "run_state": "In which state",
    "run_state_home": "Where I live",
    "run_state_missing": "Please choose the state where you live, or the one where you want to run.",
    "run_year": "Year of the election (optional)",
    "run_year_help": "Leave it empty for any year.",
    "year_unread": "Please write a year from {first} to {last}, or leave it empty.",
    "path": "How you get on the ballot (optional)",
    "path_unknown": "I do not know yet",
    "path_nonpartisan": "The office is nonpartisan",
    "path_major_party": "In the primary of a major party",
    "path_unaffiliated": "As an independent, without a party",
    "incumbent": "I hold this office now",
    "kept": "Also noted",
    "kept_help": "Take the mark away from what is not right any more.",
    "office_note": "Is your office not here? Tell us",
    "office_again": "Change state or office",
    "place_dropped": "Your ZIP code or county was in {state}, so we have taken it out.",
    "closes": "{offices} in {state}: the time to {term} ends {day}.",
    "closes_local": "A city, county or district may have a date of its own.",
    "closes_believed": "{offices} in {state}: we believe that the time to {term} ends {day}.",
    "closes_doubtful": "{offices} in {state}: nobody knows for sure yet when the time to {term} ends.",
    "check_clerk": "Please check with your clerk.",
    "closes_unknown": "We know no date for this yet.",
    "source_link": "{offices}: where we have this date from ({site})",
    "source_text": "We have this date from: {source}",
    "paths_differ": "In {state} the date can depend on how you get on the ballot. Please choose that as well.",
    # answers
    "answer_title": "Is this your answer?",
    "answer_button": "Send: {label}",
    "answer_nothing_yet": "Nothing is sent until you press the button.",
    "answer_for": "For: {offices}",
    "answer_which": "Which office is this about?",
    "answer_which_help": "Choose one or more. For the others nothing changes.",
    "answer_which_missing": "Please choose at least one office.",
    "answer_which_title": "Not sent yet: please choose an office",
    "answer_deadline": "Deadline: {day}",
    "answer_done": "Thank you. We have noted: {label}",
    "answer_stopped": "You get no more of this e-mail.",
    "answer_change": "Changed your mind? Just press another answer in the e-mail.",
    # what went wrong
    "damaged_title": "This link is damaged",
    "damaged_text": "Part of it is missing or was changed. Open it again from the e-mail, or copy the whole link.",
    "damaged_help": "If you want to stop e-mail, write to the organization and it stops:",
    "not_found_title": "There is no such page",
    "not_found_text": "The address may be misspelled, or the page is gone.",
    "refused_title": "Nothing has changed",
    "refused_text": "We could not read what was sent. Please go back, choose, and press the button.",
    "later_title": "Please try again in a moment",
    "later_text": "Something on our side is not working right now. Nothing has changed.",
    "later_button_works": "You can still unsubscribe: press the button and we see to the rest.",
    "gone_title": "There is nothing here any more",
    "gone_text": "We have deleted what we knew about you, so there is nothing to choose.",
    "old_title": "This e-mail is too old",
    "old_text": "We keep the text of e-mails for a limited time, so this link leads nowhere now.",
    "website": "Go to {website}",
    "home_title": "E-mail for people who run for office",
    "home_text": "These organizations write from here:",
}

_ES: Final[Mapping[str, str]] = {
    "switch": "Idioma",
    # leaving
    "stop_title": "Dejar de recibir correos de {entity}",
    "stop_plain_title": "Dejar de recibir estos correos",
    "for_address": "Para {address}",
    "stop_what": "¿Qué quieres dejar de recibir?",
    "scope_entity": "Todos los correos de {entity}",
    "scope_entity_plain": "Todos los correos de la organización que me escribió",
    "scope_topic": "Solo “{topic}”",
    "scope_topic_keeps": "Sigues recibiendo {topics}.",
    "scope_partners": "También los de sus organizaciones aliadas",
    "scope_partners_names": "Todos los correos de {entities}.",
    "unsubscribe": "Cancelar la suscripción",
    "nothing_yet": "Nada cambia hasta que presiones el botón.",
    "rather": "¿Prefieres menos correos, una pausa u otro idioma?",
    "choose": "Elige qué recibes",
    "done_entity": "Listo. No recibirás más correos de {entities}.",
    "done_topic": "Listo. No recibirás más correos de “{topic}”.",
    "done_plain": "Listo. Ya lo anotamos.",
    "on_its_way": "Los correos que ya van en camino todavía pueden llegar.",
    "goes_on": "Sigues recibiendo {topics} de {entity}.",
    "is_left": "No recibes correos de {entity}",
    "is_left_text": "Ya cancelaste la suscripción. No tienes que hacer nada más.",
    "topic_is_left": "Ya dejaste de recibir “{topic}”.",
    # coming back
    "undo": "Fue un error: deshacer",
    "undo_records": "Si lo deshaces, dejamos constancia de que dijiste:",
    "opt_in_text": "Sí, {entities} puede volver a escribirme.",
    "opt_in_topic_text": "Sí, envíenme otra vez “{topic}” de {entity}.",
    "back_title": "Deshecho. {entities} puede volver a escribirte.",
    "back_topic_title": "Deshecho. Vuelves a recibir “{topic}”.",
    "back_text": "Los correos que se detuvieron mientras tanto no se envían después.",
    "barred_title": "Lo anotamos, pero no escribimos a esta dirección",
    "barred_text": "Esta dirección fue reportada o detenida de una forma que un botón no puede deshacer. Escríbenos:",
    # preferences
    "preferences_title": "Elige qué recibes",
    "topics_of": "Correos de {entity}",
    "left_entity": "Cancelaste la suscripción a {entity}.",
    "pause": "Pausa",
    "pause_until": "En pausa hasta",
    "pause_help": "Ningún correo antes de ese día, a más tardar en un año. Déjalo vacío si no quieres pausa.",
    "pause_past": "Ese día ya pasó o es hoy. Elige uno posterior o déjalo vacío.",
    "pause_far": "Falta más de un año para ese día. Elige uno más cercano.",
    "pause_unread": "No podemos leer esa fecha. Escríbela así: 2027-03-15.",
    "about_you": "Sobre ti",
    "not_now": "Esta vez no me postulo",
    "not_now_help": "Lo anotamos y te escribimos menos. Puedes cambiarlo aquí cuando quieras.",
    "language": "Idioma de tus correos",
    "correction": "¿Hay otro dato equivocado? Dinos cuál",
    "correction_help": "Dinos qué es lo correcto. Lo lee una persona.",
    "correction_long": "Usa como máximo {count} caracteres.",
    "save": "Guardar",
    "saved_title": "Guardado",
    "saved_paused": "Ningún correo antes del {day}.",
    "saved_correction": "Gracias. Alguien revisará lo que escribiste.",
    "saved_again": "{entities} puede volver a escribirte.",
    "saved_text": "Los correos que ya van en camino todavía pueden llegar.",
    "change_more": "Cambiar algo más",
    "stop_all": "Dejar de recibir todos los correos de {entity}",
    "not_saved": "Todavía no se guardó: revisa “{field}”",
    "barred_note": "Por ahora no se envía nada a esta dirección.",
    # where she lives, what she wants
    "fix": "¿Estado o cargo equivocado? Corrígelo",
    "about_run": "Dónde vives y a qué quieres postularte",
    "lives_in": "Vives en {state}.",
    "lives_nowhere": "Todavía no sabemos en qué estado vives.",
    "wants": "Quieres postularte a: {offices}.",
    "wants_nothing": "Todavía no sabemos a qué quieres postularte.",
    "office_title": "Tu estado y tu cargo",
    "office_intro": "Las fechas límite cambian según el estado y el cargo. Con esto te avisamos de las tuyas.",
    "home": "Dónde vives",
    "home_state": "Estado",
    "home_unknown": "Elige uno",
    "home_zip": "Código postal (opcional)",
    "home_zip_help": "En algunos estados nos dice en qué zona horaria vives.",
    "home_county": "Condado (opcional)",
    "state_unread": "Elige un estado de la lista.",
    "zip_unread": "No conocemos ese código postal. Escribe sus cinco dígitos o déjalo vacío.",
    "zip_elsewhere": "Ese código postal está en {state}. Escribe el de donde vives o déjalo vacío.",
    "county_unread": "Escribe el condado con {count} caracteres como máximo o déjalo vacío.",
    "run_for": "A qué quieres postularte",
    "any_office": "Cualquier cargo",
    "level_school_board": "Junta escolar",
    "level_municipal": "Ciudad o pueblo: concejo, alcaldía, secretaría",
    "level_county": "Cargo del condado",
    "level_special_district": "Distrito especial: agua, bomberos, biblioteca, parques",
    "level_state_lower": "Legislatura estatal, cámara baja: cámara o asamblea",
    "level_state_upper": "Legislatura estatal, cámara alta: senado",
    "level_statewide": "Cargo de todo el estado: gobernación, secretaría de estado",
    "level_judicial": "Jueza o juez",
    "level_party": "Cargo en un partido: comité de precinto o de condado",
    "run_state": "En qué estado",
    "run_state_home": "Donde vivo",
    "run_state_missing": "Elige el estado donde vives o el estado donde quieres postularte.",
    "run_year": "Año de la elección (opcional)",
    "run_year_help": "Déjalo vacío para cualquier año.",
    "year_unread": "Escribe un año de {first} a {last} o déjalo vacío.",
    "path": "Cómo llegas a la boleta (opcional)",
    "path_unknown": "Todavía no lo sé",
    "path_nonpartisan": "El cargo no es partidista",
    "path_major_party": "En la primaria de un partido grande",
    "path_unaffiliated": "Como independiente, sin partido",
    "incumbent": "Ya ocupo este cargo",
    "kept": "También anotado",
    "kept_help": "Quita la marca de lo que ya no es correcto.",
    "office_note": "¿Tu cargo no está aquí? Dinos cuál es",
    "office_again": "Cambiar el estado o el cargo",
    "place_dropped": "Tu código postal o tu condado era de {state}, así que lo quitamos.",
    "closes": "{offices} en {state}: el tiempo para {term} termina el {day}.",
    "closes_local": "Una ciudad, un condado o un distrito puede tener su propia fecha.",
    "closes_believed": "{offices} en {state}: creemos que el tiempo para {term} termina el {day}.",
    "closes_doubtful": "{offices} en {state}: todavía nadie sabe con certeza cuándo termina el tiempo para {term}.",
    "check_clerk": "Confírmalo en tu oficina electoral.",
    "closes_unknown": "Todavía no conocemos ninguna fecha para esto.",
    "source_link": "{offices}: de dónde tenemos esta fecha ({site})",
    "source_text": "Tenemos esta fecha de: {source}",
    "paths_differ": "En {state} la fecha puede depender de cómo llegas a la boleta. Elígelo también.",
    # answers
    "answer_title": "¿Es esta tu respuesta?",
    "answer_button": "Enviar: {label}",
    "answer_nothing_yet": "No se envía nada hasta que presiones el botón.",
    "answer_for": "Para: {offices}",
    "answer_which": "¿De qué cargo se trata?",
    "answer_which_help": "Elige uno o más. Para los demás no cambia nada.",
    "answer_which_missing": "Elige al menos un cargo.",
    "answer_which_title": "Todavía no se envió: elige un cargo",
    "answer_deadline": "Fecha límite: {day}",
    "answer_done": "Gracias. Anotamos: {label}",
    "answer_stopped": "Ya no recibirás estos correos.",
    "answer_change": "¿Cambiaste de opinión? Elige otra respuesta en el correo.",
    # what went wrong
    "damaged_title": "Este enlace está dañado",
    "damaged_text": "Le falta una parte o algo cambió. Ábrelo otra vez desde el correo o copia el enlace completo.",
    "damaged_help": "Si quieres dejar de recibir correos, escribe a la organización y se detienen:",
    "not_found_title": "Esta página no existe",
    "not_found_text": "Puede que la dirección esté mal escrita o que la página ya no esté.",
    "refused_title": "No ha cambiado nada",
    "refused_text": "No pudimos leer lo que se envió. Regresa, elige y presiona el botón.",
    "later_title": "Inténtalo de nuevo en un momento",
    "later_text": "Algo de nuestro lado no funciona en este momento. No ha cambiado nada.",
    "later_button_works": "Aun así puedes cancelar la suscripción: presiona el botón y nosotros hacemos el resto.",
    "gone_title": "Aquí ya no hay nada",
    "gone_text": "Borramos lo que sabíamos de ti, así que no hay nada que elegir.",
    "old_title": "Este correo es demasiado antiguo",
    "old_text": "Guardamos el texto de los correos por un tiempo limitado; este enlace ya no lleva a ningún lado.",
    "website": "Ir a {website}",
    "home_title": "Correos para quienes se postulan a un cargo",
    "home_text": "Estas organizaciones escriben desde aquí:",
}

WORDS: Final[Mapping[str, Mapping[str, str]]] = {"en": _EN, "es": _ES}

_MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
        "diciembre",
    ),
}  # fmt: skip
_AND: Final[Mapping[str, str]] = {"en": " and ", "es": " y "}


def spoken(language: str | None) -> str | None:
    """The language of ours that this one is a form of (`es-US` is `es`); None where we do not speak it."""
    base = (language or "").strip().lower().partition("-")[0]
    return base if base in WORDS else None


def preferred(accept_language: str) -> str:
    """The language a browser prefers among ours (RFC 9110 section 12.5.4), else the first of ours."""
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accept_language.split(",")[:20]):
        name, _, quality = part.partition(";")
        language = spoken(name)
        if language is None:
            continue
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if weight > 0:
            wanted.append((-weight, place, language))
    return min(wanted)[2] if wanted else next(iter(WORDS))


def say_day(day: date, language: str) -> str:
    """`March 15, 2027`, `15 de marzo de 2027`."""
    month = _MONTHS[language][day.month - 1]
    return f"{day.day} de {month} de {day.year}" if language == "es" else f"{month} {day.day}, {day.year}"


def say_list(names: Iterable[str], language: str) -> str:
    """`A`, `A and B`, `A, B and C`."""
    *first, last = list(names)
    return f"{', '.join(first)}{_AND[language]}{last}" if first else last
