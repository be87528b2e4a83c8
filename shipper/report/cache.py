"""Simulates what a cache of N seconds would have spared. Pure.

A cache rule of MFA Server lets a sign-in succeed without a prompt if the same user answered a prompt at most N seconds
before. So the cache would have spared a prompt if an earlier prompt, not spared itself, ended in success, and the prompt
began at most N seconds after that end, or before it: Microsoft describes the cache as meant for requests that arrive while
the first one is in progress. A spared prompt makes no entry.

Whether a hit extends an entry is not documented. In the reading `not_renewed` it does not: an entry lasts N seconds from the
answer. In `renewed` it does: an entry lasts N seconds from the last hit.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from shipper.times import BEFORE_ALL, SECOND

LADDER = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 420, 600, 900, 1200, 1800, 2700, 3600)
"""The cache lengths to simulate, in seconds."""

READINGS = ("not_renewed", "renewed")
TYPES: tuple[Literal["user", "user_and_address"], ...] = ("user", "user_and_address")
"""The cache types that a log can distinguish: by user, and by user and client address where a line names one."""

LONGEST = LADDER[-1] * SECOND
ALL_MISSED = (1 << len(LADDER)) - 1  # a bit for each step of the ladder
STEPS = tuple(seconds * SECOND for seconds in LADDER)
_ALL = len(STEPS)

Prompt = tuple[int, str, int, bool, str | None]
"""Start, id, end in nanoseconds, success, client address. A tuple, so that prompts sort by start, then id."""

Missed = list[int]
"""By reading, a bit for each step that would not have spared some second prompt of a double prompt."""

Held = tuple[int, int, int, int]
"""The entry that the caches of a range of steps hold: first step, step after the last, end of the last prompt that succeeded
despite the cache, and the time from which the entry lasts: that end, or the last hit if hits renew it."""

NOTHING_HELD: list[Held] = [(0, _ALL, BEFORE_ALL, BEFORE_ALL)]
Memory = list[list[Held]]
"""By reading, the entries of one key (a user, or a user at an address), whose ranges cover all steps, in order."""

_Hit = tuple[int, int, bool, int]
"""A spared prompt: first step, step after the last, whether it is the second of a pair, nanoseconds since the answer."""


def ends(memory: Memory) -> int:
    """Return the last nanosecond at which any of the caches has a hit."""
    return max(since + STEPS[stop - 1] for held in memory for _, stop, _, since in held)


class Spared:
    """Sums for each step of the ladder.

    Attributes:
        prompts: prompts that would have been spared.
        doubles: second prompts of double prompts among them.
        longest: the longest time, in nanoseconds, from an answer to a sign-in that it let pass.
    """

    __slots__ = ("doubles", "longest", "prompts")

    def __init__(self) -> None:
        self.prompts = [0] * len(LADDER)
        self.doubles = [0] * len(LADDER)
        self.longest = [0] * len(LADDER)


class Spans(dict[tuple[int, int], list[int]]):
    """The same sums by range of steps (first step, step after the last): most prompts are spared by all caches from some step on,
    and so are counted once."""

    def count(self, step: int, stop: int, double: bool, longest: int) -> None:
        """Count a prompt that the caches from `step` to before `stop` would have spared."""
        self.sum(step, stop, 1, double, longest)

    def sum(self, step: int, stop: int, prompts: int, doubles: int, longest: int) -> None:
        """Count several such prompts."""
        found = self.get((step, stop))
        if found is None:
            found = self[step, stop] = [0, 0, 0]
        found[0] += prompts
        found[1] += doubles
        if longest > found[2]:
            found[2] = longest

    def add(self, other: "Spans") -> None:
        """Add the sums of `other`."""
        for (step, stop), numbers in other.items():
            self.sum(step, stop, *numbers)

    def spread(self, spared: Spared) -> None:
        """Add these sums to sums by step."""
        for (first, stop), (prompts, doubles, longest) in self.items():
            for step in range(first, stop):
                spared.prompts[step] += prompts
                spared.doubles[step] += doubles
                spared.longest[step] = max(spared.longest[step], longest)


class CacheSums:
    """Sums of one cache type: of each reading where the two differ, and of both where they agree."""

    def __init__(self) -> None:
        self.both = Spans()
        self.readings = [Spans() for _ in READINGS]

    def take(self, prompts: Sequence[Prompt], seconds: Collection[str], memory: Memory | None = None) -> Missed | None:
        """Count prompts of one key, in the order of their starts.

        Args:
            prompts: the prompts of the key.
            seconds: ids of second prompts of double prompts.
            memory: the entries of the caches, updated here; None if no other prompts are within reach of a cache.

        Returns:
            By reading, the bits of the steps that miss a second prompt; None if no step does.
        """
        if memory is not None:
            return self._simulate(prompts, seconds, memory)
        if len(prompts) == 2 and prompts[0][1] not in seconds:
            return self._take_pair(prompts, seconds)  # also correct for two prompts that are far apart
        missed = None
        for part in _near(prompts):
            by_far_the_most = len(part) <= 2 and part[0][1] not in seconds
            more = self._take_pair(part, seconds) if by_far_the_most else self._simulate(part, seconds, None)
            if more is not None:
                missed = more if missed is None else [a | b for a, b in zip(missed, more, strict=True)]
        return missed

    def _take_pair(self, prompts: Sequence[Prompt], seconds: Collection[str]) -> Missed | None:
        """Count a prompt that is not a second one, alone or followed by another; see `take`."""
        if len(prompts) < 2:
            return None
        (_, _, end, success, _), (start, name, _, _, _) = prompts
        double = name in seconds
        step = bisect_left(STEPS, start - end) if success else _ALL
        if step < _ALL:
            self.both.count(step, _ALL, double, start - end)
        return [(1 << step) - 1] * len(READINGS) if double and step else None

    def _simulate(self, prompts: Sequence[Prompt], seconds: Collection[str], memory: Memory | None) -> Missed | None:
        """Run the prompts through the caches; see `take`."""
        hits, held, missed, agree = _passed(prompts, seconds, memory[0] if memory else NOTHING_HELD, renewed=False)
        by_reading = [missed, missed]
        if memory is None and agree:
            counted = [(self.both, hits)]
        else:
            renewed, held_renewed, by_reading[1], _ = _passed(
                prompts, seconds, memory[1] if memory else NOTHING_HELD, renewed=True
            )
            counted = list(zip(self.readings, (hits, renewed), strict=True))
            if memory:
                memory[:] = held, held_renewed
        for spans, found in counted:
            for hit in found:
                spans.count(*hit)
        return by_reading if any(by_reading) else None

    def sums(self, reading: int) -> Spared:
        """Return the sums of a reading, by step."""
        spared = Spared()
        self.both.spread(spared)
        self.readings[reading].spread(spared)
        return spared

    def add(self, other: "CacheSums") -> None:
        """Add the sums of another log."""
        self.both.add(other.both)
        for spans, others in zip(self.readings, other.readings, strict=True):
            spans.add(others)


def _near(prompts: Sequence[Prompt]) -> Iterator[Sequence[Prompt]]:
    """Split prompts, ordered by start, where no cache reaches from one to the next."""
    first, latest = 0, BEFORE_ALL
    for at, (start, _, end, _, _) in enumerate(prompts):
        if start > latest + LONGEST:
            if at > first:
                yield prompts[first:at]
            first = at
        if end > latest:
            latest = end
    yield prompts[first:]


def _passed(
    prompts: Sequence[Prompt], seconds: Collection[str], held: list[Held], *, renewed: bool
) -> tuple[list[_Hit], list[Held], int, bool]:
    """Simulate all caches at once over prompts of one key: of the steps that hold the same entry, those long enough spare a
    prompt, and the others do not.

    Returns:
        The spared prompts; the entries afterwards; the bits of the steps that miss one of `seconds`; and whether the readings
        agree, because no step that spared a prompt misses a later one.
    """
    hits: list[_Hit] = []
    missed, agree, lowest = 0, True, _ALL
    for start, name, end, success, _ in prompts:
        double = name in seconds
        if held is NOTHING_HELD:  # the first prompt, and further ones until one succeeds
            missed |= ALL_MISSED if double else 0
            held = [(0, _ALL, end, end)] if success else NOTHING_HELD
            continue
        then: list[Held] = []
        for first, stop, proof, since in held:
            step = bisect_left(STEPS, start - since, first, stop)
            if first < step:
                if double:
                    missed |= (1 << step) - (1 << first)
                agree = agree and step <= lowest
                now = (first, step, end, max(since, end)) if success and end > proof else (first, step, proof, since)
                if then and then[-1][2:] == now[2:]:
                    now = (then.pop()[0], *now[1:])
                then.append(now)
            if step < stop:
                lowest = min(lowest, step)
                hits.append((step, stop, double, start - proof))
                then.append((step, stop, proof, max(since, start, proof) if renewed else since))
        held = then
    return hits, held, missed, agree
