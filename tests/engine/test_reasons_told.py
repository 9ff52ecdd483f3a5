"""Whatever the engine writes down as a reason reads as a whole sentence: every value it needs is beside it."""

from datetime import timedelta

import pytest

from rfs_mail.core.reasons import Reason, remedy, sentence
from rfs_mail.core.verdict import Phase, Uncertain, Verdict, from_reply
from rfs_mail.store import people
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import DAY, OCCASION, drip
from tests.world import World

CAPPED = drip("""
    {key: one, mail: a}
    {key: two, at: entry + 1h, mail: b}
    {key: three, at: entry + 1h, when: state == "TX", mail: c}
    {key: four, at: custom.call_date - 1d, mail: c}
""")


def told(world: World) -> dict[str, str]:
    """Reason -> its sentence and remedy, of everything on record; none may have a gap."""
    found = [(row.reason, row.detail) for row in world.deliveries()]
    found += world.rows("step_done", "reason", "detail")
    found += [(row.ended_because, row.ended_detail) for row in world.enrollments()]
    sentences = {
        reason: f"{sentence(reason, detail)} | {remedy(reason, detail)}"
        for reason, detail in found
        if reason is not None
    }
    assert {reason: said for reason, said in sentences.items() if "?" in said} == {}
    return sentences


def test_holds_and_skips_are_told(make_world: MakeWorld) -> None:
    """Of caps, dates, conditions and pauses."""
    world = make_world(
        {"drip": CAPPED, "night": drip('{key: n, at: entry + 12h, mail: a, send: {hours: "09:00-10:00"}}')}
    )
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    assert told(world)["held_cap"] == (
        "capped: she had 1 mail today (the cap is 1 a day) | "
        "goes 2026-11-24T05:00:00+00:00 if nothing else is sent first"
    )
    world.pause("drip")
    world.tick("11-28 10:00")
    world.resume("drip")
    world.ticks("11-29 10:00", "11-30 10:00")
    assert {"too_late", "when_false", "no_anchor"} <= told(world).keys()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (from_reply(Phase.RCPT, 550, "5.1.1 no such user"), Reason.REJECTED),
        (from_reply(Phase.RCPT, 451, "4.7.1 greylisted"), Reason.DEFERRED),
        (from_reply(Phase.MAIL, 550, "5.7.1 go away"), Reason.RELAY),
        (Uncertain("timed out"), Reason.SILENCE),
    ],
)
def test_answers_of_the_far_side_are_told(make_world: MakeWorld, answer: Verdict, reason: Reason) -> None:
    """With its own words."""
    world = make_world({"drip": drip("{key: one, mail: a}")})
    world.apply("11-23 10:00")
    world.transport.script("maria@example.org", answer)
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    said = told(world)
    assert said.keys() == {reason.value}
    assert answer.text in said[reason] or reason is Reason.SILENCE


def test_giving_up_is_told(make_world: MakeWorld) -> None:
    """After how long, and with what answer."""
    world = make_world({"drip": drip("{key: one, mail: a, not_after: entry + 9d}")})
    world.apply("11-23 10:00")
    world.transport.script("maria@example.org", *[from_reply(Phase.RCPT, 451, "4.3.2 later")] * 50)
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    while world.delivery("one").state == "queued":
        world.tick(world.delivery("one").next_at)
    assert told(world).keys() == {"gave_up"}


def test_endings_are_told(make_world: MakeWorld) -> None:
    """Goal, exit, `while`, the campaign's own end, coming too late, being kept out."""
    one = "{key: one, at: entry + 9d, mail: a}"
    world = make_world({
        "goal": drip(one) + 'goal: tag("done")\n',
        "out": drip(one) + 'exit:\n  - when: tag("done")\n',
        "stays": drip(one) + 'while: not tag("done")\n',
        "over": drip("{key: one, mail: a}\n{key: two, at: +9d, mail: b}", ends="entry + 2d"),
        "held_out": drip(one) + "holdout: 99%\n",
        "day": OCCASION % ", late: skip",
    }, calendar=DAY)  # fmt: skip
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "12-05 10:00")
    world.tick()
    with world.store.begin() as connection:
        people.add_tag(connection, who, "done", now=world.now)
    world.tick()
    world.tick(world.now + timedelta(days=3))
    assert told(world).keys() == {"goal_reached", "exited", "while_ended", "ended", "holdout", "late"}
