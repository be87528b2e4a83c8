"""The users of one component while its log is read: their prompts in order, as far as a cache ties them together. Pure.

A prompt ends a run when no cache of the ladder can reach from it to the next one; the run is then counted and forgotten.
Long ones are counted piece by piece. So memory holds the prompts of the last hours of event time.

The kernel, where it is there, has the runs in which all are plain prompts, and counts them as is done here. Python takes the run of
a user over once there is more to it.
"""

from bisect import bisect_left
from collections.abc import Collection
from operator import itemgetter

from shipper.decode import compiled
from shipper.detect.prompts import NO_METHOD
from shipper.model import CompletionFields, UserFields
from shipper.report.cache import ALL_MISSED, LONGEST, NOTHING_HELD, READINGS, STEPS, TYPES, CacheSums, Prompt, ends
from shipper.report.people import NO_PROMPT, People, Person
from shipper.times import BEFORE_ALL

MOST_IDLE = 50_000  # users with no prompts in memory whom the kernel keeps, since most come again
PIECE = 64  # prompts of a run that are in memory before some of them are counted
_ADDRESS = itemgetter(4)
EVERYTHING_MISSED = [ALL_MISSED] * len(READINGS)


def reach(exchange_timeout: int, window: int) -> int:
    """Once event time is so much later than the end of a user's latest prompt, nothing that comes has to do with it; all in
    nanoseconds."""
    return max(LONGEST, window) + 4 * exchange_timeout


class Advice:
    """What caches would have spared, by cache type, and of how many prompts."""

    def __init__(self) -> None:
        self.prompts = 0
        self.with_address = 0
        self.types = [CacheSums() for _ in TYPES]

    def add(self, other: "Advice") -> None:
        """Add the sums of another log."""
        self.prompts += other.prompts
        self.with_address += other.with_address
        for sums, others in zip(self.types, other.types, strict=True):
            sums.add(others)


class Service:
    """One component; `apart` is its `reach`."""

    def __init__(self, exchange_timeout: int, window: int, advice: Advice | None) -> None:
        """
        Args:
            exchange_timeout: nanoseconds that a request waits for its status, and the first of two steps for the second.
            window: of double prompts, in nanoseconds: how far a finding reaches.
            advice: takes the sums; None where there is no cache.
        """
        self.people = People()
        self.turn = BEFORE_ALL
        self._timeout = exchange_timeout
        self._slack = 4 * exchange_timeout  # after that much event time a prompt and its findings are known
        self.apart = reach(exchange_timeout, window)
        self._advice = advice
        self._active: set[Person] = set()
        # The runs that the kernel has.
        self.runs = compiled.runs(self.people, NO_PROMPT, self.apart, PIECE, MOST_IDLE, None if advice is None else STEPS)

    def newcomer(self, user: UserFields) -> Person:
        """An entry for a user who has none."""
        if self.runs:
            person = self.people.newcomer(user)
            if person is not None:
                return person
            self.take_over()  # whose prompts then count for who is forgotten
        return self.people.new(user)

    def recall(self, key: str) -> None:
        """Take the run of a user over from the kernel, if it has one."""
        known = None if self.runs is None else self.runs.pop(key)
        if known is not None:
            person, run, latest, seconds = known
            person.run, person.latest, person.seconds = run, latest, seconds
            self._active.add(person)

    def hand_over(self, key: str) -> None:
        """Let the kernel have the run of a user, if it is one of plain prompts now."""
        person = self.people.get(key)
        if self.runs is None or person is None or not person.run or person.waiting or person.memory is not None:
            return
        if self.runs.put(key, person, person.run, person.latest, person.seconds):
            self._active.discard(person)
            person.run, person.latest, person.seconds, person.waiting = [], NO_PROMPT, None, None

    def take_over(self) -> None:
        """Take all over that the kernel has."""
        if self.runs is None:
            return
        for key in self.runs.users():
            self.recall(key)
        prompts, found = self.runs.settle()
        if self._advice is not None:
            self._advice.prompts += prompts
            by_user = self._advice.types[0]
            for spans, numbers in zip((by_user.both, *by_user.readings), found, strict=True):
                for sums in numbers:
                    spans.sum(*sums)

    def begin(self, person: Person) -> None:
        """A run of prompts begins; count the one before it."""
        if person.latest > NO_PROMPT:
            self._end(person)
        else:
            self._active.add(person)

    def _end(self, person: Person) -> None:
        self._count(person)
        person.memory, person.waiting, person.latest = None, None, NO_PROMPT

    def join(self, later: "Service") -> None:
        """Take the users of a later part of the log. Those that it knows were not asked for so long before that it counted them
        as if nothing had been. The kernel has nothing of either."""
        self.people.forgotten += later.people.forgotten
        for key, theirs in later.people.items():
            before = self.people.get(key)
            was_active = before is not None and before.latest > NO_PROMPT
            if before is not None and was_active:
                self._end(before)
            person = self.people.add_user(key, theirs)
            person.run, person.latest, person.seconds = theirs.run, theirs.latest, theirs.seconds
            person.memory, person.waiting = theirs.memory, theirs.waiting
            if person.latest > NO_PROMPT and not was_active:
                self._active.add(person)
        self.people.limit()

    def sweep(self, newest: int) -> int:
        """Count the runs of users who were not asked for so long that nothing can follow. To be called when the newest
        event time of the log passes `turn`; returns the next one."""
        self.turn = newest + self.apart
        over = [person for person in self._active if person.latest + self.apart < newest]
        for person in over:
            self._end(person)
        self._active.difference_update(over)
        if self.runs:
            self.runs.sweep(newest)
        return self.turn

    def close(self) -> None:
        """The end of the log: count what is left."""
        if self.runs:
            self.runs.sweep()
        self.take_over()
        for person in self._active:
            self._end(person)
        self._active.clear()

    def part(self) -> None:
        """The end of a part of the log; what is left goes to another process."""
        self.take_over()
        self.runs = None

    def answered(self, person: Person, completion: CompletionFields, address: str | None) -> Prompt | None:
        """The prompt whose second step an authentication is, with the end and the outcome that it has now; None if it is none."""
        _, _, _, _, start, _, end, _, code, success, _ = completion
        method = code.method or NO_METHOD
        first = person.waiting and person.waiting.get(method)
        if not first or code.status_class == "pending" or not 0 <= start - first[2] <= self._timeout:
            return None
        assert person.waiting
        del person.waiting[method]
        began, name, _, _, place = first
        prompt = began, name, end, success, place or address
        person.run = [prompt if asked == first else asked for asked in person.run]
        person.latest = max(person.latest, end)
        return prompt

    def second(self, key: str, prompt_id: str) -> Prompt | None:
        """A finding says that a prompt of a user is the second of two; returns that prompt, or None if it is not known any more."""
        found = None if self.runs is None else self.runs.second(key, prompt_id)
        if found is not None:
            return found
        person = self.people[key]
        for prompt in reversed(person.run):
            if prompt[1] == prompt_id:
                person.seconds = person.seconds or set()
                person.seconds.add(prompt_id)
                return prompt
        return None

    def shorten(self, person: Person, newest: int) -> None:
        """Count the prompts of a long run about which nothing can change any more."""
        person.run.sort()
        at = bisect_left(person.run, (newest - self._slack,))
        rest, seconds = person.run[at:], person.seconds
        del person.run[at:]
        if person.memory is None:
            person.memory = {}
        self._count(person)
        person.run = rest
        if seconds:
            person.seconds = {prompt[1] for prompt in rest if prompt[1] in seconds} or None

    def _count(self, person: Person) -> None:
        """Count the run of a user; it is empty then."""
        advice, run, seconds = self._advice, person.run, person.seconds or ()
        person.run, person.seconds = [], None
        person.prompts += len(run)
        if advice is None or not run:
            return
        advice.prompts += len(run)
        if len(run) > 1:
            run.sort()
        elif not seconds and person.memory is None and run[0][4] is None:
            return
        self._simulate(person, 0, "", run, seconds)
        if seconds or any(map(_ADDRESS, run)):
            self._simulate_by_address(person, run, seconds)
        if person.memory:
            oldest = run[-1][0] - self.apart
            person.memory = {key: held for key, held in person.memory.items() if ends(held) >= oldest}

    def _simulate_by_address(self, person: Person, run: list[Prompt], seconds: Collection[str]) -> None:
        assert self._advice is not None
        by_address: dict[str, list[Prompt]] = {}
        for prompt in run:
            if prompt[4] is not None:
                by_address.setdefault(prompt[4], []).append(prompt)
                self._advice.with_address += 1
            elif prompt[1] in seconds:
                person.miss(1, EVERYTHING_MISSED)  # a cache by address would not have spared what has none
        for address, prompts in by_address.items():
            self._simulate(person, 1, address, prompts, seconds)

    def _simulate(self, person: Person, kind: int, address: str, prompts: list[Prompt], seconds: Collection[str]) -> None:
        assert self._advice is not None
        memory = None
        if person.memory is not None:
            memory = person.memory.setdefault((kind, address), [NOTHING_HELD for _ in READINGS])
        missed = self._advice.types[kind].take(prompts, seconds, memory)
        if missed is not None:
            person.miss(kind, missed)
