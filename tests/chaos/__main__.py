"""`python -m tests.chaos`: a long run with progress lines and a table at the end. Exit code 1: a promise is broken."""

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.chaos.conductor import Conductor, GaveUpError, Outcome, plan
from tests.chaos.installation import CONNECTIONS, WINDOW
from tests.chaos.mutants import MUTANTS

PROMISES = (
    "one delivery a person",
    "one end, with its reason",
    "none lost",
    "none twice",
    "sent again only where it was asked for",
    "what came is called sent or uncertain",
    "each copy was marked before, and is not called unsent",
    "no mark after a suppression",
    "no unsubscribe forgotten",
    "only mails of ours",
    "uncertain at most a window a death",
)
UNCERTAIN_SHARE = 0.05
"""Of all mails, at most."""


def main() -> int:
    """Run, tell, and clean up where nothing is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--mails", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--patience", type=float, default=900.0, help="seconds until it gives up")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), default="", help="a sender that breaks a promise")
    parser.add_argument("--keep", action="store_true", help="leave the logs where they are")
    options = parser.parse_args()
    asked = plan(options.mails, options.kills, options.seed)
    asked = replace(asked, patience=options.patience, mutant=options.mutant)
    say(f"{asked.mails} mails, {asked.kills} kills, seed {asked.seed}")
    folder = Path(tempfile.mkdtemp(prefix="rfs-mail-chaos-"))
    try:
        outcome = Conductor(folder, asked, say).run()
    except GaveUpError as error:
        say(f"gave up: {error}")
        return 1
    for line in table(outcome):
        say(line)
    if outcome.broken or outcome.findings.states["uncertain"] > UNCERTAIN_SHARE * asked.mails:
        say(f"A promise is broken. Seed {asked.seed}; the relay's log and the sender's words are in {folder}.")
        return 1
    if options.keep:
        say(f"The logs are in {folder}.")
    else:
        shutil.rmtree(folder)
    return 0


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def table(outcome: Outcome) -> list[str]:
    """The table of the decision record, in Markdown."""
    found = outcome.findings
    rows = [("harm", "times")]
    rows += [(name, f"{count}") for name, count in sorted(outcome.done.items())]
    rows += [("the sender ended by itself", f"{len(outcome.ended)}")]
    rows += [(f"relay: {name}", f"{count}") for name, count in sorted(found.misdeeds.items())]
    lines = _markdown(rows)
    ends = [("end", "mails"), *((name, f"{count}") for name, count in sorted(found.states.items()))]
    ends += [(f"-- {name}", f"{count}") for name, count in sorted(found.reasons.items())]
    share = found.states["uncertain"] / max(found.mails, 1)
    ends += [
        ("uncertain, of all", f"{share:.2%}"),
        ("at the wire at one death, at most", f"{outcome.most_sending} of {CONNECTIONS * WINDOW}"),
        ("messages that the relay took", f"{found.copies}"),
        ("second copies, asked for by `on_uncertain: resend`", f"{found.again}"),
        ("suppressions that raced", f"{found.suppressions}"),
        ("seconds", f"{outcome.seconds:.0f}"),
    ]
    lines += ["", *_markdown(ends), ""]
    broken = outcome.broken
    lines += _markdown([("promise", "broken"), *((name, f"{len(broken.get(name, ()))}") for name in PROMISES)])
    for name, shown in broken.items():
        lines += ["", f"{name}:", *(f"  {one}" for one in shown[:5])]
    return lines


def _markdown(rows: list[tuple[str, str]]) -> list[str]:
    lines = [f"| {left} | {right} |" for left, right in rows]
    return [lines[0], "|---|---:|", *lines[1:]]


if __name__ == "__main__":
    sys.exit(main())
