"""The parts that container runtimes write of long lines, put together."""

import json
import os
import random
import re
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.decode.line_patterns import Stamps
from shipper.model import Chunk, Counts
from shipper.parallel import shards
from shipper.pipeline import Pipeline, Settings
from shipper.read import parts
from shipper.read.files import read_chunks
from shipper.read.identity import describe
from shipper.read.inputs import open_inputs
from shipper.read.lines import LineRules, split, without_lead
from shipper.read.parts import LEAST_PIECE, LOOK_BACK, PATIENCE, first_joined, is_of_runtime, may_hold_parts, waits_at
from tests.support import wrapping
from tests.support.logs import library, log_file
from tests.support.tail_rig import Rig

STAMPS = Stamps(library())
LIMIT = 1 << 20
T = "2017-02-14T03:00:00.1Z"
LONG = "x" * LEAST_PIECE
Found = list[tuple[int, bytes, bool]]  # offset, bytes, whether it was cut


def found_in(chunks: Iterable[Chunk]) -> Found:
    found: Found = []
    for chunk in chunks:
        if chunk.records is None:
            found += [(*reversed(without_lead(line, at, "utf-8")), chunk.cut) for line, at, _ in split(chunk, "utf-8")]  # type: ignore[misc]
        else:
            found += [(chunk.offset + at, record, chunk.cut) for record, at, _ in chunk.pieces()]
    return [(offset, record.removesuffix(b"\r"), cut) for offset, record, cut in found]


def read(data: bytes, size: int = 1 << 16, limit: int = LIMIT, offset: int = 0) -> Found:
    stream = BytesIO(data[offset:])
    return found_in(read_chunks(lambda most: stream.read(min(most, size)), offset, "utf-8", size, limit, parts=True))


def texts(*lines: str, limit: int = LIMIT) -> list[str]:
    return [record.decode() for _, record, _ in read("".join(f"{line}\n" for line in lines).encode(), limit=limit)]


def docker(text: str, stream: str = "stdout") -> str:
    return f'{{"log":"{text}","stream":"{stream}","time":"{T}"}}'


def test_parts_are_one_record_that_begins_where_the_first_does() -> None:
    lines = [f"{T} stdout F a", f"{T} stdout P b", f"{T} stdout P:x c", f"{T} stdout F d", f"{T} stdout F e"]
    assert texts(*lines) == [lines[0], "\n".join(lines[1:4]), lines[4]]
    data = "\r\n".join(lines).encode()
    assert [offset for offset, _, _ in read(data)] == [data.index(line.encode()) for line in (lines[0], lines[1], lines[4])]

    lines = [docker("a\\n"), docker(LONG), docker(LONG + "\\\\n"), docker("\\\\\\n"), docker("b\\n")]
    assert texts(*lines) == [lines[0], "\n".join(lines[1:4]), lines[4]]


def test_each_stream_has_lines_of_its_own() -> None:
    out, err = f"{T} stdout P a", f"{T} stderr P b"
    out_end, err_end = f"{T} stdout F c", f"{T} stderr F d"
    assert texts(out, err, "x", err_end, out_end) == [f"{out}\n{out_end}", f"{err}\n{err_end}", "x"]
    assert texts(out, f"{T} stderr F e", out_end) == [f"{out}\n{out_end}", f"{T} stderr F e"]


@pytest.mark.parametrize(
    "line",
    [
        docker("a"),  # too short for a piece of Docker
        docker(LONG + "\\n"),
        docker(LONG + "\\\\\\n"),
        docker(LONG).replace('","', '" , "'),
        f"{T} stdout F x",
        f"{T} stdout x",
        LONG,
        "",
    ],
)
def test_what_is_no_part(line: str) -> None:
    assert texts(f"{T} stdout F 1", line, f"{T} stdout F 2") == [f"{T} stdout F 1", line, f"{T} stdout F 2"]


def test_what_begins_a_file_of_a_runtime() -> None:
    assert is_of_runtime(docker("x").encode())
    assert is_of_runtime(b"2017-02-14T04:00:00.000000001+01:00 stderr P x")
    assert not is_of_runtime(b"2017-02-14T04:00:00Z|0|1|2|pfrad|x stdout P x")
    assert not is_of_runtime(b'{"message":"x"}')


def test_a_line_that_goes_on_waits_only_for_what_is_near() -> None:
    part, end = f"{T} stdout P a", f"{T} stdout F b"
    for size, joined in ((PATIENCE - 1, True), (PATIENCE, False)):
        between = "y" * (size - 1)
        assert (f"{part}\n{end}" in texts(part, between, end)) == joined
    err = f"{T} stderr P {'e' * 50}"
    between = "y" * (PATIENCE - len(err) - 2)  # too far for the first, near for the second
    assert texts(part, err, between, end, f"{T} stderr F f") == [part, f"{err}\n{T} stderr F f", between, end]


def test_a_line_in_parts_that_is_too_long_is_cut_where_a_part_ends() -> None:
    part, end = f"{T} stdout P {'a' * 50}", f"{T} stdout F b"
    data = "\n".join(["x", part, part, part, end, "y"]).encode()
    first = len(data[:2])
    length = len(part)
    assert read(data, limit=200) == [
        (0, b"x", False),
        (first, f"{part}\n{part}".encode(), True),
        (first + 2 * (length + 1), f"{part}\n{end}".encode(), False),
        (len(data) - 1, b"y", False),
    ]
    # Of two lines at once none is called too long: neither may be.
    assert [cut for _, _, cut in read("\n".join([part, f"{T} stderr P c", part, part, end]).encode(), limit=200)] == [False] * 3


def test_nothing_goes_on_behind_a_hole_or_a_line_without_end() -> None:
    part, end = f"{T} stdout P a\n".encode(), f"{T} stdout F b".encode()
    for size in (1, 7, 1 << 16):
        for hole in (b"\0" * 20, b"\xef\xbb\xbf"):
            assert [record for _, record, _ in read(part + hole + end, size)] == [part[:-1], end]
        long = read(part + b"x" * 300 + b"\n" + end, size, 200)
        assert [(record, cut) for _, record, cut in long] == [(part[:-1], False), (b"x" * 200, True), (end, False)]


def pieces_of(draw: random.Random) -> list[str]:
    """Lines of a runtime's file, of both streams."""
    queues: list[list[str]] = []
    for stream in ("stdout", "stderr"):
        queue: list[str] = []
        for number in range(draw.randrange(7)):
            write = draw.choice((wrapping.cri_in_parts, wrapping.docker_in_parts))
            text = draw.choice(("x", "ä\\", "y\n\\")) * draw.choice((0, 1, 3, 5000, 9000, 20_000))
            queue += write(text, number, draw.choice((LEAST_PIECE, 10_000)), stream)
            queue += draw.choice(([], [], [f"{T} {stream} P lost"], ["z" * draw.choice((0, 100, 70_000))], ["\0\0z"]))
        queues.append(queue)
    lines: list[str] = []
    while any(queues):
        queue = draw.choice(queues)
        if queue:
            lines.append(queue.pop(0))
    return lines


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 30), limit=st.sampled_from((300, 9000, 50_000, LIMIT)), size=st.integers(1, 100_000))
def test_the_records_do_not_depend_on_the_reads(seed: int, limit: int, size: int) -> None:
    draw = random.Random(seed)
    data = draw.choice(("\n", "\r\n")).join(pieces_of(draw)).encode()
    found = read(data, limit=limit)

    assert read(data, max(size, 1 + len(data) // 100), limit) == found
    assert b"".join(record.replace(b"\n", b"") for _, record, _ in sorted(found, key=lambda one: one[0])) or not data.strip()
    assert [offset for offset, _, _ in found] == sorted({offset for offset, _, _ in found})
    assert grown(data, limit, draw) == found


def grown(data: bytes, limit: int, draw: random.Random) -> Found:
    """The records as somebody reads them who follows the file, and keeps nothing but an offset."""
    rules, found, offset, size = LineRules("utf-8", limit), Found(), 0, 0
    while offset < len(data):
        final = size >= len(data)
        taken = first_joined(rules, offset, lambda at, most: data[at : min(at + most, size)], 1000, final=final)  # noqa: B023
        if taken is None:
            if final:
                break
            size += draw.choice((5000, 60_000))
            continue
        if taken.chunk.cut and taken.chunk.records is None:  # where its end is, the search for long lines says
            end = data.find(b"\n", taken.behind)
            if end < 0 and not final:
                size += 60_000
                continue
            taken = taken._replace(behind=len(data) if end < 0 else end + 1)
        found += found_in([taken.chunk])
        offset = taken.behind
    return found


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_where_no_line_waits_reading_can_begin(seed: int) -> None:
    draw = random.Random(seed)
    data = "".join(f"{line}\n" for line in pieces_of(draw) + ["s" * 99] * draw.choice((0, 700)) + pieces_of(draw)).encode()
    whole = read(data)
    ends = [found.end() for found in re.finditer(b"\n", data)]
    for at in draw.sample(ends, min(9, len(ends))):
        if not waits_at(data[max(0, at - LOOK_BACK) : at]):
            assert read(data[:at]) + read(data, offset=at) == whole


def test_where_a_line_may_wait() -> None:
    part, end = f"{T} stdout P a\n".encode(), f"{T} stdout F b\n".encode()
    assert not waits_at(b"")
    assert not waits_at(end)
    assert waits_at(part)
    assert waits_at(part + b"y" * (PATIENCE - 2) + b"\n")
    assert not waits_at(part + b"y" * (PATIENCE - 1) + b"\n")
    assert waits_at(b"y" * (LOOK_BACK - 1) + b"\n")  # its beginning cannot be seen
    assert not waits_at(b"\n" + b"y" * (LOOK_BACK - 2) + b"\n")
    assert waits_at((b"y" * LOOK_BACK + part + end)[-LOOK_BACK : -len(end)] + b"y" * len(end)) is True


def test_chunks_without_parts_pass_as_they_are() -> None:
    assert not may_hold_parts(f"{docker('a' * 9000 + chr(92) + 'n')}\n{T} stdout F P\n".encode())
    assert may_hold_parts(docker(LONG).encode())
    assert may_hold_parts(docker("\\\\n").encode())  # perhaps: it has to be looked at
    [chunk] = read_chunks(BytesIO(f"{T} stdout F a\n{T} stdout F b\n".encode()).read, parts=True)
    assert chunk.records is None


def long_log() -> list[str]:
    lines = [
        f"2017-02-14T02:57:{n:02d}.234778Z|0|1|2|pfrad|Calling pfAuthUser('D\\u{n}', '{'x' * 9000 * (n % 3)}', 1)"
        for n in range(30)
    ]
    return [part for n, line in enumerate(lines) for part in wrapping.cri_in_parts(line, n, 4000)]


def test_a_file_that_grows_gives_each_line_once(rig: Rig) -> None:
    rig.options["stamp_of"] = STAMPS
    rig.restart()
    data = "".join(f"{line}\n" for line in long_log()).encode()
    for at in range(0, len(data), 3000):
        rig.append("a.log", data[at : at + 3000])
        rig.step()
        if at % 9000 == 0:
            rig.restart()
    assert b"".join(text for _, _, text in rig.out) == data
    joined = [record for record in read(data) if b"\n" in record[1]]
    assert [(offset, text) for offset, text in rig.records if b"\n" in text] == [(offset, text) for offset, text, _ in joined]
    assert len(joined) == 20


def test_a_part_without_its_end_comes_once_the_file_is_rotated(rig: Rig) -> None:
    rig.options["stamp_of"] = STAMPS
    rig.restart()
    rig.append("a.log", f"{T} stdout F 2017-02-14T02:57:00Z|0|1|2|pfrad|x\n{T} stdout P 2017".encode() + b"\n")
    assert rig.step().count(b"\n") == 1
    os.rename(rig.path("a.log"), rig.path("a.log.1"))
    assert b"stdout P 2017" in rig.settle()


def test_pieces_for_workers_begin_where_no_line_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LEAST", "MOST"):
        monkeypatch.setattr(shards, name, 20_000)
    filler = [f"{T} stdout F 2017-02-14T02:58:00Z|0|1|2|pfrad|{'y' * 500}"] * 300
    data = "".join(f"{line}\n" for line in [*long_log(), *filler, *long_log(), *filler]).encode()
    edges = edges_of(tmp_path / "a.log", data)
    assert len(edges) > 1
    found = [
        record for begin, end in zip([0, *edges], [*edges, len(data)], strict=True) for record in read(data[:end], offset=begin)
    ]
    assert found == read(data)

    monkeypatch.setattr(shards, "TRIES", 2)
    assert edges_of(tmp_path / "b.log", "".join(f"{line}\n" for line in long_log() * 4).encode()) == []


def edges_of(path: Path, data: bytes) -> Sequence[int]:
    path.write_bytes(data)
    with open_inputs((str(path),), deterministic=True, stamp_of=STAMPS) as (sources, _):
        assert sources[0].inputs[0].file.parts
        return [piece.range.start for piece in shards.plan(sources, 2)][1:]


def test_the_description_of_a_file_says_whose_lines_it_holds() -> None:
    line = "2017-02-14T02:57:00Z|0|1|2|pfrad|x"
    for text, is_theirs in ((f"{T} stdout F {line}\n", True), (f"\ufeff{docker(line)}\n", True), (f"{line}\n", False)):
        assert describe(BytesIO(text.encode()).read, stamp_of=STAMPS).parts == is_theirs
    assert not describe(BytesIO(f"{docker(line)}\n".encode("utf-16")).read, stamp_of=STAMPS).parts
    assert parts.LOOK_BACK > 2 * PATIENCE


def test_of_two_crs_at_a_line_end_one_is_kept_whatever_the_reads() -> None:
    """A chunk in which a line waits holds records, whose line ends are gone; any other holds lines."""
    data = "".join(f"{T} stdout {flag} text\r\r\n" for flag in "FFPF").encode()
    originals = []
    for size in (1, 70, 1000):
        pipeline = Pipeline(Settings(library()), Counts())
        pipeline.open(log_file(b""))
        made = b"".join(pipeline(chunk).data for chunk in read_chunks(BytesIO(data).read, 0, "utf-8", size, LIMIT, parts=True))
        originals.append([json.loads(line)["event"]["original"] for line in made.splitlines()])
    assert originals[0] == originals[1] == originals[2]
    assert [original.endswith("text\r") for original in originals[0]] == [True] * 3
