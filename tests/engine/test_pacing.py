"""Operators that want less, domains that warm up, campaigns that go wrong: who waits, who goes, and what is said."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event

from rfs_mail.core.operators import Limits
from rfs_mail.core.telling import tell
from rfs_mail.core.verdict import Accepted, Phase, Verdict, from_reply
from rfs_mail.core.warmup import RampRules
from rfs_mail.engine import feedback, pacing
from rfs_mail.engine.dispatch import Dispatched, Pool, Route, dispatch
from rfs_mail.engine.live import zone_of
from rfs_mail.engine.pacing import Pacing
from rfs_mail.engine.status import status
from rfs_mail.errors import SettingsError
from rfs_mail.settings import Operator, WarmUp
from rfs_mail.store import events, outbox
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.engine.test_outbox_machine import Hands
from tests.recipients import add_delivery, add_person
from tests.world import World, at, local

ONE = drip("{key: one, mail: a, not_after: entry + 9d}")
URGENT = drip("{key: last, mail: a, priority: deadline, not_after: entry + 9d}")
MAIN = (Route("main"),)
OK = Accepted(250, "2.0.0", "ok")
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
SLOW_DOWN = from_reply(Phase.RCPT, 451, "4.7.0 messages temporarily deferred")
DOMAIN = "rfs.example.org"
"""From where the entity of the tests writes."""


def queue(world: World, count: int, campaign: str = "drip", *, name: str = "", **fields: object) -> list[int]:
    """Deliveries of a campaign, each to somebody of her own; returns their ids."""
    with world.store.begin() as connection:
        return [
            add_delivery(
                connection, add_person(connection, f"{name or campaign}{number}@example.org", now=world.now),
                now=world.now, campaign_id=campaign, **{"step_key": "one", **fields},
            )
            for number in range(count)
        ]  # fmt: skip


def give(world: World, rules: Pacing, *, now: datetime | None = None, size: int = 4_000) -> Dispatched:
    """One pass."""
    return dispatch(world.store, Hands(), Pool(MAIN, size, pacing=rules), now=now or world.now, holder="me")


def claimed(world: World) -> list[int]:
    """Ids of what is claimed."""
    return [row.id for row in world.deliveries() if row.state == "claimed"]


def arrive(world: World) -> None:
    """Everything that is claimed is sent."""
    table = TABLES["delivery"]
    with world.store.begin() as connection:
        connection.execute(table.update().where(table.c.state == "claimed").values(state="sent"))


def only(operator: str, **limits: float | int | None) -> Pacing:
    """Limits for one operator and none for the others."""
    return Pacing({operator: Limits(**limits), "other": Limits()})  # type: ignore[arg-type]


@pytest.fixture
def world(make_world: MakeWorld, store: Store) -> World:
    """Two campaigns that are live; nobody is in them."""
    world = make_world({"drip": ONE, "urgent": URGENT}, store=store)
    world.apply("11-23 10:00")
    return world


# -- giving out --------------------------------------------------------------------------------------------------------


def test_no_more_on_their_way_than_an_operator_takes(world: World) -> None:
    """The others go; who waits has a turn and a reason, and goes when there is room."""
    google = queue(world, 7, name="g", operator="google")
    other = queue(world, 3, name="o")
    rules = only("google", outstanding=2)
    given = give(world, rules)
    assert (given.deliveries, given.put_off, claimed(world)) == (5, 5, google[:2] + other)
    waiting = [row for row in world.deliveries() if row.state == "queued"]
    assert [row.next_at - world.now for row in waiting] == [n * timedelta(milliseconds=125) for n in range(1, 6)]
    assert {row.reason for row in waiting} == {"held_operator"}
    assert give(world, rules, now=world.now + SECOND).put_off == 5
    arrive(world)
    assert give(world, rules, now=world.now + 2 * SECOND).deliveries == 2
    assert claimed(world) == google[2:4]


def test_a_rate_holds_for_one_operator(world: World) -> None:
    """Two a second, asked four times a second for a minute: in order, and nobody else waits."""
    google = queue(world, 200, name="g", operator="google")
    queue(world, 50, name="o")
    rules = only("google", rate=2.0)
    order: list[int] = []
    for quarter in range(240):
        given = give(world, rules, now=world.now + quarter * timedelta(milliseconds=250))
        went = [row.id for row in world.deliveries() if row.state == "claimed" and row.operator == "google"]
        order += went
        assert quarter > 0 or given.deliveries == 52
        arrive(world)
    assert 119 <= len(order) <= 122
    assert order == google[: len(order)]


def test_deadline_mail_takes_the_tokens_first(world: World) -> None:
    """Whoever was due before."""
    queue(world, 5, name="g", operator="google", next_at=world.now - MINUTE)
    urgent = queue(world, 2, "urgent", operator="google", deadline=True, step_key="last")
    assert give(world, only("google", outstanding=2)).deliveries == 2
    assert claimed(world) == urgent


def test_a_pass_costs_the_same_number_of_statements(make_world: MakeWorld) -> None:
    """However many deliveries have to wait."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    statements: list[int] = []
    for count in (5, 10, 300):
        queue(world, count, name=f"g{count}x", operator="google")
        asked: list[str] = []

        def note(*arguments: object, asked: list[str] = asked) -> None:
            asked.append(str(arguments[2]))

        event.listen(world.store.engine, "before_cursor_execute", note)
        given = give(world, only("google", outstanding=1, rate=1.0))
        event.remove(world.store.engine, "before_cursor_execute", note)
        assert given.put_off >= count - 1
        statements.append(len(asked))
        arrive(world)
    assert statements[1] == statements[2]


def test_a_mail_that_waits_expires_like_every_other(world: World) -> None:
    """At its own time, with what it waited for, and without a place at the operator."""
    queue(world, 3, name="g", operator="google", not_after=world.now + SECOND)
    rules = only("google", outstanding=1)
    give(world, rules)
    later = world.now + 5 * MINUTE
    assert give(world, rules, now=later).put_off == 2
    rows = [row for row in world.deliveries() if row.state == "expired"]
    assert [(row.reason, row.detail["held_by"]) for row in rows] == [("too_late", "held_operator")] * 2


# -- hearing -----------------------------------------------------------------------------------------------------------


def crowd(world: World, **operators: int) -> None:
    """So many people at each operator sign up: google0, google1 .."""
    for operator, count in operators.items():
        for number in range(count):
            world.signs_up(f"{operator}{number}", operator=operator)


def answers(world: World, answer: Callable[[str], Verdict]) -> None:
    """What the far side says, by the name of the person."""
    world.transport._answer = lambda envelope, message: answer(envelope.rcpt_to.partition("@")[0])


def sent_to(world: World, operator: str) -> list[str]:
    """Names of those of one operator whose mail was taken, in the order it was."""
    names = [kept.envelope.rcpt_to.partition("@")[0] for kept in world.transport.accepted]
    return [name for name in names if name.startswith(operator)]


def test_a_throttled_operator_waits_and_the_others_do_not(make_world: MakeWorld, store: Store) -> None:
    """It rests, begins again at half the speed and in order; nothing is lost, and a restart forgets nothing."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    crowd(world, google=60, yahoo=30, other=30)
    answers(world, lambda name: SLOW_DOWN if name.startswith("google") else OK)
    world.tick("11-23 10:00")
    tried = len(world.transport.sent)
    assert len(sent_to(world, "yahoo")) == len(sent_to(world, "other")) == 30
    assert 1 <= tried - 60 <= 8  # no more than were under way when the first was answered
    google = [row for row in world.deliveries() if row.operator == "google"]
    assert Counter(row.reason for row in google) == {"deferred": tried - 60, "held_operator": 120 - tried}
    assert {row.attempt for row in google if row.reason == "held_operator"} == {0}
    world.tick("11-23 10:04")
    assert len(world.transport.sent) == tried

    world.settings_are()  # another process
    answers(world, lambda name: OK)
    moments = [world.now + MINUTE * n for n in range(1, 40)]
    for moment in moments:
        world.tick(moment)
        if moment < at("11-23 10:05"):
            assert sent_to(world, "google") == []
    assert Counter(row.state for row in world.deliveries()) == {"sent": 120}
    waited = [name for name in sent_to(world, "google") if int(name.removeprefix("google")) >= tried - 60]
    assert waited == sorted(waited, key=lambda name: int(name.removeprefix("google")))
    by_minute = Counter(local(row.settled_at) for row in google_rows(world))
    assert max(by_minute.values()) <= 60
    with store.read() as connection:
        (line,) = [one for one in pacing.operator_lines(connection, world.app.pacing, now=world.now)
                   if one.operator == "google"]  # fmt: skip
    assert line.strikes == 1
    assert "4.7.0 messages temporarily deferred" in line.because


def google_rows(world: World) -> list[AnyRow]:
    """Deliveries to people at Google."""
    return [row for row in world.deliveries() if row.operator == "google"]


def test_who_rests_is_told(make_world: MakeWorld) -> None:
    """In the reason of each mail, in `status`, and by operator."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    crowd(world, google=20)
    answers(world, lambda name: SLOW_DOWN)
    world.tick("11-23 10:00")
    (row, *_) = [row for row in google_rows(world) if row.reason == "held_operator"]
    said = tell(row.reason, row.detail, zone=zone_of("America/New_York"), now=world.now)
    assert "google takes no more mail from us at present: it rests after it said 451 4.7.0" in said.sentence
    assert "Mon 23 Nov 10:05" in said.remedy
    with world.store.read() as connection:
        (trouble,) = [one for one in status(connection, now=world.now).troubles if one.kind == "relay"]
        (line,) = pacing.operator_lines(connection, world.app.pacing, now=world.now)
    assert "google rests until 15:05 UTC by memory: 451 4.7.0" in trouble.what
    assert (line.relay, line.operator, line.rate, line.limit) == ("memory", "google", 0, 100)
    assert line.rests_until == at("11-23 10:05")
    assert line.learnt == pytest.approx(10 / 60)
    with world.store.begin() as connection:
        assert pacing.forget(connection, ("memory", "google"))
        assert not pacing.forget(connection, ("memory", "google"))
        (line,) = pacing.operator_lines(connection, world.app.pacing, now=world.now)
    assert (line.rate, line.learnt, line.rests_until, line.because) == (100, None, None, "")


@pytest.mark.parametrize("reply", ["4.7.1 greylisted, try again", "4.3.0 lookup failure"])
def test_greylisting_slows_nobody(make_world: MakeWorld, reply: str) -> None:
    """That one mail is tried again; the operator goes on."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    crowd(world, google=20)
    answers(world, lambda name: from_reply(Phase.RCPT, 450, reply) if name == "google0" else OK)
    world.tick("11-23 10:00")
    assert len(sent_to(world, "google")) == 19
    assert world.rows("pace", "rate")[0].rate is None


def test_one_of_the_nameless_slows_nobody(make_world: MakeWorld) -> None:
    """`other` is thousands of receivers: what one says is about one."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    crowd(world, other=20)
    answers(world, lambda name: SLOW_DOWN if name == "other0" else OK)
    world.tick("11-23 10:00")
    assert len(sent_to(world, "other")) == 19


# -- warm-up -----------------------------------------------------------------------------------------------------------


def warming(make_world: MakeWorld, store: Store, campaigns: dict[str, str], **rules: object) -> World:
    """The domain of the entity is new from the 23rd on."""
    world = make_world(campaigns, store=store)
    started = {"started": date(2026, 11, 23), **rules}
    world.settings_are(warm_up={DOMAIN: WarmUp.model_validate(started)})
    world.apply("11-23 10:00")
    return world


def sent_by_day(world: World) -> list[int]:
    """How many mails went on each day of the ramp, in order."""
    days = Counter(row.settled_at.astimezone(UTC).date() for row in world.deliveries() if row.state == "sent")
    return [days[day] for day in sorted(days)]


def test_a_new_domain_grows_day_by_day(make_world: MakeWorld, store: Store) -> None:
    """Four a day at first, half as many again on each day that went well; each operator by itself."""
    world = warming(make_world, store, {"drip": ONE}, cap=4)
    crowd(world, google=30, yahoo=3)
    for day in range(6):
        world.tick(at("11-23 10:00") + day * DAY)
    google = Counter(local(row.settled_at)[:5] for row in google_rows(world) if row.state == "sent")
    assert google == {"11-23": 4, "11-24": 6, "11-25": 9, "11-26": 11}
    assert len(sent_to(world, "yahoo")) == 3
    assert sent_to(world, "google") == [f"google{n}" for n in range(30)]


def test_who_waits_for_the_ramp_is_told(make_world: MakeWorld, store: Store) -> None:
    """The day, the cap, and when it goes on."""
    world = warming(make_world, store, {"drip": ONE}, cap=4)
    crowd(world, google=6)
    world.tick("11-23 10:00")
    (row, _) = [row for row in world.deliveries() if row.state == "queued"]
    said = tell(row.reason, row.detail, zone=zone_of("UTC"), now=world.now)
    assert said.sentence == f"{DOMAIN} is warming up at google: day 1 allows 4 mails, and they are used"
    assert "goes Tue 24 Nov 00:00" in said.remedy
    with store.read() as connection:
        (line,) = pacing.ramp_lines(connection, world.app.pacing, now=world.now)
        (next_day,) = pacing.ramp_lines(connection, world.app.pacing, now=world.now + DAY)
    assert (line.domain, line.operator, line.day, line.cap, line.used, line.sent) == (DOMAIN, "google", 1, 4, 4, 4)
    assert (next_day.day, next_day.cap, next_day.used) == (2, 6, 0)


def test_deadline_mail_and_the_most_engaged_go_first(make_world: MakeWorld, store: Store) -> None:
    """Then whoever did something herself last, then who waits longest."""
    world = warming(make_world, store, {"drip": ONE, "urgent": URGENT}, cap=3)
    quiet = queue(world, 3, name="quiet", operator="google")
    urgent = queue(world, 1, "urgent", operator="google", deadline=True, step_key="last")
    keen = queue(world, 2, name="keen", operator="google")
    with store.begin() as connection:
        for days, one in zip((5, 2), keen, strict=True):
            row = outbox.get(connection, one)
            assert row is not None
            when = world.now - days * DAY
            events.add_event(connection, row.person_id, "clicked", at=when, now=world.now, active=True)
    rules = Pacing(ramps={DOMAIN: RampRules(date(2026, 11, 23), cap=2)})
    assert give(world, rules).deliveries == 2
    assert set(claimed(world)) == {*urgent, keen[1]}
    assert give(world, rules).deliveries == 0
    arrive(world)
    assert quiet[0] not in claimed(world)


def test_a_bad_day_halves_the_next(make_world: MakeWorld, store: Store) -> None:
    """Bounces of the day before count, by operator."""
    world = warming(make_world, store, {"drip": ONE}, cap=20)
    crowd(world, google=40, yahoo=40)
    gone = from_reply(Phase.RCPT, 550, "5.1.1 no such user")
    answers(world, lambda name: gone if name in ("google0", "google1", "google2") else OK)
    world.ticks("11-23 10:00", "11-24 10:00")
    with store.read() as connection:
        lines = {one.operator: one for one in pacing.ramp_lines(connection, world.app.pacing, now=world.now)}
    assert (lines["google"].cap, lines["google"].because) == (10, "halved: 3 of 20 bounced for good")
    assert (lines["yahoo"].cap, lines["yahoo"].sent) == (30, 20)


def test_what_came_back_unsent_uses_no_place(make_world: MakeWorld, store: Store) -> None:
    """A mail that the gate held makes room for another on the same day."""
    world = warming(make_world, store, {"drip": ONE}, cap=5)
    crowd(world, google=8)
    with store.begin() as connection:
        person = TABLES["person"]
        for name in ("google0", "google1"):
            connection.execute(
                person.update().where(person.c.address == f"{name}@example.org").values(
                    paused_until=at("11-25 10:00")
                )
            )  # fmt: skip
    world.tick("11-23 10:00")
    went = sent_to(world, "google")
    assert {"google2", "google3", "google4"} <= set(went) <= {f"google{n}" for n in range(2, 8)}
    with store.read() as connection:
        (line,) = pacing.ramp_lines(connection, world.app.pacing, now=world.now)
    assert (line.used, line.sent) == (len(went), len(went))
    queue(world, 4, name="late", operator="google")
    world.tick("11-23 12:00")
    assert len(world.transport.accepted) == 5


def test_who_waits_for_the_operator_takes_no_place_of_the_ramp(world: World) -> None:
    """A place of the day is used by what goes, not by what would have gone."""
    queue(world, 9, name="g", operator="google")
    rules = Pacing({"google": Limits(2), "other": Limits()}, {DOMAIN: RampRules(date(2026, 11, 23), cap=5)})
    given = give(world, rules)
    assert (given.deliveries, given.put_off) == (2, 7)
    assert Counter(row.reason for row in world.deliveries()) == {None: 2, "held_operator": 3, "held_warm_up": 4}
    assert [(row.cap, row.used) for row in world.rows("ramp", "cap", "used")] == [(5, 2)]
    arrive(world)
    give(world, rules, now=world.now + SECOND)
    assert [(row.cap, row.used) for row in world.rows("ramp", "cap", "used")] == [(5, 4)]


def test_a_domain_that_is_not_named_is_warm(make_world: MakeWorld, store: Store) -> None:
    """And before its first day a named one is, too."""
    world = warming(make_world, store, {"drip": ONE}, cap=2, started=date(2026, 11, 24))
    crowd(world, google=5)
    world.tick("11-23 10:00")
    assert len(sent_to(world, "google")) == 5
    assert world.rows("ramp", "domain") == []


def test_a_complaint_counts_against_the_ramp(make_world: MakeWorld, store: Store) -> None:
    """On the day it comes."""
    world = warming(make_world, store, {"drip": ONE}, cap=5)
    crowd(world, google=5)
    world.tick("11-23 10:00")
    with store.begin() as connection:
        addressee = outbox.addressee(connection, world.deliveries()[0].id)
        assert addressee is not None
        feedback.complain(connection, addressee, source="arf", now=world.now)
        feedback.complain(connection, addressee, source="arf", now=world.now)
        (line,) = pacing.ramp_lines(connection, world.app.pacing, now=world.now)
    assert line.complained == 1


# -- campaigns that go wrong -------------------------------------------------------------------------------------------

GONE = from_reply(Phase.RCPT, 550, "5.1.1 no such user")


def test_a_campaign_of_dead_addresses_is_paused(make_world: MakeWorld, store: Store) -> None:
    """By us, with the reason where everybody looks; another campaign goes on, and only a person resumes it."""
    world = make_world({"drip": ONE, "calm": ONE}, store=store)
    world.apply("11-23 10:00")
    queue(world, 300, name="bad")
    queue(world, 20, "calm")
    answers(world, lambda name: GONE if name.startswith("bad") and int(name[3:]) % 10 == 0 else OK)
    world.tick("11-23 10:00")
    (row,) = [row for row in world.rows("campaign", "id", "state", "state_by", "state_because") if row.id == "drip"]
    assert (row.state, row.state_by) == ("paused", "rfs-mail")
    assert "bounced for good" in row.state_because
    states = Counter(row.state for row in world.deliveries() if row.campaign_id == "drip")
    assert states["queued"] >= 100
    assert states["queued"] + states["sent"] + states["failed"] == 300
    assert {row.state for row in world.deliveries() if row.campaign_id == "calm"} == {"sent"}
    with store.read() as connection:
        (trouble,) = [one for one in status(connection, now=world.now).troubles if one.kind == "paused"]
    assert "drip is paused by rfs-mail" in trouble.what
    assert "bounced for good" in trouble.what
    assert trouble.remedy == "`campaigns resume drip`"
    gone = len(world.transport.sent)
    world.tick("11-23 11:00")
    assert len(world.transport.sent) == gone


def test_a_resume_starts_a_fresh_count(make_world: MakeWorld, store: Store) -> None:
    """What went wrong before is forgiven, also where it comes back only now."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    queue(world, 20, name="bad")
    answers(world, lambda name: GONE if int(name[3:]) < 6 else OK)
    world.tick("11-23 10:00")
    assert [row.state for row in world.rows("campaign", "state")] == ["paused"]
    world.resume("drip", "11-23 10:01")
    with store.begin() as connection:
        for row in [row for row in world.deliveries() if row.state == "sent"]:
            addressee = outbox.addressee(connection, row.id)
            assert addressee is not None
            feedback.bounce(connection, addressee, kind="hard", code=550, reply="5.1.1", now=world.now)
    assert [row.state for row in world.rows("campaign", "state")] == ["running"]


def test_bounces_that_come_back_later_count(make_world: MakeWorld, store: Store) -> None:
    """The relay took them all; the dead addresses tell an hour after, each once."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    queue(world, 20, name="bad")
    world.tick("11-23 10:00")
    rows = world.deliveries()
    for number in (0, 1, 2, 3, 3, 3, 4):
        assert [row.state for row in world.rows("campaign", "state")] == ["running"]
        with store.begin() as connection:
            addressee = outbox.addressee(connection, rows[number].id)
            assert addressee is not None
            feedback.bounce(connection, addressee, kind="hard", code=550, reply="5.1.1", now=world.now)
    assert [row.state for row in world.rows("campaign", "state")] == ["paused"]


def test_four_dead_addresses_are_an_accident(make_world: MakeWorld) -> None:
    """A campaign with few mails does not stop for them."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    queue(world, 4, name="bad")
    answers(world, lambda name: GONE)
    world.tick("11-23 10:00")
    assert [row.state for row in world.rows("campaign", "state")] == ["running"]


@pytest.mark.parametrize("reply", ["5.7.26 sender is unauthenticated", "5.7.515 Access denied, sending domain"])
def test_mail_that_fails_authentication_stops_its_campaign_at_once(
    make_world: MakeWorld, store: Store, reply: str
) -> None:
    """After the first such answer nothing of it goes any more but what was under way."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    queue(world, 90, name="p", operator="google")
    answers(world, lambda name: from_reply(Phase.DOT, 550, reply))
    world.tick("11-23 10:00")
    assert 1 <= len(world.transport.sent) <= 8
    (row,) = world.rows("campaign", "state", "state_because")
    assert row.state == "paused"
    assert f"550 {reply}" in row.state_because
    assert world.rows("suppression", "id") == []
    assert Counter(row.state for row in world.deliveries())["queued"] >= 82


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_stand_over_what_is_known(make_world: MakeWorld) -> None:
    """What is not named stays as it is known; `none` and 0 lift a limit."""
    world = make_world({"drip": ONE})
    world.settings_are(
        operators={"google": Operator(rate="600/min"), "yahoo": Operator(rate="none", outstanding=0),
                   "other": Operator(outstanding=5)},
        warm_up={"News.Example.org": WarmUp(started=date(2026, 11, 23), cap=10)},
    )  # fmt: skip
    found = world.app.pacing
    assert found.of("google") == Limits(250, 10)
    assert found.of("yahoo") == Limits(None, None)
    assert found.of("other") == found.of("nobody knows") == Limits(5, None)
    assert found.ramps == {"news.example.org": RampRules(date(2026, 11, 23), 10, 1.5, 10_000)}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"operators": {"gogle": Operator()}}, "operators.gogle: there is no such operator. There are: altice"),
        ({"operators": {"google": Operator(rate="fast")}}, "operators.google.rate"),
        ({"warm_up": {"no domain": WarmUp(started=date(2026, 11, 23))}}, "warm_up.no domain"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make_world: MakeWorld, settings: dict[str, object], said: str) -> None:
    """By their place, with what would be right."""
    world = make_world({"drip": ONE})
    world.settings_are(**settings)
    with pytest.raises(SettingsError, match=said):
        _ = world.app.pacing
