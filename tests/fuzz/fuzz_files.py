"""Fuzzing: damaged archives, event logs and compressed files through what opens them.

    python tests/fuzz/fuzz_files.py --files 100000 [--seed 1]

Each file is one of `SEEDS` with a few bytes changed, moved, repeated or left out, most often where headers and directories
stand. For each

- nothing but a `UsageError` or `RunError` that names the file comes of it, and no warning;
- no file takes more than `SECONDS` of the processor, nor all of them more than `MEMORY`.
"""

import argparse
import bz2
import gzip
import lzma
import random
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import zstandard

from shipper.errors import RunError, UsageError
from shipper.read.files import read_chunks
from shipper.read.inputs import open_inputs
from tests.support import event_log
from tests.support.archives import tarred, zipped

SECONDS = 5.0
MEMORY = 256 << 20  # bytes
ODD = (b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"99999999999", b"77777777777")


def seeds() -> dict[str, bytes]:
    """Whole files, by what they are."""
    lines = b"".join(b"2017-02-14T02:57:19.%06dZ|0|1412|6452|pfrad|number %d\n" % (n, n * 7919) for n in range(300))
    begin = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
    evtx = event_log.event_log([event_log.Event(begin + timedelta(seconds=n), [f"text {n}"]) for n in range(300)])
    files = {"a/X.log": lines, "a/X.log.1": lines[: len(lines) // 2], "ö.log.gz": gzip.compress(lines), "x.evtx": evtx}
    packed: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
        "zstd": zstandard.compress,
    }
    return {
        "zip": zipped(files),
        "tar": tarred(files),
        "evtx": evtx,
        **{name: pack(lines) for name, pack in packed.items()},
        **{f"tar, {name}": pack(tarred(files)) for name, pack in packed.items()},
    }


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """The file with some damage."""
    data = bytearray(whole)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        span = min(len(data), 700)
        at = draw.choice((draw.randrange(len(data)), draw.randrange(span), len(data) - 1 - draw.randrange(span)))
        size = draw.randrange(1, 600)
        way = draw.randrange(6)
        if way == 0:
            data[at] = draw.randrange(256)
        elif way == 1:
            data[at] ^= 1 << draw.randrange(8)
        elif way == 2:
            odd = draw.choice(ODD)
            data[at : at + len(odd)] = odd
        elif way == 3:
            data[at:at] = data[at // 2 : at // 2 + size]
        else:
            del data[at : at + size if way == 4 else len(data)]
        data = data or bytearray(b"\0")
    return bytes(data)


def read(path: str) -> Iterator[str]:
    """Read it as `parse` does; what becomes of it, in a word for each file in it."""
    try:
        with open_inputs([path], deterministic=True) as (logs, _):
            for given in (given for log in logs for given in log.inputs):
                try:
                    with given.open() as opened:
                        for _ in read_chunks(opened, 0, given.file.encoding):
                            pass
                    yield "read"
                except RunError as error:
                    yield sentence(error, path, "read in part")
    except UsageError as error:
        yield sentence(error, path, "refused")
    except RunError as error:
        yield sentence(error, path, "damaged")


def sentence(error: Exception, path: str, word: str) -> str:
    """The word, if the error names the file."""
    if path not in str(error):
        raise AssertionError(f"which file? {error}")
    return word


def main() -> None:
    """Fuzz, and report by kind of file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    warnings.simplefilter("error")
    draw = random.Random(arguments.seed)
    whole = seeds()
    found = {kind: Counter[str]() for kind in whole}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fuzzed")
        for number in range(arguments.files):
            kind = draw.choice(list(whole))
            path.write_bytes(damaged(whole[kind], draw))
            began = time.process_time()
            try:
                found[kind].update(read(str(path)))
            except BaseException:
                kept = Path(f"crash-{arguments.seed}-{number}")
                kept.write_bytes(path.read_bytes())
                print(f"found with {kind}: {kept}", file=sys.stderr)
                raise
            assert time.process_time() - began < SECONDS, f"{kind}: file {number} of seed {arguments.seed} takes too long"
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert taken < MEMORY, f"{taken} bytes of memory"
    for kind, counts in found.items():
        print(f"{kind}: " + ", ".join(f"{count:,} {word}" for word, count in sorted(counts.items())))
    print(f"{arguments.files:,} files; nothing found")


if __name__ == "__main__":
    main()
