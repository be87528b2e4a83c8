"""The benchmark: how fast `parse` is beside a plain loop, how much memory it takes, how soon it starts, what its stages cost.

    python -m tests.bench [--quick] [--markdown] [--lines N] [--rounds R] [--only TEXT]

Machines drift, so the commands take turns: each round runs all of them once, and a command is
compared with another of its own round, mostly a plain loop. The table has the median of these ratios:
of CPU seconds, of all processes of a command, except where `wall` stands beside them.

Exit status: 0; 1 when a command failed; 2 for wrong usage. A missed target is reported (`short`) but
is no failure: on a busy machine it says little.
"""

import argparse
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import stages, table
from tests.bench.cases import PARSE, REPORT, REPORT_PEAK_TARGET, Case, Measured, chosen, recipes
from tests.bench.measure import FailedError, first_byte, run
from tests.bench.table import Row
from tests.support.generate import generate

PEAKS = {  # row: command and logs, each of which is longer than the one before
    "peak memory": (PARSE, ("radius", "long")),
    "peak memory, two workers": ((*PARSE, "--workers", "2"), ("radius", "long")),
    "peak memory, no user twice": (PARSE, ("distinct",)),
    "peak memory of report": (REPORT, ("radius", "distinct")),
}
START = "cold start to the first event"
STARTS = 15
STAGES_LOG = "radius"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: commands, rows of memory, the start, rows of stages."""

    cases: tuple[Case, ...]
    peaks: tuple[str, ...]
    start: bool
    stages: tuple[str, ...]

    @property
    def logs(self) -> set[str]:
        """The logs that this takes."""
        return {
            "tiny",
            *(case.log for case in self.cases),
            *(log for name in self.peaks for log in PEAKS[name][1]),
            *([STAGES_LOG] if self.stages else []),
        }


def plan(only: str) -> Plan:
    """All that has the text `only` in the name of its row."""
    return Plan(chosen(only), tuple(name for name in PEAKS if only in name), only in START, stages.rows_with(only))


def main() -> int:
    """Measure and print."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as for ctrl-C: end the command, remove the logs
    wanted = plan(options.only)
    if wanted == Plan((), (), False, ()):
        print(f"no row has {options.only!r} in its name", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mfa-bench-", dir=options.dir) as name:
        folder = Path(name).resolve()
        logs = _write_logs(wanted.logs, folder, options)
        _warm_up(logs["tiny"])
        rows = [*_speeds(wanted.cases, logs, folder, options)]
        for peak in wanted.peaks:
            rows += _peaks(peak, logs, options.lines)
        if wanted.start:
            rows.append(_start(logs["tiny"]))
        costs = stages.measure(wanted.stages, logs[STAGES_LOG], options.lines, options.rounds, _say) if wanted.stages else []
    show = table.markdown if options.markdown else table.text
    if rows:
        print(f"{show(rows)}\n")
    if costs:
        print(f"{show(costs, stages.HEADINGS)}\n\n{stages.MEANING}\n")
    print(_conditions(options.lines, options.rounds))
    return 1 if any(row.result.startswith("failed") for row in (*rows, *costs)) else 0


def _write_logs(names: set[str], folder: Path, options: argparse.Namespace) -> dict[str, Path]:
    """Generate the logs of these names."""
    logs: dict[str, Path] = {}
    for name, recipe in recipes(options.lines, options.seed).items():
        if name in names:
            _say(f"writing the log {name}, {recipe.lines:,} lines")
            logs[name] = folder / f"{name}.log"
            generate(recipe, logs[name])
    return logs


def _speeds(cases: tuple[Case, ...], logs: dict[str, Path], folder: Path, options: argparse.Namespace) -> Iterator[Row]:
    """The commands in turn, round by round."""
    measured = Measured()
    for number in range(1, options.rounds + 1):
        for case in measured.round(cases, logs, options.lines, folder / "out"):
            _say(f"round {number} of {options.rounds}: {case.name}")
    for case in cases:
        if case.shown:
            yield table.speed(case, measured, options.lines)


def _peaks(name: str, logs: dict[str, Path], lines: int) -> Iterator[Row]:
    """Peak memory of a command on logs of growing length."""
    command, log_names = PEAKS[name]
    shorter = None
    for log in log_names:
        row = f"{name}, {lines * 3 if log == 'long' else lines:,} lines"
        _say(row)
        try:
            peak = run((*command, str(logs[log]))).peak
        except FailedError as error:
            yield table.failed(row, str(error))
        else:
            if command is REPORT:
                yield table.memory(f"{row}, {log}", peak, target=REPORT_PEAK_TARGET)
                continue
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
    """Let Python compile its modules before anything is measured; a failure shows in the rows."""
    try:
        run((*PARSE, str(log)))
    except FailedError as error:
        _say(f"parse does not work: {error}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure parse beside a plain loop.")
    parser.add_argument("--lines", type=_positive, help="lines of a log, default 1,000,000; each takes about 2.2 kB of disk")
    parser.add_argument("--rounds", type=_positive, help="how often each command runs, default 5")
    parser.add_argument("--seed", type=int, default=1, help="seed of the logs")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="60,000 lines, 2 rounds: to see that all works; its ratios are mostly about starting up",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only rows with TEXT in their name")
    parser.add_argument("--markdown", action="store_true", help="the table in Markdown")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="where to put logs and output while it runs")
    options = parser.parse_args()
    options.lines = options.lines or (60_000 if options.quick else 1_000_000)
    options.rounds = options.rounds or (2 if options.quick else 5)
    return options


def _positive(value: str) -> int:
    if not value.isdecimal() or not int(value):
        raise argparse.ArgumentTypeError(f"{value} is not a number from 1 on")
    return int(value)


def _conditions(lines: int, rounds: int) -> str:
    """Under which conditions the figures were measured."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{lines:,} lines, {rounds} rounds, {cores} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
