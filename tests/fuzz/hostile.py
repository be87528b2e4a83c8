"""Small hostile files, and what is to be said of each.

They are made here, not kept: what is hostile about one can be read. A file is given to `parse`; it ends with the exit
status, gives so many events, and says the sentence: in `error.message` of one of these, or on standard error.
"""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import zstandard

from tests.support import event_log, exports
from tests.support.archives import tarred, zipped

LINE = b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|authResult = 1\n"
LATER = b"2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21\n"
LOG = LINE + LATER
DEEP = 10_000
MIB = 1 << 20
XML = exports.xml(exports.EVENTS[0]).encode()
JSON = b'{"TimeCreated":"2019-10-17T20:48:35.000Z","ProviderName":"P","ProcessId":1,"ThreadId":2,"MachineName":"c","Message":"m"}'
CSV = b'"TimeCreated","ProviderName","Message"\r\n'
ROW = b'"2019-10-17T20:48:35.000Z","P","m"\r\n'


class Hostile(NamedTuple):
    """A file and what becomes of it.

    Attributes:
        data: its bytes.
        events: how many come out.
        says: what is said of it, a part of a sentence; empty where all of it is read and nothing is to be said.
        status: of `parse`.
    """

    data: bytes
    events: int
    says: str = ""
    status: int = 0


def files() -> Mapping[str, Hostile]:
    """All of them by name."""
    return {
        **dict(_json()),
        **dict(_xml()),
        **dict(_tables()),
        **dict(_encodings()),
        **dict(_compressed()),
        **dict(_zips()),
        **dict(_tars()),
    }


def _json() -> Iterator[tuple[str, Hostile]]:
    yield "json-arrays", Hostile(b"[" * DEEP + b"]" * DEEP, 1, "the line does not begin with a time stamp")
    yield (
        "json-objects",
        Hostile(b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"\n" + JSON, 2, "this JSON is wrong at character "),
    )
    yield (
        "json-deep-value",
        Hostile(b'[{"a":' + b"[" * DEEP + b"]" * DEEP + b"},\n" + JSON + b"]", 2, "this JSON is wrong at character "),
    )
    yield (
        "json-deep-pretty",
        Hostile(
            b'[\n{\n"a":\n' + b"[\n" * DEEP + b"]\n" * DEEP + b"},\n" + JSON + b"]",
            3,
            "this is no record; it stands between those of the JSON",
        ),
    )
    yield (
        "json-long-string",
        Hostile(b"[" + JSON.replace(b'"m"', b'"' + b"m" * MIB + b'"') + b"," + JSON + b"]", 2, "1 line too long"),
    )
    yield (
        "json-string-below-limit",
        Hostile(
            b"[" + JSON.replace(b'"m"', b'"' + b"m" * (MIB - 200) + b'"') + b"," + JSON + b"]",
            2,
            "1 line has more than the 262,144 characters",
        ),
    )
    yield (
        "json-closed-too-often",
        Hostile(b"[" + JSON + b"}}}]]]," + JSON + b"]", 2, "this is no record; it stands between those of the JSON"),
    )
    yield "json-never-closed", Hostile(b"[" + JSON + b",{" * 50 + JSON, 52, "begins like a JSON object and is not a whole one")
    yield (
        "json-open-string",
        Hostile(b"[" + JSON + b',\n{"a":"never\n},\n' + JSON + b"]", 3, "unexpected control character in string"),
    )
    yield "json-open-escape", Hostile(b"[" + JSON + b',{"a":"\\', 2, "begins like a JSON object and is not a whole one")
    yield (
        "json-lone-surrogate",
        Hostile(b"[" + JSON.replace(b'"m"', b'"\\ud800"') + b"," + JSON + b"]", 2, "this JSON holds half of a surrogate pair"),
    )
    yield (
        "json-numbers",
        Hostile(
            b"[" + JSON.replace(b":1,", b":1e999,").replace(b":2,", b":-0.0,") + b"]",
            1,
            "this JSON is wrong at character ",
        ),
    )
    yield (
        "json-nan",
        Hostile(b"[" + JSON.replace(b":1,", b":NaN,") + b"," + JSON + b"]", 2, "this JSON holds NaN"),
    )
    yield "json-key-twice", Hostile(b"[" + JSON[:-1] + b"," + JSON[1:] + b"]", 1)
    yield "json-many-keys", Hostile(b"[" + JSON[:-1] + b"".join(b',"k%d":%d' % (n, n) for n in range(10_000)) + b"}]", 1)
    yield "json-only-null", Hostile(b"[" + b"null," * 1000 + JSON + b"]", 1, "the line does not begin with a time stamp")
    yield "json-empty-array", Hostile(b"[]", 0, "0 lines")
    yield "json-empty-objects", Hostile(b"[" + b"{}," * 500 + b"{}]", 501, "its keys: none")


def _xml() -> Iterator[tuple[str, Hostile]]:
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n + 1, b"&l%d;" % n * 10) for n in range(9))
    bomb = b'<!DOCTYPE l [<!ENTITY l0 "lol">' + laughs + b"]>"
    yield (
        "xml-bomb",
        Hostile(
            b"<?xml version='1.0'?>" + bomb + b"\n<Events>" + XML.replace(b"<Data>", b"<Data>&l9;") + XML + b"</Events>",
            3,
            "a document type, which is not read, nor are the entities that it names",
        ),
    )
    yield (
        "xml-bomb-inside",
        Hostile(
            b"<Events>" + XML.replace(b"><System>", b">" + bomb + b"<System>", 1) + XML + b"</Events>",
            2,
            "this XML has a document type, which is not read",
        ),
    )
    outside = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    yield (
        "xml-outside-entity",
        Hostile(
            b"<Events>" + outside + b"\n" + XML.replace(b"<Data>", b"<Data>&x;") + b"</Events>",
            2,
            "a document type, which is not read",
        ),
    )
    yield "xml-deep", Hostile(XML.replace(b"<Data>", b"<Data>" + b"<a>" * DEEP + b"</a>" * DEEP) + XML, 2)
    yield "xml-deep-open", Hostile(b"<Events>" + b"<Event>" * DEEP, 10000, "begins like XML and is not a whole element")
    yield "xml-cdata", Hostile(XML.replace(b"<Data>", b"<Data><![CDATA[</Event></Events>&<Event>]]>") + XML, 2)
    yield (
        "xml-open-cdata",
        Hostile(XML + XML.replace(b"<Data>", b"<Data><![CDATA["), 2, "begins like XML and is not a whole element"),
    )
    yield (
        "xml-open-comment",
        Hostile(XML + b"<!-- " + XML, 2, "a message of the NPS extension stands here, in a form that is not known"),
    )
    yield "xml-open-tag", Hostile(XML + b"<Event xmlns='" + XML, 3, "begins like XML and is not a whole element")
    yield (
        "xml-long-attribute",
        Hostile(XML.replace(b"Name='", b"Name='" + b"x" * 300_000) + XML, 2, "longer than the 262144 characters"),
    )
    yield (
        "xml-many-attributes",
        Hostile(XML.replace(b"<Security ", b"<Security " + b"".join(b"a%d='' " % n for n in range(10_000))) + XML, 2),
    )
    yield (
        "xml-references",
        Hostile(XML.replace(b"<Data>", b"<Data>&#0;&#xD800;&amp;"), 1, "begins like XML and is not a whole element"),
    )
    yield "xml-another-encoding", Hostile(b"<?xml version='1.0' encoding='utf-7'?><Events>" + XML + b"</Events>", 1)


def _tables() -> Iterator[tuple[str, Hostile]]:
    yield (
        "csv-open-quote",
        Hostile(
            CSV + ROW + b'"2019-10-17T20:48:35.000Z","P","never\r\n' + ROW[1:] * 3,
            4,
            'its time 2019-10-17T20:48:35.000Z" is none that is understood',
        ),
    )
    yield "csv-quotes", Hostile(CSV + b'"' * 100_001 + b"\r\n" + ROW, 1, "is none that is understood")
    yield "csv-many-fields", Hostile(CSV + ROW.rstrip() + b',"x"' * 20_000 + b"\r\n" + ROW, 2)
    yield "csv-many-columns", Hostile(CSV.rstrip() + b"".join(b',"c%d"' % n for n in range(5000)) + b"\r\n" + ROW * 2, 2)
    yield "csv-long-field", Hostile(CSV + ROW.replace(b'"m"', b'"' + b"m" * 140_000 + b'"') + ROW, 2)
    yield "csv-nul", Hostile(CSV + ROW.replace(b"m", b"\0") + ROW, 2)
    yield "csv-header-only", Hostile(CSV, 0, "0 lines")
    yield "text-heads", Hostile(b"Event[0]:\n" * 5000, 5000, "this text is no Windows event")
    yield "text-open", Hostile(b"Log Name:      x\n" * 300, 300, "its keys: Log Name")
    yield "docker-nested", Hostile(_nested(40) + b"\n", 1, "in log of the JSON object")


def _nested(depth: int) -> bytes:
    text = LINE.strip().decode()
    for _ in range(depth):
        text = '{"log":"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"}' if len(text) < MIB // 2 else text
    return text.encode()


def _encodings() -> Iterator[tuple[str, Hostile]]:
    yield "utf-16-mark-then-utf-8", Hostile(b"\xff\xfe" + LOG * 2, 1, "the line does not begin with a time stamp")
    yield (
        "utf-8-mark-then-utf-16",
        Hostile(b"\xef\xbb\xbf" + LOG.decode().encode("utf-16-le"), 2, "the line does not begin with a time stamp"),
    )
    yield "utf-16-behind-utf-8", Hostile(LOG + LOG.decode().encode("utf-16"), 4, "1 line with undecodable bytes")
    yield "utf-8-behind-utf-16", Hostile(LOG.decode().encode("utf-16") + LOG, 3, "the line does not begin with a time stamp")
    yield "utf-32", Hostile(LOG.decode().encode("utf-32"), 2, "the line does not begin with a time stamp")
    yield "latin-1", Hostile(LOG + "Größe\n".encode("latin-1") + LOG, 5, "1 line with undecodable bytes")
    yield "overlong", Hostile(LOG + b"\xc0\xaf\xe0\x80\xaf\xf8\n" + LOG, 5, "1 line with undecodable bytes")
    yield "half-a-character", Hostile(LOG.decode().encode("utf-16") + b"\n", 3, "1 line with undecodable bytes")
    yield "only-marks", Hostile(b"\xef\xbb\xbf" * 1000, 0, "0 lines")
    yield "only-nul", Hostile(bytes(100_000), 0, "0 lines")
    yield "empty", Hostile(b"", 0, "0 lines")
    yield "one-byte", Hostile(b"\xff", 1, "1 line with undecodable bytes")
    yield "only-line-ends", Hostile(b"\n\r\n\r\r\n\n", 4, "the line is empty")


def _compressed() -> Iterator[tuple[str, Hostile]]:
    yield "gz-trailing-garbage", Hostile(gzip.compress(LOG) + b"garbage", 2, "damaged gzip data before compressed byte", 1)
    yield "gz-trailing-nul", Hostile(gzip.compress(LOG) + bytes(1000), 2)
    yield "gz-members", Hostile(gzip.compress(LOG) * 100, 200)
    yield "gz-empty-members", Hostile(gzip.compress(b"") * 1000 + gzip.compress(LOG), 2)
    yield "gz-of-nothing", Hostile(gzip.compress(b""), 0, "0 lines")
    yield "gz-twice", Hostile(gzip.compress(gzip.compress(LOG)), 0, "compressed twice, the second time with gzip", 2)
    yield "gz-head-only", Hostile(gzip.compress(LOG)[:10], 0, "ends too early, after", 1)
    yield "gz-two-bytes", Hostile(b"\x1f\x8b", 0, "ends too early, after", 1)
    yield "gz-wrong-sum", Hostile(gzip.compress(LOG)[:-8] + bytes(8), 2, "incorrect data check", 1)
    yield "gz-reserved-flags", Hostile(b"\x1f\x8b\x08\xff" + gzip.compress(LOG)[4:], 0, "unknown header flags", 1)
    yield "bz2-streams", Hostile(bz2.compress(LOG) * 20, 40)
    yield "bz2-garbage", Hostile(bz2.compress(LOG) + b"garbage", 2, "damaged bzip2 data", 1)
    yield "xz-streams", Hostile(lzma.compress(LOG) + bytes(4) + lzma.compress(LOG), 4)
    yield "xz-odd-padding", Hostile(lzma.compress(LOG) + bytes(3), 2)
    yield "xz-garbage", Hostile(lzma.compress(LOG) + b"\xfd7zXYZ", 2, "damaged xz data", 1)
    yield "lzma-alone", Hostile(lzma.compress(LOG, lzma.FORMAT_ALONE), 0, "is an lzma file, not a log: unpack it first", 2)
    skip = b"\x5f\x2a\x4d\x18" + struct.pack("<I", 5) + b"skip!"
    yield "zstd-skippable", Hostile(skip * 3 + zstandard.compress(LOG) + skip + zstandard.compress(LOG) + skip, 4)
    yield "zstd-skippable-only", Hostile(skip * 3, 0, "0 lines")
    yield (
        "zstd-skips-too-much",
        Hostile(zstandard.compress(LOG) + b"\x50\x2a\x4d\x18\xff\xff\xff\xff", 2, "ends too early, after", 1),
    )
    yield "zstd-dictionary", Hostile(b"\x28\xb5\x2f\xfd\x21\x07\x04\x21\0\0" + b"abcd", 0, "Dictionary mismatch", 1)
    yield "zstd-wide-window", Hostile(b"\x28\xb5\x2f\xfd\x00\xf8\x01\0\0", 0, "takes more than 128 MiB of memory", 1)


def _zips() -> Iterator[tuple[str, Hostile]]:
    yield "zip-empty-members", Hostile(zipped({"a.log": b"", "b.log": b"", "c.log": LOG}), 2)
    yield "zip-only-empty-members", Hostile(zipped({"a.log": b"", "b.log": b""}), 0, "0 lines")
    yield (
        "zip-names",
        Hostile(zipped(_different("/abs.log", "../../up.log", "..\\win.log", "C:\\x.log", ".", "a\nb.log", "\x1b[2Jc.log")), 14),
    )
    yield "zip-twice", Hostile(_raw_zip([("a.log", LINE), ("a.log", LOG)]), 2, "stands 2 times in the archive")
    yield (
        "zip-in-zip",
        Hostile(
            zipped({"a.log": LOG, "inner.zip": zipped({"b.log": LOG})}), 0, "is a zip archive, not a log: unpack it first", 2
        ),
    )
    yield "zip-in-gz", Hostile(gzip.compress(zipped({"a.log": LOG})), 0, "is a zip archive, not a log: unpack it first", 2)
    yield "zip-64", Hostile(_zip_64(), 2)
    yield "zip-encrypted", Hostile(_encrypted(), 0, "!a.log is encrypted: unpack it first", 2)
    yield "zip-overlapping", Hostile(_overlapping(3000), 0, "becomes more than 256 MiB", 2)
    yield "zip-comment", Hostile(_commented(), 0, "the zip archive is damaged or cut off", 2)
    yield "zip-in-front", Hostile(b"#!/bin/sh\n" + zipped({"a.log": LOG}), 2, "1 line with undecodable bytes")
    yield "zip-cut", Hostile(zipped({"a.log": LOG})[:-10], 0, "the zip archive is damaged or cut off", 2)
    yield "zip-head-only", Hostile(b"PK\3\4", 0, "the zip archive is damaged or cut off", 2)
    yield "zip-nothing", Hostile(b"PK\5\6" + bytes(18), 0, "is an archive without files", 2)


def _different(*names: str) -> dict[str, bytes]:
    """A log for each name; none is a copy of another."""
    return {name: LOG.replace(b"1412", b"%d" % number) for number, name in enumerate(names, 1000)}


def _raw_zip(members: list[tuple[str, bytes]]) -> bytes:
    """A zip archive in which a name may stand twice, which `zipfile` warns of."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, (_, data) in enumerate(members):
            archive.writestr(f"{number:05}", data)
    data = stream.getvalue()
    for number, (name, _) in enumerate(members):
        assert len(name) == 5
        data = data.replace(f"{number:05}".encode(), name.encode())
    return data


def _zip_64() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, archive.open("a.log", "w", force_zip64=True) as file:
        file.write(LOG)
    return stream.getvalue()


def _encrypted() -> bytes:
    data = bytearray(_zip_64())
    for head, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(head) + flags] |= 1
    return bytes(data)


def _overlapping(number: int) -> bytes:
    """A directory that names one file often: a few bytes that become many."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00000", bytes(MIB // 2))
    data = stream.getvalue()
    at, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    entry = data[at:end]
    entries = b"".join(entry.replace(b"00000", f"{n:05}".encode()) for n in range(number))
    return data[:at] + entries + b"PK\5\6\0\0\0\0" + struct.pack("<HHIIH", number, number, len(entries), at, 0)


def _commented() -> bytes:
    stream = io.BytesIO(zipped({"a.log": LOG}))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = b"PK\5\6" + b"\xff" * 18 + b"PK\1\2" * 100
    return stream.getvalue()


def _tars() -> Iterator[tuple[str, Hostile]]:
    yield "tar-empty-members", Hostile(tarred({"a.log": b"", "b.log": LOG}), 2)
    yield "tar-names", Hostile(tarred(_different("/abs.log", "../../up.log", "./.", "a\nb.log", "\x1b[2Jc.log")), 10)
    yield "tar-twice", Hostile(_appended({"a.log": LINE}, {"a.log": LOG}), 2, "stands 2 times in the archive")
    yield (
        "tar-in-tar",
        Hostile(
            tarred({"a.log": LOG, "inner.tar": tarred({"b.log": LOG})}), 0, "is a tar archive, not a log: unpack it first", 2
        ),
    )
    yield "tar-hole", Hostile(_with_hole(10_000_384), 2)
    yield "tar-hole-of-a-bomb", Hostile(_with_hole(1 << 32), 0, "becomes more than 256 MiB", 2)
    yield "tar-large-number", Hostile(_with_size(b"\x80\0\0\0\x7f" + b"\xff" * 7), 0, "becomes more than 256 MiB", 2)
    yield "tar-below-zero", Hostile(_with_size(b"\xff" * 12), 0, "its header says that a.log has -1 bytes", 2)
    yield "tar-of-links", Hostile(_links(), 0, "is an archive without files", 2)
    yield (
        "tar-gz-cut",
        Hostile(gzip.compress(tarred({"a.log": LOG, "b.log": LATER * 100}))[:-4], 102, "the gzip file ends too early", 1),
    )
    yield "tar-gz-garbage", Hostile(gzip.compress(tarred({"a.log": LOG})) + b"garbage", 2, "damaged gzip data", 1)
    yield "tar-without-end", Hostile(tarred({"a.log": LOG}).rstrip(b"\0"), 2, "the tar archive is damaged or cut off", 1)
    begin = datetime(2026, 3, 1, 8, 0, 0, tzinfo=UTC)
    evtx = event_log.event_log([event_log.Event(begin, ["text"])] * 3)
    yield "evtx-cut", Hostile(evtx[:-60_000], 3, "the event log ends too early", 1)
    yield "evtx-head-only", Hostile(evtx[:100], 0, "the event log ends too early", 1)
    yield "evtx-in-tar", Hostile(tarred({"a.evtx": evtx}), 3)


def _appended(first: Mapping[str, bytes], second: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO(tarred(first))
    with tarfile.open(fileobj=stream, mode="a") as archive:
        for name, data in second.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def _header(info: tarfile.TarInfo, changes: Mapping[int, bytes]) -> bytes:
    """A header with other bytes at these offsets, and a right check sum."""
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    for at, data in changes.items():
        header[at : at + len(data)] = data
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    return bytes(header)


def _with_hole(size: int) -> bytes:
    """As `tar --sparse` of GNU writes it: a hole, and what stands behind it."""
    stored = LOG.ljust(512, b"\0")
    info = tarfile.TarInfo("a.log")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, len(stored)
    changes = {386: b"%011o\0%011o\0" % (size, len(stored)), 483: b"%011o\0" % (size + len(stored))}
    return _header(info, changes) + stored + bytes(1024)


def _with_size(size: bytes) -> bytes:
    return _header(tarfile.TarInfo("a.log"), {124: size}) + LOG.ljust(512, b"\0") + bytes(1024)


def _links() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo("a.log")
            info.type, info.linkname = kind, "a.log"
            archive.addfile(info)
    return stream.getvalue()
