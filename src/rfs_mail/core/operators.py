"""
Who receives mail for a domain, and how much of it they are known to take at a time.

Most people's mail ends at a handful of operators, and each of them counts what one sender hands in. The domain table is
static, because a relay stands between us and them. Where an installation asks for MX records too (`mx_lookup`), the
names of a domain's mail hosts say who it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

OTHER: Final = "other"
"""Everybody who is in no table: thousands of receivers, of whom one says nothing about the others."""

_DOMAINS: Final[Mapping[str, str]] = {
    domain: operator
    for operator, domains in {
        "google": "gmail.com googlemail.com google.com",
        "microsoft": "outlook.com hotmail.com live.com msn.com passport.com windowslive.com",
        "yahoo": "yahoo.com ymail.com rocketmail.com aol.com aim.com love.com wow.com games.com netscape.net "
        "verizon.net att.net sbcglobal.net bellsouth.net ameritech.net pacbell.net swbell.net snet.net flash.net "
        "prodigy.net nvbell.net wans.net currently.com frontier.com frontiernet.net cox.net",
        "apple": "icloud.com me.com mac.com privaterelay.appleid.com",
        "comcast": "comcast.net xfinity.com",
        "charter": "charter.net spectrum.net rr.com roadrunner.com twc.com brighthouse.com",
        "altice": "optonline.net optimum.net suddenlink.net",
        "centurylink": "centurylink.net centurytel.net embarqmail.com q.com",
        "windstream": "windstream.net",
        "earthlink": "earthlink.net mindspring.com peoplepc.com",
        "united_online": "juno.com netzero.net netzero.com",
        "proton": "proton.me protonmail.com pm.me protonmail.ch",
        "fastmail": "fastmail.com fastmail.fm",
        "gmx": "gmx.com gmx.net gmx.us mail.com email.com usa.com web.de",
        "zoho": "zoho.com zohomail.com",
        "tuta": "tutanota.com tuta.io tuta.com",
    }.items()
    for domain in domains.split()
}
_FAMILIES: Final[Mapping[str, str]] = {
    "yahoo": "yahoo",
    "hotmail": "microsoft",
    "live": "microsoft",
    "outlook": "microsoft",
    "rr": "charter",
}
"""Names that an operator uses under many country codes (yahoo.co.uk), or with a region before them (nyc.rr.com)."""

_MAIL_HOSTS: Final[Mapping[str, str]] = {
    suffix: operator
    for operator, suffixes in {
        "google": "google.com googlemail.com",
        "microsoft": "olc.protection.outlook.com mail.protection.outlook.com mx.microsoft",
        "yahoo": "yahoodns.net",
        "apple": "icloud.com",
        "comcast": "comcast.net",
        "gmx": "gmx.net web.de",
        "mimecast": "mimecast.com",
        "orange": "orange.fr",
        "fastmail": "messagingengine.com",
        "proton": "protonmail.ch",
        "zoho": "zoho.com",
        "tuta": "tutanota.de",
    }.items()
    for suffix in suffixes.split()
}
"""How the names of their mail hosts end: KumoMTA's shaping.toml, and what the operators tell customers to publish."""

OPERATORS: Final = (*sorted({*_DOMAINS.values(), *_MAIL_HOSTS.values()}), OTHER)
"""Every operator there is a name for."""


@lru_cache(maxsize=16384)
def operator(domain: str) -> str:
    """
    Who receives mail for this domain, for throttles: google, microsoft, yahoo, apple, comcast ... or `other`.

    A table, never a look-up: a school or a firm whose mail is hosted by one of them counts as `other` here.
    """
    known = _DOMAINS.get(domain)
    if known is not None:
        return known
    labels = domain.split(".")
    if labels[-2:] == ["rr", "com"]:
        return "charter"
    if len(labels) in (2, 3) and all(len(label) <= 3 for label in labels[1:]) and labels[0] != "rr":
        return _FAMILIES.get(labels[0], OTHER)
    return OTHER


def operator_of_hosts(hosts: Sequence[str]) -> str:
    """
    Who runs these mail hosts, in the order of their preference (RFC 5321 section 5.1); `other` where nobody is known.

    The first is asked, because mail goes to it; the others stand in. Whole labels are compared, whatever their case.
    """
    if not hosts:
        return OTHER
    labels = hosts[0].rstrip(".").lower().split(".")
    for start in range(len(labels)):
        known = _MAIL_HOSTS.get(".".join(labels[start:]))
        if known is not None:
            return known
    return OTHER


@dataclass(frozen=True, slots=True)
class Limits:
    """What one operator is given through one relay."""

    outstanding: int | None = None
    """Deliveries claimed or at the wire at a time; None: as many as the pool holds."""
    rate: float | None = None
    """Deliveries a second; None: no limit of ours."""


def _of(connections: int, messages: int) -> Limits:
    return Limits(connections * messages, _RATE)


_RATE: Final = 100.0

KNOWN: Final[Mapping[str, Limits]] = {
    **{name: _of(10, 100) for name in OPERATORS},
    "google": _of(5, 50),
    "microsoft": _of(5, 50),
    "yahoo": _of(10, 20),
    "apple": _of(10, 5),
    "comcast": _of(25, 1000),
    "gmx": _of(4, 20),
    "mimecast": _of(10, 100),
    "orange": _of(2, 100),
    OTHER: Limits(),
}
"""
What each takes from a sender it does not know better: connections times messages a connection, and 100 a second.

The numbers are those that open-source servers ship with as of 2026 (KumoMTA's shaping.toml): 5 connections of 50
messages at Google and Microsoft, 20 a connection at Yahoo, 10 of 5 at Apple, 25 of 1,000 at Comcast, 4 of 20 at GMX,
10 of 100 at Mimecast, 2 of 100 at Orange.
"""
