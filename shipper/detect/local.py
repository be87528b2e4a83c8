"""One detector over the authentications of one component of a log, with its users in memory: see `detector.py`. Pure."""

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from shipper.decode import compiled
from shipper.detect.finding import Found
from shipper.detect.protocol import AnyDetector, Begins, Rule
from shipper.detect.remembered import Known, Memory, Spans, alone, digest, is_small, known_of, remembered, short, size_of, waits
from shipper.detect.waiting import Arrived, CompiledArrived, Row
from shipper.model import CompletionFields, Counts, User, is_withdrawal
from shipper.times import AFTER_ALL, BEFORE_ALL, SECOND

SLACK = 60 * SECOND  # an authentication may end that long before the newest line of a log that is in the order of time


class LocalDetector:
    """One detector of a component.

    Users are kept in two generations. With every horizon of event time the older one is dropped, at no cost per user,
    and the younger one takes its place. For a user in both, the younger one counts.

    To bound memory, the generations also change when the younger one has taken `most` authentications; the users lost
    with the older one are counted. So at least the last `most` authentications are remembered, at most twice as many.
    When the generations change depends only on the authentications, not on how they were read.

    `late` and `behind` count as in `Counts`, since they were last set to zero.
    """

    def __init__(self, detector: AnyDetector, rule: Rule, counts: Counts, most: int, *, kernel: bool) -> None:
        """See `Detectors`; `rule` is the detector's, `most` the number of authentications that a generation takes."""
        self._detector = detector
        self.most = most
        self._stored = 0  # authentications that this generation took
        self._strays = 0  # those of them that are not known to another reader of the log: they ended before it began, for example
        self._rule = rule
        self._counts = counts
        self._horizon = rule.horizon
        self._begins = detector.begins
        self._lull = detector.lull if detector.lull and detector.lull.holds(rule) else None
        self._duration = Spans(self._lull, rule)
        # If the detector can put steps off, the kernel handles most authentications.
        self._near_only = compiled.durations(self._duration) if kernel and self._lull else None
        self._generation = partial(compiled.generation, compiled=self._near_only is not None)
        self._young: MutableMapping[str, Memory] = self._generation({})
        self._old: MutableMapping[str, Memory] = self._generation({})
        self._under_way: set[str] = set()  # users whose states are (see `Begins`)
        self._stepped: set[str] = set()  # users whose states may hold something lasting
        self._turn = BEFORE_ALL  # the last time of this generation
        self.late = self.behind = 0
        # The user of the last authentication that was ahead of the clock, and that user's memory in both generations before it.
        self._before: tuple[str, Memory | None, Memory | None] | None = None
        self._ahead = ""  # that user, until the generations change

    def __call__(self, arrived: Arrived | CompiledArrived) -> list[Found]:
        """The findings of a chunk."""
        findings: list[Found] = []
        if isinstance(arrived, CompiledArrived) and self._near_only is not None:
            self._take_compiled(arrived, self._near_only, findings)
            return findings
        for row in arrived.rows() if self._begins is None else self._concerning(arrived, self._begins):
            self._take(arrived, row, findings)
        return findings

    def _take(self, arrived: Arrived | CompiledArrived, row: Row, findings: list[Found]) -> None:
        """Take an authentication, and add its findings to `findings`."""
        (at, user, start, end, newest), waiting = row, arrived.waiting
        if user is None:
            if is_withdrawal(arrived.completion(at)):
                self._withdraw()
            return
        if newest > self._turn:
            self._next_generation(newest)
        key = short(user[3])
        if end is not newest and self._is_late(key, end, newest):
            return
        self._stored += 1
        if self._stored > self.most:
            self._stored = self._crowd_out(newest, self._stored)
        young = self._young
        memory: Memory | None = young.get(key)
        if memory is None:
            memory = self._old.get(key)
            if memory is not None:
                memory, size = self._carried(key, memory, newest - self._horizon)
                self._stored += size
            if memory is None and self._lull is not None:
                young[key] = (waiting, at, None) if self._begins is None else alone(arrived.completion(at), None)
                return
        if memory is None or start <= self._after(memory):
            findings += self._step(key, memory, arrived.completion(at))
        elif self._duration(waiting.code(at)) is not None:
            young[key] = (waiting, at, memory) if self._begins is None else alone(arrived.completion(at), memory)

    def _take_compiled(self, arrived: CompiledArrived, durations: "compiled.Durations", findings: list[Found]) -> None:
        """Like `_take`, for a whole chunk. The kernel takes most authentications: they have nothing to do with any other."""
        at, completions, begins = 0, arrived.completions, self._begins
        classes = None if begins is None else begins.classes
        while begins is None or (arrived.tidy and not self._under_way):
            young, old, room = self._young, self._old, max(0, self.most - self._stored)
            at, taken, memory = completions.pass_over(at, young, old, self._turn, self._horizon, room, durations, classes)
            self._stored += taken
            if at >= len(completions):
                return
            if memory is None:
                self._take(arrived, arrived.row(at), findings)
            else:
                self._stored += 1
                completion = arrived.completion(at)
                user = completion[1]
                assert user is not None
                findings += self._step(user[3], memory, completion)
            at += 1
        for row in self._concerning(arrived, begins, at):
            self._take(arrived, row, findings)

    def _concerning(self, arrived: Arrived | CompiledArrived, begins: Begins[Any], first: int = 0) -> Iterator[Row]:
        """Yield the rows of authentications that matter (see `Begins`). Most do not, and this loop is all that they cost."""
        classes, under_way, tidy, code_of = begins.classes, self._under_way, arrived.tidy, arrived.code
        for at in range(first, len(arrived.completions)):
            if code_of(at).status_class in classes:
                yield arrived.row(at)
            elif under_way or not tidy:
                row = _, user, _, end, newest = arrived.row(at)
                if under_way and user and short(user[3]) in under_way:
                    self._strays += 1  # whether it was under way may depend on when that was looked at
                    yield row
                elif user is None:
                    if is_withdrawal(arrived.completions[at]):
                        self._withdraw()
                elif end > newest:
                    self._before = None  # a withdrawal would be of this one
                elif end < newest - self._horizon:
                    self.late += 1

    def _is_late(self, key: str, end: int, newest: int) -> bool:
        """True if a user's authentication, which did not end at the newest event time, ended too long ago to take part."""
        if end > newest:
            self._before, self._ahead = (key, deepcopy(self._young.get(key)), deepcopy(self._old.get(key))), key
        elif end < newest - self._horizon:
            self.late += 1
            return True
        elif end <= self._turn - max(1, self._horizon):
            self._strays += 1
        self.behind += end < newest - SLACK
        return False

    def _next_generation(self, newest: int) -> None:
        young = self._young
        # An authentication that was ahead of the clock belongs to the new generation.
        self._young = self._generation({key: young.pop(key) for key in (self._ahead,) if key in young})
        self._ahead = ""
        self._old = young if newest <= self._turn + self._horizon else self._generation({})
        self._forget_missing()
        self._turn, self._stored, self._strays = self._end_of_generation(newest), 0, 0

    def _end_of_generation(self, newest: int) -> int:
        """The last time of the generation that `newest` is in: the same wherever reading of the log began."""
        span = max(1, self._horizon)
        return newest // span * span + span - 1

    def _crowd_out(self, newest: int, stored: int) -> int:
        """Change the generations if the younger one is full, and count the users lost. `stored`: authentications that it has
        taken, strays included; returns this number for the one that is now the younger."""
        if max(self._strays, stored - self._strays) <= self.most:
            return stored
        self._shrink(newest - self._horizon)
        return 1

    def shrink(self) -> None:
        """See `Detectors.shrink`."""
        self._shrink(self._turn - 2 * self._horizon)
        self._stored = 0

    def _shrink(self, oldest: int) -> None:
        gone = [remembered(memory, oldest) for key, memory in self._old.items() if key not in self._young]
        lost = [left for left in gone if left is not None and self._detector.forget(self._state(left), oldest)]
        self._counts.crowded_out += len(lost)
        self._old, self._young, self._strays = self._young, self._generation({}), 0
        self._forget_missing()

    def _forget_missing(self) -> None:
        for users in (self._under_way, self._stepped):
            if users:
                users.intersection_update({*self._old, *self._young})

    def _carried(self, key: str, memory: Memory, oldest: int) -> tuple[Memory | None, int]:
        """Carry the memory of a user from the old generation into the young one; None if nothing is left or it is too large.

        The second value is the number of authentications that a large memory counts for: the same for a state and for the
        waiting authentications that the state was made from.
        """
        left, size = remembered(memory, oldest), 0
        if left is None:
            return None, 0
        if not is_small(left):
            state = self._state(left)
            size = size_of(state) if self._detector.forget(state, oldest) else 0
            if size > self.most:
                self._counts.crowded_out += 1
                del self._old[key]
                return None, 0
            left = self._known(key, state)
        self._young[key] = left
        return left, size

    def _withdraw(self) -> None:
        """Forget the last authentication that was ahead of the clock."""
        if self._before is not None:
            key, young, old = self._before
            for generation, memory in ((self._young, young), (self._old, old)):
                generation.pop(key, None)
                if memory is not None:
                    generation[key] = memory
            self._under_way.discard(key)
            known = known_of(young or old)
            if known is not None:
                self._known(key, known.state)  # whose state is under way again
            self._before = None

    def _after(self, memory: Memory) -> int:
        """The latest start of an authentication that may have to do with a memory."""
        if isinstance(memory, Known):
            return memory.after
        waiting, at, _ = memory
        duration = self._duration(waiting.code(at))
        return BEFORE_ALL if duration is None else waiting.end(at) + duration

    def _step(self, key: str, memory: Memory | None, completion: CompletionFields) -> list[Found]:
        """Take an authentication that may have to do with the memory of its user into the state, and return its findings."""
        detector, rule = self._detector, self._rule
        state = self._state(memory)
        detector.forget(state, completion[10] - self._horizon)
        findings, counted = detector.step(state, completion, rule)
        self._young[key] = self._known(key, state)
        if counted:
            self._counts.detected.update(counted)
        if not findings:
            return []
        user = completion[1]
        assert user is not None
        self._counts.detected[detector.found.name] += len(findings)
        self._counts.repeated += sum(map(detector.repeats, findings)) if detector.repeats else 0
        position, who, component = completion[0], User(*user), completion[3]
        return [Found(position, finding, detector, rule, who, component) for finding in findings]

    def _state(self, memory: Memory | None) -> Any:
        """The state of a user, after taking in the authentications that waited."""
        state = self._detector.empty() if (known := known_of(memory)) is None else known.state
        for completion in waits(memory):
            self._detector.step(state, completion, self._rule)
        return state

    def _known(self, key: str, state: Any) -> Known:
        """Wrap a state that has changed, and note whether it is under way."""
        if self._detector.lasting:
            self._stepped.add(key)
        if self._begins and self._begins.under_way(state):
            self._under_way.add(key)
            return Known(AFTER_ALL, state)
        self._under_way.discard(key)
        return Known(self._lull.after(state, self._rule) if self._lull else AFTER_ALL, state)

    def snapshot(self, newest: int) -> dict[str, Any]:
        """See `Detectors.snapshot`. The states are the ones in memory, not copies."""
        oldest = newest - self._horizon
        if newest > self._turn:
            self._next_generation(newest)
        stored, older = max(0, self._stored - self._strays), {*self._old} - {*self._young}
        memories = {**self._old, **self._young}.items()
        states = {key: self._state(memory) for key, memory in memories if remembered(memory, oldest)}
        states = {key: state for key, state in states.items() if self._detector.forget(state, oldest)}
        undo = None
        if self._before is not None:
            key, young, old = self._before
            before = self._state(young or old)
            undo = [key, before if self._detector.forget(before, oldest) else None]
        self.restore(states, newest, undo=undo, generations=(stored, [key for key in states if key in older], self._ahead))
        return states

    def generations(self) -> list[Any]:
        """See `Detectors.generations`; empty if there is nothing to restore, always with `Begins`: states under way take in what
        others pass over, so the numbers do not follow from the recent past. These are few: a new reader counts from 0."""
        if self._begins is not None or not (self._stored or self._old or self._ahead):
            return []
        return [self._stored, sorted(self._old), self._ahead]

    def undo(self) -> list[Any] | None:
        """See `Detectors.undo`."""
        if self._before is None:
            return None
        key, before, _ = self._before
        return [key, None if before is None else self._state(before)]

    def restore(
        self,
        users: Mapping[str, Any],
        newest: int,
        lasting: Mapping[str, Any] | None = None,
        undo: Sequence[Any] | None = None,
        generations: tuple[int, Collection[str], str] | None = None,
    ) -> None:
        """See `Detectors.restore`."""
        if self._detector.lasting and lasting is not None:
            for key, state in users.items():
                self._detector.lasting.give(state, lasting.get(digest(key), {}))
        self._before = None if undo is None else (undo[0], None if undo[1] is None else self._known(undo[0], undo[1]), None)
        self._under_way.clear()
        ahead = "" if undo is None or self._begins is None else undo[0]
        self._stored, older, self._ahead = generations or (0, (), ahead)
        self._turn, self._strays = self._end_of_generation(newest), 0
        young = {key: self._known(key, state) for key, state in users.items()}
        self._old = self._generation({key: young.pop(key) for key in older if key in young})
        self._young = self._generation({**young})

    def lasting(self) -> dict[str, Any]:
        """See `Detectors.lasting`."""
        lasting, found = self._detector.lasting, {}
        if lasting is None:
            return {}
        for key in self._stepped:
            memory = known_of(self._young.get(key) or self._old.get(key))
            if memory is not None and (value := lasting.of(memory.state)):
                found[key] = value
        self._stepped.intersection_update(found)
        return {digest(key): value for key, value in found.items()}

    @property
    def entries(self) -> int:
        """See `Detectors.entries`."""
        return len(self._old) + len(self._young)

    @property
    def size(self) -> int:
        """The number of users in memory."""
        return len({*self._old, *self._young})
