"""The host lets most authentications wait; what it finds is what a host finds that takes every step at once.

Completions are made here, not read: in any order, with codes that no table has, so that more goes wrong
than in a log. Times are on a grid of the rule's boundaries.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.decode.ecs import Envelope
from shipper.detect import DETECTORS
from shipper.detect.detector import Detectors
from shipper.detect.double_prompt import Rule
from shipper.detect.finding import Found, found, shown
from shipper.detect.protocol import AnyDetector
from shipper.detect.protocol import Rule as AnyRule
from shipper.model import Code, Completion, CompletionFields, Counts, User
from tests.support import burst

W, T = 5, 8
GRID = (0, 0, 1, 2, W - 1, W, W, W + 1, T, T + 1, W + T, 4 * T, W + 4 * T, W + 4 * T + 1)
RULES: tuple[AnyRule, ...] = (Rule(W, T), Rule(W, T, include_retries=True), Rule(0, T), Rule(W, 0), Rule(0, 0), Rule(T, W))


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
USERS: tuple[User | None, ...] = (User("bob", "CONTOSO", None, "contoso\\bob"), User("ann", None, None, "ann"), None)


@st.composite
def chunks(draw: st.DrawFn) -> list[list[CompletionFields]]:
    """Completions in chunks; most are newer than all before them."""
    made: list[list[CompletionFields]] = [[]]
    now = newest = 1000
    for number in range(draw(st.integers(1, 30))):
        if not draw(st.integers(0, 4)):
            made.append([])
        now = max(now, newest) + draw(st.sampled_from(GRID))
        end = now - (draw(st.sampled_from(GRID)) if not draw(st.integers(0, 3)) else 0)
        newest = max(newest, end)
        start = end - draw(st.sampled_from(GRID[:11]))
        completion: CompletionFields = (
            len(made[-1]),
            draw(st.sampled_from(USERS[:1] * 6 + USERS)),
            f"id-{number:02}",
            draw(st.sampled_from(("pfrad", "pfrad", "pfsvc"))),
            start,
            f"at {start}",
            end,
            f"at {end}",
            draw(st.sampled_from(CODES)),
            draw(st.booleans()),
            newest,
        )
        made[-1].append(completion)
    return made


class Plain:
    """The host as `protocol.py` describes it."""

    def __init__(self, detector: AnyDetector, rule: AnyRule) -> None:
        self.detector, self.rule = detector, rule
        self.states: dict[str, Any] = {}
        self.detected: Counter[str] = Counter()
        self.late = 0

    def __call__(self, completions: Sequence[CompletionFields]) -> list[Found]:
        findings: list[Found] = []
        for completion in map(Completion._make, completions):
            oldest = completion.newest - self.rule.horizon
            if completion.user is None:
                continue
            if completion.end < oldest:
                self.late += 1
                continue
            user = User(*completion.user)
            state = self.states.setdefault(user.key, self.detector.empty())
            self.detector.forget(state, oldest)
            led_to, counted = self.detector.step(state, completion, self.rule)
            self.detected.update([*counted, *[self.detector.found.name] * len(led_to)])
            alerts = [self.detector.alert(finding, shown(user), self.rule) for finding in led_to]
            findings += [found(self.detector, alert, user, completion, Envelope({})) for alert in alerts]
        return findings

    def snapshot(self, newest: int) -> dict[str, Any]:
        oldest = newest - self.rule.horizon
        return {key: state for key, state in self.states.items() if self.detector.forget(state, oldest)}


def alike(name: str, rule: AnyRule, made: list[list[CompletionFields]], restart: Callable[[int], bool]) -> None:
    """Run both hosts; before the chunks that `restart` names, the lean one goes on from its snapshot."""
    counts, plain, newest = Counts(), Plain(DETECTORS[name], rule), 0
    lean = Detectors({name: rule}, Envelope({}), counts)
    for number, completions in enumerate(made):
        if restart(number):
            snapshot = json.dumps(lean.snapshot(newest))
            lean = Detectors({name: rule}, Envelope({}), counts)
            lean.restore(json.loads(snapshot), newest)
        assert lean(completions) == plain(completions)
        newest = max([newest, *(completion[10] for completion in completions)])
    assert (counts.detected, counts.late) == (plain.detected, plain.late)
    assert counts.findings == plain.detected[DETECTORS[name].found.name]
    assert lean.snapshot(newest) == {name: plain.snapshot(newest)}


def never(_: int) -> bool:
    return False


def of_bob(*authentications: tuple[int, int, Code]) -> list[list[CompletionFields]]:
    """Successful authentications (start, end, code) of one user, in a chunk."""
    return [
        [
            (n, USERS[0], f"id-{n:02}", "pfrad", start, f"at {start}", end, f"at {end}", code, True, end)
            for n, (start, end, code) in enumerate(authentications)
        ]
    ]


many = settings(max_examples=1000, deadline=None)
APP, CODE_SENT, ANSWER = CODES[0], CODES[2], CODES[1]


@many
@given(rule=st.sampled_from(RULES), made=chunks())
@example(RULES[0], of_bob((0, 1, APP), (1 + W, 8, APP)))
@example(RULES[0], of_bob((0, 1, APP), (2 + W, 8, APP)))
@example(RULES[0], of_bob((0, 1, CODE_SENT), (1 + T, 10, ANSWER)))
@example(RULES[0], of_bob((0, 1, CODE_SENT), (2 + T, 11, ANSWER)))
@example(RULES[0], of_bob((0, 1, CODE_SENT), (2 + W, 8, APP), (9, 9, ANSWER)))
def test_waiting_changes_nothing(rule: AnyRule, made: list[list[CompletionFields]]) -> None:
    alike("double_prompt", rule, made, never)


@many
@given(rule=st.sampled_from(RULES), made=chunks(), numbers=st.sets(st.integers(0, 8)))
def test_a_snapshot_on_the_way_changes_nothing(rule: AnyRule, made: list[list[CompletionFields]], numbers: set[int]) -> None:
    alike("double_prompt", rule, made, numbers.__contains__)


@settings(max_examples=200, deadline=None)
@given(rule=st.sampled_from((burst.Rule(W, 2), burst.Rule(T, 3), burst.Rule(0, 1))), made=chunks())
def test_a_detector_that_lets_none_wait(rule: AnyRule, made: list[list[CompletionFields]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DETECTORS, "burst", burst.BURST)
        alike("burst", rule, made, never)


def test_most_wait() -> None:
    """What has nothing to do with any other never reaches `step`, and is gone after two horizons."""
    counts, rule = Counts(), Rule(W, T)
    host = Detectors({"double_prompt": rule}, Envelope({}), counts)
    for number in range(1000):
        user = User(f"user{number}", None, None, f"user{number}")
        host([(0, user, f"id-{number}", "pfrad", number, "", number, "", APP, True, number)])
    assert host.size <= 2 * rule.horizon + 1
    assert counts.findings == 0
