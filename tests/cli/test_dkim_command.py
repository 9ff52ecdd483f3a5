"""`rfs-mail dkim`: a key is made once, for its owner alone; the record it prints is the one receivers need."""

import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rfs_mail.app import open_app
from rfs_mail.cli import app
from rfs_mail.cli.init import make_folder
from rfs_mail.core.dkim import compare
from tests.cli.conftest import MakeDesk
from tests.dkim_keys import rsa_pem
from tests.engine.test_advance import drip

ONE = """
[[dkim]]
domain = "rfs.example.org"
selector = "rfs1"
key_file = "dkim/rfs.example.org.rfs1.pem"
"""


def run(folder: Path, *words: str) -> Result:
    """`rfs-mail -C FOLDER dkim WORDS`."""
    return CliRunner().invoke(app, ["-C", str(folder), "dkim", *words])


def test_a_new_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The file has mode 0600 in a folder that git ignores, and a second key does not take its place."""
    first = run(tmp_path, "new", "RFS.example.org")
    path = tmp_path / "dkim" / "rfs.example.org.rfs1.pem"
    pem = path.read_bytes()
    again = run(tmp_path, "new", "rfs.example.org")

    assert 0 == first.exit_code, first.output
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert b"\n*\n" in (path.parent / ".gitignore").read_bytes()
    assert 2 == again.exit_code
    assert f"{path} exists already" in again.output
    assert pem == path.read_bytes()


@pytest.mark.parametrize(
    ("words", "named"), [(["../../x"], "dkim.domain"), (["x.org", "--selector", "a/b"], "selector")]
)
def test_a_name_that_cannot_be_makes_no_file(tmp_path: Path, words: list[str], named: str) -> None:
    """A domain or selector with a slash, a blank or nothing in it is refused, and nothing is written."""
    result = run(tmp_path, "new", *words)

    assert 2 == result.exit_code
    assert named in result.output
    assert [] == list(tmp_path.iterdir())


def test_what_new_says_is_what_is_needed(tmp_path: Path) -> None:
    """The printed table makes the keys sign, and the printed records are those that receivers check them with."""
    make_folder(tmp_path, examples=False)
    rsa = run(tmp_path, "new", "rfs.example.org").output
    ed25519 = run(tmp_path, "new", "rfs.example.org", "--selector", "rfs2", "--ed25519").output
    with (tmp_path / "rfs-mail.toml").open("a", encoding="utf-8") as file:
        file.write("".join(f"{line.strip()}\n" for line in rsa.splitlines() if re.match(r" +(\[\[dkim|\w+ = )", line)))
        file.write("".join(f"{line.strip()}\n" for line in ed25519.splitlines() if re.match(r" +ed25519_\w+ = ", line)))
    opened = open_app(tmp_path, environ={})
    try:
        signers = opened.signers.of("hello@rfs.example.org")
    finally:
        opened.close()
    shown = run(tmp_path, "show")

    assert ["rfs1", "rfs2"] == [one.selector for one in signers]
    for signer, said in zip(signers, (rsa, ed25519), strict=True):
        (value,) = re.findall(r"^ +value +(.*)$", said, re.MULTILINE)
        assert compare(signer, [value]).fits
        assert re.search(rf"^ +name +{re.escape(signer.record_name)}$", said, re.MULTILINE)
        assert value in shown.output
    assert 0 == shown.exit_code


def test_show_without_keys_says_how_to_begin(tmp_path: Path) -> None:
    """Nothing is wrong where the relay signs; the command that makes a key is named."""
    make_folder(tmp_path, examples=False)
    shown = run(tmp_path, "show")

    assert (0, True) == (shown.exit_code, "rfs-mail dkim new DOMAIN" in shown.output)


def test_show_names_whose_mail_is_not_signed(make_desk: MakeDesk) -> None:
    """Exit code 1 where an entity's From has no key; a program reads both lists."""
    desk = make_desk(drip=drip("{key: one, mail: a}"))
    desk.world.apply("11-23 10:00")
    path = desk.world.folder / "dkim" / "rfs.example.org.rfs1.pem"
    path.parent.mkdir()
    path.touch(mode=0o600)
    path.write_bytes(rsa_pem())
    (desk.world.folder / "rfs-mail.toml").write_text(ONE, encoding="utf-8")
    desk.world.settings_are(dkim=open_app(desk.world.folder, environ={}, check_schema=False).settings.dkim)
    said = desk.json("dkim", "show", code=1)

    assert "No key signs mail from hello@civics.example.org" in desk.says("dkim", "show", code=1)
    assert ["hello@civics.example.org"] == said["unsigned"]
    (key,) = said["keys"]
    assert ("rfs1._domainkey.rfs.example.org", "rsa-sha256", 2048) == (key["name"], key["algorithm"], key["bits"])
    assert "PRIVATE" not in str(said)
