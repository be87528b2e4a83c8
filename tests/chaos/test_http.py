"""Servers over HTTP that are killed, busy and half closed; `python -m tests.chaos.http 1-20 --into opensearch` runs more."""

from pathlib import Path

import pytest

from tests.chaos.http import run, sides

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("into", "seed"), [("cluster", 4), ("cluster", 3), ("acknowledging", 3), ("collector", 5)])
def test_nothing_is_lost(into: str, seed: int, tmp_path: Path) -> None:
    with sides(into, tmp_path) as side_of:
        run(side_of(seed), seed, tmp_path, lines=1500)
