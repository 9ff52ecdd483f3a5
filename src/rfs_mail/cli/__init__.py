"""The command line: `rfs-mail`, a file for each noun."""

from rfs_mail.cli.main import app, main

__all__ = ["app", "main"]
