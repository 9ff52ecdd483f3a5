"""Campaign files as values, and every mistake of shape at its place."""

from pathlib import Path

import pytest

from rfs_mail.core.campaign import (
    Branch,
    Campaign,
    Change,
    ChangeStep,
    Entry,
    Exit,
    Goal,
    Mail,
    Send,
    Step,
    StepSend,
    Suppress,
    TaskSpec,
    Wait,
)
from tests.project_samples import COUNTDOWN, WELCOME, make_project

HEAD = "id: welcome\nentity: rfs\ntopic: running\nentry: {event: signup}\n"


def _campaign(folder: Path, text: str, **files: str) -> Campaign:
    project = make_project(folder, text, **files)
    assert project.findings == ()
    return next(iter(project.campaigns.values()))


def _said(folder: Path, text: str, **files: str) -> list[str]:
    project = make_project(folder, text, **files)
    assert not any(draft.whole for draft in project.drafts)
    return [str(finding).removeprefix("campaigns/welcome.yaml:") for finding in project.findings]


def test_a_campaign_is_read_whole(tmp_path: Path) -> None:
    """Every part of the reference example arrives as it was meant."""
    campaign = _campaign(tmp_path, COUNTDOWN)
    assert (campaign.id, campaign.entity, campaign.topic) == ("filing_countdown", "rfs", "deadlines")
    assert campaign.languages == ("en", "es")
    assert campaign.audience == ('stage in ["onboarded", "exploring", "committed", "circulating"]',)
    wanted = Entry(
        kind="filing_window",
        from_="closes - 45d",
        require='window.confidence >= "computed"',
        existing="all",
        late="join",
    )
    assert wanted == campaign.entry
    steps = {step.key: step for step in campaign.walk()}
    assert list(steps) == ["gather", "route", "signatures", "fee", "call_them", "t7", "t3", "t1", "did_you"]
    route = steps["route"].action
    assert isinstance(route, Branch)
    assert [arm.when for arm in route.arms] == ["window.petition_due is not none"]
    assert [step.key for step in route.otherwise] == ["fee"]
    t3 = Mail(
        template="filing_countdown/t3",
        variants={"plain": 1, "urgent": 1},
        priority="deadline",
        not_after="closes - 30h",
    )
    assert t3 == steps["t3"].action
    did_you = steps["did_you"].action
    assert isinstance(did_you, Mail)
    assert did_you.answers == {
        "filed": Change(set={"stage": "filed"}),
        "need_help": Change(task=TaskSpec(title="{{ given_name }} did not file: ask why", for_="region")),
        "not_this_time": Change(set={"stage": "not_now"}),
    }
    assert campaign.goal == Goal(when="filed(window)")
    assert campaign.exit == (Exit(when='window.status == "cancelled"'),)
    assert campaign.ends == "closes + 3d"


def test_steps_of_every_kind(tmp_path: Path) -> None:
    """Waits, changes, suppressions, own hours and second subjects are read."""
    text = HEAD + (
        "steps:\n"
        "  - {key: a, mail: other/hello, subject: again, send: {hours: any, days: any}, cap: exempt, backfill: yes}\n"
        "  - {key: b, was: old, wait_for: endorsable, until: +3d}\n"
        "  - {key: c, set: {stage: not_now}, tag: [one, two], untag: three}\n"
        "  - {key: d, unsubscribe: topic}\n"
        "  - {key: e, suppress: {scope: entity, except: [deadlines], because: inactive}}\n"
        "  - {key: f, at: +1d, when: endorsable, task: Call them}\n"
    )
    expected = (
        Step(
            key="a",
            action=Mail(
                template="other/hello",
                subject="again",
                send=StepSend(days="any", hours="any"),
                cap="exempt",
                backfill=True,
            ),
        ),
        Step(key="b", was="old", action=Wait(wait_for="endorsable", until="+3d")),
        Step(key="c", action=ChangeStep(change=Change(set={"stage": "not_now"}, tag=("one", "two"), untag=("three",)))),
        Step(key="d", action=ChangeStep(change=Change(unsubscribe="topic"))),
        Step(key="e", action=ChangeStep(change=Change(suppress=Suppress(scope="entity", except_=("deadlines",))))),
    )
    steps = _campaign(tmp_path, text).steps
    assert expected == steps[:-1]
    assert steps[-1].when == "endorsable"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{event: signup}", Entry(kind="event", event="signup")),
        ("{event: signup, existing: all}", Entry(kind="event", event="signup", existing="all")),
        ("{stage: filed, per: filing_window}", Entry(kind="event", stage="filed", per_window=True)),
        ("{per: person}", Entry(kind="person", existing="all")),
        ("{per: person, existing: 500/d, late: catch_up}", Entry(kind="person", existing=500, late="catch_up")),
        (
            "{per: nrfod, from: nrfod - 5d, to: nrfod @ 18:00, late: skip}",
            Entry(
                kind="calendar", calendar="nrfod", from_="nrfod - 5d", to="nrfod @ 18:00", existing="all", late="skip"
            ),
        ),
    ],
)
def test_every_form_of_entry(tmp_path: Path, entry: str, expected: Entry) -> None:
    """Events skip those who qualify already, dates take them; a number is so many a day."""
    text = HEAD.replace("{event: signup}", entry) + "steps: [{key: hello, mail: hello}]\n"
    assert expected == _campaign(tmp_path, text).entry


def test_defaults_fill_what_a_campaign_leaves_out(tmp_path: Path) -> None:
    """Key by key in `send` and `entry`, whole elsewhere; the campaign wins; languages are the entity's."""
    defaults = (
        "send: {days: Mon-Fri, hours: 10:00-12:00}\nentry: {late: skip}\non_edit: pin\non_uncertain: hold\n"
        "topic: deadlines\nholdout: 10%\nreentry: after 30d\n"
    )
    campaign = _campaign(tmp_path, WELCOME + "send: {hours: 09:00-17:00, rate: 100/h}\n", _defaults=defaults)
    assert campaign.send == Send(days="Mon-Fri", hours="09:00-17:00", rate="100/h")
    assert campaign.entry == Entry(kind="event", event="signup", late="skip")
    found = (campaign.on_edit, campaign.on_uncertain, campaign.topic, campaign.holdout, campaign.reentry)
    assert found == ("pin", "hold", "running", 0.1, "30d")
    assert campaign.languages == ("en", "es")


def test_a_mistake_in_the_defaults_is_told_once(tmp_path: Path) -> None:
    """Two campaigns that take the same wrong default give one finding, in the file of the defaults."""
    project = make_project(tmp_path, _defaults="send: {hours: 9-20}\nid: x\n", other=WELCOME.replace("id: w", "id: x"))
    assert [str(finding) for finding in project.findings] == [
        'campaigns/_defaults.yaml:1:15  send.hours: "9-20" is no band of hours. Write: 09:00-20:00',
        'campaigns/_defaults.yaml:2:1  _defaults: there is no key "id". '
        + project.findings[1].message.partition('"id". ')[2],
    ]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("- {key: a}", '6:4  steps.a: the step does nothing. Give it one of: mail, wait_for, branch, set, tag'),
        ("- {key: a, mail: hello, task: x}", "steps.a: a step does exactly one thing, and this one has"),
        ("- {mail: hello}", "steps[1]: the step has no key, and people in flight are found by it. Write: key: hello"),
        ("- {key: A-1, mail: hello}", '6:10  steps[1].key: "A-1" is no name; names are a-z, 0-9 and _'),
        ("- {key: a, mail: hello}\n - {key: a, tag: x}", '7:10  steps[2].key: "a" is on line 6 already'),
        ("- {key: a, mail: hello, until: +3d}", 'steps.a: "until" belongs to a step with "wait_for"'),
        ("- {key: a, wait_for: endorsable}", "steps.a: wait_for without until could wait for ever. Write: until: +3d"),
        ("- {key: a, email: hello}", 'there is no key "email". Did you mean "mail"?'),
        ("- {key: a, mial: hello}", 'there is no key "mial". Did you mean "mail"?'),
        ("- {key: a, mail: ../x}", 'steps.a.mail: "../x" is no template'),
        ("- {key: a, mail: hello.md}", "is no template; name it without ending or folder. Write: mail: hello"),
        ("- {key: a, mail: hello, variants: {plain: x}}", "steps.a.variants.plain: a weight is a whole number"),
        ("- {key: a, mail: hello, variants: {plain: 0}}", "every weight is 0"),
        ("- {key: a, mail: hello, subject: b, variants: {plain: 1}}", "subject and variants both choose the subject"),
        ("- {key: a, mail: hello, priority: high}", 'steps.a.priority: "high" is not one of: deadline, normal.'),
        ("- {key: a, mail: hello, backfill: maybe}", 'steps.a.backfill: "maybe" is neither true nor false.'),
        ("- {key: a, mail: hello, send: {hours: 9-5}}", "steps.a.send.hours:"),
        ("- {key: a, task: {for: x}}", 'steps.a.task: "title" is missing'),
        ("- {key: a, task: {title: x, due: 2 days}}", 'steps.a.task.due: "2 days" is not how a duration is written'),
        ("- {key: a, suppress: entity}", "Write: suppress: {scope: entity, because: inactive}"),
        ("- {key: a, suppress: {scope: all}}", 'steps.a.suppress: "because" is missing'),
        ("- {key: a, unsubscribe: all}", 'steps.a.unsubscribe: "all" is not one of: topic, entity.'),
        ("- {key: a, set: {}}", "steps.a.set: nothing is set"),
        ("- {key: a, branch: []}", "steps.a.branch: there is no arm"),
        ("- {key: a, branch: [{steps: []}]}", 'steps.a.branch[1]: "when" is missing.'),
        ("- {key: a, branch: x}", 'steps.a.branch: a list belongs here. Begin each entry with "- ".'),
        ("- a", "steps[1]: keys and values belong here, not a text."),
        ("- {key: a, mail: hello, at: }", "steps.a.at: has no value."),
        ("- key: a\n   tag: #recommitted", 'A "#" begins a comment; put quotes around the value.'),
        ('- {key: a, when: registered("x", since=entry), mail: hello}', "inside { } the value ended at the comma"),
    ],
)  # fmt: skip
def test_mistakes_in_steps(tmp_path: Path, steps: str, said: str) -> None:
    """Each is told with its place, the step it is in and what to write."""
    assert said in "\n".join(_said(tmp_path, f"{HEAD}steps:\n {steps}\n"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("id: Bad-One", '1:5  id: "Bad-One" is no name; names are a-z, 0-9 and _, from a letter on. Write: bad_one'),
        ("id: segments", '1:5  id: "segments" is the name of another file here'),
        ("entity: [a]", "2:9  entity: one text belongs here, not a list. Put quotes around it."),
        ("languages: english", '6:12  languages: "english" is no language. Write en, es or es-US.'),
        ("languages: [en, en]", '6:17  languages: "en" is here twice.'),
        ("entry: signup", "4:8  entry: say what starts it. Write: entry: {event: signup}"),
        ("entry: {late: join}", "entry: nothing starts it. Write one of {event: signup}"),
        ("entry: {event: signup, stage: filed}", "entry: event and stage both start it. Keep one."),
        ("entry: {event: signup, per: person}", "entry: beside an event nothing else starts it"),
        ("entry: {event: signup, from: closes}", "entry.from: belongs to {per: filing_window} and to calendar names"),
        ("entry: {event: signup, require: x}", "entry.require: asks about filing windows"),
        ("entry: {per: nrfod}", 'entry: "from" is missing: from when on do people enter? Write: from: nrfod - 5d'),
        ("entry: {event: signup, existing: 500}", 'entry.existing: "500" is not one of: skip, all, so many a day'),
        ("entry: {event: signup, late: maybe}", 'entry.late: "maybe" is not one of: join, catch_up, skip.'),
        ("holdout: 5", '6:10  holdout: "5" is no share of people. Write: holdout: 5%'),
        ("holdout: 100%", "holdout:"),
        ("reentry: 90d", 'reentry: "90d" is not one of: never, after 90d.'),
        ("reentry: after a while", "6:10  reentry:"),
        ("send: {expires: 2 days}", "send.expires:"),
        ("send: 9-17", "send: keys and values belong here, not a text. Write: days: ..."),
        ("on_edit: pinned", 'on_edit: "pinned" is not one of: follow, pin. Did you mean "pin"?'),
        ("audiance: x", '6:1  campaign: there is no key "audiance". Did you mean "audience"?'),
        ("trigger: x", 'campaign: there is no key "trigger". Did you mean "entry"?'),
        ("goal: {then: continue}", 'goal: "when" is missing.'),
        ("exit: [{task: x}]", 'exit[1]: "when" is missing.'),
        ("steps: []", "steps: there is none."),
        ("exclude: ", "exclude: has no value."),
    ],
)  # fmt: skip
def test_mistakes_in_the_campaign(tmp_path: Path, line: str, said: str) -> None:
    """Each is told with its place and what to write."""
    lines = {"id": "id: welcome", "entity": "entity: rfs", "topic": "topic: running", "entry": "entry: {event: signup}"}
    lines["steps"] = "steps: [{key: hello, mail: hello}]"
    lines[line.partition(":")[0]] = line
    assert said in "\n".join(_said(tmp_path, "\n".join(lines.values()) + "\n"))


def test_everything_is_told_in_one_run(tmp_path: Path) -> None:
    """Mistakes in several steps and files do not hide each other."""
    text = WELCOME.replace("mail: hello", "mial: hello").replace("topic: running", "topc: running")
    project = make_project(tmp_path, text, calendar="nrfod: {zone: Mars, occurrences: []}\n")
    codes = [(finding.path, finding.code) for finding in project.findings]
    assert codes == [
        ("campaigns/welcome.yaml", "missing-key"),
        ("campaigns/welcome.yaml", "unknown-key"),
        ("campaigns/welcome.yaml", "one-action"),
        ("campaigns/welcome.yaml", "unknown-key"),
        ("data/calendar.yaml", "time"),
    ]


def test_a_broken_campaign_is_no_campaign(tmp_path: Path) -> None:
    """What is not whole is a draft for `check` and nothing else."""
    project = make_project(tmp_path, WELCOME.replace("mail: hello", "mial: hello"))
    assert dict(project.campaigns) == {}
    assert [draft.campaign.id for draft in project.drafts] == ["welcome"]
    assert project.drafts[0].step_keys == ("hello", "offices")
