"""`rfs-mail run`: scheduler, delivery and web pages in one process, until SIGTERM."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn

from rfs_mail import clock
from rfs_mail.app import App
from rfs_mail.cli.context import current_app
from rfs_mail.engine.spool import drain_spool
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
    port: Annotated[int | None, typer.Option("--port", help="And on which port.")] = None,
) -> None:
    """Run everything on this machine until SIGTERM or Ctrl-C. What is at the wire then comes to its end."""
    app = current_app()
    set_up()
    address = urlsplit(app.settings.base_url)
    listen = (host or _own_host(address.hostname), port or address.port or 8025)
    with app.store.sole_sender():
        _loop_run(_main(app, None if no_web else listen))


def _own_host(name: str | None) -> str:
    """A base_url with a public name is served behind a proxy on this machine."""
    return name if name in ("127.0.0.1", "localhost", "0.0.0.0") else "127.0.0.1"  # noqa: S104 (only if asked for)


def _loop_run(main: "asyncio.coroutines.Coroutine[object, object, None]") -> None:  # type: ignore[name-defined]
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _main(app: App, listen: tuple[str, int] | None) -> None:
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
    server, serving = _serve_pages(app, listen)
    LOG.info("running; %s", f"pages on http://{listen[0]}:{listen[1]}" if listen else "without pages")
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


def _serve_pages(app: App, listen: tuple[str, int] | None) -> tuple[_Pages | None, asyncio.Task[None] | None]:
    if listen is None:
        return None, None
    from rfs_mail.web import create_web

    host, port = listen
    config = uvicorn.Config(create_web(app), host=host, port=port, log_config=None, access_log=False, lifespan="off")
    server = _Pages(config)
    return server, asyncio.create_task(server.serve())
