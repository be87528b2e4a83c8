"""What each kind of line adds to its event, and what it does to the exchange of its thread. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from shipper.decode.ecs import ACTIONS, AUTHENTICATION, END, INFO, MODULE, START, shared_json, status_fields
from shipper.decode.exchanges import LogState
from shipper.decode.facts import Kind
from shipper.decode.line_patterns import Line
from shipper.decode.status_codes import SEVERITIES
from shipper.model import Code, Counts, Document, Exchange, User

_CONTRADICTION = {"success", "failure"}


class Part(NamedTuple):
    """What a kind of line says.

    Attributes:
        event: the fields below `event`, up to `event.module`.
        azure: the fields below `azure_mfa`.
        user: who signs in.
        completed: the authentication that this line completes.
    """

    event: Document
    azure: Document
    user: User | None
    completed: Exchange | None = None


def _request(line: Line, state: LogState, counts: Counts) -> Part:
    counts.requests += 1
    facts, context = line.facts, line.context
    thread = facts.correlation or context.thread
    event: Document = {
        "id": line.id,
        "dataset": context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": START,
        "action": "mfa-request",
        "outcome": "unknown",
        "module": MODULE,
    }
    azure: Document = {"request": {"arguments": list(facts.arguments)}} if facts.arguments else {}
    azure["exchange"] = {"id": line.id}
    if thread is not None:
        exchange = Exchange(line.time, line.stamp, line.id, facts.user, shared_json(facts.user, context.process))
        counts.given_up += state.exchanges.request(thread, exchange)
    return Part(event, azure, facts.user)


def _verdict(line: Line, state: LogState, counts: Counts) -> Part:
    counts.verdicts += 1
    facts, thread = line.facts, line.context.thread
    event: Document = {
        "id": line.id,
        "dataset": line.context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": INFO,
        "action": "mfa-verdict",
        "outcome": facts.verdict,
        "module": MODULE,
    }
    azure: Document = {"auth_result": facts.auth_result}
    exchange = state.exchanges.belonging(thread, line.time, state.newest)
    if thread is None or exchange is None:
        _orphan(line, counts)
        return Part(event, azure, None)
    state.exchanges.verdict(thread, exchange, facts.verdict or "unknown")
    azure["exchange"] = {"id": exchange.id}
    return Part(event, azure, exchange.user)


def _status(line: Line, state: LogState, counts: Counts) -> Part:
    counts.statuses += 1
    facts, code = line.facts, line.facts.code
    thread = facts.correlation or line.context.thread
    assert code is not None
    exchange = state.exchanges.belonging(thread, line.time, state.newest)
    verdict = facts.verdict or (exchange.verdict if exchange else None)
    event = _decided(line, counts, END, "mfa-status", code, verdict)
    azure: Document = {"status": status_fields(code)}
    if thread is None or exchange is None:
        _orphan(line, counts)
        event["module"] = MODULE
        return Part(event, azure, facts.user)
    event["start"] = exchange.start_text
    event["end"] = line.stamp
    event["duration"] = line.time - exchange.start
    event["module"] = MODULE
    azure["exchange"] = {"id": exchange.id}
    state.exchanges.close(thread)
    return Part(event, azure, exchange.user or facts.user, exchange)


def _result(line: Line, state: LogState, counts: Counts) -> Part:
    counts.results += 1
    facts, code = line.facts, line.facts.code
    assert code is not None
    event = _decided(line, counts, INFO, "mfa-result", code, facts.verdict)
    event["module"] = MODULE
    return Part(event, {"status": status_fields(code)}, facts.user, Exchange(line.time, line.stamp, line.id, facts.user, ""))


def _log(line: Line, state: LogState, counts: Counts) -> Part:
    counts.logs += 1
    facts = line.facts
    event: Document = {"id": line.id, "dataset": line.context.dataset, "kind": "event"}
    if facts.action is None:
        event["action"] = "log"
    else:
        event["category"], event["type"], outcome = ACTIONS[facts.action]
        event["action"] = facts.action
        event["outcome"] = facts.verdict or outcome
    event["module"] = MODULE
    return Part(event, {}, facts.user)


KINDS: dict[Kind, Callable[[Line, LogState, Counts], Part]] = {
    "request": _request,
    "verdict": _verdict,
    "status": _status,
    "result": _result,
    "log": _log,
}


def _decided(line: Line, counts: Counts, types: list[str], action: str, code: Code, verdict: str | None) -> Document:
    """The event of a status or result: what its code and the verdict say together."""
    counts.classes[code.status_class] += 1
    counts.unknown_codes += not code.known
    if {verdict, code.outcome} == _CONTRADICTION:
        counts.conflicts += 1
        line.tags.append("mfa_outcome_conflict")
    event: Document = {
        "id": line.id,
        "dataset": line.context.dataset,
        "kind": "event",
        "category": AUTHENTICATION,
        "type": types,
        "action": action,
        "outcome": verdict or code.outcome,
    }
    if code.number is not None:
        event["code"] = str(code.number)
    event["reason"] = code.description
    event["severity"] = SEVERITIES[code.severity]
    return event


def _orphan(line: Line, counts: Counts) -> None:
    counts.orphans += 1
    line.tags.append("mfa_orphan")
