"""The one file that speaks DNS: questions of `core.domain_records`, answered by name servers."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TypeVar

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import dns.reversename
from dns.rdata import Rdata

from rfs_mail.core.domain_records import Answer, Question, RecordType, Walk
from rfs_mail.errors import UsageError

T = TypeVar("T")

LIFETIME = 5.0
"""Seconds for one question, all name servers and repetitions together."""

_TRY = 1.5
"""Seconds for one name server."""


class Resolver:
    """
    Asks name servers, each question once: who asks while the same question is out waits for its answer.

    `server` is one name server, as `192.0.2.1` or `192.0.2.1:5353` (`[2001:db8::1]:53`); without it those of the
    machine are asked. Belongs to one event loop. Raises UsageError for a server that is no address.
    """

    def __init__(self, server: str | None = None) -> None:
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._trouble = ""
        self._asked: dict[Question, asyncio.Future[Answer]] = {}
        if server is not None:
            host, port = _place(server)
            self._resolver = dns.asyncresolver.Resolver(configure=False)
            self._resolver.nameservers = [host]
            self._resolver.port = port
        else:
            try:
                self._resolver = dns.asyncresolver.Resolver()
            except dns.resolver.NoResolverConfiguration:
                self._trouble = "this machine has no name server set"
        if self._resolver is not None:
            self._resolver.timeout, self._resolver.lifetime = _TRY, LIFETIME
            self._resolver.search = []

    async def ask(self, question: Question) -> Answer:
        """The answer; a name that does not exist has no values, a name server that is away makes it unknown."""
        going = self._asked.get(question)
        if going is None:
            going = self._asked[question] = asyncio.ensure_future(self._look_up(question))
        return await asyncio.shield(going)

    async def walk(self, walk: Walk[T]) -> T:
        """Carry a walk to its end. Raises UnknownAnswerError where an answer could not be had."""
        try:
            question = next(walk)
            while True:
                question = walk.send(await self.ask(question))
        except StopIteration as end:
            found: T = end.value
            return found

    async def _look_up(self, question: Question) -> Answer:
        if question.type is not RecordType.ADDRESS:
            return await self._one(question.name, question.type)
        four, six = await asyncio.gather(self._one(question.name, "A"), self._one(question.name, "AAAA"))
        values = four.values + six.values
        if values or (four.known and six.known):
            return Answer(values)
        return four if not four.known else six

    async def _one(self, name: str, kind: str) -> Answer:
        if self._resolver is None:
            return Answer(known=False, why=self._trouble)
        try:
            # RFC 1035: a name with a dot at its end is whole, and no search list is tried.
            whole = dns.reversename.from_address(name) if kind == RecordType.PTR else dns.name.from_text(f"{name}.")
            found = await self._resolver.resolve(whole, kind, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return Answer()
        except dns.exception.Timeout:
            return Answer(known=False, why="no name server answered in time")
        except (dns.exception.DNSException, OSError, EOFError) as error:
            said = " ".join(str(error).split())[:160]
            return Answer(known=False, why=said or type(error).__name__)
        return Answer(tuple(_text(each) for each in found.rrset or ()))


def _text(record: Rdata) -> str:
    strings: Sequence[bytes] | None = getattr(record, "strings", None)
    if strings is not None:  # RFC 7208 section 3.3: joined without a blank
        return b"".join(strings).decode("utf-8", "replace")
    return record.to_text()


def _place(server: str) -> tuple[str, int]:
    host, port = server, "53"
    if server.startswith("["):
        host, closed, rest = server[1:].partition("]")
        port = rest.removeprefix(":") or "53" if closed else ""
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    try:
        return str(ip_address(host)), int(port)
    except ValueError:
        raise UsageError(f"{server!r} is no name server. Write its address: 9.9.9.9, or 127.0.0.1:5353.") from None
