"""The host of double_prompt inside this process: one source, its users in memory. Pure.

Memory is bounded by the rule's horizon. Users are kept in two generations: when event time has
gone a horizon further, the older generation is dropped whole, which costs nothing a user. What a
user's own state may still hold beyond the horizon, `double_prompt.forget` takes away before it is
looked at, so a result never depends on when a generation ended.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from shipper.decode.ecs import MODULE, Envelope, dataset, user_parts
from shipper.detect import double_prompt
from shipper.detect import finding as evidence
from shipper.detect.double_prompt import DUPLICATE, Authentication, Finding, Rule, State
from shipper.model import Code, CompletionFields, Counts, Document, Label, Origin, User, UserFields
from shipper.times import BEFORE_ALL

SEVERITY = 21
_MANY = 64  # waiting completions of one user, among which are some to forget

# An authentication that waits for another to have to do with: id, component, start, its text, end,
# its text, code, success. Thousands wait, so it is as small as it can be.
_Waiting = tuple[str, str, int, str, int, str, Code, bool]
END: Final = 4
_Seen = list[_Waiting] | State  # of one user


class LocalDetector:
    """Folds the completions of one source into double_prompt events."""

    def __init__(self, rule: Rule, envelope: Envelope, counts: Counts) -> None:
        """
        Args:
            rule: the parameters.
            envelope: adds what every event carries.
            counts: where findings and cache hits are counted.
        """
        self.rule = rule
        self.counts = counts
        self._envelope = envelope
        self._young: dict[str, _Seen] = {}
        self._old: dict[str, _Seen] = {}
        self._turn = BEFORE_ALL  # when the generations change

    def __call__(self, completions: list[CompletionFields]) -> list[tuple[int, str, Label]]:
        """The findings of a chunk: position of the event that each stands behind, and its JSON text."""
        found: list[tuple[int, str, Label]] = []
        young, old, window, horizon = self._young, self._old, self.rule.window, self.rule.horizon
        for completion in completions:
            user = completion[1]
            if user is None:
                continue
            newest = completion[10]
            if newest >= self._turn:
                young, old = self._new_generation(newest)
            if completion[6] < newest - horizon:
                self.counts.late += 1  # takes part in nothing: event time has gone on too far
                continue
            key = user[3]
            seen = young.get(key)
            if seen is None:
                seen = old.pop(key, None)
            if seen is None or isinstance(seen, list):
                # The commonest case by far: nothing near enough to matter. Completions wait as they
                # are, and become a state when one comes that may have to do with another.
                if seen is None or completion[4] - seen[-1][END] > window:
                    code = completion[8]
                    if code[2] != "pending":
                        if code[4] or code[0] == DUPLICATE:
                            seen = seen or []
                            seen.append(completion[2:10])
                            if not len(seen) % _MANY:
                                seen = [one for one in seen if one[END] >= newest - horizon]
                        if seen is not None:
                            young[key] = seen
                        continue
                seen = self._state(seen or [])
            young[key] = seen
            found += self._step(seen, completion, user, newest)
        return found

    def _new_generation(self, newest: int) -> tuple[dict[str, _Seen], dict[str, _Seen]]:
        if newest < self._turn + self.rule.horizon:
            self._old, self._young = self._young, {}
        else:  # a whole horizon without an authentication: all is too old
            self._old, self._young = {}, {}
        self._turn = newest + self.rule.horizon
        return self._young, self._old

    def _state(self, waiting: list[_Waiting]) -> State:
        """The state of a user after authentications that had nothing to do with each other."""
        state = double_prompt.empty()
        for one in waiting:
            double_prompt.admit(state, authentication(*one))
        return state

    def _step(self, state: State, completion: CompletionFields, user: UserFields, newest: int) -> list[tuple[int, str, Label]]:
        position, component = completion[0], completion[3]
        step = double_prompt.step(state, authentication(*completion[2:10]), self.rule, newest)
        self.counts.cache_hits += step["cache_hit"]
        self.counts.findings += len(step["findings"])
        return [
            (
                position,
                orjson.dumps(self.document(finding, User(*user), component), option=orjson.OPT_APPEND_NEWLINE).decode("latin-1"),
                _label(finding, component, user),
            )
            for finding in step["findings"]
        ]

    def snapshot(self, newest: int) -> dict[str, State]:
        """What can still change a result, by user: the same for every way that led here."""
        users: dict[str, State] = {}
        for key, seen in self._users():
            state = seen if isinstance(seen, dict) else self._state(seen)
            if double_prompt.forget(state, self.rule, newest):
                users[key] = state
        return users

    def signature(self, newest: int) -> list[list[Any]]:
        """A snapshot in short, by user: identity, end and role of each prompt that can still matter.

        Two hosts of the same log with equal signatures have equal snapshots, since an identity names a line.
        """
        oldest = newest - self.rule.horizon
        users: list[list[Any]] = []
        for key, seen in self._users():
            marks: list[list[Any]]
            if isinstance(seen, dict):
                alive = double_prompt.forget(seen, self.rule, newest)
                marks = double_prompt.marks(seen) if alive else []
            else:
                left = [one for one in seen if one[END] >= oldest]
                marks = sorted([c, i, end, False] for i, c, _, _, end, _, code, _ in left if code.prompted)
                marks += [[one[END]] for one in left if one[6].number == DUPLICATE]
            if marks:
                users.append([key, marks])
        users.sort()
        return users

    @property
    def size(self) -> int:
        """How many users are in memory."""
        return len(self._old) + len(self._young)

    def _users(self) -> Iterator[tuple[str, _Seen]]:
        yield from self._old.items()
        yield from self._young.items()

    def restore(self, users: Mapping[str, State], newest: int) -> None:
        """Go on from a snapshot."""
        self._old, self._young = {}, dict(users)
        self._turn = newest + self.rule.horizon

    def document(self, finding: Finding, user: User, component: str) -> Document:
        """The ECS event of a finding."""
        first, second = finding["first"], finding["second"]
        name = user.email or (f"{user.domain}\\{user.name}" if user.domain else user.name)
        mine, related = user_parts(user)
        document: Document = {
            "@timestamp": second["end_text"],
            "event": {
                "id": f"{second['id']}-dp",
                "dataset": dataset(component),
                "kind": "alert",
                "category": ["authentication"],
                "type": ["info"],
                "action": "double_prompt",
                "module": MODULE,
                "provider": component,
                "severity": SEVERITY,
                "start": first["start_text"],
                "end": second["end_text"],
                "duration": second["end"] - first["start"],
            },
            "message": evidence.describe(finding, name),
            "user": mine,
            "related": related,
            "azure_mfa": {"double_prompt": evidence.fields(finding, self.rule)},
            "rule": {"name": "double_prompt", "ruleset": "mfa-shipper", "version": double_prompt.RULE_VERSION},
        }
        return self._envelope.close(document)


def _label(finding: Finding, component: str, user: UserFields) -> Label:
    second = finding["second"]
    return second["end_text"], f"{second['id']}-dp", Origin(None, dataset(component), "alert"), user[3]


def authentication(
    event_id: str, component: str, start: int, start_text: str, end: int, end_text: str, code: Code, success: bool
) -> Authentication:
    """An authentication as the rule takes it."""
    return {
        "id": event_id,
        "component": component,
        "start": start,
        "start_text": start_text,
        "end": end,
        "end_text": end_text,
        "code": str(code.number) if code.number is not None else code.constant or code.description,
        "method": code.method or "none",
        "success": success,
        "prompted": code.prompted is True,
        "pending": code.status_class == "pending",
        "cached": code.status_class == "cached",
        "duplicate": code.number == DUPLICATE,
    }
