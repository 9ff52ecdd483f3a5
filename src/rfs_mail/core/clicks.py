"""
Who followed a link: a person, a machine, or nobody can say.

Security gateways fetch every link of a mail, often within seconds of its arrival and sometimes with HEAD; link previews
and scripts say who they are. Nothing is thrown away: the raw facts are stored beside the answer and the number of the
rule that gave it, so that a better rule can be run over them later.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

RULE: Final = "1"
"""Changes when the rule changes."""

TOO_SOON: Final = timedelta(seconds=10)
"""Nobody opens, reads and follows a link so soon after the mail has left."""

SAME_MOMENT: Final = timedelta(seconds=1)
"""Links of one mail that are followed so close together are a scanner's."""


class Kind(StrEnum):
    """Who it was."""

    HUMAN = "human"
    MACHINE = "machine"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a link, as far as the rule looks at it."""

    method: str
    user_agent: str
    since_sent: timedelta | None
    """Since the mail left; None, or less than nothing (sent ahead of time), says nothing."""
    other_links: int = 0
    """Other links of the same mail that were followed in the same moment."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer, and why in one word: head, user_agent, too_soon, many_links, no_user_agent, or empty for a person."""

    kind: Kind
    because: str = ""


_MACHINES: Final = re.compile(
    r"""
      (?<!cu)bot\b | crawler | spider | scanner | slurp          # what calls itself one; Cubot makes telephones
    | googleimageproxy | yahoomailproxy | bingpreview | facebookexternalhit | whatsapp/ | skypeuripreview
    | snippet | preview\b | embedly | validator
    | barracuda | proofpoint | mimecast | ironport | safelinks | microsoft-atp | ms-office | msoffice
    | forcepoint | fireeye | trendmicro | symantec | sophos | messagelabs | mailmarshal | cyren | checkpoint
    | \bcurl/ | \bwget | python- | aiohttp | httpx | go-http-client | okhttp | apache-httpclient | \bjava/
    | libwww | \bruby | node-fetch | axios | undici | \bphp/ | \bperl | guzzle | postman | dotnet | winhttp
    | headlesschrome | phantomjs | puppeteer | playwright | selenium | chrome-lighthouse
    """,
    re.IGNORECASE | re.VERBOSE,
)

_BARE: Final = re.compile(r"mozilla/[45]\.0/?", re.IGNORECASE)
"""A browser says more than this; mail privacy proxies and simple scanners do not."""


def judge(visit: Visit) -> Judged:
    """Who followed this link. The first sign of a machine decides; without any, a browser is a person."""
    agent = visit.user_agent.strip()
    if visit.method.upper() == "HEAD":
        return Judged(Kind.MACHINE, "head")
    if _MACHINES.search(agent) or _BARE.fullmatch(agent):
        return Judged(Kind.MACHINE, "user_agent")
    if visit.since_sent is not None and timedelta() <= visit.since_sent < TOO_SOON:
        return Judged(Kind.MACHINE, "too_soon")
    if visit.other_links > 0:
        return Judged(Kind.MACHINE, "many_links")
    if not agent:
        return Judged(Kind.UNKNOWN, "no_user_agent")
    return Judged(Kind.HUMAN)
