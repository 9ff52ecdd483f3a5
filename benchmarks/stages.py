"""
`python -m benchmarks profile`: where the processor time of one mail goes, stage by stage.

Each stage's function is timed by the clock of the thread it runs in, so that waiting for another thread, for the disk
or for the relay does not count. The SMTP stage is measured by itself, with the same transport and finished bytes. What
no stage explains is the event loop, tasks, threads handing over to each other, and the sink's answers.

`python -m benchmarks.stages FOLDER PORT` is the process that sends.
"""

import asyncio
import contextlib
import gc
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import folders, peers, sending
from benchmarks.processes import child, sink
from benchmarks.report import machine, say
from benchmarks.run import Run
from rfs_mail.engine import compose, deliver, ledger
from rfs_mail.engine import machine as verbs
from rfs_mail.engine.compose import Composer
from rfs_mail.render import Renderer
from rfs_mail.store import outbox
from rfs_mail.store.database import Store
from rfs_mail.transport.base import Envelope
from rfs_mail.transport.relay import parse_relay_url
from rfs_mail.transport.smtp import SmtpTransport

STAGES: tuple[tuple[str, str, Any, str], ...] = (
    ("dispatch", "choose what is due, claim it, make batches", verbs, "dispatch"),
    ("read rows", "open a batch: deliveries, people, revisions", deliver, "_open"),
    ("values", "a person's row -> the names a template reads", compose, "build_context"),
    ("render", "Jinja twice, subject and preheader, inline, text", Renderer, "render"),
    ("build", "RFC 5322 bytes, read back and checked", compose, "build"),
    ("remember", "what the message was made from (`made`)", compose, "variables_json"),
    ("compose, the rest", "links and their seals, SHA-256, choosing the source", Composer, "compose"),
    ("mark", "the gate: its columns, the decision, claimed -> sending", ledger, "pass_gate"),
    ("settle", "verdict: sending -> sent, the enrollment woken", outbox, "settle"),
    ("close", "the batch is done", outbox, "close_batch"),
)
INSIDE = {"compose, the rest": ("values", "render", "build", "remember")}


class Meter:
    """Processor time by stage, the time of an inner stage taken from the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def wrap(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with its time counted."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return work(*args, **kwargs)
            finally:
                self.seconds[stage] += time.thread_time() - began
                self.calls[stage] += 1

        return measured

    def transactions(self, begin: Callable[..., Any]) -> Callable[..., Any]:
        """`Store.begin` with the processor time of BEGIN and COMMIT counted, not that of what is done in between."""

        @contextmanager
        def measured(store: Store) -> Iterator[Any]:
            started = time.thread_time()
            with contextlib.ExitStack() as stack:
                connection = stack.enter_context(begin(store))
                self.seconds["begin, commit"] += time.thread_time() - started
                yield connection
                started = time.thread_time()
            self.seconds["begin, commit"] += time.thread_time() - started
            self.calls["begin, commit"] += 1

        return measured


def show(size: int) -> None:
    """Send `size` mails and print the table."""
    with sending.queued("profile", Run(size)) as folder, sink() as target:
        say(f"profile: {size:,} mails to {target.name} ...")
        found = child("stages", str(folder), str(target.port))
    mails, stages = found["sent"], found["stages"]
    print(f"{machine()}; {mails:,} mails of {found['size']:,} octets, {mails / found['seconds']:,.0f}/s\n")
    print(f"| {'stage':<18} | {'us of CPU a mail':>16} | {'share':>5} | what |")
    print(f"|{'-' * 20}|{'-' * 17}:|{'-' * 6}:|---|")
    total = found["cpu"] / mails * 1e6
    groups = f"{found['transactions'] / mails:.3f} transactions a mail, without the wait for the disk"
    for name, about in [*((stage[0], stage[1]) for stage in STAGES),
                        ("begin, commit", groups),
                        ("SMTP", "the same transport by itself, finished bytes"),
                        ("everything else", "event loop, tasks, hand-over between threads")]:  # fmt: skip
        spent = stages[name] / mails * 1e6
        print(f"| {name:<18} | {spent:>16.1f} | {spent / total:>5.0%} | {about} |")
    print(f"| {'all of it':<18} | {total:>16.1f} | {'100%':>5} | the whole process |")


def main(folder: Path, port: int) -> dict[str, Any]:
    """Send everything with the stages measured."""
    meter = Meter()
    for stage, _, owner, name in STAGES:
        setattr(owner, name, meter.wrap(stage, getattr(owner, name)))
    Store.begin = meter.transactions(Store.begin)  # type: ignore[method-assign]
    app = sending.open_folder(folder, port)
    try:
        sender = app.machine(now=lambda: folders.NOW)
        sender.deliverer.composers.processes = 0  # all of it in one process, where its time can be seen
        done = peers.run(sending.send_all(sender, 120))
        with app.store.read() as connection:
            size = connection.exec_driver_sql("SELECT avg(json_extract(made, '$.size')) FROM delivery").scalar_one()
    finally:
        app.close()
    for outer, inner in INSIDE.items():
        meter.seconds[outer] -= sum(meter.seconds[name] for name in inner)
    gc.collect()
    meter.seconds["SMTP"] = peers.run(_smtp_alone(port, done.mails, round(size)))
    meter.seconds["everything else"] = done.cpu - sum(meter.seconds.values())
    return {
        "sent": done.mails, "size": round(size), "seconds": done.seconds, "cpu": done.cpu,
        "stages": dict(meter.seconds), "transactions": meter.calls["begin, commit"],
    }  # fmt: skip


async def _smtp_alone(port: int, count: int, size: int) -> float:
    """Processor seconds of the transport for finished bytes, as many at once as a machine has slots."""
    message = b"X-Padding: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * (size // 72)
    transport = SmtpTransport(parse_relay_url(f"smtp://127.0.0.1:{port}?tls=none"), connections=20)
    await transport.open()
    envelope = Envelope("bounce@bounces.rfs.example.org", "person@example.org")
    numbers = iter(range(count))

    async def one() -> None:
        for _ in numbers:
            await transport.send(envelope, message)

    began = time.process_time()
    await asyncio.gather(*(one() for _ in range(40)))
    spent = time.process_time() - began
    await transport.close()
    return spent


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
