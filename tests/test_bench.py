"""The benchmark in small: the logs hold what they should, the plain loops read them, the tables add up."""

import re
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.bench import readers, stages
from tests.bench.cases import PARSE, PLAIN_LOOP, RSYSLOG, recipes
from tests.bench.measure import FailedError, Sample, output, run
from tests.support.generate import generate
from tests.support.tools import tool

pytestmark = pytest.mark.slow

LINES = 6000
ODD = 0.03  # lines at most that belong to no authentication
BENCH = (sys.executable, "-m", "tests.bench", "--rounds", "1", "--markdown")
CONTENTS = {"radius": 2 / 3, "results": 1, "syslog": 1, "nps": 1}  # by log: the share of lines that name a user or a status

every_content = pytest.mark.parametrize("content", CONTENTS)

Event = dict[str, Any]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("logs")
    paths = {name: folder / name for name in CONTENTS}
    for name, path in paths.items():
        generate(recipes(LINES, 1)[name], path)
    return paths


def parsed(log: Path) -> list[Event]:
    return [orjson.loads(line) for line in output((*PARSE, str(log))).splitlines()]


@every_content
def test_a_generated_log_holds_authentications_and_double_prompts(content: str, logs: dict[str, Path]) -> None:
    events = [event for event in parsed(logs[content]) if event["event"]["kind"] != "alert"]
    findings = len(parsed(logs[content])) - len(events)
    odd = [event for event in events if event["event"].get("action", "log") in ("log", "mfa-error")]
    orphans = [event for event in events if "mfa_orphan" in event.get("tags", ())]
    assert len(events) == LINES
    assert findings > LINES / 300
    assert 0 < len(odd) < ODD * LINES
    assert len(orphans) < ODD * LINES


@every_content
def test_a_plain_loop_understands_its_log(content: str, logs: dict[str, Path], tmp_path: Path) -> None:
    run((*PLAIN_LOOP, str(logs[content]), str(tmp_path / "out"), content))
    events = [orjson.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    telling = [event for event in events if "user.name" in event or "mfa.status" in event]
    assert len(events) == LINES
    assert (CONTENTS[content] - ODD) * LINES < len(telling) < (CONTENTS[content] + ODD) * LINES


def test_a_peer_understands_its_log(logs: dict[str, Path], tmp_path: Path) -> None:
    tool("rsyslogd", "apt-get install --no-install-recommends rsyslog")
    run((*RSYSLOG, str(logs["radius"])), tmp_path / "out")
    events = [orjson.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    run((*PLAIN_LOOP, str(logs["radius"]), str(tmp_path / "plain"), "radius"))
    wanted = [orjson.loads(line) for line in (tmp_path / "plain").read_bytes().splitlines()]
    names = ("@timestamp", "process.thread.id", "user.domain", "user.name", "mfa.auth_result", "mfa.status", "mfa.reason")
    assert [[event.get(name) for name in names] for event in events] == [[event.get(name) for name in names] for event in wanted]


def test_what_is_left_out_is_left_out(logs: dict[str, Path]) -> None:
    events = parsed(logs["radius"])
    findings = [event for event in events if event["event"]["kind"] == "alert"]
    completions = [event for event in events if event["event"].get("action") == "mfa-status" and "end" in event["event"]]
    whole, *parts = (stages.sample(last, logs["radius"])[1:] for last in stages.LEFT_OUT)
    assert whole[:2] == (0, len(findings))
    assert parts[0][:2] == (0, 0)
    assert whole[2] > parts[0][2] > 100 * LINES
    assert parts[1:] == [(0, 0, 0), (len(completions), 0, 0), (0, 0, 0)]
    assert len(completions) > LINES / 4


def cells(table: str) -> list[list[str]]:
    """The rows of a table in Markdown, headings included."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if re.match(r"\| \w", line)]


def test_stages_add_up_to_the_whole() -> None:
    printed = output((*BENCH, "--lines", "3000", "--only", "stage"))
    headings, *rows = cells(printed)
    costs = {name: float(measured.split()[0]) for name, measured, *_ in rows}
    whole, completion = costs.pop("stages together"), costs.pop(stages.PER_COMPLETION)
    assert headings[:3] == ["stage", "measured", "share"]
    assert sum(costs.values()) == pytest.approx(whole, abs=0.04)
    assert completion == pytest.approx(3 * costs[stages.DETECTION], rel=0.15, abs=0.2)  # three lines are an authentication
    assert [row[0] for row in rows if row[4]] == [stages.DETECTION]
    assert {row[-1] for row in rows if row[4]} <= {"ok", "short"}
    assert stages.MEANING in printed


@pytest.mark.parametrize(
    ("only", "names"),
    [
        ("NPS", ["parse, NPS lines"]),
        ("where", ["plain loop", "parse", "parse --where user.name=ito0"]),
        ("memory, no user", ["peak memory, no user twice, 300 lines"]),
    ],
)
def test_rows_are_chosen_by_name_with_those_that_they_are_compared_with(only: str, names: list[str]) -> None:
    _, *rows = cells(output((*BENCH, "--lines", "300", "--only", only)))
    assert [row[0] for row in rows] == names
    assert all(re.match(r"[0-9.]+ (k lines/|MiB)", row[1]) for row in rows)


def test_a_name_that_no_row_has_is_refused() -> None:
    with pytest.raises(FailedError, match=r"^exit status 2: no row has 'nothing' in its name$"):
        output((*BENCH, "--only", "nothing"))


@pytest.mark.parametrize("name", readers.READERS)
def test_a_file_for_each_reader_holds_so_many_records_that_are_understood(name: str, tmp_path: Path) -> None:
    if name == "evtx":
        pytest.importorskip("evtx")
    readers.make_file(name, 300, tmp_path / "file.log")
    events = [event for event in parsed(tmp_path / "file.log") if event["event"]["kind"] != "alert"]
    assert len(events) == 300
    assert sum(event["event"]["kind"] == "pipeline_error" for event in events) < ODD * 300
    assert sum("user" in event for event in events) > 200


def test_the_readers_are_measured_on_two_sizes() -> None:
    printed = output(
        (sys.executable, "-m", "tests.bench.readers", "--records", "300", "--rounds", "2", "--only", "zip", "--markdown")
    )
    headings, *rows = cells(printed)
    assert headings == ["reader", "a record", "time", "memory", "target", "result"]
    assert [name for name, *_ in rows] == ["gzip", "bzip2", "zip"]
    assert all(
        re.fullmatch(r"-?[0-9.]+ us", cost) and re.fullmatch(r"[0-9.]+ MiB, [0-9.]+", memory) for _, cost, _, memory, *_ in rows
    )
    assert printed.splitlines()[-1] == "300 and 1,200 records, 2 rounds"


def test_a_reader_that_does_not_grow_in_proportion_is_short() -> None:
    def rounds(long: float, peak: int) -> list[tuple[Sample, Sample, Sample]]:
        return [(Sample(0.5, 1, 10), Sample(1.5, 2, 100), Sample(0.5 + long, 5, peak))] * 3

    assert readers.row_of("x", rounds(4.4, 105), 1000)[1:] == (
        "1100.0 us", "1.10 (1.10..1.10)", "0.0 MiB, 1.05", "<= 1.15, <= 1.10", "ok",
    )  # fmt: skip
    assert readers.row_of("x", rounds(5.0, 100), 1000).result == "short"
    assert readers.row_of("x", rounds(4.0, 120), 1000).result == "short"
