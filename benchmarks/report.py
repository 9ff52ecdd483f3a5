"""What a measurement found, as one line of JSON."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.catalogue import Promise


@dataclass(frozen=True, slots=True)
class Found:
    """One measured value and its peer's, in the unit of the promise."""

    value: float
    size: int
    peer: str
    """What the value is held against: bare parts doing the same, measured in the same run."""
    peer_value: float
    detail: Mapping[str, object] = field(default_factory=dict)
    """What helps to understand the value: CPU time, other peers, sizes."""


def line(promise: Promise, found: Found) -> str:
    """The JSON line. `ratio` is value / peer_value, whichever of the two is better."""
    bar, goal = promise.bars(found.size)
    said = {
        "bench": promise.name,
        "value": _short(found.value),
        "unit": promise.unit,
        "bar": _short(bar),
        "goal": _short(goal),
        "peer": found.peer,
        "peer_value": _short(found.peer_value),
        "ratio": _short(found.value / found.peer_value) if found.peer_value else None,
        "machine": machine(),
        "met": promise.is_met(found.value, found.size),
        "size": found.size,
        "detail": {key: _short(value) if isinstance(value, float) else value for key, value in found.detail.items()},
    }
    return json.dumps(said, ensure_ascii=False)


@cache
def machine() -> str:
    """Processors, memory, system, Python, and how busy the machine was before."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} x {_processor()}, {_gibibytes():.0f} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


def say(text: str) -> None:
    """Tell a person what is going on; the figures alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def _short(number: float) -> float:
    """Four digits that mean something."""
    return float(f"{number:.4g}")


def _processor() -> str:
    try:
        for row in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if row.startswith("model name"):
                return " ".join(row.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or "processor"


def _gibibytes() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (AttributeError, OSError, ValueError):
        return 0.0
