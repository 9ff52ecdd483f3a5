"""How a measurement is asked for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: how many, how quickly, and what else is wanted."""

    size: int
    quick: bool = False
    keep: bool = False
    """Leave big databases in `benchmarks/out` for the next run."""
    profile: bool = False
    """Print where the time of the measured verb went."""
