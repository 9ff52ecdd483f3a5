"""Who receives mail for a domain, as its MX records said, and which domains are to be asked about."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from rfs_mail.store.dialect import among, insert
from rfs_mail.store.tables import TABLES

_domain = TABLES["mail_domain"]
_person = TABLES["person"]
_delivery = TABLES["delivery"]


def domains_of(connection: Connection, people: Sequence[int]) -> dict[int, str]:
    """Person -> the domain of her address."""
    rows = connection.execute(select(_person.c.id, _person.c.address).where(among(connection, _person.c.id, people)))
    return {row.id: row.address.rpartition("@")[2] for row in rows}


def operators(connection: Connection, domains: Sequence[str], *, now: datetime) -> dict[str, str]:
    """
    Domain -> operator, of those that ever answered.

    What is not known, or not for sure any more, is wanted from now on; what was known last counts until then.
    """
    wanted = sorted(set(domains))
    if not wanted:
        return {}
    rows = {
        row.domain: row
        for row in connection.execute(select(_domain).where(among(connection, _domain.c.domain, wanted)))
    }
    new = [name for name in wanted if name not in rows]
    if new:
        values = [{"domain": name, "good_until": now, "wanted": True} for name in new]
        connection.execute(insert(connection, _domain).on_conflict_do_nothing(), values)
    old = [name for name, row in rows.items() if not row.wanted and row.good_until <= now]
    if old:
        connection.execute(update(_domain).where(among(connection, _domain.c.domain, old)).values(wanted=True))
    return {name: row.operator for name, row in rows.items() if row.operator is not None}


def wanted(connection: Connection, *, now: datetime, limit: int) -> list[str]:
    """Domains to ask about, whoever waits longest first."""
    rows = connection.execute(
        select(_domain.c.domain)
        .where(_domain.c.wanted, _domain.c.good_until <= now)
        .order_by(_domain.c.good_until, _domain.c.domain)
        .limit(limit)
    )
    return [row.domain for row in rows]


def answered(connection: Connection, found: Mapping[str, str], *, good_until: datetime) -> None:
    """Write who receives for these domains; nobody asks again before `good_until`."""
    if found:
        change = update(_domain).where(_domain.c.domain == bindparam("name")).values(
            operator=bindparam("receiver"), good_until=good_until, wanted=False
        )  # fmt: skip
        connection.execute(change, [{"name": name, "receiver": operator} for name, operator in sorted(found.items())])


def silent(connection: Connection, domains: Sequence[str], *, again: datetime) -> None:
    """No answer could be had about these: what was known stays, and they may be wanted anew from `again` on."""
    if domains:
        change = update(_domain).where(among(connection, _domain.c.domain, domains))
        connection.execute(change.values(good_until=again, wanted=False))


def note(connection: Connection, deliveries: Sequence[int], operator: str) -> None:
    """These deliveries go to this operator: what comes back later counts there."""
    connection.execute(update(_delivery).where(among(connection, _delivery.c.id, deliveries)).values(operator=operator))
