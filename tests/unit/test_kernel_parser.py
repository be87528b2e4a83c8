"""The kernel makes of lines what the general path makes of them, in every format, and keeps exchanges as a dictionary does."""

from collections.abc import Callable, MutableMapping
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest

from shipper.decode import compiled
from shipper.decode.ecs import shared_json
from shipper.decode.kernel_parser import KernelParser
from shipper.decode.parser import Options, Parser
from shipper.detect import DETECTORS
from shipper.detect.double_prompt import DOUBLE_PROMPT
from shipper.detect.double_prompt import Rule as DoubleRule
from shipper.detect.mfa_fatigue import Rule as FatigueRule
from shipper.emit.formats import FORMATS
from shipper.model import Chunk, Counts, ExchangeFields
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks
from shipper.times import SECOND
from tests.support.logs import entries, library, log_file
from tests.unit.test_plain import LOGS, exchange

pytestmark = pytest.mark.skipif(bool(compiled.WHY_NOT), reason=f"no kernel: {compiled.WHY_NOT}")

DOUBLE = [*exchange(0), *exchange(10), "no line", *exchange(500, head="|0|1|8|pfrad|")]


def shipped(lines: list[str], cut: int, *, fast: bool = True, **choices: Any) -> tuple[list[tuple[Any, ...]], Counts, bytes]:
    """Events with their labels, counts and state of a log that is read in two parts."""
    data = "".join(f"{line}\n" for line in lines).encode()
    at = len("".join(f"{line}\n" for line in lines[:cut]).encode())
    pipeline = Pipeline(Settings(library(), fast=fast, kernel=fast, **choices), Counts())
    pipeline.open(log_file(data))
    events = entries(pipeline(Chunk(data[:at], 0))) + entries(pipeline(Chunk(data[at:], at)))
    return events, pipeline.counts, pipeline.snapshot()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("keep_original", [True, False])
@pytest.mark.parametrize("per_exchange", [True, False])
@pytest.mark.parametrize("name", LOGS)
def test_every_format(name: str, form: str, keep_original: bool, per_exchange: bool) -> None:
    choices: dict[str, Any] = {
        "options": Options(keep_original), "format": form, "host": "mfa01", "index": "mfa", "per_exchange": per_exchange,
    }  # fmt: skip
    for cut in (0, 1, len(LOGS[name]) // 2):
        assert shipped(LOGS[name], cut, **choices) == shipped(LOGS[name], 0, fast=False, **choices)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"only_findings": True},
        {"conditions": ("event.kind=alert",)},
        {"pretty": True},
        {"host": "549864183.223344"},
        {"host": "549864183.223344 mark-3-id-3-mark"},
        {"host": "1987-06-05T04:03:02.100000Z"},
        {"options": Options(constants={"host": {"name": "mark-3-user"}, "tags": ["549864182100", '"name":"mark-3-user"']})},
    ],
)
def test_findings_in_every_format(form: str, choices: dict[str, Any]) -> None:
    """A name that looks like a mark leaves the lines to the general path."""
    made = shipped(DOUBLE, 0, format=form, **choices)
    assert made == shipped(DOUBLE, 0, fast=False, format=form, **choices)
    assert made[1].findings == 1


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The lines that are left to the general path."""
    lines: list[bytes] = []

    def raw(self: Parser, line: bytes, offset: int, **how: bool) -> None:
        lines.append(line)
        Parser.line(self, line.decode(), offset, [])

    monkeypatch.setattr(Parser, "raw", raw)
    return lines


def test_the_kernel_leaves_only_lines_that_it_does_not_know(given: list[bytes]) -> None:
    events, *_ = shipped(DOUBLE, 0)
    clock = [line.encode() for line in DOUBLE[:2]]  # the first times of a log are for the general path
    assert given == [*clock, b"no line"]
    assert len(events) == len(DOUBLE) + 1


def test_the_same_where_exchanges_are_merged(given: list[bytes]) -> None:
    """An exchange that the general path has begun is left to it, and what has waited too long is given out by it."""
    late = [*exchange(510, head="|0|1|5|pfrad|")[:2], *exchange(1200), *exchange(1300)]
    events, counts, _ = shipped([*DOUBLE, *late], 0, per_exchange=True)
    assert [line.decode() for line in given] == [*DOUBLE[:3], "no line", *late[2:5]]
    assert counts.merged == 2 * 5
    assert len(events) == len(DOUBLE) + len(late) - counts.merged + counts.findings


@pytest.mark.parametrize("host", ["mfa01", "549864183.223344"])
def test_results_where_a_name_looks_like_a_mark(host: str) -> None:
    lines = LOGS["results"] * 2
    assert shipped(lines, 2, format="splunk-hec", host=host) == shipped(lines, 0, fast=False, format="splunk-hec", host=host)


@pytest.mark.parametrize(("user", "left"), [("KÖLN\\Zoë", 2), ("Иван", 2), ("山田@東京", 2), ("Straße", 3)])
def test_users_that_the_kernel_takes(user: str, left: int, given: list[bytes]) -> None:
    shipped([*exchange(0), *exchange(10, call=f"Calling pfAuthUser('{user}', '', 1)")], 0)
    assert len(given) == left


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("per_exchange", [False, True])
def test_every_format_is_made_from_templates(form: str, per_exchange: bool, given: list[bytes]) -> None:
    lines = [*DOUBLE, *LOGS["results"], *["2017-02-14T05:00:00.000000Z|0|1|2|pfrad|Started", "no line"] * 3]
    shipped(lines, 0, per_exchange=per_exchange)
    in_ecs = given.copy()
    given.clear()
    shipped(lines, 0, per_exchange=per_exchange, format=form)
    assert given == in_ecs, f"{form} takes the slow way for more lines than ecs does: the head of emit/formats.py says why"
    assert len(given) < len(lines)


@pytest.mark.parametrize(
    "user", ["a@b.example", "a@b", "o+x@b-c.d", "a@b_c.d", "a@.d", "a@b@c.d", "D\\a@b.c", "a@b.", "é@b.c", "a b@c.d"]
)
@pytest.mark.parametrize("per_exchange", [False, True])
def test_a_user_whose_address_is_none_to_ocsf(user: str, per_exchange: bool, given: list[bytes]) -> None:
    lines = [*exchange(0), *exchange(10, call=f"Calling pfAuthUser('{user}', '', 1)")]
    made = shipped(lines, 0, format="ocsf", per_exchange=per_exchange)
    left = len(given)
    assert made == shipped(lines, 0, fast=False, format="ocsf", per_exchange=per_exchange)
    assert left == (3 if per_exchange else 2)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("per_exchange", [False, True])
@pytest.mark.parametrize(
    "call", ["Calling pfAuthUser('', '', 1)", "Calling pfAuthUser('a\"b', '', 1)", "Calling pfAuthUser('D\\a\\b', '', 1)"]
)
def test_an_exchange_that_the_general_path_opened(call: str, per_exchange: bool, form: str) -> None:
    """It has no user, or one with characters that JSON escapes."""
    lines = [*exchange(0), *exchange(10), *exchange(20, call=call), *exchange(30)]
    choices: dict[str, Any] = {"format": form, "per_exchange": per_exchange}
    assert shipped(lines, 7, **choices) == shipped(lines, 0, fast=False, **choices)


@pytest.mark.parametrize(("other", "compiled_next"), [(1, True), (40, False)])
def test_a_short_chunk_does_not_tell_what_kind_of_log_this_is(other: int, compiled_next: bool) -> None:
    """The first read of a file is short, and its times are for the general path."""
    pipeline = Pipeline(Settings(library()), Counts())
    pipeline.open(log_file(b""))
    parts = ["".join(f"{line}\n" for line in lines).encode() for lines in ([DOUBLE[0], *map(str, range(other))], DOUBLE)]
    pipeline.decode(Chunk(parts[0], 0))
    events, _ = pipeline.decode(Chunk(parts[1], len(parts[0])))
    assert compiled.are_compiled(events.texts) is compiled_next


@pytest.mark.parametrize("form", ["ecs", "ocsf"])
def test_users_of_any_script(form: str) -> None:
    """Their keys, which the labels have, too: the kernel knows the case of some letters."""
    letters = [
        *range(0x80, 0x700),
        *range(0x700, 0xD800, 97),
        *range(0x3030, 0x3100),
        *range(0xAC00 - 3, 0xAC03),
        *range(0xD7A0, 0xD7B0),
    ]
    letters += [0x4DFF, 0x4E00, 0x9FFF, 0xA000, 0xFB01, 0xFF21, 0x10400, 0x1F464]
    names = [f"A{chr(code)}z" for code in letters] + ["\xc4" * 20, "\xc4" * 21, "a" * 39 + "\xc4"]
    users = [user for name in names for user in (name, f"{name}\\b", f"D\\{name}", f"{name}@{name}")]
    lines = [line for n, user in enumerate(users) for line in exchange(n % 600, call=f"Calling pfAuthUser('{user}', '', 1)")[::2]]
    made = shipped(lines, 2, format=form, detectors={})
    assert made[0] == shipped(lines, 0, fast=False, format=form, detectors={})[0]


PROCESS = {"pid": 1, "thread": {"id": 9}}
FIELDS: ExchangeFields = (
    7,
    "1970-01-01T00:00:00.000000Z",
    "f-1",
    ("Zoë", "DOM", None, "dom\\zoë"),
    shared_json(("Zoë", "DOM", None, ""), PROCESS),
    None,
)


KINDS: list[ExchangeFields] = [
    FIELDS,
    (*FIELDS[:3], None, "", "success"),
    (*FIELDS[:3], ("anna", None, None, "anna"), "", "unknown"),
    (*FIELDS[:3], ("Zoë", "münchen.example", "Zoë@münchen.example", "münchen.example\\zoë"), *FIELDS[4:]),
    (*FIELDS[:3], ("a\\b", "", None, ""), *FIELDS[4:]),
    (*FIELDS[:3], ("anna", "b.example", "eve@b.example", "b.example\\anna"), *FIELDS[4:]),
    (*FIELDS[:3], ("anna", None, "anna@b.example", "anna"), *FIELDS[4:]),
    (*FIELDS[:3], ("n" * 5000, None, None, "n" * 5000), f'"user":{{"name":"{"n" * 5000}"}},', None),
    (*FIELDS[:5], "failure"),
    (1 << 80, *FIELDS[1:]),
    (*FIELDS[:4], '"user":{"name":"Zo\u1234"},', None),
    (*FIELDS[:5], "another"),
    (*FIELDS[:3], ("anna", None, None, "\ud800"), *FIELDS[4:]),
]


@pytest.mark.parametrize("fields", KINDS)
def test_an_exchange_comes_out_as_it_was_put_in(fields: ExchangeFields) -> None:
    exchanges = compiled.OpenExchanges()
    assert exchanges.setdefault("b", fields) is fields
    exchanges["a"] = exchanges["b"]
    assert [*exchanges.items()] == [("b", fields), ("a", fields)]
    assert exchanges.pop("b", None) == exchanges.get("a") == fields


def test_exchanges_may_close_while_they_are_told() -> None:
    exchanges = compiled.OpenExchanges()
    for thread in "abcdef":
        exchanges[thread] = FIELDS
    told = iter(exchanges.items())
    assert next(told) == ("a", FIELDS)
    for thread in "abc":
        del exchanges[thread]
    assert [thread for thread, _ in told] == ["d", "e", "f"]


def test_open_exchanges_are_a_dictionary_in_order() -> None:
    exchanges, plain = compiled.OpenExchanges(), dict[str, ExchangeFields]()
    for some in (exchanges, plain):
        _use(some)


def _use(exchanges: MutableMapping[str, ExchangeFields]) -> None:
    others = [(*FIELDS[:2], f"f-{number}", *FIELDS[3:]) for number in range(4)]
    assert exchanges.setdefault("b", FIELDS) is FIELDS
    assert exchanges.setdefault("b", others[0]) == FIELDS
    exchanges["a"] = others[1]
    exchanges["c"] = others[2]
    exchanges["b"] = others[3]  # keeps its place
    assert [*exchanges] == ["b", "a", "c"]
    assert [*exchanges.items()] == [("b", others[3]), ("a", others[1]), ("c", others[2])]
    assert [*exchanges.values()] == [others[3], others[1], others[2]]
    assert exchanges.pop("b", None) == others[3]
    assert exchanges.pop("b", None) is None
    exchanges["b"] = FIELDS  # has the last one now
    assert [*exchanges] == ["a", "c", "b"]
    del exchanges["c"]
    assert len(exchanges) == 2
    assert "c" not in exchanges
    assert exchanges.get("c") is None
    assert exchanges.get("c", FIELDS) is FIELDS
    assert exchanges["a"] == others[1]
    with pytest.raises(KeyError):
        exchanges["c"]
    with pytest.raises(KeyError):
        del exchanges["c"]
    exchanges.clear()
    assert not exchanges
    assert [*exchanges] == []


def test_many_threads_are_forgotten_when_their_exchanges_close() -> None:
    """More than the kernel keeps the threads of: those that are open keep their order."""
    exchanges, plain = compiled.OpenExchanges(), dict[str, ExchangeFields]()
    for number in range(20_000):
        for some in (exchanges, plain):
            some[f"pfrad|1|{number}"] = (number, *FIELDS[1:])
            if number % 97:
                del some[f"pfrad|1|{number}"]
            if number % 1940 == 0:
                some.pop(f"pfrad|1|{number // 2 - number // 2 % 97}", None)
    assert [*exchanges.items()] == [*plain.items()]


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS,
        (*FIELDS[:3], None, shared_json(None, PROCESS), "success"),
        (*FIELDS[:5], "failure"),
        (1 << 80, *FIELDS[1:]),
        (*FIELDS[:4], '"user":{"name":"Zo\u1234"},', None),
        (*FIELDS[:5], "another"),
        (*FIELDS[:3], ("Zoë", "DOM", None, "\ud800"), *FIELDS[4:]),
    ],
)
@pytest.mark.parametrize("ends", [["authResult = 1", "rawCallStatus = 21"], ["rawCallStatus = 21"]])
def test_an_exchange_of_any_kind_is_completed(fields: ExchangeFields, ends: list[str]) -> None:
    """Also one that does not fit into the kernel, which leaves its lines to the general path."""
    lines = [f"2017-02-14T02:00:02.000000Z|0|1|9|pfrad|{text}\n" for text in ends]
    first = "2017-02-14T02:00:01.000000Z|0|1|8|pfrad|Calling pfAuthUser('anna', '', 1)\n"
    made = []
    for kernel in (True, False):
        pipeline = Pipeline(Settings(library(), fast=kernel, kernel=kernel), Counts())
        pipeline.open(log_file(b""))
        pipeline(Chunk((first + first.replace("|8|", "|7|")).encode(), 0))
        start = pipeline.state.of("pfrad").newest if fields[0] == 7 else fields[0]
        pipeline.state.of("pfrad").exchanges.open["pfrad|1|9"] = (start, *fields[1:])
        made.append((entries(pipeline(Chunk("".join(lines).encode(), 200))), pipeline.counts))
    assert made[0] == made[1]


RESULT = (
    "{}T02:00:0{}.000000Z|i|1|9|pfsvc|82a3db8d-3317-43f7-b203-6ba81cba93c9|Pfauth failed for user 'anna'. "
    'Call status: FAILED_USER_DENIED - "User Denied".'
)


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "lines",
    [
        [*exchange(0), *exchange(100), *exchange(400, status="6"), *exchange(800, status="129"), *exchange(900, status="129")],
        [
            RESULT.format("2017-02-14", 0),
            RESULT.format("2017-02-14", 1),
            RESULT.format("2017-03-14", 2),
            RESULT.format("2017-02-14", 3),
        ],
    ],
)
def test_detectors_that_look_at_all_or_at_some(lines: list[str], count: int, kernel: bool) -> None:
    """A sign-in that matters to nothing later, refusals one of which is enough, and a line that turns out to be misdated."""
    choices: dict[str, Any] = {"detectors": {"double_prompt": DoubleRule(), "mfa_fatigue": FatigueRule(count=count)}}
    made = []
    for fast, with_kernel in ((True, kernel), (False, False)):
        pipeline = Pipeline(Settings(library(), fast=fast, kernel=with_kernel, **choices), Counts())
        pipeline.open(log_file(b""))
        made.append(
            (entries(pipeline(Chunk("".join(f"{line}\n" for line in lines).encode(), 0))), pipeline.counts, pipeline.snapshot())
        )
    assert made[0] == made[1]


def test_a_detector_that_promises_nothing_sees_every_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "double_prompt", replace(DOUBLE_PROMPT, lull=None))
    for lines, cut in ((DOUBLE, 2), ([*exchange(0), *exchange(10)], 3)):
        assert shipped(lines, cut) == shipped(lines, 0, fast=False)


def test_a_component_has_spoken_and_its_clock_goes_on() -> None:
    """Also where every line of a chunk is the kernel's."""
    pipeline = Pipeline(Settings(library()), Counts())
    pipeline.open(log_file(b""))
    first, second = "".join(f"{line}\n" for line in exchange(0)).encode(), f"{exchange(11)[0]}\n".encode()
    pipeline(Chunk(first, 0))
    state = pipeline.state.of("pfrad")
    newest, state.spoke = state.newest, False
    pipeline(Chunk(second, len(first)))
    assert state.spoke
    assert state.newest == newest + 10 * SECOND
    assert pipeline.last_time == "2017-02-14T02:00:11.000000Z"


def test_exchanges_move_to_the_kernel_with_its_first_line() -> None:
    """A log without any keeps them where the general path has them at hand; those that are open then are completed all the same."""
    threads = [exchange(number, head=f"|0|1|{number}|pfrad|") for number in (8, 4, 6)]
    opened = [lines[0].replace(".000000Z", ".0000000Z") for lines in threads]  # seven digits are the general path's
    rest = [line for lines in reversed(threads[:2]) for line in lines[1:]]
    chunks = [Chunk("".join(f"{line}\n" for line in lines).encode(), at) for lines, at in ((opened, 0), (rest, 1 << 20))]
    made = []
    for fast in (True, False):
        pipeline = Pipeline(Settings(library(), fast=fast), Counts())
        pipeline.open(log_file(b""))
        seen = entries(pipeline(chunks[0]))
        state = pipeline.state.of("pfrad")
        assert [*state.exchanges.open] == ["pfrad|1|8", "pfrad|1|4", "pfrad|1|6"]
        assert not compiled.are_open_exchanges(state.exchanges.open)
        seen += entries(pipeline(chunks[1]))
        assert [*state.exchanges.open] == ["pfrad|1|6"]
        assert compiled.are_open_exchanges(state.exchanges.open) == fast
        assert pipeline.state.open == 1
        made.append((seen, pipeline.counts, pipeline.snapshot()))
    assert made[0] == made[1]
    assert made[0][1].classes == {"authenticated": 2}


def read_in_threes(lines: list[str], *, kernel: bool, **choices: Any) -> list[Any]:
    """Events of each three lines, the state in the end, and the counts."""
    pipeline = Pipeline(Settings(library(), kernel=kernel, fast=kernel, **choices), Counts())
    pipeline.open(log_file(b""))
    seen, offset = list[Any](), 0
    for at in range(0, len(lines), 3):
        data = "".join(f"{line}\n" for line in lines[at : at + 3]).encode()
        seen.append(entries(pipeline(Chunk(data, offset))))
        offset += len(data)
    return [*seen, pipeline.snapshot(), pipeline.counts]


EDGES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "ended on the horizon": (
        [*exchange(0), *exchange(20), *exchange(55, call="Calling pfAuthUser('eve', '', 1)"), *exchange(70)],  # eve begins the next generation
        {"detectors": {"double_prompt": DoubleRule(10 * SECOND, 10 * SECOND)}, "options": Options(exchange_timeout=10 * SECOND)},
    ),
    "more users than are remembered": (
        [line for n in range(30) for line in exchange(5 * n, call=f"Calling pfAuthUser('user{n}', '', 1)")],
        {"memory": 20_000},
    ),
    "heavy exchanges": (
        [f"{line}" for n in range(60) for line in exchange(n, call=f"Calling pfAuthUser('{'n' * 700}', '', 1)", head=f"|0|1|{n}|pfrad|")[:1]],
        {"memory": 200_000},
    ),
}  # fmt: skip


@pytest.mark.parametrize("edge", EDGES)
def test_the_edges_of_memory(edge: str) -> None:
    lines, choices = EDGES[edge]
    made = read_in_threes(lines, kernel=True, **choices)
    assert made == read_in_threes(lines, kernel=False, **choices)
    assert edge == "ended on the horizon" or made[-1].crowded_out


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("end", ["authResult = 1", "rawCallStatus = 21"])
def test_the_last_time_that_belongs_to_an_exchange(end: str, late: int) -> None:
    lines = [*exchange(0), exchange(10)[0], f"2017-02-14T02:10:10.00000{late}Z|0|1412|4|pfrad|{end}"]
    made = shipped(lines, 3)
    assert made == shipped(lines, 0, fast=False)
    assert made[1].orphans == late


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("end", ["authResult = 1", "rawCallStatus = 21"])
def test_the_last_newest_time_at_which_an_exchange_lives(end: str, late: int) -> None:
    """A line that comes late belongs to it while other threads are no more than twice the timeout ahead."""
    call = exchange(0)[0].partition("pfrad|")[2]
    others = [f"2017-02-14T02:{minute}:10.000000Z|0|1412|{minute}|pfrad|{call}" for minute in ("07", "14")]
    last = f"2017-02-14T02:20:10.00000{late}Z|0|1412|20|pfrad|{call}"
    lines = [*exchange(0), exchange(10)[0], *others, last, f"2017-02-14T02:08:00.000000Z|0|1412|4|pfrad|{end}"]
    made = shipped(lines, 3)
    assert made == shipped(lines, 0, fast=False)
    assert made[1].orphans == late


def lines_of_ten_megabytes() -> list[str]:
    """One long part in each line, between lines of the same thread that the kernel takes."""
    long, head = "x" * 10_000_000, "|0|1412|4|pfrad|"
    texts = [
        f"Calling pfAuthUser('{long}', '', 1)", f"Calling pfAuthUser('DOM\\{long}', '', 1)", f"Calling pfAuthUser('anna', '{long}', 1)",
        f"authResult = {long}", f"rawCallStatus = {long}", long,
    ]  # fmt: skip
    odd = [f"2017-02-14T02:00:05.000000Z{head}{text}" for text in texts]
    odd += [
        f"2017-02-14T02:00:05.000000Z|0|1412|4|{long}|authResult = 1",
        f"2017-02-14T02:00:05.000000Z|0|{long}|4|pfrad|authResult = 1",
        long,
    ]
    return [line for number, text in enumerate(odd) for line in (*exchange(10 * number), text)]


def lines_of_100_000_threads() -> list[str]:
    """More than are remembered; the first ones come again when they are forgotten."""
    threads = [*range(100_000), *range(100)]
    return [exchange(number // 1000, head=f"|0|1|{thread}|pfrad|")[number % 3] for number, thread in enumerate(threads)]


@pytest.mark.slow
@pytest.mark.parametrize("hostile", [lines_of_ten_megabytes, lines_of_100_000_threads])
def test_hostile_lines(hostile: Callable[[], list[str]]) -> None:
    lines = hostile()
    data = "".join(f"{line}\n" for line in lines).encode()
    digests = []
    for kernel in (True, False):
        pipeline, digest = Pipeline(Settings(library(), kernel=kernel), Counts()), sha256()
        pipeline.open(log_file(data))
        for chunk in read_chunks(BytesIO(data).read, 0, "utf-8", 1 << 18, 16 << 20):
            digest.update(repr(entries(pipeline(chunk))).encode())
        digests.append((digest.digest(), pipeline.counts, pipeline.snapshot()))
    assert digests[0] == digests[1]


def test_what_has_no_template_of_its_own_is_not_merged_by_the_kernel() -> None:
    pipeline = Pipeline(Settings(library(), per_exchange=True), Counts())
    pipeline.open(log_file(b""))
    pipeline(Chunk("".join(f"{line}\n" for line in exchange(0)).encode(), 0))
    parser = pipeline.parser
    assert isinstance(parser, KernelParser)
    (templates,) = parser._contexts
    for tail, merged in (("', '', 1)", True), ("', '', 1) and more", False)):
        assert parser._merged(0, templates, tail, "'", 1, 21) is merged
