"""The send log: the right deliveries in the right order, page by page, and along an index."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import cycle

import pytest
from sqlalchemy import Connection, event, text

from rfs_mail.store import log
from rfs_mail.store.database import Store
from rfs_mail.store.log import Cursor, Wanted
from tests.recipients import add_campaign, add_delivery, add_person

Made = tuple[int, str, str, str]
STATES = ("sent", "skipped", "bounced", "failed", "queued")
REASONS = {"skipped": "capped", "bounced": "bounced", "failed": "render_failed"}


@pytest.fixture
def rows(store: Store, now: datetime) -> list[Made]:
    """Sixty deliveries, one a minute: (id, campaign, step, state)."""
    made = []
    with store.begin() as connection:
        for name in ("welcome", "nrfod"):
            add_campaign(connection, name, now=now)
        people = [add_person(connection, f"p{number}@example.org", now=now) for number in range(3)]
        campaigns, steps, states, who = cycle(("welcome", "nrfod", "nrfod")), cycle("ab"), cycle(STATES), cycle(people)
        for minute in range(60):
            at = now + timedelta(minutes=minute)
            campaign, step, state = next(campaigns), next(steps), next(states)
            delivery = add_delivery(
                connection, next(who), now=at, campaign_id=campaign, step_key=step, state=state,
                reason=REASONS.get(state), occasion=f"once:{minute}",
            )  # fmt: skip
            made.append((delivery, campaign, step, state))
    return made


def every_page(connection: Connection, wanted: Wanted, limit: int = 7) -> list[int]:
    """The ids of all pages, in order."""
    ids: list[int] = []
    after: Cursor | None = None
    while True:
        page = log.search(connection, wanted, limit=limit, after=after)
        ids += [row.id for row in page.rows]
        if page.next is None:
            return ids
        after = Cursor.read(str(page.next))


Keeps = Callable[[Made], bool]


CASES: dict[Wanted, Keeps] = {
    Wanted(): lambda row: True,
    Wanted(campaign_id="welcome"): lambda row: row[1] == "welcome",
    Wanted(campaign_id="nrfod", step_key="b"): lambda row: row[1:3] == ("nrfod", "b"),
    Wanted(step_key="a"): lambda row: row[2] == "a",
    Wanted(states=("skipped",)): lambda row: row[3] == "skipped",
    Wanted(states=("queued", "failed")): lambda row: row[3] in ("queued", "failed"),
    Wanted(campaign_id="nrfod", states=("bounced",)): lambda row: row[1] == "nrfod" and row[3] == "bounced",
    Wanted(reason="capped"): lambda row: row[3] == "skipped",
    Wanted(campaign_id="welcome", reason="render_failed"): lambda row: row[1] == "welcome" and row[3] == "failed",
    Wanted(campaign_id="nowhere"): lambda row: False,
}


def test_pages_hold_everything_once_newest_first(store: Store, rows: list[Made]) -> None:
    """However it is asked, the pages together are exactly what was meant, in one order."""
    with store.read() as connection:
        found = {wanted: every_page(connection, wanted) for wanted in CASES}
    assert found == {wanted: [row[0] for row in reversed(rows) if keeps(row)] for wanted, keeps in CASES.items()}


SETTLED = ("sent", "skipped", "bounced", "failed")
SPANS = {(): SETTLED, ("failed",): ("failed",), ("queued", "sent"): ("queued", "sent")}


def test_a_span_of_time_is_about_when_it_was_settled(store: Store, rows: list[Made], now: datetime) -> None:
    """`since` counts, `until` does not; what is queued is asked for by name and goes by when it is due."""
    since, until = now + timedelta(minutes=10), now + timedelta(minutes=40)
    with store.read() as connection:
        found = {
            (states, campaign): every_page(
                connection, Wanted(campaign_id=campaign, states=states, since=since, until=until)
            )
            for states in SPANS
            for campaign in (None, "nrfod")
        }
    within = list(reversed(rows[10:40]))
    assert found == {
        (states, campaign): [row[0] for row in within if row[3] in counted and campaign in (None, row[1])]
        for states, counted in SPANS.items()
        for campaign in (None, "nrfod")
    }


def test_a_person_sees_all_of_hers(store: Store, rows: list[Made]) -> None:
    """By person, whatever the state, newest first."""
    with store.read() as connection:
        first = log.get(connection, rows[0][0])
        assert first is not None
        found = every_page(connection, Wanted(person_id=first.person_id))
        sent = every_page(connection, Wanted(person_id=first.person_id, states=("sent",)))
    assert found == [row[0] for row in reversed(rows[0::3])]
    assert sent == [row[0] for row in reversed(rows[0::3]) if row[3] == "sent"]


def test_rows_know_their_people(store: Store, rows: list[Made]) -> None:
    """A list has address and clock, and goes on without them where a person was erased."""
    with store.begin() as connection:
        connection.execute(text("DELETE FROM person WHERE address = 'p0@example.org'"))
        page = log.search(connection, Wanted(), limit=3)
    assert [(row.address, row.zone) for row in page.rows] == [
        ("p2@example.org", "America/New_York"), ("p1@example.org", "America/New_York"), (None, None),
    ]  # fmt: skip


def test_figures_add_up(store: Store, rows: list[Made]) -> None:
    """The counts of a campaign are those of its rows, by step and state and by reason."""
    with store.read() as connection:
        figures = {(row.step_key, row.state): row.number for row in log.figures(connection, "nrfod")}
        reasons = {(row.step_key, row.state, row.reason): row.number for row in log.reasons(connection, "nrfod")}
        steps = log.steps_of(connection)
    mine = [row[2:] for row in rows if row[1] == "nrfod"]
    assert figures == {key: mine.count(key) for key in set(mine)}
    assert reasons == {(*key, REASONS[key[1]]): mine.count(key) for key in set(mine) if key[1] in REASONS}
    assert sorted(steps) == [("nrfod", "a"), ("nrfod", "b"), ("welcome", "a"), ("welcome", "b")]


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(person_id=1, campaign_id="welcome", states=("sent",)),
        Wanted(campaign_id="welcome"),
        Wanted(states=("complained",)),
        Wanted(campaign_id="nrfod", reason="capped"),
        Wanted(since=datetime.fromisoformat("2026-11-23T00:00+00:00"), campaign_id="welcome"),
        Wanted(since=datetime.fromisoformat("2026-11-23T00:00+00:00"), states=("queued", "failed")),
    ],
)
def test_no_list_reads_the_whole_log(sqlite_store: Store, now: datetime, wanted: Wanted) -> None:
    """Every way of asking walks an index; none scans or sorts the table."""
    statements: list[tuple[str, object]] = []

    def remember(_c: object, _cursor: object, statement: str, parameters: object, *_more: object) -> None:
        statements.append((statement, parameters))

    with sqlite_store.begin() as connection:
        add_campaign(connection, now=now)
        add_delivery(connection, add_person(connection, now=now), now=now, state="sent")
    event.listen(sqlite_store.engine, "before_cursor_execute", remember)
    with sqlite_store.read() as connection:
        log.search(connection, wanted, limit=5)
        asked = [each for each in statements if "FROM delivery" in each[0]]
        plans = [
            row.detail
            for statement, parameters in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
        ]
    event.remove(sqlite_store.engine, "before_cursor_execute", remember)
    scans = [plan for plan in plans if plan.startswith("SCAN delivery") and "INDEX" not in plan]
    assert asked
    assert scans == ([] if wanted != Wanted() else ["SCAN delivery"])  # the primary key itself, backwards, to its limit


def test_a_cursor_reads_its_own_text(now: datetime) -> None:
    """Both kinds come back as they were."""
    for cursor in (Cursor(None, 7), Cursor(now, 7)):
        assert Cursor.read(str(cursor)) == cursor
