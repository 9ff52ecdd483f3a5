"""Memory: the most that a process holds at once while it sends."""

from benchmarks.processes import child, sink
from benchmarks.report import Found, say
from benchmarks.run import Run
from benchmarks.sending import queued


def measure(run: Run) -> Found:
    """Peak resident memory while sending, beside that of the same process opened and idle."""
    seconds = 22 if run.quick else 1200
    with queued("memory", run) as folder, sink() as target:
        say(f"memory: sending {run.size:,} mails ...")
        done = child("sending", str(folder), str(target.port), str(seconds))
    megabyte = 1_000_000
    return Found(
        done["peak_bytes"] / megabyte,
        done["sent"],  # as many as went in the time there is; not more than that was seen
        "the same process, opened and idle",
        done["idle_bytes"] / megabyte,
        {"queued": run.size, "mails_per_second": done["sent"] / done["seconds"]},
    )
