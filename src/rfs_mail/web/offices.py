"""How places, offices and filing windows are said on our pages, in each language."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from rfs_mail.core.filing_windows import DOUBTFUL, FilingWindow
from rfs_mail.core.filing_words import LOCAL_LEVELS, PLAIN, filing_term, listed, office_name
from rfs_mail.core.interest import Interest
from rfs_mail.core.local_time import find_zone
from rfs_mail.core.person import Person
from rfs_mail.core.zones import STATES
from rfs_mail.engine.wishes import Closing, Wishes
from rfs_mail.render import spoken
from rfs_mail.web.site import Tongue

LEVELS: Final[Mapping[str, str]] = {
    "school_board": "level_school_board",
    "municipal": "level_municipal",
    "county": "level_county",
    "special_district": "level_special_district",
    "state_lower": "level_state_lower",
    "state_upper": "level_state_upper",
    "statewide_executive": "level_statewide",
    "judicial": "level_judicial",
    "party_office": "level_party",
}
"""The office levels that the page offers, and their words. No federal ones: nobody is asked to say so here."""

_PATHS: Final[Mapping[str, str]] = {
    "nonpartisan": "path_nonpartisan",
    "major_party": "path_major_party",
    "unaffiliated": "path_unaffiliated",
}

SURE: Final = ("official", "corroborated")
"""Confidences with which a date and a time are said without a doubt."""

MOST_CLOSINGS: Final = 3
"""Closings that a page tells at once."""


def say_level(level: str, tongue: Tongue) -> str:
    """An office level; one that the page does not offer by the name mails have for it."""
    if level in LEVELS:
        return tongue.say(LEVELS[level])
    return office_name("", level, tongue.code) if level else tongue.say("any_office")


def say_office(window: FilingWindow, tongue: Tongue) -> str:
    """What mails call the office of a window."""
    return office_name(window.office, window.office_level, tongue.code)


def say_path(path: str, tongue: Tongue) -> str:
    """A way onto the ballot; one that is new to us by its own word."""
    return tongue.say(_PATHS[path]) if path in _PATHS else path.replace("_", " ")


def say_state(code: str | None) -> str:
    """A state's name; empty where none is known."""
    return STATES.get(code or "", code or "")


def say_interest(interest: Interest, home: str | None, tongue: Tongue) -> str:
    """`School board, Dane, Wisconsin, 2027`: with all that was said of it."""
    parts = [
        say_level(interest.office_level, tongue),
        say_division(interest.division),
        say_state(interest.state or home),
        str(interest.election_year or ""),
        say_path(interest.party_path, tongue) if interest.party_path else "",
        tongue.say("incumbent") if interest.incumbent else "",
    ]
    return ", ".join(part for part in parts if part)


def say_division(division: str) -> str:
    """A place as people know it: the last part of an Open Civic Data id without its kind, else as it is."""
    if not division.startswith("ocd-division/"):
        return division
    return division.rpartition("/")[2].rpartition(":")[2].replace("_", " ").replace("~", " ").title()


def say_known(person: Person, interests: Sequence[Interest], tongue: Tongue) -> list[str]:
    """Where she lives and what she wants to run for, as we have it: two sentences."""
    state = say_state(person.state)
    wants = "; ".join(say_interest(one, person.state, tongue) for one in interests)
    return [
        tongue.say("lives_in", state=state) if state else tongue.say("lives_nowhere"),
        tongue.say("wants", offices=wants) if wants else tongue.say("wants_nothing"),
    ]


def say_closings(wishes: Wishes, tongue: Tongue) -> tuple[list[str], list[tuple[str, str]]]:
    """
    When the filing windows that she wants close: sentences, and links to the sources of what is not sure.

    The nearest few. What sources disagree about is said to be open, and what one of them says, to be believed.
    """
    if not wishes.interests:
        return [], []
    if not wishes.closings:
        return [tongue.say("closes_unknown")], []
    lines: list[str] = []
    links: list[tuple[str, str]] = []
    for closing in wishes.closings[:MOST_CLOSINGS]:
        offices = listed((say_office(about.window, tongue) for about in closing), tongue.code)
        lines.append(_say_closing(closing, offices, tongue))
        unsure = [about.window for about in closing if about.window.confidence not in SURE]
        for source in dict.fromkeys(window.source for window in unsure):
            if source.startswith(("https://", "http://")):
                links.append((source, tongue.say("source_link", offices=offices, site=source.split("/")[2])))
            elif source:
                lines.append(tongue.say("source_text", source=source))
    return lines, links


def _say_closing(closing: Closing, offices: str, tongue: Tongue) -> str:
    window = closing[0].window
    terms = {filing_term(about.window.state, about.window.office_level, tongue.code) for about in closing}
    term = terms.pop() if len(terms) == 1 else (PLAIN.es if tongue.code == "es" else PLAIN.en)
    said = {"offices": offices, "state": say_state(window.state), "term": term}
    clerk = tongue.say("check_clerk")
    confidences = {about.window.confidence for about in closing}
    if not window.closes_on or confidences & set(DOUBTFUL):
        return f"{tongue.say('closes_doubtful', **said)} {clerk}"
    said["day"] = spoken.say_day(date.fromisoformat(window.closes_on), tongue.code, date.min)  # with its year
    closes = window.closes_at()
    if window.closes_time and closes is not None:
        said["day"] += f", {spoken.say_clock(closes.astimezone(find_zone(window.zone)), tongue.code)}"
    if not confidences <= set(SURE):
        return f"{tongue.say('closes_believed', **said)} {clerk}"
    local = any(about.approximate and about.window.office_level in LOCAL_LEVELS for about in closing)
    sentence = tongue.say("closes", **said)
    return f"{sentence} {tongue.say('closes_local')} {clerk}" if local else sentence
