"""What goes into the real OpenSearch; and what the vendors' tools said, at the end of the report."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.generate.sigma import events as sigma_events
from deploy.generate.sigma.rules import Rule
from tests.support.deploy.indexed import Index
from tests.support.deploy.loaded import Week, install
from tests.support.opensearch import OpenSearch
from tests.support.tools import SAID


@pytest.fixture(scope="session")
def node(opensearch: OpenSearch) -> OpenSearch:
    """With the templates and pipelines of deploy/opensearch."""
    install(opensearch)
    return opensearch


@pytest.fixture(scope="session")
def week(node: OpenSearch, tmp_path_factory: pytest.TempPathFactory) -> Week:
    return Week(node, Path(tmp_path_factory.mktemp("week")))


@pytest.fixture
def index(opensearch: OpenSearch, rule: Rule) -> Iterator[Index]:
    """The test events of the rule that a test is about."""
    made = Index(opensearch, f"sigma-{rule.stem}", sigma_events.stored(rule.stem))
    yield made
    made.remove()


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
