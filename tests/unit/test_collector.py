"""The sidecar's collector of reference cycles does not look again and again at what stays."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from shipper.commands.run import YOUNG, spare_the_collector


class Knot:
    """A reference cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds, enabled = gc.get_threshold(), gc.isenabled()
    gc.disable()
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*thresholds)
    if enabled:
        gc.enable()


def test_what_is_there_at_the_start_is_collected_after_a_reload_at_the_earliest() -> None:
    knot = Knot()
    alive = weakref.ref(knot)
    spare_the_collector()
    assert gc.get_threshold()[0] == YOUNG
    del knot
    gc.collect()
    assert alive() is not None
    later = Knot()
    alive_later = weakref.ref(later)
    del later
    gc.collect()
    assert alive_later() is None
    spare_the_collector()
    assert alive() is None
