"""A campaign read once: what the engine asks, parsed; what depends on time, known."""

import pytest

from rfs_mail.core.campaign import (
    Arm,
    Branch,
    Calendar,
    Campaign,
    Entry,
    Exit,
    FieldSpec,
    Goal,
    Mail,
    ReleaseContent,
    Send,
    Step,
    StepSend,
    Wait,
)
from rfs_mail.core.script import Script, read_script, vocabulary
from rfs_mail.errors import ExpressionError, TimeError

CONTENT = ReleaseContent(
    segments={"wisconsin": 'state == "WI"'},
    fields={
        "call_date": FieldSpec(slug="call_date", type="date"),
        "hours": FieldSpec(slug="hours", type="number"),
    },
    calendars={"nrfod": Calendar(name="nrfod")},
)


def script(**changes: object) -> Script:
    """The script of a small campaign, some of it changed."""
    base = Campaign(
        id="drip", entity="rfs", topic="running", languages=("en",), entry=Entry(kind="person"),
        steps=(Step(key="one", action=Mail(template="drip/one")),),
    )  # fmt: skip
    return read_script(base.model_copy(update=changes), CONTENT, {"drip": ("one",)})


def test_everything_is_parsed_by_its_step() -> None:
    """Conditions, arms, waits and times; arms' steps too."""
    steps = (
        Step(key="wait", at="+1d", action=Wait(wait_for='tag("x")', until="+3d")),
        Step(key="fork", when='state == "WI"', action=Branch(
            arms=(Arm(when='tag("y")', steps=(
                Step(key="last", at="nrfod - 2d @ 10:00", action=Mail(
                    template="drip/last", not_after="nrfod", priority="deadline")),
            )),),
        )),
    )  # fmt: skip
    read = script(steps=steps, ends="entry + 60d", reentry="90d", send=Send(rate="600/h"))
    assert (set(read.waits), set(read.whens), {key: len(arms) for key, arms in read.arms.items()}) == (
        {"wait"}, {"fork"}, {"fork": 1},
    )  # fmt: skip
    assert read.times["last"].names == {"nrfod"}
    assert read.times["wait"].until is not None
    assert read.times["wait"].until.is_relative
    assert (read.deadline_steps, set(read.rules)) == (("last",), {"last"})
    assert read.rate is not None
    assert read.rate.per_second == pytest.approx(600 / 3600)
    assert read.ends is not None
    assert read.reentry is not None


def test_a_step_may_lift_the_campaigns_hours() -> None:
    """One of the two, or both; what it does not say is the campaign's."""
    plain = Step(key="one", action=Mail(template="drip/one"))
    any_hour = Step(key="two", action=Mail(template="drip/two", send=StepSend(hours="any")))
    rules = script(steps=(plain, any_hour), send=Send(days="Mon-Fri", hours="09:00-17:00")).rules
    assert str(rules["one"].days) == str(rules["two"].days)
    assert str(rules["one"].hours) != str(rules["two"].hours)


@pytest.mark.parametrize(
    ("changes", "entering", "ending"),
    [
        ({"audience": ('state == "WI"',)}, False, False),
        ({"audience": ("age(signed_up_at) > 7d",)}, True, False),
        ({"exclude": ("mails(within=180d) >= 6",)}, True, False),
        ({"goal": Goal(when="age(signed_up_at) > 7d")}, False, True),
        ({"exit": (Exit(when='tag("x")'), Exit(when="not active(within=180d)"))}, False, True),
        ({"while_": "age(signed_up_at) < 90d"}, False, True),
        ({"goal": Goal(when='stage == "filed"')}, False, False),
    ],
)
def test_what_time_alone_can_turn_is_known(changes: dict[str, object], entering: bool, ending: bool) -> None:
    """Only that is looked at every day."""
    read = script(**changes)
    assert (read.audience_moves_with_time, read.ending_moves_with_time) == (entering, ending)


def test_anchors_are_those_of_the_release() -> None:
    """Calendar names and the date fields of people; a number is no date."""
    for at in ("nrfod - 2d", "custom.call_date - 1d"):
        assert script(steps=(Step(key="one", at=at, action=Mail(template="drip/one")),)).times["one"].at is not None
    for at in ("custom.hours - 1d", "midsummer - 2d"):
        with pytest.raises(TimeError):
            script(steps=(Step(key="one", at=at, action=Mail(template="drip/one")),))


def test_only_inside_an_enrollment_are_its_mails_known() -> None:
    """`received("one")` makes no sense at the door."""
    assert script(goal=Goal(when='clicked("one")')).goal is not None
    with pytest.raises(ExpressionError):
        script(audience=('clicked("one")',))


def test_a_segment_is_known_by_its_name() -> None:
    """And one that is not there is an error that names it."""
    assert script(audience=('segment("wisconsin")',)).audience
    with pytest.raises(ExpressionError, match="texas"):
        script(audience=('segment("texas")',))


def test_the_vocabulary_of_the_command_line_has_no_campaign() -> None:
    """A segment or a question of staff stands for itself."""
    words = vocabulary(None, CONTENT, {"drip": ("one",)}, in_enrollment=False)
    assert (words.steps, dict(words.campaigns), words.in_window) == ((), {"drip": ("one",)}, False)
