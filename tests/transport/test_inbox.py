"""The transport that writes files."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.verdict import Accepted, Deferred, Rejected, Verdict
from rfs_mail.errors import TransportError
from rfs_mail.transport.base import Envelope
from rfs_mail.transport.inbox import InboxTransport, file_stem

MARIA = Envelope("b@example.org", "maria@example.org")


async def send(folder: Path, *mails: tuple[Envelope, bytes]) -> list[Verdict]:
    """Open, send all at once, close."""
    transport = InboxTransport(folder)
    await transport.open()
    verdicts = await asyncio.gather(*[transport.send(envelope, message) for envelope, message in mails])
    await transport.close()
    return verdicts


def test_a_message_becomes_a_file(tmp_path: Path, message: bytes) -> None:
    """The file holds exactly the bytes, and its name says when, to whom and what; nothing else is left."""
    (verdict,) = asyncio.run(send(tmp_path / "inbox", (MARIA, message)))

    name = "20261123T150000Z_maria@example.org_maria-three-days-left.eml"
    assert Accepted(250, "2.0.0", name) == verdict
    assert {name: message} == {path.name: path.read_bytes() for path in (tmp_path / "inbox").iterdir()}


def test_no_file_takes_the_place_of_another(tmp_path: Path, message: bytes) -> None:
    """Twenty messages with one name at once, and twenty more by another process, make forty files."""
    messages = [message.replace(b"three", b"%05d" % number) for number in range(20)]
    same_subject = [message + b"%d\r\n" % number for number in range(20)]

    first = asyncio.run(send(tmp_path, *[(MARIA, raw) for raw in same_subject]))
    second = asyncio.run(send(tmp_path, *[(MARIA, raw) for raw in same_subject + messages]))

    assert {Accepted} == {type(verdict) for verdict in first + second}
    assert sorted(same_subject * 2 + messages) == sorted(path.read_bytes() for path in tmp_path.iterdir())
    assert {".eml"} == {path.suffix for path in tmp_path.iterdir()}


def test_a_half_written_file_is_never_seen(tmp_path: Path, message: bytes) -> None:
    """What an earlier process left half written stays aside, and the next message takes another name."""
    name = "20261123T150000Z_maria@example.org_maria-three-days-left"
    (tmp_path / f"{name}.eml.part").write_bytes(b"half")

    asyncio.run(send(tmp_path, (MARIA, message)))

    assert message == (tmp_path / f"{name}_2.eml").read_bytes()
    assert (tmp_path / f"{name}.eml.part").read_bytes() == b"half"


@given(st.text(max_size=120))
def test_no_subject_leaves_the_folder(subject: str) -> None:
    """Whatever the subject, the name is one short piece of harmless letters."""
    raw = b"Date: Mon, 23 Nov 2026 10:00:00 -0500\r\nSubject: " + subject.encode("utf-8", "replace") + b"\r\n\r\nx\r\n"
    stem = file_stem(MARIA, raw)

    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyzTZ0123456789@._-")
    assert len(stem) <= 140
    assert ".." not in stem
    assert not stem.startswith((".", "-"))


@pytest.mark.parametrize(
    ("subject", "stem"),
    [
        (b"../../etc/passwd", "20261123T150000Z_maria@example.org_etc-passwd"),
        (b"a/b\\c:d", "20261123T150000Z_maria@example.org_a-b-c-d"),
        (b"=?utf-8?b?w4nDqcKg?= x", "20261123T150000Z_maria@example.org_ee-x"),
        (b"", "20261123T150000Z_maria@example.org"),
        ("\u0431".encode(), "20261123T150000Z_maria@example.org"),
    ],
)
def test_file_names(subject: bytes, stem: str) -> None:
    """Separators and foreign letters become harmless, and an empty subject is left out; the time is UTC."""
    raw = b"Date: Mon, 23 Nov 2026 10:00:00 -0500\r\nSubject: " + subject + b"\r\n\r\nx\r\n"

    assert stem == file_stem(MARIA, raw)


def test_a_message_without_a_date(tmp_path: Path) -> None:
    """A message whose date cannot be read is filed as undated."""
    asyncio.run(send(tmp_path, (MARIA, b"Subject: x\r\n\r\nx\r\n")))

    assert [path.name for path in tmp_path.iterdir()] == ["undated_maria@example.org_x.eml"]


def test_a_folder_that_went_away_defers(tmp_path: Path, message: bytes) -> None:
    """When the file cannot be written the message stays ours, and nothing is raised."""

    async def send_after_the_end() -> Verdict:
        transport = InboxTransport(tmp_path / "inbox")
        await transport.open()
        (tmp_path / "inbox").rmdir()
        return await transport.send(MARIA, message)

    assert isinstance(asyncio.run(send_after_the_end()), Deferred)


def test_a_folder_that_cannot_be_made_is_a_refusal_to_start(tmp_path: Path) -> None:
    """open() says which folder it is."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(TransportError, match="file"):
        asyncio.run(InboxTransport(tmp_path / "file" / "inbox").open())


def test_a_hostile_envelope_is_refused(tmp_path: Path, message: bytes) -> None:
    """What no relay would get is not written either."""
    (verdict,) = asyncio.run(send(tmp_path, (Envelope("b@example.org", "../../x"), message)))

    assert isinstance(verdict, Rejected)
    assert list(tmp_path.iterdir()) == []
