"""The command line of a seeded model on a real Kafka: one run after the other, and what came of each."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support.kafka import Broker, Unavailable

Log = Callable[[str], object]
Run = Callable[[Broker, Path, Log], str]
"""One run in an empty folder, told step by step; the numbers. AssertionError with notes: it failed."""


def silent(step: str) -> None:
    """Tells nothing of the steps of a run."""


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Reads `seeds`, a range; to be given options of the model."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=seeds_of, help="one, or FIRST-LAST")
    return parser


def seeds_of(text: str) -> range:
    """`7` or `1-20`."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def run_all(model: str, runs: Mapping[str, Run], log: Log) -> None:
    """Make the runs, by name, on a broker of their own; exits with status 1 if one failed."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix=f"mfa-{model}-", ignore_cleanup_errors=True) as root:
        broker = Broker(Path(root, "kafka"))
        try:
            broker.start()
        except Unavailable as error:
            raise SystemExit(str(error)) from None
        for name, run in runs.items():
            folder = Path(root, name)
            folder.mkdir()
            began = time.monotonic()
            try:
                said = run(broker, folder, log)
            except AssertionError as error:
                failed += 1
                said = "\n".join((f"FAILED: {error}", *error.__notes__))
            print(f"{name:24} {time.monotonic() - began:4.1f} s: {said}", flush=True)
            shutil.rmtree(folder)
        broker.stop()
    print(f"{model}: {failed} failed")
    sys.exit(bool(failed))
