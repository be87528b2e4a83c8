"""The format `ocsf`: converts an ECS event to an event of the Open Cybersecurity Schema Framework. Pure.

Three classes: Authentication for an event with the category `authentication` and a user, Detection Finding
for a finding, Base Event for the rest. Values that OCSF has no place for, or holds less exactly, stay
below `unmapped` under their ECS names, so nothing is lost.

Source: github.com/ocsf/ocsf-schema, tag 1.5.0; `schemas/ocsf.schema.json` holds the part that applies to these events.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from shipper.decode.status_codes import PENDING, SEVERITIES
from shipper.model import Document
from shipper.times import SECOND, StampReader

VERSION = "1.5.0"

_Caption = tuple[int, str]  # a number of an enumeration and its caption


class _Class(NamedTuple):
    uid: int
    name: str
    category_uid: int
    category_name: str


_AUTHENTICATION = _Class(3002, "Authentication", 3, "Identity & Access Management")
_FINDING = _Class(2004, "Detection Finding", 2, "Findings")
_BASE = _Class(0, "Base Event", 0, "Uncategorized")

_COMPLETES = ("mfa-status", "mfa-result")
_UNKNOWN, _OTHER = (0, "Unknown"), 99
_SEVERITY: dict[int, _Caption] = {number: (uid, name.capitalize()) for uid, (name, number) in enumerate(SEVERITIES.items(), 1)}
_OUTCOME: dict[str, _Caption] = {"success": (1, "Success"), "failure": (2, "Failure")}
_FACTOR: dict[str, _Caption] = {
    "text_message": (1, "SMS"),
    "security_questions": (2, "Security Question"),
    "phone_call": (3, "Phone Call"),
    "voiceprint": (4, "Biometric"),
    "mobile_app": (5, "Push Notification"),
    "oath_token": (7, "OTP"),
}
_NPS, _NPS_PRODUCT = "azure_mfa.nps", "NPS extension for Azure MFA"
_SERVICE = {
    "azure_mfa.radius": "MultiFactorAuthRadiusSvc",
    "azure_mfa.server": "MultiFactorAuthSvc",
    "azure_mfa.adsync": "MultiFactorAuthAdSyncSvc",
    _NPS: _NPS_PRODUCT,
}
_EMAIL = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]+")  # as the type `email_t` requires
_SECONDS = StampReader().seconds


def ocsf_text(text: str) -> str:
    """Convert the JSON text of an ECS event, with its line end, to OCSF. Both texts have one character for each byte."""
    event = ocsf_event(orjson.loads(text.encode("latin-1")))
    return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE).decode("latin-1")


def ocsf_event(ecs: Document) -> Document:
    """Convert an ECS event to an OCSF event; modifies `ecs`, which ends up as `unmapped`."""
    event: Document = ecs["event"]
    authenticates = "authentication" in event.pop("category", ())
    event.pop("type", None)  # follows from the action
    ecs.pop("related", None)  # repeats users and addresses
    del ecs["ecs"], event["module"]  # always the same
    user = _user(ecs)
    if event["kind"] == "alert":
        own = _finding(ecs, user)
    elif authenticates and user:
        own = _authentication(ecs, user)
    else:
        activity = (_OTHER, event["action"]) if "action" in event else _UNKNOWN
        own = _classified(_BASE, activity, event) | _status(ecs) | _known(actor={"user": user} if user else None)
    out = own | _common(ecs, "finding_info" in own) | _known(observables=_observables(own))
    return out | _known(raw_data=_raw(event.pop("original", None)), unmapped=ecs)


def label_fields(ocsf: Mapping[str, Any]) -> Document:
    """The ECS fields for the label of an event in this format: time, id, data set, kind, path, user.

    Raises:
        KeyError, TypeError, AttributeError: the event is not one of ours.
    """
    metadata, event = ocsf["metadata"], ocsf["unmapped"]["event"]
    user = ocsf.get("user") or ocsf.get("actor", {}).get("user") or ocsf.get("evidences", [{}])[0].get("user", {})
    return {
        "@timestamp": metadata["original_time"],
        "event": {"id": metadata["uid"], "dataset": event["dataset"], "kind": event["kind"]},
        "log": {"file": _known(path=metadata.get("log_name"))},
        "user": user,
    }


def _authentication(ecs: Document, user: Document) -> Document:
    """Logon for an event that completes an authentication; its steps are other activities, so that nobody counts them."""
    event: Document = ecs["event"]
    status = ecs.get("azure_mfa", {}).get("status", {})
    dataset = event["dataset"]
    activity = (1, "Logon") if event["action"] in _COMPLETES else (_OTHER, event["action"])
    radius = {"auth_protocol_id": 10, "auth_protocol": "RADIUS"} if dataset in ("azure_mfa.radius", _NPS) else {}
    number, factor = _FACTOR.get(status.get("method", ""), _UNKNOWN)
    return (
        _classified(_AUTHENTICATION, activity, event)
        | _status(ecs)
        | {"user": user, "service": {"name": _SERVICE.get(dataset) or event.get("provider") or dataset}}
        | radius
        | _known(
            is_mfa=status.get("prompted"),
            auth_factors=[{"factor_type_id": number, "factor_type": factor}] if number else None,
            src_endpoint=_endpoint(ecs),
        )
    )


def _finding(ecs: Document, user: Document) -> Document:
    event: Document = ecs["event"]
    rule, event_id = ecs.pop("rule"), event["id"]
    threat = _take(ecs, "threat", "technique") or {}
    found = ecs.get("azure_mfa", {}).get(rule["name"], {})
    related = [found[name]["id"] for name in ("first", "second", "last") if name in found]
    attacks = [
        {"technique": {"uid": uid, "name": name}} for uid, name in zip(threat.get("id", ()), threat.get("name", ()), strict=True)
    ]
    return (
        _classified(_FINDING, (1, "Create"), event)
        | {"status_id": 1, "status": "New", "is_alert": True}
        | {
            "finding_info": {"uid": event_id, "title": rule["name"]}
            | _known(
                desc=ecs.get("message"),
                analytic={"type_id": 1, "type": "Rule", "name": rule["name"]} | _known(version=rule.get("version")),
                attacks=attacks or None,
                first_seen_time=_milliseconds(event.get("start")),
                last_seen_time=_milliseconds(event.get("end")),
                related_events=[{"uid": uid} for uid in related] or None,
            )
        }
        | _known(evidences=[{"user": user}] if user else None)
    )


def _classified(kind: _Class, activity: _Caption, event: Document) -> Document:
    number, name = activity
    severity, severity_name = _SEVERITY.get(event.pop("severity", 0), _UNKNOWN)
    return {
        "class_uid": kind.uid,
        "class_name": kind.name,
        "category_uid": kind.category_uid,
        "category_name": kind.category_name,
        "activity_id": number,
        "activity_name": name,
        "type_uid": kind.uid * 100 + number,
        "type_name": f"{kind.name}: {'Other' if number == _OTHER else name}",
        "severity_id": severity,
        "severity": severity_name,
    }


def _status(ecs: Document) -> Document:
    event: Document = ecs["event"]
    outcome = event.pop("outcome", None)
    waits = ecs.get("azure_mfa", {}).get("status", {}).get("class") == PENDING
    uid, caption = (_OTHER, "Pending") if waits else _OUTCOME.get(outcome, _UNKNOWN)
    said = {} if outcome is None else {"status_id": uid, "status": caption}
    return said | _known(status_code=event.pop("code", None), status_detail=event.pop("reason", None))


def _common(ecs: Document, is_finding: bool) -> Document:
    """The fields that events of all classes have."""
    event: Document = ecs["event"]
    stamp, version = ecs.pop("@timestamp"), _take(ecs, "agent", "version")
    shipper = {"name": _take(ecs, "agent", "type") or "mfa-shipper"} | _known(version=version)
    server = {"name": _NPS_PRODUCT if event["dataset"] == _NPS else "Azure MFA Server", "vendor_name": "Microsoft"}
    host = _take(ecs, "host", "name")
    metadata = {"version": VERSION, "product": shipper if is_finding else server} | _known(
        uid=event.pop("id"),
        event_code=event.pop("action", None),
        correlation_uid=_take(ecs, "azure_mfa", "exchange", "id"),
        original_time=stamp,
        log_name=_take(ecs, "log", "file", "path"),
        log_provider=event.pop("provider", None),
        log_level=_take(ecs, "log", "level"),
        loggers=[shipper] if version else None,
        labels=ecs.pop("tags", None),
        profiles=["host"],
    )
    duration = event.get("duration")
    return {"metadata": metadata, "time": _milliseconds(stamp)} | _known(
        start_time=_milliseconds(event.get("start")),
        end_time=_milliseconds(event.get("end")),
        duration=None if duration is None else duration // 1_000_000,
        message=ecs.pop("message", None),
        device={"hostname": host, "type_id": 0, "type": "Unknown"} if host else None,
    )


def _observables(own: Document) -> list[Document] | None:
    """The names and addresses that people search for, each with the field that holds it."""
    users = (
        ("user.name", own.get("user")),
        ("actor.user.name", own.get("actor", {}).get("user")),
        ("evidences[0].user.name", own.get("evidences", [{}])[0].get("user")),
    )
    found = [{"name": at, "type_id": 4, "type": "User Name", "value": user["name"]} for at, user in users if user]
    if address := own.get("src_endpoint", {}).get("ip"):
        found.append({"name": "src_endpoint.ip", "type_id": 2, "type": "IP Address", "value": address})
    return found or None


def _user(ecs: Document) -> Document:
    """The user, with an e-mail address if it is valid by OCSF's rules; empty if there is no user."""
    name = _take(ecs, "user", "name")
    if name is None:
        return {}
    email = ecs.get("user", {}).get("email", "")
    address = _take(ecs, "user", "email") if _EMAIL.fullmatch(email) else None
    return {"name": name} | _known(domain=_take(ecs, "user", "domain"), email_addr=address)


def _endpoint(ecs: Document) -> Document | None:
    address = _take(ecs, "source", "ip")
    return None if address is None else {"ip": address} | _known(port=_take(ecs, "source", "port"))


def _raw(original: str | list[str] | None) -> str | None:
    return "\n".join(original) if isinstance(original, list) else original


def _milliseconds(stamp: str | None) -> int | None:
    """A time stamp in milliseconds since 1970, truncated."""
    if stamp is None:
        return None
    fraction = stamp[20:23].rstrip("Z").ljust(3, "0") if stamp[19:20] == "." else "0"
    return (_SECONDS[stamp[:19]] or 0) // SECOND * 1000 + int(fraction)


def _known(**fields: Any) -> Document:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _take(document: Document, outer: str, *path: str) -> Any:
    """Remove and return a value below `outer`, with the objects that it leaves empty; None if there is no such value."""
    inner = document.get(outer)
    if not isinstance(inner, dict):
        return None
    value = inner.pop(path[0], None) if len(path) == 1 else _take(inner, *path)
    if not inner:
        del document[outer]
    return value
