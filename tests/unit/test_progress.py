"""What is said of the progress where nobody sees a bar."""

import pytest

from shipper.commands.progress import Lines, Progress, progress
from shipper.model import Counts


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
