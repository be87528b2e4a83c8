"""Tables of bounded size that can be added: rows by name, and the latest few of many entries. Pure."""

from heapq import nlargest
from typing import Any

AUTHENTICATIONS, SUCCESS, FAILURE, UNKNOWN, FIRST_STEPS, PROMPTS, DOUBLE_PROMPTS = range(7)
COLUMNS = ("authentications", "success", "failure", "unknown", "first_steps", "prompts", "double_prompts")
"""The names of the numbers of a row, as the summary has them."""

OTHERS = "(others)"
MOST_NAMES = 256
MOST_LATEST = 200

Row = list[int]


class Rows:
    """Rows of numbers by name. Past `most` names, further ones share the row `OTHERS`."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self.most = most
        self.rows: dict[Any, Row] = {}

    def row(self, name: Any) -> Row:
        """Return the row of a name; the row `OTHERS` once the table is full."""
        row = self.rows.get(name)
        if row is None:
            if len(self.rows) >= self.most and name != OTHERS:
                return self.row(OTHERS)
            row = self.rows[name] = [0] * len(COLUMNS)
        return row

    def add(self, other: "Rows") -> None:
        """Add the rows of another table to these."""
        for name, theirs in other.rows.items():
            row = self.row(name)
            for column, number in enumerate(theirs):
                row[column] += number

    def listed(self) -> list[dict[str, Any]]:
        """Return the rows as plain data, those with the most prompts first, `OTHERS` last."""
        order = sorted(self.rows.items(), key=lambda item: (item[0] == OTHERS, -item[1][PROMPTS], -sum(item[1]), str(item[0])))
        return [{"name": name, **named(row)} for name, row in order]


def named(row: Row) -> dict[str, int]:
    """Return the numbers of a row by name."""
    return dict(zip(COLUMNS, row, strict=True))


class Latest:
    """The total number of entries, and the latest `MOST_LATEST` of them. An entry is (time as text, plain data)."""

    def __init__(self) -> None:
        self.total = 0
        self.entries: list[tuple[str, dict[str, Any]]] = []

    def add(self, time: str, entry: dict[str, Any]) -> None:
        """Add an entry."""
        self.total += 1
        self.entries.append((time, entry))
        if len(self.entries) >= 2 * MOST_LATEST:
            self.entries = self._kept()

    def merge(self, other: "Latest") -> None:
        """Add the entries of another table."""
        self.total += other.total
        self.entries += other.entries
        self.entries = self._kept()

    def _kept(self) -> list[tuple[str, dict[str, Any]]]:
        return nlargest(MOST_LATEST, self.entries, key=lambda entry: (entry[0], repr(entry[1])))

    def listed(self) -> list[dict[str, Any]]:
        """Return the entries, the latest first."""
        return [entry for _, entry in self._kept()]
