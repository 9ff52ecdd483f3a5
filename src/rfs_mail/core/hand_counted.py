"""
Days to a deadline that somebody counted by hand: "30 days left", "It closes tomorrow", "en tres días".

A mail that is anchored to a deadline may go a day or two earlier than planned, or later, and the deadline may move;
then the number is wrong and nobody notices. What counts is said by a filter. Found are numbers of days that say how far
off something is, and words such as tomorrow; left alone is what has nothing to do with the deadline ("within ten days
of filing", "por la mañana", "call today").
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_NUMBERS: Final = {
    word: number
    for number, words in enumerate(
        (
            "zero cero", "one a un una uno", "two dos", "three tres", "four cuatro", "five cinco", "six seis",
            "seven siete", "eight ocho", "nine nueve", "ten diez", "eleven once", "twelve doce", "thirteen trece",
            "fourteen catorce", "fifteen quince",
        )
    )
    for word in words.split()
} | {"twenty": 20, "veinte": 20, "thirty": 30, "treinta": 30, "forty-five": 45}  # fmt: skip

_NUMBER: Final = r"(?P<number>\d{1,3}|" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + ")"
_UNIT: Final = r"(?P<unit>days?|weeks?|días?|semanas?)"
_AHEAD: Final = re.compile(
    r"(?P<before>\b(?:in|only|just|still|another|solo|sólo|apenas|en|dentro de|faltan?|quedan?|hay|otr[oa]s)\s+)?"
    rf"\b{_NUMBER}\s+(?:more\s+|más\s+)?{_UNIT}\b"
    r"(?P<after>\s+(?:left|to go|from (?:now|today)|until|till|away|remain\w*|hasta|más|para (?:el|que|entregar)))?",
    re.IGNORECASE,
)
_NEAR_DAY: Final = re.compile(
    r"\b(?P<word>day after tomorrow|tomorrow|yesterday|pasado mañana|mañana|ayer)\b", re.IGNORECASE
)
_THIS_DAY: Final = re.compile(r"\b(?P<word>today|tonight|hoy|esta noche)\b", re.IGNORECASE)
_MORNING: Final = re.compile(r"\b(?:la|esta|de|por la|a la)\s+\Z", re.IGNORECASE)
_DEADLINE: Final = re.compile(
    r"\b(?:clos(?:e|es|ed|ing)|ends?|due|deadlines?|last (?:day|call|chance)|over|runs? out|"
    r"cierr\w+|termin\w+|venc\w+|plazos?|acab\w+|últim[oa]s? (?:día|aviso|oportunidad))\b",
    re.IGNORECASE,
)
_OTHERWISE: Final = re.compile(
    r"\s*(?:after|of|later|ago|before|following|a week|después|antes|de haber)\b", re.IGNORECASE
)
_SENTENCE_END: Final = re.compile(r"[.!?;\n]")
_DAYS: Final = {
    "day after tomorrow": 2, "pasado mañana": 2, "tomorrow": 1, "mañana": 1, "today": 0, "tonight": 0, "hoy": 0,
    "esta noche": 0, "yesterday": -1, "ayer": -1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HandCounted:
    """Words that count to a deadline: where they begin in the text, what they are, how many days ahead they say."""

    start: int
    words: str
    days: int


def hand_counted(text: str) -> Iterator[HandCounted]:
    """
    Each place of a text that says by hand how far off a deadline is, in English or Spanish, in order.

    The caller has put Jinja tags out of the way (any filler without letters): a number that a tag prints is not found.
    """
    found = [*_numbers(text), *_words(text)]
    yield from sorted(found, key=lambda one: one.start)


def _numbers(text: str) -> Iterator[HandCounted]:
    for match in _AHEAD.finditer(text):
        if _OTHERWISE.match(text, match.end()) and not match["after"]:
            continue
        if not (match["before"] or match["after"] or _DEADLINE.search(_sentence(text, match.start(), match.end()))):
            continue
        given = match["number"].lower()
        number = int(given) if given.isdecimal() else _NUMBERS[given]
        days = number * (7 if match["unit"].lower().startswith(("week", "semana")) else 1)
        yield HandCounted(match.start(), " ".join(match[0].split()), days)


def _words(text: str) -> Iterator[HandCounted]:
    for match in _NEAR_DAY.finditer(text):
        if match["word"].lower() == "mañana" and _MORNING.search(text, 0, match.start()):
            continue
        yield HandCounted(match.start(), match["word"], _DAYS[match["word"].lower()])
    for match in _THIS_DAY.finditer(text):
        if _DEADLINE.search(_sentence(text, match.start(), match.end())):
            yield HandCounted(match.start(), match["word"], _DAYS[match["word"].lower()])


def _sentence(text: str, start: int, end: int) -> str:
    """The sentence around a place."""
    before = max((match.end() for match in _SENTENCE_END.finditer(text, 0, start)), default=0)
    after = _SENTENCE_END.search(text, end)
    return text[before : after.start() if after else len(text)]
