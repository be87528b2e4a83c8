"""Turns a finding of any detector into its ECS event. Pure."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from shipper.decode.ecs import MODULE, Envelope, dataset, user_parts
from shipper.detect.protocol import Alert, AnyDetector, Rule
from shipper.model import Label, Origin, User

Entry = tuple[int, str, Label]
"""An event to insert into a chunk: the index of the event that it follows, its text with line end, its label."""


class Found(NamedTuple):
    """A finding among the events of a chunk. Its event is made on demand: see `event_of`.

    Attributes:
        position: the index of the event that it follows.
        finding: the detector's own value.
        detector, rule: the detector that made it, and the detector's parameters.
        user: the user that it is about.
        component: the component that wrote the authentications.
        host: `host.name`; None for that of the run.
        sides: `host.name` of each authentication in the finding, by the name of its field, if these are to be named.
    """

    position: int
    finding: Any
    detector: AnyDetector
    rule: Rule
    user: User
    component: str
    host: str | None = None
    sides: Mapping[str, str] = MappingProxyType({})

    @property
    def alert(self) -> Alert:
        """The description of the finding by its detector."""
        return self.detector.alert(self.finding, shown(self.user), self.rule)


def event_of(found: Found, envelope: Envelope) -> Entry:
    """The ECS event of a finding; `envelope` adds the fields that every event carries."""
    alert, name, component, key = found.alert, found.detector.name, found.component, found.user.key
    origin = _origin(component, found.host)
    for side, host in found.sides.items():
        alert.fields[side]["host"] = host
    user_fields, related = user_parts(found.user)
    document = envelope.close(
        {
            "@timestamp": alert.end,
            "event": {
                "id": alert.id,
                "dataset": origin.dataset,
                "kind": "alert",
                "category": ["authentication"],
                "type": ["info"],
                "action": name,
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
            "azure_mfa": {name: alert.fields},
            "rule": {"name": name, "ruleset": "mfa-shipper", "version": found.detector.version},
            **alert.more,
        }
    )
    if found.host is not None:
        document["host"] = {"name": found.host}
    text = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode("latin-1")
    return found.position, text, (alert.end, alert.id, origin, key)


def on_hosts(found: Found, host_of: Callable[[str], str | None], own: str | None) -> Found:
    """A finding that names the host of each of its authentications. Its own host is that of the one whose id it has.

    Args:
        found: the finding.
        host_of: returns the host that wrote an authentication, by its id; None if unknown.
        own: the host of the run, which every event names anyway.
    """
    alert = found.alert
    sides = {side: host for side in found.detector.sides if (host := host_of(alert.fields[side]["id"])) is not None}
    host = host_of(alert.id.rpartition("-")[0])
    return found._replace(host=None if host == own else host, sides=sides)


def woven(texts: Sequence[str], labels: Sequence[Label], findings: Sequence[Entry]) -> tuple[list[str], list[Label]]:
    """The events, with each finding after the event that completed it."""
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
def _origin(component: str, host: str | None) -> Origin:
    return Origin(None, dataset(component), "alert", host=host)


def shown(user: User) -> str:
    """A user as people write it."""
    return user.email or (f"{user.domain}\\{user.name}" if user.domain else user.name)
