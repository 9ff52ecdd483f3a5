"""Watching over the relays: slots that can be taken away, what verdicts and other processes say, what staff order."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from rfs_mail.app import open_app
from rfs_mail.core.breaker import Breaker, State
from rfs_mail.core.verdict import (
    Accepted,
    Phase,
    Rejected,
    Scope,
    Uncertain,
    Verdict,
    connection_failed,
    from_reply,
    refused_here,
)
from rfs_mail.engine.relays import CONNECTION_WAIT, Again, Slots, Watch, relay_status, rest, wake
from rfs_mail.engine.routing import Route
from rfs_mail.errors import NotFoundError, SettingsError, UsageError
from rfs_mail.store import problems, relays
from rfs_mail.store.database import Store
from rfs_mail.store.relays import Standing
from rfs_mail.transport.memory import MemoryTransport

MINUTE = timedelta(minutes=1)
REFUSED = from_reply(Phase.AUTH, 535, "5.7.8 wrong password")
BROKEN = connection_failed(Phase.CONNECT, "connection refused")
CUT = connection_failed(Phase.DATA, "reset by peer")
MAIN = (Route("main"),)


class Bed:
    """A watch over the relay `main`, and the clock it goes by."""

    def __init__(self, store: Store, now: datetime) -> None:
        self.store = store
        self.now = now
        self.transport = MemoryTransport()
        self.watch = Watch(store, {"main": (self.transport, 4)}, lambda: self.now, patience=0.05)

    def another(self) -> "Bed":
        """A second process on the same database."""
        return Bed(self.store, self.now)

    async def hears(self, *verdicts: Verdict) -> list[Again]:
        """One after the other."""
        return [await self.watch.hears("main", verdict) for verdict in verdicts]

    def stored(self) -> Breaker:
        """How it stands in the store."""
        with self.store.read() as connection:
            return relays.standing(connection, "main").breaker

    def open_problems(self) -> list[str]:
        """What `status` says is wrong."""
        with self.store.read() as connection:
            return [row.message for row in problems.open_problems(connection)]


@pytest.fixture
def bed(store: Store, now: datetime) -> Bed:
    """One process."""
    return Bed(store, now)


# -- slots -------------------------------------------------------------------------------------------------------------


def test_slots_are_given_in_the_order_they_were_asked_for() -> None:
    """No more at a time than there are."""

    async def story() -> list[int]:
        slots, order = Slots(2), list[int]()

        async def work(number: int) -> None:
            assert await slots.take()
            order.append(number)

        tasks = [asyncio.create_task(work(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert [0, 1] == order
        for _ in range(3):
            slots.give()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        return order

    assert [0, 1, 2, 3, 4] == asyncio.run(story())


def test_who_waits_for_a_slot_can_be_sent_away() -> None:
    """And those who hold one keep it; the next may have one again."""

    async def story() -> None:
        slots = Slots(1)
        assert await slots.take()
        waiting = [asyncio.create_task(slots.take()) for _ in range(3)]
        await asyncio.sleep(0)
        slots.send_away()
        assert [False, False, False] == await asyncio.gather(*waiting)
        slots.give()
        assert await slots.take()

    asyncio.run(story())


def test_a_slot_is_not_lost_with_the_one_who_waited_for_it() -> None:
    """Cancelled while waiting, or at the very moment of getting it."""

    async def story() -> None:
        slots = Slots(1)
        assert await slots.take()
        gone, late = asyncio.create_task(slots.take()), asyncio.create_task(slots.take())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        slots.give()
        late.cancel()
        await asyncio.gather(gone, late, return_exceptions=True)
        assert await asyncio.wait_for(slots.take(), 5)

    asyncio.run(story())


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_a_refusal_of_us_stops_everything_at_once(bed: Bed) -> None:
    """In the store too, with the reply; the mail may go by another relay at once."""

    async def story() -> None:
        assert bed.watch.may_send("main")
        (again,) = await bed.hears(REFUSED)
        assert not bed.watch.may_send("main")
        assert bed.now == again.at
        assert again.until == bed.stored().until

    asyncio.run(story())
    assert (State.OPEN, "535 5.7.8 wrong password") == (bed.stored().state, bed.stored().because)
    assert ["535 5.7.8 wrong password"] == bed.open_problems()


def test_failures_in_a_row_are_counted_here_and_written_when_they_are_enough(bed: Bed) -> None:
    """Four are nothing to anybody; a success forgets them; the fifth in a row opens it."""

    async def story() -> None:
        await bed.hears(BROKEN, BROKEN, BROKEN, BROKEN, Accepted(), BROKEN, BROKEN, BROKEN, BROKEN)
        assert bed.watch.may_send("main")
        assert bed.stored() == Breaker()
        await bed.hears(BROKEN)
        assert not bed.watch.may_send("main")
        assert bed.stored().state is State.OPEN

    asyncio.run(story())


def test_when_a_mail_that_came_back_may_go_again(bed: Bed) -> None:
    """At once where it was not named yet; in a minute where it may be the cause; at once where the relay rests."""

    async def story() -> None:
        early, cut = await bed.hears(BROKEN, CUT)
        assert (bed.now, bed.now + CONNECTION_WAIT) == (early.at, cut.at)
        await bed.hears(REFUSED)
        (late,) = await bed.hears(CUT)
        assert (bed.now, bed.stored().until) == (late.at, late.until)

    asyncio.run(story())


def test_another_process_learns_it_at_its_next_look(bed: Bed) -> None:
    """That it rests, and that it works again; also what staff say."""
    other = bed.another()

    async def story() -> None:
        await bed.hears(REFUSED)
        assert other.watch.may_send("main")
        await other.watch.look()
        assert not other.watch.may_send("main")
        with bed.store.begin() as connection:
            relays.save(connection, "main", Breaker(), now=bed.now)
            relays.keep(connection, "main", until=bed.now + MINUTE, because="a look", by="ana")
        await other.watch.look()
        assert not other.watch.may_send("main")
        other.now += MINUTE
        assert other.watch.may_send("main")

    asyncio.run(story())


def test_what_was_read_before_something_happened_is_not_believed(bed: Bed) -> None:
    """The answer of the database comes late: the relay refused us meanwhile."""

    async def story() -> None:
        as_of = bed.watch.changes
        await bed.hears(REFUSED)
        bed.watch.learns("main", Standing(), as_of=as_of)
        assert not bed.watch.may_send("main")
        bed.watch.learns("main", Standing(), as_of=bed.watch.changes)
        assert bed.watch.may_send("main")
        bed.watch.learns("unknown", Standing(), as_of=bed.watch.changes)

    asyncio.run(story())


def test_only_the_trial_closes_it(bed: Bed) -> None:
    """A success of a mail that was under way when it opened does not."""

    async def story() -> None:
        await bed.hears(REFUSED, Accepted())
        assert bed.stored().state is State.OPEN
        with bed.store.begin() as connection:
            relays.save(connection, "main", Breaker(State.HALF_OPEN, 0, 1, bed.now, "535"), now=bed.now)
        await bed.watch.look()
        assert bed.watch.may_send("main")
        await bed.hears(Accepted())

    asyncio.run(story())
    assert bed.stored() == Breaker()
    assert bed.open_problems() == []


def test_a_relay_that_says_nothing_is_given_up_and_an_answer_brings_it_back(bed: Bed) -> None:
    """Who waits for a slot is sent away; it may be slow and not dead, so that any answer closes it again."""

    async def story() -> None:
        for _ in range(4):
            assert await bed.watch.slot("main")
            bed.watch.begins("main")
        waiting = asyncio.create_task(bed.watch.slot("main"))
        while not waiting.done():
            await asyncio.sleep(0.01)
            await bed.watch.look()
        assert waiting.result() is False
        assert (State.OPEN, True) == (bed.stored().state, bed.stored().silent)
        bed.watch.ends("main")
        await bed.hears(Accepted())
        assert bed.watch.may_send("main")
        assert bed.stored() == Breaker()

    asyncio.run(story())


def test_a_relay_with_nothing_in_hand_may_be_silent(bed: Bed) -> None:
    """Nobody asked it anything."""

    async def story() -> None:
        bed.watch.begins("main")
        bed.watch.ends("main")
        await asyncio.sleep(0.06)  # longer than its patience
        await bed.watch.look()
        assert bed.watch.may_send("main")

    asyncio.run(story())


def test_a_process_that_cannot_write_goes_by_what_it_knows(
    bed: Bed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The database is away: the verdict is not lost, and the relay is left alone all the same."""

    async def away(*_arguments: object) -> Standing:
        raise OperationalError("UPDATE", {}, Exception("the disk is full"))

    async def story() -> None:
        monkeypatch.setattr(bed.store, "write", away)
        (again,) = await bed.hears(REFUSED)
        assert not bed.watch.may_send("main")
        assert again.until > bed.now
        await bed.watch.tell()
        monkeypatch.undo()

    asyncio.run(story())
    assert "the disk is full" in caplog.text
    assert issubclass(OperationalError, DBAPIError)


def test_what_was_heard_is_added_to_the_figures(bed: Bed) -> None:
    """Each verdict in its column, over two processes; told once."""
    other = bed.another()
    mine = [Accepted(), Accepted(), BROKEN, from_reply(Phase.RCPT, 451, "4.3.0 later"), Uncertain("silence")]

    async def story() -> None:
        await bed.hears(*mine, from_reply(Phase.RCPT, 550, "5.1.1 no such user"))
        await other.hears(Accepted(250, "2.0.0", "2.0.0 mine"), refused_here(Scope.CONTENT, "a bare LF"))
        for one in (bed, bed, other):
            await one.watch.tell()

    asyncio.run(story())
    with bed.store.read() as connection:
        (found,) = relay_status(connection, MAIN, now=bed.now)
        (tomorrow,) = relay_status(connection, MAIN, now=bed.now + timedelta(days=1))
    assert (3, 2, 2, 1) == (found.sent, found.deferred, found.failed, found.uncertain)
    assert (bed.now, None, "a bare LF") == (found.said_at, found.said_code, found.said)
    assert (0, 0, 0, 0, "a bare LF") == (
        tomorrow.sent, tomorrow.deferred, tomorrow.failed, tomorrow.uncertain, tomorrow.said,
    )  # fmt: skip


def test_a_refusal_of_us_is_deferred_and_not_failed(bed: Bed) -> None:
    """In the figures as in the log: no person was refused."""
    assert isinstance(REFUSED, Rejected)

    async def story() -> None:
        await bed.hears(REFUSED)
        await bed.watch.tell()

    asyncio.run(story())
    with bed.store.read() as connection:
        (found,) = relay_status(connection, MAIN, now=bed.now)
    assert (1, 0) == (found.deferred, found.failed)


# -- staff -------------------------------------------------------------------------------------------------------------


def test_staff_let_a_relay_rest_and_wake_it(store: Store, now: datetime) -> None:
    """It says who and why; woken, it takes mail again as if nothing had been."""
    rest(store, MAIN, "main", until=now + MINUTE, because=" a look ", by="ana", now=now)
    with store.read() as connection:
        (found,) = relay_status(connection, MAIN, now=now)
        (later,) = relay_status(connection, MAIN, now=now + MINUTE)
    assert ("kept", now + MINUTE, "a look", "ana") == (found.state, found.until, found.because, found.by)
    assert ("working", None, "") == (later.state, later.until, later.because)
    assert wake(store, MAIN, "main", now=now) == "working"


def test_waking_a_relay_that_failed_brings_its_trial_forward(store: Store, now: datetime) -> None:
    """It does not close the breaker; its rests go on growing if the trial fails."""
    with store.begin() as connection:
        relays.save(connection, "main", Breaker(State.OPEN, 0, 3, now + MINUTE, "535"), now=now)
    assert wake(store, MAIN, "main", now=now) == "due"
    with store.read() as connection:
        breaker = relays.standing(connection, "main").breaker
    assert Breaker(State.OPEN, 0, 3, now, "535") == breaker


@pytest.mark.parametrize(
    ("breaker", "weight", "state"),
    [
        (Breaker(), 1, "working"),
        (Breaker(), 0, "spare"),
        (Breaker(State.OPEN, 0, 1, datetime.fromisoformat("2100-01-01T00:00:00+00:00"), "535"), 1, "resting"),
        (Breaker(State.OPEN, 0, 1, datetime.fromisoformat("2000-01-01T00:00:00+00:00"), "535"), 1, "due"),
        (Breaker(State.HALF_OPEN, 0, 1, datetime.fromisoformat("2000-01-01T00:00:00+00:00"), "535"), 0, "on_trial"),
    ],
)
def test_every_state_has_its_word(store: Store, now: datetime, breaker: Breaker, weight: int, state: str) -> None:
    """And the reason goes with it."""
    with store.begin() as connection:
        relays.save(connection, "main", breaker, now=now)
        (found,) = relay_status(connection, [Route("main", weight=weight)], now=now)
    assert (state, breaker.because) == (found.state, found.because)


def test_orders_that_make_no_sense_are_refused(store: Store, now: datetime) -> None:
    """A relay that is not there, a rest without a reason, a rest that is over."""
    later = now + MINUTE
    with pytest.raises(NotFoundError, match=r"no relay 'nobody'.*There are: main"):
        rest(store, MAIN, "nobody", until=later, because="x", by="ana", now=now)
    with pytest.raises(NotFoundError, match="nobody"):
        wake(store, MAIN, "nobody", now=now)
    with pytest.raises(UsageError, match="--because"):
        rest(store, MAIN, "main", until=later, because=" ", by="ana", now=now)
    with pytest.raises(UsageError, match="later than now"):
        rest(store, MAIN, "main", until=now, because="x", by="ana", now=now)


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('rate = "14 a second"', r"The rate of relay 'main': .*Write: 14/s"),
        ('rate = "0/s"', "never sends"),
        ('entities = ["rfs"]\nstands_in = true', "takes everybody's"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_the_relays_name(tmp_path: Path, lines: str, said: str) -> None:
    """With what to write in its place."""
    (tmp_path / "rfs-mail.toml").write_text(f'[[relay]]\nname = "main"\nurl = "memory:"\n{lines}\n', encoding="utf-8")
    app = open_app(tmp_path, environ={}, check_schema=False)
    with pytest.raises(SettingsError, match=said):
        _ = app.routes
    app.close()


def test_settings_become_routes(tmp_path: Path) -> None:
    """Every key of a relay arrives."""
    (tmp_path / "rfs-mail.toml").write_text(
        '[[relay]]\nname = "main"\nurl = "memory:"\nconnections = 3\nmessages_per_connection = 50\nweight = 0\n'
        'rate = "25000/h"\nstands_in = true\n[[relay]]\nname = "own"\nurl = "memory:"\nentities = ["rfs"]\n',
        encoding="utf-8",
    )
    app = open_app(tmp_path, environ={}, check_schema=False)
    main, own = app.routes
    app.close()
    assert ("main", 0, (), 3, "25000/h", 50, True) == (
        main.name, main.weight, main.entities, main.connections, str(main.rate), main.messages_per_connection,
        main.stands_in,
    )  # fmt: skip
    assert (("rfs",), None, False) == (own.entities, own.rate, own.stands_in)
