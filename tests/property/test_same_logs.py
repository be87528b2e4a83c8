"""`parse` and `run` find the same logs in the same files, whatever their names and times say."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.read.inputs import TailInput, find_logs, open_inputs
from shipper.times import SECOND
from tests.support.tail_rig import Rig

NAMES = ("a.log", "a.log.1", "a.log.2", "a (1).log", "a_2.log", "a-20170214.log", "a1.log", "a1.log.1", "b.log")
TIMEOUT = 600
BASE = datetime(2017, 2, 14)
Files = dict[str, bytes]


@st.composite
def files(draw: st.DrawFn) -> Files:
    """Files of a few lines each; no two begin at the same time, which would leave their order to when they were written."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
    grid = st.integers(0, 40).map(lambda step: step * TIMEOUT // 4)
    begins = draw(st.lists(grid, min_size=len(names), max_size=len(names), unique=True))
    found: Files = {}
    for name, begin in zip(names, begins, strict=True):
        later = sorted(draw(st.lists(st.sampled_from((0, 1, TIMEOUT // 4, TIMEOUT, TIMEOUT + 1, 3 * TIMEOUT)), max_size=3)))
        undated = [b"no time at all\n"] * draw(st.integers(0, 1))
        lines = [f"{stamp(begin + after)}|0|1|2|pfrad|{name}\n".encode() for after in (0, *later)]
        found[name] = b"".join([*undated, *lines, *undated])
    return found


def stamp(second: int) -> str:
    return (BASE + timedelta(seconds=second)).isoformat() + "Z"


def bare(paths: list[str]) -> frozenset[str]:
    return frozenset(os.path.basename(path) for path in paths)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(given_files=files(), growing=st.booleans())
def test_parse_check_and_run_agree(given_files: Files, growing: bool) -> None:
    """Also where the files of a running shipper come one after the other, in the order of their times."""
    with TemporaryDirectory() as folder:
        rig = Rig(Path(folder), {"exchange_timeout": TIMEOUT * SECOND})
        by_time = sorted(given_files.items(), key=lambda item: item[1].removeprefix(b"no time at all\n"))
        for name, data in by_time:
            rig.path(name).write_bytes(data)
            if growing:
                rig.step()
        rig.settle()
        run: dict[str, list[str]] = {}
        for position in rig.positions.values():
            run.setdefault(position.source, []).append(position.path)
        rig.tail.close()
        with open_inputs([folder], exchange_timeout=TIMEOUT * SECOND) as (logs, _):
            parse = {log.name: [member.path for member in log.inputs] for log in logs}
        found, problems = find_logs([TailInput(os.path.join(folder, "*.log*"))], TIMEOUT * SECOND)
        assert not problems
        check = {log.name: [member.path for member in log.inputs] for log in found}
        assert check == parse
        assert {name: bare(paths) for name, paths in run.items()} == {name: bare(paths) for name, paths in parse.items()}
        assert b"".join(sorted(data for _, _, data in rig.out)) == b"".join(sorted(given_files.values()))
