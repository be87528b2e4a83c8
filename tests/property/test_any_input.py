"""Whatever the bytes are: one event a line, nothing lost, nothing that depends on how they were read.

The model below reads the contract anew: what a line is, where it stands, which time it has, who the file is.
"""

import codecs
import gzip
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shipper.decode.library import read_schema
from shipper.model import Counts, LogFile
from shipper.pipeline import Pipeline, Settings, run_source
from shipper.read.compression import form_of
from shipper.read.files import LINE_LIMIT, read_chunks
from shipper.read.identity import FINGERPRINT_SPAN, identify
from shipper.read.inputs import open_inputs
from shipper.read.logs import Input, Log
from shipper.read.signatures import no_log
from shipper.times import EPOCH
from tests.support.logs import library, log_file, logs, mark_length, short_reads

Event = dict[str, Any]

STAMP = "2017-02-14T02:57:19.234778Z"
BOMS = (("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"))


@dataclass(frozen=True)
class Line:
    """What the contract says of a line."""

    offset: int
    text: str
    damaged: bool
    cut: bool
    end: int  # offset of the next line


def encoding_and_start(data: bytes) -> tuple[str, int]:
    unmarked = "utf-8"
    first = data[:16].split(b"\n")[0]
    for name, text, nuls in (("utf-16-le", first[0::2], first[1::2]), ("utf-16-be", first[1::2], first[0::2])):
        readable = (
            (len(text) >= 2 or text in (b"[", b"{"))
            and all(32 <= byte < 127 or byte in b"\t\r" for byte in text)
            and not any(nuls)
        )
        if readable and (len(nuls) == len(text) or (name == "utf-16-be" and len(nuls) == len(text) + 1)):
            unmarked = name
    return next(((name, len(mark)) for name, mark in BOMS if data.startswith(mark)), (unmarked, 0))


def lines_of(data: bytes, limit: int = LINE_LIMIT) -> Iterator[Line]:
    """The lines of a file."""
    encoding, at = encoding_and_start(data)
    unit = 1 if encoding == "utf-8" else 2
    newline, carriage_return = "\n".encode(encoding), "\r".encode(encoding)
    lead = {"\0".encode(encoding), "\ufeff".encode(encoding)}
    while at < len(data):
        while size := next((len(part) for part in lead if data.startswith(part, at)), 0):
            at += size
        if at == len(data):
            break
        stop = at
        while stop < len(data) and data[stop : stop + unit] != newline:
            stop += unit
        ended = stop < len(data)
        content = data[at : min(stop, len(data))]
        if ended and content[-unit:] == carriage_return:
            content = content[:-unit]
        most = max(unit, limit // unit * unit)
        cut = len(content) > most
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        text = decoder.decode(content[:most], final=not cut)  # a character that the cut goes through is left out
        whole = content[: most - len(decoder.getstate()[0])] if cut else content
        yield Line(at, text, not decodes(whole, encoding), cut, min(stop + unit, len(data)))
        at = stop + unit


def decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def time_of(text: str) -> str | None:
    """The time stamp of a line, if it names a real instant."""
    stamp = text.split("|")[0]
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z", stamp):
        return None
    try:
        datetime.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return None
    return None if stamp[17:19] == "61" or stamp[17:19] == "60" else stamp


def times_of(lines: Sequence[Line], fallback: str) -> list[str]:
    """The time of each line: its own, that of the line before, or of the first that has one."""
    own = [time_of(line.text) for line in lines]
    last = next((time for time in own if time), fallback)
    times = []
    for time in own:
        last = time or last
        times.append(last)
    return times


def fingerprint_of(data: bytes, lines: Sequence[Line]) -> str:
    """Who the file is: its bytes up to the end of the first line that has a time stamp, 64 KiB at most."""
    end = next((line.end for line in lines if time_of(line.text)), len(data))
    return hashlib.sha256(data[: min(end, 65_536)]).hexdigest()[:16]


def shipped(
    data: bytes, file: LogFile, sizes: Sequence[int], limit: int = LINE_LIMIT, *, fast: bool = True
) -> tuple[bytes, Counts]:
    counts = Counts()
    pipeline = Pipeline(Settings(library=library(), fast=fast), counts)
    pipeline.open(file)
    start = mark_length(data)
    reads = read_chunks(short_reads(data[start:], sizes), start, file.encoding, max(sizes), limit)
    return b"".join([*(pipeline(chunk).data for chunk in reads), pipeline.close().data]), counts


PIECES = ("\n", "\r", "\r\n", "\x00", "\ufeff", "|", f"{STAMP}|", STAMP, "2017-02-30T02:57:19Z|", "1970-01-01T00:00:00Z", "ä", "山", "👤",
          "\u2028", "\x85", "\x0b", "a", "\\", '"', f"{STAMP}|0|1|2|pfrad|", "\u0a0d", "\u0d0a", "\ufffd")  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def encoded(text: str, encoding: str, mark: bool, tail: bytes) -> bytes:
    return (("\ufeff" if mark else "") + text).encode(encoding) + tail


ENCODED = st.builds(
    encoded,
    TEXTS,
    st.sampled_from(("utf-8", "utf-16-le", "utf-16-be")),
    st.booleans(),
    st.sampled_from((b"", b"", b"\n", b"\x00", b"\xff", b"\xd8")),
)
BITS = (
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xfe",
    b"\xc3",
    b"\xf0\x9f",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    b"a",
    STAMP.encode() + b"|",
)
ANY = st.one_of(logs(), ENCODED, st.binary(max_size=200), st.lists(st.sampled_from(BITS), max_size=30).map(b"".join))
SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=4)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=400, deadline=None, suppress_health_check=SLOW)
@given(ANY, SIZES, st.sampled_from((LINE_LIMIT, LINE_LIMIT, 64, 65, 70)), st.booleans())
@example(b"a" * 64 + b"\xff\n", [100], 65, True)
@example(b"a" * 63 + b"\xe0\x80\n", [100], 65, True)
@example(b"a" * 64 + b"\xe4\xbd\n", [100], 65, True)
@example("a\n".encode("utf-16"), [1], 64, True)
@example(b"\xff\xfe" + b"a\0" * 31 + b"\x3d\xd8\x64\xdc\n\0", [3], 64, True)
def test_every_line_is_one_event(data: bytes, sizes: list[int], limit: int, fast: bool) -> None:
    lines = list(lines_of(data, limit))
    encoding, start = encoding_and_start(data)
    out, counts = shipped(data, log_file(data), sizes, limit, fast=fast)
    every = [orjson.loads(event) for event in out.splitlines()]
    events = [event for event in every if event["event"]["kind"] != "alert"]
    assert out.endswith(b"\n") or not out
    assert len(events) == len(lines) == counts.lines == counts.events
    assert len(every) - len(events) == counts.findings
    fingerprint = fingerprint_of(data, list(lines_of(data)))
    before = -1
    for line, time, event in zip(lines, times_of(lines, EPOCH), events, strict=True):
        offset = event["log"]["offset"]
        assert offset == line.offset >= start
        assert offset > before
        before = offset
        assert event["@timestamp"] == time
        assert event["ecs"] == {"version": "8.17.0"}
        assert event["event"]["id"] == f"{fingerprint}-{offset}"
        assert event["event"]["module"] == "azure_mfa"
        assert event["event"]["kind"] in ("event", "pipeline_error")
        assert event["event"]["dataset"].startswith("azure_mfa.")
        assert event["event"]["original"] == line.text
        tags = event.get("tags", [])
        assert ("mfa_decode_error" in tags, "mfa_line_too_long" in tags) == (line.damaged, line.cut)
        assert (
            ("_grokparsefailure" in tags)
            == (event["event"]["kind"] == "pipeline_error")
            == ("error" in event and "message" in event["error"] and "message" not in event)
        )
        if not line.damaged and not line.cut:
            content = line.text.encode(encoding)
            assert data[offset : offset + len(content)] == content
            assert data[offset + len(content) : line.end].decode(encoding) in ("", "\n", "\r\n")
    assert counts.decode_errors == sum(line.damaged for line in lines)
    assert counts.too_long == sum(line.cut for line in lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


def without_path(source: Log) -> Log:
    inputs = tuple(Input(one.path, replace(one.file, path=None), one.order) for one in source.inputs)
    return Log(source.name, inputs)


@settings(max_examples=250, deadline=None, suppress_health_check=SLOW)
@given(ANY, st.integers(1, 500), SIZES, st.lists(st.integers(0, 400), max_size=3), st.booleans())
def test_the_same_bytes_from_a_file_from_gzip_and_from_a_pipe(
    folder: Path,
    data: bytes,
    read_size: int,
    sizes: list[int],
    cuts: list[int],
    padded: bool,
) -> None:
    assume(form_of(data) is None and no_log(data) is None)
    assume(log_file(data).export is None)  # `[{` begins a file of records, of which `shipped` makes lines
    plain, packed = folder / "plain.log", folder / "packed.log"
    plain.write_bytes(data)
    edges = sorted({0, *(min(cut, len(data)) for cut in cuts), len(data)})
    members = [gzip.compress(data[a:b], 1) for a, b in pairwise(edges)] or [gzip.compress(data)]
    packed.write_bytes(b"".join(members) + b"\0" * 7 * padded)
    file = identify("-", short_reads(data, sizes), EPOCH)
    assert file == replace(log_file(data), path=None)
    expected, counts = shipped(data, file, [1 << 20])
    assert (expected, counts) == shipped(data, file, sizes)
    usual = Settings(library=library(), read_size=read_size)
    for path in (plain, packed):
        with open_inputs([str(path)], deterministic=True) as (sources, stdin):
            again = Counts()
            blocks = [block.data for source in sources for block, _ in run_source(usual, without_path(source), stdin, again)]
            assert b"".join(blocks) == expected
            assert again == counts


@settings(max_examples=80, deadline=None, suppress_health_check=SLOW)
@given(ANY)
def test_every_event_is_of_the_schema(data: bytes) -> None:
    validator = Draft202012Validator(read_schema("event.schema.json"))
    out, _ = shipped(data, log_file(data), [1 << 16])
    for event in out.splitlines():
        assert list(validator.iter_errors(orjson.loads(event))) == []


@pytest.mark.parametrize(
    "length", [FINGERPRINT_SPAN - 60, FINGERPRINT_SPAN - 1, FINGERPRINT_SPAN, FINGERPRINT_SPAN + 1, 3 * FINGERPRINT_SPAN]
)
@pytest.mark.parametrize("dated", [True, False])
def test_who_a_file_is_that_begins_with_undated_lines(length: int, dated: bool) -> None:
    undated = (b"x" * 99 + b"\n") * (length // 100) + b"y" * (length % 100 - 1) + b"\n"
    data = undated + (STAMP.encode() + b"|0|1|2|pfrad|hello\n" if dated else b"end")
    lines = list(lines_of(data))
    out, _ = shipped(data, log_file(data), [4096])
    events = [orjson.loads(event) for event in out.splitlines()]
    assert {event["@timestamp"] for event in events} == {STAMP if dated else EPOCH}
    assert {event["event"]["id"].partition("-")[0] for event in events} == {fingerprint_of(data, lines)}


def test_a_file_without_any_time_takes_that_of_its_last_change(tmp_path: Path) -> None:
    path = tmp_path / "undated.log"
    path.write_bytes(b"one\ntwo\n")
    os.utime(path, ns=(0, 1_487_041_039_234_778_000))
    with open_inputs([str(path)]) as (sources, _):
        assert sources[0].inputs[0].file.time == STAMP
    with open_inputs([str(path)], deterministic=True) as (sources, _):
        assert sources[0].inputs[0].file.time == EPOCH
