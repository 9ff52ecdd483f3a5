"""
What a person's fields may hold: text as people and spreadsheets write it -> the value that is stored.

Every reader takes a text that is not blank and gives the value, or `Mended` where it had to be put right first, or
`Refused` with the reason. Nothing is guessed that could be wrong: what does not fit is refused, and the caller says so.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.local_time import local_instant
from rfs_mail.core.zones import DEFAULT_ZONE, state_code, state_of_zip


class Refused(NamedTuple):
    """The text does not fit; `reason` says what would."""

    reason: str


class Mended(NamedTuple):
    """A value that was put right, and how."""

    value: str
    how: str


Value = str | int | float | bool
"""What a stored field is. Dates of custom fields are ISO text, so that they sort and compare as text."""

MAX_NAME: Final = 200
MAX_TEXT: Final = 10_000
MAX_TAGS: Final = 100

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+")
"""Control characters, and those that are not seen but turn text around."""


def read_name(text: str) -> str | Refused:
    """A name or another short text: NFC, blanks single, nothing invisible, at most 200 characters."""
    if len(text) > MAX_NAME:
        return Refused(f"{len(text):,} characters; at most {MAX_NAME} fit")
    if not text.isascii() or not text.isprintable():
        text = _UNFIT.sub(" ", unicodedata.normalize("NFC", text))
    elif "  " not in text and text[:1] != " " and text[-1:] != " " and text:
        return text
    return " ".join(text.split()) or Refused("nothing that can be read")


def read_text(text: str) -> str | Refused:
    """A longer text: NFC, no control characters but line ends, at most 10,000 characters."""
    if len(text) > MAX_TEXT:
        return Refused(f"{len(text):,} characters; at most {MAX_TEXT:,} fit")
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n").split("\n")
    cleaned = "\n".join(_UNFIT.sub(" ", line).strip() for line in lines).strip()
    return cleaned or Refused("nothing that can be read")


@lru_cache(maxsize=4096)
def read_state(text: str) -> str | Refused:
    """A state in any usual spelling -> its USPS code."""
    return state_code(text) or Refused("no US state or territory is called this; write its two letters")


_ZIP = re.compile(r"([0-9]{3,5})(?:\.0)?(?:[- ][0-9]{4})?")
_ZIP_AND_FOUR = re.compile(r"([0-9]{3,5})[0-9]{4}")


@lru_cache(maxsize=65536)
def read_zip(text: str) -> str | Mended | Refused:
    """
    A ZIP code -> its five digits. ZIP+4 is cut; zeros that a spreadsheet dropped from the front are put back.

    Three and four digits can only be codes that begin with zeros (New England, New Jersey, Puerto Rico).
    """
    match = _ZIP.fullmatch(text) or _ZIP_AND_FOUR.fullmatch(text)
    if match is None:
        return Refused("is no US ZIP code; write five digits")
    digits = match[1]
    if state_of_zip(digits.zfill(5)) is None:
        return Refused(f"no ZIP code begins with {digits.zfill(5)[:3]}")
    if len(digits) < 5:
        return Mended(digits.zfill(5), "leading zeros put back")
    return digits


_LANGUAGES: Final[Mapping[str, str]] = {
    "english": "en", "ingles": "en", "inglés": "en", "eng": "en",
    "spanish": "es", "espanol": "es", "español": "es", "spa": "es", "castellano": "es",
    "french": "fr", "francais": "fr", "français": "fr", "chinese": "zh", "mandarin": "zh", "vietnamese": "vi",
    "tagalog": "tl", "korean": "ko", "arabic": "ar", "russian": "ru", "portuguese": "pt", "german": "de",
    "haitian creole": "ht", "hmong": "hmn", "somali": "so", "polish": "pl", "japanese": "ja", "hindi": "hi",
    "navajo": "nv",
}  # fmt: skip


@lru_cache(maxsize=4096)
def read_lang(text: str) -> str | Refused:
    """A language tag (RFC 5646: `en`, `es-US`, also `es_US`) or an English or Spanish name of a language -> the tag."""
    known = _LANGUAGES.get(text.casefold())
    if known is not None:
        return known
    match = re.fullmatch(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?", text)
    if match is None:
        return Refused("is no language tag; write en, es or es-US")
    language, script, region = match.groups()
    return "-".join(part for part in (language.lower(), script and script.title(), region and region.upper()) if part)


@lru_cache(maxsize=16384)
def read_birth_year(text: str, this_year: int) -> int | Refused:
    """A birth year; of a whole date of birth, only its year is kept."""
    found = re.findall(r"(?<![0-9])(?:19|20)[0-9]{2}(?![0-9])", text)
    if len(found) != 1 or not re.fullmatch(r"[0-9./\-: TZ]+|[A-Za-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}", text):
        return Refused("is no year of birth; write four digits")
    year = int(found[0])
    if not this_year - 120 <= year <= this_year - 10:
        return Refused(f"nobody who can run was born in {year}")
    return year


@lru_cache(maxsize=1024)
def read_runs_before(text: str) -> int | Refused:
    """How often the person ran before: a number from 0 to 99, or no/never/none."""
    if text.casefold() in ("no", "none", "never"):
        return 0
    match = re.fullmatch(r"([0-9]{1,2})(?:\.0)?", text)
    return int(match[1]) if match else Refused("is no number of earlier runs; write 0, 1, 2 ...")


_ENDORSEMENT: Final = ("none", "invited", "applied", "endorsed", "declined")


def read_endorsement(text: str) -> str | Refused:
    """None, invited, applied, endorsed or declined."""
    word = text.casefold()
    return word if word in _ENDORSEMENT else Refused(f"write one of: {', '.join(_ENDORSEMENT)}")


_YES: Final = frozenset({"yes", "y", "true", "t", "1", "on", "x", "si", "sí", "checked"})
_NO: Final = frozenset({"no", "n", "false", "f", "0", "off", "unchecked"})


def read_yes_no(text: str) -> bool | Refused:
    """Yes or no in any usual spelling, Spanish too."""
    word = text.casefold()
    if word in _YES:
        return True
    return False if word in _NO else Refused("write yes or no")


def read_number(text: str) -> int | float | Refused:
    """A number, with or without a point and with commas at the thousands; at most 15 digits."""
    if not re.fullmatch(r"[+-]?([0-9]{1,15}|[0-9]{1,3}(,[0-9]{3}){1,4})(\.[0-9]{1,15})?", text):
        return Refused("is no number")
    number = float(text.replace(",", ""))
    return int(number) if number.is_integer() else number


def read_tags(text: str) -> tuple[str, ...] | Refused:
    """Tags between commas or semicolons, each once, in order."""
    tags = dict.fromkeys(" ".join(_UNFIT.sub(" ", tag).split()) for tag in re.split(r"[,;|]", text[:MAX_TEXT]))
    tags.pop("", None)
    if len(text) > MAX_TEXT or len(tags) > MAX_TAGS or any(len(tag) > MAX_NAME for tag in tags):
        return Refused(f"at most {MAX_TAGS} tags of {MAX_NAME} characters fit")
    return tuple(tags)


# -- dates -------------------------------------------------------------------------------------------------------------

_OFFSETS: Final[Mapping[str, int]] = {
    "UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
_MONTHS: Final[Mapping[str, int]] = {
    month: number
    for number, months in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
    for month in (months,)
}
_CLOCK = r"(?:[ T,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?\s*([AaPp]\.?[Mm]\.?)?)?\s*([A-Z]{1,3})?"
_SLASHED = re.compile(r"([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4}|[0-9]{2})" + _CLOCK)
_NAMED = re.compile(r"(?:[A-Za-z]{3,9},? )?([A-Za-z]{3,9})\.? ([0-9]{1,2}),? ([0-9]{4})" + _CLOCK)
_ISO_ZONED = re.compile(r"([0-9-]{10}[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?) ?([A-Z]{3}|[+-][0-9]{4})")
_EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
HOME_ZONE: Final = ZoneInfo(DEFAULT_ZONE)
"""Whose clock a date without a zone is read on."""


def read_instant(text: str, *, now: datetime) -> datetime | Refused:
    """
    When something happened: ISO 8601, US dates (`11/3/2026 2:05 PM`, `Nov 3, 2026`), or seconds since 1970.

    A time without a zone is read on the clock of New York, a date without a time as the start of that day. What lies
    before 1990 or more than a day after `now` is refused: spreadsheets write such dates where there was none.
    """
    found = _instant(text)
    if found is None:
        return Refused("is no date that can be read; write 2026-11-03 or 2026-11-03T14:05:00-05:00")
    if found < _EARLIEST:
        return Refused(f"{found.date().isoformat()} is before this kind of sign-up existed")
    if found > now + timedelta(days=1):
        return Refused(f"{found.date().isoformat()} has not come yet")
    return found


@lru_cache(maxsize=8192)
def _steady_offset(ordinal: int) -> timedelta | None:
    """The offset of the home zone on a day without a clock change; None on a day with one."""
    start = datetime.combine(date.fromordinal(ordinal), time(), tzinfo=HOME_ZONE)
    offsets = {(start + timedelta(hours=hours)).utcoffset() for hours in (-24, 0, 24, 48)}
    return offsets.pop() if len(offsets) == 1 else None


def _instant(text: str) -> datetime | None:
    try:
        if text.isascii() and text.isdecimal():
            if len(text) in (10, 13):
                return datetime.fromtimestamp(int(text[:10]), UTC)
            if len(text) != 8:  # a bare number is a cell that lost its format, never a date
                return None
        try:
            read = datetime.fromisoformat(text)
        except ValueError:
            return _written(text)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
        offset = _steady_offset(read.toordinal())
        if offset is not None:
            return (read - offset).replace(tzinfo=UTC)
        return local_instant(read.date(), read.time(), HOME_ZONE)
    except (ValueError, OverflowError):
        return None


def _written(text: str) -> datetime | None:
    """The instant of a date as people and spreadsheets write it. Raises ValueError for one that does not exist."""
    zoned = _ISO_ZONED.fullmatch(text)
    if zoned is not None:
        naive = datetime.fromisoformat(zoned[1])
        return _at(naive.date(), naive.time(), zoned[2])
    slashed = _SLASHED.fullmatch(text)
    if slashed is not None:
        month, day, year = int(slashed[1]), int(slashed[2]), int(slashed[3])
        rest = slashed.groups()[3:]
    else:
        named = _NAMED.fullmatch(text)
        if named is None or named[1][:3].lower() not in _MONTHS:
            return None
        month, day, year = _MONTHS[named[1][:3].lower()], int(named[2]), int(named[3])
        rest = named.groups()[3:]
    hour, minute, second, half, zone = rest
    if year < 100:
        year += 2000 if year < 70 else 1900
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half[0] in "Pp" else 0)
    return _at(date(year, month, day), time(hours, int(minute or 0), int(second or 0)), zone)


def _at(day: date, wall: time, zone: str | None) -> datetime | None:
    if not zone:
        return local_instant(day, wall, HOME_ZONE)
    if zone[0] in "+-":
        minutes = int(zone[1:3]) * 60 + int(zone[3:])
        offset = timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    elif zone in _OFFSETS:
        offset = timedelta(hours=_OFFSETS[zone])
    else:
        return None
    return datetime.combine(day, wall, tzinfo=timezone(offset)).astimezone(UTC)


def _read_date(text: str) -> str | Refused:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        found = _instant(text)
    if found is None:
        return Refused("is no date that can be read; write 2026-11-03")
    return found.astimezone(HOME_ZONE).date().isoformat()


# -- by name -----------------------------------------------------------------------------------------------------------


Reader = Callable[[str], Value | Mended | Refused]
"""Text that is not blank -> what it says."""


def custom_reader(spec: FieldSpec) -> Reader:
    """The reader of a declared custom field: coerces a text to the field's type, or refuses it."""
    match spec.type:
        case "number":
            return read_number
        case "date":
            return _read_date
        case "yes_no":
            return read_yes_no
        case "choice":
            return _choice_reader(spec.values)
        case _:
            return read_text


def _choice_reader(values: tuple[str, ...]) -> Reader:
    """A value of the list, also in other case and with blanks or hyphens; the list's own spelling is stored."""
    known = {_bare(value): value for value in reversed(values)}
    refused = Refused(f"write one of: {', '.join(values)}")

    @lru_cache(maxsize=1024)
    def read(text: str) -> str | Refused:
        return known.get(_bare(text), refused)

    return read


def _bare(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum())


def built_in_readers(now: datetime) -> dict[str, Reader]:
    """Field name -> its reader, as of `now`; for every built-in field of a person that text can set."""
    year = now.year
    return {
        "given_name": read_name,
        "family_name": read_name,
        "state": read_state,
        "county": read_name,
        "zip": read_zip,
        "lang": read_lang,
        "birth_year": lambda text: read_birth_year(text, year),
        "runs_before": read_runs_before,
        "endorsement": read_endorsement,
        "endorsable": read_yes_no,
        "source": read_name,
    }


def read_value(name: str, text: str, fields: Mapping[str, FieldSpec], *, now: datetime) -> Value | Refused:
    """
    The value of a field by its name (`state`, `custom.office_interest`) from what somebody typed.

    `fields` are the declared custom ones. Refused also where there is no such field, and for blank text.
    """
    text = text.strip()
    if not text:
        return Refused("is blank")
    if name.startswith("custom."):
        spec = fields.get(name.removeprefix("custom."))
        if spec is None:
            return Refused(f"there is no such field; declared are: {', '.join(fields) or 'none'}")
        reader = custom_reader(spec)
    elif name in built_in_readers(now):
        reader = built_in_readers(now)[name]
    else:
        return Refused(f"there is no such field; fields are: {', '.join(built_in_readers(now))}")
    value = reader(text)
    return value.value if isinstance(value, Mended) else value
