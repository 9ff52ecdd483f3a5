"""
Sending: dispatch, render, inline, build, mark, SMTP, settle, as `rfs-mail run` does it, in a process of its own.

`python -m benchmarks.sending FOLDER PORT SECONDS` is that process: it sends what the folder's database has queued to
a sink on loopback, and prints what it did. What composes beside it is counted with it, time and memory.
"""

import asyncio
import json
import logging
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks import folders, peers, people
from benchmarks.processes import child, sink
from benchmarks.report import Found, say
from benchmarks.run import Run
from rfs_mail.app import App, open_app
from rfs_mail.engine.machine import Machine
from rfs_mail.scheduler import PACE

CAMPAIGNS = ("letter",)


def measure(run: Run, *, options: Sequence[str] = ()) -> Found:
    """Send `run.size` mails to a sink; then let the peers send as many of the same size."""
    seconds = 15 if run.quick else 300
    with queued("send", run) as folder, sink() as target:
        say(f"send: {run.size:,} mails to {target.name} ...")
        profile = ["--profile"] if run.profile else []
        done = child("sending", str(folder), str(target.port), str(seconds), *profile, *options)
        if done["sent"] == 0:
            raise RuntimeError(f"nothing was sent: {done}")
        message = b"X-Padding: " + b"x" * 61 + b"\r\n\r\n" + (b"y" * 70 + b"\r\n") * max(1, int(done["size"]) // 72 - 1)
        quick = min(run.size, 20_000)
        bare = peers.pipelined(target.port, message, quick)
        plain = peers.plain(target.port, message, quick // 4)
        source = peers.smtp_source(target.port, len(message), quick)
    rate = done["sent"] / done["seconds"]
    detail = {
        "cpu_us_per_mail": done["cpu"] / done["sent"] * 1e6,
        "cpu_us_per_mail_beside": done["cpu_beside"] / done["sent"] * 1e6,
        "mails_per_cpu_second": done["sent"] / (done["cpu"] + done["cpu_beside"]),
        "mail_bytes": done["size"],
        "sent": done["sent"],
        "not_sent": done["not_sent"],
        "sink": target.name,
        "aiosmtplib_sendmail": plain,
        "ratio_to_aiosmtplib": rate / plain,
        "pipelined_client": bare,
        "ratio_to_pipelined_client": rate / bare,
    }
    if source is not None:
        return Found(rate, run.size, "smtp-source", source, detail)
    return Found(rate, run.size, "a bare pipelined client (benchmarks.peers)", bare, detail)


def queued(name: str, run: Run) -> Any:
    """A folder whose outbox holds `run.size` mails that are due."""

    def fill(connection: Any) -> None:
        people.fill_people(connection, run.size)
        people.fill_queue(connection)

    return folders.prepared(f"queue-{name}" if run.size > folders.BIG else "queue", run.size, CAMPAIGNS, fill,
                            keep=run.keep)  # fmt: skip


# -- the process that sends --------------------------------------------------------------------------------------------


def open_folder(folder: Path, port: int, *, signed: bool = False) -> App:
    """The app of a folder, its one relay the sink; `signed`: with an RSA key of 2,048 bits for its From domain."""
    environ = {"RFS_MAIL_RELAY": f"smtp://127.0.0.1:{port}?tls=none"}
    if signed:
        key = folder / "dkim.pem"
        if not key.exists():
            made = generate_private_key(65537, 2048)
            key.touch(mode=0o600)
            key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        environ |= {
            "RFS_MAIL_DKIM_DOMAIN": peers.SENDER.partition("@")[2].removeprefix("bounces."),
            "RFS_MAIL_DKIM_SELECTOR": "rfs1", "RFS_MAIL_DKIM_KEY_FILE": key.name,
        }  # fmt: skip
    return open_app(folder, environ=environ)


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent in which time, up to the last durable verdict or to the end of the time."""

    mails: int
    seconds: float
    cpu: float


async def send_all(machine: Machine, seconds: float) -> Sent:
    """Dispatch at the pace of `rfs-mail run` until nothing is left, or the time is over."""
    await machine.start()
    try:
        wall, cpu, given = time.perf_counter(), time.process_time(), 0
        while True:
            now = await machine.dispatch(folders.NOW)
            given += now.deliveries
            next_turn = time.perf_counter() + PACE["dispatch"]
            while time.perf_counter() < next_turn and machine.tally.settled < given:
                await asyncio.sleep(0.02)
            if time.perf_counter() - wall > seconds or (not now.deliveries and machine.tally.settled >= given):
                return Sent(machine.tally.sent, time.perf_counter() - wall, time.process_time() - cpu)
    finally:
        await machine.stop()


def main(folder: Path, port: int, seconds: float, *, profile: bool = False, signed: bool = False) -> dict[str, Any]:
    """Send everything and say what was done."""
    handler = logging.StreamHandler()
    handler.addFilter(_few())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    app = open_folder(folder, port, signed=signed)
    try:
        idle = peak_bytes()
        machine = app.machine(now=lambda: folders.NOW)
        if profile:
            from benchmarks.clocks import took

            sent = took(lambda: peers.run(send_all(machine, seconds)), profile=True).result
        else:
            sent = peers.run(send_all(machine, seconds))
        with app.store.read() as connection:
            row = connection.exec_driver_sql(
                "SELECT avg(json_extract(made, '$.size')), count(json_extract(made, '$.dkim')) FROM delivery"
            ).one()
        if signed and row[1] < sent.mails:
            raise RuntimeError(f"of {sent.mails} mails {row[1]} were signed")
        beside = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "sent": sent.mails,
            "not_sent": machine.tally.settled - machine.tally.sent,
            "seconds": sent.seconds,
            "cpu": sent.cpu,
            "cpu_beside": beside.ru_utime + beside.ru_stime,
            "size": round(row[0] or 0),
            "idle_bytes": idle,
            # The largest of those that composed beside, as often as there were any.
            "peak_bytes": peak_bytes() + machine.deliverer.composers.processes * beside.ru_maxrss * _MAXRSS,
        }
    finally:
        app.close()


_MAXRSS = 1 if sys.platform == "darwin" else 1024


def _few(most: int = 5) -> Callable[[logging.LogRecord], bool]:
    """What goes wrong with every mail is said a few times."""
    said = count(1)
    return lambda record: next(said) <= most


def peak_bytes() -> int:
    """The most memory this process has held at once."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")  # rusage would count the parent's, before exec
        return 1024 * int(next(row.split()[1] for row in status.splitlines() if row.startswith("VmHWM:")))
    except (OSError, StopIteration):
        held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return held * _MAXRSS


if __name__ == "__main__":
    options = {"profile": "--profile" in sys.argv, "signed": "--signed" in sys.argv}
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), **options)))
