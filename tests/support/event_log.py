"""Writes Windows event logs (.evtx) for tests, as Metz describes them in "Windows XML Event Log (EVTX) format".

Every event has the same elements in `System`, and a `Data` for each of its texts; a chunk holds one template for each
number of texts, and each name once.
"""

import struct
import uuid
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

HEADER, CHUNK = 4096, 65536  # bytes
STRING, U8, U16, U32, U64, HEX64, FILETIME = 1, 4, 6, 8, 10, 21, 17
NUMBERS = {U8: "<B", U16: "<H", U32: "<I", U64: "<Q", HEX64: "<Q"}
FIELDS = [
    ("EventID", U16),
    ("Level", U8),
    ("Keywords", HEX64),
    ("TimeCreated@SystemTime", FILETIME),
    ("EventRecordID", U64),
    ("Execution@ProcessID", U32),
    ("Execution@ThreadID", U32),
    ("Channel", STRING),
    ("Computer", STRING),
    ("Provider@Name", STRING),
]
NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"
Attribute = tuple[str, bytes]


@dataclass(frozen=True)
class Event:
    """What an event says."""

    time: datetime
    texts: Sequence[str]
    provider: str = "Microsoft-AzureMfa-AuthZ"
    channel: str = "AuthZOptCh"
    computer: str = "nps01.example.com"
    number: int = 1
    level: int = 4
    pid: int = 4
    tid: int = 5


def event_log(events: Sequence[Event]) -> bytes:
    """The bytes of a log."""
    chunks = [_Chunk(1)]
    for number, event in enumerate(events, 1):
        if not chunks[-1].add(number, event):
            chunks.append(_Chunk(number))
            assert chunks[-1].add(number, event), "the event is longer than a chunk"
    header = bytearray(HEADER)
    struct.pack_into("<8sQQQIHHHH", header, 0, b"ElfFile\0", 0, len(chunks) - 1, len(events) + 1, 128, 1, 3, HEADER, len(chunks))
    struct.pack_into("<II", header, 120, 0, zlib.crc32(header[:120]))
    return bytes(header) + b"".join(chunk.close() for chunk in chunks)


def _packed(kind: int, value: Any) -> bytes:
    if kind == STRING:
        return str(value).encode("utf-16-le")
    if kind == FILETIME:
        since = value - datetime(1601, 1, 1, tzinfo=UTC)
        return struct.pack("<Q", (since.days * 86400 + since.seconds) * 10**7 + since.microseconds * 10)
    return struct.pack(NUMBERS[kind], value)


def _literal(text: str) -> bytes:
    return b"\x05\x01" + struct.pack("<H", len(text)) + text.encode("utf-16-le")


def _value(field: int, kind: int) -> bytes:
    return b"\x0d" + struct.pack("<HB", field, kind)


class _Chunk:
    def __init__(self, first: int) -> None:
        self._data = bytearray(512)  # header, tables of names and templates; records follow
        self._names: dict[str, int] = {}
        self._templates: dict[int, tuple[int, int]] = {}
        self._first, self._count, self._last = first, 0, 0

    def add(self, number: int, event: Event) -> bool:
        """Add a record; False if there is no room."""
        before = bytes(self._data), dict(self._names), dict(self._templates)
        at = len(self._data)
        texts = len(event.texts)
        binary = bytearray(b"\x0f\x01\x01\x00\x0c\x01")
        if texts in self._templates:
            binary += struct.pack("<II", *self._templates[texts])
        else:
            offset = at + 24 + 14
            name, template = self._template(offset, texts)
            self._templates[texts] = name, offset
            binary += struct.pack("<II", name, offset) + template
        said = [
            event.number, event.level, 0x8000000000000000, event.time, number,
            event.pid, event.tid, event.channel, event.computer, event.provider,
        ]  # fmt: skip
        values = [(kind, _packed(kind, value)) for (_, kind), value in zip(FIELDS, said, strict=True)]
        values += [(STRING, _packed(STRING, text)) for text in event.texts]
        binary += struct.pack("<I", len(values)) + b"".join(struct.pack("<HBB", len(value), kind, 0) for kind, value in values)
        binary += b"".join(value for _, value in values) + b"\0"
        binary += b"\0" * (-(len(binary) + 28) % 8)
        size = 24 + len(binary) + 4
        if at + size > CHUNK:
            self._data, self._names, self._templates = bytearray(before[0]), before[1], before[2]
            return False
        self._data += b"**\0\0" + struct.pack("<IQ", size, number) + _packed(FILETIME, event.time)
        self._data += binary + struct.pack("<I", size)
        self._last, self._count = at, self._count + 1
        return True

    def close(self) -> bytes:
        data, last = self._data, self._first + self._count - 1
        numbers = self._first, last, self._first, last
        check = zlib.crc32(data[512:])
        struct.pack_into("<8sQQQQIIII", data, 0, b"ElfChnk\0", *numbers, 128, self._last, len(data), check)
        struct.pack_into("<II", data, 120, 0, zlib.crc32(data[:120] + data[128:512]))
        return bytes(data).ljust(CHUNK, b"\0")

    def _name(self, out: bytearray, base: int, text: str) -> None:
        """Refer to a name, which is written where it is used first and chained into its bucket."""
        at = base + len(out) + 4
        if text in self._names:
            out += struct.pack("<I", self._names[text])
            return
        code = 0
        for character in text:
            code = (code * 65599 + ord(character)) & 0xFFFFFFFF
        bucket = 128 + 4 * ((code & 0xFFFF) % 64)
        (following,) = struct.unpack_from("<I", self._data, bucket)
        struct.pack_into("<I", self._data, bucket, at)
        out += struct.pack("<IIHH", at, following, code & 0xFFFF, len(text)) + text.encode("utf-16-le") + b"\0\0"
        self._names[text] = at

    def _element(
        self, out: bytearray, base: int, name: str, attributes: Sequence[Attribute], content: Callable[[], None] | None
    ) -> None:
        out += bytes([0x41 if attributes else 0x01]) + b"\xff\xff"
        size = len(out)
        out += bytes(4)
        self._name(out, base, name)
        if attributes:
            length = len(out)
            out += bytes(4)
            for position, (key, value) in enumerate(attributes):
                out += bytes([0x46 if position < len(attributes) - 1 else 0x06])
                self._name(out, base, key)
                out += value
            struct.pack_into("<I", out, length, len(out) - length - 4)
        if content is None:
            out += b"\x03"
        else:
            out += b"\x02"
            content()
            out += b"\x04"
        struct.pack_into("<I", out, size, len(out) - size - 4)

    def _template(self, base: int, texts: int) -> tuple[int, bytearray]:
        """Its id, and what defines it at offset `base` of the chunk."""
        out = bytearray(24) + b"\x0f\x01\x01\x00"

        def put(data: bytes) -> Callable[[], None]:
            return lambda: out.extend(data)

        def system() -> None:
            done = set()
            for position, (field, kind) in enumerate(FIELDS):
                element, _, attribute = field.partition("@")
                if not attribute:
                    self._element(out, base, element, [], put(_value(position, kind)))
                elif element not in done:
                    done.add(element)
                    own = [(n, f, k) for n, (f, k) in enumerate(FIELDS) if f.startswith(f"{element}@")]
                    self._element(out, base, element, [(f.partition("@")[2], _value(n, k)) for n, f, k in own], None)

        def data() -> None:
            for text in range(texts):
                self._element(out, base, "Data", [], put(_value(len(FIELDS) + text, STRING)))

        def event() -> None:
            self._element(out, base, "System", [], system)
            self._element(out, base, "EventData", [], data)

        self._element(out, base, "Event", [("xmlns", _literal(NAMESPACE))], event)
        out += b"\0"
        guid = uuid.uuid5(uuid.NAMESPACE_OID, f"template {texts}").bytes_le
        (name,) = struct.unpack("<I", guid[:4])
        bucket = 384 + 4 * (name % 32)
        (following,) = struct.unpack_from("<I", self._data, bucket)
        struct.pack_into("<I", self._data, bucket, base)
        struct.pack_into("<I16sI", out, 0, following, guid, len(out) - 24)
        return name, out
