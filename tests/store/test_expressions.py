"""Expressions as SQL mean what they mean in Python, on both databases."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, literal, select, text, update

from rfs_mail.core.evaluation import evaluate
from rfs_mail.core.expression import parse
from rfs_mail.store.database import Store
from rfs_mail.store.expressions import compile_expression
from rfs_mail.store.facts import load_facts
from rfs_mail.store.tables import TABLES
from tests.core.expression_samples import ENROLLED_SAMPLES, FULL, PLAIN, SAMPLES, expressions
from tests.store.expression_people import Crowd

NOW = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)  # the 22nd in America, the 23rd in UTC and Auckland

person, enrollment = TABLES["person"], TABLES["enrollment"]


@contextmanager
def passing(store: Store) -> Iterator[Connection]:
    """A transaction whose rows are gone afterwards."""
    with store.engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def asked_of(connection: Connection, condition: Any, *joined: Any) -> dict[int, bool | None]:
    """Person id -> what the database says, of the enrollment of `welcome` where one is joined."""
    statement = select(person.c.id, condition)
    if joined:
        statement = statement.join(enrollment, enrollment.c.person_id == person.c.id).where(
            enrollment.c.campaign_id == "welcome"
        )
    return {row[0]: row[1] for row in connection.execute(statement)}


def add_person(connection: Connection, person_id: int = 1, **values: Any) -> None:
    """One person with these values."""
    row = {
        "id": person_id,
        "address": f"p{person_id}@example.org",
        "mailbox": f"p{person_id}@example.org",
        "address_hash": str(person_id).encode(),
        "zone": "America/New_York",
        "stage": "signed_up",
        "custom": {},
        "provenance": {},
        "created_at": NOW,
        "updated_at": NOW,
    }
    connection.execute(insert(person), {**row, **values})


def add_event(connection: Connection, name: str, **values: Any) -> None:
    """Something that happened to person 1."""
    row = {"person_id": 1, "name": name, "at": NOW, "received_at": NOW, "detail": {}}
    connection.execute(insert(TABLES["event"]), {**row, **values})


def add_enrollment(connection: Connection, **values: Any) -> None:
    """Person 1 in `welcome`, as enrollment 1."""
    row = {
        "id": 1, "campaign_id": "welcome", "person_id": 1, "occasion": "once:1", "revision_id": 1, "entered_at": NOW,
        "anchors": {}, "ended_detail": {},
    }  # fmt: skip
    connection.execute(insert(enrollment), {**row, **values})


def test_sql_and_python_agree_on_random_people(store: Store) -> None:
    """Whatever is asked of whomever, outside a campaign, both say the same and never NULL."""

    @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
    @given(st.integers(0, 2**32), st.lists(expressions(SAMPLES), min_size=8, max_size=12))
    def agree(seed: int, texts: list[str]) -> None:
        with passing(store) as connection:
            Crowd(seed, NOW).insert(connection)
            facts = load_facts(connection, range(1, 100), now=NOW)
            for text in texts:
                expression = parse(text, PLAIN)
                expected = {person_id: evaluate(expression, each, now=NOW) for person_id, each in facts.items()}
                assert expected == asked_of(connection, compile_expression(expression, person=person, now=NOW)), text

    agree()


def test_sql_and_python_agree_inside_enrollments(store: Store) -> None:
    """The same with an enrollment, its window, and a wait that began at some time or never."""

    @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.integers(0, 2**32),
        st.lists(expressions(ENROLLED_SAMPLES + SAMPLES), min_size=6, max_size=8),
        st.sampled_from(["no wait", "instant", "column"]),
    )
    def agree(seed: int, texts: list[str], wait: str) -> None:
        crowd = Crowd(seed, NOW, size=6)
        waits = {row["person_id"]: row["waiting_since"] for row in crowd.rows["enrollment"] if row["id"] < 1000}
        fixed = NOW - timedelta(days=7)
        since: Any = {"no wait": None, "instant": fixed, "column": enrollment.c.waiting_since}[wait]
        with passing(store) as connection:
            crowd.insert(connection)
            facts = {
                person_id: load_facts(connection, [person_id], now=NOW, enrollment_id=person_id)[person_id]
                for person_id in waits
            }
            for text in texts:
                expression = parse(text, FULL)
                expected = {
                    person_id: evaluate(
                        expression, each, now=NOW, since=waits[person_id] if wait == "column" else since
                    )
                    for person_id, each in facts.items()
                }
                condition = compile_expression(expression, person=person, now=NOW, enrollment=enrollment, since=since)
                assert expected == asked_of(connection, condition, enrollment), text

    agree()


def test_every_sample_means_the_same_in_both(store: Store) -> None:
    """Each sample by itself, asked of crowds in which it holds for some and not for others."""
    answers: defaultdict[str, set[bool]] = defaultdict(set)
    for seed in range(2, 6):
        with passing(store) as connection:
            Crowd(seed, NOW, size=30).insert(connection)
            facts = {
                person_id: load_facts(connection, [person_id], now=NOW, enrollment_id=person_id)[person_id]
                for person_id in range(1, 31)
            }
            for text in SAMPLES + ENROLLED_SAMPLES:
                expression = parse(text, FULL)
                expected = {person_id: evaluate(expression, each, now=NOW) for person_id, each in facts.items()}
                condition = compile_expression(expression, person=person, now=NOW, enrollment=enrollment)
                assert expected == asked_of(connection, condition, enrollment), text
                answers[text] |= set(expected.values())
    assert {text for text, found in answers.items() if len(found) == 1} == {
        "true",
        "false",
        "stage is none",
        'today in ["2026-11-22", "2026-11-23"]',
    }


def test_a_window_may_be_a_table_of_the_statement(store: Store) -> None:
    """Asked of a window that the statement joins, the answer is that of loading this window."""
    window = TABLES["filing_window"].alias("w")
    with store.begin() as connection:
        Crowd(5, NOW, size=20).insert(connection)
        for text in ENROLLED_SAMPLES:
            expression = parse(text, FULL)
            if expression.uses_enrollment:
                continue
            found = {
                row.id: row[1]
                for row in connection.execute(
                    select(person.c.id, compile_expression(expression, person=person, now=NOW, window=window))
                    .join(window, literal(True))
                    .where(window.c.id == "window-2")
                )
            }
            facts = load_facts(connection, range(1, 21), now=NOW, window_id="window-2")
            assert {key: evaluate(expression, each, now=NOW) for key, each in facts.items()} == found, text


def test_an_alias_of_person_can_be_asked(store: Store) -> None:
    """The condition follows the alias it is given, in a subquery too."""
    other = person.alias("somebody")
    with store.begin() as connection:
        add_person(connection, 1, state="WI")
        add_person(connection, 2, state="GA")
        add_event(connection, "recommitted")
        condition = compile_expression(parse('state == "WI" and event("recommitted")', PLAIN), person=other, now=NOW)
        assert connection.execute(select(other.c.id).where(condition)).scalars().all() == [1]


def test_a_condition_chooses_rows_to_insert_update_and_delete(store: Store) -> None:
    """The same condition stands in INSERT .. SELECT, UPDATE and DELETE."""
    condition = compile_expression(
        parse('not event("recommitted") and custom.note != "no"', PLAIN), person=person, now=NOW
    )
    with store.begin() as connection:
        for person_id, note in ((1, "x"), (2, "x"), (3, "no")):
            add_person(connection, person_id, custom={"note": note})
        add_event(connection, "recommitted")
        chosen = select(person.c.id).where(condition)
        connection.execute(insert(TABLES["touched"]).from_select(["person_id"], chosen))
        assert connection.execute(select(TABLES["touched"].c.person_id)).scalars().all() == [2]
        connection.execute(update(person).where(condition).values(source="chosen"))
        assert connection.execute(select(person.c.id).where(person.c.source == "chosen")).scalars().all() == [2]
        connection.execute(delete(person).where(condition))
        assert connection.execute(select(person.c.id).order_by(person.c.id)).scalars().all() == [1, 3]


def test_text_is_compared_by_code_point(store: Store) -> None:
    """Capitals before small letters before accents, whatever the database's own language would do."""
    names = ["Z", "a", "b", "é", "\N{GRINNING FACE}"]
    with store.begin() as connection:
        for person_id, name in enumerate(names, start=1):
            add_person(connection, person_id, given_name=name, custom={"note": name})
        for place, name in enumerate(names, start=1):
            for field in ("given_name", "custom.note"):
                condition = compile_expression(parse(f'{field} < "{name}"', PLAIN), person=person, now=NOW)
                found = connection.execute(select(person.c.id).where(condition)).scalars().all()
                assert sorted(found) == list(range(1, place)), (field, name)


def test_a_custom_value_of_the_wrong_type_is_missing(store: Store) -> None:
    """Text in a number field neither compares nor breaks the statement, and counts as none."""
    with store.begin() as connection:
        add_person(connection, custom={"hours": "many", "call_date": "soon", "volunteer": "yes", "note": 5})
        for asked, expected in {
            "custom.hours > 0": False,
            "custom.hours is none": True,
            "custom.hours != 3": True,
            'custom.call_date > "2000-01-01"': False,
            "custom.call_date is none": True,
            'custom.note != "5"': True,
            "custom.volunteer": False,
            "not custom.volunteer": True,
            "custom.volunteer is none": True,
            'custom.note == "5"': False,
            "custom.note is none": True,
        }.items():
            condition = compile_expression(parse(asked, PLAIN), person=person, now=NOW)
            assert asked_of(connection, condition) == {1: expected}, asked


def test_a_date_field_holds_a_date_and_nothing_more(store: Store) -> None:
    """A day with something before or behind it is missing, in Python too."""
    expression = parse("custom.call_date is none", PLAIN)
    condition = compile_expression(expression, person=person, now=NOW)
    written = {
        "2026-11-20": False,
        "2026-11-20 ": True,
        "2026-11-20T10:00": True,
        "x2026-11-20": True,
        "2026-1-20": True,
    }
    with store.begin() as connection:
        for person_id, day in enumerate(written):
            add_person(connection, person_id, custom={"call_date": day})
        expected = dict(enumerate(written.values()))
        facts = load_facts(connection, list(expected), now=NOW)
        assert asked_of(connection, condition) == expected
        assert {key: evaluate(expression, each, now=NOW) for key, each in facts.items()} == expected


def test_numbers_beyond_32_bits_can_be_compared(store: Store) -> None:
    """A large number in an expression is no error where the column is smaller."""
    with store.begin() as connection:
        add_person(connection, birth_year=1990, custom={"hours": 2**52})
        for asked in (f"birth_year < {2**53}", f"custom.hours == {2**52}", f"birth_year in [1990, {2**53}]"):
            condition = compile_expression(parse(asked, PLAIN), person=person, now=NOW)
            assert asked_of(connection, condition) == {1: True}, asked


def test_an_occurrence_counts_for_its_calendar_name(store: Store) -> None:
    """`intro_call-2026-12` is an intro call, `intro_callback-1` and `INTRO_CALL-1` are not."""
    condition = compile_expression(parse('attended("intro_call")', PLAIN), person=person, now=NOW)
    for ref, expected in {
        "intro_call": True,
        "intro_call-2026-12": True,
        "intro_callback-1": False,
        "introXcall-1": False,
        "INTRO_CALL-1": False,
        "": False,
    }.items():
        with passing(store) as connection:
            add_person(connection)
            add_event(connection, "attended", ref=ref)
            assert asked_of(connection, condition) == {1: expected}, ref


def test_a_wait_counts_what_was_learnt_since_it_began(store: Store) -> None:
    """An old call does not end a wait; a list that comes in during the wait does, though the call was before."""
    began = NOW - timedelta(hours=4)
    expression = parse('attended("intro_call")', FULL)
    condition = compile_expression(
        expression, person=person, now=NOW, enrollment=enrollment, since=enrollment.c.waiting_since
    )
    for received_at, expected in (
        (began - timedelta(days=30), False),
        (began - timedelta(microseconds=1), False),
        (began, True),
        (began + timedelta(hours=1), True),
    ):
        with passing(store) as connection:
            add_person(connection)
            add_enrollment(connection, waiting_since=began)
            add_event(connection, "attended", ref="intro_call", at=NOW - timedelta(days=31), received_at=received_at)
            assert asked_of(connection, condition, enrollment) == {1: expected}


def test_a_wait_counts_the_occurrence_it_waits_for_from_its_start(store: Store) -> None:
    """The attendance list that came in before the wait began counts, if it is of the call this enrollment is about."""
    call, began = NOW - timedelta(hours=28), NOW - timedelta(hours=4)
    occurrence = {"calendar": "intro_call", "key": "intro_call-2026-11", "zone": "UTC", "starts_at": call}
    expression = parse('attended("intro_call") or missed("intro_call")', FULL)
    condition = compile_expression(
        expression, person=person, now=NOW, enrollment=enrollment, since=enrollment.c.waiting_since
    )
    for about, expected in (
        ({"anchors": {"intro_call": "intro_call-2026-11"}}, True),
        ({"occurrence_key": "intro_call-2026-11"}, True),
        ({"anchors": {"intro_call": "intro_call-2026-12"}}, False),
        ({}, False),
    ):
        with passing(store) as connection:
            add_person(connection)
            connection.execute(insert(TABLES["occurrence"]), occurrence)
            add_enrollment(connection, waiting_since=began, **about)
            add_event(connection, "missed", ref="intro_call-2026-11", at=call, received_at=call + timedelta(hours=15))
            facts = load_facts(connection, [1], now=NOW, enrollment_id=1)[1]
            assert evaluate(expression, facts, now=NOW, since=began) is expected
            assert asked_of(connection, condition, enrollment) == {1: expected}


def test_a_renamed_step_keeps_what_was_sent_under_its_old_key(store: Store) -> None:
    """`received("hello")` finds the mail that went out when the step was still called `hi`."""
    condition = compile_expression(parse('received("hello")', FULL), person=person, now=NOW, enrollment=enrollment)
    with store.begin() as connection:
        add_person(connection)
        add_enrollment(connection)
        assert asked_of(connection, condition, enrollment) == {1: False}
        connection.execute(
            insert(TABLES["delivery"]),
            {
                "enrollment_id": 1, "campaign_id": "welcome", "person_id": 1, "step_key": "hi", "revision_id": 1,
                "state": "sent", "queued_at": NOW, "due_at": NOW, "next_at": NOW, "not_after": NOW, "settled_at": NOW,
            },
        )  # fmt: skip
        assert asked_of(connection, condition, enrollment) == {1: True}


@pytest.mark.parametrize(
    "asked", ['received("hello")', "active(since=entry)", "window.closes is none", "wants(window)"]
)
def test_what_is_asked_but_not_given_is_a_bug_that_says_so(asked: str) -> None:
    """Without the enrollment or the window an expression needs, nothing is compiled."""
    with pytest.raises(ValueError, match="and none is given"):
        compile_expression(parse(asked, FULL), person=person, now=NOW)


def test_today_is_the_day_on_the_persons_clock(store: Store) -> None:
    """At half past four in the morning UTC it is the 22nd in New York and the 23rd in Auckland."""
    with store.begin() as connection:
        add_person(connection, 1, zone="America/New_York")
        add_person(connection, 2, zone="Pacific/Auckland")
        add_person(connection, 3, zone="no zone at all")
        condition = compile_expression(parse('today == "2026-11-22"', PLAIN), person=person, now=NOW)
        assert asked_of(connection, condition) == {1: True, 2: False, 3: False}


def test_a_topic_is_left_by_a_suppression_that_still_stands(store: Store) -> None:
    """A lifted suppression of the topic does not count, and one of the entity is another question."""
    condition = compile_expression(parse('topic("deadlines")', PLAIN), person=person, now=NOW)
    for scope, lifted_at, expected in (("topic", None, False), ("topic", NOW, True), ("entity", None, True)):
        with passing(store) as connection:
            add_person(connection)
            row = {"address_hash": b"1", "scope": scope, "scope_id": "deadlines", "at": NOW, "lifted_at": lifted_at}
            connection.execute(insert(TABLES["suppression"]), row)
            assert asked_of(connection, condition) == {1: expected}


def test_happenings_are_looked_up_along_an_index(sqlite_store: Store) -> None:
    """No question about a person reads a whole table of things that happened."""
    asked = (
        'event("x", within=30d) and attended("intro_call") and active(within=180d) and mails(within=180d) >= 6 '
        'and reached("filed") and in_campaign("nrfod") and received("welcome/hello") and consented("rfs") '
        'and topic("deadlines") and tag("vip") and wants(window)'
    )
    condition = compile_expression(parse(asked, PLAIN), person=person, now=NOW)
    with sqlite_store.begin() as connection:
        statement = str(
            select(person.c.id)
            .where(condition)
            .compile(connection, compile_kwargs={"literal_binds": True, "render_postcompile": True})
        )
        plan = [row.detail for row in connection.execute(text("EXPLAIN QUERY PLAN " + statement.replace(":", "\\:")))]
    scans = [line for line in plan if line.startswith("SCAN") and "filing_window" not in line]
    assert scans == ["SCAN person"]
