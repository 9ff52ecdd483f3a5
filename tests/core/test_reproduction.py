"""Which part of a message is not as it went out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.message import MessageParts, build, header_template
from rfs_mail.core.reproduction import Difference, compare, differences, only_signature, sketch

URL = "https://m.example.org/u/abcdefgh"
LINES = [f"Line {n} of a mail about the ballot in your county." for n in range(40)]
TEMPLATE = header_template(
    from_name="Run for Something",
    from_address="hello@rfs.example.org",
    list_name="Deadlines",
    list_id="deadlines.rfs.example.org",
    feedback_id=("t3", "countdown", "drip", "rfsmail"),
    postal_address="PO Box 1, New York, NY 10001",
)
PARTS = MessageParts(
    to_address="maria@example.org",
    to_name="María López",
    subject="Three days left",
    text="\n".join([*LINES, URL, "PO Box 1, New York, NY 10001"]),
    html="\n".join([*(f"<p>{line}</p>" for line in LINES), f'<a href="{URL}">Stop</a> PO Box 1, New York, NY 10001']),
    date=datetime(2026, 11, 23, 15, 0, tzinfo=UTC),
    message_id="17.abc@rfs.example.org",
    unsubscribe_url=URL,
    unsubscribe_address="u-abcdefgh@rfs.example.org",
)
SENT = build(PARTS, TEMPLATE)


def signed(message: bytes, seal: str) -> bytes:
    """The message with a signature field in front, as a signer puts it."""
    return f"DKIM-Signature: v=1; a=rsa-sha256; d=rfs.example.org; s=one;\r\n b={seal}\r\n".encode() + message


def named(found: tuple[Difference, ...]) -> list[str]:
    return [one.part for one in found]


def test_the_same_bytes_do_not_differ() -> None:
    """Neither way to compare finds anything in the message itself."""
    assert ((), ()) == (differences(sketch(SENT), SENT), compare(SENT, SENT))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"subject": "Two days left"}, "header Subject"),
        ({"to_address": "m@example.org"}, "header To"),
        ({"date": PARTS.date + timedelta(seconds=1)}, "header Date"),
        ({"unsubscribe_address": "u-x@rfs.example.org"}, "header List-Unsubscribe"),
        ({"text": PARTS.text.replace("Line 20 ", "Line XX ")}, "text part"),
        ({"html": PARTS.html.replace("Line 20 ", "Line XX ")}, "html part"),
        ({"html": PARTS.html + "\n<!-- more -->"}, "html part"),
    ],
)
def test_the_part_that_differs_is_named(change: dict[str, object], part: str) -> None:
    """One change is one difference, with the sketch alone and with the bytes."""
    built = build(replace(PARTS, **change), TEMPLATE)  # type: ignore[arg-type]
    assert ([part], [part]) == (named(differences(sketch(SENT), built)), named(compare(SENT, built)))


def test_the_bytes_tell_the_line() -> None:
    """With the bytes: the first line that differs, as it was and as it is, in readable letters."""
    built = build(replace(PARTS, text=PARTS.text.replace("Line 20 of", "Zeile 20 für")), TEMPLATE)
    (found,) = compare(SENT, built)
    # Two lines of header and a blank one come first.
    assert (24, 24) == (found.line, found.last_line)
    assert "Line 20 of a mail about the ballot in your county." == found.sent
    assert "Zeile 20 für a mail about the ballot in your county." == found.built
    assert str(found).startswith("text part, line 24: was 'Line 20 of a mail")


@pytest.mark.parametrize("number", range(0, 40, 3))
def test_the_sketch_tells_the_place(number: int) -> None:
    """Without the bytes: some lines, and the one that differs is among them."""
    built = build(replace(PARTS, html=PARTS.html.replace(f"Line {number} of", f"Line {number} oF")), TEMPLATE)
    (found,) = differences(sketch(SENT), built)
    assert found.line is not None
    assert found.last_line is not None
    assert found.line <= number + 4 <= found.last_line
    assert found.last_line - found.line < 8


def test_a_line_more_moves_the_rest_and_the_first_is_named() -> None:
    """What follows an inserted line is moved; the place named is where it begins."""
    built = build(replace(PARTS, text=PARTS.text.replace("Line 10 ", "New.\nLine 10 ")), TEMPLATE)
    (found,) = compare(SENT, built)
    assert (14, "New.") == (found.line, found.built)
    (guessed,) = differences(sketch(SENT), built)
    assert guessed.line is not None
    assert guessed.line <= 14


def test_a_header_that_is_new_or_gone_is_named() -> None:
    """Another number of fields does not make all of them differ."""
    answered = build(PARTS, replace(TEMPLATE, reply_to=b"Reply-To: x@rfs.example.org\r\n", names=_with_reply()))
    assert ["header Reply-To"] == named(differences(sketch(SENT), answered))
    assert ["header Reply-To"] == named(compare(answered, SENT))
    assert ["header after To"] == named(differences(sketch(answered), SENT))


def _with_reply() -> tuple[bytes, ...]:
    names = TEMPLATE.names
    return (*names[:2], b"Reply-To", *names[2:])


def test_another_signature_alone_is_told_from_another_mail() -> None:
    """A replaced key, and a signature that is there now or not any more, are differences of the signature alone."""
    one, two = signed(SENT, "aaaa"), signed(SENT, "bbbb")
    for then, now in ((one, two), (one, SENT), (SENT, one)):
        assert ["header DKIM-Signature"] == named(differences(sketch(then), now))
        assert ["header DKIM-Signature"] == named(compare(then, now))
        assert only_signature(compare(then, now))
    other = build(replace(PARTS, subject="Two days left"), TEMPLATE)
    found = compare(one, signed(other, "cccc"))
    assert ["header DKIM-Signature", "header Subject"] == named(found)
    assert not only_signature(found)
    assert not only_signature(())


def test_a_sketch_is_small() -> None:
    """It is kept with every delivery: far below the hundredth part of this message's hash table, 200 letters here."""
    assert len(sketch(SENT)) < len(SENT) / 50
    assert sketch(SENT).isascii()


@given(st.text(max_size=300), st.text(max_size=300))
def test_compare_finds_what_differs(one: str, two: str) -> None:
    """Two mails are the same bytes, or a part of them is named; nothing breaks on any text."""
    first = build(replace(PARTS, text=f"{one}\n{PARTS.text}"), TEMPLATE)
    second = build(replace(PARTS, text=f"{two}\n{PARTS.text}"), TEMPLATE)
    assert ([] if first == second else ["text part"]) == named(compare(first, second))
    assert set(named(differences(sketch(first), second))) <= {"text part"}
