"""The users of a bucket: what the detectors remember of each user, and when it is forgotten. Pure.

A user has a state for each component, since prompts belong to a component. The bucket's state cannot list its users, so each
user to check later is listed under the time of that check (a turn), and the lane keeps these times.

A user's state is read and written whole, and is one Kafka record of the changelog. So its size is limited: of a RADIUS health
probe that signs in all the time, the oldest authentications are forgotten early; other users are not affected.
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

TURNS = 8  # per longest horizon
LONGEST_STATE = 192 << 10  # bytes of a user: about 900 authentications; at one a second, still the last ten minutes


class UserState(TypedDict):
    """A user on a component, as a JSON value.

    Attributes:
        states: states of the detectors, by name; empty ones are left out.
        seen: end and `host.name` of each authentication taken, by id; one with a known id is not taken again.
        touched: the clock of the lane when the last authentication was judged; its end if the clock was unknown.
        listed: True if the user is listed for a turn.
        since: authentications that ended at this time or earlier were crowded out, and are not taken again.
    """

    states: dict[str, Any]
    seen: dict[str, tuple[int, str | None]]
    touched: int
    listed: bool
    since: int


class Judged(NamedTuple):
    """The result of judging an authentication.

    Attributes:
        found: pairs of a detector's name and its finding.
        counted: names of detector totals to count up.
        hosts: end and host of the authentications that a finding may name, by id.
        repeated: True if the authentication was seen before, or may have been: it is no newer than those crowded out.
    """

    found: Sequence[tuple[str, Any]] = ()
    counted: Sequence[str] = ()
    hosts: Mapping[str, tuple[int, str | None]] = {}
    repeated: bool = False


_NOTHING, _REPEATED = Judged(), Judged(repeated=True)


class UserRules:
    """The detectors that run, and how long they remember."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        """`rules`: the parameters of the detectors that run, by name."""
        self.rules = [(name, DETECTORS[name], rule) for name, rule in rules.items()]
        self.horizon = max((rule.horizon for rule in rules.values()), default=0)
        self.turn = self.horizon // TURNS + 1


class Users:
    """The users of a bucket while one record is processed, which may release many authentications of one user. `save` writes
    the changes to the state.

    Attributes:
        crowded_out: number of authentications that `save` forgot early, by user.
    """

    def __init__(self, rules: UserRules, lane: Lane, state: State) -> None:
        """`state` is the state of the bucket."""
        self.crowded_out: dict[str, int] = {}
        self._rules, self._lane, self._state = rules, lane, state
        self._open: dict[str, UserState] = {}  # users with unsaved changes

    def judge(self, completed: Completed) -> Judged:
        """Pass an authentication to the detectors."""
        name = f"u{_component(completed.component)}|{completed.key}"
        user = self._open.get(name) or self._state.get(name)
        if user is None:
            user = {"states": {}, "seen": {}, "touched": 0, "listed": False, "since": -MOST}
        states, seen, end = user["states"], user["seen"], completed.end
        if completed.id in seen or end <= user["since"]:
            return _REPEATED
        self._open[name] = user
        # An authentication that a finding names, or its second step, ended at most a horizon ago: two horizons cover both.
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
        """List the user for a check one horizon after `touched`."""
        user["listed"] = True
        length, turns = self._rules.turn, self._lane.value["turns"]
        turn = (user["touched"] + self._rules.horizon) // length + 1
        at = bisect_left(turns, [turn])
        if at == len(turns) or turns[at][0] != turn:
            turns.insert(at, [turn, 0])
        self._state.set(self._lane.key("g", turn, turns[at][1]), name)
        turns[at][1] += 1

    def forget(self) -> int:
        """Drop the users whose state can no longer change a result; return how many."""
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
        """Write the changed users to the state of the bucket."""
        for name, user in self._open.items():
            if len(orjson.dumps(user)) > LONGEST_STATE:
                self.crowded_out[name.partition("|")[2]] = self._crowd_out(user)
            self._state.set(name, user)

    def _crowd_out(self, user: UserState) -> int:
        """Forget the oldest authentications of a user until a quarter of `LONGEST_STATE` is free; return how many."""
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
    """Return the component whose prompts may pair with those of `name`: all providers of the NPS extension count as one."""
    return NPS if dataset(name) == NPS else name
