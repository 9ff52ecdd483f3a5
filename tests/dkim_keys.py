"""Keys that sign in tests, made once a process, and dkimpy as the judge of what they signed."""

from collections.abc import Sequence
from functools import lru_cache

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rfs_mail.core.dkim import RELAXED_SIMPLE, Algorithm, Signer, load_signer, record

DOMAIN = "rfs.example.org"


def rsa_pem(bits: int = 2048, *, number: int = 0) -> bytes:
    """An RSA key; another `number` is another key."""
    return _rsa_pem(bits, number)


@lru_cache
def _rsa_pem(bits: int, _number: int) -> bytes:
    return generate_private_key(65537, bits).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@lru_cache
def ed25519_pem() -> bytes:
    """An Ed25519 key."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def rsa_signer(canonicalization: str = RELAXED_SIMPLE, *, domain: str = DOMAIN, number: int = 0) -> Signer:
    """Signs with RSA as rfs1."""
    return load_signer(
        rsa_pem(number=number), domain=domain, selector="rfs1", algorithm=Algorithm.RSA, name="rsa.pem",
        canonicalization=canonicalization,
    )  # fmt: skip


def ed25519_signer(canonicalization: str = RELAXED_SIMPLE, *, domain: str = DOMAIN) -> Signer:
    """Signs with Ed25519 as rfs2."""
    return load_signer(
        ed25519_pem(), domain=domain, selector="rfs2", algorithm=Algorithm.ED25519, name="ed25519.pem",
        canonicalization=canonicalization,
    )  # fmt: skip


def both(canonicalization: str = RELAXED_SIMPLE) -> tuple[Signer, Signer]:
    """The two keys of a domain, RSA first."""
    return rsa_signer(canonicalization), ed25519_signer(canonicalization)


def verified(raw: bytes, signers: Sequence[Signer]) -> list[bool]:
    """What dkimpy says of each DKIM-Signature, from the top, with the records of these keys in its DNS."""
    records = {f"{signer.record_name}.".encode(): record(signer).encode() for signer in signers}
    return [_holds(raw, number, records) for number in range(raw.count(b"DKIM-Signature: "))]


def _holds(raw: bytes, number: int, records: dict[bytes, bytes]) -> bool:
    try:
        return bool(dkim.DKIM(raw).verify(number, dnsfunc=lambda name, timeout=5: records.get(name)))
    except dkim.DKIMException:
        return False
