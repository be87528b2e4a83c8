"""Authentications of several logs in one order, the servers that a finding names, and what is kept in a temporary file."""

import json
import os
import tempfile
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shipper.across import Gathered, Part, Spool, findings_across, of_log
from shipper.decode.clock import LogState
from shipper.decode.ecs import Envelope
from shipper.decode.library import load
from shipper.detect import DETECTORS, across
from shipper.detect.across import AcrossLogs, Completed, merged
from shipper.detect.components import ComponentDetectors
from shipper.detect.detector import Detectors
from shipper.detect.double_prompt import DOUBLE_PROMPT, Rule
from shipper.detect.finding import event_of
from shipper.errors import RunError
from shipper.model import Code, CompletionFields, Counts, Label, Origin, withdrawal
from shipper.pipeline import Settings
from shipper.times import SECOND

CODES = load().codes.codes
APPROVED = CODES[21]


def completed(
    end: int, event_id: str, *, newest: int | None = None, host: str | None = None, start: int | None = None, user: str = "anna"
) -> Completed:
    """A prompt that was answered with success."""
    begin, latest = end if start is None else start, end if newest is None else newest
    user_fields = (user, None, None, user)
    return Completed(
        event_id, host, (0, user_fields, f"r{event_id}", "pfrad", begin, f"t{begin}", end, f"t{end}", APPROVED, True, latest)
    )


def order(*logs: Sequence[Completed]) -> list[tuple[int, str]]:
    return [(time, event_id) for time, event_id, _ in merged(logs)]


# The order


def test_logs_are_merged_by_time_and_then_by_id() -> None:
    one = [completed(1, "f-0"), completed(3, "f-90"), completed(3, "f-100"), completed(4, "f-200")]
    two = [completed(1, "e-0"), completed(3, "f-5"), completed(5, "e-9")]
    assert order(one, two) == [(1, "e-0"), (1, "f-0"), (3, "f-100"), (3, "f-5"), (3, "f-90"), (4, "f-200"), (5, "e-9")]


def test_what_comes_late_in_its_log_comes_when_it_is_its_turn() -> None:
    one = [completed(10, "a-0"), completed(4, "a-1"), completed(10, "a-05"), completed(12, "a-2")]
    two = [completed(5, "b-0"), completed(11, "b-1")]
    assert order(one, two) == [(5, "b-0"), (10, "a-0"), (10, "a-1"), (10, "a-05"), (11, "b-1"), (12, "a-2")]


def test_a_time_far_ahead_that_the_log_did_not_follow_holds_nothing_up() -> None:
    one = [completed(1, "a-0"), completed(999, "a-1", newest=1), completed(3, "a-2")]
    assert order(one, [completed(2, "b-0")]) == [(1, "a-0"), (1, "a-1"), (2, "b-0"), (3, "a-2")]


def test_what_two_logs_hold_comes_once() -> None:
    log = [completed(1, "a-0"), completed(1, "a-9"), completed(2, "a-20")]
    assert order(log, [completed(1, "a-1")], log) == [(1, "a-0"), (1, "a-1"), (1, "a-9"), (2, "a-20")]


def test_no_more_of_a_log_is_in_memory_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One instant of a log may be longer than the memory."""
    monkeypatch.setattr(across, "MOST_TIES", 3)
    taken = []

    def endless(name: str, step: int) -> Iterator[Completed]:
        for number in count():
            taken.append(name)
            yield completed(1 + step * number, f"{name}-{number:03}")

    both = merged([endless("a", 0), endless("b", 1)])
    assert [next(both)[1] for _ in range(4)] == ["a-000", "a-001", "a-002", "a-003"]
    assert sorted(taken) == ["a"] * 7 + ["b"] * 2


def test_copies_may_differ_in_what_is_said_of_their_server() -> None:
    log = [completed(1, "a-0", host="mfa01"), completed(1, "a-0"), completed(1, "a-0", host="mfa01")]
    assert order(log, [completed(1, "a-0")]) == [(1, "a-0")]
    assert order([*log, completed(2, "a-9")]) == [(1, "a-0"), (2, "a-9")]


# The servers

HORIZON = Rule().horizon


def across_logs(host: str | None = None) -> AcrossLogs:
    rules = {"double_prompt": Rule()}
    return AcrossLogs(ComponentDetectors(partial(Detectors, rules, Counts()), LogState(0)), rules.values(), host)


def findings(batches: Sequence[Sequence[Completed]], host: str | None = None) -> list[tuple[Any, ...]]:
    """Of each finding the id, its host and those of its two prompts; `host` is that of the run."""
    logs, envelope = across_logs(host), Envelope({"host": {"name": host, "os": "own"}} if host else {})
    told: list[tuple[Any, ...]] = []
    for batch in batches:
        for finding in logs([(one.fields[6], one.event_id, one) for one in batch]):
            _, text, (_, event_id, origin, _) = event_of(finding, envelope)
            document = json.loads(text.encode("latin-1"))
            about, on = document["azure_mfa"]["double_prompt"], document.get("host")
            assert document["event"]["id"] == event_id
            assert (origin.path, origin.dataset, origin.kind) == (None, "azure_mfa.radius", "alert")
            if on is None or on["name"] == host:
                assert origin.host is None
                assert on == ({"name": host, "os": "own"} if host else None)
            else:
                assert on == {"name": origin.host}
            told.append((event_id, on and on["name"], about["first"].get("host"), about["second"].get("host")))
    return told


@pytest.mark.parametrize("machine", [None, "reader"])
def test_a_finding_names_the_servers_of_both_prompts(machine: str | None) -> None:
    batch = [
        completed(10 * SECOND, "a-1", host="mfa01"),
        completed(20 * SECOND, "b-1", host="mfa02"),
        completed(30 * SECOND, "a-2", host=None),
        completed(40 * SECOND, "b-2", host="mfa02"),
    ]
    assert findings([batch], machine) == findings([[one] for one in batch], machine)
    assert findings([batch], machine) == [
        ("rb-1-dp", "mfa02", "mfa01", "mfa02"),
        ("ra-2-dp", machine, "mfa02", machine),
        ("rb-2-dp", "mfa02", machine, "mfa02"),
    ]


@pytest.mark.parametrize("machine", [None, "reader"])
def test_where_no_line_names_its_server_it_is_the_machine_that_reads(machine: str | None) -> None:
    batch = [completed(10 * SECOND, "a-1"), completed(20 * SECOND, "b-1")]
    assert findings([batch], machine) == [("rb-1-dp", machine, machine, machine)]


def test_the_second_prompt_gives_the_finding_its_host_even_where_the_first_one_completes_it() -> None:
    batch = [
        completed(20 * SECOND, "b-1", start=15 * SECOND, host="mfa02"),
        completed(30 * SECOND, "a-1", start=10 * SECOND, host="mfa01"),
    ]
    assert findings([batch]) == [("rb-1-dp", "mfa02", "mfa01", "mfa02")]


def test_where_a_finding_tells_no_authentications_it_has_the_host_of_the_one_that_completed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(DETECTORS, "double_prompt", replace(DOUBLE_PROMPT, sides=()))
    batch = [completed(10 * SECOND, "a-1", host="mfa01"), completed(20 * SECOND, "b-1", host="mfa02")]
    assert findings([batch]) == [("rb-1-dp", "mfa02", None, None)]


def remembered(logs: AcrossLogs, *times: int) -> int:
    """How many authentications' servers are known, when others have completed at these times."""
    for time in times:
        one = completed(time, f"c-{time}", host="mfa03", user=f"user{time}")
        logs([(time, one.event_id, one)])
    return len(logs._young) + len(logs._old)


def test_a_server_is_known_as_long_as_a_finding_may_name_it() -> None:
    """At the end of its time, whatever came before."""
    for offset in range(0, 4 * HORIZON, HORIZON // 4):
        logs = across_logs()
        remembered(logs, *range(0, offset, HORIZON // 8))
        first = completed(offset, "a-1", host="mfa01")
        second = completed(offset + HORIZON, "b-1", start=offset + 60 * SECOND, host="mfa02")
        logs([(offset, "a-1", first)])
        remembered(logs, *range(offset + HORIZON // 8, offset + HORIZON, HORIZON // 8))
        [finding] = logs([(offset + HORIZON, "b-1", second)])
        assert finding.sides["first"] == "mfa01"


def test_of_what_comes_too_late_no_server_is_remembered() -> None:
    logs = across_logs()
    late = [completed(time, f"a-{time}", host="mfa01") for time in (-2 * HORIZON - 1, -2 * HORIZON, 0)]
    logs([(0, one.event_id, one) for one in late])
    assert len(logs._young) == 2


def test_servers_are_forgotten() -> None:
    quarter = HORIZON // 4
    logs = across_logs()
    known = [remembered(logs, number * quarter) for number in range(100)]
    assert max(known) == 18  # two times two horizons, both ends included
    assert min(known[20:]) == 10
    logs = across_logs()
    assert remembered(logs, 0, quarter, 2 * HORIZON + 2 * HORIZON) == 3
    assert remembered(logs, 9 * HORIZON) == 1


# The temporary file


def label(event_id: str, host: str | None = None) -> Label:
    return "t", event_id, Origin(None, "azure_mfa.radius", "event", host=host), None


def test_what_is_kept_comes_back() -> None:
    unknown = Code(999, "Unknown status 999", "unknown", "unknown", None, None, "medium", None)
    word = Code(None, "Something Else", "unknown", "failure", None, None, "medium", "A_CONSTANT")
    year_9999 = 253_402_300_799 * SECOND
    user = ('O"Brien\n', "STRASSE", None, 'strasse\\o"brien\n')
    given = [
        (0, user, "f-0", "pfrad", -5, "1969", year_9999, "9999", APPROVED, True, year_9999),
        (1, None, "f-1", "pfrad", 1, "1", 2, "2", APPROVED, True, 2),
        (2, user, "f-2", "pfsvc", 1, "1", 2, "2", unknown, False, 2),
        (3, user, "f-3", "pfsvc", 1, "1", 2, "2", word, False, 2),
    ]
    with Gathered(CODES) as gathered:
        spool = gathered.spool()
        spool.add(given[:2], [label("s-0", "mfa01"), label("s-1")])
        middle = spool.end
        spool.add(given, [label(f"s-{n}") for n in range(4)])
        spool.end = middle  # as a worker does that has guessed wrong
        spool.add([], [])
        spool.add(given, [label(f"s-{n}") for n in range(4)])
        first, rest = list(spool.read(0, middle)), list(spool.read(middle, spool.end))
        assert first == [Completed("s-0", "mfa01", (0, *given[0][1:]))]
        assert rest == [Completed(f"s-{n}", None, (0, *given[n][1:])) for n in (0, 2, 3)]
        assert isinstance(rest[0], Completed)
        assert rest[0].fields[8] is APPROVED
        side_by_side = zip(spool.read(0, middle), spool.read(middle, spool.end), strict=False)
        assert [[isinstance(one, Completed) and one.event_id for one in both] for both in side_by_side] == [["s-0", "s-0"]]


def test_what_is_withdrawn_is_not_there() -> None:
    """Wherever a part ends; what is ahead of the time of its log counts from its own time on, unless it is withdrawn."""
    first, last = completed(1, "s-1").fields, completed(81, "s-4", newest=80).fields
    confirmed, misdated = completed(70, "s-2", newest=1).fields, completed(900, "s-3", newest=70).fields
    given = [first, confirmed, first, misdated, withdrawal("pfrad"), first, last]
    with Gathered(CODES) as gathered:
        for cut in range(len(given) + 1):
            spool = gathered.spool()
            parts = []
            for part in (given[:cut], given[cut:]):
                begin = spool.end
                spool.add(part, [label("s")] * 8)
                parts.append(Part(spool, begin, spool.end))
            found = [(one.fields[6], one.fields[10]) for stream in of_log(parts) for one in stream]
            assert found == [(1, 1), (70, 70), (1, 1), (1, 1), (81, 81)]


def test_each_component_has_a_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """But where there are too many: the others have one together."""

    def of(component: str, end: int) -> CompletionFields:
        return (*completed(end, "x").fields[:3], component, *completed(end, "x").fields[4:])

    given = [of("a", 900), of("b", 3), of("c", 7), of("b", 5), of("a", 901), of("c", 6)]
    with Gathered(CODES) as gathered:
        spool = gathered.spool()
        spool.add(given, [label("s")])
        parts = [Part(spool, 0, spool.end)]
        times = [[one.fields[6] for one in stream] for stream in of_log(parts)]
        assert times == [[900, 901], [3, 5], [7, 6]]
        monkeypatch.setattr("shipper.across.STREAMS", 1)
        times = [[one.fields[6] for one in stream] for stream in of_log(parts)]
        assert times == [[900, 901], [3, 7, 5, 6]]


def test_parts_are_those_of_their_logs_in_order() -> None:
    with Gathered(CODES) as gathered:
        spool = gathered.spool()
        for log, piece in ((1, 0), (2, 3), (1, 2), (1, 1)):
            gathered.add(log, piece, Part(spool, piece, piece))
        assert [[part.begin for part in parts] for parts in gathered.logs] == [[0, 1, 2], [3]]


def test_a_name_as_long_as_a_line_comes_back() -> None:
    name = "ä" * 300_000
    with Gathered(CODES) as gathered:
        spool = gathered.spool()
        spool.add([completed(1, "x", user=name).fields] * 2, [label("s-0")])
        read = [one.fields[1] for one in spool.read(0, spool.end) if isinstance(one, Completed)]
        assert read == [(name, None, None, name)] * 2


def test_no_room_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(RunError, match=r"no room for temporary files in .*nowhere: .*; set TMPDIR"):
        Spool(CODES)


@pytest.mark.posix("a device without space")
def test_a_full_or_damaged_file_is_one_sentence() -> None:
    with Gathered(CODES) as gathered:
        spool = gathered.spool()
        spool.add([completed(1, "x").fields], [label("s-0")])
        end = spool.end
        os.truncate(spool._file.fileno(), 5)
        with pytest.raises(RunError, match=r"a temporary file in .* was cut"):
            list(spool.read(0, end))
        read_only = os.open("/dev/full", os.O_WRONLY)
        os.dup2(read_only, spool._file.fileno())
        os.close(read_only)
        with pytest.raises(RunError, match="no room"):
            spool.add([completed(1, "x").fields], [label("s-0")])
        with pytest.raises(RunError, match="cannot read a temporary file"):
            list(spool.read(0, end))


@pytest.mark.slow
@pytest.mark.parametrize("ordered", [True, False])
def test_memory_does_not_grow_with_the_logs(*, ordered: bool) -> None:
    """Two logs of a sign-in each ten seconds; out of order, every one but the first is late."""

    def peak(length: int) -> int:
        settings = Settings(load(), across=True)
        with Gathered(CODES) as gathered:
            for log in range(2):
                spool = gathered.spool()
                for begin in range(0, length, 50):
                    numbers = range(begin, begin + 50)
                    times = [(number if ordered or not number else number - length) * 10 * SECOND for number in numbers]
                    host = f"mfa{log}"
                    signed_in = [completed(time, f"{log}-{time}", user=f"user{time % 7919}", host=host).fields for time in times]
                    fields = [(at, *one[1:]) for at, one in enumerate(signed_in)]
                    spool.add(fields, [label(f"{log}-{time}", host) for time in times])
                gathered.add(log, log, Part(spool, 0, spool.end))
            tracemalloc.start()
            try:
                found = sum(len(block.labels) for block in findings_across(settings, gathered.logs, Counts()))
                assert found > length // 2 or not ordered
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak(500)  # what is made once
    assert peak(6_000) < 1.5 * peak(2_000)
