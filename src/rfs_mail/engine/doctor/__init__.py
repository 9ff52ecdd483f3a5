"""
Is this installation fit to send? Settings, files, database, relays, the domains in the DNS, the one-click page.

    here.py     settings, files, secrets, database, disk, the last pass
    relays.py   each relay: reachable, EHLO, TLS, login, the name of its address
    domains.py  each domain that sends: SPF, DKIM, DMARC, alignment, MX
    pages.py    base_url and the button of RFC 8058

Everything is looked at at once and nothing is changed. Each check is one line, and each waits a limited time: where a
network swallows packets, the whole takes less than half a minute.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rfs_mail.core.campaign import ReleaseContent
from rfs_mail.core.checkup import Check, Outcome, skipped
from rfs_mail.core.dkim import Signers
from rfs_mail.core.tokens import Keys
from rfs_mail.engine.doctor import domains, here, pages, relays
from rfs_mail.network import Resolver, outgoing_address
from rfs_mail.settings import Relay, Settings
from rfs_mail.store.database import Store

DATABASE_SECONDS = 6.0
NETWORK_SECONDS = 16.0
DOMAIN_SECONDS = 12.0
"""Begins when the database has said which domains there are."""


@dataclass(frozen=True, slots=True)
class Installation:
    """
    What is looked at. `relays` are (name, settings); `keys` None where there is no secret.

    `signing` says why the keys of `signers` could not be read, "" where they could. `trust` replaces the certificates
    that https is checked against, `outgoing` says what address this machine sends from.
    """

    settings: Settings
    store: Store
    relays: tuple[tuple[str, Relay], ...]
    keys: Keys | None
    now: datetime
    signers: Signers = field(default_factory=Signers)
    signing: str = ""
    trust: ssl.SSLContext | None = None
    outgoing: Callable[[], str | None] = outgoing_address


@dataclass(frozen=True, slots=True)
class Report:
    """All checks, in the order in which they are read."""

    checks: tuple[Check, ...]

    @property
    def is_fit(self) -> bool:
        """Nothing failed."""
        return not any(check.outcome is Outcome.FAIL for check in self.checks)

    def count(self, outcome: Outcome) -> int:
        """How many ended so."""
        return sum(check.outcome is outcome for check in self.checks)


async def examine(what: Installation, name_server: str | None = None) -> Report:
    """
    Look at everything at once. Changes nothing, and raises nothing that a check can say.

    `name_server` is asked in place of the machine's, as `Resolver` takes it; raises UsageError where it is none.
    """
    resolver = Resolver(name_server)
    dns = asyncio.create_task(domains.reach(resolver))
    looked = asyncio.create_task(here.database(what.store, what.settings, what.now, seconds=DATABASE_SECONDS))
    sends = any(relays.leaves_folder(relay) for _, relay in what.relays)
    going = [
        asyncio.create_task(here.files(what.settings, what.signers, what.signing)),
        asyncio.create_task(_database_checks(looked)),
        *(
            asyncio.create_task(
                _bounded(
                    f"relay {name}", NETWORK_SECONDS, relays.check(name, relay, resolver, dns, what.now, what.outgoing)
                )
            )
            for name, relay in what.relays
        ),
        asyncio.create_task(_domain_checks(looked, resolver, dns, what.signers, sends=sends)),
        asyncio.create_task(
            _bounded("base_url", NETWORK_SECONDS, pages.check(what.settings, what.keys, sends=sends, trust=what.trust))
        ),
    ]
    found = await asyncio.gather(*going)
    dns.cancel()  # where no check needed it, nobody waits for it
    return Report(tuple(check for each in found for check in each))


async def _database_checks(looked: "asyncio.Task[tuple[list[Check], ReleaseContent | None]]") -> Sequence[Check]:
    return (await looked)[0]


async def _domain_checks(
    looked: "asyncio.Task[tuple[list[Check], ReleaseContent | None]]", resolver: Resolver,
    dns: "asyncio.Task[str]", signers: Signers, *, sends: bool,
) -> Sequence[Check]:  # fmt: skip
    checks, content = await looked
    if content is None and any(check.outcome is Outcome.FAIL for check in checks):
        return [skipped("domains", "the database does not say which entities speak")]
    return await _bounded("domains", DOMAIN_SECONDS, domains.check(content, resolver, dns, signers, sends=sends))


async def _bounded(name: str, seconds: float, checks: Awaitable[Sequence[Check]]) -> Sequence[Check]:
    """The checks, or one line that they took too long."""
    try:
        async with asyncio.timeout(seconds):
            return await checks
    except TimeoutError:
        return [
            skipped(name, f"no end after {seconds:.0f} seconds", "Try again; see whether a firewall is in between.")
        ]
