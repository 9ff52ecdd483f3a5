"""
What is known of relays, receiving operators and rates. It survives a restart, and all processes share it.

`relay` has a row for each relay that ever had something to tell: its breaker, a rest that staff ordered, its figures of
the day. `relay_state` has the token buckets of campaigns and relays.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, case, func, literal, literal_column, select, update

from rfs_mail.core.breaker import Breaker, State
from rfs_mail.store.dialect import insert
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow, Instant

relay = TABLES["relay"]
relay_state = TABLES["relay_state"]
delivery = TABLES["delivery"]
batch = TABLES["batch"]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a relay stands. `kept_until` (aware): staff let it rest until then, `kept_because` says why."""

    breaker: Breaker = field(default_factory=Breaker)
    kept_until: datetime | None = None
    kept_because: str = ""
    kept_by: str = ""

    def is_kept(self, now: datetime) -> bool:
        """Whether staff let it rest at this civil time."""
        return self.kept_until is not None and now < self.kept_until

    def rests_at(self, now: datetime) -> bool:
        """Whether nothing at all may go by it at this civil time, not even a trial."""
        return self.is_kept(now) or self.breaker.rests_at(now)


def standings(connection: Connection) -> dict[str, Standing]:
    """How the relays stand, by name. A relay that is not there works and always did."""
    return {row.name: _standing(row) for row in connection.execute(select(relay))}


def standing(connection: Connection, name: str) -> Standing:
    """How one relay stands."""
    row = connection.execute(select(relay).where(relay.c.name == name)).one_or_none()
    return _standing(row) if row is not None else Standing()


def hold(connection: Connection, name: str) -> Standing:
    """How one relay stands, locked until the end of the transaction, so that it can be changed by what it is."""
    _have(connection, name)
    return _standing(connection.execute(select(relay).where(relay.c.name == name).with_for_update()).one())


def save(connection: Connection, name: str, breaker: Breaker, *, now: datetime) -> None:
    """Write how the breaker stands now. Strain is not kept: each process counts its own, and forgets it at its end."""
    _have(connection, name)
    at = literal(now, Instant())
    connection.execute(
        update(relay)
        .where(relay.c.name == name)
        .values(
            since=case((relay.c.state == breaker.state.value, func.coalesce(relay.c.since, at)), else_=at),
            state=breaker.state.value,
            rests=breaker.rests,
            until=breaker.until,
            because=breaker.because,
            silent=breaker.silent,
        )
    )


def keep(connection: Connection, name: str, *, until: datetime | None, because: str | None, by: str | None) -> None:
    """Let it rest on staff's word until then; None ends such a rest."""
    _have(connection, name)
    connection.execute(
        update(relay).where(relay.c.name == name).values(kept_until=until, kept_because=because, kept_by=by)
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What a process heard from a relay since it last told. `said_at` (aware) is when it heard the last of it."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    uncertain: int = 0
    said_at: datetime | None = None
    said_code: int | None = None
    said: str = ""


def count_up(connection: Connection, name: str, heard: Figures) -> None:
    """Add to the figures of the day (UTC) that `heard.said_at` is in; the first of a day begins at nothing."""
    if heard.said_at is None:
        return
    day = heard.said_at.astimezone(UTC).date().toordinal()
    _have(connection, name)
    connection.execute(
        update(relay)
        .where(relay.c.name == name)
        .values(
            {
                column: case((relay.c.day == day, relay.c[column]), else_=0) + getattr(heard, column)
                for column in ("sent", "deferred", "failed", "uncertain")
            }
            | {"day": day, "said_at": heard.said_at, "said_code": heard.said_code, "said": heard.said}
        )
    )


def rows(connection: Connection) -> dict[str, AnyRow]:
    """All that is known of each relay, by name, for `relays status`."""
    return {row.name: row for row in connection.execute(select(relay))}


def in_flight(connection: Connection) -> dict[str, int]:
    """How many deliveries are claimed or sending by each relay, over all holders. By an index alone."""
    # Literal and not bound: SQLite uses a partial index only where it sees that the condition implies the index's own.
    states: list[ColumnElement[str]] = [literal_column("'claimed'"), literal_column("'sending'")]
    held = (
        select(delivery.c.batch_id, func.count().label("number"))
        .where(delivery.c.state.in_(states))
        .group_by(delivery.c.batch_id)
        .subquery()
    )
    found = select(batch.c.relay, func.sum(held.c.number)).join(held, held.c.batch_id == batch.c.id)
    return {name: int(number) for name, number in connection.execute(found.group_by(batch.c.relay))}


def _have(connection: Connection, name: str) -> None:
    fresh = insert(connection, relay).values(
        name=name, state=State.CLOSED.value, rests=0, because="", silent=False, day=0, sent=0, deferred=0, failed=0,
        uncertain=0,
    )  # fmt: skip
    connection.execute(fresh.on_conflict_do_nothing(index_elements=[relay.c.name]))


def _standing(row: AnyRow) -> Standing:
    breaker = Breaker(State(row.state), 0, row.rests, row.until, row.because, row.silent)
    return Standing(breaker, row.kept_until, row.kept_because or "", row.kept_by or "")


# -- token buckets -----------------------------------------------------------------------------------------------------


def states(connection: Connection) -> list[AnyRow]:
    """All buckets and all that was learnt of receiving operators."""
    return list(connection.execute(select(relay_state).order_by(relay_state.c.relay, relay_state.c.operator)))


def refill(connection: Connection, bucket: str, *, rate: float, burst: float, now: datetime) -> float:
    """
    Fill a token bucket up to civil time `now` and return what is in it.

    `rate` is tokens a second, `burst` the most it holds. A new bucket holds one minute's worth: a campaign that just
    began has no unused hour behind it. Neither has one that had nothing more to send for a minute: what it did not
    use then is lost, so that no hour sees more than the rate and a minute.
    """
    row = connection.execute(
        select(relay_state).where(relay_state.c.relay == bucket, relay_state.c.operator == "").with_for_update()
    ).one_or_none()
    tokens = _filled(row, rate, burst, now)
    if row is None:
        connection.execute(
            insert(connection, relay_state).values(relay=bucket, operator="", tokens=tokens, tokens_at=now, detail={})
        )
    else:
        _write(connection, bucket, tokens, now)
    return tokens


def tokens(connection: Connection, bucket: str, *, rate: float, burst: float, now: datetime) -> float:
    """What `refill` would return at `now`, without filling anything."""
    row = connection.execute(
        select(relay_state).where(relay_state.c.relay == bucket, relay_state.c.operator == "")
    ).one_or_none()
    return _filled(row, rate, burst, now)


def _filled(row: AnyRow | None, rate: float, burst: float, now: datetime) -> float:
    minute = min(burst, max(1.0, rate * 60))
    if row is None:
        return minute
    passed = max(0.0, (now - row.tokens_at).total_seconds()) if row.tokens_at is not None else 0.0
    left_over = row.tokens >= 1 and passed >= 60
    return minute if left_over else min(burst, float(row.tokens) + passed * rate)


def spend(connection: Connection, bucket: str, count: int) -> None:
    """Take tokens out, in the transaction that claims what they are for."""
    connection.execute(
        update(relay_state)
        .where(relay_state.c.relay == bucket, relay_state.c.operator == "")
        .values(tokens=relay_state.c.tokens - count)
    )


def _write(connection: Connection, bucket: str, tokens: float, now: datetime) -> None:
    connection.execute(
        update(relay_state)
        .where(relay_state.c.relay == bucket, relay_state.c.operator == "")
        .values(tokens=tokens, tokens_at=now)
    )
