"""What each stage of `parse` costs a line, measured by leaving it out.

    python -m tests.bench.stages LOG [STAGE]

runs the log once, in this process, through a pipeline without the stage and those left out before it
(see `LEFT_OUT`), and prints a `Sample`.

A profile charges a stage for the profiler, and for memory that other stages made it wait for. So the
bench runs the same log with and without a stage, in processes that take turns, and takes the difference.
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

from shipper.decode.library import load
from shipper.decode.line_patterns import Stamps
from shipper.detect import default_rules
from shipper.emit.output import Output, open_output
from shipper.model import Counts
from shipper.pipeline import Pipeline, read_input, settings
from shipper.read.inputs import open_inputs
from shipper.read.logs import Log
from tests.bench import table
from tests.bench.measure import FailedError, output
from tests.bench.table import Row

NOTHING = "nothing"
LEFT_OUT = (NOTHING, "detection", "write", "emit", "decode")  # one after the other; reading is what remains
DETECTION_TARGET = 0.45  # microseconds a line
DETECTION, PER_COMPLETION = "stage: detection", "stage: detection, a completion"
RUNS = {  # row: with its stage, and without it, each named by what is left out last
    "stage: read": ("decode",),
    "stage: decode": ("emit", "decode"),
    DETECTION: (NOTHING, "detection"),
    PER_COMPLETION: (NOTHING, "detection"),
    "stage: emit": ("write", "emit"),
    "stage: write": ("detection", "write"),
    "stages together": (NOTHING,),
}
HEADINGS = table.HEADINGS._replace(name="stage", ratio="share")
MEANING = """\
Each figure is what leaving the stage out saves. Detection is left out of the whole pipeline; then writing (to the null
device), emitting and decoding are left out as well, one after the other. What remains is reading whole lines."""


class Sample(NamedTuple):
    """One run, start-up not counted.

    Attributes:
        cpu: seconds in user and system mode.
        completions: authentications completed, counted only where emitting is left out and decoding is not.
        findings: what detection found.
        written: bytes.
    """

    cpu: float
    completions: int
    findings: int
    written: int


def rows_with(text: str) -> tuple[str, ...]:
    """The rows that have the text in their names."""
    return tuple(name for name in RUNS if text in name)


def measure(names: Collection[str], log: Path, lines: int, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Run the pipelines in turn, and make the rows of these names; `say` is told of each run."""
    needed = {run for name in names for run in RUNS[name]} | ({"emit"} if PER_COMPLETION in names else set())
    samples: dict[str, list[Sample]] = {run: [] for run in LEFT_OUT if run in needed}
    try:
        for number in range(1, rounds + 1):
            for last, taken in samples.items():
                say(f"round {number} of {rounds}: stages, {last} left out")
                taken.append(sample(last, log))
    except FailedError as error:
        return [table.failed(name, str(error)) for name in names]
    return [_row(name, samples, lines) for name in names]


def sample(last: str, log: Path) -> Sample:
    """Run a log without `last` and what is left out before it, in a process of its own.

    Raises:
        FailedError: the process failed.
    """
    cpu, *counts = output((sys.executable, "-m", "tests.bench.stages", str(log), last)).split()
    return Sample(float(cpu), *map(int, counts))


def _row(name: str, samples: Mapping[str, list[Sample]], lines: int) -> Row:
    """The median of what a stage took in the rounds, and its share of the whole pipeline where that was run."""
    taken = [sample.cpu for sample in samples[RUNS[name][0]]]
    for without in RUNS[name][1:]:
        taken = [seconds - sample.cpu for seconds, sample in zip(taken, samples[without], strict=True)]
    unit, number = ("completion", samples["emit"][0].completions) if name == PER_COMPLETION else ("line", lines)
    if not number:
        return table.failed(name, "the log has none")
    costs = [seconds / number * 1e6 for seconds in taken]
    row = Row(name, f"{median(costs):.2f} us/{unit}", spread=f"{min(costs):.2f}..{max(costs):.2f}")
    if name != PER_COMPLETION and NOTHING in samples:
        row = row._replace(ratio=f"{median(taken) / median(sample.cpu for sample in samples[NOTHING]):.0%}")
    if name == DETECTION:
        row = row._replace(target=f"<= {DETECTION_TARGET}", result=table.verdict(median(costs) <= DETECTION_TARGET))
    return row


def run_without(last: str, path: str) -> Sample:
    """As `sample`, in this process, and as `parse` does it."""
    left_out = LEFT_OUT[: LEFT_OUT.index(last) + 1]
    gc.disable()
    chosen = settings(load(), default_rules(), {}, agent=False)
    with (
        open_inputs((path,), deterministic=True, stamp_of=Stamps(chosen.library)) as (logs, _),
        open_output(os.devnull) as out,
    ):
        counts = Counts()
        pipeline = Pipeline(chosen, counts)
        if "detection" in left_out:
            pipeline._detectors = lambda completions: []  # type: ignore[assignment]
        began = time.process_time()
        completions = _flow(pipeline, logs[0], out, left_out)
        return Sample(time.process_time() - began, completions, counts.findings, out.written)


def _flow(pipeline: Pipeline, log: Log, out: Output, left_out: Collection[str]) -> int:
    """Do what `run_source` and its caller do but for the stages left out; returns how many completions it saw."""
    completions = 0
    for source in log.inputs:
        pipeline.open(source.file)
        for chunk in read_input(pipeline.settings, source, None):
            if "decode" in left_out:
                continue
            if "emit" in left_out:
                completions += len(pipeline.parser(chunk).completions)
                continue
            block = pipeline(chunk)
            if "write" not in left_out:
                out.write(block.data)
    return completions


def main() -> None:
    """Run a pipeline once and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stages", description="Run a log through a part of the pipeline.")
    parser.add_argument("log")
    parser.add_argument("last", nargs="?", default=NOTHING, choices=LEFT_OUT, help="left out, with what stands before it here")
    options = parser.parse_args()
    print(*run_without(options.last, options.log))


if __name__ == "__main__":
    main()
