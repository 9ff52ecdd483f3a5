"""The outbox by itself: what is found, what each move writes, and whom a move wakes."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.reasons import Reason
from rfs_mail.store import outbox, retention
from rfs_mail.store.database import Store, machine_now
from rfs_mail.store.outbox import Mark, Move
from rfs_mail.store.tables import TABLES
from tests.recipients import add_campaign, add_delivery, add_person, state_of

HOUR = timedelta(hours=1)
DELIVERY, BATCH, ENROLLMENT = TABLES["delivery"], TABLES["batch"], TABLES["enrollment"]
CLAIMED, AT_THE_WIRE = (DeliveryState.CLAIMED,), (DeliveryState.SENDING, DeliveryState.UNCERTAIN)


def people(connection: Connection, count: int, now: datetime) -> list[int]:
    """Somebody for each delivery."""
    return [add_person(connection, f"p{number}@example.org", now=now) for number in range(count)]


def one(connection: Connection, now: datetime, state: str = "queued", **fields: Any) -> int:
    """A campaign with one delivery in this state, in the hands of batch 7."""
    add_campaign(connection, now=now)
    held = {"batch_id": 7, "epoch": 1} if state in ("claimed", "sending", "uncertain") else {}
    return add_delivery(connection, people(connection, 1, now)[0], now=now, state=state, **held, **fields)


def enrollment_of(connection: Connection, delivery_id: int) -> Any:
    """The enrollment a delivery belongs to."""
    row = outbox.get(connection, delivery_id)
    assert row is not None
    return connection.execute(ENROLLMENT.select().where(ENROLLMENT.c.id == row.enrollment_id)).one()


def move(connection: Connection, delivery_id: int, state: str, now: datetime, **more: Any) -> Move:
    """A move of a delivery of batch 7."""
    enrollment_id = enrollment_of(connection, delivery_id).id
    return Move(delivery_id, enrollment_id, DeliveryState(state), now, **{"batch_id": 7, "epoch": 1, **more})


def mark_of(delivery_id: int, **more: Any) -> Mark:
    """The mark of a delivery of batch 7."""
    values = {"batch_id": 7, "epoch": 1, "local_day": 1, "message_id": "<1@rfs.example.org>", "revision_id": 3,
              "relay": "main", "made": '{"lang":"en"}', **more}  # fmt: skip
    return Mark(delivery_id, **values)


# -- finding -----------------------------------------------------------------------------------------------------------


def test_what_is_due_is_found_campaign_by_campaign(store: Store, now: datetime) -> None:
    """Each to its share, the longest due first; who is busy and who is left out is not."""
    with store.begin() as connection:
        for name in ("welcome", "drip"):
            add_campaign(connection, name, now=now)
        found = people(connection, 6, now)
        early, late, soon = (
            add_delivery(connection, who, now=now, next_at=now + shift)
            for who, shift in zip(found, (-2 * HOUR, -HOUR, HOUR), strict=False)
        )
        other = add_delivery(connection, found[3], now=now, campaign_id="drip")
        urgent = add_delivery(connection, found[4], now=now, campaign_id="drip", deadline=True)
        add_delivery(connection, found[5], now=now, campaign_id="drip", state="sending")
        add_delivery(connection, found[5], now=now, campaign_id="drip", step_key="second")

        def due(shares: dict[str, int], *, deadline: bool = False, **more: Any) -> list[int]:
            return sorted(row.id for row in outbox.due(connection, shares, deadline=deadline, now=now, **more))

        assert due({"welcome": 9, "drip": 9}) == [early, late, other]
        assert due({"welcome": 1}) == [early]
        assert due({"welcome": 0}) == []
        assert due({"welcome": 9}, leave_out=[found[0]]) == [late]
        assert due({"drip": 9}, deadline=True) == [urgent]
        assert due({"welcome": 9}) == [early, late]
        assert sorted(outbox.campaigns_with_due(connection, now=now)) == ["drip", "welcome"]
        assert outbox.count_due(connection, now=now) == 5
        assert outbox.next_due(connection) == now - 2 * HOUR
        connection.execute(TABLES["campaign"].update().values(state="paused"))
        assert outbox.campaigns_with_due(connection, now=now) == []
        assert (outbox.count_due(connection, now=now), outbox.next_due(connection)) == (0, None)
        assert outbox.get(connection, soon) is not None


def test_one_person_cannot_be_claimed_twice(store: Store, now: datetime) -> None:
    """The index holds it, whoever forgets to ask."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        (who,) = people(connection, 1, now)
        ids = [add_delivery(connection, who, now=now, step_key=key) for key in ("one", "two")]

    def claim_both() -> None:
        with store.begin() as connection:
            outbox.claim(connection, ids, relay="main", operator="other", holder="me")

    with pytest.raises(IntegrityError):
        claim_both()


# -- claim, open, renew, let go ----------------------------------------------------------------------------------------


def test_a_batch_belongs_to_its_holder(store: Store, now: datetime) -> None:
    """Opened once, by whom it was given to; its lease is machine time."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        ids = [add_delivery(connection, who, now=now) for who in people(connection, 2, now)]
        batch_id = outbox.claim(connection, ids, relay="main", operator="other", holder="me")
        lease = connection.execute(BATCH.select()).one().lease_until - machine_now(connection)
        assert timedelta(seconds=55) < lease <= outbox.LEASE
        assert outbox.open_batch(connection, batch_id, 1, "you") is None
        assert outbox.open_batch(connection, batch_id, 2, "me") is None
        opened = outbox.open_batch(connection, batch_id, 1, "me")
        assert opened is not None
        assert [row.id for row in opened] == ids
        assert [row.p_mailbox for row in opened] == ["p0@example.org", "p1@example.org"]
        assert outbox.open_batch(connection, batch_id, 1, "me") is None
        assert (outbox.way_of(connection, batch_id), outbox.in_flight_of(connection, "me")) == (("main", "other"), 2)


def test_a_batch_of_nobody_is_taken_by_the_first(store: Store, now: datetime) -> None:
    """On many machines a batch is given to whoever comes."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        ids = [add_delivery(connection, who, now=now) for who in people(connection, 1, now)]
        batch_id = outbox.claim(connection, ids, relay="main", operator="other", holder=None)
        assert outbox.open_batch(connection, batch_id, 1, "you") is not None
        assert outbox.open_batch(connection, batch_id, 1, "me") is None


def test_leases_are_renewed_but_for_what_was_dropped(store: Store, now: datetime) -> None:
    """A batch that a holder lost track of must not live for ever."""
    long_ago = now - timedelta(days=900)
    with store.begin() as connection:
        made = [
            outbox.claim(connection, [], relay="main", operator="other", holder=holder)
            for holder in ("me", "me", "you")
        ]
        connection.execute(BATCH.update().values(lease_until=long_ago))
        assert outbox.renew(connection, "me", leave_out=[made[1]]) == 1
        lapsed = {row.id for row in connection.execute(BATCH.select()) if row.lease_until == long_ago}
        assert lapsed == {made[1], made[2]}


@pytest.mark.parametrize("how", ["close", "let go"])
def test_who_ends_in_order_leaves_nothing_in_his_hands(store: Store, now: datetime, how: str) -> None:
    """Claims go back blameless; what has no verdict is uncertain; others' batches stay as they are."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        claimed, sending, sent, other = (
            add_delivery(connection, who, now=now, state=state, batch_id=batch, epoch=1)
            for who, state, batch in zip(
                people(connection, 4, now), ("claimed", "sending", "sent", "claimed"), (1, 1, 1, 2), strict=True
            )
        )
        for holder in ("me", "you"):
            outbox.claim(connection, [], relay="main", operator="other", holder=holder)
        if how == "close":
            outbox.close_batch(connection, 1, 1, now=now)
        else:
            outbox.let_go(connection, "me", now=now)
        assert [state_of(connection, each) for each in (claimed, sending, sent, other)] == [
            ("queued", None), ("uncertain", "holder_died"), ("sent", None), ("claimed", None),
        ]  # fmt: skip
        assert [row.state for row in connection.execute(BATCH.select().order_by(BATCH.c.id))] == ["done", "live"]
        assert enrollment_of(connection, sending).waiting_on is None
        row = outbox.get(connection, claimed)
        assert row is not None
        assert (row.rescues, row.batch_id) == (0, None)


# -- mark and settle ---------------------------------------------------------------------------------------------------


def test_a_mark_writes_what_is_about_to_go(store: Store, now: datetime) -> None:
    """When, by which relay, under which id, and what it was made from; the first attempt stays the first."""
    with store.begin() as connection:
        who = one(connection, now, "claimed")
        outbox.mark(connection, [mark_of(who, message=b"bytes")], now=now)
        row = outbox.get(connection, who)
        assert row is not None
        assert (row.state, row.attempt, row.sending_at, row.first_attempt_at) == ("sending", 1, now, now)
        assert (row.message_id, row.revision_id, row.relay, row.made) == (
            "<1@rfs.example.org>", 3, "main", {"lang": "en"},
        )  # fmt: skip
        outbox.settle(connection, [move(connection, who, "queued", now, not_before=now + HOUR)], origin=AT_THE_WIRE)
        connection.execute(DELIVERY.update().values(state="claimed", batch_id=8))
        outbox.mark(connection, [mark_of(who, batch_id=8, message=b"others")], now=now + HOUR)
        row = outbox.get(connection, who)
        assert row is not None
        assert (row.attempt, row.sending_at, row.first_attempt_at) == (2, now + HOUR, now)
        assert [kept.message for kept in connection.execute(TABLES["kept_message"].select())] == [b"others"]


@pytest.mark.parametrize("wrong", [{"batch_id": 8}, {"epoch": 2}])
def test_a_stale_holder_moves_nothing(store: Store, now: datetime, wrong: dict[str, int]) -> None:
    """Neither marks nor verdicts nor refusals; the fence is batch and epoch."""
    with store.begin() as connection:
        who = one(connection, now, "claimed")
        outbox.mark(connection, [mark_of(who, **wrong)], now=now)
        assert outbox.settle(connection, [move(connection, who, "skipped", now, **wrong)], origin=CLAIMED) == set()
        assert state_of(connection, who) == ("claimed", None)
        outbox.mark(connection, [mark_of(who)], now=now)
        assert outbox.settle(connection, [move(connection, who, "sent", now, **wrong)], origin=AT_THE_WIRE) == set()
        assert state_of(connection, who) == ("sending", None)


def test_a_verdict_only_comes_from_the_wire(store: Store, now: datetime) -> None:
    """And a refusal of the gate only from a claim."""
    with store.begin() as connection:
        who = one(connection, now, "claimed")
        assert outbox.settle(connection, [move(connection, who, "sent", now)], origin=AT_THE_WIRE) == set()
        assert outbox.settle(connection, [], origin=AT_THE_WIRE) == set()
        outbox.mark(connection, [mark_of(who)], now=now)
        assert outbox.settle(connection, [move(connection, who, "skipped", now)], origin=CLAIMED) == set()
        assert outbox.settle(connection, [move(connection, who, "sent", now)], origin=AT_THE_WIRE) == {who}


def test_an_end_wakes_the_enrollment_that_waits_for_it(store: Store, now: datetime) -> None:
    """From then on the step above counts as done; an enrollment with a plan keeps its time."""
    with store.begin() as connection:
        who = one(connection, now, "sending")
        outbox.settle(connection, [move(connection, who, "sent", now + HOUR, code=250, reply="ok")], origin=AT_THE_WIRE)
        woken = enrollment_of(connection, who)
        assert (woken.waiting_on, woken.previous_at, woken.due_at) == (None, now + HOUR, now + HOUR)
        row = outbox.get(connection, who)
        assert row is not None
        assert (row.state, row.settled_at, row.code, row.reply) == ("sent", now + HOUR, 250, "ok")


def test_an_end_leaves_alone_who_waits_for_another(store: Store, now: datetime) -> None:
    """The truth about an uncertain mail may come when the next one is under way."""
    with store.begin() as connection:
        who = one(connection, now, "uncertain")
        connection.execute(ENROLLMENT.update().values(waiting_on=99, due_at=None, planned=True))
        outbox.settle(connection, [move(connection, who, "sent", now)], origin=AT_THE_WIRE)
        assert enrollment_of(connection, who).waiting_on == 99


def test_a_plan_is_kept_when_the_wait_for_a_mail_ends(store: Store, now: datetime) -> None:
    """The next step has its own date."""
    with store.begin() as connection:
        who = one(connection, now, "sending")
        connection.execute(ENROLLMENT.update().values(due_at=now + 9 * HOUR, planned=True))
        outbox.settle(connection, [move(connection, who, "sent", now)], origin=AT_THE_WIRE)
        assert enrollment_of(connection, who).due_at == now + 9 * HOUR


def test_going_back_keeps_the_plan_and_sets_the_hold(store: Store, now: datetime) -> None:
    """`due_at` is the plan; dispatch reads the later of both; without a new hold the old one stays."""
    with store.begin() as connection:
        who = one(connection, now, "claimed")
        hold = move(connection, who, "queued", now, reason=Reason.HELD_CAP, detail={"count": 1}, not_before=now + HOUR)
        outbox.settle(connection, [hold], origin=CLAIMED)
        row = outbox.get(connection, who)
        assert row is not None
        assert (row.due_at, row.not_before, row.next_at, row.batch_id) == (now, now + HOUR, now + HOUR, None)
        assert (row.reason, row.detail, row.settled_at) == ("held_cap", {"count": 1}, None)
        connection.execute(DELIVERY.update().values(state="claimed", batch_id=7))
        outbox.settle(connection, [move(connection, who, "queued", now, reason=Reason.HELD_FACTS)], origin=CLAIMED)
        row = outbox.get(connection, who)
        assert row is not None
        assert (row.next_at, row.reason, row.detail) == (now + HOUR, "held_facts", None)
        assert enrollment_of(connection, who).waiting_on == who


def test_a_blameless_return_counts_no_attempt(store: Store, now: datetime) -> None:
    """Nor does it begin the life of the mail; after a real attempt that stays begun."""
    with store.begin() as connection:
        who = one(connection, now, "claimed")
        outbox.mark(connection, [mark_of(who)], now=now)
        outbox.settle(connection, [move(connection, who, "queued", now, blameless=True)], origin=AT_THE_WIRE)
        row = outbox.get(connection, who)
        assert row is not None
        assert (row.attempt, row.first_attempt_at) == (0, None)
        for blameless in (False, True):
            connection.execute(DELIVERY.update().values(state="claimed", batch_id=7))
            outbox.mark(connection, [mark_of(who)], now=now + HOUR)
            outbox.settle(
                connection, [move(connection, who, "queued", now + HOUR, blameless=blameless)], origin=AT_THE_WIRE
            )
        row = outbox.get(connection, who)
        assert row is not None
        assert (row.attempt, row.first_attempt_at) == (1, now + HOUR)


# -- stopping, expiring, doubting --------------------------------------------------------------------------------------


def test_skipping_takes_what_is_open_and_nothing_else(store: Store, now: datetime) -> None:
    """Queued and claimed stop; what is at the wire or settled does not."""
    states = ("queued", "claimed", "sending", "sent", "uncertain")
    with store.begin() as connection:
        add_campaign(connection, now=now)
        ids = [
            add_delivery(connection, who, now=now, state=state, batch_id=1, epoch=1)
            for who, state in zip(people(connection, 5, now), states, strict=True)
        ]
        done = outbox.skip_open(
            connection, DELIVERY.c.id.in_(ids), reason=Reason.UNSUBSCRIBED, detail={"entity": "rfs"}, now=now
        )
        assert done == 2
        assert [state_of(connection, each)[0] for each in ids] == ["skipped", "skipped", "sending", "sent", "uncertain"]
        assert enrollment_of(connection, ids[0]).waiting_on is None
        assert enrollment_of(connection, ids[2]).waiting_on == ids[2]


def test_only_what_a_pause_kept_expires_here(store: Store, now: datetime) -> None:
    """With what it had to go by, so that its sentence is whole; of running campaigns the gate decides."""
    with store.begin() as connection:
        add_campaign(connection, "paused", now=now)
        add_campaign(connection, "running", now=now)
        connection.execute(
            TABLES["campaign"].update().where(TABLES["campaign"].c.id == "paused").values(state="paused")
        )
        over, good, other = (
            add_delivery(connection, who, now=now, campaign_id=campaign, not_after=now + end)
            for who, campaign, end in zip(
                people(connection, 3, now), ("paused", "paused", "running"), (HOUR, 9 * HOUR, HOUR), strict=True
            )
        )
        assert outbox.expire_paused(connection, now=now + 2 * HOUR) == 1
        row = outbox.get(connection, over)
        assert row is not None
        assert (row.state, row.reason, row.detail["not_after"]) == ("expired", "too_late", (now + HOUR).isoformat())
        assert [state_of(connection, each)[0] for each in (good, other)] == ["queued", "queued"]
        assert enrollment_of(connection, over).waiting_on is None


def test_uncertain_mail_is_found_for_who_wants_it_again(store: Store, now: datetime) -> None:
    """However many others wait for a person's word in front of it."""
    with store.begin() as connection:
        for name in ("hold", "resend", "default"):
            add_campaign(connection, name, now=now)
        found = people(connection, 7, now)
        wanted = []
        for number, (name, fields) in enumerate(
            [
                ("hold", {"deadline": True}), ("hold", {}), ("resend", {}), ("default", {"deadline": True}),
                ("default", {}), ("resend", {"resends": 1}), ("resend", {"not_after": now - HOUR}),
            ]
        ):  # fmt: skip
            made = add_delivery(connection, found[number], now=now, state="uncertain", campaign_id=name, **fields)
            wanted += [made] if number in (2, 3) else []
        again = outbox.uncertain(connection, always=["resend"], deadline_only=["default"], now=now, limit=2)
        assert sorted(again) == wanted
        assert outbox.resend_uncertain(connection, again, now=now + HOUR) == 2
        row = outbox.get(connection, wanted[0])
        assert row is not None
        assert (row.state, row.resends, row.next_at, row.settled_at) == ("queued", 1, now + HOUR, None)
        assert outbox.resend_uncertain(connection, again, now=now) == 0


def test_a_persons_word_or_a_proof_settles_the_doubt(store: Store, now: datetime) -> None:
    """Sent when it went to the wire; nothing but an uncertain one is touched."""
    with store.begin() as connection:
        who = one(connection, now, "uncertain", sending_at=now - HOUR)
        assert outbox.resolve_sent(connection, [who, 99], detail={"proof": "click"}) == 1
        row = outbox.get(connection, who)
        assert row is not None
        assert (row.state, row.settled_at, row.reason, row.detail) == ("sent", now - HOUR, None, {"proof": "click"})
        assert outbox.resolve_sent(connection, [who], detail={}) == 0


def test_what_failed_goes_again_while_it_has_time(store: Store, now: datetime) -> None:
    """A template was mended."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        good, late = (
            add_delivery(connection, who, now=now, state="failed", reason="poison", rescues=3, not_after=now + end)
            for who, end in zip(people(connection, 2, now), (2 * HOUR, HOUR / 2), strict=True)
        )
        assert outbox.resend_failed(connection, [good, late], now=now + HOUR) == 1
        row = outbox.get(connection, good)
        assert row is not None
        assert (row.state, row.next_at, row.rescues, row.reason) == ("queued", now + HOUR, 0, None)
        assert state_of(connection, late) == ("failed", "poison")


@pytest.mark.parametrize(
    ("state", "returned", "moves"),
    [
        ("sent", "bounced", True), ("uncertain", "bounced", True), ("bounced", "bounced", False),
        ("bounced", "complained", True), ("queued", "bounced", False), ("failed", "complained", False),
    ],
)  # fmt: skip
def test_what_comes_back_proves_that_it_went(
    sqlite_store: Store, now: datetime, state: str, returned: str, moves: bool
) -> None:
    """A bounce of something that never left is no bounce."""
    with sqlite_store.begin() as connection:
        who = one(connection, now, state)
        assert outbox.mark_returned(connection, who, state=returned, reply="550 " + "x" * 600, code=550) is moves
        row = outbox.get(connection, who)
        assert row is not None
        assert row.state == (returned if moves else state)
        assert len(row.reply or "") <= 500


def test_a_link_of_a_pruned_mail_still_leads_to_somebody(store: Store, now: datetime) -> None:
    """And one we never made leads nowhere."""
    with store.begin() as connection:
        who = one(connection, now, "sent")
        before = outbox.addressee(connection, who)
        assert retention.forget_deliveries(connection, before=now + HOUR, limit=10) == 1
        after = outbox.addressee(connection, who)
        assert before is not None
        assert after is not None
        assert (after.person_id, after.entity_id, after.topic, after.address_hash, after.enrollment_id) == (
            before.person_id, before.entity_id, before.topic, before.address_hash, None,
        )  # fmt: skip
        assert outbox.addressee(connection, 9_999) is None


def test_counted_mails_are_those_that_may_have_been_received(store: Store, now: datetime) -> None:
    """Sent, uncertain, bounced and on their way; not exempt, not failed, not long ago."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        maria, bo = people(connection, 2, now)
        for state, ago, fields in [
            ("sent", 3 * HOUR, {}), ("uncertain", 2 * HOUR, {}), ("sending", HOUR, {}), ("failed", HOUR, {}),
            ("sent", HOUR, {"cap": "exempt"}), ("sent", 900 * HOUR, {}), ("skipped", HOUR, {}),
        ]:  # fmt: skip
            add_delivery(
                connection, maria, now=now, state=state, sending_at=now - ago, occasion=f"{state}{ago}{fields}",
                **fields,
            )  # fmt: skip
        found = outbox.counted_sends(connection, [maria, bo], since=now - 100 * HOUR)
        assert found == {maria: (now - 3 * HOUR, now - 2 * HOUR, now - HOUR)}


def test_mail_that_is_handed_on_is_written_anew(store: Store, now: datetime) -> None:
    """What waits and what a sender has claimed is about the other window; what is at the wire stays as it is."""
    table = TABLES["delivery"]
    with store.begin() as connection:
        add_campaign(connection, "welcome", now=now)
        found = {}
        for state in ("queued", "claimed", "sending", "sent"):
            who = add_person(connection, f"{state}@example.org", now=now)
            one = add_delivery(connection, who, now=now, state=state, window_id="council", window_version=1, batch_id=7)
            mine = connection.execute(table.select().where(table.c.id == one)).one().enrollment_id
            outbox.hand_on(connection, mine, {"window_id": "schools", "window_version": 3})
            row = connection.execute(table.select().where(table.c.id == one)).one()
            found[state] = (row.state, row.window_id, row.window_version, row.batch_id)
    assert {
        "queued": ("queued", "schools", 3, None),
        "claimed": ("queued", "schools", 3, None),
        "sending": ("sending", "council", 1, 7),
        "sent": ("sent", "council", 1, 7),
    } == found
