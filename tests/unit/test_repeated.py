"""Lines that come again and again, the same but for time and thread: the kernel makes of them what the general path makes."""

from itertools import count
from typing import Any

import pytest

from shipper.decode import compiled
from shipper.decode.parser import Options, Parser
from shipper.decode.repeated import LIMIT, RepeatedLines
from shipper.emit.formats import FORMATS
from shipper.model import MOST_SHAPES, Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from tests.support.logs import entries, library, log_file
from tests.unit.test_plain import exchange

kernel = pytest.mark.skipif(bool(compiled.WHY_NOT), reason=f"no kernel: {compiled.WHY_NOT}")

GUID = "82a3db8d-3317-43f7-b203-6ba81cba93c9"
MESSAGES = [
    b"Configuration was read again",
    b"***** ERROR ***** No client is defined for 10.20.30.40 | packet dropped",
    b"",
    b"two blanks  \t",
    "Dienst „PhoneFactor“ ist nicht verfügbar".encode(),
    b"bytes \xff\xfe of no text",
    b'"quotes" and \\ and \0 and \x1f',
    b"a carriage return \r",
    b"rawCallStatus = 777",
    b"authResult = 1",
    b"rawCallStatus = 22",
    b"rawCallStatus = 0777",
    b"authResult: 1",
    b"Calling pfAuthUser(\xe2\x80\x98DOM\\anna\xe2\x80\x99, \xe2\x80\x9d, 1)",
    b"1987-06-05T04:03:02.100000Z",
    b"1987-06-05T04:03:02.100000Z|0|880000000000000001|880000000000000002|pfrad",
    b'"process":{"pid":880000000000000001,"thread":{"id":880000000000000002}},',
    b"770000000000000001",
    f"{GUID}|Pfauth not performed for user 'DOM\\Zo\u00eb'. Call status: BYPASSED".encode(),
    f"{GUID}|Pfauth was performed".encode(),
    b"User 'DOM\\admin' added new user 'DOM\\anna'.",
    b"x" * 300,
    b"2017-02-14T02:57:19.234778Z|0|1|2|pfrad|glued to another line",
]
LINES = [
    b"   at PfSvc.Worker.Run(Object state)",
    b"",
    b"\t",
    b"\xff",
    b"\xef\xbb\xbfa mark",
    b"\0\0 a hole",
    b'{"message": 1}',
    b"2017-02-30T02:57:19.234778Z|0|1|2|pfrad|no such day",
    b"2017-02-14T02:57:19.234778|0|1|2|pfrad|no zone",
    b"2017-02-14T02:57:19.234778Z|0|1|2",
    b"2017-02-14T02:57:19Z|0|1|2|pfrad|no fraction",
    b"1987-06-05T04:03:02.100000Z",
    b"> mail",
    b"y" * 300,
]


def head(number: int, component: str = "pfrad") -> bytes:
    return b"2017-02-14T02:%02d:%02d.000007Z|%c|1412|%d|%s|" % (
        number // 60,
        number % 60,
        b"0ei"[number % 3],
        number % 7,
        component.encode(),
    )


def log_of(text: bytes, *, message: bool, end: bytes) -> bytes:
    """A log in which it comes eleven times, also at its end, and where a thread has a request."""
    lines = [line.encode() for line in exchange(0)]
    for number in range(10):
        lines.append(head(number + 10, ("pfrad", "pfrad", "another")[number % 3]) + text if message else text)
        if number == 6:
            lines += [
                head(20) + b"Calling pfAuthUser('DOM\\bob', '', 1)",
                head(20) + (text if message else b"rawCallStatus = 21"),
            ]
    return end.join([*lines, head(30) + text if message else text])


def shipped(data: bytes, cuts: int, *, fast: bool, **choices: Any) -> tuple[list[Any], Counts, bytes]:
    """Events with labels, counts and state of a log that is read in so many parts."""
    pipeline = Pipeline(Settings(library(), fast=fast, kernel=fast, **choices), Counts())
    pipeline.open(log_file(data))
    lines, made, at = data.splitlines(keepends=True), list[Any](), 0
    lines = data.split(b"\n")
    lines = [line + b"\n" for line in lines[:-1]] + [lines[-1]] * bool(lines[-1])
    size = -(-len(lines) // cuts)
    for first in range(0, len(lines), size):
        part = b"".join(lines[first : first + size])
        made += entries(pipeline(Chunk(part, at)))
        at += len(part)
    return made, pipeline.counts, pipeline.snapshot()


@kernel
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("text", MESSAGES)
def test_messages(text: bytes, end: bytes) -> None:
    data = log_of(text, message=True, end=end)
    for cuts in (1, 3):
        assert shipped(data, cuts, fast=True) == shipped(data, cuts, fast=False)


@kernel
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("text", LINES)
def test_lines_that_are_not_understood(text: bytes, end: bytes) -> None:
    data = log_of(text, message=False, end=end)
    for cuts in (1, 3):
        assert shipped(data, cuts, fast=True) == shipped(data, cuts, fast=False)


@kernel
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("keep_original", [True, False])
def test_every_format(form: str, keep_original: bool) -> None:
    choices: dict[str, Any] = {"options": Options(keep_original, {"labels": {"site": "Zürich"}}), "format": form, "host": "mfa01"}
    for text in MESSAGES[:9]:
        data = log_of(text, message=True, end=b"\n") + b"\n" + log_of(LINES[0], message=False, end=b"\n")
        assert shipped(data, 2, fast=True, **choices) == shipped(data, 2, fast=False, **choices)


@kernel
@pytest.mark.parametrize(("text", "message", "left"), [(MESSAGES[0], True, 6), (MESSAGES[8], True, 6), (LINES[0], False, 1)])
def test_the_general_path_is_left_in_peace(text: bytes, message: bool, left: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each level and component it takes the first one, and those that set a clock."""
    given: list[bytes] = []
    raw = Parser.raw

    def counted(self: Parser, line: bytes, offset: int, **how: bool) -> None:
        given.append(line)
        raw(self, line, offset, **how)

    data = log_of(text, message=message, end=b"\n")
    pipeline = Pipeline(Settings(library()), Counts())
    pipeline.open(log_file(data))
    first = len(b"".join(data.splitlines(keepends=True)[:2]))  # whose times are for the general path
    pipeline(Chunk(data[:first], 0))
    monkeypatch.setattr(Parser, "raw", counted)
    pipeline(Chunk(data[first:] + b"\n", first))
    marked = [line for line in given if line.endswith(b"\r")]
    assert len(given) - len(marked) == left
    assert marked


@kernel
def test_where_shapes_are_forgotten_their_order_matters() -> None:
    """More kinds of messages than are counted, some of them often."""
    lines = [head(number % 600) + b"message " + b"a" * (number % (MOST_SHAPES + 9)) for number in range(3 * MOST_SHAPES)]
    data = b"\n".join([line.encode() for line in exchange(0)] + [line for line in lines for _ in (1, 2, 3)])
    for cuts in (3, 40):
        assert shipped(data, cuts, fast=True)[1].shapes == shipped(data, cuts, fast=False)[1].shapes


def scratch_of(options: Options) -> RepeatedLines:
    def scratch(file: Any) -> Parser:
        pipeline = Pipeline(Settings(library(), options, fast=False, kernel=False), Counts())
        pipeline.open(file)
        assert isinstance(pipeline.parser, Parser)
        return pipeline.parser

    return RepeatedLines(scratch, log_file(b""))


@pytest.mark.parametrize("keep_original", [True, False])
def test_what_has_a_template(keep_original: bool) -> None:
    """An event that holds the time of the marked line elsewhere has none, nor what changes more than the counts."""
    repeated = scratch_of(Options(keep_original))
    with_one = [text for text in MESSAGES if repeated.message("0", "pfrad", text, orphan=False)]
    orphans = [text for text in MESSAGES if repeated.message("0", "pfrad", text, orphan=True)]
    assert [text[:9] for text in MESSAGES[:8]] == [text[:9] for text in with_one[:8]]
    assert orphans == MESSAGES[8:12]
    assert not {*MESSAGES[8:12], MESSAGES[13]} & {*with_one}
    anna = repeated.message("0", "pfrad", MESSAGES[18], orphan=False)
    assert anna is not None
    assert anna.key == "dom\\zoë"


def test_what_line_has_a_template() -> None:
    repeated = scratch_of(Options())
    assert [text for text in LINES if not repeated.line(text)] == [LINES[4], LINES[5], *LINES[9:12]]
    assert not repeated.line(head(1) + b"a message")


def test_what_depends_on_more_than_the_line_has_no_template() -> None:
    numbers = count()

    def scratch(file: Any) -> Parser:
        pipeline = Pipeline(
            Settings(library(), Options(True, {"labels": {"n": str(next(numbers))}}), fast=False, kernel=False), Counts()
        )
        pipeline.open(file)
        assert isinstance(pipeline.parser, Parser)
        return pipeline.parser

    repeated = RepeatedLines(scratch, log_file(b""))
    assert repeated.message("0", "pfrad", MESSAGES[0], orphan=False) is None
    assert repeated.line(LINES[0]) is None


def test_templates_are_limited() -> None:
    repeated = scratch_of(Options())
    made = [repeated.line(b"%d" % number) for number in range(LIMIT + 2)]
    assert all(made[:LIMIT])
    assert made[LIMIT:] == [None, None]
    assert repeated.message("0", "pfrad", b"a message", orphan=False) is None
