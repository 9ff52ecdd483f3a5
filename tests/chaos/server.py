"""
The relay of a run: the scriptable server of the transport's tests, misbehaving by chance.

    python -m tests.chaos.server --port 0 --log FILE --seed 1 --often 1.0      # prints its port, serves until killed

Each accepted message is one line of the log, written before the reply begins, so it outlives the process:
`{"at": seconds, "to": address, "by": the name the client gave in EHLO}`. Each misdeed is a line too.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from tests.transport.smtp_server import Action, Drop, Slow, SmtpServer

MISDEEDS: dict[str, tuple[str, Action, float]] = {
    "421 at MAIL": ("mail", "421 4.3.2 going down", 0.004),
    "451 at RCPT": ("rcpt", "451 4.3.0 try again later", 0.01),
    "552 at RCPT": ("rcpt", "552 5.2.2 the mailbox is full", 0.005),
    "421 at RCPT": ("rcpt", "421 4.3.2 going down", 0.004),
    "dropped at DATA": ("data", Drop(), 0.004),
    "dropped in the message": ("body", Drop(), 0.004),
    "451 at the dot": ("dot", "451 4.3.0 try again later", 0.02),
    "421 at the dot": ("dot", "421 4.3.2 going down", 0.004),
    "dropped after the dot, refused": ("dot", Drop(), 0.002),
    "dropped after the dot, taken": ("dot", Drop(accepted=True), 0.002),
}
"""What it does wrong -> phase, action, how often (a share of the messages that come so far)."""

SILENT = ("dropped in the message", "dropped after the dot, refused", "dropped after the dot, taken")
"""Misdeeds after which nobody can know: one uncertain mail each. A small message leaves in one piece with its dot."""


class ChaosServer(SmtpServer):
    """
    Misbehaves by chance, `often` times as much as `MISDEEDS` says, and takes up to `slow` seconds over a final dot.
    """

    def __init__(self, *, port: int, path: Path, seed: float, often: float, slow: float) -> None:
        super().__init__(port=port, keep=False)
        self._chance = random.Random(seed)
        self._often, self._slow = often, slow
        self._book = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._names: dict[int, str] = {}

    def _write_down(self, **line: Any) -> None:
        os.write(self._book, json.dumps({"at": time.time(), **line}).encode() + b"\n")

    def _note(self, session: Any, line: str) -> None:
        if line[:5].upper() == "EHLO ":
            self._names[session.number] = line[5:]

    def _accept(self, session: Any, wire: bytes) -> None:
        self._write_down(to=session.rcpt_to[-1], by=self._names.get(session.number, ""))
        super()._accept(session, wire)

    def _action(self, phase: str, *addresses: str) -> Action:
        roll = self._chance.random()
        for name, (where, action, share) in MISDEEDS.items():
            if where == phase:
                roll -= share * self._often
                if roll < 0:
                    self._write_down(misdeed=name, to=addresses[0])
                    return action
        return Slow(self._chance.uniform(0, self._slow)) if phase == "dot" else None


def main() -> None:
    """Serve as a process: print the port, then stay until it is killed."""
    parser = argparse.ArgumentParser(description="An SMTP server that misbehaves by chance.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--seed", type=float, default=0.0)
    parser.add_argument("--often", type=float, default=1.0)
    parser.add_argument("--slow", type=float, default=0.01)
    options = parser.parse_args()
    server = ChaosServer(
        port=options.port, path=options.log, seed=options.seed, often=options.often, slow=options.slow
    )  # fmt: skip

    def announce() -> None:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()

    try:
        import uvloop
    except ImportError:
        asyncio.run(server.serve(announce))
    else:
        uvloop.run(server.serve(announce))


if __name__ == "__main__":
    main()
