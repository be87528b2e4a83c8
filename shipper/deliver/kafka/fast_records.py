"""Records by searching instead of reading: the fast path of `records.py`. Pure.

An event as the general path of the parser writes it needs no reading: quotes inside a JSON string are
escaped, so a name with its quotes and colon can only be a key. What stands around the id and inside
`user` comes again and again; each such text is read once, by a regular expression, and remembered.
Every other line is read as JSON. A property test holds both against each other.
"""

import re

import orjson

from shipper.deliver.kafka.records import FILE_ID, Headers, Record, Records, user_key

_ID = b'"event":{"id":"'
_USER = b'"user":{'
_HEAD = re.compile(rb'","dataset":"([^"\\]*)","kind":"([a-z_]+)"')
_HEAD_SIZE = 64  # bytes behind the id, enough for the longest dataset and kind of ours
_STRING = rb'"((?:[^"\\]|\\.)*)"'
_NAME = re.compile(rb'"user":\{"name":' + _STRING + rb'(?:\}|,"domain":' + _STRING + rb"[,}])")
_MEMO = 16_384


class FastRecords:
    """Makes records of lines that the parser wrote, without patterns of the user's own."""

    def __init__(self, general: Records) -> None:
        """`general` reads what cannot be found by searching."""
        self._general = general
        self._heads: dict[bytes, tuple[str, Headers]] = {}
        self._keys: dict[bytes, bytes] = {}

    def of(self, payload: bytes) -> list[Record]:
        """A record a line."""
        records: list[Record] = []
        add, heads, keys = records.append, self._heads.get, self._keys.get
        for line in payload.split(b"\n")[:-1]:
            at = line.find(_ID) + len(_ID)
            end = line.find(b'"', at)
            raw = line[end : end + _HEAD_SIZE]
            head = heads(raw) or self._head(raw)
            user = line.find(_USER, end)
            if user < 0:
                key: bytes | None = line[at : at + FILE_ID]
            else:
                raw = line[user : line.find(b"}", user) + 1]
                key = keys(raw) or self._key(raw)
            if head is None or key is None or at < len(_ID):
                add(self._general.record(line))
            else:
                add((head[0], key, line, head[1]))
        return records

    def _head(self, raw: bytes) -> tuple[str, Headers] | None:
        """Topic and headers, from what stands behind the id."""
        match = _HEAD.match(raw)
        if match is None:
            return None
        if len(self._heads) >= _MEMO:
            self._heads.clear()
        dataset, kind = match[1].decode(), match[2].decode()
        head = self._heads[raw] = (self._general.topic(kind), self._general.headers(dataset))
        return head

    def _key(self, raw: bytes) -> bytes | None:
        """The key, from a user's object up to its first brace; None if more than name and domain stand before that."""
        match = _NAME.match(raw)
        if match is None:
            return None
        if len(self._keys) >= _MEMO:
            self._keys.clear()
        name, domain = (None if text is None else orjson.loads(b'"' + text + b'"') for text in match.groups())
        key = self._keys[raw] = user_key(name or "", domain)
        return key
