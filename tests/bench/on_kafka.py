"""Measurements on a real Kafka, and their rows as they come."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import table
from tests.bench.table import Row
from tests.support.kafka import LONG_RUN, Broker, Unavailable


@contextmanager
def kafka() -> Iterator[tuple[Broker, Path]]:
    """A broker and a folder; the commands beside this Python are found first.

    Raises:
        SystemExit: no Kafka can be had; says why.
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory(prefix="mfa-bench-") as name:
        folder = Path(name)
        try:
            broker = Broker(folder / "kafka", java=LONG_RUN).start()
        except Unavailable as error:
            raise SystemExit(str(error)) from None
        try:
            yield broker, folder
        finally:
            broker.kill()


def show(parts: Iterable[Iterator[Row]]) -> None:
    """Measure, tell each row when it is there, and print the table."""
    rows: list[Row] = []
    for row in (row for part in parts for row in part):
        rows.append(row)
        print(f"  {' | '.join(row)}", file=sys.stderr, flush=True)
    print(table.text(rows, table.HEADINGS._replace(spread="")))
