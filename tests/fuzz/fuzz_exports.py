"""Fuzzing: damaged exports through the record reader and the parser, and a report by exporter.

    python tests/fuzz/fuzz_exports.py --records 1000000 [--seed 1]

Each file is an export of `tests/support/exports.py`, repeated, with a few bytes changed, moved, repeated or left out. For each

- no error is raised; each record is one event;
- the events are the same whatever the reads, and on the fast path;
- no file takes more than `SECONDS` of the processor.
"""

import argparse
import random
import sys
import time
from collections import Counter
from datetime import timedelta, timezone
from io import BytesIO
from itertools import cycle
from pathlib import Path

from shipper.decode.library import load
from shipper.decode.line_patterns import Stamps
from shipper.model import Counts, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks, read_fully
from shipper.read.identity import describe
from shipper.times import EPOCH
from tests.fuzz.fuzz_files import damaged
from tests.support.exports import EXPORTS, content

SECONDS = 20.0
LIBRARY = load(local_zone=timezone(timedelta(hours=2)))
STAMPS = Stamps(LIBRARY)
TRICKS = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\n",
    b"<Event>",
    b"</Event>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"<!DOCTYPE a []>",
    b"\0",
)


def made(draw: random.Random) -> tuple[str, bytes]:
    """An export with some damage, and the name of its exporter."""
    name = draw.choice(sorted(EXPORTS))
    data = content(name) * draw.choice((1, 1, 2, 5))
    for _ in range(draw.randrange(4)):
        at = draw.randrange(len(data))
        data = data[:at] + draw.choice(TRICKS) * draw.choice((1, 1, 3, 20_000)) + data[at:]
    return name, damaged(data, draw)


def shipped(data: bytes, file: LogFile, sizes: list[int], limit: int, *, fast: bool) -> tuple[bytes, Counts]:
    """What comes out of a file that is read in portions of these sizes."""
    counts = Counts()
    pipeline = Pipeline(Settings(library=LIBRARY, fast=fast), counts)
    pipeline.open(file)
    stream, most = BytesIO(data), cycle(sizes)
    assert file.export is not None
    read_fully(stream.read, file.export.start)
    chunks = read_chunks(
        lambda size: stream.read(min(size, next(most))), file.export.start, file.encoding, max(sizes), limit, file.export
    )
    records, out = 0, []
    for chunk in chunks:
        records += len(chunk.records or ())
        out.append(pipeline(chunk).data)
    assert counts.lines == counts.events == records, f"{counts.lines} events of {records} records"
    return b"".join([*out, pipeline.close().data]), counts


def check(data: bytes, draw: random.Random) -> Counts | None:
    """Check one file; None if its beginning does not say that it is an export."""
    file = describe(BytesIO(data).read, stamp_of=STAMPS).log_file(None, EPOCH)
    if file.export is None:
        return None
    limit = draw.choice((200, 5000, 1 << 20))
    whole = shipped(data, file, [len(data) + 1], limit, fast=False)
    sizes = [draw.randrange(1, draw.choice((10, 300, 20_000))) for _ in range(5)]
    assert shipped(data, file, sizes, limit, fast=True) == whole, "other events"
    return whole[1]


def main() -> None:
    """Fuzz, and report by exporter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    found = {name: Counter[str]() for name in sorted(EXPORTS)}
    records = files = 0
    while records < arguments.records:
        name, data = made(draw)
        began = time.process_time()
        try:
            counts = check(data, draw)
        except BaseException:
            kept = Path(f"crash-{arguments.seed}-{files}")
            kept.write_bytes(data)
            print(f"found with {name}: {kept}", file=sys.stderr)
            raise
        assert time.process_time() - began < SECONDS, f"{name}: file {files} of seed {arguments.seed} takes too long"
        files += 1
        if counts is not None:
            records += counts.lines
            found[name].update(records=counts.lines, unparsed=counts.unparsed)
        found[name]["files"] += 1
    for name, sums in found.items():
        print(f"{name}: {sums['files']:,} files, {sums['records']:,} records, {sums['unparsed']:,} unparsed")
    print(f"{records:,} records in {files:,} files; nothing found")


if __name__ == "__main__":
    main()
