"""
Days on which a filing office is likely to be open: Monday to Friday without the public holidays of its state.

The holidays are those of the library `holidays`, which this file alone asks. It knows what a state keeps, not what one
county does: a clerk may close on Christmas Eve, or work three days a week. So a mail says "likely" and "call first".
"""

from datetime import date, timedelta
from functools import lru_cache


@lru_cache(maxsize=256)
def _holidays(state: str, year: int) -> frozenset[date]:
    """The public holidays of a state or territory in a year, with the days on which they are observed."""
    from holidays import country_holidays  # a tenth of a second to load, and only countdowns count days

    try:
        return frozenset(country_holidays("US", subdiv=state, years=year, expand=False))
    except NotImplementedError:  # a state the library does not know: what all states keep
        return frozenset(country_holidays("US", years=year, expand=False))


def is_open_day(day: date, state: str) -> bool:
    """Whether offices of this state (USPS code; others keep federal holidays) are likely to be open on a day."""
    return day.weekday() < 5 and day not in _holidays(state, day.year)


@lru_cache(maxsize=4096)
def open_days_until(today: date, last: date, state: str) -> int:
    """
    How many open days lie after `today` and up to `last`, the last one counted: 1 from a Friday to the Monday after.

    0 where `last` is today or behind.
    """
    days = (today + timedelta(days=ahead) for ahead in range(1, (last - today).days + 1))
    return sum(is_open_day(day, state) for day in days)
