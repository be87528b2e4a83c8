"""What is said of the progress where nobody sees a bar."""

from pathlib import Path

import pytest

from shipper.commands.progress import Lines, Progress, progress
from shipper.commands.report_reading import FoldedWith, Reading
from shipper.decode.library import load
from shipper.detect import default_rules
from shipper.model import Counts
from shipper.pipeline import settings
from shipper.read.inputs import open_inputs
from shipper.times import SECOND
from tests.support.generate import Recipe, generate


def test_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = Lines(4000, lambda: now)
    counts = Counts()
    for second in range(1, 131):
        now = float(second)
        counts.lines += 100
        lines.advance(20, counts)
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "6,000 lines after 1 min, 30 % of the input, 100 lines/s",
        "12,000 lines after 2 min, 60 % of the input, 100 lines/s",
    ]


@pytest.mark.parametrize("total", [None, 0])
def test_of_standard_input_no_share_is_known(total: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    lines = Lines(total, lambda: now)
    now = 90.0
    lines.advance(20, Counts(lines=900))
    assert capsys.readouterr().err == "900 lines after 2 min, 10 lines/s\n"


@pytest.mark.parametrize(
    ("show", "quiet", "kind"), [(None, False, Lines), (None, True, Progress), (False, False, Progress), (False, True, Progress)]
)
def test_without_a_terminal(show: bool | None, quiet: bool, kind: type[Progress]) -> None:
    with progress(100, show=show, quiet=quiet) as shown:
        assert type(shown) is kind


class Heard:
    """Notes how many lines are done, each time that it is told."""

    def __init__(self) -> None:
        self.lines: list[int] = []

    def advance(self, bytes_read: int, counts: Counts) -> None:
        self.lines.append(counts.lines)


@pytest.mark.parametrize("across", [False, True])
def test_a_report_counts_the_lines_of_all_its_logs(tmp_path: Path, across: bool) -> None:
    paths = [str(tmp_path / f"{server}.log") for server in ("mfa01", "mfa02")]
    for number, path in enumerate(paths):
        generate(Recipe(1200, seed=number), Path(path))
    heard = Heard()
    with open_inputs(paths) as (logs, stdin):
        reading = Reading(
            settings(load(), default_rules(), {}), logs, stdin, FoldedWith(600 * SECOND, 60 * SECOND, None, None, None), []
        )
        _, counts = reading.across(heard) if across else reading.apart(1, heard)
    assert len(logs) == 2
    assert heard.lines == sorted(heard.lines)
    assert heard.lines[-1] == counts.lines > heard.lines[0]
