"""What the transport tests share: both event loops, and a message that our own writer made."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
import uvloop

from rfs_mail.core.message import MessageParts, build, header_template

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine to its end, once on each event loop."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        factory = uvloop.new_event_loop if request.param == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(coroutine)

    return run


@pytest.fixture
def message() -> bytes:
    """A finished message with lines that begin with dots."""
    template = header_template(
        from_name="Run for Something",
        from_address="hello@rfs.example.org",
        list_name="Filing deadlines",
        list_id="deadlines.rfs.example.org",
        feedback_id=("t3", "filing_countdown", "drip", "rfsmail"),
        postal_address="PO Box 1, New York, NY 10001",
    )
    url = "https://m.example.org/u/abcdefgh"
    return build(
        MessageParts(
            to_address="maria@example.org",
            to_name="María López",
            subject="María: three days left",
            text=f"Hi\n.\n..\n.dot\n{url}\nPO Box 1, New York, NY 10001\n",
            html=f'<p>Hi</p>\n.\n.dot<a href="{url}">Stop</a> PO Box 1, New York, NY 10001',
            date=datetime(2026, 11, 23, 15, 0, tzinfo=UTC),
            message_id="17.abc@rfs.example.org",
            unsubscribe_url=url,
            unsubscribe_address="u-abcdefgh@rfs.example.org",
        ),
        template,
    )
