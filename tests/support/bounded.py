"""A host of detectors with the bounded memory that `LocalDetector` describes, without what makes that quick: each authentication
goes into a state at once, and each state is looked at whole."""

import json
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

from shipper.detect.finding import Found
from shipper.detect.local import LocalDetector
from shipper.detect.protocol import AnyDetector
from shipper.detect.protocol import Rule as AnyRule
from shipper.detect.remembered import short, size_of
from shipper.detect.waiting import Arrived
from shipper.model import Code, Completion, CompletionFields, Counts, User, is_withdrawal, withdrawal
from shipper.times import BEFORE_ALL

USERS = [User(name, None, None, name) for name in (*"abcdefgh", "long" * 40)]


class Bounded:
    """The host; `counts` are those that `LocalDetector` counts."""

    def __init__(self, detector: AnyDetector, rule: AnyRule, most: int) -> None:
        self.detector, self.rule, self.most = detector, rule, most
        self.young: dict[str, Any] = {}
        self.old: dict[str, Any] = {}
        self.under_way: set[str] = set()
        self.turn, self.stored, self.strays, self.ahead = BEFORE_ALL, 0, 0, ""
        self.before: tuple[str, Any, Any] | None = None
        self.counts: Counter[str] = Counter(late=0, crowded_out=0, findings=0)

    def __call__(self, completions: Sequence[CompletionFields]) -> list[Found]:
        return [finding for completion in map(Completion._make, completions) for finding in self._of(completion)]

    def _of(self, completion: Completion) -> list[Found]:
        end, newest, horizon = completion.end, completion.newest, self.rule.horizon
        if completion.user is None:
            if is_withdrawal(completion) and self.before is not None:
                self._withdraw(*self.before)
            return []
        key = short(completion.user[3])
        stray = self.detector.begins is not None and completion.code.status_class not in self.detector.begins.classes
        if stray and key not in self.under_way:
            self.before = None if end > newest else self.before
            self.counts["late"] += end < newest - horizon
            return []
        self.strays += stray
        if newest > self.turn:
            self._next_generation(newest)
            self.strays = 0
        if end > newest:
            self.before, self.ahead = (key, deepcopy(self.young.get(key)), deepcopy(self.old.get(key))), key
        elif end < newest - horizon:
            self.counts["late"] += 1
            return []
        elif end <= self.turn - max(1, horizon):
            self.strays += 1
        self.stored += 1
        if self.stored > self.most and max(self.strays, self.stored - self.strays) > self.most:
            self._crowd_out(newest - horizon)
        return self._step(key, User(*completion.user), completion)

    def _step(self, key: str, user: User, completion: Completion) -> list[Found]:
        state = self.young[key] if key in self.young else self._carried(key, completion.newest - self.rule.horizon)
        self.detector.forget(state, completion.newest - self.rule.horizon)
        led_to, _ = self.detector.step(state, completion, self.rule)
        self.young[key] = state
        self._look(key)
        self.counts["findings"] += len(led_to)
        position, component = completion.position, completion.component
        return [Found(position, finding, self.detector, self.rule, user, component) for finding in led_to]

    def _carried(self, key: str, oldest: int) -> Any:
        state = self.old.get(key)
        if state is None or not self.detector.forget(state, oldest):
            return self.detector.empty()
        size = size_of(state)
        if size > self.most:
            self.counts["crowded_out"] += 1
            del self.old[key]
            return self.detector.empty()
        self.stored += size
        return state

    def _look(self, key: str) -> None:
        state = self.young.get(key) or self.old.get(key)
        under_way = state is not None and self.detector.begins is not None and self.detector.begins.under_way(state)
        (self.under_way.add if under_way else self.under_way.discard)(key)

    def _withdraw(self, key: str, young: Any, old: Any) -> None:
        for generation, state in ((self.young, young), (self.old, old)):
            generation.pop(key, None)
            if state is not None:
                generation[key] = state
        self._look(key)
        self.before = None

    def _next_generation(self, newest: int) -> None:
        young = self.young
        self.young = {key: young.pop(key) for key in (self.ahead,) if key in young}
        self.old = young if newest <= self.turn + self.rule.horizon else {}
        self.turn = self._end_of_generation(newest)
        self.stored, self.ahead = 0, ""
        self.under_way &= self.old.keys() | self.young.keys()

    def _end_of_generation(self, newest: int) -> int:
        span = max(1, self.rule.horizon)
        return newest // span * span + span - 1

    def _crowd_out(self, oldest: int) -> None:
        gone = [state for key, state in self.old.items() if key not in self.young]
        self.counts["crowded_out"] += sum(bool(self.detector.forget(state, oldest)) for state in gone)
        self.old, self.young, self.strays, self.stored = self.young, {}, 0, 1
        self.under_way &= self.old.keys()

    def shrink(self) -> None:
        self._crowd_out(self.turn - 2 * self.rule.horizon)
        self.stored = 0

    def restart(self, newest: int) -> dict[str, Any]:
        """Go on from a snapshot, which is the value."""
        oldest = newest - self.rule.horizon
        if newest > self.turn:
            self._next_generation(newest)
            self.strays = 0
        older = self.old.keys() - self.young.keys()
        states = {key: deepcopy(state) for key, state in (self.old | self.young).items()}
        states = {key: state for key, state in states.items() if self.detector.forget(state, oldest)}
        if self.before is not None:
            key, young, old = self.before
            before = young or old
            self.before = key, before if before is not None and self.detector.forget(before, oldest) else None, None
        self.stored, self.strays, self.turn = max(0, self.stored - self.strays), 0, self._end_of_generation(newest)
        if self.detector.begins is not None:  # of which few are kept: they need no generations
            self.stored, older, self.ahead = 0, set(), "" if self.before is None else self.before[0]
        self.young, self.old = deepcopy(states), {}
        self.old = {key: self.young.pop(key) for key in older if key in self.young}
        self.under_way.clear()
        for key in states:
            self._look(key)
        return states


def crowd(rnd: Random, codes: Sequence[Code], horizon: int) -> list[list[CompletionFields]]:
    """Completions in chunks: of many users or mostly of one, some late, some ahead of the clock, some of those withdrawn."""
    made: list[list[CompletionFields]] = [[]]
    newest, users = 1000, rnd.choice((USERS, USERS[:3], USERS[:1] * 20 + USERS))
    steps = rnd.choice(((0, 0, 1), (0, 1, 2), (1, horizon // 4), (0, 0, 0, 0, horizon + 1)))
    for number in range(rnd.randint(20, 120)):
        made += [[]] if not rnd.randrange(4) else []
        newest += rnd.choice(steps)
        lag = rnd.choice((0, 0, 0, 0, 0, 0, 0, 1, 3, horizon - 1, horizon, horizon + 1))
        ahead = not rnd.randrange(10)
        end = newest + rnd.randint(1, 2 * horizon + 1) if ahead else newest - lag
        start = end - rnd.choice((0, 1, 3, 7))
        fields = rnd.choice(users), f"id-{number:03}", "pfrad", start, f"at {start}", end, f"at {end}"
        made[-1].append((len(made[-1]), *fields, rnd.choice(codes), rnd.random() < 0.5, newest))
        if ahead:
            made += [[]] if rnd.random() < 0.5 else []
            if rnd.random() < 0.5:
                made[-1].append(withdrawal("pfrad"))
            else:
                newest = end
    return [chunk for chunk in made if chunk]


def alike(detector: AnyDetector, rule: AnyRule, most: int, made: list[list[CompletionFields]], rnd: Random) -> Counter[str]:
    """Run both hosts on the same completions; some chunks follow a restart, some on a memory that was made smaller. The counts."""

    def new() -> LocalDetector:
        return LocalDetector(detector, rule, counts, most, kernel=False)

    counts, newest = Counts(), 0
    bounded, lean = Bounded(detector, rule, most), new()
    late, restarts, shrinks = 0, rnd.choice((0.0, 0.2)), rnd.choice((0.0, 0.1))
    for completions in made:
        if rnd.random() < restarts:
            users = bounded.restart(newest)
            told = json.loads(json.dumps([lean.snapshot(newest), lean.undo(), lean.generations()]))
            assert told[0] == users
            late, lean = late + lean.late, new()
            lean.restore(told[0], newest, None, *told[1:])
        if rnd.random() < shrinks:
            bounded.shrink()
            lean.shrink()
        assert lean(Arrived(completions)) == bounded(completions)
        newest = max([newest, *(completion[10] for completion in completions)])
    found_now = counts.detected[detector.found.name]
    vague = shrinks and detector.begins  # `shrink` counts a few that were too old to matter, which nobody has looked at since
    crowded_out = bounded.counts["crowded_out"] if vague else counts.crowded_out
    assert Counter(late=late + lean.late, crowded_out=crowded_out, findings=found_now) == bounded.counts
    assert lean.snapshot(newest) == bounded.restart(newest)
    return bounded.counts
