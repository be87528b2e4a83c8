"""The detector against the oracle, and the promises that hold for any log.

Logs are small and made to hurt: few users and threads, times on a grid of the boundaries (0, 1 us,
window, window + 1 us, exchange_timeout, ...), codes of every kind.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shipper.decode.parser import Options
from shipper.detect.double_prompt import Rule
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks
from shipper.read.identity import identify
from shipper.read.position import Position, Reading
from shipper.sidecar import warm_start
from shipper.sidecar.places import WarmStart, warm_from_json, warm_to_json
from shipper.sidecar.warm_start import LivePipelines, Replay
from tests.support import oracle
from tests.support.findings import findings
from tests.support.logs import entries, library
from tests.support.oracle import SECOND

US = 1000
MINUTE = 60 * SECOND
BASE = datetime(2017, 2, 14, 23, 55, 30)

USERS = (
    (r"CONTOSO\bob", r"contoso\BOB", "bob@contoso"),
    (r"CONTOSO\bob",),
    ("STRASSE@x.example", "straße@X.example"),
    ("ann",),
    (r"FABRIKAM\bob",),
    ("",),
)
CODES = (21, 21, 21, 1, 6, 20, 20, 20, 19, 19, 122, 22, 22, 23, 138, 101, 101, 129, 133, 15, 120, 999)
CONSTANTS = tuple(
    (row["constant"], row["description"]) for row in oracle.ROWS if row["code"] in {str(c) for c in CODES} and row["constant"]
)
RESULTS = (*CONSTANTS, ("ANOTHER_CONSTANT", "Text Message Sent"), ("ANOTHER_CONSTANT", "Nobody knows"))
GUID = "82a3db8d-3317-43f7-b203-6ba81cba93c9"


@dataclass(frozen=True)
class Log:
    """A log and the rule that it is to be read with; `lines` are (microseconds since BASE or None, rest)."""

    lines: tuple[tuple[int | None, str], ...]
    window: int
    timeout: int
    retries: bool
    trimmed: bool = False

    @property
    def data(self) -> bytes:
        return self.shifted(0)

    def shifted(self, microseconds: int) -> bytes:
        return b"".join(f"{self._stamp(time, microseconds)}{rest}\n".encode() for time, rest in self.lines)

    def _stamp(self, time: int | None, delta: int) -> str:
        if time is None:
            return ""
        text = (BASE + timedelta(microseconds=time + delta)).isoformat(timespec="microseconds").rjust(26, "0")
        return (text.rstrip("0").rstrip(".") if self.trimmed else text) + "Z"

    def settings(self, *, fast: bool = False, read_size: int = 1 << 18) -> Settings:
        return Settings(
            library=library(),
            options=Options(exchange_timeout=self.timeout),
            detectors={"double_prompt": Rule(self.window, self.timeout, self.retries)},
            fast=fast,
            read_size=read_size,
        )


@st.composite
def steps(draw: st.DrawFn, grid: Sequence[int], users: Sequence[tuple[str, ...]]) -> tuple[int, list[tuple[int, str]]]:
    """One authentication, complete or not, as (microseconds after its start, line); first, how long after the last one."""
    advance = draw(st.sampled_from(grid))
    spelling = draw(st.sampled_from(draw(st.sampled_from(users))))
    component = draw(st.sampled_from(("pfrad", "pfrad", "pfrad", "pfsvc")))
    thread = draw(st.sampled_from((4, 8, 12, 12)) | st.integers(100, 10_000))
    head = f"|0|1412|{thread}|{component}|"
    if draw(st.integers(0, 5)) == 0:
        constant, description = draw(st.sampled_from(RESULTS))
        word = draw(st.sampled_from(("succeeded", "failed")))
        guid = draw(st.sampled_from(("", GUID + "|")))
        return advance, [(0, f"{head}{guid}Pfauth {word} for user '{spelling}'. Call status: {constant} - \"{description}\".")]
    duration = draw(st.sampled_from(grid))
    lines = [
        (0, f"{head}Calling pfAuthUser('{spelling}', '', 1)"),
        (duration, f"{head}authResult = {draw(st.sampled_from((1, 1, 1, 0, 0, 7)))}"),
        (duration, f"{head}rawCallStatus = {draw(st.sampled_from(CODES))}"),
    ]
    left_out = draw(st.sampled_from((None,) * 8 + (0, 1, 2)))
    if left_out is not None:
        del lines[left_out]
    return advance, lines


DAY_US = 86_400_000_000
AHEAD = (DAY_US - 1_000_000, DAY_US, DAY_US + 1, 2 * DAY_US, 400 * DAY_US)
OTHER = (
    ("|0|1412|4|pfrad|Reloading configuration", True),
    ("|not a line of this log", True),
    ("no line at all", False),
    ("", False),
)


APART = (-7 * 3_600_000_000, 7 * 3_600_000_000, DAY_US, -40 * DAY_US)


def apart(lines: list[tuple[int | None, str]], far: int, *, joined: bool) -> list[tuple[int | None, str]]:
    """The lines, those of pfsvc at other times; `joined`: and behind all others."""

    def is_other(line: tuple[int | None, str]) -> bool:
        return "|pfsvc|" in line[1]

    moved = [(time + far if time is not None and is_other((time, rest)) else time, rest) for time, rest in lines]
    return sorted(moved, key=is_other) if joined else moved


@st.composite
def logs(draw: st.DrawFn, *, ordered: bool | None = None, trimmed: bool | None = None) -> Log:
    """A log; `ordered`: in the order of time (None: either way)."""
    window, timeout = draw(
        st.sampled_from(
            ((60 * SECOND, 600 * SECOND), (60 * SECOND, 600 * SECOND), (SECOND, 2 * SECOND), (0, 10 * SECOND), (5 * SECOND, 0))
        )
    )
    w, t = window // US, timeout // US
    grid = (0, 0, 0, 1, 500, 1_000_000, 1_000_000, 3_000_000, w, w, w + 1, max(0, w - 1), t, t, t + 1, w + t, w // 2)
    users = draw(st.sampled_from((USERS[:1], USERS)))
    drawn = draw(st.lists(steps(grid, users), min_size=1, max_size=12))
    at = 0
    keyed: list[tuple[int, int, tuple[int | None, str]]] = []
    for advance, lines in drawn:
        at += advance
        tie = draw(st.integers(0, 2))
        keyed += [(at + after, tie, (at + after, rest)) for after, rest in lines]
    for rest, has_time in draw(st.lists(st.sampled_from(OTHER), max_size=2)):
        time = draw(st.integers(0, at))
        keyed.append((time, 1, (time if has_time else None, rest)))
    keyed.sort(key=lambda line: line[:2])
    if ordered is not True and (ordered is False or draw(st.booleans())):
        late = st.sampled_from((0, 0, 0, 1, 1_000_000, 60_000_000, 300_000_000, w, t, 4 * t + w, 4 * t + w + 1))
        keyed = sorted(((time + draw(late), tie, line) for time, tie, line in keyed), key=lambda line: line[0])
    trim = draw(st.booleans()) if trimmed is None else trimmed
    dated = [line for *_, line in keyed]
    for _ in range(0 if ordered else draw(st.sampled_from((0, 0, 0, 0, 1, 2)))):  # a line with another day, or all from there
        far, first = draw(st.sampled_from(AHEAD)), draw(st.integers(0, len(dated) - 1))
        last = draw(st.sampled_from((first + 1, first + 1, first + 2, len(dated))))
        dated[first:last] = [(None if time is None else time + far, rest) for time, rest in dated[first:last]]
    if ordered is None and not draw(st.integers(0, 2)):
        dated = apart(dated, draw(st.sampled_from(APART)), joined=draw(st.booleans()))
    return Log(tuple(dated), window, timeout, draw(st.booleans()), trim)


def log_file(data: bytes) -> LogFile:
    return identify("input.log", BytesIO(data).read, "1970-01-01T00:00:00.000000Z")


def ship(how: Settings, *files: bytes, counts: Counts | None = None) -> bytes:
    """The output for one source."""
    pipeline = Pipeline(how, counts or Counts())
    out: list[bytes] = []
    for data in files:
        pipeline.open(log_file(data))
        out += [pipeline(chunk).data for chunk in read_chunks(BytesIO(data).read, 0, "utf-8", how.read_size, how.line_limit)]
    return b"".join([*out, pipeline.close().data])


def chunks(data: bytes) -> list[Chunk]:
    """A chunk a line."""
    found: list[Chunk] = []
    offset = 0
    for line in data.splitlines(keepends=True):
        found.append(Chunk(line, offset))
        offset += len(line)
    return found


def found(how: Settings, *files: bytes) -> oracle.Found:
    """What the shipper finds in one source, in the form of the oracle."""
    counts = Counts()
    output = ship(how, *files, counts=counts)
    return oracle.Found(findings(output), counts.late, counts.detected["cache_hits"], counts.misdated)


def expected(log: Log, *files: bytes) -> oracle.Found:
    return oracle.find(files or [log.data], window=log.window, timeout=log.timeout, retries=log.retries)


many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
some = settings(many, max_examples=100)


@pytest.mark.parametrize("fast", [False, True])
@many
@given(log=logs())
def test_findings_are_those_of_the_oracle(log: Log, fast: bool) -> None:
    assert found(log.settings(fast=fast), log.data) == expected(log)


@some
@given(log=logs(trimmed=False), cut=st.integers(0, 40))
def test_findings_of_rotated_files_are_those_of_the_oracle(log: Log, cut: int) -> None:
    lines = log.data.splitlines(keepends=True)
    files = [b"".join(lines[:cut]), b"".join(lines[cut:])]
    assert found(log.settings(), *files) == expected(log, *files)


@some
@given(log=logs(ordered=True))
def test_forgetting_changes_nothing_in_a_log_in_the_order_of_time(log: Log) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "HORIZON_TIMEOUTS", 10**6)
        unbounded = expected(log)
    assert unbounded == expected(log)


BEFORE_1970 = Log(
    tuple(
        (time, f"|0|1412|{thread}|pfrad|{message}")
        for time, thread, message in (
            (0, 4, "Calling pfAuthUser('ann', '', 1)"),
            (1_000_000, 4, "rawCallStatus = 21"),
            (2_000_000, 8, "Calling pfAuthUser('ann', '', 1)"),
            (3_000_000, 8, "rawCallStatus = 21"),
        )
    ),
    60 * SECOND,
    600 * SECOND,
    retries=False,
)


@some
@given(
    log=logs(trimmed=False),
    delta=st.integers(-(2015 * 365 * 86_400), 7980 * 365 * 86_400) | st.integers(-60, 60),
    micros=st.integers(0, 999_999),
)
@example(log=BEFORE_1970, delta=-48 * 365 * 86_400, micros=0)
def test_shifting_all_times_changes_nothing_but_the_times(log: Log, delta: int, micros: int) -> None:
    shift = delta * 1_000_000 + micros

    def normal(data: bytes, back: int) -> list[str]:
        identity = log_file(data).fingerprint
        text = ship(log.settings(), data).decode().replace(identity, "F")
        text = EXAMPLE.sub("", text)
        return STAMPS.sub(lambda stamp: moved(stamp[0], back), text).splitlines()

    assert normal(log.shifted(shift), -shift) == normal(log.data, 0)


EXAMPLE = re.compile(r"such as [0-9TZ:.-]+")  # in the reason of an unparsable line
STAMPS = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


def moved(stamp: str, microseconds: int) -> str:
    if stamp.startswith("1970-01-01T00:00:00.000000"):  # the time of a file without any
        return stamp
    return (datetime.fromisoformat(stamp[:-1]) + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds") + "Z"


@pytest.mark.parametrize("fast", [False, True])
@some
@given(log=logs(), read_size=st.integers(1, 400))
def test_read_size_changes_no_byte(log: Log, read_size: int, fast: bool) -> None:
    data = log.data
    assert ship(log.settings(fast=fast, read_size=read_size), data) == ship(log.settings(fast=fast), data)


@many
@given(log=logs(), last_line_has_its_end=st.booleans())
def test_fast_path_changes_no_byte(log: Log, last_line_has_its_end: bool) -> None:
    data = log.data if last_line_has_its_end else log.data[:-1]
    assert ship(log.settings(fast=True), data) == ship(log.settings(fast=False), data)


@some
@given(log=logs(trimmed=False), data=st.data())
def test_users_differing_in_case_are_one_user(log: Log, data: st.DataObject) -> None:
    def other_case(match: re.Match[str]) -> str:
        return (
            match[1]
            + "".join(data.draw(st.sampled_from((c, c.upper() if len(c.upper()) == 1 else c, c.lower()))) for c in match[2])
            + "'"
        )

    changed = Log(
        tuple((time, re.sub(r"(User\('|user ')(.*?)'", other_case, rest)) for time, rest in log.lines),
        log.window,
        log.timeout,
        log.retries,
    )

    def without_identity(one: Log) -> list[oracle.Finding]:
        text = ship(one.settings(), one.data)
        return findings(text.replace(log_file(one.data).fingerprint.encode(), b"F"))

    assert len(changed.data) == len(log.data), "the same offsets"
    assert without_identity(changed) == without_identity(log)


@pytest.mark.parametrize("fast", [False, True])
@some
@given(log=logs(), at=st.integers(0, 40), years=st.sampled_from((0, 0, 0, -2015, 7980)))
@example(log=BEFORE_1970, at=2, years=7980)
def test_snapshot_and_restore_at_any_line(log: Log, at: int, years: int, fast: bool) -> None:
    data = log.shifted(years * 365 * 86_400 * 1_000_000)
    file, lines, how = log_file(data), chunks(data), log.settings(fast=fast)
    first = Pipeline(how, Counts())
    first.open(file)
    for chunk in lines[:at]:
        first(chunk)
    snapshot = first.snapshot()
    second = Pipeline(how, Counts())
    second.open(file)
    second.restore(snapshot)
    assert json.loads(second.snapshot()) == json.loads(snapshot)
    for chunk in lines[at:]:
        assert entries(second(chunk)) == entries(first(chunk))
    assert second.snapshot() == first.snapshot()
    assert entries(second.close()) == entries(first.close())


def read_from_a_mark(data: bytes, how: Settings, at: int, span: int) -> tuple[Pipeline, Pipeline]:
    """Pipelines that have read the lines before `at`: all of them, and those that a warm start reads which goes back `span`
    nanoseconds of each component, with what is lasting."""
    readings, warm = readings_of(data)[:at], dict[str, WarmStart]()

    def replay(source: str, key: str, offset: int) -> list[Reading]:
        return [reading for reading in readings if reading.chunk.offset >= offset]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm_start, "MARKS", 1 << 100)  # a mark before every reading
        whole = shipper_of(how, span)
        for reading in readings:
            warm["log"] = whole.process(reading)[1].warm
        return pipeline_of(whole, data), pipeline_of(shipper_of(how, span, through_json(warm), replay), data)


def through_json(warm: dict[str, WarmStart]) -> dict[str, WarmStart]:
    return {
        name: warm_from_json(json.loads(json.dumps(warm_to_json(start))), json.loads(json.dumps(start.lasting)))
        for name, start in warm.items()
    }


def shipper_of(
    how: Settings, span: int, warm: dict[str, WarmStart] | None = None, replay: Replay = lambda *_: []
) -> LivePipelines:
    shipper = LivePipelines(how, Counts(), {}, warm or {}, replay)
    shipper._warm_up = span
    return shipper


def pipeline_of(shipper: LivePipelines, data: bytes) -> Pipeline:
    """Its pipeline, that stands in the one file."""
    live = shipper._live.get("log") or shipper._start("log")
    live.pipeline.open(log_file(data), live.pipeline.last_time)
    return live.pipeline


def readings_of(data: bytes) -> list[Reading]:
    """A reading a line."""
    file = log_file(data)
    place = Position(file.fingerprint, "log", "input.log", 1, 1, 0, "", "utf-8", file.time)
    return [Reading("key", file, chunk, place._replace(offset=chunk.offset + len(chunk.data))) for chunk in chunks(data)]


@pytest.mark.parametrize("fast", [False, True])
@many
@given(log=logs(), at=st.integers(0, 40))
def test_the_state_follows_from_the_recent_past(log: Log, at: int, fast: bool) -> None:
    whole, warm = read_from_a_mark(log.data, log.settings(fast=fast), at, log.settings().warm_up)

    assert warm.snapshot() == whole.snapshot()
    for chunk in chunks(log.data)[at:]:
        assert entries(warm(chunk)) == entries(whole(chunk))
    assert entries(warm.close()) == entries(whole.close())


def exchange(start: int, end: int, thread: int, verdict: int, code: int) -> list[tuple[int, str]]:
    """Request, verdict and status."""
    head = f"|0|1412|{thread}|pfrad|"
    return [
        (start, f"{head}Calling pfAuthUser('bob', '', 1)"),
        (end, f"{head}authResult = {verdict}"),
        (end, f"{head}rawCallStatus = {code}"),
    ]


def test_the_warm_up_is_as_short_as_it_can_be() -> None:
    """Whether B is the second prompt of a finding depends on a request as long ago as `warm_up`, in no good order."""
    w, t = 1_000_000, 2_000_000
    sent, not_sent, oath, oath_code = 20, 120, 22, 23
    request, *late = exchange(0, t, 4, 0, sent)  # it ends last: so it waits for the answer, and the next one does not
    answer = exchange(3 * t, 4 * t, 12, 1, not_sent)  # of the next one, or of none, and then it is no prompt
    b = exchange(4 * t + w, 5 * t + w, 16, 0, oath) + exchange(6 * t + w, 7 * t + w, 20, 1, oath_code)
    newest = (11 * t + 2 * w, "|0|1412|4|pfrad|Reloading configuration")
    before = (0, "|0|1412|4|pfrad|Reloading configuration")  # so that the clock is known
    lines = [before, before, request, *exchange(t, 2 * t, 8, 0, sent), *late, *answer, *b, newest]
    log = Log(tuple(lines), w * US, t * US, retries=False)
    assert newest[0] * US == log.settings().warm_up

    whole, warm = read_from_a_mark(log.data, log.settings(), len(lines), log.settings().warm_up)
    assert warm.snapshot() == whole.snapshot()
    whole, warm = read_from_a_mark(log.data, log.settings(), len(lines), log.settings().warm_up - US)
    assert warm.snapshot() != whole.snapshot()
