"""Dead letters on the disk: whole ones or none, and each that was kept is found again."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipper.deliver.dead_letters import DeadLetterFile
from shipper.deliver.sink import Refusal

EVENT = b'{"event":{"id":"0123456789abcdef-72"},"log":{"file":{"path":"/log/Mfa.log"},"offset":72}}'


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetterFile:
    return DeadLetterFile(str(tmp_path / "dead_letters.ndjson"), lambda: datetime(2017, 2, 14, tzinfo=UTC))


def lines(letters: DeadLetterFile) -> list[bytes]:
    return [line for line, _ in letters.read()]


def test_there_are_none(letters: DeadLetterFile) -> None:
    assert (lines(letters), letters.count()) == ([], 0)


@pytest.mark.parametrize("line", [EVENT, b'{"time":1,"sourcetype":"azure:mfa:ecs","event":' + EVENT + b"}"])
def test_a_letter_says_what_why_and_where(line: bytes, letters: DeadLetterFile) -> None:
    letters.add((Refusal(line, "too large"),))
    assert json.loads(Path(letters.path).read_bytes()) == {
        "time": "2017-02-14T00:00:00.000Z",
        "reason": "too large",
        "id": "0123456789abcdef-72",
        "path": "/log/Mfa.log",
        "offset": 72,
        "line": line.decode(),
    }


@pytest.mark.parametrize("line", [b"", b"[]", b"no JSON", b'"text"', b"7", b"\xff\xfe\0", "ä\u2028".encode()])
def test_any_line_is_kept_as_it_was(line: bytes, letters: DeadLetterFile) -> None:
    letters.add((Refusal(line, "invalid"), Refusal(EVENT, "too large")))
    assert lines(letters) == [line, EVENT]


@pytest.mark.parametrize("torn", [b"{", b'{"time":"2017', b'{"line":"a"}', b"\0\0\0"])
def test_after_a_crash_the_next_letter_stands_by_itself(torn: bytes, letters: DeadLetterFile) -> None:
    letters.add((Refusal(b"first", "x"),))
    with open(letters.path, "ab") as file:
        file.write(torn)  # without its line end: so far the crash let it come
    letters.add((Refusal(b"second", "x"),))
    assert [line for line in lines(letters) if line != b"a"] == [b"first", b"second"]
    letters.keep_only([letters.count() - 1])
    assert lines(letters) == [b"second"]


def test_only_some_are_kept(letters: DeadLetterFile) -> None:
    letters.add(tuple(Refusal(b"%d" % number, "x") for number in range(4)))
    letters.keep_only([1, 3])
    assert lines(letters) == [b"1", b"3"]
    letters.add((Refusal(b"4", "x"),))
    assert lines(letters) == [b"1", b"3", b"4"]
    letters.keep_only([])
    assert letters.count() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"No space left on device|Invalid argument"):
        DeadLetterFile(str(tmp_path / "full")).add((Refusal(EVENT, "x"),))
