"""
The campaign breaker: when a campaign's mail goes so wrong that only a person may let it go on.

A list full of dead addresses, or mail that fails authentication, costs every other campaign its reputation within the
hour. So the campaign is paused, and says why.
"""

import re
from dataclasses import dataclass
from typing import Final

from rfs_mail.core.verdict import Deferred, Rejected, Verdict

SHARE: Final = 0.05
"""More hard bounces than this share are too many."""

FEWEST: Final = 5
"""So many at least: a campaign of three mails does not stop for one."""

BLOCK: Final = 1_000
"""What is counted: all since the campaign began or was resumed, later the last one to two thousand."""

_UNAUTHENTICATED: Final = re.compile(r"\b5\.7\.(?:26|515)\b")


@dataclass(frozen=True, slots=True)
class Count:
    """Mails that were answered, yes or no, and how many of them were refused for a dead address."""

    tried: int = 0
    hard: int = 0
    tried_before: int = 0
    """The block before."""
    hard_before: int = 0

    def trips(self) -> str | None:
        """Why the campaign must stop, as a sentence; None where it need not."""
        tried, hard = self.tried + self.tried_before, self.hard + self.hard_before
        if hard < FEWEST or hard <= SHARE * tried:
            return None
        share = 100 * hard / max(tried, hard)
        return (
            f"{hard:,} of the last {tried:,} mails bounced for good ({share:.1f} %, more than 5 %): "
            "look at where these addresses came from"
        )

    def rolled(self) -> "Count":
        """A full block becomes the block before."""
        return Count(0, 0, self.tried, self.hard) if self.tried >= BLOCK else self


def unauthenticated(verdict: Verdict) -> str | None:
    """
    Why the campaign must stop at once: the receiving side says that our mail is not authenticated. None otherwise.

    550 5.7.26 is Google's, 550 5.7.515 Microsoft's; every further mail would fail in the same way.
    """
    if not isinstance(verdict, Deferred | Rejected):
        return None
    if verdict.status not in ("5.7.26", "5.7.515") and not _UNAUTHENTICATED.search(verdict.text):
        return None
    return f"mail is refused as unauthenticated: {verdict.code} {verdict.text[:200]} (mend SPF, DKIM or DMARC first)"
