"""The detector double_prompt: one sign-in, and the phone asks twice. Pure.

Found: two prompts of one user on one component, close together, the first of which the user had
answered with success (*sequential*), was still answering (*concurrent*), or, if asked for, had
failed to answer (*retry*).

Missed: prompts whose exchange is incomplete, users without a name, second prompts beyond the
window. False positives: people who really sign in twice within the window.
"""

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypedDict

from shipper.decode.ecs import dataset
from shipper.detect.prompts import (
    CODE,
    END,
    END_TEXT,
    ID,
    IS_SECOND,
    METHOD,
    NO_METHOD,
    REACH,
    START,
    START_TEXT,
    SUCCESS,
    Component,
    Prompt,
    State,
    answer,
    answered_by,
    code_text,
    empty,
    forget,
    insert,
)
from shipper.detect.protocol import Alert, Detector, Lull, Nanoseconds, Step, Total
from shipper.model import Code, CompletionFields, Document
from shipper.times import BEFORE_ALL, SECOND

DUPLICATE = 101  # Auth Already In Progress
MS = 1_000_000
SEVERITY = 21
WITHOUT_CACHE = frozenset({"azure_mfa.nps"})  # datasets of what is no MFA Server

Pattern = Literal["sequential", "concurrent", "retry"]


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule: how soon a second prompt is a double prompt, and how long a request waits for its status."""

    window: Nanoseconds = 60 * SECOND
    exchange_timeout: Nanoseconds = 600 * SECOND
    include_retries: bool = False

    def __str__(self) -> str:
        return f"double prompts within {self.window / SECOND:g} s"

    @property
    def horizon(self) -> int:
        """See `protocol.Rule`."""
        return self.window + 4 * self.exchange_timeout

    @property
    def warm_up(self) -> int:
        """See `protocol.Rule`. The proof, for any order of the lines:

        Components share nothing, so consider the lines of one. Let W be the window, T the exchange timeout, N the
        newest event time, R = N - warm_up. One reading takes all lines. The other takes the lines after a mark and any
        of the lines before it, with the clock set to its value at the mark; all lines before the mark are older than
        R. Claim: both lead to the same state. (Because any lines before the mark may be read, a warm start can read
        the past of a quiet component without all that came since: on the way it reads only parts of the others.)

        1. From the first line at R or later, which is after the mark, both have the same newest event time. Until
           then it is before R in both.
        2. So an exchange whose request is at R or later gets the same lines in both. One whose request is before R
           ends before R + T. It is given up 2 T after its request, so the newest time is then before R + 2 T.
        3. A prompt that is not the same in both ends before R + 4 T. If its request is before R: its first step ends
           before R + T, its answer starts before R + 2 T and ends before R + 3 T. If not, one whose request is before
           R replaced it, in one of the two, as the prompt that waits for an answer, or took its answer. By then it
           had ended, before R + 2 T (2.), so its own answer starts before R + 3 T and ends before R + 4 T. An
           authentication that is an answer in one of the two and a prompt in the other is such an answer.
        4. A prompt that is the same in both but IS_SECOND in one of them started at most W after the end of one that
           is not the same: before R + 4 T + W. No prompt lasts longer than 3 T, so it ended before R + 7 T + W.
        5. What ended before N - W - 4 T is forgotten. So nothing of 3. and 4. is left if R + 7 T + W is not later
           than that, which means: if warm_up is at least 2 W + 11 T. Open exchanges and authentications with status
           101 need less.
        """
        return 2 * self.window + 11 * self.exchange_timeout


class Finding(TypedDict):
    """Two prompts that should have been one."""

    first: Prompt
    second: Prompt
    pattern: Pattern
    count: int
    already_in_progress: int
    cache_seconds: int | None


_NOTHING: Step[Finding] = Step()
_SPARED: Step[Finding] = Step((), ("cache_hits",))


def step(state: State, completion: CompletionFields, rule: Rule) -> Step[Finding]:
    """Take an authentication into the state of its user, in the order of the log; see `Detector.step`."""
    _, _, event_id, name, start, start_text, end, end_text, code, success, _ = completion
    status_class = code.status_class
    if code.number == DUPLICATE:
        insort(state["duplicates"], end)
    component = state["components"].get(name)
    if component is not None and component["pending"]:
        at = answered_by(component, code, start, rule.exchange_timeout)
        if at is not None:
            answer(component, at, end, end_text, code, success)
            return Step(_as_first(at, component, state, rule))
    if not code.prompted:
        spared = status_class == "cached" and component is not None and _spared(start, component["prompts"], rule)
        return _SPARED if spared else _NOTHING
    pending = status_class == "pending"
    method = code.method or NO_METHOD
    prompt = [start, event_id, end, end, False, success and not pending, start_text, end_text, code_text(code), method]
    waiting = {method: [start, event_id]} if pending else {}
    if component is None:
        has_cache = dataset(name) not in WITHOUT_CACHE
        state["components"][name] = {"prompts": [prompt], "ends": [end], "pending": waiting, "has_cache": has_cache}
        return _NOTHING
    component["pending"] |= waiting  # of a method only the latest waits for an answer
    at = insert(component, prompt)
    findings = _as_second(at, component, state, rule)
    if at + 1 < len(component["prompts"]):
        findings += _as_first(at, component, state, rule)
    return Step(findings) if findings else _NOTHING


def _as_second(at: int, component: Component, state: State, rule: Rule) -> list[Finding]:
    """The finding, if any, in which a prompt is the second of two: the nearest earlier one that qualifies is the first."""
    prompts = component["prompts"]
    second = prompts[at]
    oldest = second[START] - rule.window
    for first in islice(reversed(prompts), len(prompts) - at, None):
        if first[REACH] < oldest:
            break  # nothing that started even earlier lasted long enough
        pattern = _pattern(first, second, rule)
        if pattern:
            return [_finding(first, second, pattern, component, state, rule)]
    return []


def _as_first(at: int, component: Component, state: State, rule: Rule) -> list[Finding]:
    """The findings in which a prompt, now that its end is known, is the first of two."""
    findings: list[Finding] = []
    prompts = component["prompts"]
    first = prompts[at]
    latest = first[END] + rule.window
    for second in islice(prompts, at + 1, None):
        if second[START] > latest:
            break
        pattern = None if second[IS_SECOND] else _pattern(first, second, rule)
        if pattern:
            findings.append(_finding(first, second, pattern, component, state, rule))
    return findings


def _pattern(first: Prompt, second: Prompt, rule: Rule) -> Pattern | None:
    """How `first`, which started earlier, makes a double prompt of `second`; None if it does not."""
    gap = second[START] - first[END]
    if gap < 0:
        return "concurrent"
    if gap > rule.window:
        return None
    if first[SUCCESS]:
        return "sequential"
    return "retry" if rule.include_retries else None


def _finding(first: Prompt, second: Prompt, pattern: Pattern, component: Component, state: State, rule: Rule) -> Finding:
    second[IS_SECOND] = True
    prompts, duplicates, start = component["prompts"], state["duplicates"], second[START]
    spared = component["has_cache"] and first[SUCCESS]
    return {
        "first": first[:],
        "second": second[:],
        "pattern": pattern,
        "count": bisect_left(prompts, [start + 1]) - bisect_left(prompts, [start - rule.exchange_timeout]),
        "already_in_progress": bisect_right(duplicates, second[END]) - bisect_left(duplicates, first[START]),
        "cache_seconds": _cache_seconds(start - first[END]) if spared else None,
    }


def _spared(start: int, prompts: list[Prompt], rule: Rule) -> bool:
    """True if, without the cache, an authentication with this start would have been the second of two prompts."""
    for prompt in reversed(prompts):
        if prompt[REACH] < start - rule.window:
            break
        if prompt[SUCCESS] and 0 <= start - prompt[END] <= rule.window:
            return True
    return False


def _matters(code: Code, rule: Rule) -> int | None:
    """See `Lull.of_code`. A prompt may be the first of two, or wait for its answer; a status 101 counts between two prompts."""
    if code.prompted:
        return max(rule.window, rule.exchange_timeout) if code.status_class == "pending" else rule.window
    return 0 if code.number == DUPLICATE else None


def _after(state: State, rule: Rule) -> int:
    """See `Lull.after`."""
    latest = state["duplicates"][-1] if state["duplicates"] else BEFORE_ALL
    for component in state["components"].values():
        latest = max(latest, component["ends"][-1] + rule.window)
        if component["pending"]:
            latest = max(latest, component["ends"][-1] + rule.exchange_timeout)
    return latest


def _repeats(finding: Finding) -> bool:
    """See `Detector.repeats`."""
    first, second = finding["first"], finding["second"]
    return (first[START], first[END], first[CODE], first[METHOD]) == (second[START], second[END], second[CODE], second[METHOD])


def alert(finding: Finding, user: str, rule: Rule) -> Alert:
    """The alert of a finding."""
    first, second = finding["first"], finding["second"]
    duration = second[END] - first[START]
    message, fields = describe(finding, user), _fields(finding, rule)
    return Alert(f"{second[ID]}-dp", first[START_TEXT], second[END_TEXT], duration, SEVERITY, message, fields)


def describe(finding: Finding, user: str) -> str:
    """The finding as a sentence for a person."""
    gap, cache = finding["second"][START] - finding["first"][END], finding["cache_seconds"]
    if finding["pattern"] == "concurrent":
        return (
            f"{user} was asked twice: a second prompt began {-gap / SECOND:.1f} s before the first one was over. "
            "The client did not wait for the answer; a longer RADIUS timeout helps"
            + ("." if cache is None else f", and so does caching for {cache} s.")
        )
    if finding["pattern"] == "retry":
        return f"{user} was asked again {gap / SECOND:.1f} s after a prompt that ended without success."
    return f"{user} was asked twice: a second prompt began {gap / SECOND:.1f} s after the first one had succeeded. " + (
        "The client repeated its request or connected a second time."
        if cache is None
        else f"Caching for {cache} s would have spared it."
    )


def _cache_seconds(gap: int) -> int:
    """The smallest whole number of cache seconds, at least 1, that would have spared a prompt after such a gap. One second
    is enough for a negative gap: Microsoft's cache is made for requests that arrive while the first is in progress."""
    return max(1, -(-gap // SECOND))


def _fields(finding: Finding, rule: Rule) -> Document:
    first, second = finding["first"], finding["second"]
    gap = second[START] - first[END]
    fields: Document = {
        "pattern": finding["pattern"],
        "gap_ms": gap // MS,
        "window_ms": rule.window // MS,
        "count": finding["count"],
        "already_in_progress": finding["already_in_progress"],
    }
    if finding["cache_seconds"] is not None:
        fields["cache_seconds"] = finding["cache_seconds"]
    fields["first"], fields["second"] = _side(first), _side(second)
    return fields


def _side(prompt: Prompt) -> dict[str, Any]:
    return {
        "id": prompt[ID],
        "start": prompt[START_TEXT],
        "end": prompt[END_TEXT],
        "code": prompt[CODE],
        "method": prompt[METHOD],
    }


DOUBLE_PROMPT = Detector(
    name="double_prompt",
    version="1",
    rule=Rule,
    found=Total("double_prompts", "Findings: one sign-in, and the phone asked twice.", "double prompts {}"),
    totals=(Total("cache_hits", "Second prompts that the cache spared.", "the cache spared {} more"),),
    empty=empty,
    step=step,
    forget=forget,
    alert=alert,
    sides=("first", "second"),
    lull=Lull(_matters, _after),
    repeats=_repeats,
)
