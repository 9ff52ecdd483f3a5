"""`rfs-mail.toml`: what is wrong in it is said in one sentence that names the file, the key and the fix."""

from pathlib import Path

import pytest

from rfs_mail.errors import SettingsError
from rfs_mail.settings import FILE_NAME, load_settings


def refused(folder: Path, text: str | bytes) -> str:
    """What is said about a file with this text, without the folder's name."""
    path = folder / FILE_NAME
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as refusal:
        load_settings(folder, environ={})
    return str(refusal.value).removeprefix(str(path)).removeprefix(": ").strip()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('only_to = "x@example.org"', 'only_to: write a list, such as ["..."].'),
        ('only_to = ["example.org"]',
         'only_to: "example.org" is neither an address nor a domain. A domain is written "@example.org".'),
        ('window = "two"', "window: write a whole number."),
        ("inbox = 3", "inbox: write a text, in quotes."),
        ("caps = 1", "caps: write a table of its own."),
        ("[caps]\nper_dya = 1", "caps.per_dya: unknown key. Did you mean 'per_day'?"),
        ('bas_url = "https://example.org"', "unknown key 'bas_url'. Did you mean 'base_url'?"),
        (b"\xff\xfe", "is not UTF-8. Save it as UTF-8."),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_fix(text: str | bytes, said: str, tmp_path: Path) -> None:
    """No setting is guessed, and no message speaks of tuples."""
    assert refused(tmp_path, text) == said


def test_settings_that_cannot_be_read_are_a_sentence(tmp_path: Path) -> None:
    """A folder in its place, or a file of somebody else, is no traceback."""
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings(tmp_path, environ={})


def test_only_to_takes_addresses_and_domains(tmp_path: Path) -> None:
    """From the file and from the environment."""
    (tmp_path / FILE_NAME).write_text('only_to = ["you@example.org"]', encoding="utf-8")
    assert load_settings(tmp_path, environ={}).only_to == ("you@example.org",)
    assert load_settings(tmp_path, environ={"RFS_MAIL_ONLY_TO": "@example.org, b@example.com"}).only_to == (
        "@example.org",
        "b@example.com",
    )
