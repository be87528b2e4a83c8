"""The users of a bucket: what the detectors remember of each of them, and when that is forgotten. Pure.

A user has a state for each component, since prompts belong to a component. Nothing lists the users of a state; so whoever
must be looked at later stands in a list under the time of that, and the lane knows the times.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

from shipper.decode.clock import NPS
from shipper.decode.ecs import dataset
from shipper.detect import DETECTORS
from shipper.detect.protocol import Rule
from shipper.stream.completions import Completed
from shipper.stream.lane import Lane, State

TURNS = 8  # in the longest horizon


class UserState(TypedDict):
    """A user on a component, as a JSON value.

    Attributes:
        states: of the detectors that have something in theirs.
        seen: by the id of each authentication when it ended, and `host.name` of its event. It was seen, and is not taken again.
        touched: the clock of the lane when the last one came.
        listed: the user stands in the list of some turn.
    """

    states: dict[str, Any]
    seen: dict[str, tuple[int, str | None]]
    touched: int
    listed: bool


class Judged(NamedTuple):
    """What an authentication led to.

    Attributes:
        found: pairs of a detector's name and its finding.
        counted: names of totals of the detectors.
        hosts: of the authentications that a finding may name, by id.
        repeated: it had been seen.
    """

    found: Sequence[tuple[str, Any]] = ()
    counted: Sequence[str] = ()
    hosts: Mapping[str, tuple[int, str | None]] = {}
    repeated: bool = False


_NOTHING, _REPEATED = Judged(), Judged(repeated=True)


class Users:
    """The detectors over the users of a bucket."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        """`rules`: the parameters of the detectors that run, by name."""
        self._rules = [(name, DETECTORS[name], rule) for name, rule in rules.items()]
        self._horizon = max((rule.horizon for rule in rules.values()), default=0)
        self._turn = self._horizon // TURNS + 1

    def judge(self, completed: Completed, lane: Lane, state: State) -> Judged:
        """Give an authentication to the detectors."""
        name = f"u{_component(completed.component)}|{completed.key}"
        user: UserState | None = state.get(name)
        if user is None:
            user = {"states": {}, "seen": {}, "touched": 0, "listed": False}
        states, seen, end = user["states"], user["seen"], completed.end
        if completed.id in seen:
            return _REPEATED
        # What a finding names ended a horizon ago, or its answer did.
        for old in list(seen):
            if seen[old][0] >= end - 2 * self._horizon:
                break
            del seen[old]
        seen[completed.id] = end, completed.host
        fields = completed.fields
        found, counted = list[tuple[str, Any]](), list[str]()
        for detector_name, detector, rule in self._rules:
            own = states.get(detector_name)
            if own is None:
                own = detector.empty()
            else:
                detector.forget(own, end - rule.horizon)
            step = detector.step(own, fields, rule)
            found += [(detector_name, finding) for finding in step.findings]
            counted += step.counted
            if detector.forget(own, end - rule.horizon):
                states[detector_name] = own
            else:
                states.pop(detector_name, None)
        user["touched"] = end if lane.value["clock"] is None else lane.clock
        if not user["listed"]:
            self._list(name, user, lane, state)
        state.set(name, user)
        return Judged(found, counted, seen) if found or counted else _NOTHING

    def _list(self, name: str, user: UserState, lane: Lane, state: State) -> None:
        """Have the user looked at a horizon later."""
        user["listed"] = True
        turn, turns = (user["touched"] + self._horizon) // self._turn + 1, lane.value["turns"]
        at = bisect_left(turns, [turn])
        if at == len(turns) or turns[at][0] != turn:
            turns.insert(at, [turn, 0])
        state.set(lane.key("g", turn, turns[at][1]), name)
        turns[at][1] += 1

    def forget(self, lane: Lane, state: State) -> int:
        """Drop the users who can change nothing any more; returns how many."""
        turns, dropped = lane.value["turns"], 0
        while turns and turns[0][0] * self._turn <= lane.clock:
            turn, count = turns.pop(0)
            for index in range(count):
                key = lane.key("g", turn, index)
                name = state.get(key)
                state.delete(key)
                user: UserState = state.get(name)
                if user["touched"] + self._horizon < lane.clock:
                    state.delete(name)
                    dropped += 1
                else:
                    self._list(name, user, lane, state)
                    state.set(name, user)
        return dropped


@lru_cache(256)
def _component(name: str) -> str:
    """The component whose prompts may pair with those of this one. The NPS extension is one, whichever provider it writes as."""
    return NPS if dataset(name) == NPS else name
