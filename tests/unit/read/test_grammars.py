"""Where records begin and end, however the bytes arrive."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.model import Export
from shipper.read.frames import LONGEST_FRAME
from shipper.read.records import RecordBuffer

JSON, XML, CSV, TEXT = Export("json"), Export("xml"), Export("csv", 0, ("a", "b"), ","), Export("text")
FRAMES = Export("frames")
EXPORTS = [JSON, XML, CSV, TEXT, FRAMES]
ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be"]
Found = list[tuple[int, str, bool]]  # offset, text, whether it was cut


def records(export: Export, pieces: list[bytes], encoding: str = "utf-8", limit: int = 1 << 20, offset: int = 0) -> Found:
    buffer = RecordBuffer(export, encoding, limit, offset)
    chunks = [chunk for piece in pieces for chunk in buffer.add(piece)]
    found: Found = []
    for chunk in [*chunks, *buffer.finish()]:
        assert chunk.records
        assert chunk.records[0][0] == 0
        assert chunk.records[-1][1] == len(chunk.data)
        for record, begin, _ in chunk.pieces():
            found.append((chunk.offset + begin, record.decode(encoding, "replace"), chunk.cut))
    return found


def texts(export: Export, data: str) -> list[str]:
    return [text for _, text, _ in records(export, [data.encode()])]


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(edges)]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(['a"b', "\\", "{[", "]}", "\n", "é\U0001f600"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=6)
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@given(OBJECTS, st.sampled_from([None, 0, 4]), st.sampled_from(["array", "on end", "lines"]), st.sampled_from(ENCODINGS), CUTS)
def test_json_objects_are_found_wherever_they_stand(
    objects: list[object], indent: int | None, form: str, encoding: str, cuts: list[int]
) -> None:
    written = [json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "replace").decode() for value in objects]
    text = {"array": f"[{' , '.join(written)}]\r\n", "on end": "".join(written), "lines": "\r\n".join(written)}[form]
    data = text.encode(encoding)
    found = records(JSON, pieces_of(data, cuts), encoding, offset=7)
    assert [text for _, text, _ in found] == written
    for offset, part, cut in found:
        assert data[offset - 7 :].startswith(part.encode(encoding))
        assert not cut


XML_TEXTS = st.sampled_from(
    ["", "x", "<![CDATA[</Event><Event >]]>", "<!-- </Event> -->", "<a b='Event'/>", "<EventData/>", "é", "\r\n"]
)


@given(
    st.lists(st.lists(XML_TEXTS, max_size=4), max_size=5),
    st.booleans(),
    st.sampled_from(["", "e:"]),
    st.sampled_from(["", " ", "\r\n\t", " " * 32]),
    st.sampled_from(ENCODINGS),
    CUTS,
)
def test_xml_elements_are_found_wherever_they_stand(
    contents: list[list[str]], root: bool, prefix: str, blanks: str, encoding: str, cuts: list[int]
) -> None:
    written = [f"<{prefix}Event xmlns='x'>{''.join(content)}</{prefix}Event{blanks}>" for content in contents]
    head, end = ("<?xml version='1.0'?>\r\n<!-- <Event> -->\n<Events a='b'>", "</Events>\n") if root else ("", "")
    data = f"{head}{' '.join(written)}{end}".encode(encoding)
    assert [text for _, text, _ in records(XML, pieces_of(data, cuts), encoding)] == written


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    ("closing", "first", "others"),
    [
        ("</Event\t>", "<Event></Event\t>", []),
        ("</e:Event \r\n >", "<Event></e:Event \r\n >", []),
        (f"</Event{' ' * 32}>", f"<Event></Event{' ' * 32}>", []),
        (f"</Event{' ' * 33}>", "<Event>", [f"</Event{' ' * 33}>"]),
        ("</Event a>", "<Event>", ["</Event a>"]),
        ("</Event ", "<Event>", ["</Event"]),
        ("</Event", "<Event></Event", []),
    ],
)
def test_a_closing_tag_is_the_same_wherever_the_reads_end(encoding: str, closing: str, first: str, others: list[str]) -> None:
    data = f"<Event>{closing}".encode(encoding)
    expected = [first, *others]
    for size in range(1, len(data) + 1):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert [text for _, text, _ in records(XML, pieces, encoding)] == expected, size


FIELDS = st.text(st.sampled_from('a,;"\n\r é'), max_size=5)


@given(
    st.lists(st.lists(FIELDS, min_size=2, max_size=3), max_size=5),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(ENCODINGS),
    CUTS,
)
def test_rows_are_found_wherever_their_quotes_end(rows: list[list[str]], end: str, encoding: str, cuts: list[int]) -> None:
    written = [",".join(f'"{field.replace(chr(34), chr(34) * 2)}"' for field in row) for row in rows]
    data = "".join(row + end for row in written).encode(encoding)
    assert [text for _, text, _ in records(CSV, pieces_of(data, cuts), encoding)] == written


@given(
    st.sampled_from(EXPORTS),
    st.lists(
        st.sampled_from(
            [
                b"{",
                b"}",
                b"[",
                b"]",
                b'"',
                b"\\",
                b"\n",
                b"\r",
                b",",
                b":",
                b" ",
                b"null",
                b"a",
                b"<Event",
                b"<Events>",
                b">",
                b"</Event>",
                b"</Event",
                b"\t",
                b"<!--",
                b"-->",
                b"<![CDATA[",
                b"]]>",
                b"<?",
                b"?>",
                b"\xef",
                b"\xbb\xbf",
                b"\x00",
                b"Event[1]:",
                b"Log Name: x",
                b"LogName=",
                b"10/17/2019 10:48:35 PM",
                b"\xff\xfe",
                b"\xd8",
                b"</Events>",
                b'{"a":1}',
                b"x" * 130,
                b"7 <1>xxxx",
                b"12 <134>x",
                b"9",
                b"99999 <1>",
            ]
        ),
        max_size=30,
    ),
    st.sampled_from(ENCODINGS),
    st.sampled_from([1, 7, 40, 1 << 20]),
    CUTS,
)
@settings(max_examples=400)
@example(JSON, [b'{"a":', b"{", b'"b', b"\\", b"\n", b"{", b'"c":1}'], "utf-8", 1 << 20, [3])
def test_records_of_any_bytes_do_not_depend_on_how_they_arrive(
    export: Export, parts: list[bytes], encoding: str, limit: int, cuts: list[int]
) -> None:
    data = b"".join(parts)
    if encoding != "utf-8":
        data = data.decode("latin-1").encode(encoding)
    whole = records(export, [data], encoding, limit)
    assert records(export, pieces_of(data, cuts), encoding, limit) == whole
    assert records(export, [data[n : n + 1] for n in range(len(data))], encoding, limit) == whole


@given(
    st.sampled_from([JSON, CSV, TEXT]),
    st.lists(st.sampled_from(['{"a":1}', "{", "}", '"', "x", "\n", ",", "]", " "]), max_size=30),
)
def test_no_byte_disappears_but_separators(export: Export, parts: list[str]) -> None:
    """Each that is no separator is in a record, so that it comes out in an event."""
    data = "".join(parts)
    kept = "".join(texts(export, data))
    separators = str.maketrans("", "", " \n,]" if export is JSON else " \n")
    assert kept.translate(separators) == data.translate(separators)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # a record that was not written to its end costs itself alone
        ('[{"a": 1, "b": {\n{"c": 2}]', ['{"a": 1, "b": {', '{"c": 2}']),
        ('{"a": "cut\n{"c": 2}', ['{"a": "cut', '{"c": 2}']),
        ('{"a": [1, "b"\n{"c": 2}', ['{"a": [1, "b"', '{"c": 2}']),
        ('{"a": "x\\\n{"c": 2}', ['{"a": "x\\', '{"c": 2}']),
        ('{"a": 1]}\n{"c": 2}', ['{"a": 1]}', '{"c": 2}']),
        ('{"a": 1', ['{"a": 1']),
        # what is no record is one up to the end of its line
        ('[{"a": 1}] garbage\r\n[{"b": 2}]', ['{"a": 1}', "garbage", '{"b": 2}']),
        ('[null,{"a": 1},null\n]', ["null", '{"a": 1}', "null"]),
        ("[nul]\n", ["nul]"]),
        ("2017|x {}\n{}", ["2017|x {}", "{}"]),
        ("[]", []),
        ("\x1e{}\n\x1e{}\n", ["{}", "{}"]),
        ("\ufeff[{}]\ufeff[{}]", ["{}", "{}"]),
        # a bracket where JSON allows a value is none that begins a record, however far from what stands before it
        ('{"a":\n{"b": [\n{"c": 1},\n{"d": 2}]}}', ['{"a":\n{"b": [\n{"c": 1},\n{"d": 2}]}}']),
        ('{"a":' + " " * 500 + "{}}", ['{"a":' + " " * 500 + "{}}"]),
        ("[" + '{"a":' * 600 + "\n{}", ['{"a":' * 600, "{}"]),
    ],
)
def test_json_that_is_not_whole(data: str, expected: list[str]) -> None:
    assert texts(JSON, data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("<Events><Event>1<Event>2</Event></Events>", ["<Event>1", "<Event>2</Event>"]),
        ("<Event>1</Events>\n<Events><Event>2</Event>", ["<Event>1", "<Event>2</Event>"]),
        ("<Event>1", ["<Event>1"]),
        ("<Events>\n<other/>\n<Event/>", ["<other/>", "<Event/>"]),
        ("<Events>text\n</Events>", ["text"]),
        ("<!DOCTYPE a [\n]>\n<Event></Event>", ["<!DOCTYPE a [", "]>", "<Event></Event>"]),
        ("<!-- not closed\n<Event></Event>", ["<!-- not closed\n<Event></Event>"]),
        ("<Event></Event \n><Event></Event>", ["<Event></Event \n>", "<Event></Event>"]),
        ("<Event><![CDATA[ <![CDATA[ ]]></Event>", ["<Event><![CDATA[ <![CDATA[ ]]></Event>"]),
        ("<", ["<"]),
    ],
)
def test_xml_that_is_not_whole(data: str, expected: list[str]) -> None:
    assert texts(XML, data) == expected


def test_rows_of_other_forms() -> None:
    assert texts(CSV, 'a "b", c\n\n\n"x"y,"z\n') == ['a "b", c', '"x"y,"z']
    assert texts(Export("csv", 0, ("a", "b"), "\t"), '\tx\t"a\nb"\ny\n') == ['\tx\t"a\nb"', "y"]


MESSAGES = st.lists(st.text(st.sampled_from("x9 <>é\n1"), max_size=12).map(lambda text: f"<134>{text}x"), min_size=1, max_size=6)


def framed(message: str, end: str = "") -> str:
    return f"{len(f'{message}{end}'.encode())} {message}{end}"


@given(MESSAGES, st.sampled_from(["", "\n", "\r\n"]), st.booleans(), CUTS)
def test_frames_end_where_their_count_says(messages: list[str], end: str, counted: bool, cuts: list[int]) -> None:
    written = [framed(message, end) if counted else framed(message) + end for message in messages]
    assert [text for _, text, _ in records(FRAMES, pieces_of("".join(written).encode(), cuts))] == [
        text.rstrip("\r\n") for text in written
    ]


ONE, TWO = "17 <134>1 authResult", "12 <134>1 again"
assert [framed(text.partition(" ")[2]) for text in (ONE, TWO)] == [ONE, TWO]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # a count that is wrong costs its own message: the next one is found by a count that is right
        (f"9 {ONE[3:]}{TWO}", [f"9 {ONE[3:]}", TWO]),
        (f"900 {ONE[3:]}{TWO}", [f"900 {ONE[3:]}", TWO]),
        (f"9999999 {ONE[3:]}{TWO}", [f"9999999 {ONE[3:]}", TWO]),
        (f"9 {ONE[3:]}00 {TWO}", [f"9 {ONE[3:]}00 ", TWO]),
        (f"9 <134>1 authResult = 1{TWO}", ["9 <134>1 authResult = 1", TWO]),  # digits run into the count
        (f"9 <134>1 a\n{TWO}", ["9 <134>1 a", TWO]),
        (f"{ONE}no frame{TWO}", [f"{ONE}no frame", TWO]),
        (f"{ONE}\nno frame{TWO}", [ONE, "no frame", TWO]),
        # one that the end of the file cuts
        (f"{ONE}{TWO[:-1]}", [ONE, TWO[:-1]]),
        (f"{ONE}12 <1", [ONE, "12 <1"]),
        (f"{ONE}12", [f"{ONE}12"]),  # the end of the message, or the beginning of a count
        (f"{ONE}\r", [ONE]),
        (f"{ONE}x", [f"{ONE}x"]),
        (f"9 <134>1 a\r\n{TWO}", ["9 <134>1 a", TWO]),
        (f"{ONE}12 x", [f"{ONE}12 x"]),
    ],
)
def test_frames_whose_count_is_wrong(data: str, expected: list[str]) -> None:
    assert [text.strip() for text in texts(FRAMES, data)] == [text.strip() for text in expected]


def test_blocks_of_text() -> None:
    assert texts(TEXT, "\r\nEvent[0]:\r\n  Log Name: a\r\n\r\nEvent[1]:\r\n  x\r\n") == [
        "Event[0]:\r\n  Log Name: a",
        "Event[1]:\r\n  x",
    ]
    assert texts(TEXT, "Log Name: a\nDescription:\nx\n\nLog Name: b") == ["Log Name: a\nDescription:\nx", "Log Name: b"]
    splunk = "10/17/2019 10:48:35 PM\nLogName=a\nMessage=one\ntwo"
    assert texts(TEXT, f"{splunk}\n{splunk}") == [splunk, splunk]


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_record_that_is_too_long_is_cut_and_the_next_is_whole(size: int) -> None:
    data = ('[{"a":"' + "x" * 100 + '"},\n{"b":1}]').encode()
    assert records(JSON, [data[n : n + size] for n in range(0, len(data), size)], limit=20) == [
        (1, '{"a":"xxxxxxxxxxxxxx', True),
        (111, '{"b":1}', False),
    ]


SIZE = 300_000
HOSTILE: dict[str, tuple[Export, list[str]]] = {
    "brackets": (JSON, ["["]),
    "braces": (JSON, ['{"a":']),
    "no bracket": (JSON, ["x"]),
    "open string": (JSON, ['{"a":"', "x"]),
    "backslashes": (JSON, ['{"a":"', "\\"]),
    "quotes": (JSON, ['{"a":', '"" ']),
    "blanks": (JSON, ['{"a":', " "]),
    "broken": (JSON, ['{"a"\n']),
    "open element": (XML, ["<Event>", "<"]),
    "open CDATA": (XML, ["<Event><![CDATA[", "]"]),
    "elements": (XML, ["<Event>"]),
    "open comment": (XML, ["<!--", "-"]),
    "open quote": (CSV, ['"', "x"]),
    "doubled quotes": (CSV, ['"']),
    "delimiters": (CSV, [","]),
    "line ends": (TEXT, ["\n"]),
    "frames without an end": (FRAMES, ["65000 <1>", "9"]),
    "wrong counts": (FRAMES, ["9 <1>"]),
    "counts of any length": (FRAMES, ["9 <1>", "65000 <1>"]),
    "digits": (FRAMES, ["0 <", "1"]),
    "one block": (TEXT, ["Log Name: x\n", "a\n"]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_is_bounded_for_hostile_input(name: str) -> None:
    """Were the time not linear, these would take minutes."""
    export, parts = HOSTILE[name]
    data = ("".join(parts[:-1]) + parts[-1] * (SIZE // len(parts[-1]))).encode()
    buffer = RecordBuffer(export, "utf-8", 10_000, 0)
    held = 2 * LONGEST_FRAME if export is FRAMES else 0  # it has two names
    for at in range(0, len(data), 100):
        for chunk in buffer.add(data[at : at + 100]):
            assert len(chunk.data) <= 10_000
        assert sum(len(value) for value in vars(buffer).values() if isinstance(value, bytearray)) < held + 3 * 10_100
    assert all(len(chunk.data) <= 10_000 for chunk in buffer.finish())


def test_a_row_may_have_any_number_of_quoted_fields() -> None:
    row = ",".join(['"a, b"', '"c ""d"" e"'] * 5000)
    assert texts(CSV, f"{row}\r\n{row}") == [row, row]
