"""The fast path changes no byte, with the kernel or without it: held against the general path over plain lines and near misses
of them.

What makes a near miss is in `tests/support/grammar.py`. Fuzzing (`tests/fuzz/fuzz_parse.py`) does the
same by the million; here hypothesis shrinks what it finds, and options, reads and formats vary too.
"""

import string
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from shipper.decode import compiled
from shipper.decode.clock import LogState
from shipper.decode.parser import Options, Parser
from shipper.decode.plain import FastParser
from shipper.decode.templates import LIMIT
from shipper.decode.threads import CONTEXTS
from shipper.decode.threads import LIMIT as THREADS
from shipper.detect.double_prompt import Rule
from shipper.emit.formats import FORMATS
from shipper.emit.pseudonyms import Pseudonyms
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks
from shipper.times import EPOCH, SECOND
from tests.support import grammar
from tests.support.grammar import TIMEOUT, Values
from tests.support.logs import entries, library, log_file, logs, mark_length, short_reads, started

CONSTANTS: tuple[dict[str, Any], ...] = (
    {},
    {
        "host": {"name": "mfa01"},
        "agent": {"name": "mfa01", "type": "mfa-shipper"},
        "labels": {"site": "Zürich 山", "q": "a\\\"b'"},
    },
    {"tags": ["prod", "ä"], "observer": {"name": "mfa01"}},
)
LEADS = (1, 1_000_000, 60_000_000, TIMEOUT, TIMEOUT + 1, -1, -2 * TIMEOUT)
GUID = grammar.GUIDS.plain[0]


def every(values: Values) -> tuple[str, ...]:
    return values.plain + values.other


RULES = st.sampled_from((Rule(), Rule(), Rule(SECOND, SECOND), Rule(0, 0), Rule(include_retries=True)))
SETTINGS = st.fixed_dictionaries(
    {
        "keep_original": st.booleans(),
        "constants": st.sampled_from(CONSTANTS),
        "rule": RULES,
        "format": st.sampled_from(("ecs", *FORMATS)),
        "host": st.sampled_from((None, 'mfa "01"')),
        "only_findings": st.sampled_from((False, False, False, True)),
        "per_exchange": st.booleans(),
        "conditions": st.sampled_from(((), (), (), ("event.code=2?",), ("event.kind=event",), ("user.name=*A*",))),
        "since": st.sampled_from((None, None, None, "2017-02-14T02:57:20.5")),
        "pseudonyms": st.sampled_from((None, None, None, Pseudonyms(b"0123456789abcdef"))),
        "pretty": st.sampled_from((False, False, False, True)),
    }
)


# Where no kernel is built, two are left.
WAYS: dict[str, dict[str, Any]] = {"general": {"fast": False, "kernel": False}, "fast": {"fast": True, "kernel": False}} | (
    {} if compiled.WHY_NOT else {"kernel": {"fast": True, "kernel": True}}
)


def made(
    *, fast: bool, kernel: bool = not compiled.WHY_NOT, keep_original: bool, constants: dict[str, Any], rule: Rule, **others: Any
) -> Settings:
    options = Options(keep_original=keep_original, constants=constants, exchange_timeout=rule.exchange_timeout)
    return Settings(library=library(), options=options, detectors={"double_prompt": rule}, fast=fast, kernel=kernel, **others)


def shipped(settings: Settings, data: bytes, sizes: Sequence[int], limit: int) -> tuple[list[Any], Counts, bytes]:
    """Events with their labels, counts, and what a later line could depend on."""
    counts = Counts()
    pipeline = Pipeline(settings, counts)
    file = log_file(data)
    pipeline.open(file)
    start = mark_length(data)
    reads = read_chunks(short_reads(data[start:], sizes), start, file.encoding, max(sizes), limit)
    out = [entry for chunk in reads for entry in entries(pipeline(chunk))]
    state = pipeline.snapshot()
    return out + entries(pipeline.close()), counts, state


PAIR = (
    b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('DOM\\anna', '', 1)\n"
    b"2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|authResult = 1\n"
    b"2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21\n"
)
RESULT = (
    b"2017-02-14T02:57:19.234778Z|i|1412|6452|pfsvc|82a3db8d-3317-43f7-b203-6ba81cba93c9|Pfauth succeeded for user 'anna'. "
    b'Call status: SUCCESS_NO_PIN - "No PIN Entered".\n'
)
PLAINEST: dict[str, Any] = {"keep_original": True, "constants": {}, "rule": Rule()}


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    logs(),
    SETTINGS,
    st.lists(st.integers(1, 700), min_size=1, max_size=4),
    st.integers(1, 700),
    st.sampled_from((1 << 20,) * 3 + (16, 90)),
)
@example(PAIR + PAIR.replace(b"authResult = 1", b"authResult = 1('anna', '', 1)"), PLAINEST, [999], 999, 1 << 20)
@example(RESULT + RESULT.replace(b"'anna'", b"'anna' from [fe80::1%3]:99"), PLAINEST, [999], 999, 1 << 20)
@example(RESULT + RESULT.replace(b"|82a3", b"('anna', '', 1)"), PLAINEST, [999], 999, 1 << 20)
@example(PAIR + RESULT.replace(b"pfsvc|", b"pfsvc|authResult = 1|"), PLAINEST, [999], 999, 1 << 20)
@example(PAIR + RESULT.replace(b"i|1412|6452|pfsvc|", b"0|1412|6452|pfrad|Calling pfAuthUser|"), PLAINEST, [999], 999, 1 << 20)
@example(PAIR.replace(b"DOM\\anna", b", "), PLAINEST, [999], 999, 1 << 20)
def test_both_paths_give_the_same_bytes_and_counts(
    data: bytes, options: dict[str, Any], sizes: list[int], other_size: int, limit: int
) -> None:
    general = shipped(made(**WAYS["general"], **options), data, [other_size], limit)
    for way in WAYS.keys() - {"general"}:
        fast = shipped(made(**WAYS[way], **options), data, sizes, limit)
        assert fast[0] == general[0]
        assert fast[1] == general[1]
        assert fast[2] == general[2]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(logs(), SETTINGS, st.integers(1, 700))
def test_a_log_whose_lines_come_again(data: bytes, options: dict[str, Any], size: int) -> None:
    """Messages that come again have templates of their own."""
    general, *fast = (shipped(made(**way, **options), data + data + data, [size], 1 << 20) for way in WAYS.values())
    for other in fast:
        assert other == general


def both_paths(data: bytes, *, merged: bool = False, **options: Any) -> tuple[list[Any], Counts, bytes]:
    """What both paths make of a log, the fast one with the kernel and without it; `merged`: with one event an exchange as well."""
    if merged:
        both_paths(data, **options, per_exchange=True)
    general, *fast = (shipped(made(**way, **(PLAINEST | options)), data, [1 << 16], 1 << 20) for way in WAYS.values())
    assert all(made_fast == general for made_fast in fast)
    return general


# What a generator may miss: one odd value, or one odd piece, in every place of plain lines.

REQUEST, VERDICT, STATUS = PAIR.decode().splitlines()
PLACES = {
    "level": (grammar.LEVELS, "Z|", "0"),
    "pid": (grammar.PIDS, "|0|", "1412"),
    "tid": (grammar.TIDS, "|1412|", "6452"),
    "component": (grammar.COMPONENTS, "|6452|", "pfrad"),
    "user": (grammar.USERS, "('", r"DOM\anna"),
    "quote": (Values(("'", "‘", "’", "‚", "‛", "“", "”", "„", "‟"), ("''", '"', "‗", "†", "`")), "pfAuthUser(", "'"),  # noqa: RUF001
    "closing quote": (Values(("'", "‘", "’", "”"), ("''", '"', "†")), "anna", "'"),  # noqa: RUF001
    "arguments": (grammar.TAILS, "anna", "', '', 1)"),
    "verdict": (grammar.VERDICTS, "authResult = ", "1"),
    "code": (grammar.CODES, "rawCallStatus = ", "21"),
    "guid": (grammar.GUIDS, "pfsvc|", GUID),
    "word": (grammar.WORDS, "Pfauth ", "succeeded"),
    "user of a result": (grammar.USERS, "user '", "anna"),
    "call status": (grammar.RESULTS, "status: ", 'SUCCESS_NO_PIN - "No PIN Entered".'),
    "message of a request": (grammar.MESSAGES, "pfrad|", REQUEST.partition("pfrad|")[2]),
    "message of a verdict": (grammar.MESSAGES, "pfrad|", VERDICT.partition("pfrad|")[2]),
    "message of a status": (grammar.MESSAGES, "pfrad|", STATUS.partition("pfrad|")[2]),
    "time": (Values((), tuple(grammar.stamp(0, odd) for odd in range(1, 26))), "", "2017-02-14T02:57:24.600871Z"),
}


@pytest.mark.parametrize("place", PLACES)
def test_one_odd_value(place: str) -> None:
    values, before, plain = PLACES[place]
    plain_lines = (REQUEST, VERDICT, STATUS, RESULT.decode().removesuffix("\n"))
    for value in every(values):
        odd_lines = [line.replace(before + plain, before + value, 1) for line in plain_lines]
        assert value == plain or odd_lines != list(plain_lines)
        # Each of the three lines odd or not, between plain exchanges; the result last, in a read of its own and among others.
        ways = ["\n".join(lines) for lines in product(*zip(plain_lines[:3], odd_lines[:3], strict=True))]
        both_paths("\n".join([*plain_lines[:3], *ways, *plain_lines[:3]]).encode() + b"\n", merged=True)
        both_paths(f"{plain_lines[3]}\n{odd_lines[3]}\n{ways[0]}\n{plain_lines[3]}\n".encode())


PIECES = [*b"'\"\\(| ,0=9Z\t\x00", b"''", b", ", b"('anna', '', 1)", b"|authResult = 1", "é".encode(), "’".encode(), b"\xff"]  # noqa: RUF001


@pytest.mark.parametrize("number", range(4))
def test_one_odd_piece_in_every_place(number: int) -> None:
    lines = [*PAIR.splitlines(), *RESULT.splitlines()]
    first, last = (0, 3) if number < 3 else (3, 4)
    end = b"\n"
    for at in range(len(lines[number]) + 1):
        line = lines[number]
        odd = [piece if isinstance(piece, bytes) else bytes([piece]) for piece in PIECES]
        changed = [line[:at] + piece + line[at + out :] for piece in (b"", *odd) for out in (0, 1, 2)]
        both_paths(PAIR + b"".join(end.join([*lines[first:number], one, *lines[number + 1 : last], b""]) for one in changed))


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_carriage_return_in_every_place(number: int, end: bytes) -> None:
    lines = [*PAIR.splitlines(), *RESULT.splitlines()]
    first, last = (0, 3) if number < 3 else (3, 4)
    for at in range(len(lines[number]) + 1):
        line = lines[number][:at] + b"\r" + lines[number][at:]
        data = end.join([*lines[first:number], line, *lines[number + 1 : last], b""])
        assert both_paths(data)[1].lines == len(lines[first:last])
        both_paths(data.removesuffix(b"\n"))


@pytest.mark.parametrize("rule", [Rule(), Rule(0, 0), Rule(SECOND, SECOND)])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("edge", ["request", "timeout"])
def test_the_edges_of_the_exchange_timeout(rule: Rule, beyond: int, edge: str) -> None:
    head = "|0|1412|6452|pfrad"
    at = beyond + (rule.exchange_timeout // 1000 if edge == "timeout" else 0)
    lines = [
        grammar.request(grammar.stamp(0) + head, "anna", grammar.TAILS.plain[0]),
        grammar.verdict(grammar.stamp(at) + head, "1"),
        grammar.status(grammar.stamp(at) + head, "21"),
    ]
    _, counts, _ = both_paths("\n".join([*lines, ""]).encode(), merged=True, rule=rule)
    assert counts.orphans == (0 if 0 <= at * 1000 <= rule.exchange_timeout else 2)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400), SETTINGS, st.integers(1, 50))
def test_any_bytes_go_the_same_way(data: bytes, options: dict[str, Any], size: int) -> None:
    general = shipped(made(**WAYS["general"], **options), data, [1000], 1 << 20)
    assert all(shipped(made(**way, **options), data, [size], 1 << 20) == general for way in WAYS.values())


# What a line of either path leaves behind, a line of the other finds.


class Pipelines(RuleBasedStateMachine):
    """Pipelines, fast and general, that read the same log; at each chunk they must agree in output and state."""

    @initialize(options=SETTINGS)
    def start(self, options: dict[str, Any]) -> None:
        self.counts = {way: Counts() for way in WAYS}
        self.settings = {way: made(**WAYS[way], **options) for way in WAYS}
        self.pipelines = {way: Pipeline(self.settings[way], self.counts[way]) for way in WAYS}
        self.now = 0
        self.offset = 0
        self.waiting: list[bytes] = []
        self.file = LogFile("first.log", "0123456789abcdef", EPOCH)
        self.open_file()

    def open_file(self, last_time: str | None = None) -> None:
        for pipeline in self.pipelines.values():
            pipeline.open(self.file, last_time)

    @rule(
        thread=st.integers(0, 1),
        user=st.sampled_from(every(grammar.USERS)),
        tail=st.sampled_from(every(grammar.TAILS)),
        level=st.sampled_from("0ie"),
    )
    def any_request(self, thread: int, user: str, tail: str, level: str) -> None:
        self.waiting.append(grammar.request(self._head(thread, level), user, tail).encode())

    @rule(thread=st.integers(0, 1), user=st.sampled_from(grammar.USERS.plain))
    def plain_request(self, thread: int, user: str) -> None:
        self.waiting.append(grammar.request(self._head(thread), user, grammar.TAILS.plain[0]).encode())

    @rule(thread=st.integers(0, 1), user=st.sampled_from((r"DOM\anna", "O'Brien", "Größe", "")))
    def request_of_another_form(self, thread: int, user: str) -> None:
        self.waiting.append(grammar.request(self._head(thread, zeros="00"), user, "’, ”, 1)").encode())  # noqa: RUF001

    @rule(
        thread=st.integers(0, 1),
        verdict=st.sampled_from(every(grammar.VERDICTS)),
        code=st.sampled_from(every(grammar.CODES)),
        level=st.sampled_from("0ie"),
    )
    def pair(self, thread: int, verdict: str, code: str, level: str) -> None:
        head = self._head(thread, level)
        self.waiting += [grammar.verdict(head, verdict).encode(), grammar.status(head, code).encode()]

    @rule(thread=st.integers(0, 1), verdict=st.sampled_from(("1", "0")), code=st.sampled_from(grammar.CODES.plain))
    def plain_pair(self, thread: int, verdict: str, code: str) -> None:
        self.pair(thread, verdict, code, "0")

    @rule(thread=st.integers(0, 1), verdict=st.sampled_from(every(grammar.VERDICTS)))
    def only_verdict(self, thread: int, verdict: str) -> None:
        self.waiting.append(grammar.verdict(self._head(thread), verdict).encode())

    @rule(thread=st.integers(0, 1), code=st.sampled_from(every(grammar.CODES)), zeros=st.sampled_from(("", "0")))
    def only_status(self, thread: int, code: str, zeros: str) -> None:
        self.waiting.append(grammar.status(self._head(thread, zeros=zeros), code).encode())

    @rule(
        user=st.sampled_from(every(grammar.USERS)),
        word=st.sampled_from(grammar.WORDS.plain),
        tail=st.sampled_from(every(grammar.RESULTS)),
    )
    def result(self, user: str, word: str, tail: str) -> None:
        self.waiting.append(grammar.result(self._head(0), GUID, word, user, tail).encode())

    @rule(line=st.sampled_from((b"", b"no line", b"\xff")))
    def undated(self, line: bytes) -> None:
        self.waiting.append(line)

    @rule(microseconds=st.sampled_from([lead for lead in LEADS if lead]))
    def time_goes_on(self, microseconds: int) -> None:
        self.now += microseconds

    @rule(end=st.sampled_from((b"\n", b"\n", b"\r\n")), cut=st.integers(0, 3))
    def read(self, end: bytes, cut: int) -> None:
        self.feed(self.waiting[:cut] if cut else self.waiting, end)
        self.waiting = self.waiting[cut:] if cut else []

    @rule()
    def next_file(self) -> None:
        self.feed(self.waiting, b"\n")
        self.waiting = []
        self.offset = 0
        self.file = LogFile("second.log", "fedcba9876543210", grammar.stamp(self.now))
        self.open_file()

    @rule()
    def restart(self) -> None:
        """New pipelines go on from each other's snapshots."""
        before = dict(self.pipelines)
        self.pipelines = {way: Pipeline(self.settings[way], self.counts[way]) for way in WAYS}
        self.open_file(before["fast"].last_time)
        snapshots = [pipeline.snapshot() for pipeline in before.values()]
        for pipeline, snapshot in zip(self.pipelines.values(), snapshots[1:] + snapshots[:1], strict=True):
            pipeline.restore(snapshot)

    def teardown(self) -> None:
        if hasattr(self, "pipelines"):
            self.feed(self.waiting, b"\n")
            closed = [entries(pipeline.close()) for pipeline in self.pipelines.values()]
            assert closed == closed[:1] * len(WAYS)
            assert all(counts == self.counts["general"] for counts in self.counts.values())

    def feed(self, lines: Sequence[bytes], end: bytes) -> None:
        chunk = Chunk(b"".join(line + end for line in lines), self.offset)
        self.offset += len(chunk.data)
        general, *fast = self.pipelines.values()
        events = entries(general(chunk))
        for pipeline in fast:
            assert entries(pipeline(chunk)) == events
            assert pipeline.snapshot() == general.snapshot()
            assert pipeline.last_time == general.last_time
        assert all(counts == self.counts["general"] for counts in self.counts.values())

    def _head(self, thread: int, level: str = "0", zeros: str = "") -> str:
        return f"{grammar.stamp(self.now)}|{level}|{zeros}1412|{zeros}{thread}|pfrad"


TestPipelines = Pipelines.TestCase
TestPipelines.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


# The fast path is really taken, or all of this would say nothing.


class Watched(Parser):
    """A general parser that knows how many lines it was given one by one."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.given: list[bytes] = []

    def raw(self, line: bytes, offset: int, *, ended: bool, cut: bool = False, bare: bool = False) -> None:
        self.given.append(line)
        super().raw(line, offset, ended=ended, cut=cut, bare=bare)


def watched(options: Options, file: LogFile) -> tuple[FastParser, Watched, list[int]]:
    """A fast parser, the general one behind it, and a list that has an entry for each template that was asked for."""
    templates: list[int] = []

    def scratch(file: LogFile) -> Parser:
        templates.append(1)
        return Parser(library(), options, file, LogState(options.exchange_timeout), Counts())

    general = Watched(library(), options, file, started(options.exchange_timeout), Counts())
    return FastParser(general, scratch), general, templates


def left_over(data: bytes, options: Options, cuts: Sequence[int] = ()) -> list[bytes]:
    """The lines that the fast path hands over."""
    parser, general, _ = watched(options, log_file(data))
    sizes = [after - before for before, after in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    for chunk in read_chunks(short_reads(data, sizes), size=1 << 20):
        parser(chunk)
    return general.given


def exchanges(users: Sequence[str], verdicts: Sequence[str], codes: Sequence[str], *, level: str = "0") -> Iterator[str]:
    """Interleaved: all requests, then all pairs."""
    for number, user in enumerate(users):
        yield grammar.request(
            f"{grammar.stamp(number)}|{level}|1412|{number}|pfrad", user, grammar.TAILS.plain[number % len(grammar.TAILS.plain)]
        )
    for number in range(len(users)):
        head = f"{grammar.stamp(1_000_000 + number)}|{level}|1412|{number}|pfrad"
        yield grammar.verdict(head, verdicts[number % len(verdicts)])
        yield grammar.status(head, codes[number % len(codes)])


def results(users: Sequence[str]) -> Iterator[str]:
    for number, user in enumerate(users):
        head = f"{grammar.stamp(number)}|i|1412|{number}|pfsvc"
        guid = grammar.GUIDS.plain[number % len(grammar.GUIDS.plain)]
        yield grammar.result(
            head, guid, grammar.WORDS.plain[number % 2], user, grammar.RESULTS.plain[number % len(grammar.RESULTS.plain)]
        )


FORMS = {
    "domain": [rf"DOM\user{n}" for n in range(40)],
    "mail": [f"user{n}@example.com" for n in range(40)],
    "bare": [f"user{n}" for n in range(40)],
    "every plain form": [*grammar.USERS.plain],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keep_original", [True, False])
@pytest.mark.parametrize("constants", CONSTANTS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_plain_exchanges_never_meet_the_general_path(form: str, keep_original: bool, constants: dict[str, Any], end: str) -> None:
    lines = exchanges(FORMS[form], grammar.VERDICTS.plain, grammar.CODES.plain)
    assert left_over("".join(line + end for line in lines).encode(), Options(keep_original, constants)) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keep_original", [True, False])
@pytest.mark.parametrize("constants", CONSTANTS)
def test_plain_results_never_meet_the_general_path(form: str, keep_original: bool, constants: dict[str, Any]) -> None:
    users = [user for user in FORMS[form] if "'" not in user]
    data = "".join(line + "\n" for line in results(users)).encode()
    assert left_over(data, Options(keep_original, constants)) == []


def test_a_last_line_without_its_end_is_plain_as_well() -> None:
    request = PAIR.splitlines()[0]
    assert left_over(request, Options()) == left_over(PAIR + request, Options()) == []


def test_a_pair_that_a_read_cuts_apart_is_plain_as_well() -> None:
    log = PAIR * 3
    cut = len(PAIR) + PAIR.index(b"rawCallStatus")  # in the status line of the second exchange
    assert left_over(log, Options(), [cut]) == []


NOT_PLAIN_REQUESTS = {
    "curly quotes": PAIR.splitlines()[0].replace(b"'DOM\\anna'", "‘DOM\\anna’".encode()),  # noqa: RUF001
    "apostrophe": PAIR.splitlines()[0].replace(b"anna", b"O'Brien"),
    "not ASCII": PAIR.splitlines()[0].replace(b"anna", "Zoë".encode()),
    "no user": PAIR.splitlines()[0].replace(b"DOM\\anna", b""),
    "other arguments": PAIR.splitlines()[0].replace(b"''", b"'a b'"),
    "seven digits": PAIR.splitlines()[0].replace(b"234778Z", b"2347780Z"),
    "leading zeros": PAIR.splitlines()[0].replace(b"|1412|6452|", b"|01412|006452|"),
    "no fraction": PAIR.splitlines()[0].replace(b".234778Z", b"Z"),
}
NOT_PLAIN_ENDS = {
    "seven digits": b"".join(line.replace(b"600871Z", b"6008710Z") + b"\n" for line in PAIR.splitlines()[1:]),
    "leading zeros": b"".join(line.replace(b"|1412|", b"|01412|") + b"\n" for line in PAIR.splitlines()[1:]),
    "no spaces": b"".join(line.replace(b" = ", b"=") + b"\n" for line in PAIR.splitlines()[1:]),
    "big code": PAIR.splitlines()[2] + b"0" * 12 + b"\n",
    "big verdict": PAIR.splitlines()[1] + b"0" * 12 + b"\n" + PAIR.splitlines()[2].replace(b" = ", b"=") + b"\n",
}
PLAIN_HALVES = {
    "a line between": PAIR.splitlines()[1] + b"\nsomething else\n" + PAIR.splitlines()[2] + b"\n",
    "another time": PAIR.splitlines()[1] + b"\n" + PAIR.splitlines()[2].replace(b"600871Z", b"600872Z") + b"\n",
    "no verdict": PAIR.splitlines()[2] + b"\n",
    "two verdicts": PAIR.splitlines()[1].replace(b"= 1", b"= 0") + b"\n" + b"\n".join(PAIR.splitlines()[1:]) + b"\n",
    "an odd verdict": PAIR.splitlines()[1].replace(b"= 1", b"= 7") + b"\nsomething else\n" + PAIR.splitlines()[2] + b"\n",
}


@pytest.mark.parametrize("form", PLAIN_HALVES)
@pytest.mark.parametrize("keep_original", [True, False])
def test_a_verdict_or_status_alone_is_plain(form: str, keep_original: bool) -> None:
    data = PAIR.splitlines()[0] + b"\n" + PLAIN_HALVES[form]
    assert set(left_over(data, Options())) <= {b"something else"}
    assert one_exchange(data, keep_original=keep_original)


def one_exchange(data: bytes, **options: Any) -> str | None:
    """The exchange that the last line ends, the same on both paths; the id of the first line's event."""
    first, *_, last = (orjson.loads(event[0]) for event in both_paths(data, **options)[0])
    found = last["azure_mfa"].get("exchange", {}).get("id")
    assert found is None or found == first["event"]["id"]
    return str(found) if found else None


@pytest.mark.parametrize("form", NOT_PLAIN_REQUESTS)
def test_an_exchange_that_the_general_path_opened_the_fast_one_completes(form: str) -> None:
    request = NOT_PLAIN_REQUESTS[form]
    data = request + b"\n" + b"\n".join(PAIR.splitlines()[1:]) + b"\n"
    assert left_over(data, Options()) == [request]
    assert one_exchange(data)


@pytest.mark.parametrize("form", NOT_PLAIN_ENDS)
def test_an_exchange_that_the_fast_path_opened_the_general_one_completes(form: str) -> None:
    data = PAIR.splitlines()[0] + b"\n" + NOT_PLAIN_ENDS[form]
    assert left_over(data, Options()) == NOT_PLAIN_ENDS[form].splitlines()
    assert one_exchange(data)


@pytest.mark.parametrize("form", NOT_PLAIN_REQUESTS)
@pytest.mark.parametrize("other", ["plain", *NOT_PLAIN_REQUESTS])
def test_a_request_on_an_open_thread_gives_the_older_one_up_on_both_paths(form: str, other: str) -> None:
    second = PAIR.splitlines()[0] if other == "plain" else NOT_PLAIN_REQUESTS[other]
    for lines in ([NOT_PLAIN_REQUESTS[form], second], [second, NOT_PLAIN_REQUESTS[form]]):
        data = b"\n".join([*lines, *PAIR.splitlines()[1:]]) + b"\n"
        assert both_paths(data)[1].given_up == 1


# A log that writes something new in every line takes neither memory nor time for templates that are used once.


def _request(number: int, component: str, argument: int) -> str:
    return f"{grammar.stamp(number)}|0|1412|{number}|{component}|Calling pfAuthUser('anna', '', {argument})\n"


def _pair(number: int, verdict: int, code: int) -> str:
    head = f"{grammar.stamp(number)}|0|1412|{number}|pfrad"
    return f"{_request(number, 'pfrad', 1)}{grammar.verdict(head, str(verdict))}\n{grammar.status(head, str(code))}\n"


def _result(number: int, component: str) -> str:
    return (
        f"{grammar.stamp(number)}|0|1412|1|{component}|{GUID}|Pfauth failed for user 'anna'. Call status: C_{number} - \"D\".\n"
    )


HOSTILE: dict[str, tuple[Callable[[int], str], int]] = {
    "arguments": (lambda n: _request(n, "pfrad", n), LIMIT),
    "components": (lambda n: _request(n, f"component{n}", 1), CONTEXTS),
    "levels": (lambda n: _request(n, "pfrad", n % 2).replace("|0|", f"|{string.ascii_letters[n % 52]}|", 1), 2 * CONTEXTS),
    "verdicts": (lambda n: _pair(n, n, 21), LIMIT),
    "codes": (lambda n: _pair(n, 1, n), LIMIT),
    "constants": (lambda n: _result(n, "pfsvc"), LIMIT),
    "constants and components": (lambda n: _result(n, f"component{n}"), CONTEXTS),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_number_of_templates_is_bounded(kind: str) -> None:
    write, most = HOSTILE[kind]
    data = "".join(write(number) for number in range(1500)).encode()
    parser, general, templates = watched(Options(), log_file(data))
    events = [text for chunk in read_chunks(short_reads(data, [1 << 16])) for text in parser(chunk).texts]
    assert len(events) == data.count(b"\n")
    assert 0 < len(templates) <= most
    assert len(general.given) < len(events)


def test_the_number_of_threads_that_are_remembered_is_bounded() -> None:
    data = "".join(_request(number, "pfrad", 1) for number in range(THREADS + 99)).encode()
    parser, general, _ = watched(Options(), log_file(data))
    for chunk in read_chunks(short_reads(data, [1 << 16])):
        parser(chunk)
    assert general.given == []
    assert 0 < len(parser.threads.known) <= THREADS
