"""The rule double_prompt: one sign-in, and the phone asks twice. A pure fold over plain JSON state.

Found: two prompts of one user on one component, close together, the first of which the user had
answered with success (*sequential*), was still answering (*concurrent*), or, if asked for, had
failed to answer (*retry*). A prompt is an authentication that reached the user, from its request to
its status; a two-step method (text message sent, then the code) is one prompt.

Missed: prompts whose exchange is incomplete, users without a name, second prompts beyond the
window. False positives: people who really sign in twice within the window.

`step(state, authentication)` is all there is; the state of a user is a JSON value, so the same
function runs in this process (`local.py`) and on a stream engine. Time is event time only.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypedDict

from shipper.times import SECOND

RULE_VERSION = "1"
DUPLICATE = 101  # Auth Already In Progress

Pattern = Literal["sequential", "concurrent", "retry"]


@dataclass(frozen=True, slots=True)
class Rule:
    """The parameters; durations in nanoseconds."""

    window: int = 60 * SECOND
    exchange_timeout: int = 600 * SECOND
    include_retries: bool = False

    @property
    def horizon(self) -> int:
        """What ended longer ago than this, measured from the newest event time, changes no result."""
        return self.window + 4 * self.exchange_timeout


class Authentication(TypedDict):
    """One complete authentication of a known user, as the fold takes it. Times in nanoseconds,
    the texts as the log writes them."""

    id: str
    component: str
    start: int
    start_text: str
    end: int
    end_text: str
    code: str
    method: str
    success: bool
    prompted: bool
    pending: bool
    cached: bool
    duplicate: bool


class Prompt(TypedDict):
    """A prompt that may still matter.

    `second`: it is the second prompt of a finding already. `reach`: the latest end of all prompts up
    to this one, which tells a search backwards when to stop.
    """

    id: str
    start: int
    start_text: str
    end: int
    end_text: str
    code: str
    method: str
    success: bool
    second: bool
    reach: int


class Component(TypedDict):
    """One user on one component: prompts in order of (start, id), their ends in order, and by method
    the (start, id) of the two-step prompt that waits for its answer."""

    prompts: list[Prompt]
    ends: list[int]
    pending: dict[str, list[Any]]


class State(TypedDict):
    """One user: `components` by name, and the ends of authentications with status 101, in order."""

    components: dict[str, Component]
    duplicates: list[int]


class Finding(TypedDict):
    """Two prompts that should have been one."""

    first: Prompt
    second: Prompt
    pattern: Pattern
    count: int
    already_in_progress: int


class Step(TypedDict):
    """What one authentication led to. `cache_hit`: the cache spared the user a second prompt."""

    findings: list[Finding]
    cache_hit: bool


def empty() -> State:
    """The state of a user who was not seen yet."""
    return {"components": {}, "duplicates": []}


def forget(state: State, rule: Rule, newest: int) -> bool:
    """Drop what ended more than the horizon before the newest event time.

    Returns:
        False if nothing is left.
    """
    oldest = newest - rule.horizon
    for name, component in list(state["components"].items()):
        gone = bisect_left(component["ends"], oldest)
        if not gone:
            continue
        del component["ends"][:gone]
        prompts = component["prompts"]
        if prompts[gone - 1]["reach"] < oldest:
            del prompts[:gone]  # those that started first ended first, as nearly always
        else:
            prompts[:] = [prompt for prompt in prompts if prompt["end"] >= oldest]
        left = {_order(prompt) for prompt in prompts} if component["pending"] else set()
        component["pending"] = {method: order for method, order in component["pending"].items() if tuple(order) in left}
        if not prompts:
            del state["components"][name]
    del state["duplicates"][: bisect_left(state["duplicates"], oldest)]
    return bool(state["components"] or state["duplicates"])


def step(state: State, it: Authentication, rule: Rule, newest: int) -> Step:
    """Take one authentication into the state of its user, in the order of the source.

    Args:
        state: of this user; changed in place.
        it: the authentication.
        rule: the parameters.
        newest: the newest event time of the source, in nanoseconds.
    """
    forget(state, rule, newest)
    if it["end"] < newest - rule.horizon:
        return {"findings": [], "cache_hit": False}
    if it["duplicate"]:
        insort(state["duplicates"], it["end"])
    component = state["components"].get(it["component"]) or _nothing()
    prompts = component["prompts"]
    at = _answered_by(it, component, rule)
    if at is not None:
        del component["ends"][bisect_left(component["ends"], prompts[at]["end"])]
        insort(component["ends"], it["end"])
        prompts[at] |= {"end": it["end"], "end_text": it["end_text"], "code": it["code"], "success": it["success"]}
        _reach(prompts, at)
        return {"findings": list(_as_first(at, it["component"], state, rule)), "cache_hit": False}
    if not it["prompted"]:
        return {"findings": [], "cache_hit": it["cached"] and _spared(it, prompts, rule)}
    prompt = _prompt(it)
    if it["pending"]:
        component["pending"][it["method"]] = list(_order(prompt))  # only the latest waits for an answer
    at = bisect_left(prompts, _order(prompt), key=_order)
    prompts.insert(at, prompt)
    insort(component["ends"], prompt["end"])
    _reach(prompts, at)
    state["components"][it["component"]] = component
    findings = []
    for first in islice(reversed(prompts), len(prompts) - at, None):
        if first["reach"] < prompt["start"] - rule.window:
            break  # nothing that started even earlier lasted long enough
        pattern = _qualifies(first, prompt, rule)
        if pattern:
            findings.append(_finding(first, prompt, pattern, it["component"], state, rule))
            break
    findings += _as_first(at, it["component"], state, rule)
    return {"findings": findings, "cache_hit": False}


def admit(state: State, it: Authentication) -> None:
    """Take one that has nothing to do with the ones before it, which it must all follow: what `step`
    would do then, without looking."""
    if it["duplicate"]:
        state["duplicates"].append(it["end"])
    if it["prompted"]:
        component = state["components"].setdefault(it["component"], _nothing())
        component["prompts"].append(_prompt(it))
        component["ends"].append(it["end"])


def _nothing() -> Component:
    return {"prompts": [], "ends": [], "pending": {}}


def marks(state: State) -> list[list[Any]]:
    """A state in short: each prompt by component, identity, end and role; what waits; the duplicates."""
    components = sorted(state["components"].items())
    short: list[list[Any]] = sorted([name, p["id"], p["end"], p["second"]] for name, c in components for p in c["prompts"])
    short += [[name, method, *order] for name, c in components for method, order in sorted(c["pending"].items())]
    return short + [[end] for end in state["duplicates"]]


def _prompt(it: Authentication) -> Prompt:
    return {
        "id": it["id"],
        "start": it["start"],
        "start_text": it["start_text"],
        "end": it["end"],
        "end_text": it["end_text"],
        "code": it["code"],
        "method": it["method"],
        "success": it["success"] and not it["pending"],
        "second": False,
        "reach": it["end"],
    }


def _order(prompt: Prompt) -> tuple[int, str]:
    return prompt["start"], prompt["id"]


def _reach(prompts: list[Prompt], at: int) -> None:
    """Set `reach` again from `at` on, as far as it changes."""
    reach = prompts[at - 1]["reach"] if at else prompts[at]["end"]
    for prompt in islice(prompts, at, None):
        reach = max(reach, prompt["end"])
        if prompt["reach"] == reach and prompt is not prompts[at]:
            return
        prompt["reach"] = reach


def _answered_by(it: Authentication, component: Component, rule: Rule) -> int | None:
    """The index of the two-step prompt that this authentication is the answer to."""
    order = component["pending"].get(it["method"])
    if order is None or it["pending"]:
        return None
    at = bisect_left(component["prompts"], tuple(order), key=_order)
    if not 0 <= it["start"] - component["prompts"][at]["end"] <= rule.exchange_timeout:
        return None
    del component["pending"][it["method"]]
    return at


def _qualifies(first: Prompt, second: Prompt, rule: Rule) -> Pattern | None:
    """How `first`, which started earlier, makes a double prompt of `second`; None if it does not."""
    gap = second["start"] - first["end"]
    if gap < 0:
        return "concurrent"
    if gap > rule.window:
        return None
    if first["success"]:
        return "sequential"
    return "retry" if rule.include_retries else None


def _as_first(at: int, component: str, state: State, rule: Rule) -> Iterator[Finding]:
    """Findings in which a prompt, now that its end is known, is the first of two."""
    prompts = state["components"][component]["prompts"]
    first = prompts[at]
    for second in islice(prompts, at + 1, None):
        if second["start"] - first["end"] > rule.window:
            break
        pattern = None if second["second"] else _qualifies(first, second, rule)
        if pattern:
            yield _finding(first, second, pattern, component, state, rule)


def _finding(first: Prompt, second: Prompt, pattern: Pattern, component: str, state: State, rule: Rule) -> Finding:
    second["second"] = True
    prompts, start = state["components"][component]["prompts"], second["start"]
    duplicates = state["duplicates"]
    return {
        "first": first.copy(),
        "second": second.copy(),
        "pattern": pattern,
        "count": bisect_right(prompts, start, key=_start) - bisect_left(prompts, start - rule.exchange_timeout, key=_start),
        "already_in_progress": bisect_right(duplicates, second["end"]) - bisect_left(duplicates, first["start"]),
    }


def _start(prompt: Prompt) -> int:
    return prompt["start"]


def _spared(it: Authentication, prompts: list[Prompt], rule: Rule) -> bool:
    """True if without the cache this would have been the second of two prompts."""
    for prompt in reversed(prompts):
        if prompt["reach"] < it["start"] - rule.window:
            break
        if prompt["success"] and 0 <= it["start"] - prompt["end"] <= rule.window:
            return True
    return False
