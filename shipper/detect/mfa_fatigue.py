"""The detector mfa_fatigue: prompts that the user refuses, one after the other, until the user gives in. Pure.

Found: as many refused prompts of one user on one component within the window as the rule requires (MITRE ATT&CK T1621);
and a success after these, if the last refusal is not longer ago than the window.

Missed: prompts spread wider than the window, or over several users (a spray). False positives: a client that automatically
repeats its request while the user is away from the phone.

Refusals that ended longer ago than the horizon, the window plus two exchange timeouts, are forgotten. That changes no
finding from an exchange: a status read when event time is more than two timeouts past its request is an orphan, and a
refusal matters only to prompts that end up to `window` after it (for those that end later, the slate is clean). Only a
one-line result can come later than that: it may then count too few refusals, and beyond the horizon it takes no part.
"""

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypedDict

from shipper.detect.prompts import NO_METHOD, code_text
from shipper.detect.protocol import Alert, AtLeastOne, Begins, Detector, Lasting, Lull, Nanoseconds, Step, Total
from shipper.model import Code, CompletionFields, Document
from shipper.times import BEFORE_ALL, SECOND

MS = 1_000_000
GAVE_IN = "mfa_fatigue_gave_in"
SEVERITY, SEVERITY_GAVE_IN = 73, 99
CLASSES = {"denied": "denied", "no_response": "not answered", "fraud": "reported as fraud"}
"""The status classes that are refusals, and their wording in a sentence."""
THREAT: Document = {
    "framework": "MITRE ATT&CK",
    "technique": {"id": ["T1621"], "name": ["Multi-Factor Authentication Request Generation"]},
}

# A refusal is a list, since no JSON value is cheaper to make, and so that refusals sort by end.
Refusal = list[Any]
END, START, ID, CLASS, START_TEXT, END_TEXT, CODE, METHOD = range(8)


class Slate(TypedDict):
    """The refusals of one user on one component.

    Attributes:
        refusals: the refusals that count, in order.
        over: the refusals before the user gave in: they count no more, and are kept for `_lasting`.
        told: there has been a finding since the slate was clean.
    """

    refusals: list[Refusal]
    over: list[Refusal]
    told: bool


State = dict[str, Slate]  # by component; a slate holds some refusal


@dataclass(frozen=True, slots=True)
class Rule:
    """The rule: how many prompts that a user refuses within which time are an attack."""

    window: Nanoseconds = 600 * SECOND
    count: AtLeastOne = 5
    exchange_timeout: Nanoseconds = 600 * SECOND

    def __str__(self) -> str:
        return f"MFA fatigue from {self.count} refusals within {_span(self.window)}"

    @property
    def horizon(self) -> int:
        """See `protocol.Rule`."""
        return self.window + 2 * self.exchange_timeout

    @property
    def warm_up(self) -> int:
        """See `protocol.Rule`. The proof, for any order of the lines:

        As in `double_prompt`, consider one component. Let H be the horizon, T the exchange timeout, N the newest event
        time, R = N - warm_up. One reading takes all lines, the other those after a mark and any of those before it,
        with the clock set at the mark; all lines before the mark are older than R. Claim: both lead to the same
        refusals, counting or over; `_outlast` restores which of them are over and which slates are told.

        1. From the first line at R or later, which is after the mark, both have the same newest event time. Until
           then it is before R in both.
        2. So an exchange whose request is at R or later gets the same lines in both. One whose request is before R
           ends before R + T. A result of one line before the mark ended before R.
        3. So a refusal that is not the same in both ended before R + T. It is forgotten if that is not later than
           N - H, which means: if warm_up is at least H + T. No finding removes a refusal, it only moves to `over`.
        4. A slate is there as long as it holds a refusal, so both have the same slates, and the rest of them is restored.
        """
        return self.horizon + self.exchange_timeout


class Finding(TypedDict):
    """Refusals in order, at least one, and the prompt that completed the finding."""

    refusals: list[Refusal]
    id: str
    end: int
    end_text: str
    gave_in: bool


_NOTHING: Step[Finding] = Step()


def step(state: State, completion: CompletionFields, rule: Rule) -> Step[Finding]:
    """Take an authentication into the state of its user, in the order of the log; see `Detector.step`.

    A prompt that the user refused but the server let pass counts as both: a refusal, and then a success.
    """
    _, _, event_id, component, start, start_text, end, end_text, code, success, _ = completion
    slate = state.get(component)
    refused = code.status_class in CLASSES
    if not code.prompted or (slate is None and not refused):
        return _NOTHING
    if slate is None:
        slate = state[component] = {"refusals": [], "over": [], "told": False}
    refusals = slate["refusals"]
    if slate["told"] and end > refusals[-1][END] + rule.window:
        slate["told"] = False
    if refused:
        method = code.method or NO_METHOD
        insort(refusals, [end, start, event_id, code.status_class, start_text, end_text, code_text(code), method])
    told = slate["told"]
    if told and not (success and refusals[-1][END] <= end):
        return _NOTHING
    if not told and not refused:
        return _NOTHING
    counted = refusals[bisect_left(refusals, [end - rule.window]) : bisect_left(refusals, [end + 1])]
    if not told and len(counted) < rule.count:
        return _NOTHING
    slate["told"] = not told
    if told:
        for refusal in refusals:
            insort(slate["over"], refusal)
        slate["refusals"] = []
    finding: Finding = {"refusals": counted, "id": event_id, "end": end, "end_text": end_text, "gave_in": told}
    return Step([finding], (GAVE_IN,) if told else ())


def forget(state: State, oldest: int) -> bool:
    """Drop what ended before `oldest`; False if nothing is left."""
    for component, slate in list(state.items()):
        for refusals in (slate["refusals"], slate["over"]):
            if refusals and refusals[0][END] < oldest:
                del refusals[: bisect_left(refusals, [oldest])]
        if not slate["refusals"]:
            slate["told"] = False
            if not slate["over"]:
                del state[component]
    return bool(state)


def _under_way(state: State) -> bool:
    """See `Begins.under_way`. After a finding, any prompt may clean the slate, or be the one with which the user gives in."""
    return any(slate["told"] for slate in state.values())


def _matters(code: Code, rule: Rule) -> int | None:
    """See `Lull.of_code`."""
    return rule.window if code.prompted and code.status_class in CLASSES else None


def _after(state: State, rule: Rule) -> int:
    """See `Lull.after`."""
    ends = [refusals[-1][END] for slate in state.values() for refusals in (slate["refusals"], slate["over"]) if refusals]
    return max(ends, default=BEFORE_ALL) + rule.window


def _alone_is_nothing(rule: Rule) -> bool:
    """See `Lull.holds`."""
    return rule.count > 1


def _lasting(state: State) -> dict[str, list[Any]]:
    """See `Lasting.of`: by component, whether the slate is told, and the ids of the refusals that are over."""
    return {
        component: [slate["told"], [refusal[ID] for refusal in slate["over"]]]
        for component, slate in state.items()
        if slate["told"] or slate["over"]
    }


def _outlast(state: State, lasting: dict[str, list[Any]]) -> None:
    """See `Lasting.give`."""
    for component, slate in state.items():
        told, ids = lasting.get(component, (False, ()))
        over = set(ids)
        refusals = sorted(slate["refusals"] + slate["over"])
        slate["refusals"] = [refusal for refusal in refusals if refusal[ID] not in over]
        slate["over"] = [refusal for refusal in refusals if refusal[ID] in over]
        slate["told"] = told and bool(slate["refusals"])


def _repeats(finding: Finding) -> bool:
    """See `Detector.repeats`."""
    times = [(refusal[END], refusal[START], refusal[CODE]) for refusal in finding["refusals"]]
    return len(set(times)) < len(times)


def alert(finding: Finding, user: str, rule: Rule) -> Alert:
    """The alert of a finding."""
    refusals, gave_in = finding["refusals"], finding["gave_in"]
    first, last = refusals[0], refusals[-1]
    classes = Counter(refusal[CLASS] for refusal in refusals)
    fields: Document = {
        "count": len(refusals),
        **{name: classes[name] for name in CLASSES},
        "window_ms": rule.window // MS,
        "gave_in": gave_in,
        "first": _side(first),
        "last": _side(last),
    }
    return Alert(
        id=f"{finding['id']}-mf",
        start=first[START_TEXT],
        end=finding["end_text"],
        duration=finding["end"] - first[START],
        severity=SEVERITY_GAVE_IN if gave_in else SEVERITY,
        message=describe(finding, user, rule),
        fields=fields,
        more={"threat": THREAT},
    )


def describe(finding: Finding, user: str, rule: Rule) -> str:
    """The finding as a sentence for a person."""
    refusals = finding["refusals"]
    classes = Counter(refusal[CLASS] for refusal in refusals)
    how = ", ".join(f"{classes[name]} {words}" for name, words in CLASSES.items() if classes[name])
    number, span = len(refusals), _span(rule.window)
    if finding["gave_in"]:
        return (
            f"{user} approved a prompt after refusing {number} within {span} ({how}). "
            "If that was not the user's own sign-in, somebody else is in: end the user's sessions, change the password."
        )
    return (
        f"{user} refused {number} prompt{'' if number == 1 else 's'} within {span} ({how}). "
        "Somebody may know the password and keep asking until the user gives in: ask the user, change the password."
    )


def _span(duration: int) -> str:
    """A duration as people say it."""
    minutes, rest = divmod(duration, 60 * SECOND)
    return f"{minutes} min" if minutes and not rest else f"{duration / SECOND:g} s"


def _side(refusal: Refusal) -> dict[str, Any]:
    return {
        "id": refusal[ID],
        "start": refusal[START_TEXT],
        "end": refusal[END_TEXT],
        "code": refusal[CODE],
        "method": refusal[METHOD],
    }


MFA_FATIGUE = Detector(
    name="mfa_fatigue",
    version="1",
    rule=Rule,
    found=Total("mfa_fatigue", "Findings: a user who refused prompt after prompt, or gave in after that.", "MFA fatigue {}"),
    totals=(Total(GAVE_IN, "Users who approved a prompt after they had refused many.", "{} gave in"),),
    empty=dict,
    step=step,
    forget=forget,
    alert=alert,
    sides=("first", "last"),
    begins=Begins(frozenset(CLASSES), _under_way),
    lull=Lull(_matters, _after, _alone_is_nothing),
    lasting=Lasting(_lasting, _outlast),
    repeats=_repeats,
)
