"""
A process that takes mail as fast as it can and throws it away: `python -m benchmarks.sink`.

It prints its port, serves until its standard input closes, then prints how many messages it took. With
`--note TEXT` it also prints, before that, one line of JSON: each recipient with this text in the address -> the
monotonic time at which the message to it was accepted.
"""

import asyncio
import json
import sys
import time
from typing import ClassVar, cast


class Sink(asyncio.Protocol):
    """One connection: no checks, no storage, PIPELINING offered."""

    taken = 0
    note = b""
    """Recipients with this in their address are noted; empty: nobody."""
    noted: ClassVar[dict[str, float]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._held = b""
        self._in_data = False
        self._to = ""
        self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer whatever is complete."""
        held = self._held + data
        out: list[bytes] = []
        while True:
            if self._in_data:
                end = held.find(b"\r\n.\r\n")
                if end < 0:
                    break
                held = held[end + 5 :]
                self._in_data = False
                Sink.taken += 1
                if self._to:
                    Sink.noted[self._to] = time.monotonic()
                    self._to = ""
                out.append(b"250 2.0.0 Ok: taken\r\n")
                continue
            end = held.find(b"\r\n")
            if end < 0:
                break
            line, held = held[:end], held[end + 2 :]
            verb = line[:4].upper()
            if verb == b"EHLO":
                out.append(b"250-sink\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            elif verb == b"DATA":
                self._in_data = True
                out.append(b"354 go on\r\n")
            elif verb == b"QUIT":
                out.append(b"221 2.0.0 bye\r\n")
                self._transport.write(b"".join(out))
                self._transport.close()
                return
            else:
                if Sink.note and verb == b"RCPT" and Sink.note in line:
                    self._to = line[line.find(b"<") + 1 : line.find(b">")].decode("ascii")
                out.append(b"250 2.1.0 Ok\r\n")
        self._held = held
        if out:
            self._transport.write(b"".join(out))


async def main() -> None:
    """Serve until standard input closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()
    if Sink.note:
        print(json.dumps(Sink.noted), flush=True)
    print(Sink.taken, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--note"]:
        Sink.note = sys.argv[2].encode("ascii")
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())
