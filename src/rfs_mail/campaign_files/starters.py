"""
What `campaigns new` writes: a campaign of a common kind with its templates.

The texts can be read and previewed, and each holds a line that says it is a placeholder: `check` refuses it until
somebody has made the text her own and taken the line out, so that no sample text is ever sent by oversight.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rfs_mail.campaign_files.campaigns import RESERVED_IDS
from rfs_mail.campaign_files.desk import ID, as_id
from rfs_mail.campaign_files.load import Project
from rfs_mail.core.campaign import ReleaseContent
from rfs_mail.errors import UsageError
from rfs_mail.settings import Settings

Kind = Literal["series", "countdown", "broadcast"]

KINDS: Final[tuple[Kind, ...]] = ("series", "countdown", "broadcast")


@dataclass(frozen=True, slots=True)
class Starter:
    """Files to write: text by path from the working folder. The first is the campaign."""

    files: Mapping[str, str]


def new_campaign(project: Project, campaign_id: str, kind: str, *, entity: str | None = None) -> Starter:
    """
    The files of a new campaign: `series` after an event, `countdown` to a filing deadline, or one `broadcast`.

    `entity` speaks (default: the first of entities.yaml). Raises UsageError for an id that is taken or no name, for an
    unknown kind or entity, and where the entity has no topic.
    """
    if kind not in KINDS:
        raise UsageError(f'There is no kind "{kind}". Kinds: {", ".join(KINDS)}.')
    if not ID.fullmatch(campaign_id) or campaign_id in RESERVED_IDS:
        hint = as_id(campaign_id)
        advice = f" Try: {hint}" if hint and hint not in RESERVED_IDS else ""
        raise UsageError(f'"{campaign_id}" cannot be an id: a-z, 0-9 and _, from a letter on.{advice}')
    path = f"{project.places.campaigns}/{campaign_id}.yaml"
    if project.file_of(campaign_id) or path in project.texts:
        raise UsageError(f'There is a campaign "{campaign_id}" already: {project.file_of(campaign_id) or path}')
    speaker, topic = _speaker(project.content, entity)
    languages = project.content.entities[speaker].languages
    templates = project.places.templates
    body = _BODIES[kind].format(id=campaign_id, name=campaign_id.replace("_", " ").capitalize())
    head = _HEAD.format(id=campaign_id, name=campaign_id.replace("_", " ").capitalize(), entity=speaker, topic=topic)
    files = {path: head + body}
    for name, texts in _MAILS[kind].items():
        for language in languages:
            ending = "" if language == languages[0] else f".{language}"
            subject, preheader, text = texts.get(language.partition("-")[0], texts["en"])
            file = f"{templates}/{campaign_id}/{name}{ending}.md"
            files[file] = _MAIL.format(subject=subject, preheader=preheader, text=text)
    return Starter(files)


def write_starter(settings: Settings, starter: Starter) -> tuple[Path, ...]:
    """Write the files; nothing is overwritten. Raises UsageError where one is there already."""
    paths = {settings.folder / name: text for name, text in starter.files.items()}
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} is there already. Choose another id, or move it away.")
    for path, text in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    return tuple(paths)


def _speaker(content: ReleaseContent, entity: str | None) -> tuple[str, str]:
    if not content.entities:
        raise UsageError("There is no entity yet. Write campaigns/entities.yaml first, or run: rfs-mail init")
    speaker = entity or next(iter(content.entities))
    if speaker not in content.entities:
        raise UsageError(f'There is no entity "{speaker}". There are: {", ".join(content.entities)}.')
    topic = next((name for name, topic in content.topics.items() if topic.entity == speaker), None)
    if topic is None:
        raise UsageError(f'The entity "{speaker}" has no topic yet. Add one to campaigns/entities.yaml.')
    return speaker, topic


_HEAD: Final = """\
# yaml-language-server: $schema=./campaign.schema.json
id: {id}
name: {name}
entity: {entity}
topic: {topic}
"""

_BODIES: Final[Mapping[str, str]] = {
    "series": """\
audience:                            # all must hold, once, at entry
  - stage in ["signed_up", "onboarded"]
entry: {{event: signup}}               # each new sign-up, from the first apply on
steps:
  - {{key: first, mail: first}}        # at once, within sending hours
  - {{key: second, at: entry + 3d @ 10:00, mail: second}}
  - key: third
    at: entry + 8d @ 10:00
    when: not clicked("second")      # only who did not follow the link
    mail: third
goal: stage >= "exploring"           # reaching it ends the series for that person
ends: entry + 30d
""",
    "countdown": """\
audience:
  - stage in ["onboarded", "exploring", "committed", "circulating"]
entry:
  per: filing_window                 # once for each window the person wants
  from: closes - 30d
  require: window.confidence >= "computed"
steps:
  - {{key: month, at: closes - 30d @ 10:00, mail: month, not_after: closes - 10d}}
  - {{key: week, at: closes - 7d @ 10:00, mail: week, not_after: closes - 3d}}
  - {{key: tomorrow, at: closes - 1d @ 09:00, mail: tomorrow, priority: deadline, not_after: closes - 3h}}
goal: filed(window)
exit:
  - when: window.status == "cancelled"
ends: closes + 1d
""",
    "broadcast": """\
audience:                            # who gets it
  - stage in ["signed_up", "onboarded", "exploring"]
entry: {{per: person, existing: all}}  # everyone who qualifies, once
send: {{rate: 25000/h}}
steps:
  - {{key: news, mail: news}}
""",
}

_MAIL: Final = """\
---
subject: "{subject}"
preheader: "{preheader}"
---
{{# placeholder: make this text yours, in the language of this file, and take this line out #}}
{text}
"""

_Texts = Mapping[str, tuple[str, str, str]]
"""Language -> subject, preheader, body. Another language gets the English text, to be translated."""

_FIRST: Final[_Texts] = {
    "en": (
        "Thank you for signing up",
        "What happens now, and what doesn't",
        """\
Hi {{ given_name or "there" }},

You told us that you might run for office someday. Thank you. You haven't entered anything, and nobody will announce
anything for you.

In three days we'll write again, with a way to see which offices there are where you live. If you have a question
before that, answer this mail. A person reads it.

The team at {{ entity.name }}""",
    ),
    "es": (
        "Gracias por inscribirte",
        "Lo que pasa ahora, y lo que no",
        """\
Hola{{ " " + given_name if given_name else "" }}:

Nos dijiste que quizás algún día te postules a un cargo. Gracias. No te has inscrito en ninguna elección, y nadie va
a anunciar nada por ti.

En tres días te escribimos otra vez, con una manera de ver qué cargos hay donde vives. Si tienes una pregunta antes,
responde a este correo. Lo lee una persona.

El equipo de {{ entity.name }}""",
    ),
}

_SECOND: Final[_Texts] = {
    "en": (
        "Find the offices where you live",
        "Five minutes, and nothing to decide",
        """\
Hi {{ given_name or "there" }},

There are more offices around you than most people know, and for many of them nobody runs against the person who is in.

Look yours up, and pick one where you'd like to see something done better. You don't have to decide anything yet.

[button: Look up your offices](https://www.example.org/offices)

The team at {{ entity.name }}""",
    ),
    "es": (
        "Busca los cargos donde vives",
        "Cinco minutos, y nada que decidir",
        """\
Hola{{ " " + given_name if given_name else "" }}:

A tu alrededor hay más cargos de los que se piensa, y para muchos de ellos nadie compite contra quien los ocupa.

Busca los tuyos y elige uno en el que te gustaría que algo se hiciera mejor. Todavía no tienes que decidir nada.

[button: Busca tus cargos](https://www.example.org/offices)

El equipo de {{ entity.name }}""",
    ),
}

_THIRD: Final[_Texts] = {
    "en": (
        "Did you find an office?",
        "One answer is enough",
        """\
Hi {{ given_name or "there" }},

If you looked your offices up: which one did you like best? Answer this mail with its name, and we'll tell you what
it does and when it is next elected.

If you didn't get to it, the list is still here.

[button: Look up your offices](https://www.example.org/offices)

The team at {{ entity.name }}""",
    ),
    "es": (
        "¿Encontraste un cargo?",
        "Una respuesta basta",
        """\
Hola{{ " " + given_name if given_name else "" }}:

Si buscaste tus cargos: ¿cuál te gustó más? Responde a este correo con su nombre, y te decimos qué hace y cuándo se
elige la próxima vez.

Si no tuviste tiempo, la lista sigue aquí.

[button: Busca tus cargos](https://www.example.org/offices)

El equipo de {{ entity.name }}""",
    ),
}


def _countdown(
    subject: tuple[str, str], preheader: tuple[str, str], says: tuple[str, str]
) -> Mapping[str, tuple[str, str, str]]:
    """A mail that counts down, in English and Spanish: when it closes, how far off that is, and a sentence more."""
    english = (
        'Hi {{ given_name or "there" }},\n\n{{ office.names }}: the time to {{ office.filing_term }} ends '
        "**{{ window.closes_at | office_time }}**, {{ window.closes_at | office_left }}."
        "{% if not window.certain %} We are not sure of this date, so ask your clerk.{% endif %} "
        f"{says[0]}\n\nThe team at {{{{ entity.name }}}}"
    )
    spanish = (
        'Hola{{ " " + given_name if given_name else "" }}:\n\n{{ office.names }}: el plazo para '
        "{{ office.filing_term }} termina el **{{ window.closes_at | office_time }}**, "
        "{{ window.closes_at | office_left }}."
        "{% if not window.certain %} La fecha no es segura: pregunta en tu oficina electoral.{% endif %} "
        f"{says[1]}\n\nEl equipo de {{{{ entity.name }}}}"
    )
    return {"en": (subject[0], preheader[0], english), "es": (subject[1], preheader[1], spanish)}


_MAILS: Final[Mapping[str, Mapping[str, _Texts]]] = {
    "series": {"first": _FIRST, "second": _SECOND, "third": _THIRD},
    "countdown": {
        "month": _countdown(
            ("{{ office.names }}: what has to be ready", "{{ office.names }}: lo que debe estar listo"),
            ("It closes {{ window.closes_at | office_soon }}", "Cierra {{ window.closes_at | office_soon }}"),
            (
                "Read what has to be handed in, and begin with what others have to sign.",
                "Lee qué hay que entregar, y empieza por lo que otras personas tienen que firmar.",
            ),
        ),
        "week": _countdown(
            ("It closes {{ window.closes_at | office_soon }}", "Cierra {{ window.closes_at | office_soon }}"),
            ("Where the papers go", "Dónde se entregan los papeles"),
            (
                "Go through the papers once more, and find out where they go and until what hour.",
                "Revisa otra vez los papeles, y averigua dónde se entregan y hasta qué hora.",
            ),
        ),
        "tomorrow": _countdown(
            (
                "Last call: it closes {{ window.closes_at | office_left }}",
                "Último aviso: cierra {{ window.closes_at | office_left }}",
            ),
            ("Papers that come late do not count", "Los papeles que llegan tarde no cuentan"),
            (
                "If anything is missing, answer this mail now and we'll help.",
                "Si falta algo, responde ahora a este correo y te ayudamos.",
            ),
        ),
    },
    "broadcast": {
        "news": {
            "en": (
                "Your subject here",
                "The first words beside it",
                'Hi {{ given_name or "there" }},\n\nSay here what is new, and what you would like the person to do.'
                "\n\nThe team at {{ entity.name }}",
            ),
            "es": (
                "Aquí va tu asunto",
                "Las primeras palabras junto a él",
                'Hola{{ " " + given_name if given_name else "" }}:\n\nDi aquí qué hay de nuevo y qué te gustaría que '
                "hiciera esta persona.\n\nEl equipo de {{ entity.name }}",
            ),
        }
    },
}
