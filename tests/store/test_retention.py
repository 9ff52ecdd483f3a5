"""Deleting by chunks: only what is settled and old, and nothing that something hangs on."""

from datetime import datetime, timedelta

from rfs_mail.store import retention
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.recipients import add_campaign, add_delivery, add_person

DAY = timedelta(days=1)


def test_only_settled_and_old_deliveries_go(store: Store, now: datetime) -> None:
    """The oldest first, so many at a time; an erased person leaves a stub without her."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        ids = []
        for number, (state, age) in enumerate(
            [("sent", 9), ("skipped", 8), ("queued", 9), ("sending", 9), ("sent", 1)]
        ):
            who = add_person(connection, f"p{number}@example.org", now=now)
            at = now - age * DAY
            ids.append(add_delivery(connection, who, now=at, state=state, settled_at=None if state == "queued" else at))
        connection.execute(TABLES["person"].delete().where(TABLES["person"].c.address == "p1@example.org"))
        assert retention.forget_deliveries(connection, before=now - 2 * DAY, limit=1) == 1
        stubs = TABLES["delivery_stub"]
        assert [row.delivery_id for row in connection.execute(stubs.select())] == [ids[0]]
        assert retention.forget_deliveries(connection, before=now - 2 * DAY, limit=9) == 1
        assert retention.forget_deliveries(connection, before=now - 2 * DAY, limit=9) == 0
        left = {row.id for row in connection.execute(TABLES["delivery"].select())}
        assert left == set(ids[2:])
        erased = connection.execute(stubs.select().where(stubs.c.delivery_id == ids[1])).one()
        assert (erased.entity_id, erased.address_hash) == ("rfs", None)


def test_an_id_of_a_stub_is_never_given_again(store: Store, now: datetime) -> None:
    """Its links would lead to somebody else."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        who = add_person(connection, now=now)
        old = add_delivery(connection, who, now=now, state="sent")
        retention.forget_deliveries(connection, before=now + DAY, limit=9)
        assert add_delivery(connection, who, now=now, step_key="next") > old


def test_kept_bytes_go_with_their_delivery_or_their_time(store: Store, now: datetime) -> None:
    """Whichever comes first."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        for number, age in enumerate((9, 5, 1)):
            who = add_person(connection, f"p{number}@example.org", now=now)
            at = now - age * DAY
            made = add_delivery(connection, who, now=at, state="sent")
            connection.execute(TABLES["kept_message"].insert().values(delivery_id=made, message=b"bytes", at=at))
        retention.forget_deliveries(connection, before=now - 7 * DAY, limit=9)
        kept = TABLES["kept_message"]
        assert len(connection.execute(kept.select()).all()) == 2
        assert retention.forget_messages(connection, before=now - 3 * DAY, limit=9) == 1
        assert retention.forget_messages(connection, before=now - 3 * DAY, limit=9) == 0


def test_batches_that_hold_something_stay(store: Store, now: datetime) -> None:
    """A dead one whose rows nobody has looked at yet, too."""
    batch = TABLES["batch"]
    with store.begin() as connection:
        add_campaign(connection, now=now)
        for number, state in enumerate(("live", "open", "done", "dead", "dead"), 1):
            connection.execute(
                batch.insert().values(
                    id=number, epoch=1, state=state, relay="main", operator="other", size=1, lease_until=now
                )
            )
        who = add_person(connection, now=now)
        add_delivery(connection, who, now=now, state="claimed", batch_id=5, epoch=1)
        assert retention.forget_batches(connection) == 2
        assert [row.id for row in connection.execute(batch.select().order_by(batch.c.id))] == [1, 2, 5]
