"""Why she got it, and why he did not: the same words for staff whatever happened."""

from rfs_mail.engine import blocklist, desk, pause
from rfs_mail.engine.explain import CampaignAnswer, Explanation, StepAnswer, explain
from rfs_mail.engine.gate import Rules
from rfs_mail.store import suppressions
from rfs_mail.store.database import Store
from tests.engine.conftest import MakeWorld
from tests.world import World, at

WELCOME = """
audience:
  - stage in ["signed_up", "onboarded"]
entry: {event: signup}
steps:
  - {key: hello, mail: a}
  - {key: offices, at: entry + 2d @ 10:00, mail: b}
  - {key: vips, at: entry + 3d @ 10:00, mail: c, when: tag("vip")}
goal: stage >= "exploring"
ends: entry + 30d
"""


def ask(
    world: World, email: str = "maria@example.org", campaign: str | None = None, step: str | None = None
) -> Explanation:
    with world.store.read() as connection:
        rules = Rules(world.app.caps, world.app.settings.only_to)
        return explain(connection, email, campaign=campaign, step=step, rules=rules, now=world.now)


def of(world: World, campaign: str = "welcome", email: str = "maria@example.org") -> CampaignAnswer:
    (answer,) = ask(world, email, campaign).campaigns
    return answer


def steps(answer: CampaignAnswer) -> dict[str, StepAnswer]:
    return {step.key: step for step in answer.enrollments[0].steps}


def why(answer: CampaignAnswer) -> list[str]:
    return [obstacle.told.sentence for obstacle in answer.obstacles]


def test_each_step_says_what_became_of_it(make_world: MakeWorld, store: Store) -> None:
    """Sent is sent and planned is planned, with the clock of the person; on both databases."""
    world = make_world({"welcome": WELCOME}, store=store)
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    answer = of(world)
    (enrollment,) = answer.enrollments
    assert enrollment.sentence == "entered Mon 23 Nov 10:00 her time (by her sign-up), goes on"
    assert [(step.key, step.state, step.at) for step in enrollment.steps] == [
        ("hello", "sent", at("11-23 10:00")),
        ("offices", "planned", at("11-25 10:00")),
        ("vips", "planned", at("11-26 10:00")),
    ]
    assert steps(answer)["vips"].sentence == '3 days after she enters, 10:00 her time; if then tag("vip")'


def test_a_capped_mail_says_how_many_and_when_it_goes(make_world: MakeWorld) -> None:
    """The sentence has the numbers it was decided on, the line below says what comes next."""
    body = "entry: {event: signup}\nsteps: [{key: hello, mail: a}, {key: t3, at: entry + 1min, mail: b}]"
    world = make_world({"welcome": body})
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 10:05")
    t3 = steps(of(world))["t3"]
    assert (t3.state, t3.reason) == ("not sent", "held_cap")
    assert t3.sentence == "capped: she had 1 mail today (the cap is 1 a day)"
    assert t3.remedy == "goes Tue 24 Nov 00:00 her time if nothing else is sent first"


def test_the_gate_is_asked_before_the_mail_is_tried(make_world: MakeWorld) -> None:
    """What is queued says what would happen now, though nobody has tried to send it yet."""
    world = make_world({"welcome": WELCOME})
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.now = at("11-25 10:00")
    world.settings_are(only_to=("@ourorg.example.org",))
    world.tick()
    offices = steps(of(world))["offices"]
    assert (offices.state, offices.reason) == ("not sent", "not_only_to")
    assert offices.sentence == "`only_to` lets mail go to @ourorg.example.org alone"
    assert offices.delivery_id == world.delivery("offices").id


def test_a_when_that_was_false_is_told_and_can_be_asked_again(make_world: MakeWorld) -> None:
    """A skipped step keeps its condition; asked about the step, each part is answered as of now."""
    world = make_world({"welcome": WELCOME})
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-25 10:00", "11-26 10:00")
    (answer,) = ask(world, campaign="welcome", step="vips").campaigns
    (vips,) = answer.enrollments[0].steps
    assert (vips.state, vips.sentence) == ("not sent", 'its `when` was false: tag("vip")')
    assert [(line.role, line.holds, line.text) for line in vips.lines] == [("when", False, 'tag("vip")')]


def test_an_end_is_told_and_what_came_behind_it(make_world: MakeWorld) -> None:
    """Who reached the goal is out of it; the steps behind were not reached."""
    world = make_world({"welcome": WELCOME})
    world.apply("11-23 09:00")
    maria = world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.stage(maria, "exploring", "11-24 12:00")
    world.tick()
    answer = of(world)
    assert answer.enrollments[0].sentence == (
        "entered Mon 23 Nov 10:00 her time (by her sign-up), "
        'ended Tue 24 Nov 12:00 her time: the goal was reached: stage >= "exploring"'
    )
    assert {key: step.state for key, step in steps(answer).items()} == {
        "hello": "sent", "offices": "not reached", "vips": "not reached",
    }  # fmt: skip


def test_never_entered_is_answered_line_by_line(make_world: MakeWorld) -> None:
    """The audience with what was looked at, and the event that was missing."""
    world = make_world({"welcome": WELCOME})
    world.apply("11-23 09:00")
    world.person("maria", "11-23 10:00", stage="filed")
    answer = of(world)
    assert not answer.entered
    assert why(answer) == [
        'the audience does not hold: stage in ["signed_up", "onboarded"]',
        'the goal was reached: stage >= "exploring"',
        "nothing started it: no sign-up of hers is known",
    ]
    assert [(line.role, line.holds, line.parts[0].seen) for line in answer.lines] == [
        ("audience", False, "stage is filed"), ("goal", True, "stage is filed"),
    ]  # fmt: skip


def test_an_event_before_the_first_apply_does_not_count(make_world: MakeWorld) -> None:
    """A sign-up from before is named with its date, and with what takes such people in."""
    world = make_world({"welcome": WELCOME})
    maria = world.person("maria", "11-20 10:00")
    world.signup(maria)
    world.apply("11-23 09:00")
    (obstacle,) = of(world).obstacles
    assert obstacle.told.sentence == (
        "it happened Fri 20 Nov 10:00 her time, before the campaign was first applied (Mon 23 Nov 09:00 her time)"
    )
    assert obstacle.told.remedy == "`entry: {existing: all}` takes them in."


def test_who_may_not_be_mailed_is_told_first(make_world: MakeWorld) -> None:
    """Consent, staff's word, a suppression and a topic each keep her out, in the gate's order."""
    world = make_world({"welcome": WELCOME})
    world.apply("11-23 09:00")
    world.signs_up("ana", entities=())
    world.signs_up("bo")
    world.signs_up("cy")
    dora = world.signs_up("dora")
    desk.stop(world.store, "bo@example.org", because="she asked by phone", now=world.now)
    key = world.app.suppression_key
    with world.store.begin() as connection:
        suppressions.leave_topic(connection, dora, "running", now=world.now)
        rows = {row.address: row for row in world.rows("person", "address", "address_hash")}
        hashed = rows["cy@example.org"].address_hash
        suppressions.suppress(connection, hashed, scope="all", reason="complained", source="arf", now=world.now)
    assert {name: why(of(world, email=f"{name}@example.org"))[0] for name in ("ana", "bo", "cy", "dora")} == {
        "ana": "no consent for rfs is recorded",
        "bo": "staff stopped all mail: she asked by phone",
        "cy": "the address is suppressed (complained since Mon 23 Nov 09:00 her time)",
        "dora": 'left the topic "running"',
    }
    assert blocklist.search(world.store, address=None, reason=None, lifted=False, limit=5, key=key)


def test_nothing_in_the_way_is_said_too(make_world: MakeWorld) -> None:
    """Somebody whom the next pass takes in has no obstacle."""
    world = make_world({"welcome": WELCOME})
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    assert of(world).obstacles == ()


def test_a_paused_campaign_says_who_paused_it(make_world: MakeWorld) -> None:
    """Whoever is in it learns why nothing comes; whoever is not, why nobody is taken in."""
    world = make_world({"welcome": WELCOME})
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.person("noor")
    world.tick()
    pause.pause(world.store, "welcome", because="wrong date in it", by="ana", now=world.now)
    assert why(of(world)) == ["the campaign is paused by ana: wrong date in it"]
    assert why(of(world, email="noor@example.org"))[-1] == "the campaign is paused by ana: wrong date in it"


def test_the_holdout_is_told_as_what_it_is(make_world: MakeWorld) -> None:
    """Kept out on purpose reads as that, and has no steps."""
    world = make_world({"welcome": WELCOME + "holdout: 99%\n"})
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    (enrollment,) = of(world).enrollments
    assert (enrollment.state, enrollment.steps) == ("holdout", ())
    assert enrollment.sentence == ("in the holdout group (99%), kept out on purpose since Mon 23 Nov 10:00 her time")


def test_a_date_that_has_not_come_is_named(make_world: MakeWorld) -> None:
    """Before its time, a campaign per calendar name says from when it takes people in."""
    body = "entry: {per: nrfod, from: nrfod - 5d}\nsteps: [{key: teaser, at: nrfod - 5d @ 11:00, mail: a}]"
    world = make_world({"nrfod": body})
    world.apply("11-23 09:00")
    world.person("maria")
    assert why(of(world, "nrfod")) == [
        "nothing started it: the campaign takes people in from Thu 4 Nov 2027 00:00 her time on"
    ]


def test_branches_and_waits_are_foreseen(make_world: MakeWorld) -> None:
    """What lies ahead follows the arm that holds now, and says until when a wait waits."""
    body = """
entry: {event: signup}
steps:
  - key: heard
    at: entry + 1d
    wait_for: attended("intro_call")
    until: +3d
  - key: after
    branch:
      - when: attended("intro_call")
        steps: [{key: one, mail: a}]
    else: [{key: other, at: +2d @ 10:00, mail: b}]
"""
    world = make_world({"welcome": body})
    world.apply("11-23 09:00")
    maria = world.signs_up("maria", "11-23 10:00")
    world.tick()
    assert [(step.key, step.state, step.at) for step in of(world).enrollments[0].steps] == [
        ("heard", "planned", at("11-24 10:00")),
        ("after", "planned", at("11-27 10:00")),
        ("one", "not reached", None),
        ("other", "planned", at("11-29 10:00")),
    ]
    world.event(maria, "attended", "11-25 10:00", ref="intro_call")
    world.tick()
    assert [(step.key, step.state, step.sentence) for step in of(world).enrollments[0].steps] == [
        ("heard", "done", ""),
        ("after", "done", "took arm 1"),
        ("one", "sent", ""),
        ("other", "not reached", "her way through the campaign had ended"),
    ]


def test_a_campaign_that_was_removed_still_answers(make_world: MakeWorld) -> None:
    """Who was in it sees what she got; who was not is not bothered with it."""
    world = make_world({"welcome": WELCOME, "other": WELCOME.replace("signup", "never")})
    world.apply("11-23 09:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.person("noor")
    world.remove("welcome", "11-24 10:00")
    world.tick()
    answer = of(world)
    assert (answer.state, steps(answer)["hello"].state) == ("removed", "sent")
    assert [one.campaign for one in ask(world, "noor@example.org").campaigns] == ["other"]
