"""What identifies a file: fingerprint, encoding, first time stamp."""

import gzip
import hashlib
import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from shipper.model import Export, LogFile
from shipper.read.exports import export_of
from shipper.read.files import open_bytes
from shipper.read.identity import FINGERPRINT_SPAN, describe, identify, last_stamp

FIRST = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)"
LATER = "2017-02-15T00:00:00.000000Z|0|1412|6452|pfrad|x"
FALLBACK = "2000-01-01T00:00:00.000000Z"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def identity(path: Path) -> LogFile:
    with open_bytes(str(path)) as read:
        return identify(str(path), read, FALLBACK)


def of_bytes(data: bytes, tmp_path: Path) -> LogFile:
    path = tmp_path / "one.log"
    path.write_bytes(data)
    return identity(path)


def test_a_hole_or_a_mark_hides_no_time_stamp(tmp_path: Path) -> None:
    lead = "\0\0\ufeff"
    file = of_bytes(f"{lead}{FIRST}\n{LATER}\n".encode(), tmp_path)

    assert (file.time, file.fingerprint) == ("2017-02-14T02:57:19.234778Z", sha(f"{lead}{FIRST}\n".encode()))
    assert last_stamp(f"{FIRST}\n{lead}{LATER}\n{lead}".encode(), "utf-8", whole=True) == "2017-02-15T00:00:00.000000Z"


# Fingerprints


def test_fingerprint_is_the_digest_up_to_the_end_of_the_first_dated_line(tmp_path: Path) -> None:
    file = of_bytes(f"{FIRST}\r\n{LATER}\n".encode(), tmp_path)

    assert file == LogFile(str(tmp_path / "one.log"), sha(f"{FIRST}\r\n".encode()), "2017-02-14T02:57:19.234778Z", "utf-8")


def test_copies_have_one_fingerprint_whatever_their_name_and_form(tmp_path: Path) -> None:
    data = f"preface\n{FIRST}\n{LATER}\n".encode()
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "renamed.log.1").write_bytes(data)
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(data))
    (tmp_path / "members.gz").write_bytes(gzip.compress(data[:20]) + gzip.compress(data[20:]))
    (tmp_path / "grown.log").write_bytes(data + f"{LATER}\n".encode() * 10_000)

    prints = {identity(path).fingerprint for path in tmp_path.iterdir()}
    assert prints == {sha(f"preface\n{FIRST}\n".encode())}


@pytest.mark.parametrize(
    ("encoding", "mark"), [("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")]
)
def test_byte_order_mark_tells_the_encoding_and_is_part_of_the_fingerprint_only(
    tmp_path: Path, encoding: str, mark: bytes
) -> None:
    file = of_bytes(mark + f"{FIRST}\r\n{LATER}\n".encode(encoding), tmp_path)

    assert file.fingerprint == sha(mark + f"{FIRST}\r\n".encode(encoding))
    assert (file.time, file.encoding) == ("2017-02-14T02:57:19.234778Z", encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_characters_that_hold_the_byte_of_a_line_end_do_not_end_the_first_line(tmp_path: Path, encoding: str) -> None:
    data = f"\ufeff\u0a00\u0a0d{FIRST}\n{FIRST}\u0a00\u0a00\n{LATER}\n".encode(encoding)

    assert of_bytes(data, tmp_path).fingerprint == sha(data[: -len(f"{LATER}\n".encode(encoding))])


def test_lines_without_a_real_time_stamp_come_before_the_first_dated_one(tmp_path: Path) -> None:
    before = "\n\r\n   at PfRad.Main()\n2017-02-30T00:00:00.000000Z|0|1|2|pfrad|no such day\n x" + FIRST + "\n"
    file = of_bytes(f"{before}{FIRST}\n{LATER}\n".encode(), tmp_path)

    assert file.time == "2017-02-14T02:57:19.234778Z"
    assert file.fingerprint == sha(f"{before}{FIRST}\n".encode())


def test_time_stamp_alone_on_a_line_dates_it(tmp_path: Path) -> None:
    assert of_bytes(b"2017-02-14T02:57:19Z\r\n", tmp_path).time == "2017-02-14T02:57:19Z"
    assert of_bytes(b"2017-02-14T02:57:19Z", tmp_path).time == "2017-02-14T02:57:19Z"


def test_cr_without_line_end_belongs_to_the_line_and_spoils_its_time_stamp(tmp_path: Path) -> None:
    assert of_bytes(b"2017-02-14T02:57:19Z\r", tmp_path).time == FALLBACK


def test_cr_behind_a_time_stamp_belongs_to_the_line_unless_the_line_ends_there(tmp_path: Path) -> None:
    assert of_bytes(b"2017-02-14T02:57:19Z\r|0|1|2|pfrad|x\n", tmp_path).time == FALLBACK


def test_first_dated_line_may_lack_its_end(tmp_path: Path) -> None:
    file = of_bytes(f"x\n{FIRST}".encode(), tmp_path)

    assert file.time == "2017-02-14T02:57:19.234778Z"
    assert file.fingerprint == sha(f"x\n{FIRST}".encode())


def test_first_dated_line_late_in_the_file_dates_it_and_the_fingerprint_ends_at_64_kib(tmp_path: Path) -> None:
    data = b"no date here\n" * 300_000 + f"{FIRST}\n".encode()
    file = of_bytes(data, tmp_path)

    assert file.time == "2017-02-14T02:57:19.234778Z"
    assert file.fingerprint == sha(data[: 64 * 1024])


@pytest.mark.parametrize("length", [FINGERPRINT_SPAN - 1, FINGERPRINT_SPAN, FINGERPRINT_SPAN + 1])
def test_fingerprint_at_the_edge_of_64_kib(tmp_path: Path, length: int) -> None:
    line = f"{FIRST}\n".encode()
    data = b"x" * (length - len(line) - 1) + b"\n" + line
    assert len(data) == length

    assert of_bytes(data + f"{LATER}\n".encode(), tmp_path).fingerprint == sha(data[:FINGERPRINT_SPAN])


def test_first_line_longer_than_every_limit_still_dates_the_file(tmp_path: Path) -> None:
    data = FIRST.encode() + b"x" * 3_000_000 + f"\n{LATER}\n".encode()
    file = of_bytes(data, tmp_path)

    assert file.time == "2017-02-14T02:57:19.234778Z"
    assert file.fingerprint == sha(data[:FINGERPRINT_SPAN])


@pytest.mark.parametrize("data", [b"", b"no\ndate\n", b"x" * 100_000, b"\xff\xfe", b"\xef\xbb\xbf"])
def test_file_without_any_time_stamp_is_all_of_it_and_takes_the_fallback(tmp_path: Path, data: bytes) -> None:
    file = of_bytes(data, tmp_path)

    assert file.fingerprint == sha(data[:FINGERPRINT_SPAN])
    assert file.time == FALLBACK


@pytest.mark.posix("names are bytes")
def test_name_that_is_not_utf_8_is_shown_with_replacement_characters(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.log")
    with open(path, "wb") as file:
        file.write(f"{FIRST}\n".encode())

    assert identity(Path(os.fsdecode(path))).path == f"{tmp_path}/caf\ufffd.log"


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_description_says_whether_more_bytes_could_change_it(end: str) -> None:
    data = f"x\n{FIRST}{end}".encode()

    about = describe(BytesIO(data).read)
    assert (about.head, about.encoding, about.start) == (data, "utf-8", 0)
    assert (about.time, about.end, about.ended) == ("2017-02-14T02:57:19.234778Z", len(data), end != "")


def test_description_of_a_file_without_a_time_stamp_is_never_complete() -> None:
    about = describe(BytesIO(b"no\ndate\n").read)

    assert (about.time, about.end, about.ended) == (None, None, False)


def test_encoding_can_be_given_and_a_mark_of_another_is_no_mark() -> None:
    text = f"{FIRST}\n"

    assert describe(BytesIO(text.encode("utf-16-le")).read, "utf-16-le").time == "2017-02-14T02:57:19.234778Z"
    assert describe(BytesIO(f"\ufeff{text}".encode("utf-16-le")).read, "utf-16-le").start == 2
    about = describe(BytesIO(b"\xef\xbb\xbf" + text.encode("utf-16-le")).read, "utf-16-le")
    assert (about.encoding, about.start) == ("utf-16-le", 0)


def test_line_in_another_form_is_dated_by_the_function_given() -> None:
    """It is asked for lines that have no time stamp of their own, and is given no more of them than the fingerprint may hold."""
    asked: list[str] = []

    class Asked:
        def __call__(self, line: str, export: Export | None = None, /) -> str | None:
            asked.append(line)
            return FALLBACK if line.startswith("<13>") else None

        def is_header(self, columns: Sequence[str], /) -> bool:
            return False

    data = b"z" * 100_000 + b"\nno date\r\n<13>one\r\n" + FIRST.encode()
    about = describe(BytesIO(data).read, stamp_of=Asked())
    assert asked == ["z" * FINGERPRINT_SPAN, "no date", "<13>one"]
    assert (about.time, about.end, about.ended) == (FALLBACK, data.index(b"2017"), True)


def test_small_reads_find_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"x\n" * 40_000 + f"{FIRST}\n{LATER}\n".encode())

    with open_bytes(str(path)) as read:
        assert identify(str(path), lambda size: read(min(size, 1000)), FALLBACK) == identity(path)


@pytest.mark.parametrize(
    "begin", [b'{"a":"' + b"x" * 40_000, b'{"a":[' + b'"b",' * 10_000, b" " * 40_000, b"[" + b"\r" * 40_000, b'{"a":{}' * 6000]
)
def test_a_beginning_that_comes_byte_by_byte_is_not_looked_at_for_each(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    data, looked_at = begin + b"\n{}\n", 0

    def counting(text: str, *arguments: Any, **options: Any) -> Any:
        nonlocal looked_at
        looked_at += len(text)
        return export_of(text, *arguments, **options)

    monkeypatch.setattr("shipper.read.identity.export_of", counting)
    stream = BytesIO(data)
    about = describe(lambda size: stream.read(1))
    assert looked_at < 20 * len(data)
    assert about.log_file(None, FALLBACK) == describe(BytesIO(data).read).log_file(None, FALLBACK)
