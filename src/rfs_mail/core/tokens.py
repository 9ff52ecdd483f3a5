"""
Tokens: a delivery's number with a seal, for links and return addresses.

A token holds no address, never expires, and is of lower-case base32, so that a mail server that folds case, and a
person who copies it by hand, do no harm. Every kind has its own domain of seals: a token to view a mail cannot
unsubscribe anyone.

Form: base32 of key number (1 octet), delivery id (big-endian, as few octets as it needs), seal (HMAC-SHA256, cut
short).
"""

import hmac
from base64 import b32decode
from binascii import Error as NotBase32
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from rfs_mail.errors import TokenError

LINK_SEAL = 10
"""Octets of the seal of a link: 80 bits."""

MAIL_SEAL = 8
"""Octets of the seal of a mail address: 64 bits, because a local part holds 64 octets (RFC 5321 section 4.5.3.1.1)."""

_LARGEST_ID = 2**63 - 1

PROBE = _LARGEST_ID
"""A delivery id that no delivery has: `doctor` presses the button of this one, and nothing changes."""

_LONGEST = 40


class Kind(StrEnum):
    """What a link token may do; the letter is also the first part of the link's path."""

    UNSUBSCRIBE = "u"
    PREFERENCES = "p"
    VIEW = "v"
    ANSWER = "a"
    CLICK = "c"


_LINK_DOMAIN: dict[str, bytes] = {kind: kind.value.encode("ascii") for kind in Kind}
_RETURN_PATH_DOMAIN = b"return-path"
_MAILTO_DOMAIN = b"mailto"
_MESSAGE_ID_DOMAIN = b"message-id"


@dataclass(frozen=True, slots=True)
class Keys:
    """
    The secrets that seal tokens: `secrets` is (number, secret) pairs, numbers 0 to 255, secrets of 16 octets or more.

    `current` seals new tokens; every other one still verifies old ones. Raises TokenError where they do not fit.
    """

    current: int
    secrets: tuple[tuple[int, bytes], ...] = field(repr=False)

    def __post_init__(self) -> None:
        numbers = [number for number, _ in self.secrets]
        if self.current not in numbers or len(numbers) != len(set(numbers)):
            raise TokenError(f"There is no key number {self.current}, or it is there twice. Check the keys.")
        if not all(0 <= number <= 255 and len(secret) >= 16 for number, secret in self.secrets):
            raise TokenError("Key numbers go from 0 to 255, and a secret has 16 octets or more. Check the keys.")

    def secret(self, number: int) -> bytes | None:
        """The secret of this number, or None."""
        for known, secret in self.secrets:
            if known == number:
                return secret
        return None

    @property
    def mark(self) -> str:
        """The fingerprint of the current secret."""
        secret = self.secret(self.current)
        assert secret is not None, "Keys holds its current number"
        return fingerprint(secret)


def digest_key(secret: bytes, purpose: str) -> bytes:
    """A key of 32 octets for one purpose, derived from the one secret; one such key tells nothing of another."""
    return hmac.digest(secret, b"rfs-mail key\0" + purpose.encode("utf-8"), "sha256")


@lru_cache(maxsize=64)
def fingerprint(secret: bytes) -> str:
    """Six letters that tell one secret from another and say nothing else about it."""
    return _base32(hmac.digest(secret, b"rfs-mail fingerprint", "sha256")[:4])[:6]


def make(kind: Kind | str, delivery_id: int, keys: Keys) -> str:
    """The token of a link: 24 characters for a delivery id below 2**32, 31 at most. Raises TokenError for a bad id."""
    return _sealed(_LINK_DOMAIN[kind], delivery_id, keys, LINK_SEAL)


def read(kind: Kind | str, token: str, keys: Keys) -> int:
    """The delivery id of a link token of this kind. Raises TokenError for everything we did not make for this kind."""
    return _opened(_LINK_DOMAIN[kind], token, keys, LINK_SEAL)


def make_return_path(delivery_id: int, keys: Keys, domain: str) -> str:
    """The envelope sender of one delivery: `b-TOKEN@domain`; a bounce that comes back to it names the delivery."""
    return f"b-{_sealed(_RETURN_PATH_DOMAIN, delivery_id, keys, MAIL_SEAL)}@{domain}"


def read_return_path(address: str, keys: Keys) -> int:
    """
    The delivery id in the address a bounce came to: whole or only its local part, in any case.

    Raises TokenError for an address that `make_return_path` did not make.
    """
    return _opened(_RETURN_PATH_DOMAIN, _after(address, "b-"), keys, MAIL_SEAL)


def make_unsubscribe_address(delivery_id: int, keys: Keys, domain: str) -> str:
    """The address of the mailto in List-Unsubscribe (RFC 2369): `u-TOKEN@domain`."""
    return f"u-{_sealed(_MAILTO_DOMAIN, delivery_id, keys, MAIL_SEAL)}@{domain}"


def read_unsubscribe_address(address: str, keys: Keys) -> int:
    """The delivery id in the address an unsubscribe mail came to. Raises TokenError for an address we did not make."""
    return _opened(_MAILTO_DOMAIN, _after(address, "u-"), keys, MAIL_SEAL)


def make_message_id(delivery_id: int, keys: Keys, domain: str) -> str:
    """The Message-ID of one delivery, `m-TOKEN@domain`: the same at every attempt, and read back from a bounce."""
    return f"m-{_sealed(_MESSAGE_ID_DOMAIN, delivery_id, keys, MAIL_SEAL)}@{domain}"


def read_message_id(message_id: str, keys: Keys) -> int:
    """The delivery id of a Message-ID, with or without angle brackets. Raises TokenError for one we did not make."""
    return _opened(_MESSAGE_ID_DOMAIN, _after(message_id, "m-"), keys, MAIL_SEAL)


def _sealed(domain: bytes, delivery_id: int, keys: Keys, length: int) -> str:
    if not 0 < delivery_id <= _LARGEST_ID:
        raise TokenError(f"{delivery_id} is no delivery id. Pass the id of a stored delivery.")
    body = bytes((keys.current,)) + delivery_id.to_bytes((delivery_id.bit_length() + 7) // 8, "big")
    secret = keys.secret(keys.current)
    assert secret is not None, "Keys holds its current number"
    seal = _seal(domain, body, secret, length)
    return _base32(body + seal)


def _opened(domain: bytes, token: str, keys: Keys, length: int) -> int:
    if not token.isascii() or not length < len(token) <= _LONGEST:
        raise _damaged()
    text = token.upper()
    try:
        data = b32decode(text + "=" * (-len(text) % 8))
    except NotBase32:
        raise _damaged() from None
    body, seal = data[:-length], data[-length:]
    secret = keys.secret(body[0]) if len(body) > 1 else None
    if secret is None or not hmac.compare_digest(seal, _seal(domain, body, secret, length)):
        raise _damaged()
    # What the seal covers was written by us; only the last character's unused bits are not.
    if _base32(data) != token.lower():
        raise _damaged()
    return int.from_bytes(body[1:], "big")


_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]


def _base32(data: bytes) -> str:
    """
    Lower-case base32 (RFC 4648 section 6) without padding, two letters at a time.

    Every mail holds half a dozen tokens, and the library's encoder takes longer than the sealing.
    """
    bits = len(data) * 8
    letters = -(-bits // 5)
    pairs = (letters + 1) // 2
    number = int.from_bytes(data, "big") << (pairs * 10 - bits)
    text = "".join([_PAIRS[number >> shift & 1023] for shift in range(pairs * 10 - 10, -1, -10)])
    return text[:letters]


def _seal(domain: bytes, body: bytes, secret: bytes, length: int) -> bytes:
    sealing = _begun(secret, domain).copy()
    sealing.update(body)
    return sealing.digest()[:length]


@lru_cache(maxsize=64)
def _begun(secret: bytes, domain: bytes) -> hmac.HMAC:
    """The part of the sealing that is the same for every token of a kind; used only by copies."""
    return hmac.new(secret, b"rfs-mail token\0" + domain + b"\0", "sha256")


def _after(address: str, prefix: str) -> str:
    local = address.strip().strip("<>").partition("@")[0].lower()
    if not local.startswith(prefix):
        raise _damaged()
    return local[len(prefix) :]


def _damaged() -> TokenError:
    return TokenError("This link or address is damaged or was not made here. Copy the whole link from the mail.")
