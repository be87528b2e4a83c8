"""The tables of a report: all counts, of one log or of many. Pure.

All tables have a bounded size; totals are exact even when a table is full. The figures of several logs are sums, and the order
in which the logs are added does not matter.
"""

from collections import Counter
from collections.abc import Mapping

from shipper.detect.prompts import NO_METHOD
from shipper.report.people import PATTERNS, People
from shipper.report.service import Advice
from shipper.report.tables import OTHERS, Latest, Row, Rows
from shipper.times import AFTER_ALL, BEFORE_ALL

MOST_CODES = 1024
MOST_DAYS = 4000
MOST_ADDRESSES = 4096
LISTED = ("fraud", "blocked", "bypassed")  # classes whose latest authentications are listed
_THURSDAY = 72  # hours from a Monday to the Thursday on which 1970 began

CodeRow = tuple[str, str, str, str, str]
"""Code, description, class, method, outcome."""


class Client:
    """A client address, or all findings without one: double prompts by pattern, and repeats: how many tenths of a second after
    a request the client asked again while the first prompt was open."""

    def __init__(self) -> None:
        self.patterns: Counter[str] = Counter()
        self.repeats: Counter[int] = Counter()

    def add(self, other: "Client") -> None:
        """Add the counts of another log."""
        self.patterns.update(other.patterns)
        self.repeats.update(other.repeats)


def week_hour(hour: int) -> int:
    """Convert an hour since 1970 to an hour since Monday, 0 o'clock, UTC."""
    return (hour + _THURSDAY) % 168


class Figures:
    """The tables; `summarize.py` makes the summary of them.

    Attributes:
        first, last, first_text, last_text: when the first authentication began and the last one ended.
        total, methods, components, hosts, week, days: rows; names are hours since Monday in `week`, days since 1970 in `days`.
        codes: number of authentications and first steps with each code.
        answers: by method, times to answer in tenths of a second; 0 if the time is unknown.
        gaps: by pattern, gaps between the two prompts in tenths of a second.
        clients: double prompts by client address; None: unknown address.
        findings: number of findings by name of the detector.
        listed: the latest authentications of each class in `LISTED`, and the latest `fatigue` findings.
        people: the users.
        advice: what caches would have spared.
        prompts_without_cache, doubles_without_cache: prompts and double prompts of the NPS extension, which has no cache.
    """

    def __init__(self) -> None:
        self.first, self.last = AFTER_ALL, BEFORE_ALL
        self.first_text = self.last_text = ""
        self.total, self.methods, self.components, self.hosts = Rows(), Rows(), Rows(), Rows()
        self.week, self.days = Rows(168), Rows(MOST_DAYS)
        self.codes: Counter[CodeRow] = Counter()
        self.answers: dict[str, Counter[int]] = {}
        self.gaps = {name: Counter[int]() for name in PATTERNS}
        self.clients: dict[str | None, Client] = {}
        self.findings: Counter[str] = Counter()
        self.listed = {name: Latest() for name in (*LISTED, "fatigue")}
        self.people = People()
        self.advice = Advice()
        self.prompts_without_cache = self.doubles_without_cache = 0

    def stretch(self, first: int, first_text: str, last: int, last_text: str) -> None:
        """Extend the span of time to these, in nanoseconds and as the log writes them."""
        if first < self.first:
            self.first, self.first_text = first, first_text
        if last > self.last:
            self.last, self.last_text = last, last_text

    def lasting_rows(self, method: str, component: str, host: str | None) -> tuple[Row, ...]:
        """Return the rows that do not depend on time."""
        return self.total.row(""), self.methods.row(method), self.components.row(component), self.hosts.row(host)

    def rows_of_hour(self, hour: int) -> tuple[Row, Row]:
        """Return the week and day rows of an hour since 1970."""
        return self.week.row(week_hour(hour)), self.days.row(hour // 24)

    def client(self, address: str | None) -> Client:
        """Return the entry of an address; the entry `OTHERS` once the table is full."""
        found = self.clients.get(address)
        if found is None:
            if len(self.clients) >= MOST_ADDRESSES and address != OTHERS:
                return self.client(OTHERS)
            found = self.clients[address] = Client()
        return found

    def add_codes(self, more: Mapping[CodeRow, int]) -> None:
        """Count status codes."""
        for name, number in more.items():
            known = name in self.codes or len(self.codes) < MOST_CODES
            self.codes[name if known else (OTHERS, OTHERS, "unknown", NO_METHOD, name[4])] += number

    def add(self, other: "Figures") -> None:
        """Add the figures of another log."""
        self.stretch(other.first, other.first_text, other.last, other.last_text)
        for name in ("methods", "components", "hosts", "week", "days", "total", "people", "advice"):
            getattr(self, name).add(getattr(other, name))
        for name, latest in other.listed.items():
            self.listed[name].merge(latest)
        for method, answers in other.answers.items():
            self.answers.setdefault(method, Counter()).update(answers)
        for pattern, gaps in other.gaps.items():
            self.gaps[pattern].update(gaps)
        self.add_codes(other.codes)
        self.findings.update(other.findings)
        for address, client in other.clients.items():
            self.client(address).add(client)
        self.prompts_without_cache += other.prompts_without_cache
        self.doubles_without_cache += other.doubles_without_cache
