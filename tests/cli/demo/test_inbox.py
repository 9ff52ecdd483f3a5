"""The inbox of the demo: it lists and shows what the server has, safely, and leaves every other path to the pages."""

import asyncio
import json
from pathlib import Path
from typing import Any
from zlib import compress

import pytest

from rfs_mail.cli.demo.inbox import with_inbox
from rfs_mail.cli.demo.maillog import MailLog
from rfs_mail.cli.demo.mailserver import MAILBOXES, Post

MESSAGE = (
    b"From: Run for Something <hello@rfs.example.org>\r\nTo: <maria@example.org>\r\n"
    b"Subject: =?utf-8?q?Tres_d=C3=ADas?= <script>\r\nDate: Mon, 16 Nov 2026 10:00:00 -0600\r\n"
    b"Message-ID: <m-1@rfs.example.org>\r\nFeedback-ID: hello:welcome:running:rfsmail\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<html><head></head><body>Hola</body></html>\r\n"
)


@pytest.fixture
def log(tmp_path: Path) -> MailLog:
    """A log with one mail to Maria and one to Ana, written by the server's own hand."""
    (tmp_path / MAILBOXES).write_text(json.dumps({"dead": [], "slow": []}), encoding="utf-8")
    post = Post(tmp_path)
    post.accept("b-1@x.test", "maria@example.org", MESSAGE)
    post.accept("b-2@x.test", "ana@example.org", MESSAGE)
    post.close()
    opened = MailLog(tmp_path)
    opened.news()
    return opened


def get(log: MailLog, path: str, query: str = "") -> tuple[int, str]:
    """Status and body of a page."""
    sent: list[dict[str, Any]] = []

    async def pages(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"the pages"})

    async def keep(message: dict[str, Any]) -> None:
        sent.append(message)

    async def nothing() -> None:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "path": path, "query_string": query.encode()}
    asyncio.run(with_inbox(pages, log)(scope, nothing, keep))
    return sent[0]["status"], sent[1]["body"].decode()


def test_the_list_has_everybody_newest_first(log: MailLog) -> None:
    """Both mails are listed, the newest first, and a subject cannot become markup."""
    status, page = get(log, "/demo/inbox")
    assert status == 200
    assert page.index("ana@example.org") < page.index("<td>maria@example.org")
    assert "Tres días &lt;script&gt;" in page
    assert "<script>" not in page


def test_the_list_can_be_narrowed(log: MailLog) -> None:
    """An address or a campaign narrows the list; what was typed comes back escaped."""
    assert "<td>ana@example.org" not in get(log, "/demo/inbox", "q=maria")[1]
    assert "2 of 2 mails" in get(log, "/demo/inbox", "q=welcome/hello")[1]
    assert 'value="&quot;&gt;&lt;b&gt;"' in get(log, "/demo/inbox", "q=%22%3E%3Cb%3E")[1]


def test_one_mail_in_a_frame_of_its_own(log: MailLog) -> None:
    """A mail is shown in a frame that may run nothing; its links open in the whole window."""
    status, page = get(log, "/demo/inbox/1")
    assert status == 200
    assert 'src="/demo/inbox/1/mail"' in page
    assert "allow-scripts" not in page
    assert get(log, "/demo/inbox/1/mail")[1].startswith('<html><head><base target="_top">')


def test_what_is_not_there(log: MailLog) -> None:
    """A number beyond the last mail is not found; any other path is the pages' own."""
    assert get(log, "/demo/inbox/3")[0] == 404
    assert get(log, "/demo/else")[0] == 404
    assert get(log, "/u/token") == (299, "the pages")


def test_messages_are_kept_packed(log: MailLog) -> None:
    """What the server keeps takes a part of the room and comes back octet for octet."""
    assert log.message(log.all[0]) == MESSAGE
    assert log.all[0].size == len(compress(MESSAGE, 1))
