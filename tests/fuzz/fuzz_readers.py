"""Fuzzing: any file through each reader, and a report by reader.

    python tests/fuzz/fuzz_readers.py --records 10000000 [--only xml] [--jobs 2]     all readers, in sum about so many records
    python tests/fuzz/fuzz_readers.py --reader xml --records 1000000                 one, in this process
    python tests/fuzz/fuzz_readers.py --reader xml found-FILE                        one input again

What must hold of a file is in `properties.py`, which files there are in `made_files.py` and `packed_files.py`. Where atheris
is missing, or with `--random`, seeded random bytes take the place of inputs that reach new code. Whatever is found is
written to a file, told, and counted; the fuzzing goes on, and the exit status is 1.

An input may take `SECONDS` of the processor, all of them together `MEMORY` more than the first.
"""

import argparse
import importlib.util
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

GUIDED = importlib.util.find_spec("atheris") is not None and "--random" not in sys.argv
if GUIDED:
    import atheris

    # What libFuzzer sees: what reads. Everything else is imported before or behind that, and runs at its usual speed.
    import shipper.decode.envelopes
    import shipper.errors
    import shipper.model
    import shipper.times

    with atheris.instrument_imports(include=["shipper"]):
        import shipper.decode.windows_event
        import shipper.decode.wrappers
        import shipper.read.inputs  # noqa: F401

from tests.fuzz import made_files, packed_files  # noqa: E402  behind the import that they would make
from tests.fuzz.properties import Outcome, check_archive, check_compressed, check_text  # noqa: E402

SECONDS = 20.0
MEMORY = 512 << 20  # bytes
MOST_FOUND = 20  # different faults of one reader, after which it ends
SHARES = {  # of the records, by reader
    "plain": 8,
    "docker": 9,
    "cri": 9,
    "syslog": 12,
    "frames": 6,
    "nps": 5,
    "json": 12,
    "xml": 8,
    "csv": 10,
    "text": 5,
    "gzip": 2,
    "bzip2": 2,
    "xz": 2,
    "zstd": 2,
    "zip": 4,
    "tar": 4,
    "evtx": 1,
}
_COVERED = re.compile(r"\bcov: (\d+)")


class Fuzzer:
    """Checks one input after the other, and counts."""

    def __init__(self, reader: str, folder: Path) -> None:
        self.reader = reader
        self.records = self.inputs = 0
        self.words = Counter[str]()
        self.found = Counter[str]()
        self.folder = folder
        self._memory = 0
        self._began = time.monotonic()

    def __call__(self, data: bytes) -> None:
        """Check one input; what is wrong with it is told and counted."""
        began = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                outcome = self._check(data)
            seconds = time.process_time() - began
            assert seconds < SECONDS, f"{seconds:.1f} s"
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
            self._memory = self._memory or used
            assert used < self._memory + MEMORY, f"{used} bytes of memory"
        except Exception as error:
            self._tell(data, error)
            return
        finally:
            self.inputs += 1
        self.records += outcome.records
        self.words[outcome.word] += 1

    def _check(self, data: bytes) -> Outcome:
        choice = int.from_bytes(data[-3:] or b"\0", "big")
        if self.reader in made_files.READERS:
            return check_text(made_files.made(self.reader, data), choice)
        file = packed_files.packed(self.reader, data)
        if self.reader in packed_files.COMPRESSED:
            return check_compressed(file, choice)
        path = self.folder / "fuzzed"
        path.write_bytes(file)
        return check_archive(str(path), choice)

    def _tell(self, data: bytes, error: Exception) -> None:
        """Keep the first input of each fault: faults are the same if they are raised at the same place."""
        place = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__} in {place.name}"
        self.found[fault] += 1
        if self.found[fault] == 1:
            kept = Path(tempfile.gettempdir(), f"found-{self.reader}-{len(self.found)}")
            kept.write_bytes(data)
            print(f"{self.reader}: {fault}: {error!s:.600} ({kept})", file=sys.stderr, flush=True)

    def report(self) -> dict[str, Any]:
        """The row of this reader."""
        seconds = time.monotonic() - self._began
        return {"reader": self.reader, "inputs": self.inputs, "records": self.records, "seconds": seconds, **self._outcomes()}

    def _outcomes(self) -> dict[str, Any]:
        return {"words": dict(self.words), "failures": sum(self.found.values())}


def fuzz(reader: str, records: int, again: Sequence[str], seed: int) -> None:
    """Fuzz one reader until there are so many records, and print its row as JSON."""
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        fuzzer = Fuzzer(reader, Path(folder))
        for name in again:
            fuzzer(Path(name).read_bytes())

        def done() -> bool:
            return bool(again) or fuzzer.records >= records or len(fuzzer.found) >= MOST_FOUND

        draw = random.Random(seed)
        while not GUIDED and not done():
            fuzzer(draw.randbytes(draw.choice((3, 30, 100, 300))))
        if GUIDED and not done():
            _guided(fuzzer, done, seed)
        _end(fuzzer)


def _guided(fuzzer: Fuzzer, done: Any, seed: int) -> None:
    def one_input(data: bytes) -> None:
        fuzzer(data)
        if done():
            _end(fuzzer)
            shutil.rmtree(fuzzer.folder)
            os._exit(0)  # libFuzzer has no other way to be told that it was enough

    corpus, draw = fuzzer.folder / "corpus", random.Random(seed)
    corpus.mkdir()
    for size in (3, 7, 12, 17, 22, 40, 80, 160, 300, 600):
        (corpus / str(size)).write_bytes(draw.randbytes(size))
    limits = ["-max_len=600", "-len_control=0", "-timeout=300", "-rss_limit_mb=1500"]
    atheris.Setup([sys.argv[0], str(corpus), *limits, f"-seed={seed}"], one_input)
    atheris.Fuzz()


def _end(fuzzer: Fuzzer) -> None:
    print(json.dumps(fuzzer.report()), flush=True)


def _memory_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _of_reader(reader: str, records: int, options: argparse.Namespace) -> dict[str, Any]:
    """Fuzz a reader in a process of its own; its row."""
    command = [sys.executable, __file__, "--reader", reader, "--records", str(records), "--seed", str(options.seed)]
    done = subprocess.run([*command, *(["--random"] if options.random else [])], capture_output=True, check=False)
    errors = done.stderr.decode("utf-8", "replace")
    covered = [int(count) for count in _COVERED.findall(errors)]
    told = [line for line in errors.splitlines() if line.startswith(f"{reader}: ")]
    lines = done.stdout.decode().splitlines()
    if done.returncode or not lines:
        return {
            "reader": reader,
            "inputs": 0,
            "records": 0,
            "seconds": 0.0,
            "words": {},
            "failures": 1,
            "told": [*told, errors[-2000:]],
        }
    return {**json.loads(lines[-1]), "covered": covered, "told": told}


def line_of(row: dict[str, Any]) -> str:
    """A line of the report."""
    covered = row.get("covered") or []
    new = f"{covered[-1] - covered[0]:,} of {covered[-1]:,}" if covered else "-"
    rate = row["records"] / row["seconds"] if row["seconds"] else 0.0
    words = ", ".join(f"{count:,} {word}" for word, count in sorted(row["words"].items()))
    return f"{row['reader']:<8}{row['inputs']:>10,}{row['records']:>12,}{row['seconds']:>8,.0f}{rate:>10,.0f}{new:>18}{row['failures']:>10,}  {words}"


HEADINGS = f"{'reader':<8}{'inputs':>10}{'records':>12}{'seconds':>8}{'records/s':>10}{'new coverage':>18}{'failures':>10}  inputs that were"


def main() -> int:
    """Fuzz and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000, help="of all readers together")
    parser.add_argument("--only", default="", help="readers with this in their name")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", action="store_true", help="without atheris")
    parser.add_argument("--reader", choices=sorted(SHARES))
    parser.add_argument("again", nargs="*", metavar="FILE", help="with --reader: check these inputs alone")
    options = parser.parse_args()
    if options.reader:
        fuzz(options.reader, options.records, options.again, options.seed)
        return 0
    shares = {reader: share for reader, share in SHARES.items() if options.only in reader}
    if importlib.util.find_spec("evtx") is None:
        shares.pop("evtx", None)
    rows = []
    print(HEADINGS, flush=True)
    with ThreadPoolExecutor(options.jobs) as pool:
        sizes = [max(1, options.records * share // sum(shares.values())) for share in shares.values()]
        for row in pool.map(lambda reader, size: _of_reader(reader, size, options), shares, sizes):
            print("\n".join([line_of(row), *row.get("told", ())]), flush=True)
            rows.append(row)
    failures = sum(row["failures"] for row in rows)
    inputs, records = sum(row["inputs"] for row in rows), sum(row["records"] for row in rows)
    print(f"{records:,} records in {inputs:,} inputs; {f'{failures:,} failures' if failures else 'nothing found'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
