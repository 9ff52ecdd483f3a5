"""
DKIM: who signs, the signature over the finished bytes, and the DNS record that lets others check it.

`load_signer` makes a `Signer` from the text of a key file, `Signers` knows which of them sign for a From address, and
`sign` puts their DKIM-Signature fields (RFC 6376) in front of a message. A signature is a function of key, message and
time, so that a signed message can be built again. `record` is what to publish, `compare` judges what was published.

RSA of 2,048 bits or more signs always (RFC 8301); Ed25519 may sign beside it (RFC 8463), behind the RSA signature,
because many receivers cannot read it yet. Body lengths (`l=`) are never used: what stands behind them could be changed.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from rfs_mail.core.headers import is_domain
from rfs_mail.errors import MessageError, SettingsError

# `cryptography` takes longer to load than all of the rest of a short command, and only who signs needs it: so it is
# imported where it is used.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SHORTEST, LONGEST = 2048, 4096
"""Bits of an RSA key: what signers should use at least, and what verifiers must take at most (RFC 8301 section 3.2)."""

RELAXED_SIMPLE, RELAXED_RELAXED = "relaxed/simple", "relaxed/relaxed"
CANONICALIZATIONS = (RELAXED_SIMPLE, RELAXED_RELAXED)
"""How header and body are made alike before they are hashed (RFC 6376 section 3.4)."""

_OVERSIGNED = (
    b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"mime-version", b"content-type",
    b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id",
)  # fmt: skip
"""
Named in `h=` once more than they are there, so that one more of them breaks the signature (RFC 6376 section 5.4.2).

Both List-Unsubscribe fields must be in it, or receivers offer no button (RFC 8058 section 4); Google counts a
Feedback-ID only where it is signed.
"""

_SIGNED = (b"content-transfer-encoding", b"in-reply-to", b"references", b"x-auto-response-suppress")
"""Named as often as they are there: a relay may add one."""

_LINE = 76


class Algorithm(StrEnum):
    """How a key signs: the `a=` of its signatures."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"

    @property
    def key_type(self) -> str:
        """The `k=` of its record."""
        return self.value.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Signer:
    """
    A key that signs for a domain. Made by `load_signer`; two of the same public key are equal.

    `public_key` is what `p=` of its record holds, decoded. Any number of threads may sign with one at once; RSA does it
    without holding the interpreter.
    """

    domain: str
    selector: str
    algorithm: Algorithm
    bits: int
    public_key: bytes = field(repr=False)
    canonicalization: str
    sign_octets: Callable[[bytes], bytes] = field(repr=False, compare=False)
    """The raw signature of the octets that RFC 6376 section 3.7 says to sign."""
    pem: bytes = field(repr=False, compare=False)

    def __reduce__(self) -> tuple["Callable[..., Signer]", tuple[object, ...]]:
        """A process that composes beside the one that sends reads the key again."""
        return _read_again, (self.pem, self.domain, self.selector, self.algorithm, self.canonicalization)

    @property
    def record_name(self) -> str:
        """Where its record stands in the DNS (RFC 6376 section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"


@dataclass(frozen=True, slots=True)
class Signers:
    """All the keys of an installation: domain -> who signs for it, the RSA key first."""

    by_domain: Mapping[str, tuple[Signer, ...]] = field(default_factory=dict)

    def of(self, address: str) -> tuple[Signer, ...]:
        """
        Who signs mail from an address: the keys of its domain, else of the nearest domain above it; () where nobody.

        A signature of a domain above is in line with From for DMARC, unless the domain asks for `adkim=s` (RFC 9989).
        """
        domain = address.rpartition("@")[2].lower()
        while domain:
            found = self.by_domain.get(domain)
            if found is not None:
                return found
            domain = domain.partition(".")[2]
        return ()

    def again(self, said: Mapping[str, Any] | None) -> tuple[Signer, ...] | None:
        """Who signed a message that `stamp` was stored with; None where one of the keys is not here any more."""
        if said is None:
            return ()
        here = {signer.selector: signer for signer in self.by_domain.get(said["domain"], ())}
        signers = [here.get(selector) for selector in said["selectors"]]
        canonicalization = said["canonicalization"]
        found = tuple(replace(signer, canonicalization=canonicalization) for signer in signers if signer is not None)
        return found if len(found) == len(signers) else None


def stamp(signers: Sequence[Signer]) -> dict[str, Any] | None:
    """What to store beside a message, so that `Signers.again` finds who signed it; None where nobody did."""
    if not signers:
        return None
    return {
        "domain": signers[0].domain,
        "selectors": [signer.selector for signer in signers],
        "canonicalization": signers[0].canonicalization,
    }


# -- the signature -----------------------------------------------------------------------------------------------------


def sign(signers: Sequence[Signer], message: bytes, *, now: datetime) -> bytes:
    """
    The message with one DKIM-Signature a signer on top, in their order; as it is where there is none.

    `message` is finished bytes with CRLF line ends, which nobody changes afterwards; `now` is aware and becomes `t=` in
    whole seconds. The signatures do not cover each other (RFC 8463 section 4). Raises MessageError where the message
    has no header, or not exactly one From.
    """
    if not signers:
        return message
    if now.tzinfo is None:
        raise MessageError("The time of a signature needs a time zone. Pass an aware datetime.", field="DKIM-Signature")
    header, gap, body = message.partition(b"\r\n\r\n")
    if not gap:
        raise MessageError("The message has no end of its header. This is a bug: report it.", field="message")
    names, fields = relaxed_header(header)
    if names.count(b"from") != 1:
        raise MessageError(f"The message has {names.count(b'from')} From; it must have one.", field="From")
    named, order = _plan(names)
    covered = b"".join([fields[number] for number in order])
    seconds = int(now.timestamp())
    hashes: dict[str, bytes] = {}
    written: list[bytes] = []
    for signer in signers:
        way = signer.canonicalization
        body_hash = hashes.get(way)
        if body_hash is None:
            alike = relaxed_body(body) if way == RELAXED_RELAXED else simple_body(body)
            body_hash = hashes[way] = b2a_base64(sha256(alike).digest(), newline=False)
        opening = b"%b%d; h=%b;\r\n bh=%b;\r\n b=" % (_opening(signer), seconds, named, body_hash)
        # Its own field is signed too: relaxed, with nothing behind b= and without its line end (RFC 6376 section 3.7).
        octets = b"%bdkim-signature:%b" % (covered, opening.replace(b"\r\n ", b" "))
        signature = b2a_base64(signer.sign_octets(octets), newline=False)
        lines = [signature[start : start + _LINE - 4] for start in range(0, len(signature), _LINE - 4)]
        written += (b"DKIM-Signature: ", opening, b"\r\n ".join(lines), b"\r\n")
    written.append(message)
    return b"".join(written)


@lru_cache(maxsize=256)
def _opening(signer: Signer) -> bytes:
    return (
        f"v=1; a={signer.algorithm}; c={signer.canonicalization};\r\n d={signer.domain}; s={signer.selector};\r\n t="
    ).encode("ascii")


@lru_cache(maxsize=256)
def _plan(names: tuple[bytes, ...]) -> tuple[bytes, tuple[int, ...]]:
    """
    The `h=` of a header with these fields, folded; and the numbers of the fields it covers, in its order.

    Of a field that occurs several times the lowest comes first (RFC 6376 section 5.4.2).
    """
    said: list[bytes] = []
    order: list[int] = []
    for name in (*_OVERSIGNED, *_SIGNED):
        places = [number for number, found in enumerate(names) if found == name]
        said += [name] * (len(places) + (name in _OVERSIGNED))
        order += reversed(places)
    lines = [b""]
    for name in said:
        if len(lines[-1]) + len(name) + 1 > _LINE - 20:
            lines.append(b"")
        lines[-1] += name + b":"
    return b"\r\n ".join(lines)[:-1], tuple(order)


def relaxed_header(header: bytes) -> tuple[tuple[bytes, ...], list[bytes]]:
    """The fields of a header, relaxed (RFC 6376 section 3.4.2): their names in lower case, and each with its CRLF."""
    unfolded = _even(header.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" "))
    names: list[bytes] = []
    fields: list[bytes] = []
    for line in unfolded.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.strip(b" ").lower()
        names.append(name)
        fields.append(b"%b:%b\r\n" % (name, value.strip(b" ")))
    return tuple(names), fields


def simple_body(body: bytes) -> bytes:
    """A body without the empty lines at its end, which has one line end (RFC 6376 section 3.4.3)."""
    if body.endswith(b"\r\n\r\n") or not body.endswith(b"\r\n"):
        return _without_empty_end(body) + b"\r\n"
    return body


def relaxed_body(body: bytes) -> bytes:
    """A body in which runs of blanks are one and lines end in none (RFC 6376 section 3.4.4)."""
    body = _without_empty_end(_even(body).replace(b" \r\n", b"\r\n").removesuffix(b" "))
    return body + b"\r\n" if body else b""


def _even(octets: bytes) -> bytes:
    """Every run of blanks and tabs as one blank. Each pass halves the runs; a regular expression takes three times."""
    if b"\t" in octets:
        octets = octets.replace(b"\t", b" ")
    while b"  " in octets:
        octets = octets.replace(b"  ", b" ")
    return octets


def _without_empty_end(body: bytes) -> bytes:
    end = len(body)
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end]


# -- the key -----------------------------------------------------------------------------------------------------------


def load_signer(
    pem: bytes, *, domain: str, selector: str, algorithm: Algorithm, name: str,
    canonicalization: str = RELAXED_SIMPLE,
) -> Signer:  # fmt: skip
    """
    A signer from the text of a key file: an unencrypted private key in PEM, PKCS #8 or PKCS #1.

    `algorithm` is what the key has to be for, `name` is what errors call the file. Raises SettingsError for what is no
    such key, for RSA outside of 2,048 to 4,096 bits (RFC 8301), and for a domain or selector that cannot be (RFC 6376
    section 3.1).
    """
    _check_names(domain, selector)
    if canonicalization not in CANONICALIZATIONS:
        raise SettingsError(f"dkim.canonicalization {canonicalization!r}: write {' or '.join(CANONICALIZATIONS)}.")
    key = _private_key(pem, name)
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

    if isinstance(key, Ed25519PrivateKey):
        found, bits = Algorithm.ED25519, 256
        public = key.public_key().public_bytes_raw()
        sign_octets: Callable[[bytes], bytes] = partial(_sign_ed25519, key)
    else:
        found, bits = Algorithm.RSA, key.key_size
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        sign_octets = partial(key.sign, padding=PKCS1v15(), algorithm=hashes.SHA256())
    if found is not algorithm:
        right = "ed25519_key_file" if found is Algorithm.ED25519 else "key_file"
        raise SettingsError(f"{name} holds an {found.key_type} key. Name it as dkim.{right}, not here.")
    if found is Algorithm.RSA and not SHORTEST <= bits <= LONGEST:
        raise SettingsError(
            f"{name}: an RSA key of {bits} bits; {SHORTEST} to {LONGEST} are allowed (RFC 8301). "
            "Make a new one: rfs-mail dkim new DOMAIN --selector NEW."
        )
    return Signer(domain, selector, found, bits, public, canonicalization, sign_octets, pem)


def _read_again(pem: bytes, domain: str, selector: str, algorithm: Algorithm, canonicalization: str) -> Signer:
    return load_signer(
        pem, domain=domain, selector=selector, algorithm=algorithm, name=selector, canonicalization=canonicalization
    )


def _sign_ed25519(key: "Ed25519PrivateKey", octets: bytes) -> bytes:
    """What is signed is the SHA-256 of the octets, as PureEdDSA (RFC 8463 section 3)."""
    return key.sign(sha256(octets).digest())


def _private_key(pem: bytes, name: str) -> "RSAPrivateKey | Ed25519PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    make = "`rfs-mail dkim new` makes one that is."
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise SettingsError(
            f"{name} is encrypted. Take the password away (openssl pkey -in OLD -out NEW) and protect the file by its "
            "mode, 0600."
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if b"PUBLIC KEY" in pem:
            raise SettingsError(f"{name} is a public key. The private one, which belongs to it, signs.") from error
        raise SettingsError(f"{name} is no private key in PEM. {make}") from error
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise SettingsError(f"{name}: neither an RSA key nor an Ed25519 key; DKIM knows no other. {make}")
    return key


def _check_names(domain: str, selector: str) -> None:
    if not is_domain(domain) or "." not in domain or domain != domain.lower():
        raise SettingsError(
            f"dkim.domain {domain[:80]!r} is no domain that can sign. Write it in small ASCII letters: example.org."
        )
    if not is_domain(selector) or selector != selector.lower():
        raise SettingsError(
            f"dkim.selector {selector[:80]!r} cannot be. Small letters, digits and hyphens are allowed, such as rfs1."
        )
    if len(f"{selector}._domainkey.{domain}") > 253:
        raise SettingsError(f"dkim.selector {selector[:80]!r} is too long for a name in the DNS. Take a shorter one.")


# -- the record --------------------------------------------------------------------------------------------------------


def record(signer: Signer) -> str:
    """The text of the TXT record to publish at `record_name` (RFC 6376 section 3.6.1), in one piece."""
    public = b2a_base64(signer.public_key, newline=False).decode("ascii")
    return f"v=DKIM1; k={signer.algorithm.key_type}; p={public}"


def record_line(signer: Signer) -> str:
    """The same as a line of a zone file, in strings of at most 255 octets (RFC 6376 section 3.6.2.2)."""
    text = record(signer)
    pieces = " ".join(f'"{text[start : start + 250]}"' for start in range(0, len(text), 250))
    return f"{signer.record_name}. IN TXT ( {pieces} )"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What receivers make of our signatures with the record as it is published. `said` is "" where all is well."""

    fits: bool
    said: str = ""


def compare(signer: Signer, published: Sequence[str]) -> Comparison:
    """
    Whether signatures of this key hold against the TXT records found at its `record_name`.

    Each text is one record, its strings joined. Says what is wrong and what to do, as receivers judge by RFC 6376
    sections 3.6.1 and 6.1.2; a record in test mode fits, and that is said.
    """
    name = signer.record_name
    publish = f"Publish at {name} what `rfs-mail dkim show` says."
    # A wildcard or an SPF record may stand at the same name; what has no p= is nobody's key.
    found = [tags for text in published if (tags := parse_record(text)) is not None and "p" in tags]
    if not published:
        return Comparison(False, f"{name} has no TXT record. {publish}")
    if not found:
        return Comparison(False, f"{name} has a TXT record, and it is no DKIM key: {published[0][:80]!r}. {publish}")
    if len(found) > 1:
        return Comparison(False, f"{name} has {len(found)} keys, and receivers may take any. Leave one there.")
    (tags,) = found
    if tags.get("v", "DKIM1") != "DKIM1":
        return Comparison(False, f"{name} begins with v={tags['v'][:20]}; only DKIM1 counts. {publish}")
    if not tags["p"]:
        return Comparison(False, f"The key at {name} is revoked: its p= is empty. Make a new key, with a new selector.")
    key_type = tags.get("k", "rsa")
    if key_type != signer.algorithm.key_type:
        return Comparison(False, f"{name} says k={key_type[:20]}, our key is {signer.algorithm.key_type}. {publish}")
    if "h" in tags and "sha256" not in tags["h"].split(":"):
        return Comparison(False, f"{name} allows h={tags['h'][:40]} alone, and we sign with sha256. Take h= out.")
    if "s" in tags and not {"*", "email"} & set(tags["s"].split(":")):
        return Comparison(False, f"{name} is not for mail: s={tags['s'][:40]}. Take s= out.")
    if not _same_key(tags["p"], signer):
        return Comparison(False, f"{name} holds another key than the one that signs here. {publish}")
    if "y" in tags.get("t", "").split(":"):
        return Comparison(True, f"{name} says t=y, test mode: receivers treat the mail as unsigned. Take t=y out.")
    return Comparison(True)


def parse_record(text: str) -> dict[str, str] | None:
    """
    The tags of a DKIM record without the blanks in their values; None where it is no list of tags (RFC 6376 section
    3.2), names a tag twice, or has `v=` not at its beginning.
    """
    tags: dict[str, str] = {}
    for number, piece in enumerate(text.strip().removesuffix(";").split(";")):
        name, equals, value = piece.partition("=")
        name = name.strip()
        if not equals or not name or name in tags or (name == "v" and number):
            return None
        tags[name] = "".join(value.split())
    return tags


def _same_key(published: str, signer: Signer) -> bool:
    try:
        octets = b64decode(published, validate=True)
    except (Base64Error, ValueError):
        return False
    if octets == signer.public_key or signer.algorithm is Algorithm.ED25519:
        return octets == signer.public_key
    # The RFC asks for a bare RSAPublicKey, everybody publishes it in its envelope, and receivers take both.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        return load_der_public_key(octets) == load_der_public_key(signer.public_key)
    except (ValueError, UnsupportedAlgorithm):
        return False
