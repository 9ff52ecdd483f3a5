"""The recipients' pages while the demo runs, served over real HTTP on loopback; with an inbox for whoever looks on."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from rfs_mail.errors import UsageError


class _Server(uvicorn.Server):
    """Uvicorn without its hands on our signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Pages:
    """A web app on a socket of loopback, in the running event loop."""

    def __init__(self, web: Any, listening: socket.socket) -> None:
        config = uvicorn.Config(web, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=600)
        self._server = _Server(config)
        self._listening = listening

    async def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listening]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110  (Uvicorn offers no event)
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End in order."""
        self._server.should_exit = True
        self._server.force_exit = True
        await self._task


def listen(port: int, *, or_any: bool = True) -> socket.socket:
    """A socket on loopback: on this port, or on any where it is taken. Raises UsageError where no other will do."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        if not or_any:
            raise UsageError(f"Port {port} of 127.0.0.1 is taken, and the links of the mails name it.") from error
    return socket.create_server(("127.0.0.1", 0))
