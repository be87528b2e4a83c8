"""A finding on its way out: the ECS event of it, whichever detector found it. Pure."""

from functools import lru_cache
from typing import NamedTuple

from shipper.decode.ecs import MODULE, dataset, user_parts
from shipper.detect.protocol import Alert, AnyDetector
from shipper.model import Document, User


class Found(NamedTuple):
    """A finding as a chunk of events takes it.

    Attributes:
        position: index of the event that it stands behind, among the events of its chunk.
        text: its JSON text; the characters are the bytes of the output.
        time: `@timestamp`.
        id: `event.id`.
        dataset: `event.dataset`.
        key: of its user, casefolded.
    """

    position: int
    text: str
    time: str
    id: str
    dataset: str
    key: str


def event(detector: AnyDetector, alert: Alert, user: User, component: str) -> Document:
    """The event of a finding, without the constants that every event of a run carries."""
    user_fields, related = user_parts(user)
    document: Document = {
        "@timestamp": alert.end,
        "event": {
            "id": alert.id,
            "dataset": _dataset(component),
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
    }
    document.update(alert.more)
    return document


_dataset = lru_cache(256)(dataset)


def shown(user: User) -> str:
    """A user as people write it."""
    return user.email or (f"{user.domain}\\{user.name}" if user.domain else user.name)
