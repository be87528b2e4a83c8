"""What a cache of N seconds would have spared. Pure.

A cache rule of MFA Server lets a sign-in succeed without a prompt when the same user answered one at most N seconds
before. So a prompt would have been spared if, with that cache, an earlier one rang the phone and ended in success, and the
later one began at most N seconds after that end, or before it: Microsoft describes the cache as made for requests that come
while the first one is in progress. A prompt that is spared makes no entry.

It is not documented whether a hit makes an entry last longer. The reading `not_renewed` says no: N seconds from the
answer, and the phone rings again. `renewed` says yes: N seconds from the last hit.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Literal

from shipper.times import BEFORE_ALL, SECOND

LADDER = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 420, 600, 900, 1200, 1800, 2700, 3600)
"""Seconds of the caches that are tried."""

READINGS = ("not_renewed", "renewed")
TYPES: tuple[Literal["user", "user_and_address"], ...] = ("user", "user_and_address")
"""The cache types that a log can tell apart: by user, and by user and client address where a line names one."""

LONGEST = LADDER[-1] * SECOND
FEW = 6  # prompts whose distances are compared first
ALL_MISSED = (1 << len(LADDER)) - 1  # a bit for each step of the ladder
_STEPS = tuple(seconds * SECOND for seconds in LADDER)

Prompt = tuple[int, str, int, bool, str | None]
"""Start, id, end in nanoseconds, success, client address. A tuple, so that prompts sort by start, then id."""

Missed = list[int]
"""By reading, the bits of the steps with which a second prompt of a double prompt would not have been spared."""


class Memory:
    """The caches of one key (a user, or a user at an address), one for each step of the ladder.

    `until` is the last nanosecond at which each of them answers, `proof` the end of the last prompt that was answered with
    success although there was this cache.
    """

    __slots__ = ("proof", "until")

    def __init__(self) -> None:
        self.until = [BEFORE_ALL] * len(LADDER)
        self.proof = [BEFORE_ALL] * len(LADDER)


class Spared:
    """Sums with an entry for each step of the ladder.

    Attributes:
        prompts: prompts that would have been spared.
        doubles: of these, second prompts of double prompts.
        longest: the longest time, in nanoseconds, from an answer to a sign-in that passed because of it.
    """

    __slots__ = ("doubles", "longest", "prompts")

    def __init__(self) -> None:
        self.prompts = [0] * len(LADDER)
        self.doubles = [0] * len(LADDER)
        self.longest = [0] * len(LADDER)

    def add(self, other: "Spared") -> None:
        """Add other sums."""
        self.prompts = [a + b for a, b in zip(self.prompts, other.prompts, strict=True)]
        self.doubles = [a + b for a, b in zip(self.doubles, other.doubles, strict=True)]
        self.longest = [max(pair) for pair in zip(self.longest, other.longest, strict=True)]

    def count(self, step: int, stop: int, prompts: int, doubles: int, longest: int) -> None:
        """Count prompts that the caches from a step up to another one would have spared."""
        for at in range(step, stop):
            self.prompts[at] += prompts
            self.doubles[at] += doubles
            if longest > self.longest[at]:
                self.longest[at] = longest


class CacheSums:
    """One cache type: what caches would have spared in each reading, and in both where they say the same.

    Of two prompts that no third one is near, the readings say the same, and every longer cache does the same. Such pairs are
    by far the most; they are counted once, in `pairs`, by the first step that spares the second prompt.
    """

    def __init__(self) -> None:
        self.pairs = Spared()
        self.both = Spared()
        self.readings = [Spared() for _ in READINGS]

    def take(self, prompts: Sequence[Prompt], seconds: Collection[str]) -> Missed | None:
        """Count the prompts of one key, in the order of their starts, when nothing before or after them is near.

        Args:
            prompts: of the key.
            seconds: ids of second prompts of double prompts.
        """
        if len(prompts) == 2 and not seconds:
            (_, _, end, success, _), (start, _, _, _, _) = prompts
            if success and start - end <= LONGEST:
                step = bisect_left(_STEPS, start - end)
                self.pairs.count(step, step + 1, 1, 0, start - end)
            return None
        missed: Missed | None = None
        for cluster in _clusters(prompts, least=1 if seconds else 2):
            bits = self._take_cluster(cluster, seconds)
            if bits is not None:
                missed = bits if missed is None else [a | b for a, b in zip(missed, bits, strict=True)]
        return missed

    def _take_cluster(self, prompts: Sequence[Prompt], seconds: Collection[str]) -> Missed | None:
        if len(prompts) > 2:
            return self.resume(prompts, seconds, None, bisect_left(_STEPS, _shortest_gap(prompts)))
        if len(prompts) == 1:
            return [ALL_MISSED] * len(READINGS) if prompts[0][1] in seconds else None
        (_, first, end, _, _), (start, second, _, _, _) = prompts
        step = bisect_left(_STEPS, start - end)
        self.pairs.count(step, step + 1, 1, second in seconds, start - end)
        if not seconds:
            return None
        below = (1 << step) - 1 if second in seconds else 0
        return [ALL_MISSED if first in seconds else below] * len(READINGS)

    def resume(
        self, prompts: Sequence[Prompt], seconds: Collection[str], memories: Sequence[Memory] | None, first: int = 0
    ) -> Missed:
        """Count further prompts of one key, in the order of their starts.

        Args:
            prompts, seconds: as for `take`.
            memories: what the caches hold, by reading; None: nothing, and nothing has to be known afterwards.
            first: the first step that spares any of the prompts.
        """
        below = (1 << first) - 1 if seconds and any(prompt[1] in seconds for prompt in prompts) else 0
        missed = [below for _ in READINGS]
        changes = _changes(prompts, first) if memories is None else range(len(LADDER))
        for step, stop in pairwise([*changes, len(LADDER)]):
            outcomes = _outcomes(step, prompts, seconds, memories)
            counted = self.readings if len(outcomes) > 1 else [self.both]
            for spared, (number, doubles, longest, _) in zip(counted, outcomes, strict=True):
                spared.count(step, stop, number, doubles, longest)
            for reading in range(len(READINGS)):
                if outcomes[reading % len(outcomes)][3]:
                    missed[reading] |= (1 << stop) - (1 << step)
        return missed

    def sums(self, reading: int) -> Spared:
        """All that was counted, in a reading."""
        sums = Spared()
        sums.prompts = list(accumulate(self.pairs.prompts))
        sums.doubles = list(accumulate(self.pairs.doubles))
        sums.longest = list(accumulate(self.pairs.longest, max))
        sums.add(self.both)
        sums.add(self.readings[reading])
        return sums

    def add(self, other: "CacheSums") -> None:
        """Add the sums of another log."""
        self.pairs.add(other.pairs)
        self.both.add(other.both)
        for spared, others in zip(self.readings, other.readings, strict=True):
            spared.add(others)


_Outcome = tuple[int, int, int, bool]
"""How many prompts a cache would have spared; how many of these are in `seconds`; the longest time from an answer to one of
them; whether one in `seconds` would have been left."""


def _outcomes(
    step: int, prompts: Sequence[Prompt], seconds: Collection[str], memories: Sequence[Memory] | None
) -> list[_Outcome]:
    """What the cache of one step would have done with prompts of one key, by reading; one entry if the readings agree."""
    outcome, agree = _outcome(step, prompts, seconds, memories[0] if memories else None, renewed=False)
    if memories is None and agree:
        return [outcome]
    return [outcome, _outcome(step, prompts, seconds, memories[1] if memories else None, renewed=True)[0]]


def _outcome(
    step: int, prompts: Sequence[Prompt], seconds: Collection[str], memory: Memory | None, *, renewed: bool
) -> tuple[_Outcome, bool]:
    """The outcome in one reading, and whether the readings agree: no prompt was left behind one that was spared."""
    until, proof = (memory.until[step], memory.proof[step]) if memory else (BEFORE_ALL, BEFORE_ALL)
    lasts, spared, doubles, longest, missed, agree = _STEPS[step], 0, 0, 0, False, True
    for start, name, end, success, _ in prompts:
        if start <= until:
            spared += 1
            doubles += name in seconds
            if start - proof > longest:
                longest = start - proof
            if renewed:
                until = max(until, start + lasts, proof + lasts)
            continue
        if spared:
            agree = False
        if name in seconds:
            missed = True
        if success and end > proof:
            proof = end
            until = max(until, end + lasts)
    if memory:
        memory.until[step], memory.proof[step] = until, proof
    return (spared, doubles, longest, missed), agree


def _changes(prompts: Sequence[Prompt], first: int) -> Sequence[int]:
    """The steps from `first` on at which a cache may do something else than at the step before: what it does depends on nothing
    but whether it reaches from an end or a start to a later start."""
    if len(prompts) > FEW:
        return range(first, len(LADDER))
    reaches = {first}
    for at, (start, _, end, _, _) in enumerate(prompts):
        for later in prompts[at + 1 :]:
            reaches.add(bisect_left(_STEPS, later[0] - end))
            reaches.add(bisect_left(_STEPS, later[0] - start))
    return sorted(step for step in reaches if first <= step < len(LADDER))


def _clusters(prompts: Sequence[Prompt], least: int) -> Iterator[Sequence[Prompt]]:
    """The prompts, parted where no cache of the ladder reaches from one to the next, in either reading; the parts of at least
    so many prompts."""
    begin, reach = 0, BEFORE_ALL
    for at, (start, _, end, success, _) in enumerate(prompts):
        if start - reach > LONGEST:
            if at - begin >= least:
                yield prompts[begin:at]
            begin, reach = at, BEFORE_ALL
        elif start > reach:
            reach = start  # a hit may renew the entry
        if success and end > reach:
            reach = end
    if len(prompts) - begin >= least:
        yield prompts[begin:]


def _shortest_gap(prompts: Sequence[Prompt]) -> int:
    """The shortest time from a success to the start of a later prompt, `LONGEST` at most; a cache of less spares nothing."""
    gap, answered = LONGEST, BEFORE_ALL
    for start, _, end, success, _ in prompts:
        gap = min(gap, start - answered)
        if success:
            answered = max(answered, end)
    return gap
