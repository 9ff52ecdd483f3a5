"""What is kept of operators, ramps and campaigns that go wrong; and later turns in the outbox."""

from datetime import date, datetime, timedelta

from rfs_mail.core.campaign_breaker import BLOCK, Count
from rfs_mail.core.pacing import Flow, Learnt
from rfs_mail.core.reasons import Reason
from rfs_mail.core.warmup import Ramp
from rfs_mail.store import events, outbox, pacing
from rfs_mail.store.database import Store
from rfs_mail.store.pacing import Outcome, Pace
from rfs_mail.store.tables import TABLES
from tests.recipients import add_campaign, add_delivery, add_person

DELIVERY, ENROLLMENT = TABLES["delivery"], TABLES["enrollment"]
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
GOOGLE, YAHOO = ("main", "google"), ("main", "yahoo")
MONDAY = date(2026, 11, 23)


# -- operators ---------------------------------------------------------------------------------------------------------


def test_a_pace_comes_back_as_it_was(store: Store, now: datetime) -> None:
    """Written again it is replaced; another operator's is left alone."""
    first = Pace(1.5, now, now + SECOND, Flow(now, 3, 4))
    second = Pace(0.25, now + SECOND, None, Flow(now, 9, 0))
    with store.begin() as connection:
        pacing.write_paces(connection, {GOOGLE: first, YAHOO: second})
        assert pacing.paces(connection) == {GOOGLE: first, YAHOO: second}
        pacing.write_paces(connection, {GOOGLE: second})
        pacing.write_paces(connection, {})
    with store.read() as connection:
        assert pacing.paces(connection) == {GOOGLE: second, YAHOO: second}


def test_what_was_learnt_and_what_is_left_do_not_meet(store: Store, now: datetime) -> None:
    """Dispatch writes the bucket, whoever heard a complaint the speed: neither undoes the other."""
    learnt = Learnt(2.5, 5, now + SECOND, 2, "451 slow down")
    with store.begin() as connection:
        assert pacing.pace(connection, GOOGLE) == Pace()
        pacing.write_learnt(connection, GOOGLE, learnt)
        pacing.write_paces(connection, {GOOGLE: Pace(7, now)})
        assert pacing.pace(connection, GOOGLE) == Pace(7, now, learnt=learnt)
        pacing.write_learnt(connection, GOOGLE, None)
        assert pacing.pace(connection, GOOGLE) == Pace(7, now)


# -- turns -------------------------------------------------------------------------------------------------------------


def queue(store: Store, now: datetime, count: int, **fields: object) -> list[int]:
    """Queued deliveries, each to somebody of her own."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        return [
            add_delivery(connection, add_person(connection, f"p{number}@example.org", now=now), now=now, **fields)
            for number in range(count)
        ]


def test_turns_are_given_in_order_in_one_statement(store: Store, now: datetime) -> None:
    """The first at its time, each next one a step later, none after the latest; the plan stays what it was."""
    ids = queue(store, now, 5)
    order = [ids[3], ids[0], ids[4], ids[1]]
    with store.begin() as connection:
        outbox.put_off(
            connection, order, first=now + SECOND, step=2 * SECOND, latest=now + 4 * SECOND,
            reason=Reason.HELD_OPERATOR, detail={"operator": "google"},
        )  # fmt: skip
        rows = {row.id: row for row in connection.execute(DELIVERY.select())}
    expected = [SECOND, 3 * SECOND, 4 * SECOND + 2 * TICK, 4 * SECOND + 3 * TICK]
    assert expected == [rows[one].next_at - now for one in order]
    assert expected == [rows[one].not_before - now for one in order]
    assert {(row.state, row.reason, row.due_at) for row in rows.values() if row.id in order} == {
        ("queued", "held_operator", now)
    }
    assert rows[order[0]].detail == {"operator": "google"}
    assert (rows[ids[2]].next_at, rows[ids[2]].reason) == (now, None)


def test_a_turn_is_never_later_than_the_end(store: Store, now: datetime) -> None:
    """It comes just after the mail's time is over, and expires it."""
    (one,) = queue(store, now, 1, not_after=now + SECOND)
    with store.begin() as connection:
        outbox.put_off(
            connection, [one], first=now + 9 * SECOND, step=SECOND, latest=now + 99 * SECOND,
            reason=Reason.HELD_WARM_UP, detail={},
        )  # fmt: skip
        row = outbox.get(connection, one)
        assert row is not None
        assert row.next_at == now + SECOND + TICK


def test_only_what_is_queued_is_put_off(store: Store, now: datetime) -> None:
    """What was skipped in the meantime, or is at the wire, stays as it is."""
    ids = queue(store, now, 3)
    with store.begin() as connection:
        outbox.claim(connection, ids[:1], relay="main", operator="google", holder="me")
        connection.execute(DELIVERY.update().where(DELIVERY.c.id == ids[1]).values(state="skipped"))
        outbox.put_off(
            connection, ids, first=now + SECOND, step=SECOND, latest=now + SECOND, reason=Reason.HELD_OPERATOR,
            detail={},
        )  # fmt: skip
        outbox.put_off(connection, [], first=now, step=SECOND, latest=now, reason=Reason.HELD_OPERATOR, detail={})
        found = {row.id: (row.state, row.next_at - now) for row in connection.execute(DELIVERY.select())}
    assert [("claimed", 0 * SECOND), ("skipped", 0 * SECOND), ("queued", SECOND + 2 * TICK)] == [
        found[one] for one in ids
    ]


def test_what_waited_too_long_expires_and_wakes_its_enrollment(store: Store, now: datetime) -> None:
    """With what it waited for; what is not queued any more stays."""
    ids = queue(store, now, 2, not_after=now - SECOND)
    with store.begin() as connection:
        connection.execute(DELIVERY.update().where(DELIVERY.c.id == ids[1]).values(state="skipped"))
        outbox.expire(connection, ids, held_by=Reason.HELD_WARM_UP, detail={"operator": "google"}, now=now)
        row = outbox.get(connection, ids[0])
        other = outbox.get(connection, ids[1])
        assert row is not None
        assert other is not None
        assert (row.state, row.reason, row.settled_at) == ("expired", "too_late", now)
        assert row.detail == {
            "operator": "google", "held_by": "held_warm_up", "not_after": (now - SECOND).isoformat(),
        }  # fmt: skip
        assert other.state == "skipped"
        woken = connection.execute(ENROLLMENT.select().where(ENROLLMENT.c.id == row.enrollment_id)).one()
        assert woken.waiting_on is None


def test_what_is_on_its_way_is_counted_by_way(store: Store, now: datetime) -> None:
    """Claimed and sending, over all batches."""
    ids = queue(store, now, 6)
    with store.begin() as connection:
        assert outbox.in_flight_by_way(connection) == {}
        for relay, operator, some in (("main", "google", ids[:2]), ("main", "google", ids[2:3]), ("b", "x", ids[3:5])):
            outbox.claim(connection, some, relay=relay, operator=operator, holder="me")
        connection.execute(DELIVERY.update().where(DELIVERY.c.id == ids[0]).values(state="sending"))
        connection.execute(DELIVERY.update().where(DELIVERY.c.id == ids[1]).values(state="sent"))
        assert outbox.in_flight_by_way(connection) == {("main", "google"): 2, ("b", "x"): 2}


# -- warm-up -----------------------------------------------------------------------------------------------------------


def test_a_ramp_comes_back_as_it_was(store: Store) -> None:
    """By domain and operator; a warm one has no cap."""
    ramp = Ramp(MONDAY, MONDAY + timedelta(days=2), MONDAY, 75, 3, 6, 5, 4, 3, 2, "grown")
    warm = Ramp(MONDAY, MONDAY, MONDAY, None)
    with store.begin() as connection:
        pacing.write_ramps(connection, {("a.example.org", "google"): ramp, ("b.example.org", "google"): ramp})
        pacing.write_ramps(connection, {("a.example.org", "google"): warm})
        pacing.write_ramps(connection, {})
        assert pacing.ramps(connection, ["a.example.org"]) == {("a.example.org", "google"): warm}
        assert pacing.all_ramps(connection) == {("a.example.org", "google"): warm, ("b.example.org", "google"): ramp}


def test_answers_count_towards_the_ramp_of_their_operator(store: Store) -> None:
    """What came back unsent makes room on its own day only; where there is no ramp nothing is counted."""
    ramp = Ramp(MONDAY, MONDAY, MONDAY, 50, used=40)
    key, other = ("a.example.org", "google"), ("a.example.org", "yahoo")
    with store.begin() as connection:
        pacing.write_ramps(connection, {key: ramp, other: ramp})
        pacing.add_outcome(connection, *key, Outcome(sent=3, hard=1, deferred=2, complained=1, back=4), day=MONDAY)
        pacing.add_outcome(connection, *key, Outcome(sent=1, back=9), day=MONDAY - timedelta(days=1))
        pacing.add_outcome(connection, "b.example.org", "google", Outcome(sent=1), day=MONDAY)
        expected = Ramp(MONDAY, MONDAY, MONDAY, 50, used=36, sent=4, hard=1, deferred=2, complained=1)
        assert pacing.all_ramps(connection) == {key: expected, other: ramp}


def test_who_was_active_last(store: Store, now: datetime) -> None:
    """What people did themselves, the latest of it; what happened to them does not count."""
    with store.begin() as connection:
        people = [add_person(connection, f"p{number}@example.org", now=now) for number in range(3)]
        for who, days, active in ((0, 5, True), (0, 2, True), (0, 1, False), (1, 3, False)):
            at = now - timedelta(days=days)
            events.add_event(connection, people[who], "clicked", at=at, now=now, active=active)
        assert pacing.last_active(connection, people) == {people[0]: now - timedelta(days=2)}


# -- campaigns that go wrong -------------------------------------------------------------------------------------------


def test_answers_add_up_and_blocks_roll(store: Store, now: datetime) -> None:
    """Each campaign by itself; what is returned is the count before a full block rolled on."""
    with store.begin() as connection:
        assert pacing.count_answers(connection, {}, now=now) == {}
        pacing.count_answers(connection, {"a": (100, 3), "b": (1, 1)}, now=now)
        found = pacing.count_answers(connection, {"a": (BLOCK - 100, 2)}, now=now + SECOND)
        assert found == {"a": Count(BLOCK, 5)}
        assert pacing.counts(connection) == {"a": Count(0, 0, BLOCK, 5), "b": Count(1, 1)}
        assert pacing.counted_since(connection, "a") == now
        assert pacing.counted_since(connection, "c") is None


def test_a_fresh_count_forgives_what_was(store: Store, now: datetime) -> None:
    """Both blocks; the others' counts stay."""
    with store.begin() as connection:
        pacing.count_answers(connection, {"a": (BLOCK, 3), "b": (1, 1)}, now=now)
        pacing.count_anew(connection, "a", now=now + SECOND)
        assert pacing.counts(connection) == {"a": Count(), "b": Count(1, 1)}
        assert pacing.counted_since(connection, "a") == now + SECOND
