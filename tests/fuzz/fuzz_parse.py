"""Fuzzing: any bytes through both paths of the parser.

    python tests/fuzz/fuzz_parse.py                        until it is interrupted
    python tests/fuzz/fuzz_parse.py --lines 10000000       until so many lines are done
    python tests/fuzz/fuzz_parse.py -atheris_runs=1000     until so many inputs are done
    python tests/fuzz/fuzz_parse.py crash-FILE             one input again

Other arguments are libFuzzer's, for example `-seed=1`, `-max_len=4096` or a directory with a corpus.
Where atheris is missing, or with `--random`, seeded random bytes take its place (with `--lines` only).

An input makes a log of many lines: steps of the grammar beside this file chosen by its bytes, more
steps chosen by a generator that it seeds, and its bytes as they are. For each log

- no path raises an error; the fast path gives the bytes, the counts and the state of the general one;
- there is one event a line, less those that are merged into others (in some logs), and each finding is counted;
- every event is JSON with the fields that all events have (in one log of `SAMPLE`);
- the work stays in proportion: no more lines given on and templates made than there are lines, and
  no input takes more than `SECONDS` of the processor, which a few thousand lines are far from.
"""

import argparse
import importlib.util
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import orjson

from shipper.decode.kernel_parser import KernelParser
from shipper.decode.library import load
from shipper.decode.parser import Options, Parser
from shipper.model import Chunk, Counts, LogFile
from shipper.read.files import READ_SIZE, read_chunks
from shipper.read.identity import identify
from shipper.times import EPOCH
from tests.support import grammar

GUIDED = importlib.util.find_spec("atheris") is not None and "--random" not in sys.argv
if GUIDED:
    import atheris

    # What libFuzzer sees: the fast path. Everything else was imported before, and runs at its usual speed.
    with atheris.instrument_imports():
        import shipper.decode.plain  # noqa: F401

from shipper.decode.plain import FastParser  # noqa: E402
from shipper.pipeline import Pipeline, Settings  # noqa: E402  behind the import that it would make

STEPS = 4000  # that a seeded generator adds to an input
SAMPLE = 64
SECONDS = 5.0
FORMATS = ("ecs",) * 8 + ("ocsf", "splunk-hec")
FIELDS = ("@timestamp", "event", "log", "ecs")


class Log(NamedTuple):
    """A log and how it is to be read: bytes of a line and of a read at most, `event.original` kept or not, exchanges merged or not, and the format."""

    data: bytes
    limit: int
    read_size: int
    keep_original: bool
    per_exchange: bool
    form: str


class Counted(Pipeline):
    """A pipeline that counts the templates that its fast path asks for."""

    templates = 0

    def open(self, file: LogFile, last_time: str | None = None) -> None:
        super().open(file, last_time)
        fast = self.parser.fast if isinstance(self.parser, KernelParser) else self.parser
        if isinstance(fast, FastParser):
            scratch = fast.threads.scratch

            def counting(file: LogFile) -> Parser:
                self.templates += 1
                return scratch(file)

            fast.threads.scratch = counting


class Fuzzer:
    """Makes logs of inputs and checks both paths on them."""

    def __init__(self) -> None:
        library = load()
        self.settings = {
            (fast, keep, merged, form): Settings(library, options=Options(keep), fast=fast, per_exchange=merged, format=form)
            for fast in (True, False)
            for keep in (True, False)
            for merged in (True, False)
            for form in set(FORMATS)
        }
        self.inputs = 0
        self.lines = 0
        self.slowest = 0.0

    def __call__(self, data: bytes) -> None:
        """Check one input.

        Raises:
            AssertionError: what this program looks for.
        """
        log = made(data)
        begin = time.process_time()
        self.lines += self.check(log)
        seconds = time.process_time() - begin
        assert seconds < SECONDS, f"{len(log.data)} bytes took {seconds:.1f} s"
        self.slowest = max(self.slowest, seconds)
        self.inputs += 1

    def check(self, log: Log) -> int:
        """Check one log, read in pieces by the one path and at once by the other; returns its lines."""
        file = identify("fuzz.log", _reader(log.data), EPOCH)
        text = _without_mark(log.data)
        skip = len(log.data) - len(text)
        lines = _count(text, file.encoding)
        how = log.keep_original, log.per_exchange, log.form
        fast, general = (Counted(self.settings[path, *how], Counts()) for path in (True, False))
        fast.open(file)
        general.open(file)
        out = _shipped(fast, read_chunks(_reader(text), skip, file.encoding, log.read_size, log.limit))
        other = _shipped(general, read_chunks(_reader(text), skip, file.encoding, len(text) + 1, log.limit))
        assert out == other, "other bytes"
        assert fast.counts == general.counts, "other counts"
        assert fast.snapshot() == general.snapshot(), "another state"
        assert fast.counts.lines == fast.counts.events + fast.counts.merged == lines, f"{fast.counts.lines} lines read of {lines}"
        assert out.count(b"\n") == fast.counts.events + fast.counts.findings, "not one event a line"
        assert log.per_exchange or not fast.counts.merged
        assert fast.templates <= lines, "more templates than lines"
        if not self.inputs % SAMPLE and log.form == "ecs":
            for event in out.splitlines():
                document = orjson.loads(event)
                assert not [field for field in FIELDS if field not in document and document["event"]["kind"] != "alert"]
        return lines


def made(data: bytes) -> Log:
    """The log that an input stands for."""
    generator = random.Random(data)
    kinds, more = generator.choice(grammar.MIXTURES), generator.randbytes(STEPS * grammar.STEP)
    lines = grammar.lines(data, kinds) + grammar.lines(more, kinds, odd=generator.random() < 0.8)
    # One long line that repeats a part of itself, for what takes more than linear time.
    line, at = generator.choice(lines), generator.randrange(200)
    part = line[at : at + 1 + generator.randrange(8)] or generator.choice(grammar.PIECES)
    times = generator.choice((100, 3000, 3000, 60_000)) // len(part)
    lines.insert(generator.randrange(len(lines)), line[:at] + part * times + line[at:])
    lines.insert(generator.randrange(len(lines)), data)
    end = generator.choice((b"\n", b"\n", b"\r\n"))
    log = end.join(lines) + (end if generator.random() < 0.5 else b"")
    kind = generator.randrange(32)
    if kind < 2:
        log = log.replace(b"7\n", b"7\r\n")
    elif kind < 3:
        log = ("\ufeff" + log.decode("utf-8", "replace")).encode(generator.choice(("utf-16-le", "utf-16-be"))) + data[:1]
    elif kind < 5:
        log = b"\xef\xbb\xbf" + log
    size = generator.choice((READ_SIZE, READ_SIZE, READ_SIZE, 2048, 1 << 16, 1 << 16, 1 << 16, 100))
    keeps, merges = generator.random() < 0.7, generator.random() < 0.4
    return Log(log, 1 << 20 if kind < 30 else 100, size, keeps, merges, generator.choice(FORMATS))


def _reader(data: bytes) -> Callable[[int], bytes]:
    at = 0

    def read(size: int) -> bytes:
        nonlocal at
        at += size
        return data[at - size : at]

    return read


def _without_mark(data: bytes) -> bytes:
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        if data.startswith(mark):
            return data[len(mark) :]
    return data


def _count(data: bytes, encoding: str) -> int:
    """Lines of a log, by another way than the program's: an LF ends one, and the last may lack it."""
    unit, newline = len("\n".encode(encoding)), "\n".encode(encoding)
    ends = [at for at in range(0, len(data), unit) if data[at : at + unit] == newline]
    rest = data[ends[-1] + unit :] if ends else data
    for _ in range(len(rest)):
        for lead in ("\0".encode(encoding), "\ufeff".encode(encoding)):
            rest = rest.removeprefix(lead)
    return len(ends) + (rest != b"")


def _shipped(pipeline: Pipeline, chunks: Iterator[Chunk]) -> bytes:
    return b"".join([*(pipeline(chunk).data for chunk in chunks), pipeline.close().data])


def main(arguments: Sequence[str]) -> None:
    """Fuzz until the lines are done, libFuzzer has had enough, or something is found."""
    parser = argparse.ArgumentParser(usage="fuzz_parse.py [--lines N] [--random] [libFuzzer's arguments]", add_help=False)
    parser.add_argument("--lines", type=int)
    parser.add_argument("--random", action="store_true")
    known, others = parser.parse_known_args(arguments)
    fuzzer = Fuzzer()
    begin = time.monotonic()

    def done() -> bool:
        return known.lines is not None and fuzzer.lines >= known.lines

    def report() -> None:
        seconds = time.monotonic() - begin
        print(
            f"{fuzzer.lines:,} lines in {fuzzer.inputs:,} inputs and {seconds:.0f} s, the slowest input {fuzzer.slowest:.2f} s; nothing found"
        )

    if not GUIDED:
        if known.lines is None:
            sys.exit("without atheris, say how many lines: --lines N")
        generator = random.Random(1)
        while not done():
            fuzzer(generator.randbytes(generator.randrange(2048)))
        report()
        return

    def one_input(data: bytes) -> None:
        fuzzer(data)
        if done():
            report()
            sys.stdout.flush()
            os._exit(0)  # libFuzzer has no other way to be told that it was enough

    found = os.path.join(tempfile.gettempdir(), "fuzz_parse-")  # where libFuzzer puts inputs that are a finding
    usual = ["-max_len=4096", "-len_control=0", "-timeout=300", f"-artifact_prefix={found}"]
    atheris.Setup([sys.argv[0], *usual, *others], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
