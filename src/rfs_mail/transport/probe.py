"""
A look at a relay, as a stranger takes it: greeting, EHLO, TLS and its certificate, login. Hands in no mail.

The transport's own connections go through a library that keeps such things to itself; here every answer matters, and
what failed is as good a finding as what worked.
"""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from rfs_mail.errors import TransportError
from rfs_mail.transport.relay import Relay, Tls, own_name

_LINE = 4096
_GOODBYE = 1.0
"""Seconds for a relay to let go of the connection."""


@dataclass(frozen=True, slots=True)
class Look:
    """
    What a relay showed, as far as it went.

    `failed` is where it ended: `connect`, `greeting`, `ehlo`, `starttls`, `certificate`, `auth`, or "" where it went
    well; `said` is what was answered then. `extensions` are those of the last EHLO, in upper case, with what follows.
    `certificate_ends` is None without TLS, and where the certificate is not checked (`verify=no`).
    """

    failed: str = ""
    said: str = ""
    greeting: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict)
    tls: str = ""
    cipher: str = ""
    certificate_ends: datetime | None = None
    logged_in: bool = False


class _RefusedError(Exception):
    """The relay answered no, or nothing."""


async def look_at(relay: Relay, address: str) -> Look:
    """
    Look at a relay at one of its addresses, under the name that the transport gives in EHLO. Ends with QUIT.

    A relay that is away or refuses is a finding, never an exception; how long it may take is for the caller to say.
    """
    probe = _Probe(relay, address)
    try:
        await probe.run()
    except ssl.SSLCertVerificationError as error:
        probe.fail("certificate", error.verify_message)
    except ssl.SSLError as error:
        probe.fail(probe.phase, f"TLS: {error.reason or error}")
    except _RefusedError as error:
        probe.fail(probe.phase, str(error))
    except TransportError as error:
        probe.fail("certificate", str(error))
    except OSError as error:
        probe.fail(probe.phase, error.strerror or str(error))
    finally:
        await probe.end()
    return probe.found


class _Probe:
    """One conversation."""

    def __init__(self, relay: Relay, address: str) -> None:
        self.found = Look()
        self.phase = "connect"
        self._relay = relay
        self._address = address
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    def fail(self, where: str, said: str) -> None:
        """Note where it ended."""
        if self._relay.password:
            said = said.replace(self._relay.password, "***")
        self.found = replace(self.found, failed=where, said=" ".join(said.split())[:200])

    async def run(self) -> None:
        """The whole conversation, to the login."""
        relay = self._relay
        context = _context(relay) if relay.tls is not Tls.NONE else None
        at_once = context if relay.tls is Tls.TLS else None
        self._reader, self._writer = await asyncio.open_connection(
            self._address, relay.port, ssl=at_once, server_hostname=relay.host if at_once is not None else None,
            limit=_LINE,
        )  # fmt: skip
        if at_once is not None:
            self._note_tls()
        self.phase = "greeting"
        self.found = replace(self.found, greeting=await self._answer(220))
        await self._ehlo()
        if relay.tls is Tls.STARTTLS and context is not None:
            self.phase = "starttls"
            if "STARTTLS" not in self.found.extensions:
                raise _RefusedError("it does not offer STARTTLS")
            await self._say("STARTTLS", 220)
            await self._writer.start_tls(context, server_hostname=relay.host)
            self._note_tls()
            await self._ehlo()
        if relay.username:
            self.phase = "auth"
            await self._log_in()
            self.found = replace(self.found, logged_in=True)

    async def end(self) -> None:
        """Say QUIT where that is still possible, and close."""
        if self._writer is None:
            return
        try:
            if not self.found.failed:
                self._writer.write(b"QUIT\r\n")
                await self._writer.drain()
        except OSError:
            pass  # it is over anyway
        finally:
            await self._close(self._writer)

    @staticmethod
    async def _close(writer: asyncio.StreamWriter) -> None:
        writer.close()
        try:
            async with asyncio.timeout(_GOODBYE):
                await writer.wait_closed()
        except (OSError, TimeoutError):
            writer.transport.abort()

    async def _ehlo(self) -> None:
        assert self._writer is not None
        self.phase = "ehlo"
        said = await self._say(f"EHLO {self._relay.helo or own_name(self._writer.get_extra_info('sockname')[0])}", 250)
        extensions = {}
        for line in said.split("\n")[1:]:
            name, _, rest = (
                line.replace("=", " ", 1).partition(" ") if line.startswith("AUTH=") else line.partition(" ")
            )
            extensions[name.upper()] = rest.strip()
        self.found = replace(self.found, extensions=extensions)

    async def _log_in(self) -> None:
        offered = self.found.extensions.get("AUTH", "").upper().split()
        name, password = self._relay.username, self._relay.password
        if "PLAIN" in offered:
            await self._say(f"AUTH PLAIN {_b64(f'{chr(0)}{name}{chr(0)}{password}')}", 235)
        elif "LOGIN" in offered:
            await self._say("AUTH LOGIN", 334)
            await self._say(_b64(name), 334)
            await self._say(_b64(password), 235)
        else:
            said = f"it offers {', '.join(offered)}" if offered else "it offers no AUTH"
            raise _RefusedError(f"{said}; PLAIN or LOGIN is tried here")

    async def _say(self, command: str, wanted: int) -> str:
        assert self._writer is not None
        self._writer.write(f"{command}\r\n".encode())
        await self._writer.drain()
        return await self._answer(wanted)

    async def _answer(self, wanted: int) -> str:
        """The lines of a reply without their codes. Raises _RefusedError for another code than the wanted one."""
        assert self._reader is not None
        lines: list[str] = []
        while len(lines) < 100:
            try:
                raw = await self._reader.readuntil(b"\n")
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                raise _RefusedError("it broke off the connection, or answers something that is not SMTP") from None
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            lines.append(line[4:])
            if line[3:4] != "-":
                if line[:3] != str(wanted):
                    raise _RefusedError(f"{line[:3]} {' '.join(lines)}")
                return "\n".join(lines)
        raise _RefusedError("its answer has no end")

    def _note_tls(self) -> None:
        assert self._writer is not None
        tls = self._writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert() or {}
        ends = certificate.get("notAfter")
        self.found = replace(
            self.found,
            tls=tls.version() or "",
            cipher=(tls.cipher() or ("",))[0],
            certificate_ends=datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if ends else None,
        )


def _context(relay: Relay) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=relay.ca)
    except OSError as error:
        raise TransportError(f"its ca file {relay.ca} cannot be read ({error.strerror})") from error
    if not relay.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _b64(text: str) -> str:
    return b64encode(text.encode("utf-8")).decode("ascii")
