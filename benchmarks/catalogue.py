"""What is promised in numbers: the names, the bars and the goals. Nothing here measures."""

from dataclasses import dataclass
from typing import Literal

QUICK_SECONDS = 40
"""What a quick measurement takes at most, on the machine the bars are meant for."""


@dataclass(frozen=True, slots=True)
class Promise:
    """One figure. `bar` has to be met, `goal` is what it is worth working for."""

    name: str
    what: str
    unit: str
    better: Literal["more", "less"]
    bar: float
    goal: float
    size: int
    """How many there are of what is counted; the bar is meant for this size."""
    quick_size: int
    grows: bool = False
    """The bar is for `size` in one go: a smaller size has a smaller bar, in proportion."""
    module: str = ""
    """Where it is measured; empty: not measured yet."""

    def bars(self, size: int) -> tuple[float, float]:
        """Bar and goal for a size."""
        share = size / self.size if self.grows else 1.0
        return self.bar * share, self.goal * share

    def is_met(self, value: float, size: int) -> bool:
        """Does this value reach the bar?"""
        bar, _ = self.bars(size)
        return value >= bar if self.better == "more" else value <= bar


PROMISES = (
    Promise("send", "mails a second, the whole path, unsigned, SQLite, one process",
            "mails/s", "more", 2_500, 5_000, 100_000, 20_000, module="sending"),
    Promise("send-signed", "the same, signed with RSA-2048", "mails/s", "more", 1_500, 3_000, 100_000, 20_000,
            module="signing"),
    Promise("send-postgres", "the same on PostgreSQL with two worker processes, signed",
            "mails/s", "more", 2_000, 2_800, 100_000, 20_000),
    Promise("enroll", "1,000,000 people enrolled by a segment, in chunks",
            "s", "less", 20, 5, 1_000_000, 100_000, grows=True, module="enrolling"),
    Promise("enroll-touched", "enroll and goals, 1,000,000 people, 100 touched",
            "ms", "less", 100, 20, 1_000_000, 100_000, module="touching"),
    Promise("advance-idle", "advance, 1,000,000 enrollments waiting, nothing due",
            "ms", "less", 20, 3, 1_000_000, 100_000, module="advancing_idle"),
    Promise("advance-due", "advance 100,000 due enrollments",
            "s", "less", 10, 2, 100_000, 30_000, grows=True, module="advancing_due"),
    Promise("import", "a CSV of 1,000,000 sign-ups, merged and checked",
            "s", "less", 120, 40, 1_000_000, 100_000, grows=True, module="importing"),
    Promise("unsubscribe", "p99 of a one-click unsubscribe while others enroll and import",
            "ms", "less", 500, 200, 500_000, 100_000, module="unsubscribing"),
    Promise("webhook", "sign-ups a second by webhook, merged, durable",
            "sign-ups/s", "more", 500, 2_000, 20_000, 5_000),
    Promise("replan", "a filing deadline moves: everybody who hangs on it is planned again",
            "s", "less", 10, 2, 100_000, 30_000, grows=True, module="replanning"),
    Promise("simulate", "90 days x 100,000 people x the shipped campaigns, steps of 15 min",
            "s", "less", 300, 60, 100_000, 10_000, grows=True),
    Promise("log-search", "p95 of a search in a send log of 10,000,000 deliveries",
            "ms", "less", 500, 100, 10_000_000, 200_000),
    Promise("time-to-wire", "p99 from a sign-up to its welcome mail on the wire, beside a broadcast of 100,000",
            "s", "less", 2, 1, 100_000, 100_000, module="welcoming"),
    Promise("memory", "peak memory of the whole process while sending to 1,000,000",
            "MB", "less", 400, 200, 1_000_000, 50_000, module="remembering"),
)  # fmt: skip
"""In the order of the design."""

BY_NAME = {promise.name: promise for promise in PROMISES}
MEASURED = tuple(promise.name for promise in PROMISES if promise.module)
