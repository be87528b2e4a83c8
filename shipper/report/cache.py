"""What a cache of N seconds would have spared. Pure.

A cache rule of MFA Server lets a sign-in succeed without a prompt when the same user answered one at most N seconds
before. So a prompt would have been spared if, with that cache, an earlier one rang the phone and ended in success, and the
later one began at most N seconds after that end, or before it: Microsoft describes the cache as made for requests that come
while the first one is in progress. A prompt that is spared makes no entry.

It is not documented whether a hit makes an entry last longer. The reading `not_renewed` says no: N seconds from the
answer, and the phone rings again. `renewed` says yes: N seconds from the last hit.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Literal

from shipper.times import BEFORE_ALL, SECOND

LADDER = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 420, 600, 900, 1200, 1800, 2700, 3600)
"""Seconds of the caches that are tried."""

READINGS = ("not_renewed", "renewed")
TYPES: tuple[Literal["user", "user_and_address"], ...] = ("user", "user_and_address")
"""The cache types that a log can tell apart: by user, and by user and client address where a line names one."""

LONGEST = LADDER[-1] * SECOND
_STEPS = tuple(seconds * SECOND for seconds in LADDER)

# A prompt: start, id, end in nanoseconds, success, address, whether it is the second one of a finding, and the method for
# whose code it waits. A list, so that prompts sort by start, then id, and can be amended.
Prompt = list[Any]
START, ID, END, SUCCEEDED, ADDRESS, IS_SECOND, WAITS = range(7)


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
    """The sums of one reading of one cache type, with an entry for each step of the ladder.

    Attributes:
        prompts: prompts that would have been spared.
        doubles: of these, second prompts of findings.
        longest: the longest time, in nanoseconds, from an answer to a sign-in that passed because of it.
    """

    def __init__(self) -> None:
        self.prompts = [0] * len(LADDER)
        self.doubles = [0] * len(LADDER)
        self.longest = [0] * len(LADDER)

    def add(self, other: "Spared") -> None:
        """Add the sums of another log."""
        self.prompts = [a + b for a, b in zip(self.prompts, other.prompts, strict=True)]
        self.doubles = [a + b for a, b in zip(self.doubles, other.doubles, strict=True)]
        self.longest = [max(pair) for pair in zip(self.longest, other.longest, strict=True)]

    def take(self, prompts: Sequence[Prompt], memory: Memory | None, *, renewed: bool) -> int:
        """Count what caches would have spared of the prompts of one key, in the order of their starts.

        Args:
            prompts: further prompts of the key.
            memory: what the caches hold by now; None if nothing, and if nothing has to be known afterwards.
            renewed: the reading.

        Returns:
            A bit for each step of the ladder with which a second prompt of a finding would not have been spared.
        """
        first = 0 if memory else bisect_left(_STEPS, _shortest_gap(prompts))
        missed = _missed_below(prompts, first)
        for step in range(first, len(LADDER)):
            until, proof = (memory.until[step], memory.proof[step]) if memory else (BEFORE_ALL, BEFORE_ALL)
            seconds = _STEPS[step]
            for start, _, end, succeeded, _, is_second, _ in prompts:
                if start <= until:
                    self.prompts[step] += 1
                    self.doubles[step] += bool(is_second)
                    self.longest[step] = max(self.longest[step], start - proof)
                    if renewed:
                        until = max(until, max(start, proof) + seconds)
                    continue
                if is_second:
                    missed |= 1 << step
                if succeeded:
                    proof = max(proof, end)
                    until = max(until, proof + seconds)
            if memory:
                memory.until[step], memory.proof[step] = until, proof
        return missed


def _shortest_gap(prompts: Sequence[Prompt]) -> int:
    """The shortest time from a success to the start of a later prompt; a cache of less spares nothing."""
    gap, answered = LONGEST + 1, BEFORE_ALL
    for start, _, end, succeeded, _, _, _ in prompts:
        gap = min(gap, start - answered)
        if succeeded:
            answered = max(answered, end)
    return gap


def _missed_below(prompts: Sequence[Prompt], first: int) -> int:
    """The bits of the steps before `first`, if a second prompt of a finding is among the prompts."""
    return (1 << first) - 1 if any(prompt[IS_SECOND] for prompt in prompts) else 0
