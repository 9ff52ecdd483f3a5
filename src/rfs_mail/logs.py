"""
Logging: plain lines for a person at a terminal, one JSON object a line for a machine, and no secret in either.

Every module logs through `logging.getLogger(__name__)`; facts go in `extra`, not into the sentence:
`log.info("batch done", extra={"batch": 12, "sent": 50})`. Masking happens on the finished text, tracebacks included,
because a database error quotes its parameters and a relay quotes addresses.
"""

import json
import logging
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

HIDDEN = "***"

_CREDENTIALS = re.compile(r"(?<=://)[^\s@]*@")
"""`user:password@` of a url, whatever the password holds; rather a masked path than half a password."""

_LOCAL_PART = re.compile(r'(?:"[^"\n]{1,64}"|[^\s<>"\'(),:;@\[\]{}=/|*]{1,320})@(?=[\w\[])')
"""What stands before the @ of an address. The domain stays: who receives is what a log is read for."""

_CONTROL: dict[int, str | int] = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROL |= {0x0A: "\\n", 0x0D: "\\r", 0x09: " "}
"""A far side's reply must neither start a line of its own nor steer the terminal."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
"""What a record has without `extra`."""

_CHATTY = ("alembic", "apscheduler", "aiosmtplib", "asyncio", "httpcore", "httpx", "uvicorn.access")
"""Libraries whose INFO is about themselves; an access log would also keep the tokens of unsubscribe links."""


def set_up(
    *,
    style: Literal["auto", "human", "json"] = "auto",
    verbose: bool = False,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """
    Send the log to `stream` (default: standard error), once a process; calling again replaces what was set up before.

    `auto` is human on a terminal and json elsewhere. `verbose` shows DEBUG and the libraries' own INFO.
    `secrets` are texts that must never appear, whatever quotes them: keys, passwords.
    """
    stream = sys.stderr if stream is None else stream
    if style == "auto":
        style = "human" if stream.isatty() else "json"
    handler = _OurHandler(stream)
    handler.setFormatter(JsonLines(secrets) if style == "json" else HumanLines(secrets))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, _OurHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.WARNING)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without credentials in urls, local parts of addresses and the given secrets; each becomes `***`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = _CREDENTIALS.sub(f"{HIDDEN}@", text)
    return _LOCAL_PART.sub(f"{HIDDEN}@", text)


class _OurHandler(logging.StreamHandler[TextIO]):
    """Told apart from handlers that others hung on the root."""


class _Masking(logging.Formatter):
    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        # the longest first: a secret that is part of another must not leave the other's rest standing
        self._secrets = tuple(sorted(secrets, key=len, reverse=True))

    def masked(self, value: Any) -> Any:
        """A JSON-able value of the same shape with every text in it masked."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, dict):
            return {str(key): self.masked(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.masked(item) for item in value]
        return mask(value if isinstance(value, str) else str(value), self._secrets)

    def facts(self, record: logging.LogRecord) -> dict[str, Any]:
        """What was given as `extra`."""
        return {key: self.masked(value) for key, value in vars(record).items() if key not in _STANDARD}

    def traceback(self, record: logging.LogRecord) -> str:
        """The traceback, masked; empty where there is none."""
        if not record.exc_info or record.exc_info[0] is None:
            return ""
        return mask(self.formatException(record.exc_info), self._secrets)


class HumanLines(_Masking):
    """`14:03:07 INFO    rfs_mail.engine.deliver  batch done  batch=12 sent=50`, times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and an indented traceback below it where there is one."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        said = mask(record.getMessage(), self._secrets).translate(_CONTROL)
        facts = "".join(f" {key}={value}".translate(_CONTROL) for key, value in self.facts(record).items())
        line = f"{at} {record.levelname:<7} {record.name}  {said}{' ' if facts else ''}{facts}"
        traceback = self.traceback(record)
        for row in traceback.splitlines():
            line += "\n    " + row.translate(_CONTROL)  # indented, so that no text in it passes for a line of the log
        return line


class JsonLines(_Masking):
    """`{"at": "2026-11-23T14:03:07.120000+00:00", "level": "info", "logger": ..., "message": ..., facts ...}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One object on one line; a fact never overwrites what every line has."""
        line = self.facts(record)
        line |= {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask(record.getMessage(), self._secrets),
        }
        traceback = self.traceback(record)
        if traceback:
            line["traceback"] = traceback
        first = ("at", "level", "logger", "message")
        return json.dumps(
            {key: line[key] for key in (*first, *(k for k in line if k not in first))}, ensure_ascii=False
        )
