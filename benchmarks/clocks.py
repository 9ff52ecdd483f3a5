"""Measuring: wall clock and processor time side by side, and the middle of many."""

import cProfile
import pstats
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Took(Generic[T]):
    """What a piece of work gave, and how long it took."""

    result: T
    seconds: float
    cpu: float
    """Processor seconds of this process: what does not change when others are busy on the machine."""


def took(work: Callable[[], T], *, profile: bool = False) -> Took[T]:
    """Do the work once. `profile` prints where the time went, to standard error; the figures are then too high."""
    profiler = cProfile.Profile() if profile else None
    wall, cpu = time.perf_counter(), time.process_time()
    if profiler is not None:
        profiler.enable()
    result = work()
    if profiler is not None:
        profiler.disable()
    done = Took(result, time.perf_counter() - wall, time.process_time() - cpu)
    if profiler is not None:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(35)
    return done


def middle(values: Sequence[float]) -> float:
    """The median."""
    return median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1_000_000) * len(ordered) // 1_000_000) - 1))]
