"""Files that bytes of a fuzzer stand for: logs, wrapped lines, and exports, whole and damaged.

Each file is put together from whole records of its form and from what may break them. Two bytes make a step, and a
generator that the bytes seed adds more steps, so that a few bytes make a file of any length.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests.support import exports, grammar, wrapping

_NPS = exports.EVENTS
_SMALL = {"TimeCreated": "/Date(1571345315000)/", "ProviderName": "P", "ProcessId": 1, "ThreadId": 2, "Message": "m"}
_CDATA = "<EventData><Data><![CDATA[</Event> & <Event>]]></Data></EventData>"
_SMALL_XML = (
    "<Event><System><Provider Name='P'/><TimeCreated SystemTime='2019-10-17T20:48:35Z'/><Computer>c</Computer></System>{}</Event>"
)
_JSON = [
    exports.powershell_5(_NPS[0]),
    exports.nxlog(_NPS[1]),
    exports.opentelemetry(_NPS[6]),
    exports.splunk_json(_NPS[2]),
    _SMALL,
]
_LINES = ["2017-02-14T02:57:19.234778Z|0|1|2|pfrad|authResult = 1", "x", ""]
_FRAMES = [wrapping.counted(line, 1) for line in (*_LINES, "authResult = 1" * 9)]


class Form(NamedTuple):
    """What the files of one form are made of.

    Attributes:
        beginnings: what stands before the first record.
        records: whole records, with what stands behind each.
        pieces: what may break one.
    """

    beginnings: Sequence[bytes]
    records: Sequence[bytes]
    pieces: Sequence[bytes]


def _encoded(*texts: str) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


ANYWHERE = (
    b"\n",
    b"\r\n",
    b"\r",
    b" ",
    b"\t",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xef\xbb",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    "ä山👤".encode(),
    b"x",
)
FORMS = {
    "json": Form(
        _encoded("[", "[\r\n", "", "{\n", "\ufeff[", " "),
        _encoded(
            *(json.dumps(document, indent=2) + ",\r\n" for document in _JSON[:2]),
            *(json.dumps(document, separators=(",", ":")) for document in _JSON),
            *(json.dumps(_SMALL) + end for end in (",", "\n", "]\n", "\n[")),
            *(json.dumps({"message": line, "host": "h"}) + "\n" for line in _LINES),
            *("{}", "null,", '{"a":[{"b":"}"}]}\n', '{"TimeCreated":"\\ud83d\\ude00","Message":"\\"\\\\"}\n'),
        ),
        (
            *ANYWHERE,
            *_encoded('"', "\\", '\\"', "{", "}", "[", "]", ":", ",", "null", "nul", "\\u", "\\ud800", "1e999", "\x1e", '{"a":', '"b":["', "[[", "{{"),
        ),
    ),
    "xml": Form(
        _encoded("<Events>", '<?xml version="1.0" encoding="utf-8"?>\r\n<Events>', "<Event ", "<!-- c -->", "<e:Events xmlns:e='x'>", ""),
        _encoded(
            *(exports.xml(event, rendered=rendered) for event in _NPS[5:] for rendered in (True, False)),
            *(_SMALL_XML.format(inside) + "\r\n" for inside in ("", _CDATA, "<!-- </Event> -->", "<a><Event/></a>", "<UserData>x</UserData>")),
            *("<Event/>", "<Event></Event>", "<e:Event xmlns:e='x'></e:Event>", "</Events><Events>"),
        ),
        (
            *ANYWHERE,
            *_encoded("<", ">", "</", "/>", "<Event>", "</Event>", "</Event", "<Events", "</Events>", "<![CDATA[", "]]>", "]]", "<!--", "-->", "--"),
            *_encoded("<?", "?>", "&", "&amp;", "&lol;", "&#0;", "&#xD800;", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "<a>", "<a b='", "'", '"'),
        ),
    ),
    "csv": Form(
        _encoded(
            "Level,Date and Time,Source,Event ID,Task Category\r\n", "Level\tDate and Time\tSource\tEvent ID\tTask Category\r\n",
            '#TYPE X\r\n"TimeCreated","ProviderName","Message"\r\n', "TimeCreated;ProviderName;Message\n", "\ufeffLevel,Date and Time,Source\r\n",
        ),
        _encoded(
            *(f'Information,10/17/2019 10:48:35 PM,P,1,None,"{text}"\r\n' for text in ("m", 'a\n""b""', "a, b", "", _NPS[3].message)),
            *('"10/17/2019 10:48:35 PM","P","m"\r\n', "10/17/2019 10:48:35 PM;P;m\n", "Information\t10/17/2019 10:48:35 PM\tP\t1\tNone\tm\r\n"),
            *(",,,\r\n", "\r\n", "x\n"),
        ),
        (*ANYWHERE, *_encoded('"', '""', '"""', ",", ";", "\t", '",', ',"', '"\n', '"x', ",,,,,,,,")),
    ),
    "text": Form(
        _encoded("", "\ufeff", "\r\n"),
        _encoded(
            *(exports.viewer_text(event) for event in _NPS[5:]),
            *(exports.wevtutil_text(n, event) for n, event in enumerate(_NPS[:2])),
            *(exports.splunk_text(event) + "\n" for event in _NPS[:2]),
            *("Log Name: x\nDate: 10/17/2019 10:48:35 PM\nDescription:\nm\n", "Event[0]:\n", "10/17/2019 10:48:35 PM\nLogName=x\nMessage=m\n"),
        ),
        (*ANYWHERE, *_encoded("Log Name:", "\nLog Name:", "\nEvent[1]:", "Event[", "LogName=", "\n1/1/2019 1:00:00 AM\n", "Message=", "Event Xml:\n", ": ")),
    ),
    "frames": Form(
        _encoded(*_FRAMES[:2], "\ufeff" + _FRAMES[0]),
        _encoded(*_FRAMES, *(frame + "\n" for frame in _FRAMES), *(wrapping.rfc_5424(line, 1) + "\r\n" for line in _LINES)),
        (*ANYWHERE, *_encoded("9", "83 ", "83 <134>", "1 <1>", "9999999 <1>", "0 <1>", " ", "<", "<134>1 ", "authResult = 1", "12345678 <1>")),
    ),
    "nps": Form(
        (b"",),
        _encoded(*(json.dumps(document, separators=(",", ":")) + "\n" for document in _JSON), *(exports.xml(event) + "\n" for event in _NPS[:2])),
        (*ANYWHERE, *_encoded('"', "\\", "{", "}", "<", ">", '"Message":', '"winlog":{', '"TimeCreated":', "<Event>", "&")),
    ),
}  # fmt: skip
WRAPPERS: dict[str, Sequence[wrapping.Wrap]] = {
    "docker": (wrapping.docker, wrapping.filebeat, wrapping.vector, wrapping.fluent_bit, wrapping.docker_around_syslog),
    "cri": (wrapping.cri,),
    "syslog": (*wrapping.SYSLOG[:7],),
}
WRAPPED = (
    *ANYWHERE[1:],
    *_encoded('"', "\\", "{", "}", "<", ">", "<134>", "1 ", "99 ", "- ", "stdout F ", "stdout P ", "stderr F ", "[a b=", "Feb 30 ", "|", ": ", '"log":'),
)  # fmt: skip
LINE_ENDS = (b"\n", b"\n", b"\n", b"\r\n", b"\r\n", b"\n\n", b"\0\n", b" \n")
IN_PARTS: dict[wrapping.Wrap, Callable[[str, int, int, str], list[str]]] = {
    wrapping.docker: wrapping.docker_in_parts,
    wrapping.cri: wrapping.cri_in_parts,
}
READERS = ("plain", *WRAPPERS, *FORMS)


def made(reader: str, data: bytes) -> bytes:
    """The file that these bytes stand for, for one of `READERS`."""
    draw = random.Random(data)
    first = data[:1] or b"\0"
    more = draw.randbytes(draw.choice((0, 40, 400, 1200)))
    make: Callable[[bytes, random.Random], bytes] = _export(FORMS[reader]) if reader in FORMS else _log(WRAPPERS.get(reader))
    whole = make(data[1:] + more, draw)
    if first[0] >= 250:
        whole = whole.decode("utf-8", "replace").encode(("utf-16-le", "utf-16-be", "utf-16")[first[0] % 3]) + data[:1]
    elif first[0] >= 240:
        whole = data + whole
    return whole or b"x"


def _export(form: Form) -> Callable[[bytes, random.Random], bytes]:
    def make(steps: bytes, draw: random.Random) -> bytes:
        file = bytearray(form.beginnings[steps[0] % len(form.beginnings)] if steps else b"")
        clean = draw.random() < 0.3
        for kind, which in zip(steps[1::2], steps[2::2], strict=False):
            if kind < 170 or clean:
                file += form.records[which % len(form.records)]
            elif kind < 230:
                at = len(file) - 1 - draw.randrange(min(len(file), 400)) if file and kind % 3 == 0 else len(file)
                file[at:at] = form.pieces[which % len(form.pieces)]
            elif kind < 236:
                file += form.pieces[which % len(form.pieces)] * draw.choice((3, 30, 300, 3000))
            elif kind < 244:
                file += bytes((kind, which))
            else:
                del file[len(file) - which :]
        return bytes(file)

    return make


def _wrapped(wrap: wrapping.Wrap, line: str, number: int, draw: random.Random) -> str:
    """A line that is wrapped, now and then in the parts that a container runtime makes of a long one."""
    in_parts = IN_PARTS.get(wrap)
    if in_parts is None or draw.random() < 0.8:
        return wrap(line, number)
    size = draw.choice((3, 30, 4096)) if wrap is wrapping.cri else 4096
    parts = in_parts(line * draw.choice((1, 1, 100)), number, size, draw.choice(("stdout", "stderr")))[:40]
    if draw.random() < 0.2:
        del parts[draw.randrange(len(parts))]
    if draw.random() < 0.2:
        parts.insert(draw.randrange(len(parts) + 1), wrap(line, number).replace("stdout", "stderr"))
    return "\n".join(parts)


def _log(wrappers: Sequence[wrapping.Wrap] | None) -> Callable[[bytes, random.Random], bytes]:
    def make(steps: bytes, draw: random.Random) -> bytes:
        lines = grammar.lines(steps, draw.choice(grammar.MIXTURES), odd=draw.random() < 0.8)
        end = draw.choice(LINE_ENDS)
        damage = draw.choice((0.0, 0.02, 0.2))
        wrap = draw.choice(wrappers) if wrappers else None
        file = bytearray()
        for number, line in enumerate(lines):
            if wrappers and draw.random() < 0.05:
                wrap = draw.choice(wrappers)
            text = line if wrap is None else _wrapped(wrap, line.decode("utf-8", "replace"), number, draw).encode()
            if draw.random() < damage:
                at = draw.randrange(len(text) + 1)
                piece = draw.choice(WRAPPED) * draw.choice((1, 1, 1, 2, 300))
                text = text[:at] + piece + text[at + draw.choice((0, 0, 1, 7, 1000)) :]
            file += text + end
        return bytes(file[: -len(end)] if draw.random() < 0.5 else file)

    return make
