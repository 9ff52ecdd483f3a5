"""New campaigns: complete, and nothing to say about them but that their texts are samples."""

from pathlib import Path

import pytest

from rfs_mail.campaign_files.load import load_project
from rfs_mail.campaign_files.starters import KINDS, new_campaign, write_starter
from rfs_mail.engine.check import check_project
from rfs_mail.errors import UsageError
from tests.project_samples import make_folder


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entity", ["rfs", "rfs_civics"])
def test_a_new_campaign_passes_check(tmp_path: Path, kind: str, entity: str) -> None:
    """Each kind, in every language of the entity: `check` asks for texts of one's own, and then for nothing more."""
    settings = make_folder(tmp_path)
    paths = write_starter(settings, new_campaign(load_project(settings), "my_first", kind, entity=entity))
    assert paths[0] == tmp_path / "campaigns" / "my_first.yaml"
    project = load_project(settings)
    assert {"placeholder"} == {finding.code for finding in check_project(project)}
    mails = [path for path in paths if path.suffix == ".md"]
    assert len(mails) == len(check_project(project))
    for path in mails:  # as a director does, once she has read them
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if "placeholder" not in line), encoding="utf-8")
    project = load_project(settings)
    assert check_project(project) == ()
    assert project.campaigns["my_first"].entity == entity
    assert project.campaigns["my_first"].languages == project.content.entities[entity].languages


@pytest.mark.parametrize(
    ("campaign_id", "kind", "entity", "said"),
    [
        ("My First", "series", None, '"My First" cannot be an id: a-z, 0-9 and _, from a letter on. Try: my_first'),
        ("segments", "series", None, '"segments" cannot be an id'),
        ("welcome", "series", None, 'There is a campaign "welcome" already: campaigns/welcome.yaml'),
        ("x", "newsletter", None, 'There is no kind "newsletter". Kinds: series, countdown, broadcast.'),
        ("x", "series", "us", 'There is no entity "us". There are: rfs, rfs_civics.'),
    ],
)
def test_what_cannot_be_made_is_refused(
    tmp_path: Path, campaign_id: str, kind: str, entity: str | None, said: str
) -> None:
    """With what to write instead."""
    project = load_project(make_folder(tmp_path))
    with pytest.raises(UsageError) as refusal:
        new_campaign(project, campaign_id, kind, entity=entity)
    assert said in str(refusal.value)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A template that is there already stops it before anything is written."""
    settings = make_folder(tmp_path, mails={"mine/second.md": "keep me"})
    starter = new_campaign(load_project(settings), "mine", "series")
    with pytest.raises(UsageError, match=r"second\.md is there already"):
        write_starter(settings, starter)
    assert not (tmp_path / "campaigns" / "mine.yaml").exists()
    assert (tmp_path / "templates" / "mine" / "second.md").read_text() == "keep me"
