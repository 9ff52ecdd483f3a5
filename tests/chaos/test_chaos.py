"""The short form of the chaos suite, and the mutants that prove that it can fail. The long one is `make chaos`."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chaos.conductor import OTHER_HARM, Conductor, Outcome, Plan
from tests.chaos.installation import install
from tests.chaos.mutants import MUTANTS

MAILS = 150


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation where everybody has just signed up; each run takes a copy."""
    folder = tmp_path_factory.mktemp("template") / "work"
    folder.mkdir()
    install(folder, MAILS, now=datetime.now(UTC), composers=0)
    return folder


def run(folder: Path, asked: Plan, template: Path) -> Outcome:
    """One run in a folder of its own."""
    folder.mkdir()
    return Conductor(folder, asked, template=template).run()


EVERYTHING = Plan(
    MAILS, 2, 11, tuple((harm, 1) for harm in OTHER_HARM), often=2.0, leaving=0.1, lease=2.0, patience=300
)  # fmt: skip


def test_kills_and_worse_break_no_promise(tmp_path: Path, template: Path) -> None:
    """Kill -9, a stopped twin, a relay that dies and misbehaves, a locked and a full disk, clocks that jump."""
    outcome = run(tmp_path / "all", EVERYTHING, template)
    assert {} == outcome.broken
    assert {"kills": 2, **dict.fromkeys(OTHER_HARM, 1)} == {
        harm: outcome.done[harm] for harm in ("kills", *OTHER_HARM)
    }  # fmt: skip
    assert outcome.findings.states["sent"] > MAILS / 2


QUIET = Plan(MAILS, 0, 0, (), often=0.0, slow=0.03, leaving=0.0, patience=300)
KILLED = replace(QUIET, kills=1, slow=0.1)
LEFT = replace(QUIET, often=10.0, leaving=0.9)
DOUBLED = replace(QUIET, harm=(("twins", 2),), slow=0.05, lease=30.0)

SIGNS = {
    "marks after sending": (QUIET, "each copy was marked before, and is not called unsent"),
    "queues the uncertain": (KILLED, "none twice"),
    "says sent too soon": (KILLED, "none lost"),
    "forgets suppression": (LEFT, "no mark after a suppression"),
    "asks for no epoch": (DOUBLED, "each copy was marked before, and is not called unsent"),
}
"""Mutant -> the harm that brings it out, and the promise that is seen to be broken."""


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_sender_that_breaks_a_promise_is_caught(tmp_path: Path, template: Path, mutant: str) -> None:
    """By the promise that it breaks, at the latest in the fifth run: harm by chance may miss the moment."""
    asked, promise = SIGNS[mutant]
    for seed in range(5):
        outcome = run(tmp_path / f"{seed}", replace(asked, mutant=mutant, seed=seed), template)
        if promise in outcome.broken:
            return
    raise AssertionError(f"{mutant}: not caught in five runs")
