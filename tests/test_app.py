"""The wiring: which keys sign for whom, and what is refused before anything is sent."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rfs_mail.app import App, open_app
from rfs_mail.errors import SettingsError
from rfs_mail.settings import Dkim, load_settings
from tests.dkim_keys import ed25519_pem, rsa_pem
from tests.engine.conftest import MakeWorld, make_world
from tests.engine.test_advance import drip

__all__ = ["make_world"]

ONE = {"domain": "rfs.example.org", "selector": "rfs1", "key_file": "rsa.pem"}
TWO = {"ed25519_selector": "rfs2", "ed25519_key_file": "ed25519.pem"}


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., App]:
    """`opened(text)` is the installation of a folder with these settings and two keys."""
    for name, pem in (("rsa.pem", rsa_pem()), ("ed25519.pem", ed25519_pem())):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_bytes(pem)

    def make(text: str, **environ: str) -> App:
        (tmp_path / "rfs-mail.toml").write_text(text, encoding="utf-8")
        return open_app(tmp_path, environ=environ, check_schema=False)

    return make


def toml(table: str, **values: Any) -> str:
    """A table of settings."""
    return f"{table}\n" + "".join(f'{key} = "{value}"\n' for key, value in values.items())


# -- keys --------------------------------------------------------------------------------------------------------------


def test_one_domain_signs_with_one_table(opened: Callable[..., App]) -> None:
    """`[dkim]` with one key or with two: the RSA key first, paths from the folder of the settings."""
    (one,) = opened(toml("[dkim]", **ONE)).signers.of("hello@rfs.example.org")
    first, second = opened(toml("[dkim]", **ONE, **TWO, canonicalization="relaxed/relaxed")).signers.of(
        "a@rfs.example.org"
    )

    assert ("rsa-sha256", "rfs1", "relaxed/simple") == (one.algorithm, one.selector, one.canonicalization)
    assert ("rsa-sha256", "ed25519-sha256") == (first.algorithm, second.algorithm)
    assert ("rfs2", "relaxed/relaxed") == (second.selector, second.canonicalization)


def test_several_domains_sign_each_with_its_own(opened: Callable[..., App]) -> None:
    """`[[dkim]]` is a list: two entities with two domains sign as themselves."""
    civics = {**ONE, "domain": "civics.example.org", "selector": "c1"}
    signers = opened(toml("[[dkim]]", **ONE) + toml("[[dkim]]", **civics)).signers

    assert ["rfs1"] == [one.selector for one in signers.of("hello@rfs.example.org")]
    assert ["c1"] == [one.selector for one in signers.of("hello@civics.example.org")]
    assert () == signers.of("hello@example.org")


def test_without_dkim_nobody_signs(opened: Callable[..., App]) -> None:
    """No table, no key is read."""
    assert {} == opened("").signers.by_domain


def test_the_environment_sets_the_table(opened: Callable[..., App]) -> None:
    """Variables make the whole table, or change one key of the only one there is."""
    variables = {f"RFS_MAIL_DKIM_{key.upper()}": value for key, value in ONE.items()}
    whole = opened("", **variables).settings.dkim
    changed = opened(toml("[[dkim]]", **ONE), RFS_MAIL_DKIM_SELECTOR="rfs9").settings.dkim

    assert (Dkim(**ONE),) == whole
    assert (Dkim(**{**ONE, "selector": "rfs9"}),) == changed


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_can_read_is_refused(opened: Callable[..., App], tmp_path: Path, mode: int) -> None:
    """Whoever has the key signs as us: the file is named, and the command that mends it."""
    (tmp_path / "rsa.pem").chmod(mode)
    with pytest.raises(SettingsError, match=r"Run: chmod 600 .*rsa\.pem"):
        opened(toml("[dkim]", **ONE)).signers  # noqa: B018


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (toml("[dkim]", **{**ONE, "key_file": "gone.pem"}), "gone.pem: the DKIM key cannot be read"),
        (toml("[dkim]", **{**ONE, "key_file": "."}), "the DKIM key c|can be read or written by others"),
        (toml("[dkim]", **{**ONE, "key_file": "ed25519.pem"}), "ed25519.pem holds an ed25519 key"),
        (toml("[dkim]", **{**ONE, "key_file": "rfs-mail.toml"}), "rfs-mail.toml"),
        (toml("[dkim]", **{**ONE, "domain": "localhost"}), "dkim.domain 'localhost'"),
        (toml("[dkim]", **{**ONE, "selector": "a b"}), "dkim.selector 'a b'"),
        (toml("[[dkim]]", **ONE) + toml("[[dkim]]", **ONE), "rfs.example.org stands there twice"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused_at_the_start(opened: Callable[..., App], text: str, said: str) -> None:
    """A missing file, a wrong kind, an impossible name: one sentence, before anything is sent."""
    with pytest.raises(SettingsError, match=said):
        opened('secret_key = "x"\n' + text).composer  # noqa: B018


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[dkim]\n", r"dkim\.domain: Field required"),
        (toml("[[dkim]]", domain="rfs.example.org"), r"dkim\.selector: Field required"),
        (toml("[dkim]", **ONE, ed25519_selector="x"), "belong together"),
        (toml("[dkim]", **ONE, ed25519_selector="rfs1", ed25519_key_file="x"), r"dkim: two keys need two selectors"),
        (toml("[dkim]", **ONE, canonicalization="simple"), r"dkim\.canonicalization"),
        (toml("[dkim]", **ONE, keyfile="x"), r"dkim\.keyfile: unknown key\. Did you mean 'key_file'"),
        (toml("[[dkim]]", **ONE) + toml("[[dkim]]", **ONE, key="x"), r"dkim\.1\.key: unknown key"),
        ("dkim = 3\n", "dkim: "),
    ],
)
def test_a_table_that_cannot_be_is_refused_by_its_key(tmp_path: Path, text: str, said: str) -> None:
    """What is missing, half or unknown is named."""
    (tmp_path / "rfs-mail.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        load_settings(tmp_path, {})


def test_a_variable_does_not_choose_among_tables(tmp_path: Path) -> None:
    """With two domains, a variable for one key would be for nobody in particular."""
    text = toml("[[dkim]]", **ONE) + toml("[[dkim]]", **{**ONE, "domain": "civics.example.org"})
    (tmp_path / "rfs-mail.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"RFS_MAIL_DKIM_SELECTOR: the file has 2 \[\[dkim\]\]"):
        load_settings(tmp_path, {"RFS_MAIL_DKIM_SELECTOR": "x"})


# -- who is not signed for ---------------------------------------------------------------------------------------------


def test_a_domain_without_a_key_is_said(make_world: MakeWorld, caplog: pytest.LogCaptureFixture) -> None:
    """A start says whose mail goes out unsigned, once a key is set at all; a key of a domain above is enough."""
    world = make_world({"drip": drip("{key: one, mail: a}")})
    world.apply("11-23 10:00")
    (world.folder / "rsa.pem").touch(mode=0o600)
    (world.folder / "rsa.pem").write_bytes(rsa_pem())
    with caplog.at_level(logging.WARNING, logger="rfs_mail.app"):
        world.machine()
        assert () == world.app.unsigned()
        assert [] == caplog.messages
        world.settings_are(dkim=(Dkim(**{**ONE, "domain": "example.org"}),))
        world.machine()
        assert () == world.app.unsigned()
        assert [] == caplog.messages
        world.settings_are(dkim=(Dkim(**ONE),))
        world.machine()
    assert ("hello@civics.example.org",) == world.app.unsigned()
    assert ["no [dkim] signs mail from hello@civics.example.org: it goes out unsigned, unless its relay signs"] == (
        caplog.messages
    )
