"""
Clocks on walls: what a local time is as an instant, and back.

Instants are aware datetimes in UTC. Two rules decide what a wall clock cannot say by itself: a local time that a
clock change skips moves to the first that exists, and one that happens twice is taken the first time.
"""

import difflib
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from rfs_mail.errors import TimeError

MIDNIGHT = time(0, 0)

# What people write for a zone. The abbreviations are offsets, not places: "EST" is an hour wrong all summer.
_PLACES = {
    "est": "America/New_York",
    "edt": "America/New_York",
    "et": "America/New_York",
    "eastern": "America/New_York",
    "us/eastern": "America/New_York",
    "est5edt": "America/New_York",
    "cst": "America/Chicago",
    "cdt": "America/Chicago",
    "ct": "America/Chicago",
    "central": "America/Chicago",
    "us/central": "America/Chicago",
    "cst6cdt": "America/Chicago",
    "mst": "America/Denver",
    "mdt": "America/Denver",
    "mt": "America/Denver",
    "mountain": "America/Denver",
    "us/mountain": "America/Denver",
    "mst7mdt": "America/Denver",
    "pst": "America/Los_Angeles",
    "pdt": "America/Los_Angeles",
    "pt": "America/Los_Angeles",
    "pacific": "America/Los_Angeles",
    "us/pacific": "America/Los_Angeles",
    "pst8pdt": "America/Los_Angeles",
    "akst": "America/Anchorage",
    "akdt": "America/Anchorage",
    "alaska": "America/Anchorage",
    "hst": "Pacific/Honolulu",
    "hawaii": "Pacific/Honolulu",
    "gmt": "UTC",
    "z": "UTC",
}


@lru_cache(maxsize=1024)
def find_zone(name: str) -> ZoneInfo:
    """
    The zone of an IANA name such as `America/Chicago`, or `UTC`.

    Raises TimeError for anything else, abbreviations like `EST` among it, with the nearest name as `hint`.
    """
    place = _PLACES.get(name.casefold())
    if place is None and (name == "UTC" or "/" in name):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    if place is None:
        by_fold = {known.casefold(): known for known in available_timezones() if "/" in known or known == "UTC"}
        by_city = {known.rpartition("/")[2].casefold(): known for known in sorted(by_fold.values(), reverse=True)}
        wanted = name.strip().replace(" ", "_").casefold()
        choices = by_fold if "/" in wanted else by_city
        near = difflib.get_close_matches(wanted, choices, n=1, cutoff=0.8)
        place = choices[near[0]] if near else None
    advice = f"Write: {place}" if place else "Write an IANA name such as America/Chicago."
    raise TimeError(f'No time zone "{name}". {advice}', hint=place)


def in_utc(instant: datetime) -> datetime:
    """The same instant in UTC. Raises TimeError for a naive datetime: nobody can know when that is."""
    if instant.tzinfo is UTC:
        return instant
    if instant.utcoffset() is None:
        raise TimeError(f"{instant.isoformat()} has no time zone. Give an aware datetime.")
    return instant.astimezone(UTC)


def local_instant(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """
    The instant (UTC) at which clocks in `zone` show `wall` on `day`.

    A skipped time becomes the first that exists (the moment of the change); of two, the first is taken.
    Raises OverflowError at the ends of the calendar (years 1 and 9999).
    """
    return _instant(datetime.combine(day, wall.replace(fold=0) if wall.fold else wall, zone))


def _instant(local: datetime) -> datetime:
    """The instant (UTC) of a wall time of its own zone, given with fold 0."""
    early, late = local.utcoffset(), local.replace(fold=1).utcoffset()
    assert early is not None
    assert late is not None
    if early < late:  # skipped: PEP 495 gives the offset before the change for fold 0, the one after for fold 1
        naive, zone = local.replace(tzinfo=None), local.tzinfo
        assert isinstance(zone, ZoneInfo)
        return _change_between(naive - late, naive - early, zone)
    return local.replace(tzinfo=UTC) - early


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The instant of the one clock change in (before, after], both naive in UTC. Changes fall on whole seconds."""
    low = before.replace(microsecond=0, tzinfo=UTC)
    high = after.replace(microsecond=0, tzinfo=UTC)
    offset = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high


def change_on(day: date, zone: ZoneInfo) -> datetime | None:
    """The instant of the clock change that falls on this local day, or None. Of several, one of them."""
    start = datetime.combine(day, MIDNIGHT, tzinfo=UTC)
    low, high = start - timedelta(hours=26), start + timedelta(hours=50)
    first, last = low.astimezone(zone).utcoffset(), high.astimezone(zone).utcoffset()
    if first == last:
        return None
    return _change_between(low.replace(tzinfo=None), high.replace(tzinfo=None), zone)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The day that calendars in `zone` show at this instant."""
    return instant.astimezone(zone).date()


def local_day_start(instant: datetime, zone: ZoneInfo) -> datetime:
    """When the local day of this instant began, as an instant (UTC)."""
    return local_instant(local_date(instant, zone), MIDNIGHT, zone)


def shift_days(instant: datetime, days: int, zone: ZoneInfo) -> datetime:
    """
    The instant `days` calendar days away on the clock of `zone`: the wall time stays, the hours between may not.

    0 days is the instant itself, also in the second of two equal hours.
    """
    if not days:
        return in_utc(instant)
    # Within one zone Python adds days to what the clock on the wall shows, and gives fold 0.
    return _instant(instant.astimezone(zone) + timedelta(days=days))
