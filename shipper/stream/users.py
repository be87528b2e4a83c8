"""The users of a bucket: what the detectors remember of each of them, and when that is forgotten. Pure.

A user has a state for each component, since prompts belong to a component. Nothing lists the users of a state; so whoever
must be looked at later stands in a list under the time of that, and the lane knows the times.

A user's state is read and written whole, and is one Kafka record of the changelog. So it has a limit: of a RADIUS health probe
that signs in all the time the oldest authentications are forgotten early, and other users do not notice.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

import orjson

from shipper.decode.clock import NPS
from shipper.decode.ecs import dataset
from shipper.detect import DETECTORS
from shipper.detect.protocol import Rule
from shipper.stream.completions import MOST, Completed
from shipper.stream.lane import Lane, State

TURNS = 8  # in the longest horizon
LONGEST_STATE = 192 << 10  # bytes of a user: some 900 authentications, and still those of ten minutes if there is one a second


class UserState(TypedDict):
    """A user on a component, as a JSON value.

    Attributes:
        states: of the detectors that have something in theirs.
        seen: by the id of each authentication when it ended, and `host.name` of its event. It was seen, and is not taken again.
        touched: the clock of the lane when the last one came.
        listed: the user stands in the list of some turn.
        since: what ended then or before was crowded out, and is not taken again.
    """

    states: dict[str, Any]
    seen: dict[str, tuple[int, str | None]]
    touched: int
    listed: bool
    since: int


class Judged(NamedTuple):
    """What an authentication led to.

    Attributes:
        found: pairs of a detector's name and its finding.
        counted: names of totals of the detectors.
        hosts: of the authentications that a finding may name, by id.
        repeated: it had been seen, or is no newer than what was crowded out, so that nobody knows.
    """

    found: Sequence[tuple[str, Any]] = ()
    counted: Sequence[str] = ()
    hosts: Mapping[str, tuple[int, str | None]] = {}
    repeated: bool = False


_NOTHING, _REPEATED = Judged(), Judged(repeated=True)


class UserRules:
    """The detectors that run, and for how long they remember."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        """`rules`: the parameters of the detectors that run, by name."""
        self.rules = [(name, DETECTORS[name], rule) for name, rule in rules.items()]
        self.horizon = max((rule.horizon for rule in rules.values()), default=0)
        self.turn = self.horizon // TURNS + 1


class Users:
    """The users of a bucket for the time of one record, which may let many authentications of one user go at once. What
    becomes of them is in the state after `save`.

    Attributes:
        crowded_out: authentications that `save` forgot early, by the user whose they were.
    """

    def __init__(self, rules: UserRules, lane: Lane, state: State) -> None:
        """`state` is that of the bucket."""
        self.crowded_out: dict[str, int] = {}
        self._rules, self._lane, self._state = rules, lane, state
        self._open: dict[str, UserState] = {}  # those that were changed

    def judge(self, completed: Completed) -> Judged:
        """Give an authentication to the detectors."""
        name = f"u{_component(completed.component)}|{completed.key}"
        user = self._open.get(name) or self._state.get(name)
        if user is None:
            user = {"states": {}, "seen": {}, "touched": 0, "listed": False, "since": -MOST}
        states, seen, end = user["states"], user["seen"], completed.end
        if completed.id in seen or end <= user["since"]:
            return _REPEATED
        self._open[name] = user
        # What a finding names ended a horizon ago, or its answer did.
        for old in list(seen):
            if seen[old][0] >= end - 2 * self._rules.horizon:
                break
            del seen[old]
        seen[completed.id] = end, completed.host
        fields = completed.fields
        found, counted = list[tuple[str, Any]](), list[str]()
        for detector_name, detector, rule in self._rules.rules:
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
        user["touched"] = end if self._lane.value["clock"] is None else self._lane.clock
        if not user["listed"]:
            self._list(name, user)
        return Judged(found, counted, seen) if found or counted else _NOTHING

    def _list(self, name: str, user: UserState) -> None:
        """Have the user looked at a horizon later."""
        user["listed"] = True
        length, turns = self._rules.turn, self._lane.value["turns"]
        turn = (user["touched"] + self._rules.horizon) // length + 1
        at = bisect_left(turns, [turn])
        if at == len(turns) or turns[at][0] != turn:
            turns.insert(at, [turn, 0])
        self._state.set(self._lane.key("g", turn, turns[at][1]), name)
        turns[at][1] += 1

    def forget(self) -> int:
        """Drop the users who can change nothing any more; returns how many."""
        lane, state, horizon = self._lane, self._state, self._rules.horizon
        turns, dropped = lane.value["turns"], 0
        while turns and turns[0][0] * self._rules.turn <= lane.clock:
            turn, count = turns.pop(0)
            for index in range(count):
                key = lane.key("g", turn, index)
                name = state.get(key)
                state.delete(key)
                user: UserState = self._open.pop(name) if name in self._open else state.get(name)
                if user["touched"] + horizon < lane.clock:
                    state.delete(name)
                    dropped += 1
                else:
                    self._list(name, user)
                    self._open[name] = user
        return dropped

    def save(self) -> None:
        """Write the users into the state of the bucket."""
        for name, user in self._open.items():
            if len(orjson.dumps(user)) > LONGEST_STATE:
                self.crowded_out[name.partition("|")[2]] = self._crowd_out(user)
            self._state.set(name, user)

    def _crowd_out(self, user: UserState) -> int:
        """Forget the oldest authentications of a user until a quarter of the longest state is free; returns how many."""
        states, seen = user["states"], user["seen"]
        before = len(seen)
        while seen and len(orjson.dumps(user)) > LONGEST_STATE * 3 // 4:
            ends = sorted(end for end, _ in seen.values())
            user["since"] = since = ends[len(ends) // 4]
            for old in [old for old, (end, _) in seen.items() if end <= since]:
                del seen[old]
            for name, detector, _ in self._rules.rules:
                if name in states and not detector.forget(states[name], since + 1):
                    del states[name]
        return before - len(seen)


@lru_cache(256)
def _component(name: str) -> str:
    """The component whose prompts may pair with those of this one. The NPS extension is one, whichever provider it writes as."""
    return NPS if dataset(name) == NPS else name
