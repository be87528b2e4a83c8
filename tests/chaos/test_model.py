"""Lives of the sidecar; `python -m tests.chaos.model 1-20000` runs more."""

import pytest

from tests.chaos.model import run

pytestmark = pytest.mark.slow

LIVES, A_TEST = 300, 15


@pytest.mark.parametrize("first", range(1, LIVES + 1, A_TEST))
def test_nothing_is_lost_and_nothing_invented(first: int) -> None:
    for seed in range(first, first + A_TEST):
        run(seed)
