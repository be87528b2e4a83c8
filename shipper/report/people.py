"""What the report knows of each user, in a table of bounded size. Pure."""

from heapq import nlargest
from typing import Any

import orjson

from shipper.report.cache import LADDER, READINGS, TYPES

MOST_PEOPLE = 250_000
MOST_PAIRS = 20_000  # in memory, of all users together
PAIRS = 3  # of a user
ALL_MISSED = (1 << len(LADDER)) - 1

PATTERNS = ("sequential", "concurrent", "retry")
REFUSALS = ("denied", "no_response", "fraud")
NUMBERS = ("authentications", "prompts", *PATTERNS, *REFUSALS, "fatigue", "cacheable")
"""What is counted of a user; `cacheable` are double prompts on a service that has a cache."""

PLACE = {name: place for place, name in enumerate(NUMBERS)}
AUTHENTICATIONS, PROMPTS, CACHEABLE = PLACE["authentications"], PLACE["prompts"], PLACE["cacheable"]
_DOUBLES = slice(PLACE["sequential"], PLACE["retry"] + 1)
_REFUSALS = slice(PLACE["denied"], PLACE["fraud"] + 1)


class Person:
    """One user.

    Attributes:
        name: as people write it.
        numbers: those of `NUMBERS`.
        missed: by cache type and reading, a bit for each step of the ladder that would not have spared all double prompts.
        pairs: the latest double prompts, each as the time of its end and JSON.
    """

    __slots__ = ("missed", "name", "numbers", "pairs")

    def __init__(self, name: str) -> None:
        self.name = name
        self.numbers = [0] * len(NUMBERS)
        self.missed: list[int] | None = None
        self.pairs: list[tuple[str, bytes]] | None = None

    @property
    def doubles(self) -> int:
        """Double prompts of all patterns."""
        return sum(self.numbers[_DOUBLES])

    @property
    def refusals(self) -> int:
        """Prompts that were denied, not answered or called a fraud."""
        return sum(self.numbers[_REFUSALS])

    def misses(self, kind: int, reading: int) -> int:
        """The bits of a cache type and reading."""
        return self.missed[kind * len(READINGS) + reading] if self.missed else 0


class People:
    """The users by their key.

    At `MOST_PEOPLE` users the less interesting half is forgotten: those with the fewest double prompts and refusals, then
    the fewest authentications. `forgotten` counts them; a user who comes again counts again.
    """

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.forgotten = 0
        self._pairs = 0

    def person(self, key: str, name: str) -> Person:
        """The entry of a user, to count in."""
        person = self.people.get(key)
        if person is None:
            if len(self.people) >= MOST_PEOPLE:
                kept = nlargest(MOST_PEOPLE // 2, self.people.items(), key=_interest)
                self.forgotten += len(self.people) - len(kept)
                self.people = dict(kept)
            person = self.people[key] = Person(name)
        return person

    def missed(self, key: str, kind: int, reading: int, bits: int) -> None:
        """Caches with these bits would not have spared a user one of the double prompts."""
        person = self.people.get(key)
        if person is not None:
            person.missed = person.missed or [0] * (len(TYPES) * len(READINGS))
            person.missed[kind * len(READINGS) + reading] |= bits & ALL_MISSED

    def missed_by_all(self, key: str) -> None:
        """No cache can be said to have spared a user one of the double prompts."""
        for kind in range(len(TYPES)):
            for reading in range(len(READINGS)):
                self.missed(key, kind, reading, ALL_MISSED)

    def pair(self, person: Person, end: str, pair: dict[str, Any]) -> None:
        """A double prompt of a user, to show. Only the latest `PAIRS` are kept, and `MOST_PAIRS` of all users."""
        self._add_pairs(person, [(end, orjson.dumps(pair))])
        if self._pairs > MOST_PAIRS:
            shown = [person for person in self.people.values() if person.pairs]
            shown.sort(key=lambda person: -person.doubles)
            for other in shown[len(shown) // 2 :]:
                other.pairs = None
            self._pairs = sum(len(person.pairs or ()) for person in shown)

    def _add_pairs(self, person: Person, more: list[tuple[str, bytes]]) -> None:
        before = person.pairs or []
        person.pairs = sorted([*before, *more])[-PAIRS:]
        self._pairs += len(person.pairs) - len(before)

    def add(self, other: "People") -> None:
        """Add the users of another log to these."""
        self.forgotten += other.forgotten
        for key, theirs in other.people.items():
            person = self.person(key, theirs.name)
            person.numbers = [a + b for a, b in zip(person.numbers, theirs.numbers, strict=True)]
            if theirs.missed:
                mine = person.missed or [0] * len(theirs.missed)
                person.missed = [a | b for a, b in zip(mine, theirs.missed, strict=True)]
            if theirs.pairs:
                self._add_pairs(person, theirs.pairs)


def _interest(item: tuple[str, Person]) -> tuple[int, int]:
    return item[1].doubles + item[1].refusals, item[1].numbers[AUTHENTICATIONS]
