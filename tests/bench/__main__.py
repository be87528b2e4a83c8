"""The benchmark: how fast `parse` is beside a plain loop, how much memory it takes, how soon it starts.

    python -m tests.bench [--quick] [--markdown] [--lines N] [--rounds R] [--only TEXT]

Machines drift, so the commands take turns: each round runs all of them once, and a command is
compared with the plain loop of its own round. The table has the median of these ratios. They are
ratios of CPU seconds, of all processes of a command, except where `wall` stands beside them.

Exit status: 0; 1 when a command failed; 2 for wrong usage. A missed target is told (`short`), not
punished: on a busy machine it says little.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import table
from tests.bench.cases import PARSE, Measured, chosen, recipes
from tests.bench.measure import FailedError, first_byte, run
from tests.bench.table import Row
from tests.support.generate import generate

PEAKS = {  # row: options and logs, each of which grows from the one before
    "peak memory": ((), ("radius", "long")),
    "peak memory, two workers": (("--workers", "2"), ("radius", "long")),
    "peak memory, no user twice": ((), ("distinct",)),
}
START = "cold start to the first event"
STARTS = 15


def main() -> int:
    """Measure and print."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as for ctrl-C: end the command, remove the logs
    cases = chosen(options.only)
    peaks = [name for name in PEAKS if options.only in name]
    start = options.only in START
    if not (cases or peaks or start):
        print(f"no row has {options.only!r} in its name", file=sys.stderr)
        return 2
    needed = {"tiny", *(case.log for case in cases), *(log for name in peaks for log in PEAKS[name][1])}
    with tempfile.TemporaryDirectory(prefix="mfa-bench-", dir=options.dir) as name:
        folder = Path(name).resolve()
        logs: dict[str, Path] = {}
        for log, recipe in recipes(options.lines, options.seed).items():
            if log in needed:
                _say(f"writing the log {log}, {recipe.lines:,} lines")
                logs[log] = folder / f"{log}.log"
                generate(recipe, logs[log])
        _warm_up(logs["tiny"])
        measured = Measured()
        for number in range(1, options.rounds + 1):
            for case in measured.round(cases, logs, options.lines, folder / "out"):
                _say(f"round {number} of {options.rounds}: {case.name}")
        rows = [table.speed(case, measured, options.lines) for case in cases if case.shown]
        for what in peaks:
            rows += _peaks(what, logs, options.lines)
        if start:
            rows.append(_start(logs["tiny"]))
    print((table.markdown if options.markdown else table.text)(rows))
    print(f"\n{_sitting(options.lines, options.rounds)}")
    return 1 if any(row.result.startswith("failed") for row in rows) else 0


def _peaks(what: str, logs: dict[str, Path], lines: int) -> Iterator[Row]:
    """Peak memory of a command on logs of growing length."""
    options, names = PEAKS[what]
    shorter = None
    for name in names:
        row = f"{what}, {lines * 3 if name == 'long' else lines:,} lines"
        _say(row)
        try:
            peak = run((*PARSE, *options, str(logs[name]))).peak
        except FailedError as error:
            yield table.failed(row, str(error))
        else:
            yield table.memory(row, peak, shorter)
            shorter = peak


def _start(log: Path) -> Row:
    """Time to the first event of a small log."""
    _say(START)
    try:
        return table.start(START, [first_byte((*PARSE, str(log))) for _ in range(STARTS)])
    except FailedError as error:
        return table.failed(START, str(error))


def _warm_up(log: Path) -> None:
    """Let Python compile its modules before anything counts; a failure shows in the rows."""
    try:
        run((*PARSE, str(log)))
    except FailedError as error:
        _say(f"parse does not work: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure parse beside a plain loop.")
    parser.add_argument("--lines", type=_positive, help="lines of a log, default 1,000,000; needs about 1.7 kB of disk each")
    parser.add_argument("--rounds", type=_positive, help="times that each command runs, default 5")
    parser.add_argument("--seed", type=int, default=1, help="of the logs")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="60,000 lines, 2 rounds: to see that all works; starting up weighs too much in its ratios",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only rows with TEXT in their name")
    parser.add_argument("--markdown", action="store_true", help="the table in Markdown")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="where logs and output go for the time being")
    options = parser.parse_args()
    options.lines = options.lines or (60_000 if options.quick else 1_000_000)
    options.rounds = options.rounds or (2 if options.quick else 5)
    return options


def _positive(value: str) -> int:
    if not value.isdecimal() or not int(value):
        raise argparse.ArgumentTypeError(f"{value} is not a number from 1 on")
    return int(value)


def _sitting(lines: int, rounds: int) -> str:
    """What a reader must know about the figures."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{lines:,} lines, {rounds} rounds, {cores} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
