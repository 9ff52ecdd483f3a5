"""Sending, signed with RSA-2048: what `benchmarks.sending` measures, with a key."""

from benchmarks import sending
from benchmarks.report import Found
from benchmarks.run import Run


def measure(run: Run) -> Found:
    """Send `run.size` mails to a sink, each signed; the peers send bytes that are finished."""
    return sending.measure(run, options=["--signed"])
