"""A real OpenSearch for all tests of a worker. In CI one that cannot be started is a failure."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.deploy.tools import SAID, missing
from tests.support.jars import Unavailable
from tests.support.opensearch import OpenSearch

if TYPE_CHECKING:
    from playwright.sync_api import Browser  # which not all tests of this folder need


@pytest.fixture(scope="session")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    node = OpenSearch(Path(tmp_path_factory.mktemp("opensearch")))
    try:
        node.start()
    except Unavailable as error:
        missing(str(error))
    yield node
    node.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from tests.deploy.browser import chromium

    with chromium() as started:
        yield started


@pytest.fixture(autouse=True)
def _what_tools_said(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Vendors' tools have their own words for that all is well; they stand at the end of the report."""
    yield
    while SAID:
        record_property("tool", SAID.pop(0))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("", [])  # those of the ends of tests, when all is said
    said = {str(value) for report in reports for name, value in report.user_properties if name == "tool"}
    if said:
        terminalreporter.section("what the vendors' tools said")
        terminalreporter.write("".join(f"{line}\n" for line in sorted(said)))
