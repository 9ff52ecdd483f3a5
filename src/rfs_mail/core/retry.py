"""When a deferred delivery is tried again, and when it is given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256


class GiveUpReason(StrEnum):
    """Why there is no further attempt."""

    TOO_OLD = "too_old"
    """The life of a delivery since its first attempt is over."""
    EXPIRED = "expired"
    """The next attempt would come after the mail's own `not_after`."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at this instant, not before."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; the delivery expires, and the person is not to blame."""

    reason: GiveUpReason


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """
    Waits that double from `first` to `longest`, each moved by up to `jitter` of itself either way, for `life` at most.

    The defaults are those of campaign mail: 5 minutes to 4 hours, 48 hours in all, because a drip mail that comes
    later than that is stale.
    """

    first: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=4)
    jitter: float = 0.25
    life: timedelta = timedelta(hours=48)

    def next_attempt(
        self, attempt: int, first_at: datetime, now: datetime, not_after: datetime | None, seed: int
    ) -> RetryAt | GiveUp:
        """
        What follows the failed attempt number `attempt` (from 1) of a delivery that was first tried at `first_at`.

        All instants are aware. `not_after` None means no limit but the life. `seed`, such as the delivery's id,
        settles the jitter: the same arguments give the same answer. Where the wait would run past the end but there
        is still room for the shortest one, the attempt moves forward to one shortest wait before the end.
        """
        if attempt < 1:
            raise ValueError("Attempts are counted from 1.")
        if any(at.utcoffset() is None for at in (first_at, now, not_after or now)):
            raise ValueError("Instants need a time zone.")
        end, reason = first_at + self.life, GiveUpReason.TOO_OLD
        if not_after is not None and not_after < end:
            end, reason = not_after, GiveUpReason.EXPIRED
        wait = min(self.first * 2 ** min(attempt - 1, 30), self.longest)
        at = now + wait * (1 + self.jitter * _spread(seed, attempt))
        if at <= end:
            return RetryAt(at)
        last = end - self.first
        return RetryAt(last) if last - now >= self.first else GiveUp(reason)


def _spread(seed: int, attempt: int) -> float:
    """A number from -1 to 1 that looks random and is not."""
    digest = sha256(f"{seed}:{attempt}".encode("ascii")).digest()
    return int.from_bytes(digest[:8], "big") / 2**63 - 1
