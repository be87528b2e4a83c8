"""Fixtures for tests of the tail."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.tail_rig import Rig


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Makes a rig with other options."""
    rigs: list[Rig] = []

    def made(**given: Any) -> Rig:
        rigs.append(Rig(tmp_path, **given))
        return rigs[-1]

    yield made
    for rig in rigs:
        rig.tail.close()


@pytest.fixture
def rig(make: Callable[..., Rig]) -> Rig:
    return make()
