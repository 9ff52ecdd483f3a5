"""
The finished message: a writer over bytes, and a reader that does not trust it.

`build` puts a mail together from a `HeaderTemplate` (what is the same for every recipient, made once) and
`MessageParts` (what differs), then reads the bytes back with `verify` before they may be signed.
multipart/alternative, text first, HTML last, both UTF-8 in quoted-printable; every line ends in CRLF.

The message is a function of its arguments alone: the same arguments give the same bytes, so that a message can be
rebuilt.
"""

import html
import re
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from rfs_mail.core.headers import (
    SUBJECT_LIMIT,
    ascii_address,
    clean_text,
    is_address,
    mailbox,
    phrase,
    unstructured,
)
from rfs_mail.errors import MessageError

LINE_LIMIT = 998
"""Octets of a line without its CRLF (RFC 5322 section 2.1.1)."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_NAMES_BEFORE = (b"From", b"To")
_NAMES_AFTER = (
    b"Subject",
    b"Date",
    b"Message-ID",
    b"List-Unsubscribe",
    b"List-Unsubscribe-Post",
    b"List-Id",
    b"Feedback-ID",
    b"X-Auto-Response-Suppress",
    b"MIME-Version",
    b"Content-Type",
)

_KEPT_LENGTH = 500
"""Characters of a line that is worth keeping encoded; bounds what the cache can hold."""

_BLANK = b" \t"
_BODY_CONTROLS = bytes(octet for octet in range(32) if octet not in b"\t\n") + b"\x7f"
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
_FEEDBACK_PART = re.compile(r"[A-Za-z0-9._-]{0,60}")
_SENDER_ID = re.compile(r"[A-Za-z0-9._-]{5,15}")
_LIST_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)+")
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+;=%\[\]-]+")
_LOOPBACK_URL = re.compile(r"http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?/")
_TO_VALUE = re.compile(
    rb'(?:"[^"\\\r\n]*" |(?:=\?utf-8\?[qb]\?[!-<>@-~=]*\?= )+)?<([^<>\s"]+)>|([^<>\s",:;]+)',
)


@dataclass(frozen=True, slots=True)
class HeaderTemplate:
    """
    What is the same in every mail of one step, entity and language. Made by `header_template`, kept by the caller.

    `sender`, `reply_to` and `constants` are finished header bytes; `names` is the exact list of header names of a
    message; `must_say` pairs every line that both bodies must hold with the ways it may be written in HTML.
    """

    sender: bytes
    reply_to: bytes
    constants: bytes
    names: tuple[bytes, ...]
    from_address: str
    must_say: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class MessageParts:
    """
    What differs from recipient to recipient.

    `to_address` and `unsubscribe_address` are bare addresses, `date` is aware, `message_id` is `left@right` with or
    without its angle brackets, `unsubscribe_url` is the https address that takes the one-click POST (RFC 8058),
    `html` and `text` are whole documents with line breaks of any kind.
    """

    to_address: str
    to_name: str
    subject: str
    text: str
    html: str
    date: datetime
    message_id: str
    unsubscribe_url: str
    unsubscribe_address: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What `verify` must find: every header name in order, the one author, the one recipient, the one-click address."""

    names: tuple[bytes, ...]
    from_address: str
    to_address: str
    unsubscribe_url: str


def header_template(
    *,
    from_name: str,
    from_address: str,
    list_name: str,
    list_id: str,
    feedback_id: tuple[str, str, str, str],
    postal_address: str,
    disclaimer: str = "",
    reply_to: str = "",
) -> HeaderTemplate:
    """
    Check and write once what many mails share.

    `list_id` is dotted, without angle brackets (RFC 2919: at most 255 octets); `feedback_id` is four words from the
    narrow to the wide, such as step, campaign, stream, sender, the last of 5 to 15 characters, none of them about a
    person; `reply_to` "" means none. `postal_address` and `disclaimer` are what both bodies must say. Raises
    MessageError with the field.
    """
    address = ascii_address(from_address, "From")
    reply_line = mailbox("Reply-To", "", ascii_address(reply_to, "Reply-To")) if reply_to else b""
    constants = b"".join(
        (
            b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
            _list_id(list_name, list_id),
            _feedback_id(feedback_id),
            b"X-Auto-Response-Suppress: OOF, AutoReply\r\n",
            b"MIME-Version: 1.0\r\n",
        )
    )
    if not postal_address.strip():
        raise MessageError(
            "The entity has no postal address, and a mail must show one. Give the entity a postal_address.",
            field="postal_address",
        )
    lines = [" ".join(line.split()) for line in f"{postal_address}\n{disclaimer}".splitlines()]
    return HeaderTemplate(
        sender=mailbox("From", from_name, address),
        reply_to=reply_line,
        constants=constants,
        names=_NAMES_BEFORE + ((b"Reply-To",) if reply_to else ()) + _NAMES_AFTER,
        from_address=address,
        must_say=tuple((line, _in_html(line)) for line in lines if line),
    )


def build(parts: MessageParts, template: HeaderTemplate) -> bytes:
    """
    The finished bytes of one mail, read back and checked; nobody changes them any more but `dkim.sign`, on top.

    Raises MessageError with the field to blame; that mail fails, and only that one.
    """
    _check_bodies(parts, template)
    to_address = ascii_address(parts.to_address, "To")
    subject = clean_text(parts.subject)
    if not subject or len(subject) > SUBJECT_LIMIT:
        raise MessageError(
            f"The subject has {len(subject)} characters; 1 to {SUBJECT_LIMIT} are allowed. Mend the template.",
            field="Subject",
        )
    message_id = _message_id(parts.message_id)
    boundary = b"=_" + sha256(message_id).hexdigest()[:32].encode("ascii")
    message = b"".join(
        (
            template.sender,
            mailbox("To", parts.to_name, to_address),
            template.reply_to,
            unstructured("Subject", subject),
            b"Date: %b\r\nMessage-ID: <%b>\r\n" % (format_date(parts.date), message_id),
            _list_unsubscribe(parts.unsubscribe_url, parts.unsubscribe_address),
            template.constants,
            b'Content-Type: multipart/alternative;\r\n boundary="%b"\r\n\r\n--%b\r\n' % (boundary, boundary),
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            quoted_printable(parts.text, "text"),
            b"\r\n--%b\r\n" % boundary,
            b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            quoted_printable(parts.html, "html"),
            b"\r\n--%b--\r\n" % boundary,
        )
    )
    verify(message, Expected(template.names, template.from_address, to_address, parts.unsubscribe_url))
    return message


def verify(message: bytes, expected: Expected) -> None:
    """
    Read the finished bytes again, as a stranger would, and refuse them unless they say exactly what was meant.

    Holds: the header names are exactly `expected.names` in order; From and To occur once and hold one mailbox, the
    intended one; List-Unsubscribe begins with the intended URL and is no encoded word; every line ends in CRLF, no
    other CR or LF, no NUL, at most 998 octets (RFC 5322 section 2.1.1); two parts between the boundaries. Raises
    MessageError with the field.
    """
    lines = message.split(b"\r\n")
    ends = len(lines) - 1
    if message.count(b"\n") != ends or message.count(b"\r") != ends or b"\0" in message:
        raise MessageError("The message has a bare CR, a bare LF or a NUL. This is a bug: report it.", field="message")
    if max(map(len, lines)) > LINE_LIMIT:
        raise MessageError(f"The message has a line of more than {LINE_LIMIT} octets. Shorten it.", field="message")
    if b"" not in lines[:-1]:
        raise MessageError("The message has no end of its header. This is a bug: report it.", field="message")
    end = lines.index(b"")
    names, values = _fields(lines[:end])
    if names != expected.names:
        found = [name.decode("latin-1") for name in names]
        field = _first_difference(found, [name.decode("latin-1") for name in expected.names])
        raise MessageError(f"The header has {', '.join(found)[:300]}; {field} was not meant so.", field=field)
    _only_mailbox("From", values[b"From"], expected.from_address)
    _only_mailbox("To", values[b"To"], expected.to_address)
    if not values[b"List-Unsubscribe"].startswith(b"<%b>, <mailto:" % expected.unsubscribe_url.encode("ascii")):
        raise MessageError("List-Unsubscribe does not begin with the one-click address.", field="List-Unsubscribe")
    _two_parts(values[b"Content-Type"], lines[end + 1 :])


def quoted_printable(text: str, field: str) -> bytes:
    """
    A body as quoted-printable UTF-8: CRLF line ends, a final one, no line of more than 76 octets (RFC 2045 section
    6.7).

    Line ends of every kind become CRLF; control characters other than the tab go. Raises MessageError(field) where
    the text cannot be UTF-8.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    if lines[-1]:
        lines.append("")
    try:
        return b"\r\n".join([_kept_line(line) if len(line) < _KEPT_LENGTH else _encoded_line(line) for line in lines])
    except UnicodeEncodeError:
        raise MessageError(f"The {field} part has half a character. Mend the data.", field=field) from None


def format_date(date: datetime) -> bytes:
    """The Date header's value (RFC 5322 section 3.3), in the zone of the instant. A naive one raises MessageError."""
    offset = date.utcoffset()
    if offset is None:
        raise MessageError("The date of a message needs a time zone. Pass an aware datetime.", field="Date")
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    hours, minutes = divmod(abs(minutes), 60)
    return (
        f"{_DAYS[date.weekday()]}, {date.day:02d} {_MONTHS[date.month]} {date.year:04d} "
        f"{date.hour:02d}:{date.minute:02d}:{date.second:02d} {sign}{hours:02d}{minutes:02d}"
    ).encode("ascii")


def _list_id(name: str, list_id: str) -> bytes:
    if len(list_id) > 255 or not _LIST_ID.fullmatch(list_id):
        raise MessageError(
            f"{clean_text(list_id)[:80]!r} cannot be a List-Id. It needs the form topic.example.org.", field="List-Id"
        )
    words = phrase(name, 75 - len("List-Id: "))
    gap = " " if words and "\n" not in words and len(words) + len(list_id) + 12 <= 76 else "\r\n " if words else ""
    return f"List-Id: {words}{gap}<{list_id}>\r\n".encode("ascii")


def _feedback_id(words: tuple[str, str, str, str]) -> bytes:
    said = [word for word in words if word]
    if (
        not _SENDER_ID.fullmatch(words[3])
        or not all(map(_FEEDBACK_PART.fullmatch, words))
        or len(said) != len(set(said))
    ):
        raise MessageError(
            "A Feedback-ID is four different words of letters, digits and '._-', the last of 5 to 15 characters.",
            field="Feedback-ID",
        )
    return f"Feedback-ID: {':'.join(words)}\r\n".encode("ascii")


def _message_id(message_id: str) -> bytes:
    bare = message_id[1:-1] if message_id[:1] == "<" and message_id[-1:] == ">" else message_id
    if len(bare) > 250 or not _MESSAGE_ID.fullmatch(bare) or "=?" in bare:
        raise MessageError("The Message-ID needs the form left@right, without blanks.", field="Message-ID")
    return bare.encode("ascii")


def _list_unsubscribe(url: str, address: str) -> bytes:
    """RFC 8058 section 3.1: one https URI; a mailto may follow. Folded at the comma only, never inside a URI."""
    if "=?" in url:  # a relay that decodes once too often would find an encoded word in it
        raise MessageError('The unsubscribe link must not hold "=?". Mend base_url.', field="List-Unsubscribe")
    if not _URL.fullmatch(url) or not (url.startswith("https://") or _LOOPBACK_URL.match(url)) or len(url) > 900:
        raise MessageError(
            "The unsubscribe link must begin with https:// (plain http works for this machine alone). Set base_url so.",
            field="List-Unsubscribe",
        )
    if not is_address(address):
        raise MessageError("The unsubscribe address is no mail address.", field="List-Unsubscribe")
    return f"List-Unsubscribe: <{url}>,\r\n <mailto:{address}?subject=unsubscribe>\r\n".encode("ascii")


def _check_bodies(parts: MessageParts, template: HeaderTemplate) -> None:
    """
    Both bodies must hold the unsubscribe link and each line of postal address and disclaimer, or nothing goes out.

    Found as written, which is cheap; or else after tags and entities are gone and line breaks are blanks. What stands
    in a comment is not shown to anyone and does not count.
    """
    shown = _COMMENT.sub("", parts.html) if "<!--" in parts.html else parts.html
    if parts.unsubscribe_url not in parts.text:
        _missing("unsubscribe link", "text")
    if parts.unsubscribe_url not in shown and parts.unsubscribe_url not in html.unescape(shown):
        _missing("unsubscribe link", "html")
    flat_text = flat_html = None
    for line, in_html in template.must_say:
        if line not in parts.text:
            flat_text = flat_text if flat_text is not None else _flat(parts.text)
            if line not in flat_text:
                _missing(f"line {line[:60]!r}", "text")
        if in_html[0] not in shown and in_html[-1] not in shown:
            flat_html = flat_html if flat_html is not None else _flat(html.unescape(_TAG.sub(" ", shown)))
            if line not in flat_html:
                _missing(f"line {line[:60]!r}", "html")


def _in_html(line: str) -> tuple[str, ...]:
    """How a line looks in HTML: as a serialiser writes it, and as a template engine that escapes quotes does."""
    plain = html.escape(line, quote=False)
    return tuple(dict.fromkeys((plain, plain.replace('"', "&#34;").replace("'", "&#39;"))))


def _flat(text: str) -> str:
    return " ".join(text.split())


def _missing(what: str, field: str) -> None:
    raise MessageError(
        f"The {field} part lacks the {what}. Put it into the layout; both parts must show it.", field=field
    )


def _encoded_line(line: str) -> bytes:
    """One line in quoted-printable, without its end; soft breaks where it is long."""
    encoded = b2a_qp(line.encode("utf-8").translate(None, _BODY_CONTROLS) + b"\r\n", istext=True)[:-2]
    if encoded.endswith((b"=20", b"=09")):
        # The encoder counts a blank at the end of a line as one octet, then writes it as three.
        head, gap, tail = encoded.rpartition(b"=\r\n")
        if len(tail) > 76:
            return head + gap + tail[:-3] + b"=\r\n" + tail[-3:]
    return encoded


_kept_line = lru_cache(maxsize=4096)(_encoded_line)
"""Most lines of a mail are the same for every recipient of a step: each is encoded once."""


def _fields(lines: list[bytes]) -> tuple[tuple[bytes, ...], dict[bytes, bytes]]:
    """The header as a reader sees it: the names as written, in order, and the unfolded value of each."""
    names: list[bytes] = []
    values: dict[bytes, bytes] = {}
    name = b""
    for line in lines:
        if line[0] in _BLANK:
            if not names:
                raise MessageError("The message begins with a folded line. This is a bug: report it.", field="message")
            values[name] += line
            continue
        name, colon, value = line.partition(b": ")
        if not colon:
            raise MessageError("The header has a line without a name. This is a bug: report it.", field="message")
        names.append(name)
        values[name] = value
    return tuple(names), values


def _first_difference(names: list[str], expected: list[str]) -> str:
    for name, meant in zip(names, expected, strict=False):
        if name != meant:
            return name
    return names[len(expected)] if len(names) > len(expected) else expected[len(names)]


def _only_mailbox(field: str, value: bytes, address: str) -> None:
    match = _TO_VALUE.fullmatch(value)
    found = (match[1] or match[2]) if match else None
    if found != address.encode("ascii"):
        raise MessageError(f"{field} does not hold the one address that was meant.", field=field)


def _two_parts(content_type: bytes, lines: list[bytes]) -> None:
    _, _, boundary = content_type.partition(b'boundary="')
    delimiter = b"--" + boundary[:-1]
    if lines[0] != delimiter or lines.count(delimiter) != 2 or lines[-2:] != [delimiter + b"--", b""]:
        raise MessageError(
            "The parts are not between their boundaries. This is a bug: report it.", field="Content-Type"
        )
