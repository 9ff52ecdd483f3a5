"""
Who receives mail for domains that the table does not know: asked in the DNS where the settings say `mx_lookup = true`.

    dispatch ── told_apart: looks into the store alone; a domain that nobody asked about is `other`, and wanted
    look_up  ── in the background: asks name servers about wanted domains, a bounded number at a time, and writes what
                they say

So mail never waits for a name server. The first mails to a school or a firm go as to anybody; those after them keep the
limits of whoever hosts it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rfs_mail.core.domain_records import UnknownAnswerError, mail_hosts
from rfs_mail.core.operators import OTHER, operator_of_hosts
from rfs_mail.core.operators import operator as table
from rfs_mail.network import Resolver
from rfs_mail.store import mail_domains
from rfs_mail.store.database import Store
from rfs_mail.store.outbox import Candidate

GOOD_FOR = timedelta(days=7)
"""An answer is believed so long. Who hosts a firm's mail changes once in years."""

AGAIN_AFTER = timedelta(hours=1)
"""Where no answer could be had."""

CHUNK = 200
"""Domains a pass."""

AT_ONCE = 20
"""Questions that are out at a time."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a pass came to."""

    answered: int = 0
    silent: int = 0


def told_apart(connection: Connection, chosen: Sequence[Candidate], *, now: datetime) -> list[Candidate]:
    """
    The same deliveries, those of `other` with the operator that the MX records of their domain named.

    A few statements whatever their number. Domains that are not known, or were asked about long ago, become wanted.
    """
    domains = mail_domains.domains_of(connection, [one.person_id for one in chosen if one.operator == OTHER])
    if not domains:
        return list(chosen)
    known = {domain: found for domain in domains.values() if (found := table(domain)) != OTHER}
    known |= mail_domains.operators(connection, [one for one in domains.values() if one not in known], now=now)
    ids: dict[str, list[int]] = {}
    told: list[Candidate] = []
    for one in chosen:
        operator = known.get(domains.get(one.person_id, ""), OTHER) if one.operator == OTHER else OTHER
        if operator != OTHER:
            ids.setdefault(operator, []).append(one.id)
            one = replace(one, operator=operator)
        told.append(one)
    for operator, deliveries in ids.items():
        mail_domains.note(connection, deliveries, operator)
    return told


async def look_up(store: Store, resolver: Resolver, *, now: datetime) -> LookedUp:
    """
    Ask about the wanted domains and write the answers, outside any transaction in between.

    At most `CHUNK` domains, `AT_ONCE` at a time, each bounded by the resolver. A domain without an answer keeps what
    was known of it (else the table holds) and is asked about again an hour later, if mail for it is due.
    """
    names = await store.look(mail_domains.wanted, now=now, limit=CHUNK)
    if not names:
        return LookedUp()
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(name: str) -> str | None:
        async with places:
            try:
                return operator_of_hosts((await resolver.walk(mail_hosts(name))).hosts)
            except (UnknownAnswerError, ValueError):  # no answer, or one that is no MX record
                return None

    said = dict(zip(names, await asyncio.gather(*(ask(name) for name in names)), strict=True))
    found = {name: operator for name, operator in said.items() if operator is not None}
    silent = [name for name, operator in said.items() if operator is None]
    await store.write(_record, found, silent, now)
    return LookedUp(len(found), len(silent))


def _record(connection: Connection, found: dict[str, str], silent: list[str], now: datetime) -> None:
    mail_domains.answered(connection, found, good_until=now + GOOD_FOR)
    mail_domains.silent(connection, silent, again=now + AGAIN_AFTER)
