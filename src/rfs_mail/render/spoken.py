"""How days and clocks are said in a mail, in English and Spanish. Values in, text out."""

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from typing import Final

FAR_AWAY_DAYS: Final = 300
"""A day further than this from the day of the mail is said with its year."""

_WEEKDAYS: Final = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}
_MONTHS: Final = {
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio",
        "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
    ),
}  # fmt: skip
_NEAR: Final = {
    "en": {-1: "yesterday", 0: "today", 1: "tomorrow"},
    "es": {-1: "ayer", 0: "hoy", 1: "mañana"},
}
_ZONE_NAMES: Final = {
    "en": {
        "eastern": "Eastern",
        "central": "Central",
        "mountain": "Mountain",
        "pacific": "Pacific",
        "alaska": "Alaska",
        "hawaii": "Hawaii",
        "arizona": "Arizona time",
        "atlantic": "Atlantic",
        "aleutian": "Hawaii-Aleutian",
        "samoa": "Samoa time",
        "chamorro": "Chamorro time",
    },
    "es": {
        "eastern": "del Este",
        "central": "del Centro",
        "mountain": "de la Montaña",
        "pacific": "del Pacífico",
        "alaska": "de Alaska",
        "hawaii": "de Hawái",
        "arizona": "de Arizona",
        "atlantic": "del Atlántico",
        "aleutian": "de Hawái-Aleutianas",
        "samoa": "de Samoa",
        "chamorro": "de Guam",
    },
}


def _zones() -> dict[str, str]:
    """Every zone of the United States and its territories, by the name people use for its time."""
    america = {
        "eastern": "New_York Detroit Toronto Kentucky/Louisville Kentucky/Monticello Indiana/Indianapolis"
        " Indiana/Vincennes Indiana/Winamac Indiana/Marengo Indiana/Petersburg Indiana/Vevay Louisville Indianapolis"
        " Fort_Wayne",
        "central": "Chicago Indiana/Tell_City Indiana/Knox Menominee North_Dakota/Center North_Dakota/New_Salem"
        " North_Dakota/Beulah",
        "mountain": "Denver Boise Shiprock",
        "pacific": "Los_Angeles",
        "alaska": "Anchorage Juneau Sitka Metlakatla Yakutat Nome",
        "arizona": "Phoenix",
        "atlantic": "Puerto_Rico St_Thomas Virgin",
        "aleutian": "Adak Atka",
    }
    names = {f"America/{place}": name for name, places in america.items() for place in places.split()}
    names |= {"Pacific/Honolulu": "hawaii", "Pacific/Johnston": "hawaii"}
    names |= {"Pacific/Pago_Pago": "samoa", "Pacific/Guam": "chamorro", "Pacific/Saipan": "chamorro"}
    names |= {f"US/{name.title()}": name for name in _ZONE_NAMES["en"] if name not in {"atlantic", "chamorro"}}
    return names


_NAME_OF_ZONE: Final[Mapping[str, str]] = _zones()


def tongue(language: str) -> str:
    """The language these words exist in that is nearest to a language tag: `es-US` is `es`, others are `en`."""
    primary = language.partition("-")[0].lower()
    return primary if primary in _WEEKDAYS else "en"


def say_day(day: date, language: str, today: date | None = None) -> str:
    """`Tuesday, December 8` or `martes 8 de diciembre`; with the year where it is far from `today`."""
    words = tongue(language)
    weekday, month = _WEEKDAYS[words][day.weekday()], _MONTHS[words][day.month - 1]
    far = today is not None and abs((date(day.year, day.month, day.day) - today).days) > FAR_AWAY_DAYS
    if words == "es":
        return f"{weekday} {day.day} de {month}" + (f" de {day.year}" if far else "")
    return f"{weekday}, {month} {day.day}" + (f", {day.year}" if far else "")


def say_date(day: date, language: str) -> str:
    """`December 8, 2026` or `8 de diciembre de 2026`."""
    words = tongue(language)
    month = _MONTHS[words][day.month - 1]
    return f"{day.day} de {month} de {day.year}" if words == "es" else f"{month} {day.day}, {day.year}"


def say_clock(moment: datetime, language: str) -> str:
    """
    `7:00 pm Eastern` or `7:00 p. m. del Este`, on the clock that the instant carries.

    Twelve o'clock in the day is noon: many read 12:00 pm as midnight, and filing closes at noon in many states.
    """
    words = tongue(language)
    hour = moment.hour % 12 or 12
    noon = (moment.hour, moment.minute) == (12, 0)
    if words == "es":
        half = "del mediodía, hora" if noon else "a. m." if moment.hour < 12 else "p. m."
        return f"{hour}:{moment.minute:02d} {half} {say_zone(moment, words)}"
    half = "noon" if noon else "am" if moment.hour < 12 else "pm"
    return f"{hour}:{moment.minute:02d} {half} {say_zone(moment, words)}"


def say_day_and_time(moment: datetime, language: str, today: date | None = None) -> str:
    """`Tuesday, December 8, 7:00 pm Eastern` or `martes 8 de diciembre, 7:00 p. m. del Este`."""
    return f"{say_day(moment.date(), language, today)}, {say_clock(moment, language)}"


def say_left(days: int, language: str) -> str:
    """`today`, `tomorrow`, `in 3 days`; looking back `yesterday`, `3 days ago`. In Spanish `hoy`, `en 3 días` ..."""
    words = tongue(language)
    if abs(days) <= 1:
        return _NEAR[words][days]
    if words == "es":
        return f"en {days} días" if days > 0 else f"hace {-days} días"
    return f"in {days} days" if days > 0 else f"{-days} days ago"


def say_soon(day: date, today: date, language: str) -> str:
    """`today`, `tomorrow`, `on Friday` within six days, else `on Friday, January 8`; `el viernes 8 de enero`."""
    words = tongue(language)
    days = (day - today).days
    if abs(days) <= 1:
        return _NEAR[words][days]
    said = _WEEKDAYS[words][day.weekday()] if 0 < days < 7 else say_day(day, language, today)
    return f"el {said}" if words == "es" else f"on {said}"


def say_days(number: int, language: str) -> str:
    """`1 day`, `3 days`, `3 días`."""
    one, many = ("día", "días") if tongue(language) == "es" else ("day", "days")
    return f"{number} {one if number == 1 else many}"


def say_zone(moment: datetime, language: str) -> str:
    """What people call the zone's time: `Eastern`, `del Este`; elsewhere its abbreviation or offset."""
    key = getattr(moment.tzinfo, "key", "")
    name = _NAME_OF_ZONE.get(key)
    if name is not None:
        return _ZONE_NAMES[tongue(language)][name]
    short = moment.tzname() or "UTC"
    return short if short[:1].isalpha() else f"UTC{short}"


def on_clock(value: date | datetime, zone: tzinfo) -> date | datetime:
    """An instant on the clock of a zone; a plain day as it is. Raises ValueError for a datetime without a zone."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError("a time without a zone cannot be said; give it one")
    return value.astimezone(zone)
