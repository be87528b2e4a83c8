"""mfa_fatigue against the oracle, and the promises that hold for any log.

Logs are small and full of refusals: few users, times on a grid of the boundaries, now and then a line that comes late.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.decode.parser import Options
from shipper.detect.mfa_fatigue import Rule
from shipper.model import Counts
from shipper.pipeline import Pipeline, Settings
from tests.property.test_double_prompt import APART, apart, chunks, log_file, read_from_a_mark, ship
from tests.support import oracle
from tests.support.findings import findings
from tests.support.logs import entries, library
from tests.support.oracle import SECOND

US = 1000
BASE = datetime(2017, 2, 14, 23, 55, 30)
HEAD = "|0|1412|{thread}|{component}|"
CODES = (129,) * 4 + (133,) * 3 + (112, 132, 108, 121) + (21,) * 5 + (20, 22, 19, 6, 14, 101, 15, 999)
RESULTS = {
    row["constant"]: row["description"]
    for row in oracle.ROWS
    if row["code"] in ("129", "133", "112", "21", "6", "14") and row["constant"]
}
USERS = (r"CONTOSO\bob", r"CONTOSO\bob", r"contoso\BOB", "bob@contoso", "ann", "")


@dataclass(frozen=True)
class Log:
    """Lines as (microseconds since BASE, the rest of the line), and the rule that they are to be read with."""

    lines: tuple[tuple[int, str], ...]
    window: int
    count: int
    timeout: int

    @property
    def data(self) -> bytes:
        return b"".join(
            f"{(BASE + timedelta(microseconds=time)).isoformat(timespec='microseconds')}Z{rest}\n".encode()
            for time, rest in self.lines
        )

    def settings(self, *, fast: bool = False, read_size: int = 1 << 18) -> Settings:
        rule = Rule(self.window, self.count, self.timeout)
        options = Options(exchange_timeout=self.timeout)
        return Settings(library(), options, {"mfa_fatigue": rule}, fast=fast, read_size=read_size)

    def expected(self) -> oracle.Found:
        return oracle.find_fatigue([self.data], window=self.window, count=self.count, timeout=self.timeout)


@st.composite
def logs(draw: st.DrawFn, *, ordered: bool | None = None) -> Log:
    """A log; `ordered`: in the order of time (None: either way)."""
    window, timeout = draw(
        st.sampled_from(((600 * SECOND, 600 * SECOND), (10 * SECOND, 3 * SECOND), (0, 4 * SECOND), (SECOND, 0)))
    )
    w, t = window // US, timeout // US
    grid = (0, 0, 1, 1_000_000, w // 4, w // 4, w // 2, w, w + 1, t)
    component = st.sampled_from(("pfrad", "pfrad", "pfrad", "pfsvc"))
    at, keyed = 0, []
    for thread in range(draw(st.integers(1, 20))):
        at += draw(st.sampled_from(grid))
        user, head = draw(st.sampled_from(USERS)), HEAD.format(thread=thread, component=draw(component))
        if not draw(st.integers(0, 4)):
            constant = draw(st.sampled_from(sorted(RESULTS)))
            word = draw(st.sampled_from(("succeeded", "failed")))
            late = 0 if ordered else draw(st.sampled_from((0, 0, w, 2 * t, 2 * t + w, 2 * t + w + 1)))
            keyed.append(
                (at + late, at, f"{head}Pfauth {word} for user '{user}'. Call status: {constant} - \"{RESULTS[constant]}\".")
            )
            continue
        code = draw(st.sampled_from(CODES))
        verdict = int(code in (21, 19)) if draw(st.integers(0, 5)) else draw(st.sampled_from((0, 1)))
        end = at + draw(st.sampled_from((0, 1, 1_000_000, t)))
        late = 0 if ordered else draw(st.sampled_from((0, 0, 0, 1, 1_000_000, t, w)))
        keyed.append((at, at, f"{head}Calling pfAuthUser('{user}', '', 1)"))
        keyed += [(end + late, end, f"{head}authResult = {verdict}"), (end + late, end, f"{head}rawCallStatus = {code}")]
    keyed.sort(key=lambda line: line[0])
    lines: list[tuple[int | None, str]] = [(time, rest) for _, time, rest in keyed]
    if ordered is None and not draw(st.integers(0, 2)):
        lines = apart(lines, draw(st.sampled_from(APART)), joined=draw(st.booleans()))
    return Log(tuple((time or 0, rest) for time, rest in lines), window, draw(st.integers(1, 5)), timeout)


many = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
some = settings(many, max_examples=100)


def found(how: Settings, data: bytes) -> oracle.Found:
    counts = Counts()
    output = ship(how, data, counts=counts)
    made = findings(output, "mfa_fatigue")
    assert counts.detected["mfa_fatigue"] == len(made)
    assert counts.detected["mfa_fatigue_gave_in"] == sum(bool(finding.fields["gave_in"]) for finding in made)
    return oracle.Found(made, counts.late, misdated=counts.misdated)


@pytest.mark.parametrize("fast", [False, True])
@many
@given(log=logs())
def test_findings_are_those_of_the_oracle(log: Log, fast: bool) -> None:
    assert found(log.settings(fast=fast), log.data) == log.expected()


@some
@given(log=logs(ordered=True))
def test_forgetting_changes_nothing_in_a_log_in_the_order_of_time(log: Log) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(oracle, "FATIGUE_TIMEOUTS", 10**6)
        unbounded = log.expected()
    assert unbounded == log.expected()


@some
@given(log=logs(), read_size=st.integers(1, 400))
def test_read_size_changes_no_byte(log: Log, read_size: int) -> None:
    assert ship(log.settings(fast=True, read_size=read_size), log.data) == ship(log.settings(), log.data)


@some
@given(log=logs(), at=st.integers(0, 60))
def test_snapshot_and_restore_at_any_line(log: Log, at: int) -> None:
    file, lines, how = log_file(log.data), chunks(log.data), log.settings()
    first, second = Pipeline(how, Counts()), Pipeline(how, Counts())
    for pipeline in (first, second):
        pipeline.open(file)
    for chunk in lines[:at]:
        first(chunk)
    second.restore(first.snapshot())
    for chunk in lines[at:]:
        assert entries(second(chunk)) == entries(first(chunk))
    assert second.snapshot() == first.snapshot()


def read_and_told(log: Log, at: int, span: int) -> tuple[Pipeline, Pipeline]:
    return read_from_a_mark(log.data, log.settings(), at, span)


@many
@given(log=logs(), at=st.integers(0, 60))
def test_the_state_follows_from_the_recent_past_and_what_is_lasting(log: Log, at: int) -> None:
    whole, warm = read_and_told(log, at, log.settings().warm_up)
    assert warm.snapshot() == whole.snapshot()
    for chunk in chunks(log.data)[at:]:
        assert entries(warm(chunk)) == entries(whole(chunk))
    assert warm.snapshot() == whole.snapshot()
    assert warm.lasting() == whole.lasting()


def refused(start: int, end: int, code: int = 129) -> list[tuple[int, str]]:
    head = HEAD.format(thread=start, component="pfrad")
    return [(start, f"{head}Calling pfAuthUser('bob', '', 1)"), (end, f"{head}rawCallStatus = {code}")]


def test_the_warm_up_is_as_short_as_it_can_be() -> None:
    """A refusal counts whose request is as long ago as `warm_up`."""
    w, t = 4_000_000, 2_000_000
    newest = w + 3 * t
    before = (0, "|0|1412|4|pfrad|Reloading configuration")  # so that the clock is known
    lines = (before, before, *refused(0, t), (newest, before[1]))
    log = Log(lines, w * US, 5, t * US)
    assert newest * US == Rule(log.window, 5, log.timeout).warm_up
    whole, warm = read_and_told(log, len(lines), newest * US)
    assert warm.snapshot() == whole.snapshot()
    whole, warm = read_and_told(log, len(lines), (newest - 1) * US)
    assert warm.snapshot() != whole.snapshot()


def test_what_is_lasting_is_older_than_any_recent_past() -> None:
    """Told long ago, and never left alone since: not again, at five refusals; and a success is the one that gives in."""
    w, t = 10_000_000, 1_000_000
    sparse = [time for n in range(100) for time in refused(20_000_000 + 4_000_000 * n, 20_000_000 + 4_000_000 * n)]
    burst = [line for n in range(5) for line in refused(420_000_000 + 1000 * n, 420_000_000 + 1000 * n)]
    head = [line for n in range(5) for line in refused(15_000_000 + n, 15_000_000 + n)]
    success = refused(421_000_000, 421_000_000, 21)
    log = Log((*head, *sparse, *burst, *success), w * US, 5, t * US)
    at = len(head) + len(sparse)
    for keeps, told in ((True, [True]), (False, [False, True])):
        whole, warm = read_and_told(log, at, log.settings().warm_up)
        if not keeps:
            warm.restore(warm.snapshot(), {})
        found = [finding for chunk in chunks(log.data)[at:] for finding in findings(warm(chunk).data, "mfa_fatigue")]
        assert [finding.fields["gave_in"] for finding in found] == told
        assert whole.lasting() == {"pfrad": {"mfa_fatigue": {sha256(b"bob").hexdigest()[:16]: {"pfrad": [True, []]}}}}
