"""A finding on its way out: its ECS event, whichever detector found it. Pure."""

from collections.abc import Sequence
from functools import lru_cache

import orjson

from shipper.decode.ecs import MODULE, Envelope, dataset, user_parts
from shipper.detect.protocol import Alert, AnyDetector
from shipper.model import CompletionFields, Document, Label, Origin, User

Found = tuple[int, str, Label]
"""A finding among the events of a chunk: the index of the event that it stands behind, its text with its line end, its label."""


def found(detector: AnyDetector, alert: Alert, user: User, completion: CompletionFields, envelope: Envelope) -> Found:
    """The finding that a completion led to; `envelope` adds the fields that every event carries."""
    component = completion[3]
    origin = _origin(component)
    user_fields, related = user_parts(user)
    document: Document = {
        "@timestamp": alert.end,
        "event": {
            "id": alert.id,
            "dataset": origin.dataset,
            "kind": "alert",
            "category": ["authentication"],
            "type": ["info"],
            "action": detector.name,
            "module": MODULE,
            "provider": component,
            "severity": alert.severity,
            "start": alert.start,
            "end": alert.end,
            "duration": alert.duration,
        },
        "message": alert.message,
        "user": user_fields,
        "related": related,
        "azure_mfa": {detector.name: alert.fields},
        "rule": {"name": detector.name, "ruleset": "mfa-shipper", "version": detector.version},
        **alert.more,
    }
    text = orjson.dumps(envelope.close(document), option=orjson.OPT_APPEND_NEWLINE).decode("latin-1")
    return completion[0], text, (alert.end, alert.id, origin, user.key)


def on_host(finding: Found, document: Document, host: str | None) -> Found:
    """A finding whose event is now this document, on this host; None: on that of the run."""
    position, _, (time, event_id, origin, key) = finding
    if host is not None:
        document["host"] = {"name": host}
        origin = Origin(None, origin.dataset, origin.kind, host=host)
    text = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode("latin-1")
    return position, text, (time, event_id, origin, key)


def woven(texts: Sequence[str], labels: Sequence[Label], findings: Sequence[Found]) -> tuple[list[str], list[Label]]:
    """The events with each finding behind the event that completed it."""
    woven_texts: list[str] = []
    woven_labels: list[Label] = []
    at = 0
    for position, text, label in findings:
        woven_texts += texts[at : position + 1]
        woven_labels += labels[at : position + 1]
        woven_texts.append(text)
        woven_labels.append(label)
        at = position + 1
    return [*woven_texts, *texts[at:]], [*woven_labels, *labels[at:]]


@lru_cache(256)
def _origin(component: str) -> Origin:
    return Origin(None, dataset(component), "alert")


def shown(user: User) -> str:
    """A user as people write it."""
    return user.email or (f"{user.domain}\\{user.name}" if user.domain else user.name)
