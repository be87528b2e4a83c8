"""What `double_prompt` remembers of one user: the prompts that may still matter. Pure.

A prompt is an authentication that reached the user, from its request to its status. A two-step
method (text message sent, then the code) is one prompt: its first half waits here for its answer.
"""

from bisect import bisect_left, insort
from itertools import islice
from typing import Any, TypedDict

from shipper.model import Code

# A prompt is a list, since no JSON value is cheaper to make, and so that prompts sort by start, then by id.
Prompt = list[Any]
START, ID, END, REACH, IS_SECOND, SUCCESS, START_TEXT, END_TEXT, CODE, METHOD = range(10)
"""The indexes of a prompt's values.

START, END: nanoseconds; START_TEXT, END_TEXT: as the log writes them. REACH: the latest end of all prompts
up to this one, which tells a backward search when to stop. IS_SECOND: it is already the second prompt of a finding.
"""
NO_METHOD = "none"


class Component(TypedDict):
    """One user on one component: prompts in order, their ends in order, and by method the [start, id] of
    the two-step prompt that waits for its answer. `has_cache`: it belongs to MFA Server, whose cache can spare prompts."""

    prompts: list[Prompt]
    ends: list[int]
    pending: dict[str, list[Any]]
    has_cache: bool


class State(TypedDict):
    """One user: `components` by name, and the ends of authentications with status 101, in order."""

    components: dict[str, Component]
    duplicates: list[int]


def empty() -> State:
    """The state of a user who has not been seen."""
    return {"components": {}, "duplicates": []}


def forget(state: State, oldest: int) -> bool:
    """Drop what ended before `oldest`; False if nothing is left."""
    components, duplicates = state["components"], state["duplicates"]
    for name in list(components):
        ends = components[name]["ends"]
        if ends[-1] < oldest:
            del components[name]
        elif ends[0] < oldest:
            _forget(components[name], oldest)
    if duplicates and duplicates[0] < oldest:
        del duplicates[: bisect_left(duplicates, oldest)]
    return bool(components or duplicates)


def _forget(component: Component, oldest: int) -> None:
    prompts, ends, pending = component["prompts"], component["ends"], component["pending"]
    gone = bisect_left(ends, oldest)
    del ends[:gone]
    if prompts[gone - 1][REACH] < oldest:
        del prompts[:gone]  # those that started first ended first, as nearly always
    else:
        prompts[:] = [prompt for prompt in prompts if prompt[END] >= oldest]
    for method, waiting in list(pending.items()):
        at = bisect_left(prompts, waiting)
        if at == len(prompts) or prompts[at][: len(waiting)] != waiting:
            del pending[method]


def insert(component: Component, prompt: Prompt) -> int:
    """Insert a prompt in order among the others, and return its index."""
    prompts = component["prompts"]
    insort(component["ends"], prompt[END])
    latest = prompts[-1]
    if latest < prompt:
        prompt[REACH] = max(latest[REACH], prompt[END])
        prompts.append(prompt)
        return len(prompts) - 1
    at = bisect_left(prompts, prompt)
    prompts.insert(at, prompt)
    _extend_reach(prompts, at)
    return at


def answered_by(component: Component, code: Code, start: int, patience: int) -> int | None:
    """Find the two-step prompt that an authentication answers, and end its wait; return its index, None if there is none.

    Args:
        component: the state of the user on the component.
        code: the status of the authentication.
        start: the start of the authentication, in nanoseconds.
        patience: most nanoseconds from the end of the first step to the start of its answer.
    """
    method = code.method or NO_METHOD
    waiting = component["pending"].get(method)
    if waiting is None or code.status_class == "pending":
        return None
    at = bisect_left(component["prompts"], waiting)
    if not 0 <= start - component["prompts"][at][END] <= patience:
        return None
    del component["pending"][method]
    return at


def answer(component: Component, at: int, end: int, end_text: str, code: Code, success: bool) -> None:
    """Complete the two-step prompt at this index with its answer."""
    prompts, ends = component["prompts"], component["ends"]
    prompt = prompts[at]
    del ends[bisect_left(ends, prompt[END])]
    insort(ends, end)
    prompt[END], prompt[END_TEXT], prompt[CODE], prompt[SUCCESS] = end, end_text, code_text(code), success
    _extend_reach(prompts, at)


def code_text(code: Code) -> str:
    """The name of a code in a finding."""
    return str(code.number) if code.number is not None else code.constant or code.description


def _extend_reach(prompts: list[Prompt], at: int) -> None:
    """Recompute REACH from `at` on, as far as it changes."""
    changed = prompts[at]
    reach = prompts[at - 1][REACH] if at else changed[END]
    for prompt in islice(prompts, at, None):
        reach = max(reach, prompt[END])
        if prompt[REACH] == reach and prompt is not changed:
            return
        prompt[REACH] = reach
