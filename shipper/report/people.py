"""The users of a report, in a table of bounded size. Pure."""

from heapq import nlargest
from operator import itemgetter
from typing import NamedTuple

from shipper.detect.finding import shown
from shipper.model import User, UserFields
from shipper.report.cache import READINGS, TYPES, Memory, Missed, Prompt
from shipper.report.found import DoublePrompt
from shipper.times import BEFORE_ALL

MOST_PEOPLE = 250_000
MOST_PAIRS = 20_000  # in memory, for all users together
PAIRS = 3  # for each user

PATTERNS = ("sequential", "concurrent", "retry")
REFUSALS = ("denied", "no_response", "fraud")
NUMBERS = (*PATTERNS, *REFUSALS, "fatigue", "cacheable")
"""The counters that are zero for most users; `cacheable` counts double prompts on a service that has a cache."""


class Shown(NamedTuple):
    """A double prompt to show in the report, preceded by its sort key."""

    order: tuple[str, ...]
    double: DoublePrompt
    host: str | None
    address: str | None


NO_PROMPT = 2 * BEFORE_ALL
"""The `latest` of a user without a run: far before the first value of any clock."""

_ORDER = itemgetter(0)
PLACE = {name: place for place, name in enumerate(NUMBERS)}
_NONE = [0] * len(NUMBERS)


class Person:
    """One user.

    Attributes:
        name: the name as people write it.
        first_steps: number of first steps.
        prompts: number of prompts, without those in `run`, which are not yet counted.
        others: authentications and first steps that are no prompts of their own.
        numbers: the counters of `NUMBERS`; None if all are 0.
        missed: by cache type and reading, a bit for each step of the ladder that would not have spared all double prompts.
        pairs: the latest double prompts.
        run: while the log is read, the latest prompts that a cache may tie together, with `latest`, the latest end; `seconds`,
            the ids of second prompts of double prompts; `memory`, the cache entries before the run, by cache type and address;
            and `waiting`, the two-step prompts that wait for their answer, by method.
    """

    __slots__ = (
        "first_steps",
        "latest",
        "memory",
        "missed",
        "name",
        "numbers",
        "others",
        "pairs",
        "prompts",
        "run",
        "seconds",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.first_steps = self.prompts = self.others = 0
        self.numbers: list[int] | None = None
        self.missed: list[Missed] | None = None
        self.pairs: list[Shown] | None = None
        self.run: list[Prompt] = []
        self.latest = NO_PROMPT
        self.seconds: set[str] | None = None
        self.memory: dict[tuple[int, str], Memory] | None = None
        self.waiting: dict[str, Prompt] | None = None

    def count(self, name: str, more: int = 1) -> None:
        """Increment one of `NUMBERS`."""
        if self.numbers is None:
            self.numbers = _NONE[:]
        self.numbers[PLACE[name]] += more

    def number(self, name: str) -> int:
        """Return one of `NUMBERS`."""
        return self.numbers[PLACE[name]] if self.numbers else 0

    @property
    def completed(self) -> int:
        """The number of authentications and first steps."""
        return self.prompts + self.others + len(self.run)

    @property
    def doubles(self) -> int:
        """The number of double prompts of all patterns."""
        return sum(map(self.number, PATTERNS)) if self.numbers else 0

    @property
    def refusals(self) -> int:
        """The number of prompts that were denied, not answered or reported as fraud."""
        return sum(map(self.number, REFUSALS)) if self.numbers else 0

    def miss(self, kind: int, bits: Missed) -> None:
        """Record the steps, as bits, that would not have spared a double prompt, for one cache type."""
        if self.missed is None:
            self.missed = [[0] * len(READINGS) for _ in TYPES]
        self.missed[kind] = [a | b for a, b in zip(self.missed[kind], bits, strict=True)]

    def miss_both(self, by_user: Missed, by_address: Missed) -> None:
        """Record them for both cache types."""
        if self.missed is None:
            self.missed = [by_user, by_address]
        else:
            self.miss(0, by_user)
            self.miss(1, by_address)

    def misses(self, kind: int, reading: int) -> int:
        """Return the `missed` bits of a cache type and reading."""
        return self.missed[kind][reading] if self.missed else 0

    def pair(self, pair: Shown) -> None:
        """Keep a double prompt to show; only the latest `PAIRS` stay."""
        if self.pairs is None:
            self.pairs = [pair]
        else:
            self.pairs.append(pair)
            self.pairs.sort(key=_ORDER)
            del self.pairs[:-PAIRS]

    def add(self, other: "Person") -> None:
        """Add the counts of the same user in another log."""
        self.others += other.others
        self.first_steps += other.first_steps
        self.prompts += other.prompts
        if other.numbers:
            self.numbers = [a + b for a, b in zip(self.numbers or _NONE, other.numbers, strict=True)]
        for kind, bits in enumerate(other.missed or ()):
            self.miss(kind, bits)
        if other.pairs:
            self.pairs = sorted([*(self.pairs or ()), *other.pairs], key=_ORDER)[-PAIRS:]


class People(dict[str, Person]):
    """Users by their key.

    At `MOST_PEOPLE` users, the half with the fewest double prompts and refusals, then the fewest authentications, is
    forgotten. `forgotten` counts these users; a forgotten user who returns counts again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forgotten = 0
        self._pairs = 0

    def new(self, user: UserFields) -> Person:
        """Add an entry for a user who has none."""
        person = Person(shown(User(*user)))
        self._enter(user[3], person)
        return person

    def newcomer(self, user: UserFields) -> Person | None:
        """Add an entry for a user who has none, if that forgets no others; else return None."""
        return self.new(user) if len(self) < MOST_PEOPLE else None

    def _enter(self, key: str, person: Person) -> None:
        if len(self) >= MOST_PEOPLE:
            kept = nlargest(MOST_PEOPLE // 2, self.items(), key=_interest)
            self.forgotten += len(self) - len(kept)
            self.clear()
            self.update(kept)
        self[key] = person

    def pair(self, person: Person, pair: Shown) -> None:
        """Keep a double prompt of a user to show, and apply `limit`."""
        person.pair(pair)
        self._pairs += 1
        self.limit()

    def limit(self) -> None:
        """If too many pairs are kept, drop those of the half of the users with the fewest double prompts."""
        if self._pairs <= MOST_PAIRS:
            return
        shown = [person for person in self.values() if person.pairs]
        self._pairs = sum(len(person.pairs or ()) for person in shown)
        if self._pairs > MOST_PAIRS // 2:
            shown.sort(key=lambda person: -person.doubles)
            for person in shown[-(-len(shown) // 2) :]:
                self._pairs -= len(person.pairs or ())
                person.pairs = None

    def add(self, other: "People") -> None:
        """Add the users of another log, whose entries this table may keep as its own."""
        self.forgotten += other.forgotten
        if not self:
            self.update(other)
            self._pairs += sum(len(person.pairs or ()) for person in other.values())
        else:
            for key, theirs in other.items():
                self.add_user(key, theirs)
        self.limit()

    def add_user(self, key: str, theirs: Person) -> Person:
        """Add a user of another table, and return the entry. Call `limit` after the last user."""
        ours = self.get(key)
        if ours is None:
            ours = theirs
            self._enter(key, theirs)
        else:
            ours.add(theirs)
        self._pairs += len(theirs.pairs or ())
        return ours


def _interest(item: tuple[str, Person]) -> tuple[int, int]:
    return item[1].doubles + item[1].refusals, item[1].completed
