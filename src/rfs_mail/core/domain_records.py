"""
What the DNS says about a domain that sends mail: SPF (RFC 7208), DMARC (RFC 9989, before it RFC 7489), MX (RFC 5321).

Nothing is looked up here. A walk is a generator: it yields a `Question`, is sent the `Answer`, and returns what it
found; who drives it decides where answers come from. An answer that nobody could get (`known` is false) never becomes
"there is none": the walk raises `UnknownAnswerError`, and its driver says that it could not look.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from rfs_mail.errors import RfsMailError

T = TypeVar("T")


class RecordType(StrEnum):
    """The kinds of records that are asked for."""

    TXT = "TXT"
    MX = "MX"
    ADDRESS = "A"
    """A and AAAA together."""
    PTR = "PTR"
    NS = "NS"


@dataclass(frozen=True, slots=True)
class Question:
    """What to look up. `name` is a domain without a dot at its end; of a PTR it is the address."""

    type: RecordType
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came back: the records as text, none where there are none, or `known` is false and `why` says what failed.

    A TXT record has its strings joined; an MX is `preference host`, host `.` for none (RFC 7505).
    """

    values: tuple[str, ...] = ()
    known: bool = True
    why: str = ""


class UnknownAnswerError(RfsMailError):
    """Something a walk needs could not be looked up. The message says what, and why."""


Walk = Generator[Question, Answer, T]


def _ask(kind: RecordType, name: str) -> Walk[tuple[str, ...]]:
    answer = yield Question(kind, name)
    if not answer.known:
        raise UnknownAnswerError(f"{kind} of {name} could not be looked up: {answer.why or 'no answer'}")
    return answer.values


# -- SPF ---------------------------------------------------------------------------------------------------------------

MOST_LOOKUPS: Final = 10
"""Terms of an SPF record that ask the DNS, those of included records too (RFC 7208 section 4.6.4)."""

_ASKING: Final = ("include", "a", "mx", "ptr", "exists")
_MECHANISMS: Final = (*_ASKING, "all", "ip4", "ip6")
_STOP_COUNTING: Final = 40
"""A record that includes itself would be walked for ever."""


@dataclass(frozen=True, slots=True)
class Spf:
    """
    An SPF record as receivers see it.

    `record` is None where the domain has none. `lookups` counts what evaluating it to its end costs; `error` says why
    receivers call it a permanent error, `notes` what is allowed and unwise.
    """

    domain: str
    record: str | None = None
    lookups: int = 0
    error: str = ""
    notes: tuple[str, ...] = ()


def spf(domain: str) -> Walk[Spf]:
    """
    Read the SPF record of a domain and count its look-ups as RFC 7208 section 4.6.4 does, to the end of every include.

    Hosts of `a`, `mx`, `ptr` and `exists` are counted and not looked up; names with macros are counted and not
    followed. Raises UnknownAnswerError.
    """
    record, error = yield from _spf_record(domain)
    if record is None:
        return Spf(domain, error=error)
    notes: list[str] = []
    count, error = yield from _spf_terms(domain, record, notes, 0)
    ending = _all_of(record)
    if ending in ("+", "?"):
        notes.append(f"it ends in {ending}all, which allows everybody" if ending == "+" else "it ends in ?all")
    elif ending is None and "redirect=" not in record.lower():
        notes.append("it has no all at its end, so everybody else is neutral")
    if not error and count > MOST_LOOKUPS:
        more = "more than " if count >= _STOP_COUNTING else ""
        error = f"it needs {more}{count} DNS look-ups and {MOST_LOOKUPS} are allowed (RFC 7208 section 4.6.4)"
    return Spf(domain, record, count, error, tuple(dict.fromkeys(notes)))


def _spf_record(domain: str) -> Walk[tuple[str | None, str]]:
    """The one record, or an error (RFC 7208 section 4.5)."""
    texts = yield from _ask(RecordType.TXT, domain)
    found = [text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]
    if len(found) > 1:
        return None, f"{domain} has {len(found)} SPF records and may have one (RFC 7208 section 4.5)"
    return (found[0], "") if found else (None, "")


def _spf_terms(domain: str, record: str, notes: list[str], count: int) -> Walk[tuple[int, str]]:
    """Count on from `count`; the error that evaluating ends in, or ""."""
    redirect = ""
    for term in record.split()[1:]:
        name, mark, value = _term(term)
        if mark == "=":
            if name == "redirect":
                redirect = value
            continue
        if name not in _MECHANISMS:
            return count, f"{domain} has the term {term[:60]!r}, which SPF does not know"
        if name == "all":
            return count, ""  # nothing behind it is ever read
        if name == "ptr":
            notes.append(f"{domain} uses ptr, which is slow and should not be used (RFC 7208 section 5.5)")
        if name in _ASKING:
            count += 1
        if name == "include":
            if not value:
                return count, f"{domain} has an include without a domain"
            count, error = yield from _spf_below(domain, value, notes, count)
            if error or count >= _STOP_COUNTING:
                return count, error
    if redirect:
        return (yield from _spf_below(domain, redirect, notes, count + 1))
    return count, ""


def _spf_below(domain: str, target: str, notes: list[str], count: int) -> Walk[tuple[int, str]]:
    if "%" in target:
        notes.append(f"{domain} names {target[:60]} by a macro, which is not followed here")
        return count, ""
    if count >= _STOP_COUNTING:
        return count, ""
    record, error = yield from _spf_record(target)
    if record is None:
        return count, error or f"{domain} includes {target}, which has no SPF record (RFC 7208 section 5.2)"
    return (yield from _spf_terms(target, record, notes, count))


def _term(term: str) -> tuple[str, str, str]:
    """Name without its qualifier, what follows it (`:`, `=`, `/` or nothing), and the value."""
    bare = term[1:] if term[:1] in "+-?~" else term
    places = [place for mark in ":=/" if (place := bare.find(mark)) >= 0]
    if not places:
        return bare.lower(), "", ""
    place = min(places)
    return bare[:place].lower(), bare[place], bare[place + 1 :].rstrip(".") if bare[place] != "/" else ""


def _all_of(record: str) -> str | None:
    """The qualifier of the first `all`; None where there is none."""
    for term in record.split()[1:]:
        if _term(term)[0] == "all":
            return term[0] if term[0] in "+-?~" else "+"
    return None


# -- DMARC -------------------------------------------------------------------------------------------------------------

_MOST_LABELS: Final = 7
"""From a longer name the walk jumps to its last seven labels (RFC 9989 section 4.10)."""

_GONE: Final = ("pct", "rf", "ri")
"""Tags of RFC 7489 that RFC 9989 took away."""


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A valid DMARC policy record: where it stands, and its tags."""

    domain: str
    tags: Mapping[str, str]

    @property
    def policy(self) -> str:
        """`none`, `quarantine` or `reject`: without a usable `p`, none (RFC 9989 section 4.7)."""
        said = self.tags.get("p", "none").lower()
        return said if said in ("none", "quarantine", "reject") else "none"

    def is_strict(self, tag: str) -> bool:
        """Whether `adkim` or `aspf` asks for the very same domain."""
        return self.tags.get(tag, "r").lower() == "s"

    @property
    def notes(self) -> tuple[str, ...]:
        """What is allowed and does not do what it seems to."""
        found = [f"{tag}= has no meaning any more (RFC 9989)" for tag in _GONE if tag in self.tags]
        if "p" not in self.tags or self.tags["p"].lower() != self.policy:
            found.insert(0, "its p= is missing or unknown and counts as none")
        if self.tags.get("t", "n").lower() == "y":
            found.append("t=y: the policy is only being tested")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Organisation:
    """What the tree walk from a domain found: its organisational domain, and the records on the way, nearest first."""

    start: str
    domain: str
    records: tuple[DmarcRecord, ...] = ()


def parse_dmarc(domain: str, texts: tuple[str, ...]) -> DmarcRecord | None:
    """
    The policy record among the TXT records at `_dmarc.domain`; None where there is none, or more than one (RFC 9989).

    `v=DMARC1` must come first, exactly so; unknown tags are ignored, of a repeated one the first counts.
    """
    found = []
    for text in texts:
        first, *rest = [piece.strip() for piece in text.split(";")]
        name, _, value = first.partition("=")
        if name.strip().lower() != "v" or value.strip() != "DMARC1":
            continue
        tags: dict[str, str] = {}
        for piece in rest:
            name, equals, value = piece.partition("=")
            if equals:
                tags.setdefault(name.strip().lower(), value.strip())
        found.append(DmarcRecord(domain, tags))
    return found[0] if len(found) == 1 else None


def tree_walk(domain: str) -> Walk[Organisation]:
    """
    Walk up from a domain and find its organisational domain (RFC 9989 section 4.10), which needs no public suffix list.

    The walk ends at a record with `psd=n` or `psd=y`. The organisational domain is that of `psd=n`; or the one below
    that of `psd=y`, unless the walk began there; else that of the shortest name with a record; else where it began.
    Raises UnknownAnswerError.
    """
    start = domain.rstrip(".").lower()
    labels = start.split(".")
    records: list[DmarcRecord] = []
    names = [labels] + [labels[n:] for n in range(max(1, len(labels) - _MOST_LABELS), len(labels))]
    ended = ""
    for each in names:
        name = ".".join(each)
        record = parse_dmarc(name, (yield from _ask(RecordType.TXT, f"_dmarc.{name}")))
        if record is None:
            continue
        records.append(record)
        ended = record.tags.get("psd", "").lower()
        if ended in ("y", "n"):
            break
    return Organisation(start, _organisation(start, labels, records, ended), tuple(records))


def _organisation(start: str, labels: list[str], records: list[DmarcRecord], ended: str) -> str:
    if not records:
        return start
    last = records[-1].domain
    if ended == "y" and last != start:
        depth = last.count(".") + 2
        return ".".join(labels[-depth:])
    return last


def policy_of(found: Organisation) -> DmarcRecord | None:
    """
    The record that receivers apply to mail From the domain the walk began at (RFC 9989 section 4.10.1).

    Its own, else its organisational domain's, else that of the public suffix above; None where there is none.
    """
    by_domain = {record.domain: record for record in found.records}
    suffix = found.records[-1] if found.records and found.records[-1].tags.get("psd", "").lower() == "y" else None
    return by_domain.get(found.start) or by_domain.get(found.domain) or suffix


def aligned(author: Organisation, other: Organisation, *, strict: bool) -> bool:
    """
    Whether a domain that was authenticated (of MAIL FROM, or DKIM's `d=`) speaks for the domain in From.

    Strict: they are the same. Relaxed: their organisational domains are (RFC 9989 section 4.10.2).
    """
    return author.start == other.start or (not strict and author.domain == other.domain)


# -- who takes mail ----------------------------------------------------------------------------------------------------


class Takes(StrEnum):
    """Whether mail to a domain arrives somewhere."""

    MX = "mx"
    IMPLICIT = "implicit"
    """No MX, but an address: mail goes there (RFC 5321 section 5.1)."""
    REFUSED = "refused"
    """A null MX: the domain takes no mail (RFC 7505)."""
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class MailHosts:
    """Where mail to a domain goes: `hosts` by preference."""

    takes: Takes
    hosts: tuple[str, ...] = ()


def mail_hosts(domain: str) -> Walk[MailHosts]:
    """Who takes mail for a domain. Raises UnknownAnswerError."""
    said = yield from _ask(RecordType.MX, domain)
    pairs = sorted((int(preference), host.rstrip(".")) for preference, host in (text.split() for text in said))
    hosts = tuple(host for _, host in pairs if host)
    if hosts:
        return MailHosts(Takes.MX, hosts)
    if said:
        return MailHosts(Takes.REFUSED)
    addresses = yield from _ask(RecordType.ADDRESS, domain)
    return MailHosts(Takes.IMPLICIT, (domain,)) if addresses else MailHosts(Takes.NOWHERE)


@dataclass(frozen=True, slots=True)
class ReverseName:
    """The names of an address, and those of them that lead back to it (FCrDNS)."""

    address: str
    names: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()


def reverse_name(address: str) -> Walk[ReverseName]:
    """The PTR records of an address, each looked up forward again, five at most. Raises UnknownAnswerError."""
    said = yield from _ask(RecordType.PTR, address)
    names = tuple(name.rstrip(".").lower() for name in said)[:5]
    confirmed: tuple[str, ...] = ()
    for name in names:
        if address in (yield from _ask(RecordType.ADDRESS, name)):
            confirmed = (*confirmed, name)
    return ReverseName(address, names, confirmed)
