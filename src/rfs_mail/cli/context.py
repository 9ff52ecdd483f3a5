"""The working folder of this command, opened once and closed at its end."""

from contextvars import ContextVar
from pathlib import Path

import typer

from rfs_mail.app import App, open_app

# Typer carries a Click of its own, so the "current context" of the `click` package is never set; this one is.
_CURRENT: ContextVar[typer.Context | None] = ContextVar("rfs_mail_command", default=None)
_FOLDER = "folder"
_APP = "app"


def set_folder(context: typer.Context, folder: Path) -> None:
    """Remember what `-C DIR` said. Called by the root command, before any other runs."""
    context.meta[_FOLDER] = folder
    _CURRENT.set(context)
    context.call_on_close(lambda: _CURRENT.set(None))


def current_folder() -> Path:
    """The working folder of this command."""
    context = _CURRENT.get()
    folder = context.meta.get(_FOLDER) if context is not None else None
    return folder if isinstance(folder, Path) else Path.cwd()


def current_app(*, open_schema: bool = True) -> App:
    """
    The opened application; closed when the command ends. Raises SettingsError or StoreError with what to do.

    `open_schema=False` for commands that make or upgrade the schema.
    """
    context = _CURRENT.get()
    if context is None:
        raise RuntimeError("no command is running: the root command calls set_folder() first")
    app = context.meta.get(_APP)
    if not isinstance(app, App):
        app = open_app(current_folder(), check_schema=open_schema)
        context.meta[_APP] = app
        context.call_on_close(app.close)
    return app
