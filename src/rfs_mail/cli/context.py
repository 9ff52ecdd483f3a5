"""The working folder of this command, opened once and closed at its end."""

from pathlib import Path

import typer

from rfs_mail.app import App, open_app

_FOLDER = "folder"


def set_folder(context: typer.Context, folder: Path) -> None:
    """Remember what `-C DIR` said."""
    context.meta[_FOLDER] = folder


def current_folder() -> Path:
    """The working folder of this command."""
    import click

    folder = click.get_current_context().meta.get(_FOLDER)
    return folder if isinstance(folder, Path) else Path.cwd()


def current_app(*, open_schema: bool = True) -> App:
    """
    The opened application; closed when the command ends. Raises SettingsError or StoreError with what to do.

    `open_schema=False` for commands that make or upgrade the schema.
    """
    import click

    context = click.get_current_context()
    app = context.meta.get("app")
    if not isinstance(app, App):
        app = open_app(current_folder(), check_schema=open_schema)
        context.meta["app"] = app
        context.find_root().call_on_close(app.close)
    return app
