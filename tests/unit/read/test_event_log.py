"""Windows event logs: each event is a line of XML, and what is missing is said."""

import gzip
import importlib.util
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from xml.etree import ElementTree

import pytest

from shipper.errors import RunError
from shipper.read.event_log import CHUNK, HEADER, EventLog
from shipper.read.files import text_of
from tests.support.event_log import NAMESPACE, Event, event_log

pytestmark = pytest.mark.skipif(importlib.util.find_spec("evtx") is None, reason="needs the extra `evtx`")

BEGIN = datetime(2026, 3, 1, 8, 0, 0, 123456, UTC)
TEXT = (
    "NPS Extension for Azure MFA:  CID: {} : Access Accepted for user äöü-{} with Azure MFA response: Success and message: <&>\"'"
)


def events(count: int) -> list[Event]:
    return [Event(BEGIN + timedelta(seconds=n), [TEXT.format(n, n)]) for n in range(count)]


def text(data: bytes, size: int = 1000) -> tuple[list[str], str | None]:
    """The lines of a log, and what is said behind them."""
    read, out = EventLog(BytesIO(data).read, "x.evtx"), b""
    try:
        while block := read(size):
            assert len(block) <= size
            out += block
    except RunError as error:
        with pytest.raises(RunError):
            read(1)
        return out.decode().splitlines(), str(error)
    assert read(1) == b""
    return out.decode().splitlines(), None


def numbers(lines: list[str]) -> list[int]:
    return [int(ElementTree.fromstring(line).findtext(f".//{{{NAMESPACE}}}EventRecordID") or 0) for line in lines]


WHOLE = event_log(events(1000))
CHUNKS = (len(WHOLE) - HEADER) // CHUNK


def place(chunk: int) -> int:
    """Where a chunk begins."""
    return HEADER + chunk * CHUNK


def records(chunk: int) -> int:
    """How many events it holds."""
    first, last = struct.unpack_from("<QQ", WHOLE, place(chunk) + 8)
    return int(last - first + 1)


RECORD = WHOLE.index(b"**\0\0", place(1) + 30_000)  # where an event begins


@pytest.mark.parametrize("size", [1, 777, 100_000])
def test_every_event_is_a_line_of_xml_in_the_order_of_the_log(size: int) -> None:
    lines, failure = text(event_log(events(3)), size)
    assert failure is None
    assert numbers(lines) == [1, 2, 3]
    root = ElementTree.fromstring(lines[2])
    assert root.findtext(f".//{{{NAMESPACE}}}Data") == TEXT.format(2, 2)
    created = root.find(f".//{{{NAMESPACE}}}TimeCreated")
    assert created is not None
    assert created.get("SystemTime") == "2026-03-01T08:00:02.123456Z"
    assert root.findtext(f".//{{{NAMESPACE}}}Computer") == "nps01.example.com"


def test_a_log_of_many_chunks() -> None:
    lines, failure = text(WHOLE)
    assert (numbers(lines), failure) == (list(range(1, 1001)), None)
    assert CHUNKS > 5


def test_line_ends_in_a_text_are_those_that_xml_makes_of_them() -> None:
    lines, _ = text(event_log([Event(BEGIN, ["a\r\nb\nc\rd", "two"])]))
    assert len(lines) == 1
    data = ElementTree.fromstring(lines[0]).findall(f".//{{{NAMESPACE}}}Data")
    assert [found.text for found in data] == ["a\nb\nc\nd", "two"]


@pytest.mark.parametrize("behind", [bytes(CHUNK), bytes(3 * CHUNK)])
def test_room_behind_the_last_chunk_is_no_loss(behind: bytes) -> None:
    assert text(WHOLE + behind)[1] is None


def test_a_log_without_events() -> None:
    assert text(event_log([])) == ([], None)
    header = bytearray(WHOLE[:HEADER])
    struct.pack_into("<QH", header, 24, 1, 128)
    struct.pack_into("<H", header, 42, 0)
    assert text(bytes(header)) == ([], None)


def test_a_log_that_was_copied_while_it_was_in_use_is_whole() -> None:
    """Its header is old, and so are the check sums of its last chunk."""
    data = bytearray(WHOLE)
    struct.pack_into("<Q", data, 24, 5)
    struct.pack_into("<H", data, 42, 1)
    struct.pack_into("<I", data, 120, 1)
    struct.pack_into("<I", data, place(CHUNKS - 1) + 52, 0)
    lines, failure = text(bytes(data))
    assert (numbers(lines), failure) == (list(range(1, 1001)), None)


def test_a_log_that_went_round_is_whole() -> None:
    """The newest chunks were written over the oldest."""
    chunks = [WHOLE[place(n) : place(n + 1)] for n in range(CHUNKS)]
    lines, failure = text(WHOLE[:HEADER] + b"".join(chunks[3:] + chunks[:3]))
    assert failure is None
    assert sorted(numbers(lines)) == list(range(1, 1001))


@pytest.mark.parametrize(
    ("damage", "left", "said"),
    [
        (
            lambda data: data[: place(3) + 30_000],
            None,
            f"ends too early, after {place(3) + 30_000} bytes: at least {{}} of its events cannot be read",
        ),
        (
            lambda data: data[:-CHUNK],
            None,
            f"ends too early, after {place(CHUNKS - 1)} bytes: at least {{}} of its events cannot be read",
        ),
        (lambda data: data[:HEADER], 0, f"ends too early, after 4096 bytes: {CHUNKS} of its parts cannot be read"),
        (lambda data: data[:100], 0, f"ends too early, after 100 bytes: {CHUNKS} of its parts cannot be read"),
        (
            lambda data: data[: place(3)] + bytes(CHUNK) + data[place(4) :],
            1000 - records(3),
            "is damaged: at least {} of its events cannot be read",
        ),
        (
            lambda data: data[: place(CHUNKS - 1)] + bytes(CHUNK),
            1000 - records(CHUNKS - 1),
            "is damaged: at least {} of its events cannot be read",
        ),
        (
            lambda data: data[: place(2)] + b"\xff" + data[place(2) + 1 :],
            1000 - records(2),
            "is damaged: at least {} of its events cannot be read",
        ),
        (lambda data: data + b"x" * CHUNK, 1000, "is damaged: 1 of its parts cannot be read"),
        (
            lambda data: data[: RECORD + 24] + b"\xff" * 100 + data[RECORD + 124 :],
            999,
            "is damaged: at least {} of its events cannot be read and 1 of its parts do not match their check sums",
        ),
        (
            lambda data: data[: place(1) + 8] + b"\xff" * 16 + data[place(1) + 24 :],
            1000,
            None,  # the numbers of one chunk are those of an empty one
        ),
        (
            lambda data: data[: place(1) + 8] + b"\x01" * 16 + data[place(1) + 24 :],
            1000,
            None,
        ),
        (
            lambda data: data.replace("response".encode("utf-16-le"), "r3sponse".encode("utf-16-le"), 1),
            1000,
            "is damaged: 1 of its parts do not match their check sums",
        ),
    ],
)
def test_what_is_missing_is_said_behind_what_can_be_read(
    damage: Callable[[bytes], bytes], left: int | None, said: str | None
) -> None:
    lines, failure = text(damage(WHOLE))
    found = numbers(lines)
    assert found == sorted(set(found))
    assert left is None or len(found) == left
    assert failure == (said and f"x.evtx: the event log {said.format(1000 - len(found))}")


def test_numbers_that_cannot_be_are_no_sum() -> None:
    data = bytearray(WHOLE)
    struct.pack_into("<QQ", data, place(1) + 8, 5, 1 << 60)
    assert text(bytes(data))[1] == "x.evtx: the event log is damaged: 1 of its parts cannot be read"


def test_any_bytes_behind_the_header_end_in_a_sentence() -> None:
    junk = b"".join(zlib.compress(bytes([n]) * n) for n in range(256)) * 10
    lines, failure = text(WHOLE[:HEADER] + (b"ElfChnk\0" + junk[: CHUNK - 8]) * 2)
    assert lines == []
    assert failure is not None


@pytest.mark.parametrize("junk", [b"", b"hello\n", bytes(range(256)) * 300, b"x" * (HEADER + CHUNK)])
def test_the_first_bytes_alone_make_no_event_log(junk: bytes) -> None:
    said = "x.evtx has the first bytes of a Windows event log (.evtx) and nothing of one behind them: it is damaged"
    assert text(b"ElfFile\0" + junk) == ([], said)


def test_the_trouble_of_the_file_that_holds_it_is_told_behind_what_can_be_read() -> None:
    packed = gzip.compress(WHOLE)
    read = text_of(BytesIO(packed[:-2000]).read, "x.evtx.gz")
    out: list[bytes] = []
    with pytest.raises(RunError) as caught:
        out.extend(iter(lambda: read(5000), b""))
    assert str(caught.value).startswith("x.evtx.gz: the gzip file ends too early")
    assert 500 < b"".join(out).count(b"\n") < 1000


def test_without_the_library_one_sentence_says_how_to_get_it() -> None:
    program = (
        "import io, sys; sys.modules['evtx'] = None\n"
        "from shipper.read.event_log import EventLog\n"
        "EventLog(io.BytesIO(b'ElfFile').read, 'x.evtx')(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True)
    assert done.stderr.splitlines()[-1] == (
        "shipper.errors.UsageError: x.evtx is a Windows event log (.evtx); what reads it is not installed:"
        " pip install 'evtx>=0.14', or export its events as XML or JSON"
    )
