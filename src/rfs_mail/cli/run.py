"""`rfs-mail run`: scheduler, delivery and web pages in one process, until SIGTERM."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn

from rfs_mail import clock
from rfs_mail.app import App
from rfs_mail.cli.context import current_app
from rfs_mail.engine.spool import drain_spool
from rfs_mail.errors import UsageError
from rfs_mail.logs import set_up
from rfs_mail.scheduler import schedule

LOG = logging.getLogger(__name__)

GRACE = 60.0
"""Seconds that mails at the wire get to come to an end."""


def run(
    no_web: Annotated[bool, typer.Option("--no-web", help="Without the recipients' pages.")] = False,
    host: Annotated[
        str | None, typer.Option("--host", help="Where the pages listen; by default from base_url.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="And on which port; 0 takes a free one.")] = None,
) -> None:
    """Run everything on this machine until SIGTERM or Ctrl-C. What is at the wire then comes to its end."""
    app = current_app()
    set_up()
    address = urlsplit(app.settings.base_url)
    with app.store.sole_sender(), contextlib.ExitStack() as opened:
        pages = None
        if not no_web:
            at = port if port is not None else address.port or 8025
            pages = opened.enter_context(_open_port(host or _own_host(address.hostname), at))
        _loop_run(_main(app, pages))


def _own_host(name: str | None) -> str:
    """A base_url with a public name is served behind a proxy on this machine."""
    return name if name in ("127.0.0.1", "localhost", "0.0.0.0") else "127.0.0.1"  # noqa: S104 (only if asked for)


def _open_port(host: str, port: int) -> socket.socket:
    """Where the pages listen. Raises UsageError where somebody else does, before anything is sent."""
    try:
        return socket.create_server((host, port), reuse_port=False)
    except OSError as error:
        raise UsageError(
            f"The pages cannot listen on {host}:{port} ({error.strerror}). Take another --port."
        ) from error


def _loop_run(main: "asyncio.coroutines.Coroutine[object, object, None]") -> None:  # type: ignore[name-defined]
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _main(app: App, pages: socket.socket | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    machine = app.machine()
    rescued = await machine.rescue(clock.now(), everything=app.store.is_sqlite)
    if rescued.requeued or rescued.uncertain:
        LOG.warning("an earlier process died: %d mails queued again, %d uncertain", rescued.requeued, rescued.uncertain)
    await machine.start()

    async def spool() -> None:
        await asyncio.to_thread(drain_spool, app.store, app.keys, app.settings.folder)

    scheduler = schedule(app, machine, extra={"spool": (5.0, spool)})
    server, serving = _serve_pages(app, pages)
    LOG.info("running; %s", "pages on http://{}:{}".format(*pages.getsockname()[:2]) if pages else "without pages")
    stopping = asyncio.create_task(stop.wait())
    try:
        # A sender that ends by itself has met a bug: end with it, so that whoever watches this process starts it anew.
        await asyncio.wait({stopping, machine.serving}, return_when=asyncio.FIRST_COMPLETED)
        if machine.serving.done():
            machine.serving.result()
    finally:
        stopping.cancel()
        LOG.info("stopping: nothing new begins, what is at the wire comes to its end")
        scheduler.shutdown(wait=False)
        await machine.stop(GRACE)
        if server is not None and serving is not None:
            server.should_exit = True
            await serving
        LOG.info("stopped; %d sent since the start", machine.tally.sent)


class _Pages(uvicorn.Server):
    """The pages' server; the signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _serve_pages(app: App, pages: socket.socket | None) -> tuple[_Pages | None, asyncio.Task[None] | None]:
    if pages is None:
        return None, None
    from rfs_mail.web import create_web

    server = _Pages(uvicorn.Config(create_web(app), log_config=None, access_log=False, lifespan="off"))
    return server, asyncio.create_task(server.serve(sockets=[pages]))
