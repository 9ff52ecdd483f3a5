"""The accident of the story: `rfs-mail tick`, as a process of its own, killed while mail is on its way."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rfs_mail.cli.demo.maillog import MailLog
from rfs_mail.settings import PREFIX

PATIENCE = 60.0
"""Seconds the process gets to send the first mails."""

LOOK_EVERY = 0.001
"""Seconds between two looks at the server's log: hundreds of mails go in a second."""


@dataclass(frozen=True, slots=True)
class Crash:
    """How a process was killed."""

    at: datetime
    code: int
    """How the process ended: -9 where it was killed, 0 where it was done before."""

    @property
    def killed(self) -> bool:
        """Was it killed before it was done?"""
        return self.code == -signal.SIGKILL


async def kill_in_mid_send(folder: Path, log: MailLog, *, at: datetime, after: int) -> Crash:
    """Start a tick as of `at`, and SIGKILL it once the receiving server has accepted `after` mails of it."""
    before = log.count()
    command = [sys.executable, "-m", "rfs_mail", "-C", str(folder), "tick", "--at", at.isoformat()]
    process = await asyncio.create_subprocess_exec(
        *command, env=without_settings(os.environ), stdout=asyncio.subprocess.DEVNULL
    )
    waited = 0.0
    while process.returncode is None and log.count() < before + after and waited < PATIENCE:
        await asyncio.sleep(LOOK_EVERY)
        waited += LOOK_EVERY
    if process.returncode is None:
        process.kill()
    return Crash(at, await process.wait())


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which nobody's own settings reach the demo: its mail goes to its own server, or nowhere."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
