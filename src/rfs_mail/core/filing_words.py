"""
What people call things where they file: the act itself by state and office, and the office, in English and Spanish.

In Florida somebody who "filed" may raise money and is not on the ballot; what puts her there is called qualifying. So
no mail says "file" of its own accord. Each term is what follows "time to ..." (English: "time to qualify"; Spanish:
"tiempo para inscribirte"), addressed to one person, and no longer than fits a subject. Where we have no source for a
state's own word, it is the plain one that is true everywhere: handing in papers.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple


class Term(NamedTuple):
    """One act in both languages."""

    en: str
    es: str


PLAIN: Final = Term("hand in your papers", "entregar tus papeles")
"""For everywhere else: no claim about forms, fees or signatures."""

_QUALIFY: Final = Term("qualify", "inscribirte")
_APPLY: Final = Term("apply to be on the ballot", "solicitar ir en la boleta")
_NOMINATION: Final = Term("submit nomination papers", "entregar tus firmas")
_DECLARATION: Final = Term("declare your candidacy", "declarar tu candidatura")
_PETITIONS: Final = Term("submit your petitions", "entregar tus peticiones")

_BY_STATE: Final[Mapping[str, Term]] = {
    # Candidates "qualify", noon to noon; DS-DE 9 and the statement of candidate come before and are called filing.
    "FL": _QUALIFY,  # leonvotes.gov; voteindianriver.gov candidate information 2026; FDP candidate toolkit
    # Fee and papers in qualifying week; a notice of candidacy earlier is optional.
    "GA": _QUALIFY,  # couriernews.org, understanding early filing, 2026 qualifying
    "LA": _QUALIFY,  # katc.com, qualifying for the May election, 2026 (Secretary of State; parish clerk of court)
    "MS": _QUALIFY,  # Miss. Code 23-15-299; msgovrace.com, 2027 qualifying deadline
    "AL": _QUALIFY,  # with the party, which certifies to the Secretary of State: 2026 candidate lists by party
    # An application for a place on the ballot, with the party chair, the city secretary or the school district.
    "TX": _APPLY,  # Tex. Elec. Code 172.023; sos.state.tx.us, vacancies in a local election
    # Nomination papers, to local registrars first and to the Secretary four weeks later.
    "MA": _NOMINATION,  # the-downballot.com, 2026 election calendar
    # Registration statement, declaration of candidacy and nomination papers, all three.
    "WI": _NOMINATION,  # Wis. Stat. 8.10; wispolitics.com, commission reminders 2026; ridgewaywi.gov; cityofmadison.com
    "NY": _PETITIONS,  # designating petitions
    "PA": _PETITIONS,  # circulating and filing end on one day
    "WA": _DECLARATION,  # kitsap.gov, candidate filing; sos.wa.gov: a declaration and a fee, or a petition in its place
    "RI": _DECLARATION,  # a declaration of candidacy; returning nomination papers is a later step
}
_BY_OFFICE: Final[Mapping[tuple[str, str], Term]] = {
    # No source that every school district asks for signatures; the declaration is asked for everywhere.
    ("WI", "school_board"): PLAIN,  # scf.k12.wi.us, board election information
    # Qualifying is the parties' word there; no source for offices without a party.
    ("AL", "municipal"): PLAIN,
    ("AL", "school_board"): PLAIN,
}

_OFFICES: Final[Mapping[str, Term]] = {
    "state_upper": Term("State senate", "Senado estatal"),
    "state_lower": Term("State house", "Cámara estatal"),
    "state_legislature": Term("State legislature", "Legislatura estatal"),
    "statewide_executive": Term("Statewide office", "Cargo estatal"),
    "statewide_any": Term("Statewide office", "Cargo estatal"),
    "county": Term("County office", "Cargo del condado"),
    "municipal": Term("City or town office", "Cargo municipal"),
    "school_board": Term("School board", "Junta escolar"),
    "special_district": Term("Special district", "Distrito especial"),
    "judicial": Term("Judicial office", "Cargo judicial"),
    "local_any": Term("Local office", "Cargo local"),
    "party_office": Term("Party office", "Cargo del partido"),
    "federal": Term("Federal office", "Cargo federal"),
    "us_house": Term("U.S. House", "Cámara de Representantes"),
    "us_senate": Term("U.S. Senate", "Senado de EE. UU."),
}

LOCAL_LEVELS: Final = frozenset({"county", "municipal", "school_board", "special_district", "local_any", "judicial"})
"""Where a date for a whole state need not be the date of each city, county or district."""

UNNAMED: Final = Term("This office", "Este cargo")


def filing_term(state: object, office_level: object, language: str) -> str:
    """
    What people do to get on the ballot there, as a verb phrase: `qualify`, `hand in your papers`, `inscribirte`.

    `state` is a USPS code, `office_level` one of the levels of filing windows; anything else gets the plain term.
    """
    term = _BY_OFFICE.get((str(state), str(office_level))) or _BY_STATE.get(str(state), PLAIN)
    return _in(term, language)


def office_name(office: object, office_level: object, language: str) -> str:
    """
    What an office is called: as its window names it, else by its level.

    A name that is only the English of the level (`School board`) is said in the mail's language.
    """
    by_level = _OFFICES.get(str(office_level), UNNAMED)
    named = str(office or "").strip()
    return _in(by_level, language) if not named or named.casefold() == by_level.en.casefold() else named


def listed(names: Iterable[str], language: str) -> str:
    """`a, b and c` or `a, b y c`, each once, in their order."""
    return _listed(tuple(dict.fromkeys(names)), _tongue(language))


@lru_cache(maxsize=1024)
def _listed(names: tuple[str, ...], language: str) -> str:
    if len(names) < 2:
        return "".join(names)
    word = "and"
    if language == "es":
        sound = names[-1].casefold().removeprefix("h")
        word = "e" if sound.startswith(("i", "í")) and not sound.startswith(("ia", "ie", "io")) else "y"
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def _tongue(language: str) -> str:
    return "es" if language.partition("-")[0].lower() == "es" else "en"


def _in(term: Term, language: str) -> str:
    return term.es if _tongue(language) == "es" else term.en
