"""The command line over a whole installation whose clock the test moves."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rfs_mail.app import App
from rfs_mail.cli import app, context
from rfs_mail.render import Renderer
from rfs_mail.store.database import Store
from tests.recipients import SECRET
from tests.world import World


class Desk:
    """Staff at the keyboard: `run` is one command, as of the world's now."""

    def __init__(self, world: World) -> None:
        self.world = world

    def open(self, _folder: Path, **_how: Any) -> App:
        """The installation as a command opens it: on connections of its own, which it closes at its end."""
        given = self.world.app
        store = Store(given.store.url.render_as_string(hide_password=False))
        app = App(given.settings, store, Renderer({"base_url": given.settings.base_url}), lambda: self.world.now)
        app.__dict__["suppression_key"] = SECRET  # what the people of these tests are hashed with
        return app

    def run(self, *words: str) -> Result:
        """`rfs-mail WORDS`."""
        result = CliRunner().invoke(app, ["-C", str(self.world.folder), *words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def says(self, *words: str, code: int = 0) -> str:
        """What a command prints; its exit code has to be this one."""
        result = self.run(*words)
        assert result.exit_code == code, result.output
        return result.output

    def json(self, *words: str, code: int = 0) -> Any:
        """What a command prints with --json."""
        result = self.run(*words, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)


MakeDesk = Callable[..., Desk]


@pytest.fixture
def make_desk(sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeDesk:
    """`make_desk(welcome="...", ...)`: an installation with these campaigns, not applied yet, and a desk before it."""

    def make(files: Mapping[str, str] | None = None, **campaigns: str) -> Desk:
        folder = tmp_path / "folder"
        folder.mkdir()
        desk = Desk(World(sqlite_store, folder, campaigns, **(files or {})))
        monkeypatch.setattr(context, "open_app", desk.open)
        return desk

    return make
