"""
Text that goes into a header: cleaned, encoded, quoted, folded.

The standard library is not used on purpose: its serialiser decodes encoded words that came in as data, which turns a
first name into a header line, and folds list headers into encoded words, which no receiver reads (RFC 2047 section
5).
"""

import re
import unicodedata
from binascii import b2a_base64

from rfs_mail.errors import MessageError

LINE = 76
"""Octets of a line that holds encoded words (RFC 2047 section 2); ours keep to it where they can."""

WORD = 75
"""Octets of one encoded word at most (RFC 2047 section 2)."""

ADDRESS_LIMIT = 254
"""Octets of an address: a path of 256 with its angle brackets (RFC 5321 section 4.5.3.1.3)."""

LOCAL_PART_LIMIT = 64
"""Octets of the part before the @ (RFC 5321 section 4.5.3.1.1)."""

NAME_LIMIT = 120
"""Characters of a display name that are kept; what is longer is noise or an attack."""

SUBJECT_LIMIT = 900
"""Characters of a subject at most; a longer one is a template gone wrong."""

_BREAKS = "\t\n\x0b\x0c\r\x85\u2028\u2029"
_HIDING = (
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f"
)
"""Format characters (Unicode category Cf) that only hide or steer; not visible ones, such as Arabic number signs."""
_JOINED = "\u0600-\u08ff\u0900-\u0dff\u2190-\u21ff\u2600-\u27bf\u2b00-\u2bff\ufe0f\U0001f000-\U0001faff"
"""What a joiner or non-joiner is needed between: Arabic and Indic letters, and emoji."""
_STRAY_JOINER = re.compile(f"(?<![{_JOINED}])[\u200c\u200d]|[\u200c\u200d](?![{_JOINED}])")
_TO_SPACE = re.compile(f"[{_BREAKS}]")
_UNWANTED = re.compile(f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_HIDING}]")
_BLANKS = re.compile("  +")

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_ADDRESS = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*@{_LABEL}(?:\.{_LABEL})*")
_IDNA_DIFFERS = re.compile("[\u00df\u03c2\u200c\u200d]")
"""Letters that IDNA 2003, which the standard library knows, maps to another domain than IDNA 2008 does."""

_QUOTABLE = re.compile(r"[A-Za-z0-9 !#$%&'()*+,\-./:;<=>?@\[\]^_`{|}~]+")
_Q_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
"""What an encoded word may hold unencoded even inside a phrase (RFC 2047 section 5, rule 3)."""
_Q_TABLE = ["_" if byte == 0x20 else chr(byte) if byte in _Q_SAFE else f"={byte:02X}" for byte in range(256)]
_WORD_OVERHEAD = len("=?utf-8?q??=")


def clean_text(value: str) -> str:
    """
    A value as it may stand in a header: NFC, on one line, nothing invisible that steers a reader, no start of an
    encoded word.

    Line breaks of every kind become a blank; other control characters, lone surrogates, bidirectional controls,
    zero-width and tag characters go; a joiner stays between Arabic or Indic letters and between emoji. Runs of blanks
    become one. `=?` becomes `= ?`, so that no reader that decodes once too often finds a header in a
    name.
    """
    if not (value.isascii() and value.isprintable()):
        value = _UNWANTED.sub("", _TO_SPACE.sub(" ", value))
        value = _STRAY_JOINER.sub("", value)
        value = unicodedata.normalize("NFC", value)
    if "  " in value:
        value = _BLANKS.sub(" ", value)
    if "=?" in value:
        value = value.replace("=?", "= ?")
    return value.strip()


def encoded_words(text: str, first: int = WORD) -> list[str]:
    """
    Cleaned text as RFC 2047 encoded words of at most 75 octets, the first of at most `first`; whole characters only.

    Q is used, which people can read, and B where Q would be half as long again. The words are to be joined by folds;
    a reader puts them together without a blank.
    """
    data = text.encode("utf-8")
    in_q = len(data) + 2 * len(data.translate(None, _Q_SAFE + b" "))
    in_base64 = 4 * ((len(data) + 2) // 3)
    room = first - _WORD_OVERHEAD
    if 2 * in_q > 3 * in_base64:
        return [_base64_word(data)] if in_base64 <= room else _base64_words(text, room)
    return [_q_word([_Q_TABLE[octet] for octet in data])] if in_q <= room else _q_words(text, room)


def _base64_words(text: str, room: int) -> list[str]:
    words: list[str] = []
    chunk = bytearray()
    for character in text:
        octets = character.encode("utf-8")
        if 4 * ((len(chunk) + len(octets) + 2) // 3) > room and chunk:
            words.append(_base64_word(chunk))
            chunk.clear()
            room = WORD - _WORD_OVERHEAD
        chunk += octets
    words.append(_base64_word(chunk))
    return words


def _base64_word(chunk: bytes | bytearray) -> str:
    return f"=?utf-8?b?{b2a_base64(chunk, newline=False).decode('ascii')}?="


def _q_words(text: str, room: int) -> list[str]:
    words: list[str] = []
    pieces: list[str] = []
    used = 0
    for character in text:
        piece = "".join([_Q_TABLE[octet] for octet in character.encode("utf-8")])
        if used + len(piece) > room and pieces:
            words.append(_q_word(pieces))
            pieces.clear()
            used = 0
            room = WORD - _WORD_OVERHEAD
        pieces.append(piece)
        used += len(piece)
    words.append(_q_word(pieces))
    return words


def _q_word(pieces: list[str]) -> str:
    return f"=?utf-8?q?{''.join(pieces)}?="


def unstructured(name: str, value: str) -> bytes:
    """
    A header of free text, such as Subject, from a value that `clean_text` made; folded, with its final CRLF.

    ASCII is folded at blanks only; what cannot be folded so, and everything else, becomes encoded words.
    """
    line = f"{name}: {value}\r\n"
    if value.isascii():
        if len(line) <= LINE + 2:
            return line.encode("ascii")
        words = value.split(" ")
        room = LINE - len(name) - 2
        if len(words[0]) <= room and max(map(len, words)) < LINE:
            return f"{name}: {_folded(words, room)}\r\n".encode("ascii")
    words = encoded_words(value, min(WORD, LINE - len(name) - 2))
    return f"{name}: {_joined(words)}\r\n".encode("ascii")


def _folded(words: list[str], room: int) -> str:
    lines: list[str] = []
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line = word
            room = LINE - 1
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\r\n ".join(lines)


def _joined(words: list[str]) -> str:
    return "\r\n ".join(words)


def phrase(name: str, first: int = WORD) -> str:
    """
    A display name as RFC 5322 wants it before `<...>`: a quoted string where it is plain ASCII, else encoded words.

    A comma, a parenthesis or an angle bracket in it stays inside it: unquoted, `Name, Director <a@b>` is two mailboxes.
    Quotation marks and backslashes are encoded, never escaped, because readers disagree about escapes. "" stays "".
    """
    name = clean_text(name)[:NAME_LIMIT].rstrip()
    if not name:
        return ""
    if len(name) + 2 <= first and _QUOTABLE.fullmatch(name):
        return f'"{name}"'
    return _joined(encoded_words(name, first))


def mailbox(header: str, name: str, address: str) -> bytes:
    """
    A header of one mailbox, with its final CRLF: `To: "Maria Lopez" <maria@example.org>`, folded where it is long.

    `address` is one that `ascii_address` gave.
    """
    first = LINE - len(header) - 2
    words = phrase(name, min(WORD, first)) if name else ""
    if not words:
        return f"{header}: {address}\r\n".encode("ascii")
    room = LINE - 1 - len(words.rpartition("\n")[2]) if "\n" in words else first - len(words)
    gap = " " if len(address) + 3 <= room else "\r\n "
    return f"{header}: {words}{gap}<{address}>\r\n".encode("ascii")


def ascii_address(address: str, field: str) -> str:
    """
    The address as it may stand in a header and on the wire: a dot-atom, an @ and an ASCII domain (RFC 5322 section
    3.4.1).

    A domain in other letters becomes its A-labels. Raises MessageError(field) for a local part that is not ASCII, which
    only SMTPUTF8 could carry, for one that holds `=?`, and for everything that is no address.
    """
    if not address.isascii():
        address = _with_ascii_domain(address, field)
    if not is_address(address):
        raise MessageError(
            f"{field}: {clean_text(address)[:80]!r} is not an address that can be mailed. Mend the address.",
            field=field,
        )
    return address


def is_address(address: str) -> bool:
    """Whether this is a bare ASCII address that can stand in a header and in MAIL or RCPT without any quoting."""
    return (
        len(address) <= ADDRESS_LIMIT
        and _ADDRESS.fullmatch(address) is not None
        and address.index("@") <= LOCAL_PART_LIMIT
        and "=?" not in address
    )


def is_domain(domain: str) -> bool:
    """Whether this is an ASCII host name of letters, digits and hyphens."""
    return len(domain) <= 253 and _DOMAIN.fullmatch(domain) is not None


def _with_ascii_domain(address: str, field: str) -> str:
    local, at, domain = address.rpartition("@")
    if not at or not local.isascii():
        raise MessageError(
            f"{field}: the part before the @ of {clean_text(address)[:80]!r} has letters that plain SMTP cannot carry. "
            "Ask the person for another address.",
            field=field,
        )
    try:
        if _IDNA_DIFFERS.search(domain):
            raise UnicodeError
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        raise MessageError(
            f"{field}: the domain of {clean_text(address)[:80]!r} has no ASCII form. Mend the address.",
            field=field,
        ) from None
