"""
Who a person is: the address as identity, as mailbox and as what a suppression remembers; and the record itself.

One address has three forms. The *key* tells people apart (NFC, case-folded local part, A-label domain). The *mailbox*
is what is mailed: the local part as typed, because a mailbox may be case-sensitive. The *suppression form* folds the
spellings that reach one mailbox (dots and plus at Gmail, plus elsewhere where the provider is known to), so that
somebody who left as `a.b+x@gmail.com` is not mailed as `ab@gmail.com`; it is only ever stored as a keyed hash.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final, Literal, NamedTuple

from email_validator import EmailNotValidError, validate_email

from rfs_mail.errors import AddressError

MAX_ADDRESS = 320
"""Characters of a cell that are looked at as an address; RFC 5321 section 4.5.3.1 allows 64 + 1 + 255."""

HASH_BYTES = 16
"""128 bits: no two addresses of any list meet by accident, and the index stays small."""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone with an e-mail address, as the store knows her. `None` is "not known"."""

    id: int
    address: str
    mailbox: str
    address_hash: bytes
    operator: str
    given_name: str | None
    family_name: str | None
    state: str | None
    county: str | None
    zip: str | None
    lang: str | None
    birth_year: int | None
    runs_before: int | None
    endorsement: str | None
    endorsable: bool | None
    source: str | None
    zone: str
    signed_up_at: datetime | None
    stage: str
    stage_at: datetime | None
    stopped_at: datetime | None
    stopped_because: str | None
    paused_until: datetime | None
    created_at: datetime
    updated_at: datetime
    custom: Mapping[str, object] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Address(NamedTuple):
    """A mailable address. A tuple, because an import makes a million of them."""

    key: str
    """Identity: NFC, case-folded local part, A-label domain."""
    mailbox: str
    """What is mailed: local part as typed, domain as A-label."""
    domain: str
    """The A-label domain, lower case."""

    @property
    def local(self) -> str:
        """The case-folded local part."""
        return self.key[: -len(self.domain) - 1]


# -- reading an address ------------------------------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    return text.split()


_PLAIN = re.compile(
    r"([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@((?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,24})", re.ASCII
)
"""
Addresses that need no second look: ASCII, dot-atom, hyphens inside labels only and never two in a row (so neither
Punycode nor the labels that RFC 5890 section 2.3.1 forbids), a top-level domain of letters. Everything it takes,
email-validator takes too, with the same normal form; a property test holds the two together.
"""

_SPECIAL_USE = frozenset({"arpa", "invalid", "local", "localhost", "onion"})
"""
Top-level names that never lead to a mailbox (IANA special-use names). `.test` is not among them, nor are example.org
and its sisters: RFC 2606 sets them aside for tests and documentation, where they are what sample people live at.
"""

_LOWERED_LOCALS = frozenset(
    _words("info marketing sales support abuse noc security postmaster hostmaster usenet news webmaster www uucp ftp")
)
"""Mailboxes that RFC 2142 says are case-insensitive: the typed case is not kept."""

_EDGES = " \t\r\n\v\f\u00a0\u200b\u200c\u200d\u2060\ufeff"
"""What clings to copied addresses: blanks, also the invisible ones."""


def parse_address(text: str) -> Address:
    """
    The address in `text`, without blanks around it.

    Raises AddressError with a sentence and a short reason: `empty`, `too_long`, `encoded_word` or `invalid`. Quoted
    local parts, IP addresses, display names and names under special-use domains are not mailable here; addresses
    under `.test` and the example domains are, so that demos and tests can use them.
    """
    match = _PLAIN.fullmatch(text)
    if match is not None and len(text) <= 254:
        local, domain = match.groups()
        if len(local) <= 64:
            shared = _plain_domain(domain.lower())
            if shared is not None:
                domain = shared
                folded = local.lower()
                if folded in _LOWERED_LOCALS:
                    local = folded
                return Address(f"{folded}@{domain}", f"{local}@{domain}", domain)
    return _parse_carefully(text)


@lru_cache(maxsize=16384)
def _plain_domain(domain: str) -> str | None:
    """The domain, one object for all who live there; None where it needs a second look."""
    labels = domain.split(".")
    fits = len(domain) <= 253 and max(map(len, labels)) <= 63 and labels[-1] not in _SPECIAL_USE
    return domain if fits else None


def _parse_carefully(text: str) -> Address:
    if len(text) > MAX_ADDRESS:
        text = text.strip(_EDGES)
        if len(text) > MAX_ADDRESS:
            raise AddressError(f"{len(text):,} characters are too long for an address.", reason="too_long")
    text = unicodedata.normalize("NFC", text).strip(_EDGES)
    if text[:7].lower() == "mailto:":
        text = text[7:]
    if not text:
        raise AddressError("There is no address.", reason="empty")
    if "=?" in text:
        raise AddressError("This is an encoded header, not an address.", reason="encoded_word")
    try:
        checked = validate_email(text, check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError as error:
        raise AddressError(_in_short(text, str(error))) from error
    local, domain = unicodedata.normalize("NFC", checked.local_part), checked.ascii_domain
    if domain is None or "." not in domain:
        raise AddressError("The part after the @-sign needs a period.")
    folded = unicodedata.normalize("NFC", local.casefold())
    return Address(f"{folded}@{domain}", f"{local}@{domain}", domain)


def _in_short(text: str, said: str) -> str:
    """The library's sentence, or a better one where the usual mistakes of a spreadsheet are at hand."""
    if text.count("@") > 1 and re.search(r"[,;/\s]", text):
        return "This is more than one address. Put each on a row of its own."
    if "<" in text and text.endswith(">"):
        return "There is a name beside the address. Write the address alone."
    return said


def identity_key(text: str) -> str | None:
    """The identity key of an address in any spelling; None where it is no address."""
    try:
        return parse_address(text).key
    except AddressError:
        return None


# -- what a suppression remembers --------------------------------------------------------------------------------------

_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_PLUS = frozenset(
    {
        "outlook.com",
        "hotmail.com",
        "live.com",
        "msn.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "fastmail.com",
        "fastmail.fm",
        "proton.me",
        "protonmail.com",
        "pm.me",
        "zohomail.com",
        "tutanota.com",
        "tuta.io",
        "hey.com",
    }
)
"""Providers known to deliver `name+anything` to `name`."""


def suppression_form(key: str) -> str:
    """
    The form of an identity key under which a suppression is remembered.

    Gmail: dots dropped, cut at the plus, one domain; other providers known to ignore it: cut at the plus; the rest as
    it is, because elsewhere a plus may be somebody else's name.
    """
    local, _, domain = key.rpartition("@")
    if domain in _GMAIL:
        return f"{local.partition('+')[0].replace('.', '') or local}@gmail.com"
    if domain in _PLUS and "+" in local:
        return f"{local.partition('+')[0] or local}@{domain}"
    return key


def address_hash(secret: bytes, key: str) -> bytes:
    """
    The keyed hash of an identity key's suppression form: 16 bytes of BLAKE2b with a key (RFC 7693).

    `secret` is the key of the suppression list, 1 to 64 bytes, and is never rotated. It must not be empty: without it
    the addresses of a list could be guessed from their hashes.
    """
    if not secret:
        raise ValueError("the suppression key is empty: an unkeyed hash of an address can be guessed")
    return blake2b(suppression_form(key).encode(), key=secret, digest_size=HASH_BYTES).digest()


# -- mailboxes that are not people -------------------------------------------------------------------------------------

_NEVER = frozenset({"abuse", "postmaster", "mailer-daemon"})
_ROLES = frozenset(
    _words(
        "noc security hostmaster webmaster info sales support marketing admin administrator office contact hello "
        "noreply no-reply donotreply do-not-reply usenet news www uucp ftp root list mail"
    )
)


def role_account(local: str) -> Literal["never", "role"] | None:
    """
    Is this mailbox an office rather than a person (RFC 2142)?

    `never`: abuse, postmaster and mailer-daemon are read by those who judge senders, and never sign up. `role`: worth
    a second look. None: a person, as far as the name says.
    """
    if local in _NEVER:
        return "never"
    return "role" if local in _ROLES else None


# -- domains -----------------------------------------------------------------------------------------------------------

_TYPOS: Final[Mapping[str, str]] = {
    typo: right
    for right, typos in {
        "gmail.com": "gmial.com gmai.com gmal.com gamil.com gnail.com gmaill.com gmil.com gmail.co gmail.cm gmail.om "
        "gmail.net gmail.org gemail.com gmailcom.com ggmail.com gmsil.com gmaio.com gmali.com",
        "yahoo.com": "yaho.com yahooo.com yhoo.com yahoo.co yahoo.cm yahoo.om yaoo.com yhaoo.com yahho.com ahoo.com",
        "hotmail.com": "hotmial.com hotmal.com hotmai.com hotmil.com hotmail.co hotmail.cm hotnail.com hotamil.com",
        "outlook.com": "outlok.com outllook.com outlook.co outloo.com oulook.com putlook.com",
        "icloud.com": "iclould.com icoud.com icloud.co iclod.com icluod.com",
        "aol.com": "aol.co aol.cm aoll.com",
        "comcast.net": "comcast.com comast.net concast.net",
    }.items()
    for typo in _words(typos)
}
_ENDINGS: Final[Mapping[str, str]] = {
    "con": "com", "cmo": "com", "ocm": "com", "comm": "com", "vom": "com", "xom": "com", "cpm": "com", "coom": "com",
    "ogr": "org", "rog": "org", "prg": "org", "orgg": "org", "ent": "net", "nte": "net", "nett": "net", "eud": "edu",
}  # fmt: skip


@lru_cache(maxsize=16384)
def typo_hint(domain: str) -> str | None:
    """The domain that was probably meant, for a warning; None where nothing looks wrong. Never a reason to refuse."""
    if domain in _TYPOS:
        return _TYPOS[domain]
    head, _, ending = domain.rpartition(".")
    if ending in _ENDINGS:
        meant = f"{head}.{_ENDINGS[ending]}"
        return _TYPOS.get(meant, meant)
    return None
