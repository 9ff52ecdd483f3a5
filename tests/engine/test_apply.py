"""Applying campaign files: one release, all or nothing, and nothing twice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import select

from rfs_mail.campaign_files.load import Project, load_project
from rfs_mail.core.script import read_script
from rfs_mail.engine.apply import apply, is_live, preview, rollback
from rfs_mail.engine.compiling import compile_project
from rfs_mail.engine.revisions import as_lines, diff_revisions, list_revisions, release_of, show_revision
from rfs_mail.errors import CampaignFileError, NotFoundError
from rfs_mail.settings import Settings
from rfs_mail.store import releases
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.project_samples import CALENDAR, COUNTDOWN, COUNTDOWN_MAILS, SEGMENTS, WELCOME, WELCOME_MAILS, make_folder

OTHER = WELCOME.replace("id: welcome", "id: other").replace("mail: ", "mail: welcome/")
PERSON = OTHER.replace("{event: signup}", "{per: person}")


def _project(folder: Path, campaigns: dict[str, str] | None = None, **files: Any) -> Project:
    return load_project(make_folder(folder, campaigns, **files))


def _rows(store: Store, table: str) -> list[dict[str, Any]]:
    with store.read() as connection:
        return [dict(row) for row in connection.execute(select(TABLES[table])).mappings()]


def _live(store: Store) -> releases.LiveRelease:
    with store.read() as connection:
        found = releases.live(connection)
    assert found is not None
    return found


def test_nothing_is_live_before_the_first_apply(store: Store) -> None:
    """An empty database has no release."""
    with store.read() as connection:
        assert releases.live(connection) is None


def test_an_apply_makes_everything_live_together(store: Store, tmp_path: Path, now: datetime) -> None:
    """Campaigns with their mails, content and calendar, in one release."""
    project = _project(tmp_path, {"welcome": WELCOME, "c": COUNTDOWN}, mails=WELCOME_MAILS | COUNTDOWN_MAILS)
    result = apply(store, project, now=now, by="ada")
    assert (result.release_id, result.added) == (1, ("filing_countdown", "welcome"))
    live = _live(store)
    assert live.content == project.content
    assert {name: campaign.definition for name, campaign in live.campaigns.items()} == dict(project.campaigns)
    welcome = live.campaigns["welcome"]
    assert (welcome.state, welcome.state_by, welcome.first_applied_at) == ("running", "ada", now)
    assert {template: set(sources) for template, sources in welcome.mails.items()} == {
        "welcome/hello": {"en", "es"},
        "welcome/offices": {"en", "es"},
    }
    assert set(live.campaigns["filing_countdown"].mails["filing_countdown/t3"]) == {
        "en", "es", "en.urgent", "es.urgent",
    }  # fmt: skip
    urgent = live.campaigns["filing_countdown"].revision.mail("filing_countdown/t3", "es-US", "urgent")
    assert urgent is not None
    assert (urgent.language, urgent.variant, urgent.subject) == ("es", "urgent", "Friday, then it is closed")
    occurrences = {(row["calendar"], row["key"]): row for row in _rows(store, "occurrence")}
    call = occurrences["intro_call", "intro_call-2026-12"]
    assert (call["on"], call["time"], call["version"]) == ("2026-12-08", "19:00", 1)
    assert call["starts_at"] == datetime(2026, 12, 9, 0, 0, tzinfo=UTC)
    assert occurrences["nrfod", "nrfod-2027"]["starts_at"] == datetime(2027, 11, 9, 5, 0, tzinfo=UTC)


def test_a_second_subject_is_a_mail_of_its_own(store: Store, tmp_path: Path, now: datetime) -> None:
    """`subject: again` compiles the plain mail under its other subject."""
    mails = {**WELCOME_MAILS}
    for ending in ("", ".es"):
        mails[f"welcome/hello{ending}.md"] = "---\nsubject: First\nsubject.again: Once more\n---\nHi.\n"
    text = WELCOME.replace("mail: offices", "mail: hello, subject: again")
    mails = {name: body for name, body in mails.items() if "offices" not in name}
    apply(store, _project(tmp_path, {"welcome": text}, mails=mails), now=now, by="ada")
    sources = _live(store).campaigns["welcome"].mails["welcome/hello"]
    subjects = {key: (source.subject, source.variant) for key, source in sources.items()}
    plain, again = ("First", ""), ("Once more", "again")
    assert subjects == {"en": plain, "es": plain, "en.again": again, "es.again": again}


def test_the_same_files_again_are_nothing(store: Store, tmp_path: Path, now: datetime) -> None:
    """No new release, no new revision, no new row."""
    project = _project(tmp_path)
    apply(store, project, now=now, by="ada")
    before = {name: _rows(store, name) for name in ("release", "revision", "campaign", "occurrence", "sweep")}
    assert is_live(store, project, compile_project(project))
    result = apply(store, _project(tmp_path), now=now + timedelta(days=1), by="bob")
    assert (result.nothing, result.release_id) == (True, None)
    assert before == {name: _rows(store, name) for name in before}


@pytest.mark.parametrize(
    ("campaign", "mails", "files", "expected"),
    [
        (WELCOME.replace("entry + 2d", "entry + 3d"), {}, {}, 2),
        (WELCOME + "# a comment\n", {}, {}, None),
        (WELCOME, {"welcome/hello.md": "---\nsubject: Another\n---\nA line.\n"}, {}, 2),
        (WELCOME, {"_layout.es.yaml": None}, {}, 2),
        (WELCOME, {}, {"segments": SEGMENTS + "more: endorsable\n"}, 1),
        (WELCOME, {}, {"calendar": CALENDAR.replace("2027-11-09", "2027-11-10")}, 1),
    ],
)
def test_a_revision_is_new_only_with_a_change(
    store: Store,
    tmp_path: Path,
    now: datetime,
    campaign: str,
    mails: dict[str, str | None],
    files: dict[str, str],
    expected: int | None,
) -> None:
    """The step, the mail or the layout make a new revision; segments it does not name and dates do not."""
    apply(store, _project(tmp_path), now=now, by="ada")
    folder = make_folder(
        tmp_path, {"welcome": campaign}, WELCOME_MAILS | {k: v for k, v in mails.items() if v}, **files
    )
    for name in (name for name, text in mails.items() if text is None):
        path = tmp_path / "templates" / name
        path.write_text(path.read_text(encoding="utf-8").replace("correo", "email"), encoding="utf-8")
    result = apply(store, load_project(folder), now=now, by="ada")
    assert (result.release_id is None) == (expected is None)
    assert _live(store).campaigns["welcome"].revision.number == (expected or 1)
    assert result.changed == (("welcome",) if expected == 2 else ())


def test_a_segment_that_is_named_belongs_to_the_revision(store: Store, tmp_path: Path, now: datetime) -> None:
    """Also a segment inside a segment; the revision keeps what it named and can be read alone."""
    text = WELCOME.replace("audience:\n", 'audience:\n  - segment("ready")\n  - not registered("intro_call")\n')
    apply(store, _project(tmp_path, {"welcome": text}), now=now, by="ada")
    changed = SEGMENTS.replace('"WI"', '"MN"')
    result = apply(store, _project(tmp_path, {"welcome": text}, segments=changed), now=now, by="ada")
    assert result.changed == ("welcome",)
    with store.read() as connection:
        first = releases.load_revision(connection, 1)
    assert dict(first.content.segments) == {"wisconsin": 'state == "WI"', "ready": first.content.segments["ready"]}
    assert list(first.content.calendars) == ["intro_call"]
    assert read_script(first.definition, first.content, {"welcome": ("hello", "offices")}).audience[0].names


def test_errors_apply_nothing(store: Store, tmp_path: Path, now: datetime) -> None:
    """The refusal names the first finding and the rest in number; the database stays as it was."""
    broken = WELCOME.replace("topic: running", "topic: runing").replace("goal: stage", "goal: stag")
    with pytest.raises(CampaignFileError) as refusal:
        apply(store, _project(tmp_path, {"welcome": broken}), now=now, by="ada")
    assert str(refusal.value).startswith("campaigns/welcome.yaml:3:8  topic: there is no topic")
    assert "(and 1 more)" in str(refusal.value)
    assert _rows(store, "release") == []
    assert _rows(store, "occurrence") == []


def test_warnings_apply(store: Store, tmp_path: Path, now: datetime) -> None:
    """What may stay as it is stays in the result."""
    mails = {name: text for name, text in WELCOME_MAILS.items() if name != "welcome/hello.es.md"}
    result = apply(store, _project(tmp_path, mails=mails), now=now, by="ada")
    assert [finding.code for finding in result.findings] == ["no-translation"]
    assert set(_live(store).campaigns["welcome"].mails["welcome/hello"]) == {"en"}


def test_a_campaign_that_is_gone_is_removed_and_can_come_back(store: Store, tmp_path: Path, now: datetime) -> None:
    """Removed keeps its row and its first apply; back in the files it runs again, with the revision it had."""
    both = {"welcome": WELCOME, "other": OTHER}
    apply(store, _project(tmp_path / "1", both), now=now, by="ada")
    later = now + timedelta(days=1)
    result = apply(store, _project(tmp_path / "2"), now=later, by="bob")
    assert result.removed == ("other",)
    other = _live(store).campaigns["other"]
    assert (other.state, other.state_at, other.state_by) == ("removed", later, "bob")
    result = apply(store, _project(tmp_path / "3", both), now=later + timedelta(days=1), by="ada")
    assert (result.revived, result.added, result.changed) == (("other",), (), ())
    other = _live(store).campaigns["other"]
    assert (other.state, other.first_applied_at, other.revision.number) == ("running", now, 1)


def test_a_paused_campaign_stays_paused(store: Store, tmp_path: Path, now: datetime) -> None:
    """An apply changes what a campaign says, not whether it stands still."""
    apply(store, _project(tmp_path), now=now, by="ada")
    with store.begin() as connection:
        assert releases.set_campaign_state(connection, "welcome", "paused", now=now, by="bob", because="wait")
        assert not releases.set_campaign_state(connection, "welcome", "paused", now=now, by="bob")
    apply(store, _project(tmp_path, {"welcome": WELCOME.replace("2d", "3d")}), now=now, by="ada")
    welcome = _live(store).campaigns["welcome"]
    assert (welcome.state, welcome.state_by, welcome.revision.number) == ("paused", "bob", 2)


def test_a_renamed_campaign_keeps_its_people(store: Store, tmp_path: Path, now: datetime) -> None:
    """`was` carries the row, its revisions and everything that knows the id over to the new one."""
    apply(store, _project(tmp_path / "1"), now=now, by="ada")
    with store.begin() as connection:
        connection.execute(
            TABLES["enrollment"].insert().values(
                campaign_id="welcome", person_id=1, occasion="once:1", state="active", revision_id=1, entered_at=now,
                anchors={}, step_key="hello", planned=False, ended_detail={},
            )
        )  # fmt: skip
    renamed = WELCOME.replace("id: welcome", "id: hello_there\nwas: welcome").replace("mail: ", "mail: welcome/")
    result = apply(store, _project(tmp_path / "2", {"hello": renamed}), now=now + timedelta(days=1), by="ada")
    assert (result.renamed, result.added, result.removed) == ((("welcome", "hello_there"),), (), ())
    live = _live(store).campaigns
    assert list(live) == ["hello_there"]
    assert (live["hello_there"].first_applied_at, live["hello_there"].revision.number) == (now, 2)
    assert [row["campaign_id"] for row in _rows(store, "enrollment")] == ["hello_there"]
    assert {row["campaign_id"] for row in _rows(store, "revision")} == {"hello_there"}
    again = apply(store, _project(tmp_path / "3", {"hello": renamed}), now=now, by="ada")
    assert again.nothing


def test_a_date_that_moves_is_a_new_version_of_the_same_occurrence(store: Store, tmp_path: Path, now: datetime) -> None:
    """The key is its identity; new keys are added, and those that are gone are gone."""
    apply(store, _project(tmp_path), now=now, by="ada")
    moved = CALENDAR.replace("2027-11-09", "2027-11-10").replace(
        "    - {key: intro_call-2026-12, date: 2026-12-08, time: 19:00}",
        "    - {key: intro_call-2027-01, date: 2027-01-13, time: 19:00}",
    )
    result = apply(store, _project(tmp_path, calendar=moved), now=now, by="ada")
    assert result.moved == ("nrfod/nrfod-2027",)
    rows = {row["key"]: (row["on"], row["version"]) for row in _rows(store, "occurrence")}
    assert rows == {"nrfod-2027": ("2027-11-10", 2), "intro_call-2027-01": ("2027-01-13", 1)}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("{event: signup}", []),
        ("{event: signup, existing: all}", ["existing"]),
        ("{per: person}", ["existing"]),
        ("{per: person, existing: skip}", ["existing"]),
        ("{per: person, existing: 500/d}", ["existing"]),
        ("{per: nrfod, from: nrfod - 5d}", []),
    ],
)
def test_who_qualifies_already_is_walked_over_once(
    store: Store, tmp_path: Path, now: datetime, entry: str, expected: list[str]
) -> None:
    """Unless the campaign says skip; a second apply does not begin the walk again."""
    text = PERSON.replace("{per: person}", entry)
    apply(store, _project(tmp_path, {"other": text}), now=now, by="ada")
    assert expected == [row["key"] for row in _rows(store, "sweep")]
    with store.begin() as connection:
        connection.execute(TABLES["sweep"].update().values(after_person_id=7, done_at=now))
    apply(store, _project(tmp_path, {"other": text.replace("2d", "3d")}), now=now + timedelta(days=1), by="ada")
    assert [7] * len(expected) == [row["after_person_id"] for row in _rows(store, "sweep")]


def test_an_apply_that_fails_half_way_leaves_nothing(store: Store, tmp_path: Path, now: datetime) -> None:
    """One transaction: what was written is taken back, and what is remembered is what was committed."""
    apply(store, _project(tmp_path), now=now, by="ada")
    project = _project(tmp_path, {"welcome": WELCOME.replace("2d", "3d")})
    drafts = compile_project(project).drafts

    def half_way() -> None:
        with store.begin() as connection:
            saved = releases.save_release(connection, project.content, drafts, now=now, by="eve")
            seen = releases.live(connection)
            assert seen is not None
            assert (seen.id, seen.campaigns["welcome"].revision.number) == (saved.release_id, 2)
            raise RuntimeError("the machine stops")

    with pytest.raises(RuntimeError, match="the machine stops"):
        half_way()
    assert _live(store).campaigns["welcome"].definition.steps[1].at == "entry + 2d @ 10:00"
    text = WELCOME.replace("2d", "4d")
    apply(store, _project(tmp_path, {"welcome": text}), now=now, by="ada")
    assert _live(store).campaigns["welcome"].definition.steps[1].at == "entry + 4d @ 10:00"


def test_a_preview_writes_nothing(store: Store, tmp_path: Path, now: datetime) -> None:
    """It says what an apply would change, campaign by campaign."""
    apply(store, _project(tmp_path / "1", {"welcome": WELCOME, "other": OTHER}), now=now, by="ada")
    project = _project(
        tmp_path / "2", {"welcome": WELCOME.replace("2d", "3d"), "third": OTHER.replace("other", "third")}
    )
    ahead = preview(store, project, compile_project(project))
    assert (ahead.added, ahead.changed, ahead.removed) == (("third",), ("welcome",), ("other",))
    assert not is_live(store, project, compile_project(project))
    assert len(_rows(store, "release")) == 1


def test_another_process_sees_a_release_at_once(store: Store, tmp_path: Path, now: datetime) -> None:
    """What is remembered never hides what was applied elsewhere."""
    apply(store, _project(tmp_path), now=now, by="ada")
    assert _live(store).campaigns["welcome"].revision.number == 1
    other = Store(store.url.render_as_string(hide_password=False))
    try:
        apply(other, _project(tmp_path, {"welcome": WELCOME.replace("2d", "3d")}), now=now, by="bob")
        with other.begin() as connection:
            releases.set_campaign_state(connection, "welcome", "paused", now=now, by="bob")
    finally:
        other.close()
    welcome = _live(store).campaigns["welcome"]
    assert (welcome.revision.number, welcome.state) == (2, "paused")


# -- revisions and rollback --------------------------------------------------------------------------------------------


def test_a_rollback_is_an_apply_of_an_earlier_release(store: Store, tmp_path: Path, now: datetime) -> None:
    """Campaigns, content and calendar as they were, as a release of its own, with the revisions there are."""
    apply(store, _project(tmp_path / "1", {"welcome": WELCOME, "other": OTHER}), now=now, by="ada")
    changed = WELCOME.replace("2d", "3d")
    apply(store, _project(tmp_path / "2", {"welcome": changed}, segments="x: endorsable\n"), now=now, by="ada")
    assert release_of(store, 1) == 1
    result = rollback(store, 1, now=now + timedelta(hours=1), by="bob")
    assert (result.release_id, result.changed, result.revived) == (3, ("welcome",), ("other",))
    live = _live(store)
    assert live.campaigns["welcome"].revision.number == 1
    assert set(live.content.segments) == {"wisconsin", "ready"}
    assert rollback(store, 3, now=now, by="bob").nothing
    with pytest.raises(NotFoundError, match="There is no release 9"):
        rollback(store, 9, now=now, by="bob")


def test_revisions_are_listed_shown_and_compared(store: Store, tmp_path: Path, now: datetime) -> None:
    """Newest first; a diff shows the one fact that changed."""
    apply(store, _project(tmp_path), now=now, by="ada")
    apply(store, _project(tmp_path, {"welcome": WELCOME.replace("2d", "3d")}), now=now, by="bob")
    rows = [(row.id, row.number, row.release_id, row.applied_by, row.live) for row in list_revisions(store, "welcome")]
    assert rows == [(2, 2, 2, "bob", True), (1, 1, 1, "ada", False)]
    lines = as_lines(show_revision(store, 1))
    assert 'goal:\n  when: stage >= "exploring"' in "\n".join(lines)
    assert "mail welcome/hello (es):" in lines
    diff = [line for line in diff_revisions(store, 1, 2) if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert diff == ["-    at: entry + 2d @ 10:00", "+    at: entry + 3d @ 10:00"]
    assert diff_revisions(store, 1, 1) == []
    with pytest.raises(NotFoundError, match="There is no revision 9"):
        diff_revisions(store, 1, 9)
    with pytest.raises(NotFoundError, match='No campaign "nobody"'):
        list_revisions(store, "nobody")


def test_what_is_live_costs_one_statement(store: Store, tmp_path: Path, now: datetime) -> None:
    """Once a release is known, asking again reads campaign states and nothing else."""
    from sqlalchemy import event

    apply(store, _project(tmp_path), now=now, by="ada")
    _live(store)
    statements: list[str] = []
    listener = lambda *args: statements.append(args[2])  # noqa: E731
    event.listen(store.engine, "before_cursor_execute", listener)
    _live(store)
    event.remove(store.engine, "before_cursor_execute", listener)
    assert len([text for text in statements if text.lstrip().upper().startswith("SELECT")]) == 1


def test_settings_do_not_matter_to_a_release(store: Store, tmp_path: Path, now: datetime) -> None:
    """The folder that files lie in is not part of what they say."""
    apply(store, _project(tmp_path / "here"), now=now, by="ada")
    assert apply(store, load_project(Settings(folder=_moved(tmp_path))), now=now, by="ada").nothing


def _moved(folder: Path) -> Path:
    make_folder(folder / "there")
    return folder / "there"


def test_two_applies_at_once_make_one_release(store: Store, tmp_path: Path, now: datetime) -> None:
    """Whoever comes second finds everything live."""
    project = _project(tmp_path)
    compiled = compile_project(project)
    results: list[int | None] = []

    def one() -> None:
        results.append(apply(store, project, compiled, now=now, by="ada").release_id)

    threads = [Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == [1, None, None, None]
    assert len(_rows(store, "revision")) == 1
