"""What is known of relays, receiving operators and rates: pauses and token buckets. It survives a restart."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from rfs_mail.store.dialect import insert
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

relay_state = TABLES["relay_state"]


def paused(connection: Connection, *, now: datetime) -> set[str]:
    """Relays that are not to be used now."""
    return set(
        connection.execute(
            select(relay_state.c.relay).where(relay_state.c.operator == "", relay_state.c.paused_until > now)
        ).scalars()
    )


def pause(connection: Connection, relay: str, *, until: datetime, because: str) -> None:
    """Use this relay again only from `until` on."""
    statement = insert(connection, relay_state).values(
        relay=relay, operator="", paused_until=until, because=because, tokens=0.0, detail={}
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[relay_state.c.relay, relay_state.c.operator],
            set_={"paused_until": until, "because": because},
        )
    )


def states(connection: Connection) -> list[AnyRow]:
    """All that is known, for `status`."""
    return list(connection.execute(select(relay_state).order_by(relay_state.c.relay, relay_state.c.operator)))


def refill(connection: Connection, bucket: str, *, rate: float, burst: float, now: datetime) -> float:
    """
    Fill a token bucket up to civil time `now` and return what is in it.

    `rate` is tokens a second, `burst` the most it holds. A new bucket holds one minute's worth: a campaign that just
    began has no unused hour behind it. Neither has one that had nothing more to send for a minute: what it did not
    use then is lost, so that no hour sees more than the rate and a minute.
    """
    minute = min(burst, max(1.0, rate * 60))
    row = connection.execute(
        select(relay_state).where(relay_state.c.relay == bucket, relay_state.c.operator == "").with_for_update()
    ).one_or_none()
    if row is None:
        connection.execute(
            insert(connection, relay_state).values(relay=bucket, operator="", tokens=minute, tokens_at=now, detail={})
        )
        return minute
    passed = max(0.0, (now - row.tokens_at).total_seconds()) if row.tokens_at is not None else 0.0
    left_over = row.tokens >= 1 and passed >= 60
    tokens = minute if left_over else min(burst, float(row.tokens) + passed * rate)
    _write(connection, bucket, tokens, now)
    return tokens


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
