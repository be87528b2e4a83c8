"""Whether each reader takes time and memory in proportion: `parse` on N records of a form and on four times as many.

    python -m tests.bench.readers [--records N] [--rounds R] [--only TEXT] [--markdown] [--dir DIR]

The start of the program is measured with a file of a few records, and taken off: what is left grows with the records alone.
The ratio of the time a record says that reading is linear, that of the peaks that memory is bounded.

Exit status as of `python -m tests.bench`.
"""

import argparse
import bz2
import csv
import gzip
import json
import lzma
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import zstandard

from tests.bench import table
from tests.bench.cases import GROWTH_TARGET, MIB, PARSE
from tests.bench.measure import FailedError, Sample, run
from tests.bench.table import Row
from tests.support import event_log, exports, wrapping
from tests.support.generate import Recipe, generate

TIMES = 4  # as many records in the longer file
FEW = 50  # records of the file that the start is measured with
TIME_TARGET = 1.15  # of the time a record, from a file to one of four times its length
HEADINGS = Row("reader", "a record", "time", "memory", "target", "result")


Make = Callable[[Path, Path], object]
"""Makes a file of a log."""


class Reader(NamedTuple):
    """A form of file: how lines of `pfrad` are wrapped in it (None: it holds events of the NPS extension), and what makes it."""

    wrapped: str | None
    make: Make


def _packed(opened: Callable[[Path], Any]) -> Make:
    def make(log: Path, path: Path) -> None:
        with open(log, "rb") as source, opened(path) as target:
            shutil.copyfileobj(source, target)

    return make


def _zip(log: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(log, "mfa.log")


def _tar(log: Path, path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(log, "mfa.log")


def _documents(log: Path) -> Iterator[dict[str, Any]]:
    with open(log, encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _events(log: Path) -> Iterator[exports.Event]:
    for document in _documents(log):
        time = datetime.fromisoformat(document["TimeCreated"])
        yield exports.Event(time, document["ThreadId"], 4, document["Message"])


def _json(indent: int | None) -> Make:
    def make(log: Path, path: Path) -> None:
        with open(path, "w", encoding="utf-8") as out:
            for number, document in enumerate(_documents(log)):
                out.write((",\n" if number else "[") + json.dumps(document, indent=indent))
            out.write("]\n")

    return make


def _texts(begin: str, text_of: Callable[[exports.Event], str], end: str) -> Make:
    def make(log: Path, path: Path) -> None:
        with open(path, "w", encoding="utf-8") as out:
            out.write(begin)
            out.writelines(map(text_of, _events(log)))
            out.write(end)

    return make


def _csv(log: Path, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer: csv.DictWriter[str] | None = None
        for document in _documents(log):
            if writer is None:
                writer = csv.DictWriter(out, list(document), quoting=csv.QUOTE_ALL)
                writer.writeheader()
            writer.writerow(document)


def _event_log(log: Path, path: Path) -> None:
    events = [event_log.Event(event.time, [event.message], tid=event.thread) for event in _events(log)]
    path.write_bytes(event_log.event_log(events))


def _frames(log: Path, path: Path) -> None:
    with open(log, "rb") as lines, open(path, "wb") as out:
        for line in lines:
            message = line.removesuffix(b"\n")
            out.write(b"%d %s" % (len(message), message))


def _in_parts(log: Path, path: Path) -> None:
    """Every 16th line goes on behind the first piece of it."""
    with open(log, encoding="utf-8") as lines, open(path, "w", encoding="utf-8") as out:
        for number, line in enumerate(lines):
            if number % 16:
                out.write(line)
            else:
                text = json.loads(line)["log"].removesuffix("\n") + " " * 16 * 1024
                out.writelines(f"{part}\n" for part in wrapping.docker_in_parts(text, number, 16 * 1024))


READERS = {
    "plain": Reader("", shutil.copyfile),
    "gzip": Reader("", _packed(partial(gzip.open, mode="wb"))),
    "bzip2": Reader("", _packed(partial(bz2.open, mode="wb"))),
    "xz": Reader("", _packed(partial(lzma.open, mode="wb", preset=1))),
    "zstd": Reader("", _packed(partial(zstandard.open, mode="wb"))),
    "zip": Reader("", _zip),
    "tar": Reader("", _tar),
    "Docker": Reader("docker", shutil.copyfile),
    "CRI": Reader("cri", shutil.copyfile),
    "syslog": Reader("rfc_5424", shutil.copyfile),
    "Docker in parts": Reader("docker", _in_parts),
    "octet counts": Reader("rfc_5424", _frames),
    "JSON lines": Reader(None, shutil.copyfile),
    "JSON array": Reader(None, _json(None)),
    "pretty JSON": Reader(None, _json(2)),
    "XML": Reader(None, _texts("<Events>", exports.xml, "</Events>")),
    "CSV": Reader(None, _csv),
    "Event Viewer text": Reader(None, _texts("", exports.viewer_text, "")),
    "evtx": Reader(None, _event_log),
}


def make_file(name: str, records: int, path: Path) -> None:
    """Write a file of so many records for one of `READERS`."""
    reader = READERS[name]
    log = path.with_suffix(".source")
    # So few users that memos of what names them are full in the shorter file: what then still grows, grows without end.
    generate(Recipe(records, users=5_000, nps=reader.wrapped is None, wrapped=reader.wrapped or ""), log)
    reader.make(log, path)
    log.unlink()


def row_of(name: str, rounds: list[tuple[Sample, Sample, Sample]], records: int) -> Row:
    """The row of a reader, of the samples of each round: few records, `records`, `TIMES` as many."""
    costs = [(short.cpu - few.cpu, long.cpu - few.cpu) for few, short, long in rounds]
    spread = [long / TIMES / max(short, 1e-9) for short, long in costs]
    linear = median(spread)
    peaks = median(short.peak for _, short, _ in rounds), median(long.peak for *_, long in rounds)
    bounded = peaks[1] / peaks[0]
    return Row(
        name,
        f"{median(long for _, long in costs) / records / TIMES * 1e6:.1f} us",
        f"{linear:.2f} ({min(spread):.2f}..{max(spread):.2f})",
        f"{peaks[1] / MIB:.1f} MiB, {bounded:.2f}",
        f"<= {TIME_TARGET:.2f}, <= {GROWTH_TARGET:.2f}",
        table.verdict(linear <= TIME_TARGET and bounded <= GROWTH_TARGET),
    )


def measure(name: str, folder: Path, options: argparse.Namespace) -> Row:
    """Measure a reader."""
    sizes = FEW, options.records, TIMES * options.records
    paths = [folder / f"{size}.log" for size in sizes]
    for path, size in zip(paths, sizes, strict=True):
        make_file(name, size, path)
    rounds = []
    try:
        for number in range(1, options.rounds + 1):
            print(f"{name}: round {number} of {options.rounds}", file=sys.stderr, flush=True)
            few, short, long = (run((*PARSE, str(path))) for path in paths)
            rounds.append((few, short, long))
    except FailedError as error:
        return table.failed(name, str(error))
    finally:
        for path in paths:
            path.unlink()
    return row_of(name, rounds, options.records)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.readers", description="Measure how each reader grows with its file."
    )
    parser.add_argument("--records", type=int, default=100_000, help="of the shorter file")
    parser.add_argument("--rounds", type=int, default=2, help="how often each file is read")
    parser.add_argument("--only", default="", metavar="TEXT", help="only readers with TEXT in their name")
    parser.add_argument("--markdown", action="store_true", help="the table in Markdown")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="where to put the files")
    options = parser.parse_args()
    names = [name for name in READERS if options.only in name]
    if not names:
        print(f"no reader has {options.only!r} in its name", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mfa-bench-", dir=options.dir) as folder:
        rows = [measure(name, Path(folder), options) for name in names]
    show = table.markdown if options.markdown else table.text
    print(f"{show(rows, HEADINGS)}\n\n{options.records:,} and {TIMES * options.records:,} records, {options.rounds} rounds")
    return 1 if any(row.result.startswith("failed") for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
