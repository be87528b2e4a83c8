"""What the report knows of each user, in a table of bounded size. Pure."""

from heapq import nlargest
from operator import itemgetter
from typing import NamedTuple

from shipper.detect.finding import shown
from shipper.model import User, UserFields
from shipper.report.cache import READINGS, TYPES, Memory, Missed, Prompt
from shipper.report.found import DoublePrompt
from shipper.times import BEFORE_ALL

MOST_PEOPLE = 250_000
MOST_PAIRS = 20_000  # in memory, of all users together
PAIRS = 3  # of a user

PATTERNS = ("sequential", "concurrent", "retry")
REFUSALS = ("denied", "no_response", "fraud")
NUMBERS = (*PATTERNS, *REFUSALS, "fatigue", "cacheable")
"""What is counted of few users; `cacheable` are double prompts on a service that has a cache."""


class Shown(NamedTuple):
    """A double prompt that is shown, by its `order`."""

    order: tuple[str, ...]
    double: DoublePrompt
    host: str | None
    address: str | None


NO_PROMPT = 2 * BEFORE_ALL
"""The end of the latest prompt where there is none: long before a clock that has not begun to move."""

_ORDER = itemgetter(0)
PLACE = {name: place for place, name in enumerate(NUMBERS)}
_NONE = [0] * len(NUMBERS)


class Person:
    """One user.

    Attributes:
        name: as people write it.
        first_steps: how many there were.
        prompts: as far as they have been counted; those in `run` have not.
        others: authentications and first steps that are no prompts of their own.
        numbers: those of `NUMBERS`; None if all are 0.
        missed: by cache type and reading, a bit for each step of the ladder that would not have spared all double prompts.
        pairs: the latest double prompts.
        run: while the log is read, the latest prompts, as far as a cache may tie them together; `latest` is the latest end,
            `seconds` are the ids of second prompts of double prompts, `memory` is by cache type and address what caches hold
            before the run, `waiting` the prompts of two steps that wait for their answer, by method.
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
        """Count one of `NUMBERS` up."""
        if self.numbers is None:
            self.numbers = _NONE[:]
        self.numbers[PLACE[name]] += more

    def number(self, name: str) -> int:
        """One of `NUMBERS`."""
        return self.numbers[PLACE[name]] if self.numbers else 0

    @property
    def completed(self) -> int:
        """Authentications and first steps."""
        return self.prompts + self.others + len(self.run)

    @property
    def doubles(self) -> int:
        """Double prompts of all patterns."""
        return sum(map(self.number, PATTERNS)) if self.numbers else 0

    @property
    def refusals(self) -> int:
        """Prompts that were denied, not answered or called a fraud."""
        return sum(map(self.number, REFUSALS)) if self.numbers else 0

    def miss(self, kind: int, bits: Missed) -> None:
        """Caches of a type with these bits would not have spared a double prompt."""
        if self.missed is None:
            self.missed = [[0] * len(READINGS) for _ in TYPES]
        self.missed[kind] = [a | b for a, b in zip(self.missed[kind], bits, strict=True)]

    def miss_both(self, by_user: Missed, by_address: Missed) -> None:
        """The same of both types of caches."""
        if self.missed is None:
            self.missed = [by_user, by_address]
        else:
            self.miss(0, by_user)
            self.miss(1, by_address)

    def misses(self, kind: int, reading: int) -> int:
        """The bits of a cache type and reading."""
        return self.missed[kind][reading] if self.missed else 0

    def pair(self, pair: Shown) -> None:
        """A double prompt of the user, to show; the latest `PAIRS` are kept."""
        if self.pairs is None:
            self.pairs = [pair]
        else:
            self.pairs.append(pair)
            self.pairs.sort(key=_ORDER)
            del self.pairs[:-PAIRS]

    def add(self, other: "Person") -> None:
        """Add what another log says of the user."""
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

    At `MOST_PEOPLE` the less interesting half is forgotten: those with the fewest double prompts and refusals, then the
    fewest authentications. `forgotten` counts them; a user who comes again counts again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forgotten = 0
        self._pairs = 0

    def new(self, user: UserFields) -> Person:
        """An entry for a user who has none."""
        person = Person(shown(User(*user)))
        self._enter(user[3], person)
        return person

    def newcomer(self, user: UserFields) -> Person | None:
        """The same, if there is room without forgetting others."""
        return self.new(user) if len(self) < MOST_PEOPLE else None

    def _enter(self, key: str, person: Person) -> None:
        if len(self) >= MOST_PEOPLE:
            kept = nlargest(MOST_PEOPLE // 2, self.items(), key=_interest)
            self.forgotten += len(self) - len(kept)
            self.clear()
            self.update(kept)
        self[key] = person

    def pair(self, person: Person, pair: Shown) -> None:
        """A double prompt of a user, to show; if there are too many of all users, those with the fewest lose theirs."""
        person.pair(pair)
        self._pairs += 1
        self.limit()

    def limit(self) -> None:
        """Let the half of the users with the fewest double prompts lose their pairs, if there are too many of them."""
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
        """Add the users of another log to these, which take over what is in their entries."""
        self.forgotten += other.forgotten
        if not self:
            self.update(other)
            self._pairs += sum(len(person.pairs or ()) for person in other.values())
        else:
            for key, theirs in other.items():
                self.add_user(key, theirs)
        self.limit()

    def add_user(self, key: str, theirs: Person) -> Person:
        """Add what another table says of a user; returns the entry. Call `limit` after the last one."""
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
