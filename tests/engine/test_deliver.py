"""Delivering: the last gate, what each answer of the far side does, and what a stop or a broken template does not."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rfs_mail.core.verdict import Phase, Uncertain, Verdict, connection_failed, from_reply
from rfs_mail.engine import compose as composing
from rfs_mail.store import outbox, people, relays, suppressions
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from rfs_mail.transport.base import Envelope
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.world import World, at, local

ONE = drip("{key: one, mail: a}")
DEADLINE = drip("{key: one, mail: a, priority: deadline, not_after: entry + 2d}")
LATER = drip("{key: one, mail: a}\n{key: two, at: entry + 1h, mail: b, not_after: entry + 6d}")
"""The cap of the day holds `two` until tomorrow."""


def held(make_world: MakeWorld, steps: str = LATER, **top: str) -> World:
    """Maria got one mail today; the other waits in the outbox for tomorrow."""
    world = make_world({"drip": steps}, **top)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    assert world.log == [("maria", "one", "sent", None), ("maria", "two", "queued", "held_cap")]
    return world


# -- the mail ----------------------------------------------------------------------------------------------------------


def test_a_mail_goes_out_whole(make_world: MakeWorld) -> None:
    """To her, from the entity, and the row knows what it was made from."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00", family_name="López")
    world.tick()
    (kept,) = world.transport.accepted
    row = world.delivery("one")
    assert kept.envelope.rcpt_to == "maria@example.org"
    assert kept.envelope.mail_from.endswith("@bounces.rfs.example.org")
    assert row.message_id.encode() in kept.message
    assert (row.attempt, row.relay, local(row.sending_at)) == (1, "memory", "11-23 10:00")
    assert row.made["size"] == len(kept.message)


def test_bytes_are_kept_where_the_settings_say_so(make_world: MakeWorld) -> None:
    """And forgotten when their time is over."""
    world = make_world({"drip": ONE})
    world.settings_are(keep_messages="30d")
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    assert len(world.rows("kept_message", "message")) == 1


# -- the gate ----------------------------------------------------------------------------------------------------------


def test_an_unsubscribe_between_claim_and_mark_keeps_the_mail(make_world: MakeWorld, store: Store) -> None:
    """The last question is asked when the mail is written and the connection is open."""
    world = make_world({"drip": drip("{key: one, mail: a}\n{key: two, at: +1d, mail: b}")}, store=store)
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.now = at("11-24 10:00")

    async def race() -> None:
        machine = world.machine()
        await machine.deliverer.start()
        await machine.advance(world.now)
        given = await machine.dispatch(world.now)
        assert given.deliveries == 1
        await asyncio.to_thread(world.unsubscribe, who)
        ((batch_id, epoch),) = [(row.id, row.epoch) for row in world.rows("batch", "id", "epoch", "state")
                                if row.state == "live"]  # fmt: skip
        await machine.deliverer.run_batch(batch_id, epoch)
        await machine.deliverer.stop()

    asyncio.run(race())
    assert world.log[1] == ("maria", "two", "skipped", "unsubscribed")
    assert len(world.transport.accepted) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stopped_because": "asked by phone", "stopped_at": at("11-23 12:00")}, "stopped"),
        ({"paused_until": at("12-20 10:00")}, "too_late"),
    ],
)
def test_the_person_is_asked_at_the_gate(make_world: MakeWorld, change: dict[str, object], reason: str) -> None:
    """Staff stopped her mail, or she paused it for longer than this one is good."""
    world = held(make_world)
    with world.store.begin() as connection:
        connection.execute(TABLES["person"].update().values(**change))
    world.tick("11-24 10:00")
    assert world.log[1] == ("maria", "two", "skipped", reason)


def test_a_pause_of_the_person_holds_until_it_is_over(make_world: MakeWorld) -> None:
    """Where the mail is still good by then."""
    world = held(make_world)
    with world.store.begin() as connection:
        connection.execute(TABLES["person"].update().values(paused_until=at("11-26 10:00")))
    world.tick("11-24 10:00")
    assert world.log[1] == ("maria", "two", "queued", "held_paused_person")
    world.tick("11-26 10:00")
    assert world.sent[1] == ("11-26 10:00", "maria", "two")


def test_a_topic_that_was_left_gets_nothing_more(make_world: MakeWorld) -> None:
    """Also by a fact that was written without skipping what is queued."""
    world = held(make_world)
    with world.store.begin() as connection:
        suppressions.leave_topic(connection, 1, "running", now=world.now)
    world.tick("11-24 10:00")
    assert world.log[1] == ("maria", "two", "skipped", "topic_left")


def test_consent_is_asked_at_the_gate(make_world: MakeWorld) -> None:
    """Withdrawn is withdrawn."""
    world = held(make_world)
    with world.store.begin() as connection:
        suppressions.withdraw(connection, 1, ("rfs",), now=world.now)
    world.tick("11-24 10:00")
    assert world.log[1] == ("maria", "two", "skipped", "no_consent")


def test_only_to_lets_nobody_else_through(make_world: MakeWorld) -> None:
    """With a reason on each row, so that nobody wonders."""
    world = make_world({"drip": ONE})
    world.settings_are(only_to=("@ourorg.example.org", "ana@example.org"))
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.signs_up("ana")
    world.signs_up("bo", domain="ourorg.example.org")
    world.tick()
    assert world.log == [
        ("maria", "one", "skipped", "not_only_to"), ("ana", "one", "sent", None), ("bo", "one", "sent", None),
    ]  # fmt: skip


def test_what_just_happened_is_looked_at_before_the_mail_goes(make_world: MakeWorld) -> None:
    """A fact that nobody has looked at yet holds the mail; its goal then ends the enrollment."""
    world = held(make_world, LATER + 'goal: stage == "filed"\n')
    world.now = at("11-24 10:00")
    world.stage(1, "filed")

    async def without_react() -> None:
        machine = world.machine()
        await machine.start()
        await machine.dispatch(world.now)
        await machine.handoff.idle()
        await machine.stop()

    asyncio.run(without_react())
    assert world.log[1] == ("maria", "two", "queued", "held_facts")
    world.tick()
    assert world.log[1] == ("maria", "two", "skipped", "goal_reached")


def test_a_paused_campaign_keeps_its_queue_and_then_goes_on(make_world: MakeWorld) -> None:
    """Paused after it was queued; what is good on resume goes."""
    world = held(make_world)
    world.pause("drip", "11-23 20:00")
    world.ticks("11-24 10:00", "11-25 10:00")
    assert world.log[1] == ("maria", "two", "queued", "held_cap")
    world.resume("drip", "11-26 10:00")
    world.tick()
    assert world.sent[1] == ("11-26 10:00", "maria", "two")


def test_what_a_pause_kept_too_long_expires(make_world: MakeWorld) -> None:
    """Every queued row can expire, also where nothing dispatches it."""
    world = held(make_world)
    world.pause("drip", "11-23 20:00")
    world.tick("11-30 10:00")
    row = world.delivery("two")
    assert (row.state, row.reason, row.detail["held_by"]) == ("expired", "too_late", "held_paused_campaign")


def test_a_campaign_paused_after_the_claim_holds_at_the_gate(make_world: MakeWorld) -> None:
    """Who paused it and why stands on the row."""
    world = held(make_world)
    world.now = at("11-24 10:00")

    async def race() -> None:
        machine = world.machine()
        await machine.deliverer.start()
        await machine.dispatch(world.now)
        await asyncio.to_thread(world.pause, "drip")
        (batch,) = [row for row in world.rows("batch", "id", "epoch", "state") if row.state == "live"]
        await machine.deliverer.run_batch(batch.id, batch.epoch)
        await machine.deliverer.stop()

    asyncio.run(race())
    row = world.delivery("two")
    assert (row.state, row.reason, row.detail["by"]) == ("queued", "held_paused_campaign", "ana")


# -- what the far side says --------------------------------------------------------------------------------------------


def answered(make_world: MakeWorld, *verdicts: Verdict, steps: str = ONE, store: Store | None = None) -> World:
    """Maria's first mail is answered like this."""
    world = make_world({"drip": steps}, store=store)
    world.apply("11-23 10:00")
    world.transport.script("maria@example.org", *verdicts)
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    return world


def test_a_hard_refusal_suppresses_the_address(make_world: MakeWorld, store: Store) -> None:
    """No such mailbox: failed, suppressed everywhere, and nothing more is queued for her."""
    world = answered(
        make_world, from_reply(Phase.RCPT, 550, "5.1.1 no such user"), store=store,
        steps=drip("{key: one, mail: a}\n{key: two, at: +1d, mail: b}"),
    )  # fmt: skip
    world.tick("11-24 10:00")
    assert world.log == [("maria", "one", "failed", "rejected"), ("maria", "two", "skipped", "suppressed")]
    assert [(row.scope, row.reason) for row in world.rows("suppression", "scope", "reason")] == [("all", "hard_bounce")]


@pytest.mark.parametrize("reply", ["5.7.1 blocked for spam", "5.2.2 mailbox full", "5.6.0 content refused"])
def test_other_refusals_suppress_nobody(make_world: MakeWorld, reply: str) -> None:
    """Our reputation, her quota, this content: the mail failed, the person stays."""
    world = answered(make_world, from_reply(Phase.DOT, 554, reply))
    assert world.log == [("maria", "one", "failed", "rejected")]
    assert world.rows("suppression", "id") == []


def test_a_deferral_is_tried_again_by_the_policy(make_world: MakeWorld) -> None:
    """Five minutes doubling, a quarter more or less, in virtual time; each one counts as an attempt."""
    later = from_reply(Phase.RCPT, 451, "4.7.1 greylisted, try again")
    world = answered(make_world, later, later)
    row = world.delivery("one")
    assert (row.state, row.reason, row.attempt, row.code) == ("queued", "deferred", 1, 451)
    first = row.next_at - world.now
    assert timedelta(minutes=3, seconds=45) <= first <= timedelta(minutes=6, seconds=15)
    world.tick(row.next_at - timedelta(seconds=1))
    assert world.delivery("one").attempt == 1
    world.tick(row.next_at)
    second = world.delivery("one").next_at - world.now
    assert timedelta(minutes=7, seconds=30) <= second <= timedelta(minutes=12, seconds=30)
    world.tick(world.delivery("one").next_at)
    assert (world.delivery("one").state, world.delivery("one").attempt) == ("sent", 3)


def test_a_deferral_is_given_up_at_not_after(make_world: MakeWorld) -> None:
    """Late is worse than never, and nobody is to blame."""
    later = from_reply(Phase.RCPT, 452, "4.2.2 mailbox full")
    world = answered(make_world, *[later] * 40, steps=drip("{key: one, mail: a, not_after: entry + 5h}"))
    while world.delivery("one").state == "queued":
        world.tick(world.delivery("one").next_at)
    row = world.delivery("one")
    assert (row.state, row.reason) == ("expired", "too_late")
    assert world.now <= row.not_after
    assert world.rows("suppression", "id") == []


def test_a_deferral_is_given_up_after_two_days(make_world: MakeWorld) -> None:
    """The life of a mail since its first attempt."""
    later = from_reply(Phase.RCPT, 450, "4.7.0 later")
    world = answered(make_world, *[later] * 60, steps=drip("{key: one, mail: a, not_after: entry + 9d}"))
    while world.delivery("one").state == "queued":
        world.tick(world.delivery("one").next_at)
    row = world.delivery("one")
    assert (row.state, row.reason) == ("failed", "gave_up")
    assert timedelta(hours=40) < world.now - at("11-23 10:00") <= timedelta(hours=48)


def test_a_relay_that_refuses_us_rests_and_blames_nobody(make_world: MakeWorld, store: Store) -> None:
    """No attempt is counted, no person is failed, and the relay is left alone for a while."""
    refusal = from_reply(Phase.MAIL, 550, "5.7.1 we do not take mail from you")
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    for number in range(30):
        world.transport.script(f"p{number}@example.org", refusal)
        world.signs_up(f"p{number}", "11-23 10:00")
    world.tick()
    tried = len(world.transport.sent)
    assert 1 <= tried <= 8  # no more than were under way when the first was answered
    assert {(row.state, row.attempt) for row in world.deliveries()} == {("queued", 0)}
    with store.read() as connection:
        assert relays.standing(connection, "memory").rests_at(world.now)
    assert [(row.kind, row.ref) for row in world.rows("problem", "kind", "ref")] == [("relay", "memory")]
    world.tick(world.now + timedelta(seconds=40))
    assert len(world.transport.sent) == tried
    world.transport._scripts.clear()
    world.tick("11-23 10:02")
    assert Counter(row.state for row in world.deliveries()) == {"sent": 30}
    assert [row.cleared_at for row in world.rows("problem", "cleared_at")] != [None]


def test_a_connection_that_breaks_before_the_dot_counts_for_nothing(make_world: MakeWorld) -> None:
    """The mail is still ours: it goes again in a minute, and no attempt is counted."""
    world = answered(make_world, connection_failed(Phase.DATA, "reset by peer"))
    row = world.delivery("one")
    assert (row.state, row.reason, row.attempt, row.first_attempt_at) == ("queued", "relay", 0, None)
    world.tick("11-23 10:01")
    assert world.delivery("one").state == "sent"


def test_a_database_that_takes_no_notes_keeps_no_mail_back(make_world: MakeWorld, sqlite_store: Store) -> None:
    """That a relay rests is news for `status`; where it cannot be written, the mails at the wire still end in order."""
    world = make_world({"drip": ONE}, store=sqlite_store)
    world.apply("11-23 10:00")
    with sqlite_store.engine.begin() as connection:
        refuse = "BEFORE INSERT ON problem BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        connection.exec_driver_sql(f"CREATE TRIGGER full {refuse}")
    world.transport.script("maria@example.org", connection_failed(Phase.CONNECT, "no route"))
    world.signs_up("maria", "11-23 10:00")
    world.signs_up("ana", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 10:05")
    assert [("maria", "one", "sent", None), ("ana", "one", "sent", None)] == world.log


def test_silence_after_the_dot_is_uncertain_and_stays_it(make_world: MakeWorld) -> None:
    """Nobody can know; without being asked to, it is not sent again. The enrollment goes on."""
    world = answered(
        make_world, Uncertain("timed out"), steps=drip("{key: one, mail: a}\n{key: two, at: +1d, mail: b}")
    )
    world.ticks("11-23 12:00", "11-24 10:00")
    assert world.log == [("maria", "one", "uncertain", "silence"), ("maria", "two", "sent", None)]


def test_an_uncertain_deadline_mail_goes_once_more(make_world: MakeWorld, store: Store) -> None:
    """With the same Message-ID, so that the far side may know it; after that it waits for a person's word."""
    world = answered(make_world, Uncertain("timed out"), Uncertain("again"), steps=DEADLINE, store=store)
    world.ticks("11-23 12:00", "11-23 13:00", "11-23 14:00")
    assert len(world.transport.sent) == 2
    row = world.delivery("one")
    assert (row.state, row.resends, row.sending_at) == ("uncertain", 1, world.now - timedelta(hours=2))
    assert all(row.message_id.encode() in sent.message for sent in world.transport.sent)


def test_an_uncertain_deadline_mail_does_not_go_too_late(make_world: MakeWorld) -> None:
    """Never past its `not_after`."""
    world = make_world({"drip": DEADLINE})
    world.apply("11-23 10:00")
    world.transport.script("maria@example.org", Uncertain("timed out"))
    world.signs_up("maria", "11-23 10:00")

    async def without_the_last_rescue() -> None:
        machine = world.machine()
        await machine.start()
        await machine.react(world.now)
        await machine.advance(world.now)
        await machine.dispatch(world.now)
        await machine.handoff.idle()
        await machine.stop()

    asyncio.run(without_the_last_rescue())
    world.tick("11-26 10:00")
    assert world.delivery("one").state == "uncertain"
    assert len(world.transport.sent) == 1


def test_on_uncertain_is_the_campaigns_word(make_world: MakeWorld) -> None:
    """`resend` for any mail, `hold` even for a deadline."""
    resend = answered(make_world, Uncertain("?"), steps=ONE + "on_uncertain: resend\n")
    resend.tick("11-23 11:00")
    assert resend.delivery("one").state == "sent"


def test_on_uncertain_hold_keeps_a_deadline_mail(make_world: MakeWorld) -> None:
    """The director knows better."""
    world = answered(make_world, Uncertain("?"), steps=DEADLINE + "on_uncertain: hold\n")
    world.tick("11-23 11:00")
    assert world.delivery("one").state == "uncertain"
    assert len(world.transport.sent) == 1


# -- what must not break -----------------------------------------------------------------------------------------------


def test_a_template_that_fails_for_one_person_fails_for_her_alone(make_world: MakeWorld) -> None:
    """The batch goes on; the row says what was wrong."""
    world = make_world(
        {"drip": ONE}, mails={"drip/a.md": "---\nsubject: Hi\n---\n{{ 100 // ((birth_year or 0) - 1991) }}\n"}
    )
    world.apply("11-23 10:00")
    for name, year in (("ann", 1990), ("bo", 1991), ("cy", 1992)):
        world.signs_up(name, "11-23 10:00", birth_year=year)
    world.tick()
    assert world.log == [
        ("ann", "one", "sent", None), ("bo", "one", "failed", "render_failed"), ("cy", "one", "sent", None),
    ]  # fmt: skip
    assert "drip/a.md failed" in next(row.detail["error"] for row in world.deliveries() if row.detail)


def test_a_bug_brought_out_by_one_person_fails_her_mail_alone(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither her neighbours in the batch nor the process pay for it."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    for name in ("ann", "bo", "cy"):
        world.signs_up(name, "11-23 10:00")
    real = composing.build_context

    def fragile(person: dict[str, object], **rest: object) -> object:
        if person["given_name"] == "Bo":
            raise KeyError("nobody thought of Bo")
        return real(person, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(composing, "build_context", fragile)
    world.tick()
    assert world.log == [
        ("ann", "one", "sent", None), ("bo", "one", "failed", "render_failed"), ("cy", "one", "sent", None),
    ]  # fmt: skip


def test_a_stale_batch_does_nothing(make_world: MakeWorld, store: Store) -> None:
    """Given twice, or given again after a rescue: one run does the work, the other finds nothing to do."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")

    async def twice() -> None:
        machine = world.machine()
        await machine.deliverer.start()
        await machine.react(world.now)
        await machine.advance(world.now)
        await machine.dispatch(world.now)
        (batch,) = world.rows("batch", "id", "epoch")
        await asyncio.gather(*[machine.deliverer.run_batch(batch.id, epoch) for epoch in (1, 1, 2, 0)])
        await machine.deliverer.run_batch(batch.id, 1)
        await machine.deliverer.stop()

    asyncio.run(twice())
    assert len(world.transport.sent) == 1
    assert world.log == [("maria", "one", "sent", None)]


def test_a_holder_that_slept_through_its_lease_sends_nothing(make_world: MakeWorld, store: Store) -> None:
    """Its rows went back and out with somebody else; the epoch and the batch keep the sleeper from them."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")

    async def sleeper() -> None:
        first, second = world.machine(), world.machine()
        await first.deliverer.start()
        await second.start()
        await first.react(world.now)
        await first.advance(world.now)
        await first.dispatch(world.now)
        (batch,) = world.rows("batch", "id", "epoch")
        await first.rescue(world.now, everything=True)
        await second.dispatch(world.now)
        await second.handoff.idle()
        await first.deliverer.run_batch(batch.id, batch.epoch)
        await second.stop()
        await first.deliverer.stop()

    asyncio.run(sleeper())
    assert len(world.transport.sent) == 1


def test_a_late_verdict_tells_the_truth_about_an_uncertain_mail(make_world: MakeWorld, store: Store) -> None:
    """The holder was called dead while the far side took its time; its answer still counts."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    states: list[str] = []

    def slowly(envelope: Envelope, message: bytes) -> Verdict:
        with store.begin() as connection:
            outbox.rescue(connection, now=world.now, everything=True)
        states.append(world.delivery("one").state)
        return from_reply(Phase.DOT, 250, "2.0.0 taken")

    world.transport.script("maria@example.org", slowly)
    world.tick()
    assert states == ["uncertain"]
    assert world.log == [("maria", "one", "sent", None)]


def test_a_late_truth_does_not_wake_what_waits_for_another_mail(make_world: MakeWorld) -> None:
    """The next mail is under way when the answer about the last one comes."""
    steps = drip("{key: one, mail: a}\n{key: two, at: entry + 1h, mail: b}\n{key: three, at: entry + 2h, mail: c}")
    world = answered(make_world, Uncertain("?"), steps=steps)
    world.tick("11-23 11:00")
    assert world.log[1:] == [("maria", "two", "queued", "held_cap")]
    with world.store.begin() as connection:
        row = world.delivery("one")
        move = outbox.Move(row.id, row.enrollment_id, outbox.DeliveryState.SENT, world.now, batch_id=row.batch_id,
                           epoch=row.epoch)  # fmt: skip
        assert outbox.settle(connection, [move], origin=(outbox.DeliveryState.UNCERTAIN,)) == {row.id}
    world.tick("11-23 13:00")
    assert [row[1] for row in world.log] == ["one", "two"]


def test_a_graceful_stop_leaves_nothing_claimed(make_world: MakeWorld, tmp_path: Path) -> None:
    """What is at the wire ends; what is only claimed goes back, also batches that nobody had begun."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    world.crowd(250, "11-23 10:00")

    async def stop_early() -> None:
        machine = world.machine()
        await machine.react(world.now)
        await machine.advance(world.now)
        await machine.start()
        await machine.dispatch(world.now)
        while not machine.tally.sent:
            await asyncio.sleep(0)
        await machine.stop()

    asyncio.run(stop_early())
    states = Counter(row.state for row in world.deliveries())
    assert set(states) == {"sent", "queued"}
    assert states["sent"] == len(world.transport.sent)
    assert {row.state for row in world.rows("batch", "state")} == {"done"}
    world.tick()
    assert Counter(row.state for row in world.deliveries()) == {"sent": 250}


def test_a_stop_that_loses_patience_leaves_the_mail_uncertain(make_world: MakeWorld) -> None:
    """What was at the wire when the grace ran out is neither stuck in `sending` nor sent again."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")

    async def impatient() -> None:
        machine = world.machine()
        at_the_wire = asyncio.Event()

        async def never(envelope: Envelope, message: bytes) -> Verdict:
            at_the_wire.set()
            await asyncio.Event().wait()
            raise AssertionError

        way = machine.deliverer.ways["memory"]
        way.transport.send = never  # type: ignore[method-assign]
        await machine.react(world.now)
        await machine.advance(world.now)
        await machine.start()
        await machine.dispatch(world.now)
        await at_the_wire.wait()
        await machine.stop(grace=0.01)
        del way.transport.send

    asyncio.run(impatient())
    assert world.log == [("maria", "one", "uncertain", "holder_died")]
    assert isinstance(world.now, datetime)


def test_rendering_takes_the_person_as_she_is_now(make_world: MakeWorld) -> None:
    """The outbox holds decisions, not texts."""
    world = held(make_world)
    world.mails["drip/b.md"] = "---\nsubject: 'Hi {{ given_name or \"there\" }}'\n---\nA line.\n"
    world.apply("11-23 12:00")
    with world.store.begin() as connection:
        people.set_fields(connection, 1, {"given_name": "Mary"}, now=world.now, source="staff")
    world.tick("11-24 10:00")
    assert b"Subject: Hi Mary\r\n" in world.transport.sent[1].message


@pytest.mark.parametrize("campaign", ["drip", "running", "rfsmail"])
@pytest.mark.parametrize("step", ["running", "drip", "rfsmail"])
def test_names_may_be_the_same_and_the_mail_goes(make_world: MakeWorld, campaign: str, step: str) -> None:
    """A step called like its campaign, its topic or us: receivers count four different words, and the mail leaves."""
    world = make_world({campaign: drip(f"{{key: {step}, mail: a}}")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    (mail,) = world.transport.sent
    line = next(line for line in mail.message.split(b"\r\n") if line.startswith(b"Feedback-ID: "))
    words = line.decode().removeprefix("Feedback-ID: ").split(":")
    assert (4, 4, "rfsmail") == (len(words), len(set(words)), words[-1])
    assert [step, campaign, "running"] == [word.partition(".")[0] for word in words[:3]]
