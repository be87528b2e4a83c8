"""The host of the detectors inside this process: one log, its users in memory. Pure.

Results are those of calling `step` for every authentication at once. But most have nothing to do
with any other, so those wait, each as one small link of a chain, and `step` sees them in their
order when one comes that may pair with them (see `Lull`). Most never get there: when event time
has gone a horizon further, a sweep drops what ended too long ago to matter.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from shipper.decode.ecs import Envelope
from shipper.detect import DETECTORS
from shipper.detect.finding import Found, event, shown
from shipper.detect.protocol import AnyDetector, Rule
from shipper.model import Code, CompletionFields, Counts, User
from shipper.times import AFTER_ALL, BEFORE_ALL

CODES = 4096  # remembered

# A completion that waits to have to do with another, as small as it can be, since thousands wait: end, id, component, start,
# its text, the end's text, code, success; and what is in memory of the user behind it.
_Waiting = tuple[int, str, str, int, str, str, Code, bool, Any]
# A state, and the time after which an authentication that starts matters nothing to it.
_Known = tuple[int, Any]
_Memory = _Waiting | _Known  # of one user


class Detectors:
    """The detectors of one log."""

    def __init__(self, rules: Mapping[str, Rule], envelope: Envelope, counts: Counts) -> None:
        """
        Args:
            rules: the parameters of the detectors that run, by name.
            envelope: adds what every event carries.
            counts: kept up to date.
        """
        self._counts = counts
        self._hosts = {name: LocalDetector(DETECTORS[name], rule, envelope, counts) for name, rule in rules.items()}

    def __call__(self, completions: list[CompletionFields]) -> list[Found]:
        """The findings of a chunk, in order of their positions."""
        hosts = self._hosts.values()
        found = [finding for host in hosts for finding in host(completions)]
        if len(hosts) > 1:
            found.sort(key=_position)
        self._counts.late += min((host.late for host in hosts), default=0)
        for host in hosts:
            host.late = 0
        return found

    def snapshot(self, newest: int) -> dict[str, Any]:
        """What can still change a result, by detector and user: the same for every way that led here."""
        return {name: host.snapshot(newest) for name, host in self._hosts.items()}

    def restore(self, snapshot: Mapping[str, Any], newest: int) -> None:
        """Go on from a snapshot."""
        for name, host in self._hosts.items():
            host.restore(snapshot[name], newest)

    @property
    def size(self) -> int:
        """How many users are in memory, over all detectors."""
        return sum(host.size for host in self._hosts.values())


def _position(found: Found) -> int:
    return found.position


class LocalDetector:
    """Folds the completions of one log into the events of one detector's findings.

    Users are kept in two generations: when event time has gone a horizon further, the older one is
    dropped whole, which costs nothing a user. What is in the younger one counts.
    """

    def __init__(self, detector: AnyDetector, rule: Rule, envelope: Envelope, counts: Counts) -> None:
        """`rule` is of the detector; `envelope` and `counts` as for `Detectors`."""
        self.late = 0  # authentications that came too late to take part
        self._detector = detector
        self._rule = rule
        self._horizon = rule.horizon
        self._counts = counts
        self._envelope = envelope
        self._young: dict[str, _Memory] = {}
        self._old: dict[str, _Memory] = {}
        self._turn = BEFORE_ALL  # when the generations change
        self._durations: dict[int, tuple[Code, int | None]] = {}  # `Lull.of_code` by identity of the code

    def __call__(self, completions: Iterable[CompletionFields]) -> list[Found]:
        """The findings of a chunk."""
        found: list[Found] = []
        young, old, turn, horizon = self._young, self._old, self._turn, self._horizon
        may_wait = self._detector.lull is not None
        memory: _Memory | None
        for completion in completions:
            _, user, event_id, component, start, start_text, end, end_text, code, success, newest = completion
            if user is None:
                continue
            if newest >= turn:
                young, old, turn = self._next_generation(newest)
            if end is not newest and end < newest - horizon:
                self.late += 1  # takes part in nothing: event time has gone on too far
                continue
            key = user[3]
            memory = young.get(key)
            if memory is None:
                memory = old.get(key)
                if memory is not None:
                    memory = _cut(memory, newest - horizon)
                if memory is None and may_wait:
                    young[key] = end, event_id, component, start, start_text, end_text, code, success, None
                    continue
            if memory is None or start <= self._after(memory):
                found += self._step(key, memory, completion)
            elif self._duration(code) is not None:
                young[key] = end, event_id, component, start, start_text, end_text, code, success, memory
        return found

    def _next_generation(self, newest: int) -> tuple[dict[str, _Memory], dict[str, _Memory], int]:
        if newest < self._turn + self._horizon:
            self._old, self._young = self._young, {}
        else:  # a whole horizon without an authentication: all is too old
            self._old, self._young = {}, {}
        self._turn = newest + self._horizon
        return self._young, self._old, self._turn

    def _after(self, memory: _Memory) -> int:
        """The time after which an authentication that starts matters nothing to what is in memory."""
        if len(memory) == 2:
            return memory[0]
        duration = self._duration(memory[6])
        return BEFORE_ALL if duration is None else memory[0] + duration

    def _duration(self, code: Code) -> int | None:
        """How long an authentication with this code matters to later ones; codes are few, and looked at once."""
        known = self._durations.get(id(code))
        if known is None:
            if len(self._durations) >= CODES:
                self._durations.clear()
            assert self._detector.lull is not None
            known = self._durations[id(code)] = code, self._detector.lull.of_code(code, self._rule)
        return known[1]

    def _step(self, key: str, memory: _Memory | None, completion: CompletionFields) -> list[Found]:
        """The findings of an authentication that may have to do with what is in memory."""
        state = self._state(memory)
        self._detector.forget(state, completion[10] - self._horizon)
        findings, counted = self._detector.step(state, completion, self._rule)
        self._young[key] = self._known(state)
        for name in counted:
            self._counts.detected[name] += 1
        return [self._found(finding, completion) for finding in findings]

    def _state(self, memory: _Memory | None) -> Any:
        """The state of a user, with what waited taken in; `memory` is of no use then."""
        waiting: list[CompletionFields] = []
        while memory is not None and len(memory) == 9:
            end, event_id, component, start, start_text, end_text, code, success, memory = memory
            waiting.append((0, None, event_id, component, start, start_text, end, end_text, code, success, end))
        state = self._detector.empty() if memory is None else memory[1]
        for completion in reversed(waiting):
            self._detector.step(state, completion, self._rule)
        return state

    def _known(self, state: Any) -> _Known:
        lull = self._detector.lull
        return lull.after(state, self._rule) if lull else AFTER_ALL, state

    def _found(self, finding: Any, completion: CompletionFields) -> Found:
        fields, component = completion[1], completion[3]
        assert fields is not None
        user = User(*fields)
        alert = self._detector.alert(finding, shown(user), self._rule)
        document = self._envelope.close(event(self._detector, alert, user, component))
        self._counts.findings += 1
        self._counts.detected[self._detector.found.name] += 1
        text = orjson.dumps(document).decode("latin-1")
        return Found(completion[0], text, alert.end, alert.id, document["event"]["dataset"], user.key)

    def snapshot(self, newest: int) -> dict[str, Any]:
        """See `Detectors.snapshot`; the states are those that the host goes on with."""
        oldest = newest - self._horizon
        memories = self._old | self._young
        states = {key: self._state(memory) for key, memory in memories.items()}
        states = {key: state for key, state in states.items() if self._detector.forget(state, oldest)}
        self.restore(states, newest)
        return states

    def restore(self, users: Mapping[str, Any], newest: int) -> None:
        """Go on from a snapshot."""
        self._old = {}
        self._young = {key: self._known(state) for key, state in users.items()}
        self._turn = newest + self._horizon

    @property
    def size(self) -> int:
        """How many users are in memory."""
        return len(self._old.keys() | self._young.keys())


def _cut(memory: _Memory | None, oldest: int) -> _Memory | None:
    """A memory without what ended before `oldest`: what stands behind something that did ended earlier still."""
    kept: list[_Waiting] = []
    while memory is not None and len(memory) == 9 and memory[0] >= oldest:
        kept.append(memory)
        memory = memory[8]
    if memory is not None and memory[0] < oldest:
        memory = None
    for waiting in reversed(kept):
        memory = (*waiting[:8], memory)
    return memory
