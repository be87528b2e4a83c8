"""Dead letters on the disk: whole ones or none, and each that was kept is found again."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shipper.deliver.dead_letters import DeadLetterFile
from shipper.deliver.sink import Refusal
from shipper.model import Origin
from tests.support.process import room

LOG = Origin("/log/Mfa.log", "azure_mfa.radius", "event")
EVENT = '{"message":"\u00e4"}'.encode()


def refusal(line: bytes, reason: str = "x", origin: Origin = LOG, event_id: str = "0123456789abcdef-72") -> Refusal:
    return Refusal(0, ("2017-02-14T02:57:19Z", event_id, origin, None), line, reason)


@pytest.fixture
def letters(tmp_path: Path) -> DeadLetterFile:
    return DeadLetterFile(str(tmp_path / "dead_letters.ndjson"), lambda: datetime(2017, 2, 14, tzinfo=UTC))


def lines(letters: DeadLetterFile) -> list[bytes]:
    return [line for line, _ in letters.read()]


def test_there_are_none(letters: DeadLetterFile) -> None:
    assert (lines(letters), letters.count()) == ([], 0)


HEAD = '{"time":"2017-02-14T00:00:00.000Z","reason":"too large",'
TAIL = ',"line":"{\\"message\\":\\"\u00e4\\"}"}\n'


@pytest.mark.parametrize(
    ("origin", "event_id", "middle"),
    [
        (LOG, "0123456789abcdef-72", '"id":"0123456789abcdef-72","path":"/log/Mfa.log","offset":72'),
        (Origin(None, "d", "pipeline_error"), "0123456789abcdef-0", '"id":"0123456789abcdef-0","offset":0'),
        (Origin("/log/Mfa.log", "d", "alert"), "0123456789abcdef-72-dp", '"id":"0123456789abcdef-72-dp"'),
    ],
)
def test_a_letter_says_what_why_and_where(origin: Origin, event_id: str, middle: str, letters: DeadLetterFile) -> None:
    letters.add((refusal(EVENT, "too large", origin, event_id),))
    assert Path(letters.path).read_text(encoding="utf-8") == HEAD + middle + TAIL


def test_a_line_that_is_no_text(letters: DeadLetterFile) -> None:
    letters.add((refusal(b"\xff"),))
    assert json.loads(Path(letters.path).read_bytes())["line_base64"] == base64.b64encode(b"\xff").decode()


@pytest.mark.parametrize("line", [b"", b"[]", b"no JSON", b'"text"', b"7", b"\xff\xfe\0", "ä\u2028".encode()])
def test_any_line_is_kept_as_it_was(line: bytes, letters: DeadLetterFile) -> None:
    letters.add((refusal(line), refusal(EVENT)))
    assert lines(letters) == [line, EVENT]


@pytest.mark.parametrize("torn", [b"{", b'{"time":"2017', b'{"line":"a"}', b"\0\0\0"])
def test_after_a_crash_the_next_letter_stands_by_itself(torn: bytes, letters: DeadLetterFile) -> None:
    letters.add((refusal(b"first"),))
    with open(letters.path, "ab") as file:
        file.write(torn)  # without its line end: so far the crash let it come
    letters.add((refusal(b"second"),))
    assert [line for line in lines(letters) if line != b"a"] == [b"first", b"second"]
    letters.keep_only([letters.count() - 1])
    assert lines(letters) == [b"second"]


def test_only_some_are_kept(letters: DeadLetterFile) -> None:
    letters.add(tuple(refusal(b"%d" % number) for number in range(4)))
    letters.keep_only([1, 3])
    assert lines(letters) == [b"1", b"3"]
    letters.add((refusal(b"4"),))
    assert lines(letters) == [b"1", b"3", b"4"]
    letters.keep_only([])
    assert letters.count() == 0


@pytest.mark.posix("a limit on the size of files stands for a full disk")
def test_a_full_disk_is_an_error_and_leaves_whole_letters(letters: DeadLetterFile) -> None:
    letters.add((refusal(b"first"),))
    before = Path(letters.path).read_bytes()
    with room(len(before) + 50), pytest.raises(OSError, match="File too large"):
        letters.add((refusal(b"second"),))
    assert Path(letters.path).read_bytes() == before
    letters.add((refusal(b"second"),))
    assert lines(letters) == [b"first", b"second"]


@pytest.mark.posix("Wine makes no symbolic links")
def test_a_link_is_not_followed(letters: DeadLetterFile, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    Path(letters.path).symlink_to("precious")
    with pytest.raises(OSError, match="symbolic link"):
        letters.add((refusal(EVENT),))
    assert (tmp_path / "precious").read_bytes() == b"precious"
