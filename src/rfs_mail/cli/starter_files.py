"""
Where the example campaigns, templates and data lie that `init` and `demo` start from.

They exist once, at the top of the project. A wheel carries them in `rfs_mail/cli/starter` (see pyproject.toml); an
editable installation has no such folder and reads them where they are written.
"""

from pathlib import Path

from rfs_mail.errors import NotFoundError

FOLDERS = ("campaigns", "templates", "data")


def starter_root() -> Path:
    """
    The folder that holds `campaigns`, `templates` and `data` as they are shipped. For reading only.

    Raises NotFoundError where the installation lost them.
    """
    here = Path(__file__).resolve()
    for root in (here.with_name("starter"), here.parents[3]):
        if all((root / folder).is_dir() for folder in FOLDERS):
            return root
    raise NotFoundError(
        f"The example campaigns are missing from this installation ({here.with_name('starter')}). "
        "Install rfs-mail again, from a wheel or with `pip install -e .` in a checkout."
    )
