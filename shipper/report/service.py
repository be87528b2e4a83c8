"""The users of one component while its log is read, each with a run: the latest prompts that a cache may tie together. Pure.

A run ends with a prompt from which no cache of the ladder can reach the next one; it is then counted and forgotten. Long runs
are counted piece by piece. So memory holds the prompts of the last hours of event time.

The compiled kernel, if present, keeps the runs that consist of plain prompts, and counts them as the code here does. Python
takes over a user's run when another kind of authentication joins it.
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

MOST_IDLE = 50_000  # users without a run whom the kernel keeps, since most return
PIECE = 64  # prompts in a run before the older ones are counted
_ADDRESS = itemgetter(4)
EVERYTHING_MISSED = [ALL_MISSED] * len(READINGS)


def reach(exchange_timeout: int, window: int) -> int:
    """Return how far event time must be past the end of a user's latest prompt for later lines to be unrelated to it; all in
    nanoseconds."""
    return max(LONGEST, window) + 4 * exchange_timeout


class Advice:
    """What caches would have spared, by cache type, and the number of prompts, and of prompts with an address."""

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
    """The users of one component; `apart` is its `reach`, and the first event time past `turn` calls for `sweep`."""

    def __init__(self, exchange_timeout: int, window: int, advice: Advice | None) -> None:
        """
        Args:
            exchange_timeout: nanoseconds that a request waits for its status, and a first step for the second.
            window: window of double prompts, in nanoseconds: how far apart the two prompts of a finding can be.
            advice: receives the sums; None if the component has no cache.
        """
        self.people = People()
        self.turn = BEFORE_ALL
        self._timeout = exchange_timeout
        self._slack = 4 * exchange_timeout  # after this much event time, a prompt and its findings are final
        self.apart = reach(exchange_timeout, window)
        self._advice = advice
        self._active: set[Person] = set()
        # The runs that the kernel keeps; None without it.
        self.runs = compiled.runs(self.people, NO_PROMPT, self.apart, PIECE, MOST_IDLE, None if advice is None else STEPS)

    def newcomer(self, user: UserFields) -> Person:
        """Add an entry for a user who has none."""
        if self.runs:
            person = self.people.newcomer(user)
            if person is not None:
                return person
            self.take_over()  # so that the choice of whom to forget sees all prompts
        return self.people.new(user)

    def recall(self, key: str) -> None:
        """Take the run of a user back from the kernel, if the kernel has it."""
        known = None if self.runs is None else self.runs.pop(key)
        if known is not None:
            person, run, latest, seconds = known
            person.run, person.latest, person.seconds = run, latest, seconds
            self._active.add(person)

    def hand_over(self, key: str) -> None:
        """Give the run of a user to the kernel, if it now consists of plain prompts."""
        person = self.people.get(key)
        if self.runs is None or person is None or not person.run or person.waiting or person.memory is not None:
            return
        if self.runs.put(key, person, person.run, person.latest, person.seconds):
            self._active.discard(person)
            person.run, person.latest, person.seconds, person.waiting = [], NO_PROMPT, None, None

    def take_over(self) -> None:
        """Take all runs and sums back from the kernel."""
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
        """Begin a run of prompts, and count the one before it."""
        if person.latest > NO_PROMPT:
            self._end(person)
        else:
            self._active.add(person)

    def _end(self, person: Person) -> None:
        self._count(person)
        person.memory, person.waiting, person.latest = None, None, NO_PROMPT

    def join(self, later: "Service") -> None:
        """Add the users of a later part of the log. These had been silent for so long that the part could count them without
        what came before. The kernel holds nothing of either part."""
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
        """Count the runs that are over, because nothing can follow after so long a silence. Call this when the newest event time
        passes `turn`; returns the next `turn`."""
        self.turn = newest + self.apart
        over = [person for person in self._active if person.latest + self.apart < newest]
        for person in over:
            self._end(person)
        self._active.difference_update(over)
        if self.runs:
            self.runs.sweep(newest)
        return self.turn

    def close(self) -> None:
        """End the log: count the remaining runs."""
        if self.runs:
            self.runs.sweep()
        self.take_over()
        for person in self._active:
            self._end(person)
        self._active.clear()

    def part(self) -> None:
        """End a part of the log: take back the kernel's runs, since the rest goes to another process."""
        self.take_over()
        self.runs = None

    def answered(self, person: Person, completion: CompletionFields, address: str | None) -> Prompt | None:
        """Return the prompt whose second step an authentication is, with its new end and outcome; None if there is none."""
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
        """Mark a prompt of a user as the second of a double prompt, and return it; None if it is no longer in memory."""
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
        """Count the prompts of a long run that are final."""
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
        """Count the run of a user, and empty it."""
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
                person.miss(1, EVERYTHING_MISSED)  # a cache by address spares no prompt without an address
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
