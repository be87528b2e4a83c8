"""What the vendors' tools said stands at the end of the report."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.tools import SAID


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
