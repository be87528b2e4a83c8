"""The host of the detectors in this process: one component of a log, its users in memory. Pure.

Results are those of calling `step` for every authentication when it comes. But most have nothing to do
with any other. Those wait, and `step` gets them, in their order, when one comes that may pair with them
(see `Lull`). Most are forgotten before.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from hashlib import sha256
from operator import itemgetter
from types import MappingProxyType
from typing import Any

from shipper.decode.ecs import Envelope
from shipper.detect import DETECTORS
from shipper.detect.finding import Found, found, shown
from shipper.detect.protocol import AnyDetector, Begins, Rule
from shipper.detect.waiting import Arrived, Row, Waiting
from shipper.model import Code, CompletionFields, Counts, User, UserFields, is_withdrawal
from shipper.times import AFTER_ALL, BEFORE_ALL

CODES = 4096  # looked at and remembered

# A completion that waits: those of its chunk, and its place among them; then what else is in memory of the user, which is older.
_Waits = tuple[Waiting, int, Any]


class _Known:
    """The state of a user, and the time after which an authentication that starts matters to nothing in it."""

    __slots__ = ("after", "state")

    def __init__(self, after: int, state: Any) -> None:
        self.after = after
        self.state = state


_Memory = _Waits | _Known  # of one user


class Detectors:
    """The detectors of one component of a log."""

    def __init__(self, rules: Mapping[str, Rule], envelope: Envelope, counts: Counts) -> None:
        """
        Args:
            rules: the parameters of the detectors that run, by name.
            envelope: adds the fields that every event carries.
            counts: kept up to date.
        """
        self._counts = counts
        self._hosts = {name: LocalDetector(DETECTORS[name], rule, envelope, counts) for name, rule in rules.items()}

    def __call__(self, completions: Sequence[CompletionFields]) -> list[Found]:
        """The findings of a chunk, in the order of the events that they stand behind."""
        if not completions:
            return []
        hosts, arrived = self._hosts.values(), Arrived(completions)
        findings = [finding for host in hosts for finding in host(arrived)]
        if len(hosts) > 1:
            findings.sort(key=itemgetter(0))
        self._counts.findings += len(findings)
        self._counts.late += min((host.take_late() for host in hosts), default=0)
        return findings

    def snapshot(self, newest: int) -> dict[str, Any]:
        """What can still change a result, by detector and user, as JSON values.

        It depends on what the log says, not on how it was read. `newest` is the newest event time.
        """
        return {name: host.snapshot(newest) for name, host in self._hosts.items()}

    def undo(self) -> dict[str, Any]:
        """After a snapshot: what a `withdrawal` would go back to, as JSON values."""
        return {name: host.undo() for name, host in self._hosts.items()}

    def restore(
        self,
        snapshot: Mapping[str, Any],
        newest: int,
        lasting: Mapping[str, Any] | None = None,
        undo: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Go on from a snapshot, and from `undo` if one was taken with it. A snapshot that a warm start led to also takes
        what `lasting` said when that was the state."""
        for name, host in self._hosts.items():
            host.restore(snapshot.get(name, {}), newest, None if lasting is None else lasting.get(name, {}), undo.get(name))

    def lasting(self) -> dict[str, Any]:
        """What does not follow from the recent past, by detector and user, as JSON values (see `protocol.Lasting`). It is
        kept on disk, so it names no user but by a digest."""
        return {name: lasting for name, host in self._hosts.items() if (lasting := host.lasting())}

    @property
    def size(self) -> int:
        """How many users are in memory, summed over the detectors."""
        return sum(host.size for host in self._hosts.values())


class LocalDetector:
    """One detector of a component.

    Users are kept in two generations. When event time has gone a horizon further, the older one is
    dropped whole, which costs nothing for each user. A user who is in both is as the younger one says.
    """

    def __init__(self, detector: AnyDetector, rule: Rule, envelope: Envelope, counts: Counts) -> None:
        """As `Detectors`; `rule` is the detector's."""
        self._detector = detector
        self._rule = rule
        self._envelope = envelope
        self._counts = counts
        self._horizon = rule.horizon
        self._begins = detector.begins
        self._lull = detector.lull if detector.lull and detector.lull.holds(rule) else None
        self._young: dict[str, _Memory] = {}
        self._old: dict[str, _Memory] = {}
        self._under_way: set[str] = set()  # users whose states are (see `Begins`)
        self._stepped: set[str] = set()  # users whose states may hold something lasting
        self._turn = BEFORE_ALL  # when the generations change
        self._durations: dict[int, tuple[Code, int | None]] = {}  # `Lull.of_code`, by identity of the code
        self._late = 0
        # The user of the last authentication that was ahead of the clock, and what was in memory of that user before it.
        self._before: tuple[str, _Memory | None, _Memory | None] | None = None

    def __call__(self, arrived: Arrived) -> list[Found]:
        """The findings of a chunk."""
        findings: list[Found] = []
        young, old, turn, horizon = self._young, self._old, self._turn, self._horizon
        completions, waiting, may_wait = arrived.completions, arrived.waiting, self._lull is not None
        memory: _Memory | None
        for at, user, start, end, newest in arrived.rows() if self._begins is None else self._concerning(arrived, self._begins):
            if user is None:
                if is_withdrawal(completions[at]):
                    self._withdraw()
                continue
            if newest > turn:
                young, old, turn = self._next_generation(newest)
            key = user[3]
            if end is not newest and not newest - horizon <= end <= newest:
                if end < newest:
                    self._late += 1
                    continue
                self._before = key, deepcopy(young.get(key)), deepcopy(old.get(key))
            memory = young.get(key)
            if memory is None:
                memory = old.get(key)
                if memory is not None:
                    memory = _remembered(memory, newest - horizon)
                if memory is None and may_wait:
                    young[key] = waiting, at, None
                    continue
            if memory is None or start <= self._after(memory):
                findings += self._step(user, memory, completions[at])
            elif self._duration(waiting.codes[at]) is not None:
                young[key] = waiting, at, memory
        return findings

    def _concerning(self, arrived: Arrived, begins: Begins[Any]) -> Iterator[Row]:
        """The rows of those that matter (see `Begins`). The others are most, and this is all that they cost."""
        classes, under_way, users, tidy = begins.classes, self._under_way, arrived.users, arrived.tidy
        for at, code in enumerate(arrived.waiting.codes):
            user = users[at]
            if code.status_class in classes or (under_way and user and user[3] in under_way):
                yield at, user, arrived.starts[at], arrived.ends[at], arrived.newests[at]
            elif not tidy:
                if user is None:
                    if is_withdrawal(arrived.completions[at]):
                        self._withdraw()
                elif arrived.ends[at] > arrived.newests[at]:
                    self._before = None  # a withdrawal would be of this one
                elif arrived.ends[at] < arrived.newests[at] - self._horizon:
                    self._late += 1

    def take_late(self) -> int:
        """How many authentications took no part since the last call: when they came, event time was a horizon further."""
        late, self._late = self._late, 0
        return late

    def _next_generation(self, newest: int) -> tuple[dict[str, _Memory], dict[str, _Memory], int]:
        if newest <= self._turn + self._horizon:
            self._old, self._young = self._young, {}
        else:  # a whole horizon without an authentication, but for one that was ahead of the clock
            ahead = None if self._before is None else self._before[0]
            self._old, self._young = {key: memory for key, memory in self._young.items() if key == ahead}, {}
        for users in (self._under_way, self._stepped):
            if users:
                users.intersection_update(self._old | self._young)
        self._turn = newest + self._horizon
        return self._young, self._old, self._turn

    def _withdraw(self) -> None:
        """Forget the last authentication that was ahead of the clock."""
        if self._before is not None:
            key, young, old = self._before
            for generation, memory in ((self._young, young), (self._old, old)):
                generation.pop(key, None)
                if memory is not None:
                    generation[key] = memory
            self._under_way.discard(key)
            known = young or old
            while isinstance(known, tuple):
                known = known[2]
            if known is not None:
                self._known(key, known.state)  # whose state is under way again
            self._before = None

    def _after(self, memory: _Memory) -> int:
        """The time after which an authentication that starts matters to nothing in memory."""
        if isinstance(memory, _Known):
            return memory.after
        waiting, at, _ = memory
        duration = self._duration(waiting.codes[at])
        return BEFORE_ALL if duration is None else waiting.ends[at] + duration

    def _duration(self, code: Code) -> int | None:
        """`Lull.of_code`, asked once for each code."""
        known = self._durations.get(id(code))
        if known is None:
            if len(self._durations) >= CODES:
                self._durations.clear()
            assert self._lull is not None
            known = self._durations[id(code)] = code, self._lull.of_code(code, self._rule)
        return known[1]

    def _step(self, user: UserFields, memory: _Memory | None, completion: CompletionFields) -> list[Found]:
        """The findings of an authentication that may have to do with what is in memory."""
        detector, rule = self._detector, self._rule
        state = self._state(memory)
        detector.forget(state, completion[10] - self._horizon)
        findings, counted = detector.step(state, completion, rule)
        self._young[user[3]] = self._known(user[3], state)
        for name in counted:
            self._counts.detected[name] += 1
        if not findings:
            return []
        self._counts.detected[detector.found.name] += len(findings)
        who, envelope = User(*user), self._envelope
        name = shown(who)
        return [found(detector, detector.alert(finding, name, rule), who, completion, envelope) for finding in findings]

    def _state(self, memory: _Memory | None) -> Any:
        """The state of a user, with what waited taken in."""
        newest_first: list[CompletionFields] = []
        while isinstance(memory, tuple):
            waiting, at, memory = memory
            newest_first.append(waiting.completion(at))
        state = self._detector.empty() if memory is None else memory.state
        for completion in reversed(newest_first):
            self._detector.step(state, completion, self._rule)
        return state

    def _known(self, key: str, state: Any) -> _Known:
        """A state, when something has been done to it."""
        if self._detector.lasting:
            self._stepped.add(key)
        if self._begins and self._begins.under_way(state):
            self._under_way.add(key)
            return _Known(AFTER_ALL, state)
        self._under_way.discard(key)
        return _Known(self._lull.after(state, self._rule) if self._lull else AFTER_ALL, state)

    def snapshot(self, newest: int) -> dict[str, Any]:
        """See `Detectors.snapshot`. The states are those in memory."""
        oldest = newest - self._horizon
        states = {key: self._state(memory) for key, memory in (self._old | self._young).items()}
        states = {key: state for key, state in states.items() if self._detector.forget(state, oldest)}
        undo = None
        if self._before is not None:
            key, young, old = self._before
            before = self._state(young or old)
            undo = [key, before if self._detector.forget(before, oldest) else None]
        self.restore(states, newest, undo=undo)
        return states

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
    ) -> None:
        """See `Detectors.restore`."""
        if self._detector.lasting and lasting is not None:
            for key, state in users.items():
                self._detector.lasting.give(state, lasting.get(_digest(key), {}))
        self._before = None if undo is None else (undo[0], None if undo[1] is None else self._known(undo[0], undo[1]), None)
        self._old = {}
        self._under_way.clear()
        self._young = {key: self._known(key, state) for key, state in users.items()}
        self._turn = newest + self._horizon

    def lasting(self) -> dict[str, Any]:
        """See `Detectors.lasting`."""
        lasting, found = self._detector.lasting, {}
        if lasting is None:
            return {}
        for key in self._stepped:
            memory = self._young.get(key) or self._old.get(key)
            while isinstance(memory, tuple):
                memory = memory[2]
            if memory is not None and (value := lasting.of(memory.state)):
                found[key] = value
        self._stepped.intersection_update(found)
        return {_digest(key): value for key, value in found.items()}

    @property
    def size(self) -> int:
        """How many users are in memory."""
        return len(self._old.keys() | self._young.keys())


def _digest(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:16]


def _remembered(memory: _Memory, oldest: int) -> _Memory | None:
    """A memory without what ended before `oldest`: of those that wait, each ended before the next one started."""
    if isinstance(memory, tuple) and memory[2] is None:  # as nearly always
        return memory if memory[0].ends[memory[1]] >= oldest else None
    kept: list[_Waits] = []
    left: _Memory | None = memory
    while isinstance(left, tuple) and left[0].ends[left[1]] >= oldest:
        kept.append(left)
        left = left[2]
    if isinstance(left, tuple) or (left is not None and left.after < oldest):
        left = None
    for waiting, at, _ in reversed(kept):
        left = waiting, at, left
    return left
