"""Whole messages: built, read back by ourselves, and read by the standard library's parser."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from html import escape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.headers import ascii_address, clean_text
from rfs_mail.core.message import (
    Expected,
    HeaderTemplate,
    MessageParts,
    build,
    format_date,
    header_template,
    quoted_printable,
    verify,
)
from rfs_mail.errors import MessageError
from tests.core.test_headers import HOSTILE

URL = "https://m.example.org/u/aea6eqg43vpxohuhtvmbbvy"
POSTAL = "PO Box 1, New York, NY 10001"
DISCLAIMER = 'Paid for by "Run for Something" & friends.'
DATE = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)

NAMES = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Id",
    "Feedback-ID",
    "X-Auto-Response-Suppress",
    "MIME-Version",
    "Content-Type",
]


def template(**changes: Any) -> HeaderTemplate:
    given = {
        "from_name": "Run for Something",
        "from_address": "hello@rfs.example.org",
        "reply_to": "reply@rfs.example.org",
        "list_name": "Filing deadlines",
        "list_id": "deadlines.rfs.example.org",
        "feedback_id": ("t3", "filing_countdown", "drip", "rfsmail"),
        "postal_address": POSTAL,
        "disclaimer": DISCLAIMER,
    }
    return header_template(**(given | changes))


def parts(**changes: Any) -> MessageParts:
    given = MessageParts(
        to_address="maria@example.org",
        to_name="María López",
        subject="María: three days left",
        text=f"Hi María,\n\nfile now.\n\nStop: {URL}\n{POSTAL}\n{DISCLAIMER}\n",
        html=(
            f'<p>Hi María</p><p>file now</p><a href="{URL}">Unsubscribe</a><p>{POSTAL}</p>'
            "<p>Paid for by &quot;Run for Something&quot; &amp; friends.</p>"
        ),
        date=DATE,
        message_id="17.abcdef@rfs.example.org",
        unsubscribe_url=URL,
        unsubscribe_address="u-aea6eqg43vpxohuhtvmbbvy@rfs.example.org",
    )
    return replace(given, **changes)


def attempt(given: MessageParts, shared: HeaderTemplate) -> bytes | MessageError:
    """The message, or why there is none."""
    try:
        return build(given, shared)
    except MessageError as refused:
        return refused


def read(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    return message


def bodies(raw: bytes) -> list[tuple[str, str]]:
    return [(part.get_content_type(), part.get_content()) for part in read(raw).iter_parts()]


def test_every_header_is_there_and_says_what_it_should() -> None:
    """The full list of headers, each once, in order, with the values that RFC 2369, 2919 and 8058 ask for."""
    message = read(build(parts(), template()))

    assert message.keys() == NAMES
    assert message_from_bytes(build(parts(), template()))["From"] == '"Run for Something" <hello@rfs.example.org>'
    assert message["To"] == "María López <maria@example.org>"
    assert message["Subject"] == "María: three days left"
    assert message["Date"].datetime == DATE
    assert message["Message-ID"] == "<17.abcdef@rfs.example.org>"
    assert f"<{URL}>, <mailto:{parts().unsubscribe_address}?subject=unsubscribe>" == message["List-Unsubscribe"]
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Id"] == '"Filing deadlines" <deadlines.rfs.example.org>'
    assert message["Feedback-ID"] == "t3:filing_countdown:drip:rfsmail"
    assert message["X-Auto-Response-Suppress"] == "OOF, AutoReply"
    assert message.get_content_type() == "multipart/alternative"


def test_the_one_click_address_stands_whole_on_its_line() -> None:
    """List-Unsubscribe is folded at the comma only, and is never an encoded word (RFC 2369 section 2)."""
    url = "https://a-rather-long-host-name.mail.example.org/u/aea6eqg43vpxohuhtvmbbvyaea6eqg43vpxohuhtvmbbvy"
    raw = build(parts(unsubscribe_url=url, text=f"{url} {POSTAL} {DISCLAIMER}", html=parts().html + url), template())

    assert f"\r\nList-Unsubscribe: <{url}>,\r\n <mailto:".encode("ascii") in raw


def test_without_reply_to_there_is_none() -> None:
    """An entity without a reply address gets no Reply-To, and the message is still what was expected."""
    assert [name for name in NAMES if name != "Reply-To"] == read(build(parts(), template(reply_to=""))).keys()


def test_text_first_html_last() -> None:
    """Two parts, text before HTML, both UTF-8 in quoted-printable, both as they were."""
    raw = build(parts(), template())

    assert [("text/plain", parts().text), ("text/html", parts().html + "\n")] == [
        (kind, body.replace("\r\n", "\n")) for kind, body in bodies(raw)
    ]
    assert raw.count(b"Content-Transfer-Encoding: quoted-printable\r\n") == 2
    assert raw.count(b"; charset=utf-8\r\n") == 2


def test_the_same_arguments_give_the_same_bytes() -> None:
    """A message is a function of its arguments; another Message-ID has another boundary."""
    first, again = build(parts(), template()), build(parts(), template())
    other = build(parts(message_id="18.abcdef@rfs.example.org"), template())

    assert first == again
    assert read(first).get_boundary() != read(other).get_boundary()


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_name_or_subject_makes_a_header(to_name: str, subject: str, from_name: str) -> None:
    """Whatever names and subject hold, a reader finds our headers, one author, one recipient, two bodies."""
    if not clean_text(subject):
        subject = "x"
    raw = build(parts(to_name=to_name, subject=subject), template(from_name=from_name, list_name=from_name))
    message = read(raw)
    old = message_from_bytes(raw, policy=policy.compat32)

    assert NAMES == message.keys() == old.keys()
    assert [address.addr_spec for address in message["From"].addresses] == ["hello@rfs.example.org"]
    assert [address.addr_spec for address in message["To"].addresses] == ["maria@example.org"]
    assert clean_text(subject) == message["Subject"]
    assert [kind for kind, _ in bodies(raw)] == ["text/plain", "text/html"]
    assert raw.isascii()
    assert raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 78


def near(valid: str) -> st.SearchStrategy[str]:
    """A value that is fine, with something hostile in the place of it, around it or in its middle."""
    half = len(valid) // 2
    return st.one_of(
        HOSTILE,
        st.tuples(HOSTILE, st.just(valid), HOSTILE).map("".join),
        st.tuples(st.just(valid[:half]), HOSTILE, st.just(valid[half:])).map("".join),
    )


FIELDS = {
    "from_name": "Run for Something",
    "from_address": "hello@rfs.example.org",
    "reply_to": "reply@rfs.example.org",
    "list_name": "Filing deadlines",
    "list_id": "deadlines.rfs.example.org",
    "postal_address": POSTAL,
    "disclaimer": DISCLAIMER,
    "to_address": "maria@example.org",
    "to_name": "María López",
    "subject": "María: three days left",
    "message_id": "17.abcdef@rfs.example.org",
    "unsubscribe_url": URL,
    "unsubscribe_address": "u-aea6eqg43vpxohuhtvmbbvy@rfs.example.org",
}
SHARED = ("from_name", "from_address", "reply_to", "list_name", "list_id", "postal_address", "disclaimer")
BLAMED = {*NAMES, "postal_address", "text", "html"}


def test_an_encoded_word_in_the_unsubscribe_link_is_refused() -> None:
    """A reader that decodes once too often would find a header of its own in it."""
    url = f"{URL.rpartition('/')[0]}/=?utf-8?q?a=0D=0ABcc:_x=40y?=/aea6eqg43vpxohuhtvmbbvy"
    said = f"{url}\n{POSTAL}\n{DISCLAIMER}\n"
    refused = attempt(parts(unsubscribe_url=url, text=said, html=escape(said)), template(disclaimer=DISCLAIMER))
    assert isinstance(refused, MessageError)
    assert refused.field == "List-Unsubscribe"


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_field_is_taken_or_refused_by_name(data: st.DataObject) -> None:
    """Whatever one or two fields hold: a refusal that names a field, or a message that a stranger reads right."""
    hostile = data.draw(st.sets(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=2))
    words = {name: data.draw(near(valid)) if name in hostile else valid for name, valid in FIELDS.items()}
    rest = {name: value for name, value in words.items() if name not in SHARED}
    try:
        shared = template(**{name: words[name] for name in SHARED})
    except MessageError as refused:
        made: bytes | MessageError = refused
    else:
        footer = "\n".join(line for line, _ in shared.must_say)
        text = f"{words['unsubscribe_url']}\n{footer}\n"
        html = f'<a href="{words["unsubscribe_url"]}">Stop</a>\n{escape(footer)}'
        made = attempt(parts(text=text, html=html, **rest), shared)
    if isinstance(made, MessageError):
        assert made.field in BLAMED
        return
    raw, message = made, read(made)
    # And as a relay hands it on that reads everything and writes it again by its own rules.
    again = message_from_bytes(message.as_bytes(policy=policy.SMTP), policy=policy.default)
    expected = [name for name in NAMES if name != "Reply-To" or words["reply_to"]]

    assert expected == message.keys() == again.keys() == message_from_bytes(raw, policy=policy.compat32).keys()
    for heard in (message, again):
        assert [shared.from_address] == [one.addr_spec for one in heard["From"].addresses]
        assert [ascii_address(words["to_address"], "To")] == [one.addr_spec for one in heard["To"].addresses]
    assert message["List-Unsubscribe"].startswith(f"<{words['unsubscribe_url']}>, <mailto:")
    assert "=?" not in message["Subject"]


BODY = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.text("\r\n \t.=-_\0\x7f", max_size=8),
        st.sampled_from(["\n.\n", "--=_", "From ", " \n", "x" * 90, "é" * 90]),
    ),
    max_size=15,
).map("".join)


@given(BODY)
def test_any_body_comes_through(text: str) -> None:
    """Any text arrives as it was, but for its line ends and control characters; lines have at most 76 octets."""
    raw = build(parts(text=f"{text}\n{parts().text}", html=f"{text}\n{parts().html}"), template())
    controls = {code: None for code in range(32) if chr(code) not in "\t\n\r"} | {127: None}
    expected = f"{text}\n".replace("\r\n", "\n").replace("\r", "\n").translate(controls)

    for (_, body), own in zip(bodies(raw), (parts().text, parts().html + "\n"), strict=True):
        assert expected + own == body.replace("\r\n", "\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert not any(line.endswith((b" ", b"\t")) for line in raw.split(b"\r\n"))


@given(st.text(st.sampled_from("ab =.é€\U0001f600\n\t\r"), max_size=400))
def test_quoted_printable_lines(text: str) -> None:
    """No line has more than 76 octets or ends in a blank (RFC 2045 section 6.7)."""
    for line in quoted_printable(text, "text").split(b"\r\n"):
        assert len(line) <= 76
        assert not line.endswith((b" ", b"\t"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to_address": "maría@example.org"}, "To"),
        ({"to_address": "maria@example.org, eve@example.org"}, "To"),
        ({"to_address": "maria@example.org\r\nBcc: eve@example.org"}, "To"),
        ({"subject": ""}, "Subject"),
        ({"subject": "\u200e\r\n"}, "Subject"),
        ({"subject": "x" * 901}, "Subject"),
        ({"date": DATE.replace(tzinfo=None)}, "Date"),
        ({"message_id": "17"}, "Message-ID"),
        ({"message_id": "17@x\r\nBcc: y"}, "Message-ID"),
        ({"message_id": "=?utf-8?q?x?=@example.org"}, "Message-ID"),
        ({"unsubscribe_address": "u-x"}, "List-Unsubscribe"),
        ({"unsubscribe_address": "u-x@example.org>, <mailto:eve@example.org"}, "List-Unsubscribe"),
        ({"text": f"{POSTAL} {DISCLAIMER}"}, "text"),
        ({"text": f"{URL} {DISCLAIMER}"}, "text"),
        ({"text": f"{URL} {POSTAL}"}, "text"),
        ({"text": f"{URL} {POSTAL} {DISCLAIMER} \ud800"}, "text"),
        ({"html": f"{POSTAL} {DISCLAIMER}"}, "html"),
        ({"html": f'<a href="{URL}">x</a> {DISCLAIMER}'}, "html"),
        ({"html": f'<a href="{URL}">x</a> {POSTAL}'}, "html"),
        ({"html": f'<!-- <a href="{URL}">x</a> --> {POSTAL} {DISCLAIMER}'}, "html"),
        ({"html": f'<a href="{URL}">x</a> <!-- {POSTAL} --> {DISCLAIMER}'}, "html"),
    ],
)
def test_a_message_that_must_not_go_out_names_its_field(changes: dict[str, Any], field: str) -> None:
    """A hostile address, an empty subject, a missing footer: that mail is refused, and the field is named."""
    with pytest.raises(MessageError) as caught:
        build(parts(**changes), template())

    assert field == caught.value.field


@pytest.mark.parametrize(
    "url",
    [
        "http://m.example.org/u/x",
        "mailto:x@example.org",
        "https://m.example.org/u/x y",
        "https://m.example.org/u/x>, <https://evil.example.org/",
        "https://m.example.org/\r\nBcc: x",
        "https://m.example.org/ü",
        "http://localhost.evil.example/u/x",
    ],
)
def test_a_one_click_link_must_be_https(url: str) -> None:
    """RFC 8058 wants an https URI, and a URI holds nothing that could end it."""
    with pytest.raises(MessageError) as caught:
        build(parts(unsubscribe_url=url, text=parts().text + url, html=parts().html + url), template())

    assert caught.value.field == "List-Unsubscribe"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8025/u/x", "http://localhost/u/x", "http://[::1]:8025/u/x"])
def test_plain_http_is_for_this_machine(url: str) -> None:
    """A demo without certificates may link to itself."""
    raw = build(parts(unsubscribe_url=url, text=parts().text + url, html=parts().html + url), template())

    assert read(raw)["List-Unsubscribe"].startswith(f"<{url}>, ")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("PO Box 1,\nNew   York, NY 10001", "PO Box 1,<br>New York, NY\n 10001"),
        ("PO Box 1, New York, NY 10001", "<span>PO Box&#32;1, New</span> York, NY 10001"),
        ("PO Box 1, New York,\u00a0NY 10001", "PO Box 1, New&nbsp;York, NY 10001"),
    ],
)
def test_a_footer_may_be_wrapped(text: str, html: str) -> None:
    """Line breaks, tags and entities inside the postal address do not hide it."""
    mail = parts(
        text=f"{URL}\n{text}\nPaid for by\n“x”",
        html=f'<!--[if mso]>x<![endif]--><a href="{URL}">x</a>{html}<p>Paid for by &ldquo;x&rdquo;</p>',
    )

    assert build(mail, template(disclaimer="Paid for by “x”"))


@pytest.mark.parametrize(
    "html",
    ['by candidate\'s &amp; "us"', "by candidate&#39;s &amp; &#34;us&#34;", "by candidate&#x27;s &amp; &quot;us&quot;"],
)
def test_quotes_may_be_escaped_or_not(html: str) -> None:
    """A disclaimer with quotes is found as a template engine writes it, as an HTML serialiser does, and otherwise."""
    disclaimer = 'by candidate\'s & "us"'

    assert build(parts(text=f"{parts().text} {disclaimer}", html=parts().html + html), template(disclaimer=disclaimer))


def test_every_line_of_a_postal_address_counts() -> None:
    """An address of several lines may stand in several places, and none may be missing."""
    postal = f"{POSTAL}\nUSA, Earth"

    assert build(
        parts(text=f"USA, Earth {parts().text}", html=f"<p>USA, Earth</p>{parts().html}"),
        template(postal_address=postal),
    )
    with pytest.raises(MessageError):
        build(parts(text=f"USA, Earth {parts().text}"), template(postal_address=postal))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"from_address": "hello"}, "From"),
        ({"from_address": "héllo@rfs.example.org"}, "From"),
        ({"reply_to": "x@example.org\r\nBcc: y@example.org"}, "Reply-To"),
        ({"list_id": "deadlines"}, "List-Id"),
        ({"list_id": "dead lines.example.org"}, "List-Id"),
        ({"list_id": "a." * 130 + "org"}, "List-Id"),
        ({"feedback_id": ("t3", "x", "drip", "rfs")}, "Feedback-ID"),
        ({"feedback_id": ("t3", "t3", "drip", "rfsmail")}, "Feedback-ID"),
        ({"feedback_id": ("t3\r\n", "x", "drip", "rfsmail")}, "Feedback-ID"),
        ({"postal_address": " "}, "postal_address"),
    ],
)
def test_a_template_that_must_not_be_names_its_field(changes: dict[str, Any], field: str) -> None:
    """What is wrong for all mails of a step is found once, before any of them."""
    with pytest.raises(MessageError) as caught:
        template(**changes)

    assert field == caught.value.field


def expected() -> Expected:
    return Expected(template().names, "hello@rfs.example.org", "maria@example.org", URL)


@pytest.mark.parametrize(
    ("spoil", "field"),
    [
        (lambda raw: raw.replace(b"Subject:", b"Bcc: eve@example.org\r\nSubject:"), "Bcc"),
        (lambda raw: raw.replace(b"Subject:", b"From: eve@example.org\r\nSubject:"), "From"),
        (lambda raw: raw.replace(b"Reply-To: reply@rfs.example.org\r\n", b""), "Subject"),
        (lambda raw: raw.replace(b"<maria@example.org>", b"<eve@example.org>"), "To"),
        (lambda raw: raw.replace(b"<maria@example.org>", b"<maria@example.org>, eve@example.org"), "To"),
        (lambda raw: raw.replace(b"<maria@example.org>", b"<maria@example.org>,\r\n eve@example.org"), "To"),
        (lambda raw: raw.replace(b'"Run for Something"', b"Name, Director"), "From"),
        (lambda raw: raw.replace(b"\r\nDate", b"\nDate"), "message"),
        (lambda raw: raw.replace(b"file now", b"file\rnow"), "message"),
        (lambda raw: raw.replace(b"file now", b"file\0now"), "message"),
        (lambda raw: raw.replace(b"file now", b"x" * 999), "message"),
        (lambda raw: raw[:-2], "Content-Type"),
        (lambda raw: raw.replace(b"\r\n\r\n", b"\r\n"), "message"),
        (lambda raw: b" x\r\n" + raw, "message"),
        (lambda raw: raw.replace(URL.encode(), b"https://evil.example.org/"), "List-Unsubscribe"),
        (lambda raw: raw.replace(b"List-Unsubscribe: <", b"List-Unsubscribe: =?utf-8?q?=3C"), "List-Unsubscribe"),
        (lambda raw: raw.replace(b"--=_", b"--=-", 1), "Content-Type"),
        (lambda raw: raw + b"x\r\n", "Content-Type"),
        (lambda raw: raw.replace(b"\r\n\r\n--", b"\r\n\r\npreamble\r\n--", 1), "Content-Type"),
    ],
)
def test_verify_finds_what_was_tampered_with(spoil: Callable[[bytes], bytes], field: str) -> None:
    """The reader trusts no writer: a header, a mailbox, a line end or a part that was not meant is found and named."""
    raw = build(parts(), template())
    verify(raw, expected())

    spoilt = spoil(raw)
    assert raw != spoilt
    with pytest.raises(MessageError) as caught:
        verify(spoilt, expected())
    assert field == caught.value.field


@given(
    st.datetimes(
        min_value=datetime(1970, 1, 2),
        timezones=st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
)
def test_dates_read_back(date: datetime) -> None:
    """A Date header reads back as the same second, in any zone."""
    assert date.replace(microsecond=0) == parsedate_to_datetime(format_date(date).decode("ascii"))
