"""
A real name server on 127.0.0.1, over UDP, for as long as a `with` lasts.

    with NameServer({"TXT example.org": ["v=spf1 -all"]}) as server:
        Resolver(server.place)

A name that is not in the zone does not exist (NXDOMAIN), one that is there without that type has no such record. The
word `silent` for a name swallows its questions, `broken` answers SERVFAIL.
"""

import socket
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = Mapping[str, Sequence[str] | str]

KNOWN = {"NS example.com": ["ns.example.com."]}
"""What every name server that is connected to the world knows."""


class NameServer:
    """Answers from a zone: `TYPE name` -> values. `asked` holds every question, `TYPE name`."""

    def __init__(self, zone: Zone) -> None:
        self.zone = {**KNOWN, **zone}
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, name="name-server")

    @property
    def place(self) -> str:
        """Where it is, as `doctor --dns` takes it."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
            stopper.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, sender = self._socket.recvfrom(4096)
            if not wire:
                return
            answer = self._answer(dns.message.from_wire(wire))
            if answer is not None:
                self._socket.sendto(answer.to_wire(), sender)

    def _answer(self, query: dns.message.Message) -> dns.message.Message | None:
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        name = question.name.to_text(omit_final_dot=True).lower()
        self.asked.append(f"{kind} {name}")
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.AA | dns.flags.RA
        found = self.zone.get(f"{kind} {name}", self.zone.get(f"* {name}"))
        if found == "silent":
            return None
        if found == "broken":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif found:
            values = [f'"{value}"' if kind == "TXT" and not value.startswith('"') else value for value in found]
            answer.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *values))
        elif not any(key.partition(" ")[2] == name for key in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer
