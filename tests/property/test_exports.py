"""Exports of any content: each record is one event, and the bytes that come out do not depend on how the file is read."""

import json
from io import BytesIO
from itertools import cycle

import orjson
from hypothesis import event, given, settings
from hypothesis import strategies as st

from shipper.decode.line_patterns import Stamps
from shipper.model import Counts, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks, read_fully
from shipper.read.identity import describe
from tests.support.exports import EVENTS, EXPORTS, content, nxlog, powershell_5, splunk_text, viewer_text, xml
from tests.support.logs import library

STAMPS = Stamps(library())
RECORDS = [
    *(json.dumps(powershell_5(event), indent=2) for event in EVENTS[:3]), json.dumps(nxlog(EVENTS[3])), xml(EVENTS[0]), xml(EVENTS[6]),
    splunk_text(EVENTS[0]), viewer_text(EVENTS[2]), "2017-02-14T02:57:19.234778Z|0|1|2|pfrad|authResult = 1",
    'Information,10/17/2019 10:48:35 PM,AuthZ,1,None,"a\n""b"""',
    *(f"{len(message)} {message}" for message in (
        f"<134>1 2017-02-14T02:57:19Z mfa01 pfrad - - - 2017-02-14T02:57:19.234778Z|0|1|2|pfrad|{text}"
        for text in ("Calling pfAuthUser('DOM\\anna', '', 1)", "authResult = 1", "rawCallStatus = 21")
    )),
]  # fmt: skip
BEGINNINGS = [
    "[",
    "{\n",
    "<Events>",
    "<?xml version='1.0'?>\n",
    "Level,Date and Time,Source\r\n",
    '#TYPE x\r\n"TimeCreated","Message"\r\n',
]
PIECES = ["\n", "\r\n", ",", "]", "[", "{", "}", '"', "\\", "null", "</Events>", "<Event>", "</Event>", "<![CDATA[", "]]>", "<!--", "-->",
          "x", "ä", "\x00", "\ufeff", "Event[0]:\n", "Log Name: x\n", "LogName=x", "<!DOCTYPE a [<!ENTITY b 'c'>]>"]  # fmt: skip
TEXTS = st.builds(
    lambda begin, parts: begin + "".join(parts),
    st.sampled_from([*BEGINNINGS, *RECORDS]),
    st.lists(st.sampled_from([*PIECES, *RECORDS]), max_size=12),
)
CUT = st.tuples(st.sampled_from(sorted(EXPORTS)), st.integers(0, 6000), st.integers(0, 6000)).map(
    lambda chosen: content(chosen[0])[: chosen[1]] + content(chosen[0])[chosen[2] :]
)


def shipped(data: bytes, file: LogFile, sizes: list[int], limit: int, *, fast: bool) -> tuple[bytes, Counts, int]:
    counts = Counts()
    pipeline = Pipeline(Settings(library=library(), fast=fast), counts)
    pipeline.open(file)
    stream, most, records = BytesIO(data), cycle(sizes), 0
    start = len(read_fully(stream.read, file.export.start if file.export else mark_of(data)))
    out = b""
    chunks = read_chunks(lambda size: stream.read(min(size, next(most))), start, file.encoding, max(sizes), limit, file.export)
    for chunk in chunks:
        records += len(chunk.records or ())
        out += pipeline(chunk).data
    return out + pipeline.close().data, counts, records


def mark_of(data: bytes) -> int:
    return describe(BytesIO(data).read).start


@settings(deadline=None)
@given(
    TEXTS.map(lambda text: text.encode()) | TEXTS.map(lambda text: text.encode("utf-16")) | CUT,
    st.lists(st.integers(1, 5000), min_size=1, max_size=4),
    st.sampled_from([50, 3000, 1 << 20]),
)
def test_any_export_gives_an_event_a_record_whatever_the_reads(data: bytes, sizes: list[int], limit: int) -> None:
    about = describe(BytesIO(data).read, stamp_of=STAMPS)
    small = BytesIO(data)
    slowly = describe(lambda size: small.read(min(size, sizes[0])), stamp_of=STAMPS)
    assert slowly._replace(head=about.head) == about
    file = about.log_file(None, "1970-01-01T00:00:00Z")
    assert slowly.log_file(None, file.time) == file
    event(about.export.form if about.export else "lines")
    out, counts, records = shipped(data, file, [len(data) + 1], limit, fast=False)
    assert shipped(data, file, sizes, limit, fast=True)[:2] == (out, counts)
    events = [orjson.loads(line) for line in out.splitlines()]
    assert counts.lines == counts.events == len([e for e in events if e["event"]["kind"] != "alert"])
    if about.export:
        assert counts.lines == records
        offsets = [e["log"]["offset"] for e in events if e["event"]["kind"] != "alert"]
        assert offsets == sorted(set(offsets))
        assert all(e["error"]["message"] for e in events if e["event"]["kind"] == "pipeline_error")
