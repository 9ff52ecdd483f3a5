"""A whole working folder as one value."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.campaign_files.load import Project, load_project
from rfs_mail.settings import Settings
from tests.project_samples import ENTITIES, ROOT, WELCOME, make_folder, make_project

SHIPPED = {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for path in [*(ROOT / "campaigns").glob("*.yaml"), ROOT / "data" / "calendar.yaml"]
}


NEW = st.binary(max_size=6) | st.text("{}[]:-,'\"#&*!|>%@\n ", max_size=4)
"""What a slip of the hand, or of a disk, puts into a file."""


def _read_with(name: str, raw: bytes) -> Project:
    """The shipped YAML files with one of them replaced."""
    with TemporaryDirectory() as folder:
        for other, content in {**SHIPPED, name: raw}.items():
            path = Path(folder) / other
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        return load_project(Settings(folder=Path(folder)))


def test_the_shipped_files_have_the_right_shape() -> None:
    """Everything that `init` lays down is read without a finding."""
    project = load_project(Settings(folder=ROOT))
    assert project.findings == ()
    assert {"welcome", "nrfod", "reengage_sunset", "post_filing", "endorsement"} <= set(project.campaigns)


def test_which_files_are_campaigns(tmp_path: Path) -> None:
    """YAML files of the folder, without those that hold something else, hidden ones and the tests of campaigns."""
    folder = make_folder(tmp_path, {"welcome": WELCOME, ".hidden": "x", "_draft": "x"})
    (tmp_path / "campaigns" / "tests").mkdir()
    (tmp_path / "campaigns" / "tests" / "welcome.yaml").write_text("x")
    (tmp_path / "campaigns" / "other.yml").write_text(WELCOME.replace("id: welcome", "id: other"))
    project = load_project(folder)
    assert list(project.campaigns) == ["other", "welcome"]
    assert project.file_of("other") == "campaigns/other.yml"
    assert project.file_of("nobody") == ""


def test_two_campaigns_with_one_id(tmp_path: Path) -> None:
    """Both places are named."""
    project = load_project(make_folder(tmp_path, {"one": WELCOME, "two": WELCOME}))
    assert [str(finding) for finding in project.findings] == [
        'campaigns/one.yaml:1:5  id: "welcome" is the id of campaigns/two.yaml:1 too. Change one.',
        'campaigns/two.yaml:1:5  id: "welcome" is the id of campaigns/one.yaml:1 too. Change one.',
    ]


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    """No folders, no files: findings, each with a next step, and no exception."""
    findings = load_project(Settings(folder=tmp_path)).findings
    assert [finding.path for finding in findings] == ["campaigns", "campaigns/entities.yaml", "templates"]
    assert "Run: rfs-mail init" in findings[0].message


def test_folders_can_be_elsewhere(tmp_path: Path) -> None:
    """Settings say where the files are, and messages call them so."""
    make_folder(tmp_path / "inner", {"welcome": "id: x"})
    folder = Settings(
        folder=tmp_path,
        campaigns="inner/campaigns",
        templates="inner/templates",
        data="inner/data",
        entities="inner/campaigns/entities.yaml",
    )
    project = load_project(folder)
    assert {finding.path for finding in project.findings} == {"inner/campaigns/welcome.yaml"}
    assert set(project.content.entities) == {"rfs", "rfs_civics"}


def test_templates_are_read_by_path(tmp_path: Path) -> None:
    """Texts by path inside the folder; hidden files, other kinds and unreadable ones are no templates."""
    folder = make_folder(tmp_path)
    (tmp_path / "templates" / "welcome" / ".swp.md").write_text("x")
    (tmp_path / "templates" / "welcome" / "photo.png").write_bytes(b"\x89PNG")
    (tmp_path / "templates" / "welcome" / "latin.md").write_bytes(b"caf\xe9")
    project = load_project(folder)
    assert "welcome/hello.es.md" in project.files
    assert not any("swp" in name or "png" in name for name in project.files)
    assert [str(finding) for finding in project.findings] == [
        "templates/welcome/latin.md:1:4  byte 0xe9 is not UTF-8. Save the file as UTF-8."
    ]


def test_what_cannot_be_read_is_not_passed_over(tmp_path: Path) -> None:
    """A link to nowhere, a folder, a pipe: each is an error with its path, lest its campaign count as removed."""
    folder = make_folder(tmp_path)
    campaigns = tmp_path / "campaigns"
    (campaigns / "away.yaml").symlink_to("gone.yaml")
    (campaigns / "fields.yml").unlink(missing_ok=True)
    (campaigns / "fields.yaml").unlink(missing_ok=True)
    (campaigns / "fields.yaml").symlink_to("nowhere.yaml")
    (campaigns / "box.yaml").mkdir()
    os.mkfifo(campaigns / "pipe.yaml")
    said = {finding.path: (finding.severity, finding.message) for finding in load_project(folder).findings}
    link = "is a link to {}, which is not there. Mend the link, or take it away."
    assert {
        "campaigns/away.yaml": ("error", link.format("gone.yaml")),
        "campaigns/fields.yaml": ("error", link.format("nowhere.yaml")),
        "campaigns/box.yaml": ("error", "cannot be read: Is a directory"),
        "campaigns/pipe.yaml": ("error", "is no file. Take it away."),
    } == {path: told for path, told in said.items() if told[0] == "error"}


def test_sources_say_where_values_stand(tmp_path: Path) -> None:
    """By path; the nearest thing that has a place stands in for what has none."""
    project = make_project(tmp_path)
    sources = project.sources
    file = "campaigns/welcome.yaml"
    finding = sources.finding("error", "x", "y", (file, "steps", "offices", "at"), column=9)
    assert (finding.path, finding.line, finding.column) == (file, 9, 32)
    finding = sources.finding("error", "x", "y", (file, "steps", "offices", "nothing"))
    assert (finding.line, finding.column) == (9, 11)
    finding = sources.finding("error", "x", "two\nlines", ("nowhere",))
    assert (finding.path, finding.line, finding.message) == ("nowhere", 1, "two lines")


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(SHIPPED)),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 12), NEW),
        min_size=1,
        max_size=4,
    ),
)
def test_mutated_files_give_findings_and_never_raise(name: str, edits: list[tuple[float, int, bytes | str]]) -> None:
    """Whatever happens to a shipped file, the folder can be read."""
    raw = SHIPPED[name]
    for place, gone, new in edits:
        at = int(place * len(raw))
        raw = raw[:at] + (new.encode() if isinstance(new, str) else new) + raw[at + gone :]
    project = _read_with(name, raw)
    for finding in project.findings:
        assert finding.line >= 1
        assert finding.column >= 1
        assert "\n" not in finding.message
    assert set(project.campaigns) == {draft.campaign.id for draft in project.drafts if draft.whole}


@settings(max_examples=30)
@given(st.binary(max_size=120))
def test_random_bytes_as_a_campaign(raw: bytes) -> None:
    """Noise is no campaign, and no exception."""
    assert _read_with("campaigns/welcome.yaml", raw).findings


def test_a_project_of_only_entities(tmp_path: Path) -> None:
    """No campaign yet is no mistake."""
    project = load_project(make_folder(tmp_path, {}, {}, entities=ENTITIES))
    assert (project.findings, dict(project.campaigns)) == ((), {})
