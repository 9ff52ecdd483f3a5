"""
Waiting no longer than one is willing to.

Some calls of the system cannot be cut short: looking up a host where the network swallows packets takes half a minute,
and so does a database that is not there. They run in threads that nobody waits for at the end of the process.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import TypeVar

from rfs_mail.errors import RfsMailError

T = TypeVar("T")


class NoAddressError(RfsMailError):
    """A host has no address, or nobody said which."""


async def in_background(work: Callable[[], T]) -> T:
    """What `work()` returns or raises. Given up by cancelling; the thread then ends when it can, unheeded."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as caught:
            error = caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # the loop is over: nobody waits any more

    threading.Thread(target=run, name="rfs-look", daemon=True).start()
    return await done


async def addresses(host: str) -> tuple[str, ...]:
    """The addresses of a host as this machine connects to it, its hosts file included. Raises NoAddressError."""
    try:
        return (str(ip_address(host)),)
    except ValueError:
        pass
    try:
        found = await in_background(lambda: socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
    except OSError as error:
        raise NoAddressError(f"{host} has no address ({error.strerror or error})") from error
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


def outgoing_address() -> str | None:
    """The address this machine sends from towards the internet; None where it has no way there. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # RFC 5737: nobody's address; connecting a UDP socket only picks a route
        except OSError:
            return None
        return str(probe.getsockname()[0])
