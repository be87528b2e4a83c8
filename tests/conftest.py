"""Fixtures that more than one kind of test needs."""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.jars import Unavailable
from tests.support.kafka import LENT, Broker, Lent, shared, start_or_skip
from tests.support.opensearch import OpenSearch
from tests.support.process import Shipper
from tests.support.tools import missing

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]

# On a busy machine an example may take long, and so may drawing it.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_collection_finish() -> None:
    """Ten thousand tests stay until the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _a_command_in_this_process_leaves_it_as_it_was() -> Iterator[None]:
    """It turns the garbage collector off, which would make the worker grow with every later test, and catches signals."""
    handlers = [signal.getsignal(number) for number in SIGNALS]
    yield
    gc.enable()
    for number, handler in zip(SIGNALS, handlers, strict=True):
        signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On Windows leave out what is marked as POSIX's, and say why."""
    if sys.platform != "win32":
        return
    for item in items:
        mark = item.get_closest_marker("posix")
        if mark is not None:
            item.add_marker(pytest.mark.skip(reason=f"POSIX: {mark.args[0]}"))


@pytest.fixture(autouse=True)
def _no_shipper_is_left() -> Iterator[None]:
    """A test that fails must not leave its sidecar behind. Those of wider fixtures are theirs to end."""
    before = list(Shipper.running)
    yield
    for one in [one for one in Shipper.running if one not in before]:
        one.kill()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A real broker for all tests of all workers, which nobody may kill. In CI one that cannot be started is a failure."""
    folder, lent = tmp_path_factory.getbasetemp(), os.environ.get(LENT)
    if lent:
        yield Lent(folder, lent).start()
        return
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    with ExitStack() as stack:
        yield start_or_skip(lambda: stack.enter_context(shared((folder if alone else folder.parent) / "kafka")))


@pytest.fixture(scope="session")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    """A real OpenSearch for all tests of a worker. In CI one that cannot be started is a failure."""
    node = OpenSearch(Path(tmp_path_factory.mktemp("opensearch")))
    try:
        node.start()
    except Unavailable as error:
        missing(str(error))
    yield node
    node.stop()
