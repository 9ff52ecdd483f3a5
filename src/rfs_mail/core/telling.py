"""
Reasons and times as staff read them: the sentence of a reason with its instants on the person's own clock.

What is stored beside a reason are exact instants in UTC; nobody wants to read those.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rfs_mail.core.local_time import in_utc
from rfs_mail.core.reasons import Reason, remedy, sentence

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_SINCE: Final = re.compile(r" since (\d{4}-\d\d-\d\d \d\d:\d\d) UTC")


@dataclass(frozen=True, slots=True)
class Told:
    """A reason in words. `remedy` is empty where there is nothing to do."""

    sentence: str
    remedy: str = ""


def tell(reason: Reason | str, detail: Mapping[str, object] | None, *, zone: ZoneInfo, now: datetime) -> Told:
    """The sentence of a reason and what to do about it; its instants are said on the clock of `zone`."""
    said = {key: _said(value, zone, now) for key, value in (detail or {}).items()}
    return Told(sentence(reason, said), remedy(reason, said))


def say_instant(at: datetime, zone: ZoneInfo, *, now: datetime, whose: str = "her time") -> str:
    """`Sat 2 Jan 10:00 her time`; the year where it is not the present one."""
    local = at.astimezone(zone)
    year = "" if local.year == now.astimezone(zone).year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M} {whose}".rstrip()


def _said(value: object, zone: ZoneInfo, now: datetime) -> object:
    if isinstance(value, datetime):
        return say_instant(in_utc(value), zone, now=now)
    if not isinstance(value, str):
        return value
    if _INSTANT.fullmatch(value):
        return say_instant(datetime.fromisoformat(value), zone, now=now)
    since = _SINCE.fullmatch(value)
    if since:
        return f" since {say_instant(datetime.fromisoformat(since[1] + '+00:00'), zone, now=now)}"
    return value
