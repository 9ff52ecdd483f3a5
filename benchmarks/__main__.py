"""
`python -m benchmarks NAME [--quick]`: measure one figure and print one line of JSON.

`all` measures everything, each in a process of its own; `--list` names them; `profile` shows where the time of one
mail goes, `pipelining` what commands that go out early gain over a far relay. Exit code 0 also where a bar is missed
(the line says `"met": false`), 1 where measuring failed, 2 where there is no such measurement.
"""

import argparse
import importlib
import subprocess
import sys
import traceback

from benchmarks.catalogue import BY_NAME, MEASURED, PROMISES, Promise
from benchmarks.processes import ROOT, end
from benchmarks.report import line, machine, say
from benchmarks.run import Run


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.list:
        _print_list()
        return 0
    if asked.name is None:
        _parser().print_usage(sys.stderr)
        return 2
    if asked.name == "all":
        return _measure_all(arguments if arguments is not None else sys.argv[1:])
    if asked.name == "profile":
        from benchmarks.stages import show

        show(5_000 if asked.quick else 20_000)
        return 0
    if asked.name == "pipelining":
        from benchmarks.pipelining import show as show_pipelining

        show_pipelining(5 if asked.quick else 20)
        return 0
    promise = BY_NAME.get(asked.name)
    if promise is None:
        say(f"There is no benchmark {asked.name!r}. There are: {', '.join(BY_NAME)}, all, profile, pipelining.")
        return 2
    if not promise.module:
        say(f"{promise.name} is not measured yet: {promise.what}. Measured now: {', '.join(MEASURED)}.")
        return 2
    size = asked.size or (promise.quick_size if asked.quick else promise.size)
    return _measure(promise, Run(size, quick=asked.quick, keep=asked.keep, profile=asked.profile))


def _measure(promise: Promise, run: Run) -> int:
    machine()  # how busy it was before us
    try:
        found = importlib.import_module(f"benchmarks.{promise.module}").measure(run)
    except Exception:
        traceback.print_exc()
        return 1
    print(line(promise, found), flush=True)
    return 0


def _measure_all(arguments: list[str]) -> int:
    """Each in a fresh process, so that none runs in the memory of another. All of them, whatever fails."""
    options = [one for one in arguments if one != "all"]
    failed = []
    for name in MEASURED:
        process = subprocess.Popen([sys.executable, "-m", "benchmarks", name, *options], cwd=ROOT)
        try:
            if process.wait() != 0:
                failed.append(name)
        finally:
            end(process)
    if failed:
        say(f"These failed: {', '.join(failed)}.")
    return 1 if failed else 0


def _print_list() -> None:
    width = max(len(name) for name in BY_NAME)
    for promise in PROMISES:
        sign = "at least" if promise.better == "more" else "at most"
        bar = f"{sign} {promise.bar:,g} {promise.unit} (goal {promise.goal:,g})"
        print(f"{promise.name:<{width}}  {bar if promise.module else 'not measured yet'}: {promise.what}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What is promised in numbers, measured.")
    parser.add_argument("name", nargs="?", help="which one; `all`; `profile`; or `pipelining`")
    parser.add_argument("--list", action="store_true", help="name them all and end")
    parser.add_argument("--quick", action="store_true", help="smaller, under 40 seconds each")
    parser.add_argument("--keep", action="store_true", help="leave big databases in benchmarks/out for the next run")
    parser.add_argument("--profile", action="store_true", help="print where the time went (and slow it down)")
    parser.add_argument("--size", type=int, default=0, metavar="N", help="another number of mails, people or rows")
    return parser


if __name__ == "__main__":
    sys.exit(main())
