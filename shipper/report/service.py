"""The users of one component while its log is read: their prompts in order, as far as a cache ties them together. Pure.

A prompt ends a run when no cache of the ladder can reach from it to the next one; the run is then counted and forgotten.
Long ones are counted piece by piece. So memory holds the prompts of the last hours of event time.
"""

from bisect import bisect_left
from collections.abc import Collection
from operator import itemgetter

from shipper.detect.prompts import NO_METHOD
from shipper.model import CompletionFields
from shipper.report.cache import ALL_MISSED, LONGEST, NOTHING_HELD, READINGS, TYPES, CacheSums, Prompt, ends
from shipper.report.people import NO_PROMPT, People, Person
from shipper.times import BEFORE_ALL

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
        self._active: list[Person] = []

    def begin(self, person: Person) -> None:
        """A run of prompts begins; count the one before it."""
        if person.latest > NO_PROMPT:
            self._end(person)
        else:
            self._active.append(person)

    def _end(self, person: Person) -> None:
        self._count(person)
        person.memory, person.waiting, person.latest = None, None, NO_PROMPT

    def join(self, later: "Service") -> None:
        """Take the users of a later part of the log. Those that it knows were not asked for so long before that it counted them
        as if nothing had been."""
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
                self._active.append(person)
        self.people.limit()

    def sweep(self, newest: int) -> int:
        """Count the runs of users who were not asked for so long that nothing can follow. To be called when the newest
        event time of the log passes `turn`; returns the next one."""
        self.turn = newest + self.apart
        active = []
        for person in self._active:
            if person.latest + self.apart < newest:
                self._end(person)
            else:
                active.append(person)
        self._active = active
        return self.turn

    def close(self) -> None:
        """The end of the log: count what is left."""
        for person in self._active:
            self._end(person)
        self._active = []

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

    def second(self, person: Person, prompt_id: str) -> Prompt | None:
        """A finding says that a prompt is the second of two; returns that prompt, or None if it is not known any more."""
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
