"""One line of output as a Kafka record: which topic, which key, which headers. Pure.

The key is the casefolded `domain\\user` of the event, so that one user's events stay in one partition
and in order; without a user it is the identity of the file.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import orjson

SCHEMA_VERSION = b"1"

# An event as the general path writes it, in an envelope or not. Quotes inside a JSON string are
# escaped, so a name with its quotes and colon can only be a key.
_EVENT = re.compile(rb'"event":\{"id":"([^"]*)","dataset":"([^"]*)","kind":"([a-z_]+)"')
_USER = re.compile(rb'"user":\{"name":"((?:[^"\\]|\\.)*)"(?:,"domain":"((?:[^"\\]|\\.)*)")?')
_MEMO = 65_536

Headers = list[tuple[str, bytes]]


class Record(NamedTuple):
    """What goes to Kafka."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


def user_key(name: str, domain: str | None) -> bytes:
    """The key of a user's records."""
    return (f"{domain}\\{name}" if domain else name).casefold().encode("utf-8", "replace")


class Records:
    """Makes records of lines."""

    def __init__(self, topic: str, alert_topic: str | None, *, exact: bool = False) -> None:
        """`exact`: read each event as JSON, for events that a user's own patterns may have shaped."""
        self._topic, self._alert_topic = topic, alert_topic or topic
        self._keys: dict[tuple[bytes, bytes | None], bytes] = {}
        self._headers: dict[bytes, Headers] = {}
        self.record: Callable[[bytes], Record] = self._by_parsing if exact else self._by_searching

    def _by_searching(self, line: bytes) -> Record:
        event = _EVENT.search(line)
        if event is None:
            return self._by_parsing(line)
        identity, dataset, kind = event.groups()
        user = _USER.search(line, event.end())
        if user is None:
            key = identity[:16]
        else:
            name, domain = user.groups()
            key = self._keys.get((name, domain)) or self._key(name, domain)
        topic = self._alert_topic if kind == b"alert" else self._topic
        return Record(topic, key, line, self._headers.get(dataset) or self._headers_of(dataset))

    def _by_parsing(self, line: bytes) -> Record:
        document = orjson.loads(line)
        if "sourcetype" in document:
            document = document["event"]  # splunk-hec
        event, user = document["event"], document.get("user", {})
        key = user_key(user["name"], user.get("domain")) if "name" in user else event["id"][:16].encode()
        topic = self._alert_topic if event.get("kind") == "alert" else self._topic
        dataset = event["dataset"].encode()
        return Record(topic, key, line, self._headers.get(dataset) or self._headers_of(dataset))

    def _key(self, name: bytes, domain: bytes | None) -> bytes:
        if len(self._keys) >= _MEMO:
            self._keys.clear()
        texts = [None if raw is None else orjson.loads(b'"' + raw + b'"') for raw in (name, domain)]
        key = self._keys[name, domain] = user_key(texts[0] or "", texts[1])
        return key

    def _headers_of(self, dataset: bytes) -> Headers:
        headers = self._headers[dataset] = [("schema", SCHEMA_VERSION), ("dataset", dataset)]
        return headers
