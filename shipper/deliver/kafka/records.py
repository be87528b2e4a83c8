"""Events as Kafka records: topic, key, headers. Pure.

The key is the casefolded `domain\\user` of the event, so that the events of a user stay in one partition
and in order; the key of an event without a user is the fingerprint of its file.
"""

from array import array
from collections.abc import Iterable

from shipper.decode import compiled
from shipper.memo import Memo
from shipper.model import Block, Origin

SCHEMA_VERSION = b"1"
FINGERPRINT = 16  # characters at the beginning of an event's id
USERS, ORIGINS = 16_384, 1024  # maximum remembered

Headers = list[tuple[str, str | bytes | None]]

# Topic, key, value, headers. A plain tuple, because one is made for each event.
Record = tuple[str, bytes, bytes | None, Headers]


class Records:
    """Turns events into records."""

    def __init__(self, topic: str, alert_topic: str | None) -> None:
        """Findings go to `alert_topic` if it is set."""

        def route(origin: Origin) -> tuple[str, Headers]:
            """The topic, and headers that tell a consumer how to decode the value."""
            headers: Headers = [("schema", SCHEMA_VERSION), ("dataset", origin.dataset.encode())]
            return alert_topic if alert_topic and origin.kind == "alert" else topic, headers

        self._routes = Memo(route, ORIGINS)
        self._keys = Memo(_encoded, USERS)

    def of(self, blocks: Iterable[Block]) -> list[Record]:
        """A record for each event, in order."""
        records: list[Record] = []
        add, routes, keys = records.append, self._routes, self._keys
        for data, ends, labels in blocks:
            if compiled.are_labels(labels):
                records += labels.records(data, array("Q", ends), routes.__getitem__, FINGERPRINT)
                continue
            start = 0
            for end, (_, event_id, origin, user) in zip(ends, labels, strict=True):
                topic, headers = routes[origin]
                add((topic, event_id[:FINGERPRINT].encode() if user is None else keys[user], data[start : end - 1], headers))
                start = end
        return records


def _encoded(user: str) -> bytes:
    return user.encode("utf-8", "replace")
