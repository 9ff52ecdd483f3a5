"""Moving enrollments on: when each step comes, what it does, and what stands in the record."""

import pytest

from rfs_mail.engine.advance import advance, choose_variant
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.world import World, at, local

SIGNUP = "entry: {event: signup}\n"


def drip(steps: str, **top: str) -> str:
    """A campaign that a sign-up starts, with these steps."""
    lines = "".join(f"{key.rstrip('_')}: {value}\n" for key, value in top.items())
    return SIGNUP + lines + "steps:\n" + "".join(f"  - {line.strip()}\n" for line in steps.strip().splitlines())


TWO = drip("""
    {key: one, mail: a}
    {key: two, at: +3d, mail: b}
""")


# -- counting from the step above --------------------------------------------------------------------------------------


def test_a_relative_step_counts_from_when_the_one_above_was_sent(make_world: MakeWorld) -> None:
    """A mail that hours or a relay kept back moves what counts from it."""
    world = make_world({"drip": drip("""
        {key: one, mail: a, send: {hours: "09:00-20:00"}}
        {key: two, at: +3d, mail: b}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 21:00")
    world.ticks("11-23 21:00", "11-24 09:00", "11-26 21:00", "11-27 08:59", "11-27 09:00")
    assert world.sent == [("11-24 09:00", "maria", "one"), ("11-27 09:00", "maria", "two")]


def test_a_relative_step_counts_from_a_step_that_was_skipped(make_world: MakeWorld) -> None:
    """`when` is false, so nothing is sent; the next step counts from that moment."""
    world = make_world({"drip": drip("""
        {key: one, at: entry + 1d, when: state == "WI", mail: a}
        {key: two, at: +2d, mail: b}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00", state="TX")
    world.ticks("11-23 10:00", "11-24 10:00", "11-26 09:59", "11-26 10:00")
    assert world.sent == [("11-26 10:00", "maria", "two")]
    assert world.steps() == [("one", "skipped", "when_false"), ("two", "queued", None)]


def test_a_relative_step_counts_from_a_change_that_was_made(make_world: MakeWorld) -> None:
    """Steps that are no mail count too."""
    world = make_world({"drip": drip("""
        {key: mark, at: entry + 1d, tag: seen}
        {key: two, at: +2d, mail: b}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-26 09:59", "11-26 10:00")
    assert world.sent == [("11-26 10:00", "maria", "two")]
    assert [row.tag for row in world.rows("person_tag", "tag")] == ["seen"]


def test_what_was_done_late_moves_what_counts_from_it(make_world: MakeWorld) -> None:
    """After an outage the steps keep their distance, and nothing comes in one heap."""
    world = make_world({"drip": drip("""
        {key: mark, at: entry + 1d, tag: seen}
        {key: two, at: +2d, mail: b}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-27 10:00", "11-29 09:59", "11-29 10:00")
    assert world.sent == [("11-29 10:00", "maria", "two")]


def test_an_enrollment_with_an_unsettled_mail_does_not_pass_to_its_next(make_world: MakeWorld) -> None:
    """Two mails of one enrollment never stand in the outbox together."""
    world = make_world({"drip": drip("""
        {key: one, mail: a}
        {key: two, at: entry + 1h, mail: b}
        {key: three, at: entry + 2h, mail: c}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00", "11-23 12:00")
    assert world.log == [("maria", "one", "sent", None), ("maria", "two", "queued", "held_cap")]
    world.settings_are(caps=world.app.settings.caps.model_copy(update={"per_day": 0, "per_week": 0}))
    world.tick("11-24 00:00")
    assert [(row[1], row[2]) for row in world.log] == [("one", "sent"), ("two", "sent"), ("three", "sent")]


def test_an_enrollment_is_finished_only_when_its_last_mail_is_settled(make_world: MakeWorld) -> None:
    """Behind the last step it still waits for the verdict."""
    world = make_world({"drip": drip("{key: one, mail: a}\n{key: two, at: entry + 1h, mail: b}")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    assert (world.enrollment().state, world.enrollment().step_key) == ("active", "")
    world.tick("11-24 00:00")
    assert world.enrollment().state == "finished"


# -- when, branches, changes -------------------------------------------------------------------------------------------


def test_when_is_asked_once_at_its_time(make_world: MakeWorld) -> None:
    """What was true at entry does not matter, and what comes true afterwards does not either."""
    world = make_world({"drip": drip("""
        {key: one, at: entry + 1d, when: state == "WI", mail: a}
        {key: two, at: entry + 2d, when: state == "WI", mail: b}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "11-23 10:00", state="WI")
    world.tick()
    with world.store.begin() as connection:
        connection.execute(TABLES["person"].update().values(state="TX"))
    world.tick("11-24 10:00")
    with world.store.begin() as connection:
        connection.execute(TABLES["person"].update().values(state="WI"))
    world.ticks("11-24 11:00", "11-25 10:00")
    assert world.sent == [("11-25 10:00", "maria", "two")]
    assert world.steps()[0] == ("one", "skipped", "when_false")
    assert who == 1


BRANCH = (
    SIGNUP
    + """\
steps:
  - key: fork
    at: entry + 1d
    branch:
      - when: state == "WI"
        steps: [{key: wi, mail: a}, {key: wi_later, at: +1d, mail: b}]
      - when: state in ["WI", "TX"]
        steps: [{key: tx, mail: c}]
    else: [{key: rest, mail: d}]
  - {key: all, at: +2d, mail: e}
"""
)


def test_a_branch_takes_the_first_arm_that_holds(make_world: MakeWorld) -> None:
    """Then everybody goes on behind it."""
    world = make_world({"drip": BRANCH})
    world.settings_are(caps=world.app.settings.caps.model_copy(update={"per_week": 0}))
    world.apply("11-23 10:00")
    for name, state in (("wendy", "WI"), ("tom", "TX"), ("nora", "NY")):
        world.signs_up(name, "11-23 10:00", state=state)
    world.ticks("11-23 10:00", "11-24 10:00", "11-25 10:00", "11-26 10:00", "11-27 10:00")
    assert world.sent == [
        ("11-24 10:00", "nora", "rest"),
        ("11-24 10:00", "tom", "tx"),
        ("11-24 10:00", "wendy", "wi"),
        ("11-25 10:00", "wendy", "wi_later"),
        ("11-26 10:00", "nora", "all"),
        ("11-26 10:00", "tom", "all"),
        ("11-27 10:00", "wendy", "all"),
    ]
    assert {row.state for row in world.enrollments()} == {"finished"}


def test_an_arm_without_steps_leads_on(make_world: MakeWorld) -> None:
    """A branch whose else is not written passes by."""
    world = make_world(
        {
            "drip": SIGNUP
            + """\
steps:
  - key: fork
    branch:
      - when: state == "WI"
        steps: [{key: wi, mail: a}]
  - {key: all, at: +1d, mail: b}
"""
        }
    )
    world.apply("11-23 10:00")
    world.signs_up("nora", "11-23 10:00", state="NY")
    world.ticks("11-23 10:00", "11-24 10:00")
    assert world.sent == [("11-24 10:00", "nora", "all")]


def test_change_steps_change_the_person(make_world: MakeWorld) -> None:
    """Stage, tags and fields, in the order of the file."""
    world = make_world({"drip": drip("""
        {key: put, tag: [seen, new]}
        {key: take, at: +1d, untag: new}
        {key: move, at: +1d, set: {stage: onboarded}}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-25 10:00")
    assert [row.tag for row in world.rows("person_tag", "tag")] == ["seen"]
    assert [row.stage for row in world.rows("person", "stage")] == ["onboarded"]
    assert world.enrollment().state == "finished"


def test_a_step_may_end_the_subscription(make_world: MakeWorld) -> None:
    """`unsubscribe: entity` is an unsubscribe like any other; what follows is skipped by its reason."""
    world = make_world({"drip": drip("""
        {key: one, mail: a}
        {key: leave, at: +1d, unsubscribe: entity}
        {key: two, at: +1d, mail: b}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-25 10:00")
    assert world.log == [("maria", "one", "sent", None), ("maria", "two", "skipped", "unsubscribed")]


def test_a_step_may_suppress_until_the_person_is_active_again(make_world: MakeWorld) -> None:
    """`inactive` spares the topics it names and is lifted by any later activity."""
    world = make_world({
        "sunset": drip("{key: stop, suppress: {scope: entity, except: [deadlines], because: inactive}}"),
        "news": drip("{key: early, at: entry + 1d, mail: a}\n{key: later, at: entry + 4d, mail: b}"),
        "dates": "id: dates\nentity: rfs\ntopic: deadlines\nlanguages: [en]\nsend: {days: Mon-Sun, hours: any}\n"
        + drip("{key: soon, at: entry + 2d, mail: a}"),
    })  # fmt: skip
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-25 10:00")
    assert world.log == [("maria", "early", "skipped", "suppressed"), ("maria", "soon", "sent", None)]
    world.event(who, "replied", "11-26 10:00", active=True)
    world.tick("11-27 10:00")
    assert world.log[-1] == ("maria", "later", "sent", None)


def test_a_task_step_makes_one_task(make_world: MakeWorld) -> None:
    """With its title, for whom, and until when."""
    world = make_world({"drip": drip('{key: call, task: {title: "Call {{ given_name }}", for: region, due: 2d}}')})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    (task,) = world.rows("task", "title", "for", "due_at", "state")
    assert (task.title, task[1], local(task.due_at), task.state) == ("Call Maria", "region", "11-25 10:00", "open")


# -- waiting -----------------------------------------------------------------------------------------------------------

WAIT = drip("""
    {key: one, mail: a}
    {key: heard, at: +1d, wait_for: event("replied"), until: +3d}
    {key: two, mail: b}
""")


def test_a_wait_goes_on_when_it_comes_true(make_world: MakeWorld) -> None:
    """At once, not at the end of the wait."""
    world = make_world({"drip": WAIT})
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00")
    world.event(who, "replied", "11-25 12:00")
    world.tick()
    assert world.sent == [("11-23 10:00", "maria", "one"), ("11-25 12:00", "maria", "two")]
    assert ("heard", "done", None) in world.steps()


def test_a_wait_ends_at_until(make_world: MakeWorld) -> None:
    """`until: +3d` counts from when the wait began."""
    world = make_world({"drip": WAIT})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-27 09:59", "11-27 10:00")
    assert world.sent == [("11-23 10:00", "maria", "one"), ("11-27 10:00", "maria", "two")]
    assert ("heard", "timed_out", None) in world.steps()


def test_what_happened_before_the_wait_does_not_count(make_world: MakeWorld) -> None:
    """An old reply is no answer to this mail."""
    world = make_world({"drip": WAIT})
    world.apply("11-23 10:00")
    who = world.person("maria", "11-23 09:00")
    world.event(who, "replied", "11-23 09:30")
    world.signup(who, "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-24 11:00")
    assert [row[2] for row in world.sent] == ["one"]


def test_what_happened_since_the_step_above_counts(make_world: MakeWorld) -> None:
    """A reply that came before the wait's own time, but after the mail, is one."""
    world = make_world({"drip": WAIT})
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "11-23 10:00")
    world.tick("11-23 10:00")
    world.event(who, "replied", "11-23 18:00")
    world.ticks("11-23 18:00", "11-24 10:00")
    assert world.sent == [("11-23 10:00", "maria", "one"), ("11-24 10:00", "maria", "two")]


# -- dates -------------------------------------------------------------------------------------------------------------

CALENDAR = """\
intro_call:
  zone: America/New_York
  occurrences:
    - {key: intro-1, date: 2026-11-25, time: 19:00}
    - {key: intro-2, date: 2026-12-09, time: 19:00}
"""

INVITE = drip("""
    {key: invite, at: intro_call - 1d @ 10:00, mail: a, not_after: intro_call - 3h}
    {key: after, at: intro_call + 1d @ 10:00, mail: b}
""")


def test_a_calendar_name_means_the_next_occurrence_and_stays_it(make_world: MakeWorld) -> None:
    """Fixed when a step first needs it; what is planned behind it is about the same call."""
    world = make_world({"drip": INVITE}, calendar=CALENDAR)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 11:00")
    world.ticks("11-23 11:00", "11-24 10:00", "11-26 10:00")
    assert world.sent == [("11-24 10:00", "maria", "invite"), ("11-26 10:00", "maria", "after")]
    assert world.enrollment().anchors == {"intro_call": "intro-1"}


def test_an_occurrence_that_is_too_near_for_its_mail_is_not_taken(make_world: MakeWorld) -> None:
    """Three hours before the call the invitation is over; the one to the next call is not."""
    world = make_world({"drip": INVITE}, calendar=CALENDAR)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-25 17:00")
    world.ticks("11-25 17:00", "12-08 10:00", "12-10 10:00")
    assert world.sent == [("12-08 10:00", "maria", "invite"), ("12-10 10:00", "maria", "after")]
    assert world.enrollment().anchors == {"intro_call": "intro-2"}


def test_nothing_is_sent_when_a_date_is_missing(make_world: MakeWorld) -> None:
    """No date never becomes "now": the step is passed by with the reason, and the next one comes."""
    world = make_world({"drip": drip("""
        {key: call, at: custom.call_date - 1d, mail: a}
        {key: two, at: entry + 1d, mail: b}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00")
    assert world.sent == [("11-24 10:00", "maria", "two")]
    assert world.steps()[0] == ("call", "skipped", "no_anchor")


def test_nothing_is_sent_when_the_calendar_has_no_next_date(make_world: MakeWorld) -> None:
    """The last call is over and nobody entered the next one."""
    world = make_world({"drip": INVITE}, calendar=CALENDAR)
    world.apply("11-23 10:00")
    world.signs_up("maria", "12-10 10:00")
    world.ticks("12-10 10:00", "12-11 10:00")
    assert world.log == []
    assert world.steps() == [("after", "skipped", "no_anchor"), ("invite", "skipped", "no_anchor")]


def test_a_date_of_the_person_is_her_own(make_world: MakeWorld) -> None:
    """A custom field of the type date, on her clock."""
    world = make_world({"drip": drip("{key: call, at: custom.call_date - 1d @ 10:00, mail: a}")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00", custom={"call_date": "2026-11-27"})
    world.signs_up("ann", "11-23 10:00", custom={"call_date": "2026-11-28"}, zone="America/Los_Angeles")
    world.ticks("11-23 10:00", "11-26 09:59", "11-26 10:00", "11-27 12:59", "11-27 13:00")
    assert world.sent == [("11-26 10:00", "maria", "call"), ("11-27 13:00", "ann", "call")]


def test_entry_is_when_the_signup_happened(make_world: MakeWorld) -> None:
    """A late import counts by the row's own date: what was due before is too late or goes at once."""
    world = make_world({"drip": drip("""
        {key: one, mail: a}
        {key: two, at: entry + 5d, mail: b}
        {key: three, at: entry + 8d, mail: c}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    who = world.person("maria", "11-29 12:00")
    world.signup(who, "11-24 10:00")
    world.ticks("11-29 12:00", "12-02 10:00")
    assert world.sent == [("11-29 12:00", "maria", "two"), ("12-02 10:00", "maria", "three")]
    assert world.steps()[0] == ("one", "skipped", "too_late")


def test_a_campaign_ends_by_its_own_date(make_world: MakeWorld) -> None:
    """What would come behind `ends` does not come, and the enrollment says why."""
    world = make_world({"drip": drip("{key: one, mail: a}\n{key: two, at: +9d, mail: b}", ends="entry + 5d")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-28 09:59")
    assert world.enrollment().state == "active"
    world.ticks("11-28 10:00", "12-02 10:00")
    assert (world.enrollment().state, world.enrollment().ended_because) == ("exited", "ended")
    assert [row[2] for row in world.sent] == ["one"]


# -- too late ----------------------------------------------------------------------------------------------------------

DAY = """\
nrfod:
  zone: America/New_York
  occurrences:
    - {key: nrfod-2026, date: 2026-12-08}
"""

OCCASION = """\
entry: {per: nrfod, from: nrfod - 7d, to: nrfod @ 18:00%s}
steps:
  - {key: first, at: nrfod - 6d @ 10:00, mail: a, not_after: nrfod}
  - {key: second, at: nrfod - 4d @ 10:00, mail: b, not_after: nrfod}
  - {key: day, at: nrfod @ 10:00, mail: c}
"""


@pytest.mark.parametrize(
    ("late", "sent", "skipped"),
    [
        ("", ["day"], [("first", "missed"), ("second", "missed")]),
        (", late: join", ["day"], [("first", "missed"), ("second", "missed")]),
        (", late: catch_up", ["second", "day"], [("first", "missed")]),
    ],
)
def test_who_comes_in_the_middle_joins_at_the_next_step(
    make_world: MakeWorld, late: str, sent: list[str], skipped: list[tuple[str, str]]
) -> None:
    """`join` goes on at the next step ahead; `catch_up` also sends the one latest mail that was missed."""
    world = make_world({"drip": OCCASION % late}, calendar=DAY)
    world.apply("11-23 10:00")
    world.person("maria", "12-05 12:00")
    world.ticks("12-05 12:00", "12-06 12:00", "12-08 10:00")
    assert [row[2] for row in world.sent] == sent
    assert [(step, reason) for step, outcome, reason in world.steps() if outcome == "skipped"] == skipped


def test_who_comes_too_late_is_not_taken_where_the_campaign_says_so(make_world: MakeWorld) -> None:
    """`late: skip` ends the enrollment with its reason; who was there in time gets everything."""
    world = make_world({"drip": OCCASION % ", late: skip"}, calendar=DAY)
    world.settings_are(caps=world.app.settings.caps.model_copy(update={"per_week": 0}))
    world.apply("11-23 10:00")
    world.person("ann", "11-30 12:00")
    world.ticks("12-01 10:00", "12-02 10:00", "12-04 10:00")
    world.person("maria", "12-05 12:00")
    world.ticks("12-05 12:00", "12-08 10:00")
    assert [row[1:] for row in world.sent] == [("ann", "first"), ("ann", "second"), ("ann", "day")]
    ann, maria = world.enrollments()
    assert (ann.state, maria.state, maria.ended_because) == ("finished", "exited", "late")


def test_missed_tasks_and_branches_are_passed_by_too(make_world: MakeWorld) -> None:
    """Nobody is asked to call her two weeks before a day that is tomorrow."""
    world = make_world({"drip": """\
entry: {per: nrfod, from: nrfod - 7d, to: nrfod @ 18:00}
steps:
  - {key: call, at: nrfod - 6d, task: {title: "Call {{ given_name }}"}}
  - key: fork
    at: nrfod - 5d
    branch:
      - when: stage == "signed_up"
        steps: [{key: inside, mail: a}]
  - {key: day, at: nrfod @ 10:00, mail: c}
"""}, calendar=DAY)  # fmt: skip
    world.apply("11-23 10:00")
    world.person("maria", "12-06 12:00")
    world.ticks("12-06 12:00", "12-08 10:00")
    assert [row[2] for row in world.sent] == ["day"]
    assert world.rows("task", "id") == []


def test_a_mail_that_is_too_late_is_not_queued(make_world: MakeWorld) -> None:
    """After a long outage nothing stale goes out; the steps stay on record with the reason."""
    world = make_world({"drip": drip("""
        {key: one, at: entry + 1d, mail: a}
        {key: two, at: entry + 2d, mail: b, not_after: entry + 9d}
    """)})  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-30 10:00")
    assert world.sent == [("11-30 10:00", "maria", "two")]
    assert world.steps()[0] == ("one", "skipped", "too_late")


# -- edits -------------------------------------------------------------------------------------------------------------


def test_a_renamed_step_keeps_its_people(make_world: MakeWorld) -> None:
    """`was` is the same step under another key."""
    world = make_world({"drip": TWO})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.apply("11-24 10:00", drip=TWO.replace("{key: two,", "{key: deux, was: two,"))
    world.tick("11-26 10:00")
    assert [row[2] for row in world.sent] == ["one", "deux"]


def test_a_renamed_step_that_was_taken_is_not_taken_again(make_world: MakeWorld) -> None:
    """Who had the mail under its old key does not get it under its new one."""
    world = make_world({"drip": TWO})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    changed = TWO.replace("{key: one,", "{key: uno, was: one,").replace("{key: two, at: +3d", "{key: two, at: +3d")
    world.apply("11-24 10:00", drip=changed)
    world.tick("11-26 10:00")
    assert [row[2] for row in world.sent] == ["one", "two"]


HELD = drip("""
    {key: one, mail: a}
    {key: two, at: entry + 1h, mail: b, send: {hours: "09:00-20:00"}}
    {key: three, at: entry + 9d, mail: c}
""")
"""The cap of the day keeps `two` in the outbox until tomorrow morning."""


def test_a_renamed_step_that_is_queued_goes_by_its_rules(make_world: MakeWorld) -> None:
    """A delivery in the outbox carries the old key; the hours of its step hold all the same."""
    world = make_world({"drip": HELD})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    world.apply("11-23 22:00", drip=HELD.replace("{key: two,", "{key: deux, was: two,"))
    with world.store.begin() as connection:  # somebody let it go at once
        connection.execute(TABLES["delivery"].update().values(next_at=world.now, not_before=None))
    world.tick("11-24 05:00")
    assert world.log[1] == ("maria", "two", "queued", "held_hours")
    world.tick("11-24 09:00")
    assert world.sent[1] == ("11-24 09:00", "maria", "two")


def test_a_step_that_is_gone_hands_its_people_to_the_next(make_world: MakeWorld) -> None:
    """And it stays on record why she never got it."""
    three = drip("{key: one, mail: a}\n{key: two, at: +3d, mail: b}\n{key: three, at: entry + 5d, mail: c}")
    world = make_world({"drip": three})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.apply("11-24 10:00", drip=drip("{key: one, mail: a}\n{key: three, at: entry + 5d, mail: c}"))
    world.ticks("11-26 10:00", "11-28 10:00")
    assert [row[2] for row in world.sent] == ["one", "three"]
    assert ("two", "skipped", "step_removed") in world.steps()


def test_a_step_of_a_revision_in_between_hands_over_too(make_world: MakeWorld) -> None:
    """She entered before the step was there, stood at it, and it is gone again."""
    world = make_world({"drip": drip("{key: one, mail: a}\n{key: last, at: entry + 5d, mail: c}")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    between = drip("{key: one, mail: a}\n{key: between, at: +2d, mail: b}\n{key: last, at: entry + 5d, mail: c}")
    world.apply("11-23 10:00", drip=between)
    world.tick("11-23 10:00")
    world.apply("11-24 10:00", drip=drip("{key: one, mail: a}\n{key: last, at: entry + 5d, mail: c}"))
    world.ticks("11-25 10:00", "11-28 10:00")
    assert [row[2] for row in world.sent] == ["one", "last"]


def test_a_step_that_is_gone_with_what_its_revision_named(make_world: MakeWorld) -> None:
    """An old revision may name what is no longer there; its people go on all the same."""
    old = drip('{key: one, mail: a}\n{key: two, at: +3d, when: in_campaign("other"), mail: b}\n'
               "{key: three, at: entry + 5d, mail: c}")  # fmt: skip
    world = make_world({"drip": old, "other": drip("{key: x, at: entry + 99d, mail: a}")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.campaigns["drip"] = drip("{key: one, mail: a}\n{key: three, at: entry + 5d, mail: c}")
    world.remove("other", "11-24 10:00")
    world.ticks("11-26 10:00", "11-28 10:00")
    assert [row[2] for row in world.sent] == ["one", "three"]


def test_who_is_pinned_finishes_on_the_revision_entered(make_world: MakeWorld) -> None:
    """`on_edit: pin`: the old steps for her, the new ones for whoever comes later."""
    pinned = TWO + "on_edit: pin\n"
    world = make_world({"drip": pinned})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    changed = drip("{key: one, mail: a}\n{key: other, at: +3d, mail: c}") + "on_edit: pin\n"
    world.apply("11-24 10:00", drip=changed)
    world.signs_up("ann", "11-24 10:00")
    world.ticks("11-24 10:00", "11-26 10:00", "11-27 10:00")
    assert [row[1:] for row in world.sent] == [
        ("maria", "one"), ("ann", "one"), ("maria", "two"), ("ann", "other"),
    ]  # fmt: skip


def test_who_is_pinned_finishes_under_the_new_name_of_the_campaign(make_world: MakeWorld) -> None:
    """A campaign that is renamed while somebody is under way still sends her its next mail."""
    pinned = TWO + "on_edit: pin\n"
    world = make_world({"drip": pinned})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    del world.campaigns["drip"]
    world.apply("11-24 10:00", trickle=f"was: drip\n{pinned}")
    world.ticks("11-24 10:00", "11-26 10:00")
    assert [row[1:] for row in world.sent] == [("maria", "one"), ("maria", "two")]
    assert {row.campaign_id for row in world.deliveries()} == {"trickle"}


def test_a_pinned_step_keeps_its_hours(make_world: MakeWorld) -> None:
    """The rules of a mail are those of the revision it goes by."""
    world = make_world({"drip": HELD + "on_edit: pin\n"})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    world.apply("11-23 22:00", drip=drip("{key: other, mail: b}") + "on_edit: pin\n")
    with world.store.begin() as connection:  # somebody let it go at once
        connection.execute(TABLES["delivery"].update().values(next_at=world.now, not_before=None))
    world.tick("11-24 05:00")
    assert world.log[1] == ("maria", "two", "queued", "held_hours")
    world.tick("11-24 09:00")
    assert world.sent[1] == ("11-24 09:00", "maria", "two")


def test_a_queued_mail_of_a_step_that_is_gone_is_skipped(make_world: MakeWorld) -> None:
    """It was written for a campaign that is no longer so."""
    world = make_world({"drip": HELD})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    world.apply("11-23 22:00", drip=drip("{key: one, mail: a}\n{key: three, at: entry + 9d, mail: c}"))
    world.tick("11-24 09:00")
    assert world.log == [("maria", "one", "sent", None), ("maria", "two", "skipped", "step_removed")]


def test_a_campaign_that_is_gone_sends_nothing_more(make_world: MakeWorld) -> None:
    """What it had in the outbox is skipped by that reason; its enrollments stand still, in case it comes back."""
    world = make_world({"drip": HELD, "other": drip("{key: x, at: entry + 99d, mail: a}")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    kept = world.campaigns["drip"]
    world.remove("drip", "11-23 22:00")
    world.ticks("11-24 09:00", "11-30 10:00")
    assert world.log == [("maria", "one", "sent", None), ("maria", "two", "skipped", "campaign_removed")]
    world.apply("12-01 10:00", drip=kept)
    world.ticks("12-01 10:00", "12-02 10:00")
    assert world.log[-1] == ("maria", "three", "sent", None)


# -- twice -------------------------------------------------------------------------------------------------------------


def test_advancing_twice_changes_nothing(make_world: MakeWorld, store: Store) -> None:
    """The record of steps is the idempotence."""
    world = make_world({"drip": BRANCH}, store=store)
    world.apply("11-23 10:00")
    for number in range(5):
        world.signs_up(f"p{number}", "11-23 10:00", state=("WI", "TX", "NY")[number % 3])
    world.tick("11-24 10:00")
    before = (world.log, world.enrollments(), world.steps())
    assert advance(store, now=world.now).looked_at == 0
    world.tick()
    assert (world.log, world.enrollments(), world.steps()) == before


def test_a_variant_stays_the_same_and_keeps_to_its_weights() -> None:
    """By enrollment and step, so that a second look shows the same mail."""
    chosen = [choose_variant({"plain": 3, "urgent": 1}, number, "t3") for number in range(2_000)]
    assert chosen == [choose_variant({"plain": 3, "urgent": 1}, number, "t3") for number in range(2_000)]
    assert set(chosen) == {"", "urgent"}
    assert 400 < chosen.count("urgent") < 600
    assert choose_variant({}, 1, "t3") == ""


def test_a_world_that_never_was_applied_does_nothing(make_world: MakeWorld) -> None:
    """Before the first apply there is nothing to do, and no error."""
    world: World = make_world({"drip": TWO})
    world.signs_up("maria", "11-23 10:00")
    assert world.tick().advanced == 0
    assert at("11-23 10:00") == world.now
