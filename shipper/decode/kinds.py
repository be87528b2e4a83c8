"""The kinds of lines: the effect of each on the exchange of its thread, and the fields of its event. Pure.

Only the event that completes an authentication has the outcome success or failure, so that counting either counts
each authentication once. A request, a verdict, and a status that waits for a second step have the outcome unknown.
"""

from collections.abc import Callable

from shipper.decode.clock import ComponentState
from shipper.decode.ecs import ACTIONS, AUTHENTICATION, END, INFO, MODULE, START
from shipper.decode.facts import Kind
from shipper.decode.line_patterns import Line
from shipper.decode.status_codes import PENDING, UNKNOWN
from shipper.decode.unparsed import why_unknown
from shipper.model import Counts, Document, ExchangeFields, UserFields

CONCLUSIVE = ("success", "failure")

# Takes a line, the outcome of its event, and its exchange; returns the fields below `event` and those below `azure_mfa`.
Fields = Callable[[Line, str, ExchangeFields | None], tuple[Document, Document]]

# The effect of a line: the function that makes its fields; the outcome of its event (empty: none); the exchange that it
# belongs to; its user; the authentication that it completes. A plain tuple, like `Line`.
Part = tuple[Fields, str, ExchangeFields | None, UserFields | None, ExchangeFields | None]


def thread_of(line: Line) -> str | None:
    """The key that the lines of an exchange share: the thread, or the correlation id of the NPS extension."""
    _, _, _, _, _, context, facts, _ = line
    return context.thread if facts.correlation is None else facts.correlation


def _request(line: Line, state: ComponentState, counts: Counts) -> Part:
    counts.requests += 1
    _, _, event_id, stamp, time, context, facts, _ = line
    user, thread = facts.user, thread_of(line)
    exchange = (time, stamp, event_id, user, facts.user_json + context.process_json, None)
    if thread:
        older = state.exchanges.open.get(thread)
        if older is not None and state.newest - time <= state.exchanges.patience:  # else it may have been given up
            counts.repeated += older[0] == time and older[3] == user
        counts.given_up += state.exchanges.request(thread, exchange)
    return _request_fields, UNKNOWN, exchange, user, None


def _request_fields(line: Line, outcome: str, exchange: ExchangeFields | None) -> tuple[Document, Document]:
    _, _, event_id, _, _, context, facts, _ = line
    event: Document = {
        "id": event_id,
        "dataset": context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": START,
        "action": "mfa-request",
        "outcome": outcome,
        "module": MODULE,
    }
    azure: Document = {"request": {"arguments": facts.arguments}} if facts.arguments else {}
    return event, _tied(azure, exchange)


def _verdict(line: Line, state: ComponentState, counts: Counts) -> Part:
    counts.verdicts += 1
    _, _, _, _, time, context, facts, _ = line
    thread = context.thread
    exchange = state.exchanges.belonging(thread, time, state.newest)
    if thread is None or exchange is None:
        _orphan(line, state, counts)
        return _verdict_fields, UNKNOWN, None, None, None
    state.exchanges.verdict(thread, exchange, facts.verdict or UNKNOWN)
    return _verdict_fields, UNKNOWN, exchange, exchange[3], None


def _verdict_fields(line: Line, outcome: str, exchange: ExchangeFields | None) -> tuple[Document, Document]:
    _, _, event_id, _, _, context, facts, _ = line
    event: Document = {
        "id": event_id,
        "dataset": context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": INFO,
        "action": "mfa-verdict",
        "outcome": outcome,
        "module": MODULE,
    }
    return event, _tied({"auth_result": facts.auth_result}, exchange)


def _status(line: Line, state: ComponentState, counts: Counts) -> Part:
    _, _, _, _, time, _, facts, _ = line
    thread = thread_of(line)
    exchange = state.exchanges.belonging(thread, time, state.newest)
    if exchange is None and facts.correlation is not None:
        return _result(line, state, counts)  # the NPS extension writes no challenge for a push notification
    counts.statuses += 1
    outcome = _decided(line, counts, facts.verdict or (exchange[5] if exchange else None))
    if thread is None or exchange is None:
        _orphan(line, state, counts)
        return _status_fields, outcome, None, facts.user, None
    state.exchanges.close(thread)
    return _status_fields, outcome, exchange, exchange[3] or facts.user, exchange


def _status_fields(line: Line, outcome: str, exchange: ExchangeFields | None) -> tuple[Document, Document]:
    _, _, _, stamp, time, _, facts, _ = line
    event = _coded(line, END, "mfa-status", outcome)
    if exchange is not None:
        event["start"] = exchange[1]
        event["end"] = stamp
        event["duration"] = time - exchange[0]
    event["module"] = MODULE
    return event, _tied({"status": facts.status}, exchange)


def _result(line: Line, state: ComponentState, counts: Counts) -> Part:
    counts.results += 1
    _, _, event_id, stamp, time, _, facts, _ = line
    outcome = _decided(line, counts, facts.verdict)
    return _result_fields, outcome, None, facts.user, (time, stamp, event_id, facts.user, "", None)


def _result_fields(line: Line, outcome: str, _exchange: ExchangeFields | None) -> tuple[Document, Document]:
    event = _coded(line, INFO, "mfa-result", outcome)
    event["module"] = MODULE
    return event, {"status": line[6].status}


def _log(line: Line, state: ComponentState, counts: Counts) -> Part:
    counts.logs += 1
    _, _, _, _, _, context, facts, _ = line
    if facts.shape is not None and context.known:
        counts.unknown(facts.shape)
        cause = why_unknown(facts.message)
        if cause is not None:
            counts.causes[cause] += 1
    return _log_fields, "" if facts.action is None else facts.verdict or ACTIONS[facts.action][2], None, facts.user, None


def _log_fields(line: Line, outcome: str, _exchange: ExchangeFields | None) -> tuple[Document, Document]:
    _, _, event_id, _, _, context, facts, _ = line
    event: Document = {"id": event_id, "dataset": context.dataset, "kind": "event"}
    if facts.action is None:
        event["action"] = "log"
    else:
        event["category"], event["type"], _ = ACTIONS[facts.action]
        event["action"] = facts.action
        event["outcome"] = outcome
    if facts.severity is not None:
        event["severity"] = facts.severity
    event["module"] = MODULE
    return event, {}


KINDS: dict[Kind, Callable[[Line, ComponentState, Counts], Part]] = {
    "request": _request,
    "verdict": _verdict,
    "status": _status,
    "result": _result,
    "log": _log,
}


def _tied(azure: Document, exchange: ExchangeFields | None) -> Document:
    """`azure` with the id of the exchange, if there is one."""
    if exchange is not None:
        azure["exchange"] = {"id": exchange[2]}
    return azure


def _decided(line: Line, counts: Counts, verdict: str | None) -> str:
    """The outcome of a status or result, from its code and the verdict; count and tag a conflict of the two."""
    _, _, _, _, _, _, facts, tags = line
    code = facts.code
    assert code is not None
    counts.classes[code.status_class] += 1
    counts.unknown_codes += not code.known
    outcome = code.outcome
    if verdict != outcome and verdict in CONCLUSIVE and outcome in CONCLUSIVE:
        counts.conflicts += 1
        tags.append("mfa_outcome_conflict")
    return UNKNOWN if code.status_class == PENDING else verdict or outcome


def _coded(line: Line, types: list[str], action: str, outcome: str) -> Document:
    """The `event` object of a status or result, up to the fields that its code sets."""
    _, _, event_id, _, _, context, facts, _ = line
    return {
        "id": event_id,
        "dataset": context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": types,
        "action": action,
        "outcome": outcome,
        **(facts.decided or {}),
    }


def _orphan(line: Line, state: ComponentState, counts: Counts) -> None:
    _, _, _, _, time, _, _, tags = line
    counts.orphans += 1
    counts.out_of_order += state.newest - time > state.exchanges.patience
    tags.append("mfa_orphan")
