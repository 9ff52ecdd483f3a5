"""One POST, as a mail program sends it: no cookie, no redirect followed, and the answer as it came (RFC 8058)."""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from rfs_mail.errors import RfsMailError
from rfs_mail.network.patience import addresses

_MOST = 64 * 1024
_GOODBYE = 1.0
"""Seconds for a server to let go of the connection."""

_AGENT = "rfs-mail doctor"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. `headers` are in lower case, of a repeated one the last; `body` at most 64 kB."""

    status: int
    headers: dict[str, str]
    body: bytes


class NoReplyError(RfsMailError):
    """The server could not be asked, or answered something that is not HTTP. `certificate`: it is not trusted."""

    def __init__(self, message: str, *, certificate: bool = False) -> None:
        super().__init__(message)
        self.certificate = certificate


async def post_form(url: str, form: str, *, trust: ssl.SSLContext | None = None) -> Reply:
    """
    POST an encoded form to an http(s) address and read the answer. `trust` replaces the system's certificates.

    Raises NoReplyError and NoAddressError; how long it may take is for the caller to say (`asyncio.timeout`).
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    context = (trust or ssl.create_default_context()) if secure else None
    body = form.encode("ascii")
    request = (
        f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUser-Agent: {_AGENT}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode("ascii") + body
    writer: asyncio.StreamWriter | None = None
    last: Exception | None = None
    for address in await addresses(host):
        try:
            reader, writer = await asyncio.open_connection(
                address, port, ssl=context, server_hostname=host if context is not None else None, limit=_MOST
            )
            break
        except ssl.SSLCertVerificationError as error:
            raise NoReplyError(f"its certificate is not to be trusted: {error.verify_message}", certificate=True) from (
                error
            )
        except OSError as error:
            last = error
    if writer is None:
        said = getattr(last, "strerror", None) or str(last)
        raise NoReplyError(f"no connection to {host}:{port} ({said})") from last
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        return _reply(head, await reader.read(_MOST))
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError) as error:
        raise NoReplyError(f"{host}:{port} answered something that is not HTTP") from error
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(_GOODBYE):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()


def _reply(head: bytes, body: bytes) -> Reply:
    first, *lines = head.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(first)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name:
            headers[name.strip().lower()] = value.strip()
    return Reply(int(status), headers, _unchunked(body) if headers.get("transfer-encoding") == "chunked" else body)


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            break
        whole, body = whole + rest[:length], rest[length + 2 :]
    return whole
