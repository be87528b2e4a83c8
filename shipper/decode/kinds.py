"""For each kind of line: the fields it gives its event, and its effect on the exchange of its thread. Pure.

Only the event that completes an authentication says success or failure, so that counting either counts each
authentication once. A request, a verdict and a status that waits for a second step say unknown.
"""

from collections.abc import Callable

from shipper.decode.clock import ComponentState
from shipper.decode.ecs import ACTIONS, AUTHENTICATION, END, INFO, MODULE, START, shared_json
from shipper.decode.facts import Kind
from shipper.decode.line_patterns import Line
from shipper.decode.status_codes import PENDING, UNKNOWN
from shipper.decode.unparsed import why_unknown
from shipper.model import Counts, Document, Exchange, User

CONCLUSIVE = ("success", "failure")

# What a kind of line contributes: the fields below `event`, down to `event.module`; the fields below `azure_mfa`; the user;
# the authentication that the line completes. A plain tuple, like `Line`.
Part = tuple[Document, Document, User | None, Exchange | None]


def thread_of(line: Line) -> str | None:
    """What ties the lines of an exchange together: the thread, or the correlation id of the NPS extension."""
    _, _, _, _, _, context, facts, _ = line
    return context.thread if facts.correlation is None else facts.correlation


def _request(line: Line, state: ComponentState, counts: Counts) -> Part:
    counts.requests += 1
    _, _, event_id, stamp, time, context, facts, _ = line
    thread = thread_of(line)
    event: Document = {
        "id": event_id,
        "dataset": context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": START,
        "action": "mfa-request",
        "outcome": UNKNOWN,
        "module": MODULE,
    }
    azure: Document = {"request": {"arguments": facts.arguments}} if facts.arguments else {}
    azure["exchange"] = {"id": event_id}
    if thread:
        exchange = Exchange(time, stamp, event_id, facts.user, shared_json(facts.user, context.process))
        counts.given_up += state.exchanges.request(thread, exchange)
    return event, azure, facts.user, None


def _verdict(line: Line, state: ComponentState, counts: Counts) -> Part:
    counts.verdicts += 1
    _, _, event_id, _, time, context, facts, _ = line
    thread = context.thread
    event: Document = {
        "id": event_id,
        "dataset": context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": INFO,
        "action": "mfa-verdict",
        "outcome": UNKNOWN,
        "module": MODULE,
    }
    azure: Document = {"auth_result": facts.auth_result}
    exchange = state.exchanges.belonging(thread, time, state.newest)
    if thread is None or exchange is None:
        _orphan(line, state, counts)
        return event, azure, None, None
    state.exchanges.verdict(thread, exchange, facts.verdict or UNKNOWN)
    azure["exchange"] = {"id": exchange.id}
    return event, azure, exchange.user, None


def _status(line: Line, state: ComponentState, counts: Counts) -> Part:
    _, _, _, stamp, time, _, facts, _ = line
    thread = thread_of(line)
    exchange = state.exchanges.belonging(thread, time, state.newest)
    if exchange is None and facts.correlation is not None:
        return _result(line, state, counts)  # the NPS extension writes no challenge for a push notification
    counts.statuses += 1
    verdict = facts.verdict or (exchange.verdict if exchange else None)
    event = _decided(line, counts, END, "mfa-status", verdict)
    azure: Document = {"status": facts.status}
    if thread is None or exchange is None:
        _orphan(line, state, counts)
        event["module"] = MODULE
        return event, azure, facts.user, None
    event["start"] = exchange.start_text
    event["end"] = stamp
    event["duration"] = time - exchange.start
    event["module"] = MODULE
    azure["exchange"] = {"id": exchange.id}
    state.exchanges.close(thread)
    return event, azure, exchange.user or facts.user, exchange


def _result(line: Line, state: ComponentState, counts: Counts) -> Part:
    counts.results += 1
    _, _, event_id, stamp, time, _, facts, _ = line
    event = _decided(line, counts, INFO, "mfa-result", facts.verdict)
    event["module"] = MODULE
    return event, {"status": facts.status}, facts.user, Exchange(time, stamp, event_id, facts.user, "")


def _log(line: Line, state: ComponentState, counts: Counts) -> Part:
    counts.logs += 1
    _, _, event_id, _, _, context, facts, _ = line
    if facts.shape is not None and context.known:
        counts.unknown(facts.shape)
        cause = why_unknown(facts.message)
        if cause is not None:
            counts.causes[cause] += 1
    event: Document = {"id": event_id, "dataset": context.dataset, "kind": "event"}
    if facts.action is None:
        event["action"] = "log"
    else:
        event["category"], event["type"], outcome = ACTIONS[facts.action]
        event["action"] = facts.action
        event["outcome"] = facts.verdict or outcome
    if facts.severity is not None:
        event["severity"] = facts.severity
    event["module"] = MODULE
    return event, {}, facts.user, None


KINDS: dict[Kind, Callable[[Line, ComponentState, Counts], Part]] = {
    "request": _request,
    "verdict": _verdict,
    "status": _status,
    "result": _result,
    "log": _log,
}


def _decided(line: Line, counts: Counts, types: list[str], action: str, verdict: str | None) -> Document:
    """The `event` object of a status or result, from its code and the verdict; counts and tags a conflict of the two."""
    _, _, event_id, _, _, context, facts, tags = line
    code = facts.code
    assert code is not None
    counts.classes[code.status_class] += 1
    counts.unknown_codes += not code.known
    outcome = code.outcome
    if verdict != outcome and verdict in CONCLUSIVE and outcome in CONCLUSIVE:
        counts.conflicts += 1
        tags.append("mfa_outcome_conflict")
    return {
        "id": event_id,
        "dataset": context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": types,
        "action": action,
        "outcome": UNKNOWN if code.status_class == PENDING else verdict or outcome,
        **(facts.decided or {}),
    }


def _orphan(line: Line, state: ComponentState, counts: Counts) -> None:
    _, _, _, _, time, _, _, tags = line
    counts.orphans += 1
    counts.out_of_order += state.newest - time > state.exchanges.patience
    tags.append("mfa_orphan")
