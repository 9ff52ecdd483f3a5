"""
What the far side said about one message, as a value.

A verdict says two things apart: what becomes of the delivery (accepted, try again, over, nobody knows) and whom it is
about. Only `BounceClass.HARD` may suppress a person at once; a refusal for our reputation, our set-up or our content
never does.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

TEXT_LIMIT = 500
"""Characters of a reply that are kept."""


class Phase(StrEnum):
    """Where in the conversation a reply came, in order (RFC 5321 section 4.3.2)."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class Scope(StrEnum):
    """Whom a reply is about."""

    RECIPIENT = "recipient"
    """This address."""
    CONTENT = "content"
    """This message."""
    SENDER = "sender"
    """Us: the relay refuses everything we send. It is paused; the person is not to blame."""
    CONNECTION = "connection"
    """The connection: 421, or it broke before the final dot. The mail is still ours."""


class BounceClass(StrEnum):
    """What a refusal means for the address."""

    HARD = "hard"
    """No such mailbox or domain: suppress now."""
    INACTIVE = "inactive"
    """Disabled, or a refusal that says no more: suppress when it repeats."""
    QUOTA = "quota"
    """The mailbox is full."""
    POLICY = "policy"
    """Blocked, unauthenticated, our reputation: never suppress."""
    CONTENT = "content"
    """Size, virus, format: never suppress."""
    TRANSIENT = "transient"
    """Of the moment: busy, greylisted, too fast."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The far side took charge of the message."""

    code: int = 250
    status: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: the message is still ours, and is tried again."""

    code: int
    status: str
    text: str
    phase: Phase
    scope: Scope
    bounce: BounceClass = BounceClass.TRANSIENT

    @property
    def requeue_without_attempt(self) -> bool:
        """Whether the delivery goes back as if it had not been tried: the trouble is not of this mail."""
        return self.scope in (Scope.CONNECTION, Scope.SENDER)


@dataclass(frozen=True, slots=True)
class Rejected:
    """No. With scope SENDER it is no to all we send: the delivery goes back, and the relay is paused."""

    code: int
    status: str
    text: str
    phase: Phase
    scope: Scope
    bounce: BounceClass

    @property
    def hard(self) -> bool:
        """Whether the address itself is dead, so that it is suppressed at once."""
        return self.bounce is BounceClass.HARD

    @property
    def requeue_without_attempt(self) -> bool:
        """Whether the delivery goes back as if it had not been tried: the trouble is not of this mail."""
        return self.scope is Scope.SENDER


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The final dot went out and no answer came back: the message may have been taken. Nobody can know."""

    text: str
    code: int = 0
    status: str = ""
    phase: Phase = Phase.DOT


Verdict = Accepted | Deferred | Rejected | Uncertain


def goes_on(phase: Phase, code: int) -> bool:
    """Whether this reply lets the conversation pass on to its next phase; after the final dot there is none."""
    if phase is Phase.DATA:
        return code == 354
    return phase is not Phase.DOT and 200 <= code < 300


def from_reply(phase: Phase, code: int, text: str) -> Verdict:
    """
    The verdict of a reply that ends a transaction: any code, any phase (RFC 5321 section 4.2, RFC 3463).

    421 in any phase and replies that make no sense before the final dot are the connection's; a senseless reply to
    the final dot leaves the message uncertain. 5xx before RCPT, and 530 or 535 anywhere, are refusals of us. Raises
    ValueError for a reply on which the conversation goes on, because that is no verdict yet.
    """
    if goes_on(phase, code):
        raise ValueError(f"{code} at {phase} is not the end of a conversation.")
    status = enhanced_status(code, text)
    said = printable(text)
    if code == 421:
        return Deferred(code, status, said, phase, Scope.CONNECTION)
    if phase is Phase.DOT and 200 <= code < 300:
        return Accepted(code, status, said)
    if 400 <= code < 500:
        return _deferred(phase, code, status, said)
    if 500 <= code < 600:
        return _rejected(phase, code, status, said)
    if phase is Phase.DOT:
        return Uncertain(said, code, status)
    return Deferred(code, status, said, phase, Scope.CONNECTION)


def connection_failed(phase: Phase, text: str) -> Deferred:
    """The connection could not be made, fell silent or broke, known to be before the final dot went out."""
    return Deferred(0, "", printable(text), phase, Scope.CONNECTION)


def relay_refused(phase: Phase, text: str) -> Rejected:
    """The relay cannot be used as it is configured: its certificate, a missing STARTTLS or AUTH. Nothing was sent."""
    return Rejected(0, "", printable(text), phase, Scope.SENDER, BounceClass.POLICY)


def refused_here(scope: Scope, text: str) -> Rejected:
    """A message or address that we ourselves do not put on the wire. The address is not suppressed for it."""
    return Rejected(0, "", printable(text), Phase.MAIL, scope, BounceClass.CONTENT)


_STATUS_FIRST = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_STATUS_INSIDE = re.compile(r"#([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")


def enhanced_status(code: int, text: str) -> str:
    """
    The enhanced status of a reply (RFC 3463), or "".

    It stands first in the text (RFC 2034 section 4), or after a `#` as some write it; one of another class than the
    code is no status, and neither is an IP address.
    """
    match = _STATUS_FIRST.match(text) or _STATUS_INSIDE.search(text)
    if match is None or match[1] != str(code)[:1]:
        return ""
    return f"{match[1]}.{int(match[2])}.{int(match[3])}"


def printable(text: str) -> str:
    """A reply's text on one line, without anything that a terminal or a page would act on, at most 500 characters."""
    flat = " ".join(text[: 4 * TEXT_LIMIT].split())
    if not flat.isprintable():
        flat = "".join([letter if letter.isprintable() else "?" for letter in flat])
    return flat[:TEXT_LIMIT]


def _deferred(phase: Phase, code: int, status: str, text: str) -> Deferred:
    if phase in (Phase.RCPT, Phase.DATA, Phase.DOT):
        scope = Scope.RECIPIENT if phase is Phase.RCPT else Scope.CONTENT
        bounce = BounceClass.TRANSIENT
        if status == "4.2.2" or (not status and code in (450, 452) and _QUOTA.search(text)):
            scope, bounce = Scope.RECIPIENT, BounceClass.QUOTA
        elif status.startswith("4.7.") and not _GREYLIST.search(text):
            bounce = BounceClass.POLICY
        return Deferred(code, status, text, phase, scope, bounce)
    return Deferred(code, status, text, phase, Scope.SENDER)


def _rejected(phase: Phase, code: int, status: str, text: str) -> Rejected:
    if code in (530, 535) or (phase not in (Phase.RCPT, Phase.DATA, Phase.DOT) and not _about_size(code, status)):
        return Rejected(code, status, text, phase, Scope.SENDER, BounceClass.POLICY)
    if phase is Phase.RCPT and _REFUSES_US.search(text):
        return Rejected(code, status, text, phase, Scope.SENDER, BounceClass.POLICY)
    bounce = _bounce_class(phase, code, status, text)
    about_address = bounce in (BounceClass.HARD, BounceClass.INACTIVE, BounceClass.QUOTA)
    scope = Scope.RECIPIENT if about_address or phase is Phase.RCPT else Scope.CONTENT
    return Rejected(code, status, text, phase, scope, bounce)


def _about_size(code: int, status: str) -> bool:
    """A refusal of MAIL for its SIZE is about the message (RFC 1870 section 6)."""
    return code == 552 or status == "5.3.4"


_HARD_STATUS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
_CLASS_BY_STATUS = {
    **dict.fromkeys(_HARD_STATUS, BounceClass.HARD),
    "5.1.7": BounceClass.POLICY,
    "5.1.8": BounceClass.POLICY,
    "5.2.1": BounceClass.INACTIVE,
    "5.2.2": BounceClass.QUOTA,
    "5.2.3": BounceClass.CONTENT,
    "5.3.4": BounceClass.CONTENT,
}

# The words of replies. They speak where the code says too little, and stop a suppression where the code says too much:
# many hosts answer 5.1.1 to a sender they do not like.
_REFUSES_US = re.compile(
    r"relay(?:ing)? (?:access )?(?:is )?(?:denied|prohibited|not (?:permitted|allowed))"
    r"|(?:unable|not permitted) to relay|we do not relay|client host (?:\[?\S+\]? )?(?:rejected|blocked)"
    r"|sender address rejected|helo command rejected|authentication (?:is )?required|must authenticate"
    r"|domain isn't in my list of allowed rcpthosts",
    re.IGNORECASE,
)
_REPUTATION = re.compile(
    r"spam|black ?list|block ?list|\b(?:dns)?[rs]?bl\b|blocked|reputation|banned|unsolicited|not accepting mail from"
    r"|\bspf\b|\bdkim\b|\bdmarc\b|unauthenticated|reverse (?:dns|hostname)|\bptr\b|too many|rate limit|policy",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"quota|mail ?box (?:is )?full|exceeded (?:\w+ )?storage|storage allocation", re.IGNORECASE)
_DISABLED = re.compile(
    r"disabled|inactive|suspended|deactivated|not active|account .*(?:closed|locked)|mailbox unavailable"
    r"|recipient (?:address )?rejected",
    re.IGNORECASE,
)
_THING = "(?:user|recipient|mailbox|address|account)"
_UNKNOWN = re.compile(
    rf"(?:no such|unknown|invalid|nonexistent|non-existent|unrouteable) {_THING}|unknown local"
    r"|no mailbox (?:here )?by that name"
    rf"|{_THING}s? (?:is |was |\S+@\S+ |<\S+> )?(?:unknown|not (?:exist|found|known)|invalid)"
    r"|does(?: not|n't) (?:exist|have an? .{1,40} account)",
    re.IGNORECASE,
)
_GREYLIST = re.compile(r"gr[ea]y-?list|try again|temporar", re.IGNORECASE)


def _bounce_class(phase: Phase, code: int, status: str, text: str) -> BounceClass:
    by_status = _CLASS_BY_STATUS.get(status)
    if by_status is BounceClass.HARD:
        return BounceClass.POLICY if _REPUTATION.search(text) else BounceClass.HARD
    if by_status is not None:
        return by_status
    if status.startswith("5.7.") or _REPUTATION.search(text):
        return BounceClass.POLICY
    if status.startswith("5.6."):
        return BounceClass.CONTENT
    if _UNKNOWN.search(text):
        return BounceClass.HARD
    if _QUOTA.search(text):
        return BounceClass.QUOTA
    if _DISABLED.search(text):
        return BounceClass.INACTIVE
    if phase is not Phase.RCPT:
        return BounceClass.CONTENT
    if code == 552:
        return BounceClass.QUOTA
    if code in (550, 551, 553) and not status.startswith(("5.3.", "5.4.", "5.5.")):
        return BounceClass.INACTIVE
    return BounceClass.TRANSIENT
