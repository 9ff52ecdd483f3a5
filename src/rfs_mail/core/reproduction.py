"""
Is this the message that went out? And if not: where does it differ?

The SHA-256 that a delivery keeps says yes or no. So that a no can be explained without keeping every mail, a delivery
keeps a `sketch` as well: a check of each header field and of every 256 octets of each body, some 60 characters in all.
Where the bytes themselves were kept, `compare` names the very line.
"""

from base64 import urlsafe_b64encode
from binascii import a2b_qp
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final
from zlib import crc32

CHUNK: Final = 256
"""Octets of a body under one check: four lines of quoted-printable, or a few more."""

SIGNATURE: Final = "DKIM-Signature"
"""The header field that differs whenever anything else does (RFC 6376: it holds hashes of the rest)."""

_SHOWN: Final = 160
_BODIES: Final = ("text part", "html part")


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One part that is not as it went out.

    `part` is `header NAME`, `text part`, `html part` or `message`. `line` is the first line of the part that differs,
    counted from 1, its own header included; `last_line` is larger where only that range is known. `sent` and `built`
    are that line then and now, readable, shortened; None where it is not known, or not there.
    """

    part: str
    line: int | None = None
    last_line: int | None = None
    sent: str | None = None
    built: str | None = None

    def __str__(self) -> str:
        where = ""
        if self.line is not None and self.last_line is not None and self.last_line > self.line:
            where = f", lines {self.line} to {self.last_line}"
        elif self.line is not None:
            where = f", line {self.line}"
        said = [f"{word} {text!r}" for word, text in (("was", self.sent), ("is now", self.built)) if text is not None]
        return f"{self.part}{where}{': ' if said else ''}{', '.join(said)}"


def sketch(message: bytes) -> str:
    """
    Checks of the parts of a finished message, as short text: `header.text.html`.

    Two letters a header field, one letter each 256 octets of a body. A check misses a change once in 4,096 or 64
    times; the SHA-256 beside it misses none.
    """
    fields, bodies = _parts(message)
    return ".".join([_letters(fields, 2), *[_letters(_chunks(body), 1) for body in bodies]])


def differences(sketched: str, built: bytes) -> tuple[Difference, ...]:
    """How a message differs from the one of this sketch. Empty where no check tells them apart."""
    fields, bodies = _parts(built)
    header, _, rest = sketched.partition(".")
    found = _fields_apart(_pairs(header), _pairs(_letters(fields, 2)), fields, None)
    then = rest.split(".")
    for name, body, checks in zip(_BODIES, bodies, then, strict=False):
        now = _letters(_chunks(body), 1)
        place = next((n for n, (a, b) in enumerate(zip(checks, now, strict=False)) if a != b), None)
        if place is None and len(checks) != len(now):
            place = min(len(checks), len(now))
        if place is not None:
            found.append(_chunk_apart(name, body, place))
    if len(then) != len(bodies):
        found.append(Difference("message"))
    return tuple(found)


def compare(sent: bytes, built: bytes) -> tuple[Difference, ...]:
    """How a message differs from the one that was sent, part by part, each with its first line that is not the same."""
    if sent == built:
        return ()
    old_fields, old_bodies = _parts(sent)
    new_fields, new_bodies = _parts(built)
    found = _fields_apart(old_fields, new_fields, new_fields, old_fields)
    for name, old, new in zip(_BODIES, old_bodies, new_bodies, strict=False):
        if old != new:
            found.append(_line_apart(name, old.split(b"\r\n"), new.split(b"\r\n")))
    return tuple(found) or (Difference("message"),)


def only_signature(found: Sequence[Difference]) -> bool:
    """Whether nothing but the signature differs: the mail is the same, and was signed otherwise."""
    return bool(found) and all(one.part == f"header {SIGNATURE}" for one in found)


# -- parts -------------------------------------------------------------------------------------------------------------


def _parts(message: bytes) -> tuple[list[bytes], list[bytes]]:
    """The header fields, folded as they are, and the bodies with the header of each."""
    header, _, body = message.partition(b"\r\n\r\n")
    fields = header.replace(b"\r\n ", b"\n ").split(b"\r\n")
    _, found, rest = fields[-1].partition(b'boundary="')
    if not found:
        return fields, [body]
    # The first piece is empty, the last the end of the closing delimiter.
    return fields, body.split(b"--" + rest[:-1])[1:-1]


def _chunks(body: bytes) -> list[bytes]:
    return [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]


def _letters(pieces: Sequence[bytes], each: int) -> str:
    """A check of each piece: `each` letters of base64, 6 bits a letter."""
    if each == 1:
        return bytes([crc32(piece) & 63 for piece in pieces]).translate(_ALPHABET).decode("ascii")
    checks = [crc32(piece) for piece in pieces]
    return bytes([part & 63 for check in checks for part in (check, check >> 6)]).translate(_ALPHABET).decode("ascii")


_ALPHABET: Final = b"".join(urlsafe_b64encode(bytes((n << 2,)))[:1] for n in range(64)) * 4


def _pairs(letters: str) -> list[bytes]:
    return [letters[start : start + 2].encode("ascii", "replace") for start in range(0, len(letters), 2)]


# -- where they differ -------------------------------------------------------------------------------------------------


def _fields_apart(
    then: Sequence[bytes], now: Sequence[bytes], fields: Sequence[bytes], sent: Sequence[bytes] | None
) -> list[Difference]:
    """Header fields that are new, gone or not the same; `sent` are those that went out, where they are known."""
    found: list[Difference] = []
    for what, a, b, c, d in SequenceMatcher(None, then, now, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        named = {_name(field): _value(field) for field in fields[c:d]}
        gone = {_name(field): _value(field) for field in sent[a:b]} if sent is not None else {}
        names = dict.fromkeys((*gone, *named))
        found += [Difference(f"header {name}", sent=gone.get(name), built=named.get(name)) for name in names]
        if sent is None and b - a > d - c:
            # Of a field that is gone only its place is known. Before From stands nothing but a signature.
            name = SIGNATURE if c == 0 else f"after {_name(fields[c - 1])}"
            found.append(Difference(f"header {name}", built="(not there)"))
    return found


def _name(field: bytes) -> str:
    return field.partition(b":")[0].decode("ascii", "replace")


def _value(field: bytes) -> str:
    return _short(field.partition(b":")[2].strip().decode("ascii", "replace"))


def _chunk_apart(name: str, body: bytes, place: int) -> Difference:
    start = min(place * CHUNK, len(body))
    first = body.count(b"\n", 0, start) + 1
    last = body.count(b"\n", 0, min(start + CHUNK, len(body))) + 1
    lines = body.split(b"\r\n")
    first, last = min(first, len(lines)), min(last, len(lines))
    return Difference(name, first - 1 or 1, max(last - 1, first - 1, 1), built=_readable(lines[first - 1]))


def _line_apart(name: str, old: Sequence[bytes], new: Sequence[bytes]) -> Difference:
    place = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return Difference(
        name, place or 1, place or 1,
        sent=_readable(old[place]) if place < len(old) else None,
        built=_readable(new[place]) if place < len(new) else None,
    )  # fmt: skip


def _readable(line: bytes) -> str:
    """One line of quoted-printable as it reads; a letter that a soft break cuts in two is left out."""
    return _short(a2b_qp(line.removesuffix(b"=")).decode("utf-8", "ignore"))


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}..."
