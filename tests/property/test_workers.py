"""`--workers N` gives the bytes and the sums of one worker, wherever the input is cut.

Pieces are made tiny, and windows short, so that a small log has many cuts and a warm-up reads only
a part of what lies before. `shipper.parallel.shards` takes its sizes from constants, which the tests lower.
"""

import gc
import gzip
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from heapq import heappop, heappush
from itertools import accumulate, pairwise
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.across import Gathered, Part, findings_across
from shipper.decode.exchanges import MEMORY_OF_ONE
from shipper.decode.facts import Library
from shipper.decode.library import load
from shipper.decode.parser import Options
from shipper.detect.double_prompt import Rule
from shipper.detect.mfa_fatigue import Rule as FatigueRule
from shipper.emit.output import Output
from shipper.emit.pseudonyms import Pseudonyms
from shipper.errors import RunError
from shipper.model import Counts
from shipper.parallel import shards as pieces
from shipper.parallel import workers
from shipper.parallel.shards import Range, Shard, plan
from shipper.parallel.workers import run_workers
from shipper.parallel.writing import Writing
from shipper.pipeline import Pipeline, Settings, run_source
from shipper.read.files import size_of
from shipper.read.identity import FINGERPRINT_SPAN
from shipper.read.inputs import open_inputs
from shipper.read.logs import Log
from shipper.times import SECOND

# Newer Pythons warn of a fork beside threads; the threads of pytest-xdist touch nothing that a worker uses.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

WINDOW, TIMEOUT = 5 * SECOND, 10 * SECOND
BASE = datetime(2017, 2, 14, 2, 57, 19)
PATIENCE = 30.0  # seconds until a test gives up
PIPE = 64 * 1024  # bytes that a pipe holds
USERS = ("CONTOSO\\bob", "contoso\\BOB", "ann@example.com", "O'Brien", "straße", "")
CODES = (21, 21, 21, 1, 6, 19, 20, 20, 22, 23, 101, 129, 133, 999)
OTHER = ("   at PfSvc.Worker.Run(Object state)", "", "2017-02-14T02:57|broken", "no line at all | of this log")
GUID = "82a3db8d-3317-43f7-b203-6ba81cba93c9"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of 3 to 6 KiB."""
    monkeypatch.setattr(pieces, "LEAST", 3000)
    monkeypatch.setattr(pieces, "MOST", 6000)
    monkeypatch.setattr(pieces, "LOOK", 400)


@cache
def library() -> Library:
    return load()


@cache
def plain() -> Settings:
    """Short windows, and reads of a few lines."""
    return Settings(
        library=library(),
        options=Options(exchange_timeout=TIMEOUT),
        detectors={
            "double_prompt": Rule(WINDOW, TIMEOUT, include_retries=True),
            "mfa_fatigue": FatigueRule(WINDOW, 2, TIMEOUT),
        },
        read_size=1500,
        line_limit=1500,
    )


def stamp(second: float) -> str:
    return (BASE + timedelta(seconds=second)).isoformat(timespec="microseconds") + "Z"


ROGUE = "2099-01-01T00:00:00.000000Z|0|1412|4|pfrad|The clock was set"


def make_log(seed: int, lines: int, *, start: float = 0, jitter: float = 0, rogue: int = 0) -> list[str]:
    """Lines of a busy log: few users and threads, so that everything meets everything.

    `jitter`: seconds by which a time stamp may be wrong. `rogue`: so many are of the year 2099, one behind the other.
    """
    rnd = Random(seed)
    now, number = start, 0
    waiting: list[tuple[float, int, str]] = []
    found: list[str] = []
    while len(found) < lines:
        now += rnd.expovariate(2)
        user, thread = rnd.choice(USERS), rnd.choice((4, 8, 12, 16, 20))
        ends = now + rnd.uniform(0.1, 9)
        head = f"|0|1412|{thread}|pfrad|"
        parts = [
            (now, f"{head}Calling pfAuthUser('{user}', '', 1)"),
            (ends, f"{head}authResult = {rnd.choice((1, 1, 0))}"),
            (ends, f"{head}rawCallStatus = {rnd.choice(CODES)}"),
        ]
        if rnd.random() < 0.1:
            text = 'SUCCESS_SMS_SENT - "Text Message Sent".'
            parts = [(now, f"|i|7|{thread}|pfsvc|{GUID}|Pfauth succeeded for user '{user}'. Call status: {text}")]
        elif rnd.random() < 0.15:
            del parts[rnd.randrange(3)]
        for when, text in parts:
            number += 1
            heappush(waiting, (when, number, text))
        while waiting and waiting[0][0] < now:
            when, _, text = heappop(waiting)
            found.append(stamp(when + (rnd.uniform(-jitter, jitter) if rnd.random() < 0.2 else 0)) + text)
            while rnd.random() < 0.12:
                found.append(rnd.choice(OTHER))
    found[lines // 3 : lines // 3] = [ROGUE] * rogue
    return found[:lines]


def write(path: Path, lines: Sequence[str], encoding: str = "utf-8", mark: bytes = b"", end: str = "\n") -> str:
    """A log file; gzip by its name. The last line lacks its end where `lines` ends with one that says so."""
    data = mark + "".join(line + end for line in lines).encode(encoding)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return str(path)


@dataclass
class Done:
    """What came of a run."""

    output: bytes
    counts: Counts
    size: int


Plan = Callable[[Sequence[Log]], list[Shard]]


def run(out: Path, how: Settings, names: Sequence[str], planned: Plan | None) -> Done:
    """Run the files of `names`, in the pieces of `planned` (None: by one worker), into the file `out`."""
    counts, sizes, gathered = Counts(), [0], Gathered(how.library.codes.codes)

    def advance(size: int, more: Counts) -> None:
        counts.add(more)
        sizes.append(size)

    descriptor = os.open(out, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    try:
        with gathered, open_inputs(names, deterministic=True) as (sources, stdin):
            output = Output(descriptor, str(out))
            if planned is None:
                spool = gathered.spool()
                for number, source in enumerate(sources):
                    begin = spool.end
                    for block, size in run_source(how, source, stdin, counts, spool.add):
                        output.write(block.data)
                        sizes.append(size)
                    gathered.add(number, number, Part(spool, begin, spool.end))
            else:
                cut = planned(sources)
                assert len(cut) > 1
                number = 3 if len(cut) > 2 else 2
                log_of = list(accumulate(shard.first for shard in cut))
                spools = [gathered.spool() for _ in range(number)]

                def keep(piece: int, span: tuple[int, int]) -> None:
                    gathered.add(log_of[piece], piece, Part(spools[piece % number], *span))

                run_workers(how, cut, stdin, advance, [Writing(output, spool if how.across else None) for spool in spools], keep)
            if how.across:
                for block in findings_across(how, gathered.logs, counts):
                    output.write(block.data)
    finally:
        os.close(descriptor)
    return Done(out.read_bytes(), counts, sum(sizes))


def alike(tmp_path: Path, how: Settings, names: Sequence[str], planned: Plan) -> Done:
    """Run with one worker and in pieces, and hold one against the other."""
    one = run(tmp_path / "one.ndjson", how, names, None)
    many = run(tmp_path / "many.ndjson", how, names, planned)
    assert many.output == one.output
    assert many.counts == one.counts
    return many


def by(number: int) -> Plan:
    """The plan for so many workers."""
    return lambda sources: plan(sources, number)


@pytest.fixture(scope="module")
def rotated(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One source of five files of every kind and another of one, given out of order."""
    folder = tmp_path_factory.mktemp("rotated")
    log = make_log(1, 900)
    return [
        write(folder / "Radius.log", [*log[700:], "an end without its line end"], end="\r\n"),
        write(folder / "Radius.log.1", [OTHER[0], *log[560:700]]),
        write(folder / "Other.log", make_log(2, 120, start=30)),
        write(folder / "Radius.log.2.gz", log[430:560]),
        write(folder / "Radius-2017.log", log[300:430], "utf-16-le", b"\xff\xfe"),
        write(folder / "Radius.log.3", log[:300], mark=b"\xef\xbb\xbf"),
    ]


# The same bytes


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("number", [2, 3, 5])
@pytest.mark.parametrize(
    ("jitter", "rogue"),
    [(0, 0), (4, 0), (60, 0), (0, 1), (0, 2)],
    ids=["ordered", "disordered", "far-disordered", "misdated-line", "rogue-time"],
)
def test_the_bytes_of_one_worker(tmp_path: Path, jitter: float, rogue: int, number: int) -> None:
    name = write(tmp_path / "a.log", make_log(number, 800, jitter=jitter, rogue=rogue))

    done = alike(tmp_path, plain(), [name], by(number))

    assert done.counts.lines == 800
    assert done.size == Path(name).stat().st_size
    assert done.counts.classes
    assert done.counts.misdated == (rogue == 1)
    assert done.counts.findings > 20 or jitter or rogue > 1  # a log with wrong times has what it has


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("number", [2, 3, 5])
def test_rotated_files_of_every_kind_and_a_second_source(tmp_path: Path, rotated: list[str], number: int) -> None:
    done = alike(tmp_path, plain(), rotated, by(number))

    assert done.counts.lines == 900 + 120 + 1 + 1
    assert done.counts.findings > 20


SHAPES: dict[str, Callable[[Settings], Settings]] = {
    "splunk-hec": lambda how: replace(how, format="splunk-hec", host="mfa01"),
    "elastic-bulk": lambda how: replace(how, format="elastic-bulk", namespace="test"),
    "pretty": lambda how: replace(how, pretty=True),
    "exchange": lambda how: replace(how, per_exchange=True),
    "exchange-bulk-where": lambda how: replace(how, per_exchange=True, format="elastic-bulk", conditions=("user.name=bob",)),
    "where": lambda how: replace(how, conditions=("event.outcome=success", "user.name=B*")),
    "pseudonyms": lambda how: replace(how, pseudonyms=Pseudonyms(b"0123456789abcdef"), per_exchange=True),
    "only": lambda how: replace(how, only_findings=True),
    "general-path": lambda how: replace(how, fast=False),
    "no-original": lambda how: replace(how, options=Options(keep_original=False, exchange_timeout=TIMEOUT)),
}


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_form_of_output(tmp_path: Path, rotated: list[str], shape: Callable[[Settings], Settings]) -> None:
    alike(tmp_path, shape(plain()), rotated, by(3))


@pytest.mark.usefixtures("tiny")
def test_events_of_exchanges_with_wrong_times(tmp_path: Path) -> None:
    name = write(tmp_path / "a.log", make_log(9, 800, jitter=20))

    done = alike(tmp_path, replace(plain(), per_exchange=True), [name], by(3))

    assert done.counts.merged


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_standard_input_among_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    log = make_log(3, 1500)
    names = [write(tmp_path / "a.log", make_log(4, 300)), "-", write(tmp_path / "b.log", make_log(5, 300, start=50))]
    given_in = write(tmp_path / "in", log)

    def done(planned: Plan | None) -> Done:
        with subprocess.Popen(["cat", given_in], stdout=subprocess.PIPE) as cat, open(given_in, "rb") as file:
            assert cat.stdout is not None
            # A forked process closes sys.stdin, which leaves the descriptor open for the real one.
            with open((cat.stdout if kind == "pipe" else file).fileno(), closefd=False) as stdin:
                monkeypatch.setattr(sys, "stdin", stdin)
                return run(tmp_path / "out.ndjson", plain(), names, planned)

    one, many = done(None), done(by(3))

    assert many.output == one.output
    assert many.counts == one.counts
    assert many.counts.lines == 2100


@pytest.mark.usefixtures("tiny")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 32),
    cuts=st.lists(st.integers(1, 199), min_size=1, max_size=6, unique=True).map(sorted),
    jitter=st.sampled_from((0, 0, 3, 30)),
    rogue=st.sampled_from((0, 0, 1, 2)),
    per_exchange=st.booleans(),
)
def test_any_cut(tmp_path: Path, seed: int, cuts: list[int], jitter: float, rogue: int, per_exchange: bool) -> None:
    lines = make_log(seed, 200, jitter=jitter, rogue=rogue)
    name = write(tmp_path / "a.log", lines)
    ends = [0]
    for line in lines:
        ends.append(ends[-1] + len(line.encode()) + 1)

    def cut_there(sources: Sequence[Log]) -> list[Shard]:
        return cut_at(sources[0], [ends[cut] for cut in cuts])

    alike(tmp_path, replace(plain(), per_exchange=per_exchange), [name], cut_there)


def cut_at(source: Log, offsets: Sequence[int]) -> list[Shard]:
    """The pieces of a source of one file between these offsets."""
    [one] = source.inputs
    edges = [0, *offsets]
    ranges = [*(Range(one, a, b) for a, b in pairwise(edges)), Range(one, edges[-1], None)]
    return [
        Shard(part, 0, part.start == 0, part.end is None, (Range(one, 0, part.start),) if part.start else (), known=True)
        for part in ranges
    ]


@pytest.mark.usefixtures("tiny")
def test_more_open_exchanges_than_are_kept(tmp_path: Path) -> None:
    """The oldest are given up, whichever piece they are in."""
    threads = range(100, 160)
    asked = [f"{stamp(800 + n / 100)}|0|1|{n}|pfrad|Calling pfAuthUser('user{n}', '', 1)" for n in threads]
    answered = [f"{stamp(804 + n / 100)}|0|1|{n}|pfrad|rawCallStatus = 21" for n in threads]
    lines = [*quiet_lines(0, 700), *asked, *answered, *quiet_lines(900, 100)]

    few = replace(plain(), memory=40 * MEMORY_OF_ONE)
    done = alike(tmp_path, few, [write(tmp_path / "a.log", lines)], by(3))

    assert done.counts.given_up == done.counts.orphans == done.counts.crowded_out == len(threads) - 40
    assert done.counts.open_at_end == 0


@pytest.mark.usefixtures("tiny")
def test_a_worker_holds_the_state_of_one_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a collector of cycles, as in the command; what is left of a piece would be left of all."""
    held = os.open(tmp_path / "held", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    alive: weakref.WeakSet[Pipeline] = weakref.WeakSet()

    class Held(Pipeline):
        def __init__(self, settings: Settings, counts: Counts) -> None:
            super().__init__(settings, counts)
            alive.add(self)
            os.write(held, bytes([len(alive)]))

    monkeypatch.setattr(workers, "Pipeline", Held)
    log = make_log(6, 1800)
    names = [write(tmp_path / "a.log.1.gz", log[:100]), write(tmp_path / "a.log", log[100:])]  # a guess, and none
    gc.disable()
    try:
        alike(tmp_path, plain(), names, by(2))
    finally:
        gc.enable()
        os.close(held)

    numbers = (tmp_path / "held").read_bytes()
    assert len(numbers) > 10
    assert max(numbers) <= 2  # a wrong guess and the truth


# The guess


@dataclass
class Restores:
    """Counts, over all processes, how often a piece began from the state that the piece before it had."""

    path: Path

    @property
    def number(self) -> int:
        return self.path.stat().st_size


@pytest.fixture
def restores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Restores]:
    path = tmp_path / "restores"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    class Counting(Pipeline):
        def restore(
            self, snapshot: bytes | Mapping[str, Any], lasting: Mapping[str, Any] | None = None, *, held: bool = True
        ) -> None:
            os.write(descriptor, b"r")
            super().restore(snapshot, lasting, held=held)

    monkeypatch.setattr(workers, "Pipeline", Counting)
    yield Restores(path)
    os.close(descriptor)


def quiet_lines(start: float, number: int) -> list[str]:
    return [f"{stamp(start + n)}|0|1412|{n % 7}|pfrad|Reloading configuration" for n in range(number)]


BEFORE, BEHIND = quiet_lines(0, 200), quiet_lines(200, 200)  # a cut between them is far from the first line
OPENS = f"{stamp(0)}|0|1412|99|pfrad|Calling pfAuthUser('CONTOSO\\bob', '', 1)"


def guessed(tmp_path: Path, before: Sequence[str], behind: Sequence[str]) -> tuple[Done, list[dict[str, object]]]:
    """Both ways, cut between `before` and `behind`."""
    name = write(tmp_path / "a.log", [*before, *behind])
    cut = len("".join(line + "\n" for line in before).encode())
    done = alike(tmp_path, plain(), [name], lambda sources: cut_at(sources[0], [cut]))
    return done, [orjson.loads(line) for line in done.output.splitlines()]


@pytest.mark.usefixtures("tiny")
def test_a_right_guess_is_not_done_again(tmp_path: Path, restores: Restores) -> None:
    name = write(tmp_path / "a.log", make_log(6, 900))

    done = alike(tmp_path, plain(), [name], by(3))

    assert done.counts.findings > 20
    assert restores.number == 0


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("behind", "orphans", "left_open"),
    [
        ("Reloading configuration", 0, 0),
        ("Calling pfAuthUser('CONTOSO\\bob', '', 1)", 0, 1),
        ("rawCallStatus = 21", 1, 0),
        ("authResult = 1", 1, 0),
    ],
)
def test_an_exchange_open_since_long_ago_is_given_up_and_makes_no_guess_wrong(
    tmp_path: Path, restores: Restores, behind: str, orphans: int, left_open: int
) -> None:
    late = f"{stamp(399)}|0|1412|99|pfrad|{behind}"

    done, _ = guessed(tmp_path, [OPENS, *BEFORE], [*BEHIND, late])

    assert (done.counts.given_up, done.counts.orphans, done.counts.open_at_end) == (1, orphans, left_open)
    assert restores.number == 0


@pytest.mark.usefixtures("tiny")
def test_a_clock_set_back_finds_no_request_that_was_given_up(tmp_path: Path, restores: Restores) -> None:
    status = f"{stamp(3)}|0|1412|99|pfrad|rawCallStatus = 21"

    done, events = guessed(tmp_path, [OPENS, *BEFORE], [status, *BEHIND])

    assert "user" not in events[201]
    assert (done.counts.given_up, done.counts.orphans) == (1, 1)
    assert restores.number == 0


@pytest.mark.usefixtures("tiny")
def test_an_exchange_open_across_a_cut(tmp_path: Path, restores: Restores) -> None:
    asked = f"{stamp(195)}|0|1412|99|pfrad|Calling pfAuthUser('CONTOSO\\bob', '', 1)"
    answered = f"{stamp(203)}|0|1412|99|pfrad|rawCallStatus = 21"

    done, events = guessed(tmp_path, [*BEFORE[:195], asked, *BEFORE[195:]], [answered, *BEHIND])

    assert events[201]["user"] == {"name": "bob", "domain": "CONTOSO"}
    assert (done.counts.given_up, done.counts.orphans) == (0, 0)
    assert restores.number == 0


@pytest.mark.usefixtures("tiny")
def test_a_time_far_ahead_before_the_warm_up(tmp_path: Path, restores: Restores) -> None:
    """Everything behind it is too old for double prompts, which a guess cannot know."""
    twice = [
        line
        for at in (210, 214)
        for line in (
            f"{stamp(at)}|0|1412|99|pfrad|Calling pfAuthUser('bob', '', 1)",
            f"{stamp(at + 2)}|0|1412|99|pfrad|rawCallStatus = 21",
        )
    ]

    done, _ = guessed(tmp_path, [ROGUE, ROGUE, *BEFORE], [*twice, *BEHIND[20:]])
    assert done.counts.findings == 0
    assert restores.number == 1

    done, _ = guessed(tmp_path, BEFORE, [*twice, *BEHIND[20:]])
    assert done.counts.findings == 1
    assert restores.number == 1


@pytest.mark.usefixtures("tiny")
def test_across_logs_a_piece_that_is_done_again_counts_once(tmp_path: Path, restores: Restores) -> None:
    """A guess does not know of the time far ahead, nor of what is in a file that cannot be read from its middle."""
    log = make_log(8, 600)
    names = [write(tmp_path / "a.log.2.gz", log[:300]), write(tmp_path / "a.log.1", log[300:])]
    names += [write(tmp_path / "b.log", make_log(9, 900, start=3)), write(tmp_path / "c.log", make_log(7, 900, rogue=2))]

    done = alike(tmp_path, replace(plain(), across=True), names, by(3))

    assert done.counts.findings > 20
    assert restores.number > 1


@pytest.mark.usefixtures("tiny")
def test_undated_lines_at_a_cut(tmp_path: Path, restores: Restores) -> None:
    done, events = guessed(tmp_path, [*BEFORE, "undated"], ["undated too", *BEHIND])

    assert [events[at]["@timestamp"] for at in (200, 201)] == [stamp(199)] * 2
    assert done.counts.unparsed == 2
    assert restores.number == 0

    undated = ["   at PfSvc.Worker.Run(Object state)"] * 200  # more than the warm-up looks at
    _, events = guessed(tmp_path, [*BEFORE, *undated], [*undated, *BEHIND])
    assert {event["@timestamp"] for event in events[200:600]} == {stamp(199)}


@pytest.mark.usefixtures("tiny")
def test_a_piece_behind_a_gz_waits_for_the_truth(tmp_path: Path, restores: Restores) -> None:
    log = make_log(8, 60)
    names = [write(tmp_path / "a.log.2.gz", log[:30]), write(tmp_path / "a.log.1", log[30:])]

    alike(tmp_path, plain(), names, by(2))

    assert restores.number == 1


# The plan


@pytest.mark.usefixtures("tiny")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(0, 60) | st.integers(0, 9000), max_size=80),
    ended=st.booleans(),
    number=st.integers(2, 9),
)
def test_pieces_are_all_of_the_file_cut_at_line_ends(tmp_path: Path, lengths: list[int], ended: bool, number: int) -> None:
    path = tmp_path / "a.log"
    data = b"\n".join([b"x" * length for length in lengths]) + (b"\n" if ended else b"")
    path.write_bytes(data)
    with open_inputs([str(path)]) as (sources, _):
        found = plan(sources, number)

    edges = [piece.range.start for piece in found]
    assert edges[0] == 0
    assert edges == sorted(set(edges))
    assert [piece.range.end for piece in found] == [*edges[1:], None]
    assert all(data[edge - 1 : edge] == b"\n" for edge in edges[1:])
    assert sum(piece.size for piece in found) == len(data) == size_of(str(path))
    assert [piece.first for piece in found] == [True] + [False] * (len(found) - 1)
    assert [piece.last for piece in found] == [False] * (len(found) - 1) + [True]


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("number", [2, 3, 5])
def test_the_first_piece_is_larger_by_what_the_others_read_before(tmp_path: Path, number: int) -> None:
    name = write(tmp_path / "a.log", ["x" * 99] * 1000)
    with open_inputs([name]) as (sources, _):
        first, *others = [piece.size for piece in plan(sources, number)]

    assert max(others) - min(others) <= 100
    assert first == pytest.approx((1 + pieces.HEAD_START) * others[0], abs=100)
    assert len(others) % number == number - 1


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("lines", "pieces_of"),
    [
        ((60, 60, 60, 60), [1, 1, 1, 1]),  # two each
        ((60, 55, 58), [2, 1, 1]),  # one of three would have two of them
        ((60, 6), [2, 1]),
        ((200, 200), [4, 4]),  # more than a piece may be
    ],
    ids=str,
)
def test_files_stay_whole_where_that_keeps_all_workers_busy(tmp_path: Path, lines: tuple[int, ...], pieces_of: list[int]) -> None:
    names = [write(tmp_path / f"{number}.log", [f"{number:099}"] * count) for number, count in enumerate(lines)]
    with open_inputs(names) as (sources, _):
        found = plan(sources, 2)

    assert len(sources) == len(lines)
    assert [sum(piece.range.input.path == name for piece in found) for name in names] == pieces_of


def test_a_file_of_one_endless_line_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with open(path, "wb") as file:
        file.truncate(24 << 20)
    with open_inputs([str(path)]) as (sources, _):
        tracemalloc.start()
        found = plan(sources, 2)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

    assert len(found) == 1
    assert peak < 2 << 20


# What goes wrong


def children(pid: int) -> list[int]:
    """The processes that this one has started and that still run, the first one first."""
    return sorted(child for child, (state, parent, _) in processes() if parent == pid and state != "Z")


def of_session(session: int) -> list[int]:
    return [pid for pid, (state, _, of) in processes() if of == session and state != "Z"]


def processes() -> Iterator[tuple[int, tuple[str, int, int]]]:
    """State, parent and session of every process."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        yield int(folder.name), (fields[0], int(fields[1]), int(fields[3]))


def until(true: Callable[[], object], what: str) -> None:
    """Wait until it is true, or fail."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"


class Command:
    """`mfa-shipper parse` in a session of its own, with standard input that stays open until it is closed."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "shipper", "parse", "--deterministic", *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, preexec_fn=_listen)

    def feed(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def first_line(self) -> bytes:
        """Read a line of output and close the pipe, as `head -1` does."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.process.stdout.close()
        return line

    def ends(self) -> tuple[int, bytes, str]:
        """Status, output and errors; nothing may be left of it."""
        out, error = self.process.communicate(timeout=PATIENCE)
        until(lambda: not of_session(self.process.pid), "for all processes to end")
        return self.process.returncode, out, error.decode()


def _listen() -> None:
    """A test that runs in the background must not pass on that it ignores interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Command]:
    """Two workers, the second of which waits for more standard input."""
    file = write(tmp_path / "a.log", make_log(3, 50))
    command = Command("--workers", "2", file, "-")
    data = "".join(line + "\n" for line in make_log(4, 1000, start=1000)).encode()
    # What the command reads before it begins, and what waits in the pipe.
    assert FINGERPRINT_SPAN < len(data) < FINGERPRINT_SPAN + PIPE
    command.feed(data)
    until(lambda: len(children(command.process.pid)) == 2, "for two workers")
    yield command
    for left in of_session(command.process.pid):
        os.kill(left, signal.SIGKILL)


def test_a_worker_that_is_killed_is_an_error(stuck: Command) -> None:
    os.kill(children(stuck.process.pid)[1], signal.SIGKILL)  # the one that waits; the other may be done by now

    status, _, error = stuck.ends()

    assert status == 1
    assert error.startswith("mfa-shipper: ")
    assert "was lost" in error
    assert "the output is incomplete" in error
    assert error.count("\n") == 1


def test_an_interrupt_ends_all_workers(stuck: Command) -> None:
    os.killpg(stuck.process.pid, signal.SIGINT)  # as a terminal does it

    status, _, error = stuck.ends()

    assert (status, error.strip()) == (130, "")


def test_workers_end_when_their_parent_is_killed(stuck: Command) -> None:
    stuck.process.kill()

    status, _, error = stuck.ends()

    assert (status, error) == (-signal.SIGKILL, "")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two sources with some output each."""
    folder = tmp_path_factory.mktemp("two")
    return [write(folder / "a.log", make_log(1, 2500)), write(folder / "b.log", make_log(2, 2500, start=100))]


def test_a_closed_pipe_ends_quietly(two: list[str]) -> None:
    command = Command("--workers", "2", *two)
    line = command.first_line()

    status, _, error = command.ends()

    assert orjson.loads(line)["event"]["action"] == "mfa-request"
    assert (status, error) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_one_sentence(two: list[str]) -> None:
    status, out, error = Command("--workers", "2", "--output", "/dev/full", *two).ends()

    assert (status, out) == (1, b"")
    assert error == "mfa-shipper: cannot write /dev/full: No space left on device, after 0 bytes\n"


@pytest.mark.parametrize("number", ["2", "3"])
def test_a_damaged_gz_in_the_middle(tmp_path: Path, number: str) -> None:
    log = make_log(7, 1800)
    names = [
        write(tmp_path / "a.log.2", log[:300]),
        write(tmp_path / "a.log.1.gz", log[300:1500]),
        write(tmp_path / "a.log", log[1500:]),
        write(tmp_path / "b.log", make_log(8, 1800, start=50_000)),
    ]
    path = Path(names[1])
    path.write_bytes(path.read_bytes()[:-500])

    one, many = (Command("--workers", n, *names).ends() for n in ("1", number))

    assert many[:2] == one[:2]
    status, out, error = many
    assert status == 1
    sums, _, sentence = re.sub(r" in [0-9.]+ s,", ",", error).partition("mfa-shipper: ")
    assert sums == re.sub(r" in [0-9.]+ s,", ",", one[2]).partition("mfa-shipper: ")[0]
    lines = [line for line in out.splitlines() if b'"alert"' not in line]
    assert sums.startswith(f"{len(lines):,} lines, ")
    assert sentence.startswith(f"{path}: the gzip file ends too early")
    assert sentence.count("\n") == 1
    assert 1200 < len(lines) < 1500


def test_a_file_that_goes_away_is_an_error(tmp_path: Path) -> None:
    names = [write(tmp_path / "a.log", make_log(1, 50)), write(tmp_path / "b.log", make_log(2, 50))]
    with open_inputs(names) as (sources, stdin):
        cut = plan(sources, 2)
        Path(names[1]).unlink()
        descriptor = os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY)
        try:
            work = [Writing(Output(descriptor, "out"), None) for _ in range(2)]
            with pytest.raises(RunError, match=r"b\.log"):
                run_workers(plain(), cut, stdin, lambda size, counts: None, work)
        finally:
            os.close(descriptor)
