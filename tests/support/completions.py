"""Completions that are made, not read, and a host of detectors as simple as their protocol.

Completions come in any order, with codes that no table has, so that more goes wrong than in a log. Times are on a
grid of the rule's boundaries.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

from shipper.detect import DETECTORS
from shipper.detect.detector import Detectors
from shipper.detect.double_prompt import Rule
from shipper.detect.finding import Found
from shipper.detect.mfa_fatigue import Rule as FatigueRule
from shipper.detect.protocol import AnyDetector
from shipper.detect.protocol import Rule as AnyRule
from shipper.model import Code, Completion, CompletionFields, Counts, User, is_withdrawal, withdrawal

W, T = 5, 8
AHEAD = (1, W, 4 * T, 100, 1000)
GRID = (0, 0, 1, 2, W - 1, W, W, W + 1, T, T + 1, W + T, 4 * T, W + 4 * T, W + 4 * T + 1)
RULES: tuple[AnyRule, ...] = (Rule(W, T), Rule(W, T, include_retries=True), Rule(0, T), Rule(W, 0), Rule(0, 0), Rule(T, W))
FATIGUE_RULES = tuple(FatigueRule(window, count, T) for window, count in ((W, 2), (W, 3), (0, 2), (4 * T, 3), (W + T, 5), (W, 1)))


def code(number: int, status_class: str, method: str | None, *, prompted: bool) -> Code:
    return Code(number, f"Status {number}", status_class, "success", prompted, method, "low", None)


CODES = (
    code(21, "authenticated", "mobile_app", prompted=True),
    code(19, "authenticated", "text_message", prompted=True),
    code(20, "pending", "text_message", prompted=True),
    code(22, "pending", "oath_token", prompted=True),
    code(23, "authenticated", "oath_token", prompted=False),  # an answer that rings no phone
    code(15, "pending", None, prompted=False),
    code(101, "duplicate", None, prompted=False),
    code(101, "duplicate", "text_message", prompted=True),
    code(6, "cached", None, prompted=False),
    code(129, "denied", "mobile_app", prompted=True),
    code(4, "no_response", None, prompted=True),
    Code(None, "Unknown", "unknown", "unknown", None, None, "medium", "CONSTANT"),
)
REFUSALS = (
    *(code(129, "denied", "mobile_app", prompted=True),) * 4,
    code(4, "no_response", None, prompted=True),
    code(112, "fraud", "phone_call", prompted=True),
    code(130, "denied", "mobile_app", prompted=False),
    code(14, "blocked", None, prompted=False),
    *CODES[:3],
)
"""Codes that are mostly refusals."""
USERS: tuple[User | None, ...] = (User("bob", "CONTOSO", None, "contoso\\bob"), User("ann", None, None, "ann"), None)


Pick = Callable[[Sequence[Any]], Any]
"""Takes one of several."""


def chunks(pick: Pick, codes: Sequence[Code] = CODES) -> list[list[CompletionFields]]:
    """Completions in chunks, with these codes; most are newer than all before them, a few ahead of the clock, and withdrawn
    or not."""
    made: list[list[CompletionFields]] = [[]]
    now = newest = 1000
    for number in range(pick(range(1, 31))):
        if not pick(range(5)):
            made.append([])
        now = max(now, newest) + pick(GRID)
        end = now - (pick(GRID) if not pick(range(4)) else 0)
        ahead = not pick(range(12))
        end = max(newest, end) + pick(AHEAD) if ahead else end
        newest = newest if ahead else max(newest, end)
        start = end - pick(GRID[:11])
        completion: CompletionFields = (
            len(made[-1]),
            pick(USERS[:1] * 6 + USERS),
            f"id-{number:02}",
            pick(("pfrad", "pfrad", "pfsvc")),
            start,
            f"at {start}",
            end,
            f"at {end}",
            pick(codes),
            pick((False, True)),
            newest,
        )
        made[-1].append(completion)
        if ahead:
            made += [[]] if pick((True, False)) else []
            withdrawn = completion[1] is not None and pick((True, False))
            made[-1] += [withdrawal("pfrad")] if withdrawn else []
            newest = newest if withdrawn else end
            now = now if withdrawn else end
    return made


class Plain:
    """The host as `protocol.py` describes it."""

    def __init__(self, detector: AnyDetector, rule: AnyRule) -> None:
        self.detector, self.rule = detector, rule
        self.states: dict[str, Any] = {}
        self.detected: Counter[str] = Counter()
        self.late = 0
        self.before: tuple[str, Any] = "", None

    def __call__(self, completions: Sequence[CompletionFields]) -> list[Found]:
        findings: list[Found] = []
        for completion in map(Completion._make, completions):
            oldest = completion.newest - self.rule.horizon
            if is_withdrawal(completion):
                self.states[self.before[0]] = self.before[1]
            if completion.user is None:
                continue
            if completion.end < oldest:
                self.late += 1
                continue
            user = User(*completion.user)
            state = self.states.setdefault(user.key, self.detector.empty())
            self.detector.forget(state, oldest)
            if completion.end > completion.newest:
                self.before = user.key, deepcopy(state)
            led_to, counted = self.detector.step(state, completion, self.rule)
            self.detected.update([*counted, *[self.detector.found.name] * len(led_to)])
            position, component = completion.position, completion.component
            findings += [Found(position, finding, self.detector, self.rule, user, component) for finding in led_to]
        return findings

    def snapshot(self, newest: int) -> dict[str, Any]:
        oldest = newest - self.rule.horizon
        return {key: state for key, state in self.states.items() if self.detector.forget(state, oldest)}


def alike(name: str, rule: AnyRule, made: list[list[CompletionFields]], restart: Callable[[int], bool]) -> None:
    """Run both hosts; before the chunks that `restart` names, the lean one goes on from its snapshot."""
    counts, plain, newest = Counts(), Plain(DETECTORS[name], rule), 0
    lean, then = Detectors({name: rule}, counts), list[tuple[Any, Any]]()
    for number, completions in enumerate(made):
        if restart(number):
            snapshot = json.dumps([lean.snapshot(newest), lean.undo(), lean.generations()])
            lean = Detectors({name: rule}, counts)
            users, undo, generations = json.loads(snapshot)
            lean.restore(users, newest, undo=undo, generations=generations)
        found = lean(completions)
        assert found == plain(completions)
        then += [(finding.finding, deepcopy(finding.finding)) for finding in found]
        newest = max([newest, *(completion[10] for completion in completions)])
    assert all(now == before for now, before in then), "a later step has changed what was found"
    assert (counts.detected, counts.late) == (plain.detected, plain.late)
    assert counts.findings == plain.detected[DETECTORS[name].found.name]
    assert lean.snapshot(newest) == {name: plain.snapshot(newest)}
