"""`--across` against the oracle over all servers, and what holds for logs in any order."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.model import Counts
from tests.property import test_mfa_fatigue as fatigue
from tests.property.test_double_prompt import Log, log_file, logs, many, ship, some
from tests.support import oracle
from tests.support.across import ship_across
from tests.support.findings import findings
from tests.support.oracle_across import completions_across


def servers(data: bytes, number: int, seed: int) -> list[bytes]:
    """The lines of a log as several servers would have written them, each with a first line of its own.

    A thread is always on one server, so that its exchanges stay whole; lines without a thread are the first server's.
    """
    logs: list[list[bytes]] = [[] for _ in range(number)]
    for text in data.splitlines(keepends=True):
        parts = text.split(b"|")
        thread = int(parts[3]) if len(parts) > 4 else 0
        logs[(thread * 7919 + seed) % number if thread else 0].append(text)
    first = b"2017-02-14T23:55:00.000000Z|0|1412|4|pfrad|This is server %d\n"  # not a day before the others
    return [first % server + b"".join(lines) for server, lines in enumerate(logs)]


def found(log: Log, sources: Sequence[Sequence[bytes]], *, fast: bool) -> oracle.Found:
    counts = Counts()
    _, output = ship_across(log.settings(fast=fast), sources, counts)
    assert counts.findings == len(findings(output))
    return oracle.Found([oracle.Finding(0, one.fields) for one in findings(output)], counts.late, counts.detected["cache_hits"])


def expected(log: Log, sources: Sequence[Sequence[bytes]]) -> oracle.Found:
    among = completions_across(sources, log.timeout)
    return oracle.find_among(among, window=log.window, timeout=log.timeout, retries=log.retries)


@pytest.mark.parametrize("fast", [False, True])
@many
@given(log=logs(ordered=True), number=st.integers(1, 4), seed=st.integers(0, 100))
def test_findings_are_those_of_the_oracle_over_all_servers(log: Log, number: int, seed: int, fast: bool) -> None:
    sources = [[data] for data in servers(log.data, number, seed)]
    assert found(log, sources, fast=fast) == expected(log, sources)


@some
@given(log=fatigue.logs(ordered=True), number=st.integers(1, 4), seed=st.integers(0, 100))
def test_refusals_on_all_servers_count_together(log: fatigue.Log, number: int, seed: int) -> None:
    sources = [[data] for data in servers(log.data, number, seed)]
    among = completions_across(sources, log.timeout)
    wanted = oracle.find_fatigue_among(among, window=log.window, count=log.count, timeout=log.timeout)
    _, output = ship_across(log.settings(fast=True), sources, Counts())
    assert [one.fields for one in findings(output, "mfa_fatigue")] == [one.fields for one in wanted.findings]


@some
@given(log=logs(ordered=True), seed=st.integers(0, 100), cut=st.integers(0, 40))
def test_rotated_files_of_a_server_are_one_log(log: Log, seed: int, cut: int) -> None:
    first, second = servers(log.data, 2, seed)
    lines = first.splitlines(keepends=True)
    sources = [[b"".join(lines[:cut]), b"".join(lines[cut:])], [second]]
    assert found(log, sources, fast=True) == expected(log, sources)


@some
@given(log=logs(ordered=True, trimmed=False))
def test_of_one_log_the_findings_are_those_without_it(log: Log) -> None:
    """But for their place: authentications of one instant may change places, so no two lines are of one here."""
    apart = Log(
        tuple((None if time is None else time + number, rest) for number, (time, rest) in enumerate(log.lines)),
        log.window, log.timeout, log.retries,
    )  # fmt: skip
    lines = ship(apart.settings(), apart.data).splitlines(keepends=True)
    events, output = ship_across(apart.settings(), [[apart.data]], Counts())
    assert events == b"".join(line for line in lines if b'"kind":"alert"' not in line)
    assert output == b"".join(line for line in lines if b'"kind":"alert"' in line)


@pytest.mark.parametrize("fast", [False, True])
@some
@given(log=logs(), number=st.integers(1, 4), seed=st.integers(0, 100), read_size=st.integers(1, 400))
def test_in_any_order_of_lines_the_read_size_changes_nothing_and_events_keep_their_order(
    log: Log, number: int, seed: int, read_size: int, fast: bool
) -> None:
    sources = [[data] for data in servers(log.data, number, seed)]
    counts, again = Counts(), Counts()
    events, output = ship_across(log.settings(fast=fast), sources, counts)
    assert ship_across(log.settings(fast=fast, read_size=read_size), sources, again) == (events, output)
    assert again == counts
    alone = [line for [data] in sources for line in ship(log.settings(fast=fast), data).splitlines()]
    assert events.splitlines() == [line for line in alone if b'"kind":"alert"' not in line]
    assert counts.findings + counts.events == len(events.splitlines()) + len(output.splitlines())


@some
@given(log=logs(ordered=True), seed=st.integers(0, 100))
def test_a_copy_of_a_log_changes_nothing(log: Log, seed: int) -> None:
    sources = [[data] for data in servers(log.data, 2, seed)]
    assert found(log, [*sources, sources[0]], fast=True) == found(log, sources, fast=True)
    assert log_file(sources[0][0]).fingerprint != log_file(sources[1][0]).fingerprint
