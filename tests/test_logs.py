"""The log: readable, one line a record, and without a secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail import logs


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Leave the process's logging as it was found."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    levels = {name: logging.getLogger(name).level for name in logs._CHATTY}
    yield
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def written(style: str, *args: object, secrets: tuple[str, ...] = (), **kwargs: object) -> str:
    """What `log.warning(*args, **kwargs)` writes."""
    stream = io.StringIO()
    logs.set_up(style=style, stream=stream, secrets=secrets)
    logging.getLogger("rfs_mail.engine.deliver").warning(*args, **kwargs)
    return stream.getvalue()


def test_a_human_line_has_the_sentence_and_the_facts() -> None:
    """A person reads time, level, place, sentence and `key=value` on one line."""
    line = written("human", "batch %s done", 12, extra={"sent": 50, "relay": "main"})
    assert line.split(" ", 1)[1] == "WARNING rfs_mail.engine.deliver  batch 12 done  sent=50 relay=main\n"


def test_a_json_line_is_one_object() -> None:
    """A machine reads one object a line, facts beside the message."""
    line = json.loads(written("json", "batch %s done", 12, extra={"sent": 50, "relays": ("a", "b"), "at": "never"}))
    assert list(line) == ["at", "level", "logger", "message", "sent", "relays"]
    assert line["message"] == "batch 12 done"
    assert (line["level"], line["logger"]) == ("warning", "rfs_mail.engine.deliver")
    assert (line["sent"], line["relays"]) == (50, ["a", "b"])
    assert line["at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to ada.lovelace@example.org:", "to ***@example.org:"),
        ("<Ada@example.org>", "<***@example.org>"),
        ('"ada l"@example.org', "***@example.org"),
        ("bounce+12.abcdef@rfs.example.org said no", "***@rfs.example.org said no"),
        ("zoë@exämple.test", "***@exämple.test"),
        ("smtp://ada:pa55/w@relay.test:587?tls=starttls", "smtp://***@relay.test:587?tls=starttls"),
        ("smtp://ada:p@55@relay.test:587", "smtp://***@***@relay.test:587"),
        ("postgresql://me:secret@db.test/mail", "postgresql://***@db.test/mail"),
        ("5 @ 10:00 and closes - 3d @ 10:00", "5 @ 10:00 and closes - 3d @ 10:00"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_what_is_masked(text: str, masked: str) -> None:
    """Local parts and credentials go, domains and everything else stay."""
    assert logs.mask(text) == masked


@pytest.mark.parametrize("style", ["human", "json"])
def test_a_traceback_is_masked_too(style: str) -> None:
    """What an exception quotes is masked like what we say ourselves."""
    try:
        raise ValueError("parameters: ada@example.org, key s3cret-key")
    except ValueError:
        line = written(style, "failed", exc_info=True, secrets=("s3cret", "s3cret-key"))
    assert "ada@" not in line
    assert "s3cret" not in line
    assert "-key" not in line
    assert "***@example.org, key ***" in line
    assert "Traceback" in line
    if style == "human":
        assert [row for row in line.splitlines()[1:] if not row.startswith("    ")] == []


@pytest.mark.parametrize("style", ["human", "json"])
def test_facts_are_masked_at_any_depth(style: str) -> None:
    """An address in `extra` is masked inside lists and objects, too."""
    line = written(style, "merged", extra={"rows": [{"address": "ada@example.org"}], "one": "bob@example.com"})
    assert "ada@" not in line
    assert "bob@" not in line
    assert line.count("***@") == 2


@pytest.mark.parametrize("style", ["human", "json"])
def test_a_reply_cannot_forge_a_line(style: str) -> None:
    """Line ends and escape codes in what a relay said stay inside the one line."""
    text = "550 no\r\n12:00:00 INFO    rfs_mail  all is well\x1b[2J\x9b"
    line = written(style, text, extra={"reply": text})
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert "\r" not in line
    assert "\x1b" not in line
    if style == "json":
        assert json.loads(line)["message"] == text


def test_auto_is_json_where_nobody_sits() -> None:
    """Without a terminal, `auto` writes JSON."""
    assert json.loads(written("auto", "hello"))["message"] == "hello"


def test_setting_up_twice_writes_once() -> None:
    """A second set-up replaces the first."""
    first, second = io.StringIO(), io.StringIO()
    logs.set_up(stream=first)
    logs.set_up(stream=second, style="human")
    logging.getLogger("rfs_mail").info("hello")
    assert first.getvalue() == ""
    assert second.getvalue().count("hello") == 1


def test_libraries_speak_only_when_asked() -> None:
    """INFO of chatty libraries shows with `verbose` only; their warnings always do."""
    stream = io.StringIO()
    logs.set_up(stream=stream)
    logging.getLogger("httpx.client").info("Added job")
    assert stream.getvalue() == ""
    logging.getLogger("httpx.client").warning("missed")
    assert "missed" in stream.getvalue()
    logs.set_up(stream=stream, verbose=True)
    logging.getLogger("httpx.client").info("Added job")
    assert "Added job" in stream.getvalue()


@given(st.text(alphabet="ab.@:/<>\" '=", max_size=40))
def test_masking_is_stable(text: str) -> None:
    """Masking what is masked changes nothing more."""
    once = logs.mask(text)
    assert logs.mask(once) == once


@given(st.from_regex(r"[a-z0-9.+_-]{1,20}", fullmatch=True), st.sampled_from(["example.org", "example.com", "x.test"]))
def test_no_local_part_survives(local: str, domain: str) -> None:
    """Whatever an ordinary address is, its local part is not in the log."""
    assert logs.mask(f"mail to {local}@{domain} failed") == f"mail to ***@{domain} failed"
