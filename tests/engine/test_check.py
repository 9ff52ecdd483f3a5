"""What `check` finds beyond the shape of the files."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.campaign_files.load import load_project
from rfs_mail.core.findings import Finding
from rfs_mail.engine.check import check_project, extent, fix_project, fixable
from rfs_mail.engine.compiling import compile_project
from rfs_mail.settings import Caps
from tests.project_samples import (
    COUNTDOWN,
    COUNTDOWN_MAILS,
    PLAIN_MAIL,
    ROOT,
    WELCOME,
    WELCOME_MAILS,
    make_folder,
    make_project,
    shipped,
)

EVENT = "id: welcome\nentity: rfs\ntopic: running\nentry: {event: signup}\nsteps:\n"
WINDOW = EVENT.replace("{event: signup}", "{per: filing_window, from: closes - 45d}")


def _found(folder: Path, campaign: str, **files: str) -> list[Finding]:
    return list(check_project(make_project(folder, campaign, **files)))


def _said(folder: Path, campaign: str, **files: str) -> str:
    return "\n".join(f"{finding.severity} {finding.code} {finding}" for finding in _found(folder, campaign, **files))


def test_nothing_is_wrong_with_a_good_campaign(tmp_path: Path) -> None:
    """No findings, and figures for the closing line."""
    project = load_project(make_folder(tmp_path, {"welcome": WELCOME, "c": COUNTDOWN}, WELCOME_MAILS | COUNTDOWN_MAILS))
    assert check_project(project) == ()
    assert str(extent(project, compile_project(project))) == "2 campaigns, 9 mails in 2 languages"


def test_the_example_of_the_brief(tmp_path: Path) -> None:
    """A misspelt name in an audience is told at its character, with the nearest right one."""
    found = _found(tmp_path, WELCOME.replace("stage in", "stagee in"))
    assert [str(finding) for finding in found] == [
        "campaigns/welcome.yaml:5:5  audience: No field stagee; nearest: stage"
    ]


@pytest.mark.parametrize(
    ("old", "new", "place", "said"),
    [
        ("goal: stage >=", "goal: endorsable and stag >=", (10, 22), "goal:"),
        ("goal: stage >=", 'goal: "endorsable and stag >= 1" #', (10, 23), "goal:"),
        ("goal: stage >=", "goal: |\n  endorsable and\n  stag >=", (12, 3), "goal:"),
        ("goal: stage >=", "goal: >-\n    endorsable and\n    stag >=", (12, 5), "goal:"),
        ("goal: stage >=", "goal: {when: stag == 1} #", (10, 14), "goal.when:"),
        ("mail: offices", "mail: offices, when: 'tag(''x'') and stag == 1'", (9, 81), "steps.offices.when:"),
    ],
)
def test_columns_are_exact(tmp_path: Path, old: str, new: str, place: tuple[int, int], said: str) -> None:
    """In plain, quoted, literal and folded values the finding points at the word."""
    text = WELCOME.replace(old, new)
    first = next(finding for finding in _found(tmp_path, text) if finding.code == "expression")
    assert (first.line, first.column) == place
    assert text.splitlines()[place[0] - 1][place[1] - 1 :].startswith("stag")
    assert first.message.startswith(said)


@pytest.mark.parametrize(
    ("campaign", "said"),
    [
        (WELCOME.replace("entity: rfs", "entity: rsf"), 'there is no entity "rsf"'),
        (WELCOME.replace("topic: running", "topic: runing"), '3:8  topic: there is no topic "runing". Did you mean'),
        (WELCOME.replace("topic: running", "topic: day"), '"day" is a topic of rfs_civics, and rfs speaks here.'),
        (WELCOME + "languages: [en, fr]\n", "12:17  languages.fr: rfs does not write in fr; it writes in en, es"),
        (WELCOME.replace("{event: signup}", "{per: nrfd, from: closes}"), 'Did you mean "nrfod"?'),
        (WELCOME.replace("{event: signup}", "{stage: fild}"), 'entry.stage: no stage "fild". Did you mean "filed"?'),
        (WELCOME.replace("{event: signup}", "{event: singup}"), "warning odd-event"),
        (WELCOME.replace("hello, mail", "hello, was: offices, mail"), '"offices" is still a step'),
        (WELCOME.replace("hello, mail", "hello, was: hello, mail"), '"hello" is its own key'),
        (WELCOME + "was: welcome\n", '"welcome" is its own id'),
        (EVENT + " - {key: a, set: {stge: filed}}\n", 'there is no field "stge" to set. Did you mean "stage"?'),
        (EVENT + " - {key: a, set: {stage: fild}}\n", 'steps.a.set.stage: no stage "fild"'),
        (EVENT + " - {key: a, set: {custom.hours_a_week: ten}}\n", 'is a number, and "ten" is not'),
        (EVENT + " - {key: a, set: {custom.call_date: soon}}\n", 'is a date, and "soon" is not'),
        (EVENT + " - {key: a, set: {custom.office_interest: mayor}}\n", 'no custom.office_interest "mayor"'),
        (EVENT + " - {key: a, set: {endorsable: maybe}}\n", 'is yes or no, and "maybe" is not'),
        (EVENT + " - {key: a, set: {signed_up_at: 2026-01-01}}\n", 'there is no field "signed_up_at" to set'),
        (EVENT + " - {key: a, suppress: {scope: all, except: [deadln], because: inactive}}\n", '"deadln"'),
    ],
)  # fmt: skip
def test_names_exist(tmp_path: Path, campaign: str, said: str) -> None:
    """Entities, topics, languages, calendar names, stages, fields and former keys."""
    assert said in _said(tmp_path, campaign)


@pytest.mark.parametrize(
    ("campaign", "said"),
    [
        (EVENT + " - {key: a, at: closes - 3d, tag: x}\n", '6:17  steps.a.at: "closes" is a date of a filing window'),
        (EVENT + " - {key: a, at: +3d @ 10:00 office, tag: x}\n", '"office" is the clock of a filing office'),
        (EVENT + " - {key: a, at: colses - 3d, tag: x}\n", 'No anchor "colses"'),
        (EVENT + " - {key: a, at: 2026-11-31, tag: x}\n", "There is no day 2026-11-31"),
        (EVENT + " - {key: a, at: +3 m, tag: x}\n", "6:20  steps.a.at:"),
        (EVENT + " - {key: a, tag: x}\nends: +3d\n", "ends: no step stands above it to count from. Write: entry + 3d"),
        (WINDOW.replace("closes - 45d", "entry + 1d") + " - {key: a, tag: x}\n", "cannot count from entry"),
        (WINDOW.replace("45d}", "45d, to: closes - 50d}") + " - {key: a, tag: x}\n", "comes before `from`"),
    ],
)  # fmt: skip
def test_times_mean_something_where_they_stand(tmp_path: Path, campaign: str, said: str) -> None:
    """Anchors exist, windows belong to campaigns per window, entry counts from the occasion."""
    assert said in _said(tmp_path, campaign)


def test_a_calendar_name_has_its_own_office_clock(tmp_path: Path) -> None:
    """`@ 18:00 office` after a calendar name is the clock of that calendar, with or without a window."""
    assert "no-window" not in _said(tmp_path, EVENT + " - {key: a, at: nrfod @ 18:00 office, tag: x}\n")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("- {key: a, at: closes - 3d, tag: x}\n - {key: b, at: closes - 7d, tag: x}", "error order"),
        ("- {key: a, at: closes - 3d, tag: x}\n - {key: b, tag: y}\n - {key: c, at: closes - 7d, tag: x}", "step a,"),
        ("- {key: a, at: 2026-12-03, tag: x}\n - {key: b, at: 2026-12-01, tag: x}", "error order"),
        (
            "- {key: a, at: closes - 9d, branch: [{when: endorsable, steps: [{key: b, at: closes - 10d, tag: x}]}]}",
            "steps.b.at",
        ),
        (
            "- {key: a, branch: [{when: endorsable, steps: [{key: b, at: closes - 3d, tag: x}]}]}\n"
            " - {key: c, at: closes - 9d, tag: x}",
            "steps.c.at",
        ),
        ("- {key: a, at: entry + 2d, tag: x}\n - {key: b, at: closes - 7d, tag: x}", "warning mixed-anchors"),
        ("- {key: a, at: closes - 3d, mail: hello, not_after: closes - 4d}", "the mail would never go"),
        ("- {key: a, at: closes - 3d, tag: x}\n - {key: b, mail: hello, not_after: closes - 4d}", "step a above it"),
        ("- {key: a, at: closes - 3d, wait_for: endorsable, until: closes - 4d}", "it would not wait at all"),
        ("- {key: a, at: closes - 60d, tag: x}", "warning before-entry"),
    ],
)  # fmt: skip
def test_file_order_is_law(tmp_path: Path, steps: str, said: str) -> None:
    """What is certainly due before a step above it, or too late before it is due, is an error; mixing warns."""
    assert said in _said(tmp_path, f"{WINDOW} {steps}\n")


@pytest.mark.parametrize(
    "steps",
    [
        "- {key: a, at: closes - 7d, tag: x}\n - {key: b, at: closes - 3d, tag: x}",
        "- {key: a, at: closes - 3d, tag: x}\n - {key: b, at: closes - 3d, tag: x}",
        "- {key: a, at: closes - 3d, tag: x}\n - {key: b, at: +1d, tag: x}",
        "- {key: a, at: opens, tag: x}\n - {key: b, at: closes - 7d, tag: x}",
        "- {key: a, at: entry + 2d, tag: x}\n - {key: b, at: closes - 7d, mail: hello, not_after: closes - 4d}",
        "- {key: a, branch: [{when: endorsable, steps: [{key: b, at: closes - 3d, tag: x}]}],"
        " else: [{key: c, at: closes - 9d, tag: x}]}",
    ],
)
def test_orders_that_are_fine(tmp_path: Path, steps: str) -> None:
    """The same moment, the step above, dates of one window, a mail that says when it is too late, sibling arms."""
    assert not {"order", "mixed-anchors"} & {finding.code for finding in _found(tmp_path, f"{WINDOW} {steps}\n")}


def test_an_end_before_the_last_step(tmp_path: Path) -> None:
    """Steps behind the end would never be taken."""
    text = WELCOME.replace("entry + 60d", "entry + 1d")
    assert 'ends: "entry + 1d" is before step offices ("entry + 2d @ 10:00")' in _said(tmp_path, text)


# -- caps --------------------------------------------------------------------------------------------------------------


def _capped(folder: Path, steps: str, caps: Caps) -> list[str]:
    mails = {f"welcome/{name}{ending}.md": PLAIN_MAIL for name in "abcde" for ending in ("", ".es")}
    settings = make_folder(folder, {"welcome": f"{WINDOW} {steps}\n"}, mails)
    findings = check_project(load_project(settings), caps=caps)
    return [finding.message.partition(":")[0] for finding in findings if finding.code == "capped"]


def test_the_daily_cap_is_never_answered_with_a_priority(tmp_path: Path) -> None:
    """No priority breaks it, so the advice names none; the weekly one does break."""
    mails = {f"welcome/{name}{ending}.md": PLAIN_MAIL for name in "abc" for ending in ("", ".es")}
    steps = "- {key: a, mail: a}\n - {key: b, mail: b, priority: deadline}\n - {key: c, at: +1d, mail: c}"
    project = load_project(make_folder(tmp_path, {"welcome": f"{WINDOW} {steps}\n"}, mails))
    said = [finding.message for finding in check_project(project, caps=Caps()) if finding.code == "capped"]
    assert [False, True] == ["priority: deadline" in message for message in said]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("- {key: a, mail: a}\n - {key: b, mail: b}", ["steps.b"]),
        ("- {key: a, mail: a}\n - {key: b, mail: b, cap: exempt}", []),
        ("- {key: a, mail: a}\n - {key: b, at: +1d, mail: b}\n - {key: c, at: +1d, mail: c}", ["steps.c"]),
        ("- {key: a, mail: a}\n - {key: b, at: +1d, mail: b}\n - {key: c, at: +7d, mail: c}", []),
        ("- {key: a, mail: a}\n - {key: b, at: +1d, mail: b}\n - {key: c, at: +1d, mail: c, when: endorsable}", []),
        ("- {key: a, mail: a}\n - {key: b, at: +1d, mail: b}\n - {key: c, at: +1d, mail: c, priority: deadline}", []),
        (
            "- {key: a, at: closes - 3d, mail: a}\n - {key: b, at: closes - 3d @ 18:00, mail: b, priority: deadline}",
            ["steps.b"],
        ),
        ("- {key: a, mail: a}\n - {key: w, wait_for: endorsable, until: +1d}\n - {key: b, mail: b}", []),
        (
            "- {key: a, mail: a}\n - {key: r, branch: [{when: endorsable, steps: [{key: b, at: +2d, mail: b}]}],"
            " else: [{key: c, mail: c}]}\n - {key: d, at: +1d, mail: d}",
            ["steps.c", "steps.d"],
        ),
    ],
)  # fmt: skip
def test_caps_that_a_campaign_breaks_by_itself(tmp_path: Path, steps: str, expected: list[str]) -> None:
    """One a day, two in seven days, on any way through the branches; only what is certain counts."""
    assert expected == _capped(tmp_path, steps, Caps())


def test_no_cap_is_never_broken(tmp_path: Path) -> None:
    """0 is no limit."""
    assert _capped(tmp_path, "- {key: a, mail: a}\n - {key: b, mail: b}", Caps(per_day=0, per_week=0)) == []


# -- mails -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mails", "said"),
    [
        ({"welcome/hello.md": ""}, "campaigns/welcome.yaml:8:24  steps.hello.mail: there is no en text, on which"),
        ({"welcome/hello.md": "", "welcome/hello.es.md": ""}, "8:24  steps.hello.mail: There is no template welcome"),
        ({"welcome/hello.es.md": ""}, "warning no-translation templates/welcome/hello.md:1:1"),
        ({"welcome/hello.md": "---\nsubject: x\n---\n{{ given_nam }}\n"}, "templates/welcome/hello.md:4:4"),
        ({"welcome/hello.md": "---\nsubject: x\n---\n{{ given_name }}\n"}, "no-fallback"),
        ({"welcome/hello.md": "---\nsubject: x\n---\n{{ answer('yes', 'Yes') }}\n"}, "yes"),
        ({"welcome/hello.md": "---\nsubject: x\n---\n{% if %}\n"}, "templates/welcome/hello.md:4:"),
        ({"welcome/third.md": PLAIN_MAIL}, "warning unused templates/welcome/third.md:1:1  no step sends this mail."),
        ({"other/third.es.md": PLAIN_MAIL, "other/third.md": PLAIN_MAIL}, "templates/other/third.md:1:1  no step"),
    ],
)
def test_templates_are_there_and_sound(tmp_path: Path, mails: dict[str, str], said: str) -> None:
    """Missing mails at the step that wants them, mistakes at their place in the template, mails nobody sends."""
    kept = {name: text for name, text in {**WELCOME_MAILS, **mails}.items() if text}
    findings = check_project(load_project(make_folder(tmp_path, mails=kept)))
    assert said in "\n".join(f"{finding.severity} {finding.code} {finding}" for finding in findings)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("- {key: hello, mail: hello, backfill: true}\n", []),
        ("- {key: hello, mail: hello, backfill: true}\non_edit: pin\n", ["with `on_edit: pin`"]),
        ('- key: b\n   branch:\n    - when: tag("x")\n      steps: [{key: hello, mail: hello, backfill: true}]\n',
         ["inside a branch"]),
    ],
)  # fmt: skip
def test_a_backfill_that_does_nothing_is_told(tmp_path: Path, steps: str, said: list[str]) -> None:
    """Where it cannot be carried out it is a warning, at the key itself."""
    found = [one for one in _found(tmp_path, EVENT + " " + steps) if one.code == "backfill"]
    assert said == [next(word for word in said if word in one.message) for one in found]
    assert all(one.severity == "warning" and one.line > 5 for one in found)


def test_a_mail_exists_in_the_first_language(tmp_path: Path) -> None:
    """Everybody falls back on it, so without it nothing can be sent."""
    mails = {name: text for name, text in WELCOME_MAILS.items() if name != "welcome/hello.es.md"}
    settings = make_folder(tmp_path, {"welcome": WELCOME + "languages: [es, en]\n"}, mails)
    errors = [finding for finding in check_project(load_project(settings)) if finding.severity == "error"]
    assert [(finding.code, finding.line) for finding in errors] == [("missing-language", 8)]
    assert "Write templates/welcome/hello.es.md" in errors[0].message


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("subject: again", "subject.again"),
        ("variants: {plain: 1, urgent: 1}", "The variant urgent is written nowhere"),
        ("answers: {yes_still: {tag: x}}", "answers.yes_still: templates/welcome/hello.es.md does not offer it"),
    ],
)
def test_subjects_variants_and_answers_are_in_the_template(tmp_path: Path, step: str, said: str) -> None:
    """What a step names, its template has."""
    assert said in _said(tmp_path, WELCOME.replace("mail: hello", f"mail: hello, {step}"))


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('task: "Call {{ given_nam }}"', "6:28  steps.a.task: Nothing is called given_nam"),
        ('task: {title: "Call {{ window.office }}"}', "steps.a.task.title: Nothing is called window"),
        ("task: {title: 'Call {{ given_name'}", "steps.a.task.title:"),
        (
            'mail: hello, answers: {x: {task: {title: "{{ given_name | upcase }}"}}}',
            "steps.a.answers.x.task.title: There is no filter upcase",
        ),
    ],
)
def test_titles_of_tasks_are_templates(tmp_path: Path, step: str, said: str) -> None:
    """Names and filters exist; a name without another word is fine, because staff read it."""
    assert said in _said(tmp_path, f"{EVENT} - {{key: a, {step}}}\n")
    good = EVENT + ' - {key: a, task: "Call {{ given_name }}, {{ custom.hours_a_week }} hours"}\n'
    assert "steps.a" not in _said(tmp_path, good)


# -- segments and several files ----------------------------------------------------------------------------------------


def test_segments_are_conditions_too(tmp_path: Path) -> None:
    """Mistakes, circles and unknown names are told in segments.yaml."""
    said = _said(
        tmp_path, WELCOME, segments='a: segment("b")\nb: {where: segment("a")}\nc: stag == 1\nd: received("hello")\n'
    )
    assert "campaigns/segments.yaml:1:4  a.where: Segments go in a circle: b -> a -> b" in said
    assert "campaigns/segments.yaml:3:4  c.where: No field stag" in said
    assert "campaigns/segments.yaml:4:13  d.where: There is no enrollment here" in said


def test_a_broken_step_hides_nothing_and_invents_nothing(tmp_path: Path) -> None:
    """The key of a step that cannot be read is still known; other mistakes are told in the same run."""
    text = WELCOME.replace("mail: hello", "mial: hello").replace("stage >=", 'clicked("hello") and stag >=')
    codes = [finding.code for finding in _found(tmp_path, text)]
    assert sorted(codes) == ["expression", "one-action", "unknown-key"]


def test_a_finding_in_the_defaults_is_told_once(tmp_path: Path) -> None:
    """However many campaigns take the default."""
    other = WELCOME.replace("id: welcome", "id: other").replace("mail: ", "mail: welcome/")
    settings = make_folder(tmp_path, {"welcome": WELCOME, "other": other, "_defaults": "while: stag == 1\n"})
    found = check_project(load_project(settings))
    assert [str(finding).partition("  ")[0] for finding in found] == ["campaigns/_defaults.yaml:1:8"]


# -- fixing ------------------------------------------------------------------------------------------------------------


def test_fix_writes_the_safe_corrections(tmp_path: Path) -> None:
    """Everything of the table of safe mistakes, in one run; what a person has to decide stays."""
    text = (
        WELCOME.replace('stage in ["signed_up", "onboarded"]', "stage = filed   # why")
        .replace('goal: stage >= "exploring"', 'goal: "WI" == state')
        .replace("mail: offices", "mail: offices, when: !endorsable")
    ) + "exclude:\n  - endorsable && county != null\n  - stag == 1\n"
    settings = make_folder(tmp_path, {"welcome": text})
    assert fixable(load_project(settings)) >= 1
    fixed = fix_project(load_project(settings), settings)
    result = (tmp_path / "campaigns" / "welcome.yaml").read_text()
    assert (
        result
        == (
            WELCOME.replace('stage in ["signed_up", "onboarded"]', 'stage == "filed"   # why')
            .replace('goal: stage >= "exploring"', "goal: '\"WI\" == state'")
            .replace("mail: offices", "mail: offices, when: not endorsable")
        )
        + "exclude:\n  - endorsable and county is not none\n  - stag == 1\n"
    )
    assert len(fixed) == 4
    project = load_project(settings)
    assert [finding.code for finding in check_project(project)] == ["expression"]
    assert (fixable(project), fix_project(project, settings)) == (0, ())


SHIPPED_LINES = st.sampled_from(
    [
        "  - {key: x, at: closes - 3d, mail: hello}",
        "goal: stage == ",
        "ends: +3d",
        "exclude: segment(\"nobody\")",
        "  - key: y",
        "    branch: []",
        "entry: {per: filing_window, from: closes}",
        "languages: [fr]",
        "",
        "was: welcome",
        "    when: >",
    ]
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 12), SHIPPED_LINES), min_size=1, max_size=4))
def test_check_never_raises(tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, str]]) -> None:
    """Whatever lines come in, and whatever else they break, there are findings and no exception."""
    lines = WELCOME.splitlines()
    for at, line in edits:
        lines.insert(min(at, len(lines)), line)
    folder = tmp_path_factory.mktemp("mutated")
    settings_ = make_folder(folder, {"welcome": "\n".join(lines) + "\n"})
    project = load_project(settings_)
    findings = check_project(project)
    assert list(findings) == sorted(set(findings))
    assert set(compile_project(project).drafts) <= set(project.campaigns)
    fix_project(project, settings_)


@pytest.mark.skipif(
    not (ROOT / "campaigns" / "filing_countdown.yaml").exists(), reason="nrfod names a campaign that is not there yet"
)
def test_what_is_shipped_has_no_findings(tmp_path: Path) -> None:
    """The example campaigns are examples."""
    assert check_project(load_project(shipped(tmp_path))) == ()


def _hand_counted(folder: Path, campaign: str, **texts: str) -> list[str]:
    """What check says of days counted by hand, in mails of these texts."""
    mails = COUNTDOWN_MAILS | WELCOME_MAILS | {f"{name.replace('__', '/')}.md": text for name, text in texts.items()}
    project = load_project(make_folder(folder, {"c": campaign}, mails))
    return [str(finding) for finding in check_project(project) if finding.code == "counted-by-hand"]


@pytest.mark.parametrize(
    ("mail", "text", "said"),
    [
        ("t3", "It closes in three days.", ['4:11  "in three days"', "step t3 may go on another day"]),
        ("t3", "Only seven days left.", ['4:1  "Only seven days left"', 'step t3 goes at "closes - 3d @ 10:00"']),
        ("t1", "Hi.\n\nIt closes tomorrow.", ['6:11  "tomorrow"', "window.closes_at | office_left"]),
        ("signatures", "30 days left.", ['4:1  "30 days left"', "step signatures may go on another day"]),
        ("did_you", "It ended yesterday.", ['4:10  "yesterday"', "step did_you may go on another day"]),
    ],
)
def test_days_to_a_deadline_are_not_counted_by_hand(tmp_path: Path, mail: str, text: str, said: list[str]) -> None:
    """Told at its place, with why it goes wrong and what to write; a count that is wrong already says by which time."""
    offers = "".join(f'{{{{ answer("{key}", "Yes") }}}}' for key in ("filed", "need_help", "not_this_time"))
    body = f"---\nsubject: A subject\nsubject.urgent: B\n---\n{text}{offers if mail == 'did_you' else ''}\n".replace(
        "subject.urgent: B\n", "subject.urgent: B\n" if mail == "t3" else ""
    )
    found = _hand_counted(tmp_path, COUNTDOWN, **{f"filing_countdown__{mail}": body})
    line = int(said[0].partition(":")[0]) + (mail == "t3")
    place = f"{line}:{said[0].partition(':')[2]}"
    assert 1 == len(found)
    assert found[0].startswith(f"templates/filing_countdown/{mail}.md:{place}")
    assert said[1] in found[0]


def test_heads_partials_and_translations_count_too(tmp_path: Path) -> None:
    """A subject, a text that another includes, and Spanish; what a tag prints is nobody's hand."""
    found = _hand_counted(
        tmp_path,
        COUNTDOWN,
        filing_countdown__t7='---\nsubject: "7 days left, {{ sent_on|day }}"\n---\n{% include "partials/left.md" %}\n',
        **{
            "filing_countdown__t7.es": "---\nsubject: Hola\n---\nCierra en {{ window.days_left | days }}.\n",
            "partials__left": "It closes tomorrow.\n",
            "filing_countdown__t1.es": "---\nsubject: Hola\n---\nEl plazo termina mañana por la mañana.\n",
        },
    )
    assert [
        "templates/filing_countdown/t1.es.md:4:18",
        "templates/filing_countdown/t7.md:2:11",
        "templates/partials/left.md:1:11",
    ] == [one.partition("  ")[0] for one in found]


def test_mail_about_something_else_may_say_tomorrow(tmp_path: Path) -> None:
    """Only dates of a window or of the calendar are deadlines; beside a calendar date a right count is left alone."""
    about = "---\nsubject: A\n---\nIt closes tomorrow, in two days, in 30 days.\n"
    assert [] == _hand_counted(tmp_path / "a", WELCOME, welcome__hello=about, welcome__offices=about)
    call = WELCOME.replace("entry + 2d @ 10:00", "intro_call - 2d @ 10:00")
    right = "---\nsubject: A\n---\nThe call is in two days.\n"
    assert [] == _hand_counted(tmp_path / "b", call, welcome__offices=right)
    found = _hand_counted(tmp_path / "c", call, welcome__offices=right.replace("in two days", "tomorrow"))
    assert 1 == len(found)
    assert "Write: {{ intro_call.starts | left }}" in found[0]


def test_the_shipped_mails_count_nothing_by_hand(tmp_path: Path) -> None:
    """Not one mail of ours would be told."""
    assert [] == [
        finding for finding in check_project(load_project(shipped(tmp_path))) if finding.code == "counted-by-hand"
    ]


def test_a_countdown_that_no_cancelled_window_ends_is_a_warning(tmp_path: Path) -> None:
    """Otherwise people go on hearing of an election that was called off; the warning says what to write."""
    text = WINDOW + "  - {key: a, mail: hello}\n"
    codes = [finding.code for finding in _found(tmp_path / "without", text)]
    assert ["no-cancel"] == [code for code in codes if code == "no-cancel"]
    ended = text + 'exit:\n  - when: window.status == "cancelled"\n'
    assert "no-cancel" not in [finding.code for finding in _found(tmp_path / "with", ended)]
