"""What staff see is the same on both databases: agenda, status, figures, timeline, erasing, lists of people."""

from datetime import timedelta

import pytest

from rfs_mail.engine import blocklist, deliveries, desk, errands, figures, naming, pause, roster
from rfs_mail.engine.agenda import agenda
from rfs_mail.engine.deliveries import Asked
from rfs_mail.engine.erase import erase, export
from rfs_mail.engine.status import status
from rfs_mail.engine.timeline import life
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.recipients import SECRET
from tests.world import World, at

WELCOME = """
audience:
  - stage in ["signed_up", "onboarded"]
entry: {event: signup}
steps:
  - {key: hello, mail: a, cap: exempt}
  - {key: offices, at: entry + 2d @ 10:00, mail: b}
  - {key: call, at: entry + 3d, task: {title: "Call {{ given_name }}", for: region, due: 1d}}
goal: stage >= "exploring"
"""


@pytest.fixture
def world(make_world: MakeWorld, store: Store) -> World:
    """Three people who signed up on a Monday and got their first mail."""
    world = make_world({"welcome": WELCOME}, store=store)
    world.apply("11-23 09:00")
    for name in ("maria", "ben", "cleo"):
        world.signs_up(name, "11-23 10:00", state="WI" if name == "maria" else "OH")
    world.tick("11-23 11:00")
    return world


def test_the_agenda_adds_queued_and_planned(world: World) -> None:
    """An hour of a step is one line, whether its people are queued already or still planned."""
    with world.store.begin() as connection:
        table = TABLES["delivery"]
        ahead = {"state": "queued", "step_key": "offices", "next_at": at("11-25 10:20"), "settled_at": None}
        connection.execute(table.update().where(table.c.id == 1).values(**ahead))
    with world.store.read() as connection:
        slots = agenda(connection, days=7, now=world.now)
    assert [(slot.hour, slot.campaign, slot.step, slot.people) for slot in slots] == [
        (at("11-25 10:00"), "welcome", "offices", 4)
    ]


def test_what_is_overdue_counts_to_the_present_hour(world: World) -> None:
    """Nothing is planned for the past."""
    with world.store.read() as connection:
        slots = agenda(connection, days=1, now=at("11-25 15:30"))
    assert [(slot.hour, slot.people) for slot in slots] == [(at("11-25 15:00"), 3)]


def test_status_counts_what_waits(world: World) -> None:
    """Each kind once, with its number; nothing is counted that is fine."""
    with world.store.read() as connection:
        assert status(connection, now=world.now).is_fine
    world.ticks("11-25 10:00", "11-26 12:00")
    world.now = at("11-28 12:00")
    deliveries_ = TABLES["delivery"]
    with world.store.begin() as connection:
        connection.execute(deliveries_.update().where(deliveries_.c.id == 4).values(state="uncertain"))
        failed = {"state": "failed", "reason": "poison", "detail": {"times": 3}}
        connection.execute(deliveries_.update().where(deliveries_.c.id == 5).values(**failed))
        late = {"state": "queued", "settled_at": None, "next_at": world.now - timedelta(hours=2)}
        connection.execute(deliveries_.update().where(deliveries_.c.id == 6).values(**late))
        connection.execute(TABLES["tick"].update().values(machine_at=world.now - timedelta(days=400)))
    with world.store.read() as connection:
        found = status(connection, now=world.now)
    assert {trouble.kind: trouble.number for trouble in found.troubles} == {
        "silent": 1, "uncertain": 1, "template": 1, "late": 1, "task": 3,
    }  # fmt: skip
    pause.pause(world.store, "welcome", because="a look", by="ana", now=world.now)
    with world.store.read() as connection:
        kinds = [trouble.kind for trouble in status(connection, now=world.now).troubles]
    assert ("paused" in kinds, "late" in kinds) == (True, False)


def test_figures_follow_people_through_the_steps(world: World) -> None:
    """Waiting before a step, sent by it, out of it: the numbers are those of the rows."""
    world.stage(1, "exploring", "11-24 12:00")
    world.tick("11-25 10:00")
    with world.store.read() as connection:
        found = figures.campaign_figures(connection, "welcome", now=world.now)
        (line,) = figures.list_campaigns(connection)
    assert (line.active, line.ended, line.holdout) == (2, 1, 0)
    assert found.endings == {"goal_reached": 1}
    assert [(step.key, step.kind, step.waiting, step.sent) for step in found.steps] == [
        ("hello", "mail", 0, 3), ("offices", "mail", 0, 2), ("call", "task", 2, 0),
    ]  # fmt: skip


def test_a_timeline_is_in_order(world: World) -> None:
    """What happened comes in the order in which it happened, and what is planned after it."""
    world.event(1, "attended", "11-24 19:00", ref="intro_call")
    with world.store.read() as connection:
        person = naming.find_person(connection, "maria@example.org")
        found = life(connection, person, now=world.now)
    assert [(moment.kind, moment.what) for moment in found.moments] == [
        ("signup", "signed up with rfs at form, without consent"),
        ("consent", "agreed to mail from rfs (form)"),
        ("entered", "entered welcome"),
        ("mail", "welcome hello sent"),
        ("event", "attended intro_call"),
        ("mail", "welcome offices planned"),
    ]
    assert [moment.ahead for moment in found.moments] == [False] * 5 + [True]


def test_erasing_touches_nobody_else(world: World) -> None:
    """Everything about one person goes, and nothing about the others."""
    before = export(world.store, "ben@example.org")
    erased = erase(world.store, "maria@example.org", by="ana", now=world.now)
    assert (erased.rows["person"], erased.rows["delivery"], erased.rows["enrollment"]) == (1, 1, 1)
    assert export(world.store, "ben@example.org") == before
    with pytest.raises(NotFoundError):
        export(world.store, "maria@example.org")
    assert world.tick("11-25 10:00").sent == 2


def test_an_erased_address_stays_out(world: World) -> None:
    """The keyed hash outvotes whoever signs her up again."""
    erase(world.store, "maria@example.org", by="ana", now=world.now)
    world.signs_up("maria", "11-24 10:00")
    world.tick()
    assert [row for row in world.log if row[0] == "maria"] == []


def test_a_list_blocks_at_once(world: World) -> None:
    """Addresses of a list are suppressed in one go; what waits for their people is skipped, theirs alone."""
    table = TABLES["delivery"]
    with world.store.begin() as connection:
        connection.execute(table.update().where(table.c.id.in_((1, 2))).values(state="queued", settled_at=None))
    path = world.folder / "list.txt"
    path.write_text("MARIA@example.org\nmaria@example.org\nzoe@example.org\n")
    done = blocklist.import_list(world.store, path, key=SECRET, now=world.now)
    assert (done.rows, done.new, done.known, done.rejected, done.skipped) == (3, 2, 1, 0, 1)
    assert [(state, reason) for _, _, state, reason in world.log] == [
        ("skipped", "suppressed"), ("queued", None), ("sent", None),
    ]  # fmt: skip


def test_no_address_of_a_list_is_swallowed(world: World) -> None:
    """A quote that nobody closed costs its own row, told by its line; the addresses after it are suppressed."""
    path = world.folder / "list.csv"
    path.write_text('\nemail,note\nmaria@example.org,"left\nben@example.org,\n', encoding="utf-8")
    done = blocklist.import_list(world.store, path, key=SECRET, now=world.now)
    assert (2, 1, 0, 1) == (done.rows, done.new, done.known, done.rejected)
    assert [3] == [line for line, _, _ in done.first]
    assert "never closed" in done.first[0][2]


@pytest.mark.parametrize(
    ("content", "said"), [(bytes(range(1, 256)) * 40, "not a text file"), (b"", "is empty"), (b"PK\x03\x04x", "Excel")]
)
def test_what_is_no_list_is_refused(content: bytes, said: str, world: World) -> None:
    """Nothing of it is taken for addresses, and nothing of it is printed."""
    path = world.folder / "list.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        blocklist.import_list(world.store, path, key=SECRET, now=world.now)


def test_people_and_segments_are_counted_alike(world: World) -> None:
    """A list, a count and a segment answer the same condition with the same people."""
    listed = roster.everybody(world.store, where='state == "WI"', segment=None, now=world.now)
    assert [row.address for row in listed] == ["maria@example.org"]
    assert roster.count_people(world.store, 'state == "WI"', now=world.now) == 1
    assert roster.find_segment(world.store, "wisconsin", now=world.now).people == 1
    first = roster.list_people(world.store, where=None, segment=None, limit=2, now=world.now)
    assert (len(first.rows), first.more) == (2, True)


def test_staff_set_fields_and_close_tasks(world: World) -> None:
    """One transaction each; what cannot be read changes nothing."""
    with pytest.raises(UsageError):
        desk.set_fields(
            world.store, "ben@example.org", ["state=WI", "birth_year=x"], window=None, by="ana", now=world.now
        )
    changed = desk.set_fields(
        world.store, "ben@example.org", ["state=wi", "tag=vip"], window=None, by="ana", now=world.now
    )
    assert changed.fields == ("state", "tag vip")
    world.ticks("11-25 10:00", "11-26 12:00")
    ids = [row.id for row in errands.list_tasks(world.store, state="open", for_="region", limit=10)]
    assert len(errands.close_tasks(world.store, ids, state="done", by="ana", note=None, now=world.now)) == 3
    assert errands.list_tasks(world.store, state="open", for_=None, limit=10) == []


def test_failed_mail_is_queued_again_where_it_still_has_time(world: World) -> None:
    """All that failed of a step, and what is too late stays failed."""
    table = TABLES["delivery"]
    with world.store.begin() as connection:
        connection.execute(table.update().values(state="failed", reason="render_failed"))
        connection.execute(table.update().where(table.c.id == 1).values(not_after=at("11-23 10:30")))
    done = deliveries.resend_failed(world.store, Asked(campaign="welcome", step="hello"), now=world.now)
    assert (done, [state for _, _, state, _ in world.log]) == (2, ["failed", "queued", "queued"])


def test_a_resumed_campaign_goes_on_ahead(world: World) -> None:
    """What became too late during the pause is not sent; the next step comes at its time."""
    pause.pause(world.store, "welcome", because="a look", by="ana", now=at("11-24 10:00"))
    world.ticks("11-25 10:00", "11-27 18:00")
    assert pause.resume(world.store, "welcome", by="ana", now=at("11-27 18:00"))
    assert not pause.resume(world.store, "welcome", by="ana", now=at("11-27 18:00"))
    world.ticks("11-27 18:30", "11-30 10:00")
    assert [step for _, _, step in world.sent] == ["hello"] * 3
    assert len(world.rows("task", "id")) == 3
