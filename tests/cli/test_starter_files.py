"""What `init` lays down is found, in a checkout and in an installed wheel."""

import shutil
from pathlib import Path

import pytest

from rfs_mail.cli import starter_files
from rfs_mail.errors import NotFoundError


def test_a_checkout_reads_its_own_folders() -> None:
    """In a checkout the shipped campaigns are those at its top."""
    root = starter_files.starter_root()
    assert root == Path(__file__).resolve().parents[2]
    assert (root / "campaigns" / "entities.yaml").is_file()


def test_a_wheel_reads_what_it_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an installed wheel they lie beside the code."""
    module = tmp_path / "site-packages" / "rfs_mail" / "cli" / "starter_files.py"
    for folder in starter_files.FOLDERS:
        (module.with_name("starter") / folder).mkdir(parents=True)
    shutil.copyfile(starter_files.__file__, module)
    monkeypatch.setattr(starter_files, "__file__", str(module))
    assert starter_files.starter_root() == module.with_name("starter").resolve()


def test_a_damaged_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the folders the answer is what to do, not an empty project."""
    monkeypatch.setattr(starter_files, "__file__", str(tmp_path / "a" / "b" / "c" / "starter_files.py"))
    with pytest.raises(NotFoundError, match="Install rfs-mail again"):
        starter_files.starter_root()
