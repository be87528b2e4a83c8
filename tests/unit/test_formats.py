"""What stands around an event: nothing, Splunk's envelope, Elastic's action line."""

import json
import re
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shipper.decode import compiled
from shipper.decode.library import load
from shipper.decode.parser import Options
from shipper.deliver.dead_letters import label_of
from shipper.emit.formats import FORMATS, ONE_LINE, pretty, refuse_pretty
from shipper.errors import UsageError
from shipper.model import Block, Chunk, Counts, LogFile, Origin
from shipper.pipeline import Pipeline, Settings

LIBRARY = load()
PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "formats.md"
OTHER_DOCUMENTS = {"ocsf"}  # formats that make another document of an event, which have a test of their own
LINE = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|authResult = 1"
RETRY = "\n".join(
    [
        "2017-02-14T02:57:19.000000Z|0|1412|6452|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)",
        "2017-02-14T02:57:24.000000Z|0|1412|6452|pfrad|authResult = 1",
        "2017-02-14T02:57:24.000000Z|0|1412|6452|pfrad|rawCallStatus = 21",
        "2017-02-14T02:57:30.000000Z|0|1412|6452|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)",
        "2017-02-14T02:57:35.250000Z|0|1412|6452|pfrad|authResult = 1",
        "2017-02-14T02:57:35.250000Z|0|1412|6452|pfrad|rawCallStatus = 21",
    ]
)
STAMPS = [
    ("2017-02-14T02:57:19.234778Z", "1487041039.234778"),
    ("2017-02-14T02:57:19Z", "1487041039.000000"),
    ("2017-02-14T02:57:19.000001Z", "1487041039.000001"),
    ("2017-02-14T02:57:19.999999999Z", "1487041039.999999"),
    ("1970-01-01T00:00:00.000000Z", "0.000000"),
    ("1970-01-01T00:00:00.5Z", "0.500000"),
    ("1969-12-31T23:59:59.999999Z", "-0.000001"),
    ("1969-12-31T23:59:59.000001Z", "-0.999999"),
    ("1969-12-31T23:59:58.5Z", "-1.500000"),
    ("1969-12-31T23:59:59.999999999Z", "-0.000001"),
    ("0001-01-01T00:00:00.000001Z", "-62135596799.999999"),
    ("9999-12-31T23:59:59.999999Z", "253402300799.999999"),
]
PATHS = [
    "/var/log/mfa/MultiFactorAuthRadiusSvc.log",
    'C:\\Logs\\"quoted"\\a.log',
    "ends with a backslash\\",
    '\\"',
    '"',
    "tab\tnewline\n\x01.log",
    "Пути/日本/👤.log",
    '"sourcetype":"x","event":{"file":{"path":"no"}}',
    "",
]


def made(form: str, text: str, path: str | None = "a.log", **settings: Any) -> Block:
    """The block of a file with this text."""
    pipeline = Pipeline(Settings(LIBRARY, format=form, **settings), Counts())
    pipeline.open(LogFile(path, "0123456789abcdef", "1970-01-01T00:00:00.000000Z"))
    return pipeline(Chunk(f"{text}\n".encode(), 0))


def output(form: str, text: str, path: str | None = "a.log", **settings: Any) -> list[str]:
    """The lines of output for a file with this text."""
    lines = made(form, text, path, **settings).data.decode().split("\n")
    assert lines.pop() == ""
    return lines


def test_no_format_of_the_contract_is_gone() -> None:
    assert {"ecs", "ocsf", "splunk-hec", "elastic-bulk"} <= FORMATS.keys()


@pytest.mark.parametrize("kernel", [False] if compiled.WHY_NOT else [True, False])
@pytest.mark.parametrize("form", FORMATS)
def test_a_format_writes_utf_8_whatever_its_label_holds(form: str, kernel: bool) -> None:
    """Path, host and user in a label are ordinary strings, unlike the text of an event: `json_text` makes them fit."""
    lines = RETRY.replace("pnigam", "müller")
    written = "\n".join(output(form, f"{lines}\n{lines}", "Über/ß.log", host="jürgen", kernel=kernel))  # UTF-8, or it fails

    assert "Ã" not in written
    assert "müller" in written


# ecs


def test_ecs_is_the_document_alone() -> None:
    (line,) = output("ecs", LINE)
    document = json.loads(line)

    assert line.startswith(
        '{"@timestamp":"2017-02-14T02:57:19.234778Z","event":{"id":"0123456789abcdef-0","dataset":"azure_mfa.radius"'
    )
    assert document["log"] == {"level": "info", "file": {"path": "a.log"}, "offset": 0}


@pytest.mark.parametrize("form", [name for name in FORMATS if name not in OTHER_DOCUMENTS])
def test_document_is_the_same_in_every_format(form: str) -> None:
    text = f"{RETRY}\nno date\n\n{LINE}"
    documents, block = output("ecs", text), made(form, text)

    written = [block.data[begin:end].decode() for begin, end in pairwise((0, *block.ends))]
    assert len(documents) == len(written) == 10
    assert [document for document, event in zip(documents, written, strict=True) if event.count(document) != 1] == []


@pytest.mark.parametrize("form", FORMATS)
def test_a_letter_tells_the_label_of_its_event_in_every_format(form: str) -> None:
    """Else `replay` sends it without its key: `label_of` knows what each format puts around an event."""
    block = made(form, f"{RETRY}\nno date\n{LINE}")

    for (stamp, event_id, origin, key), (begin, end) in zip(block.labels, pairwise((0, *block.ends)), strict=True):
        read = label_of(block.data[begin:end].rstrip(b"\n"))
        assert (read[:2], read[3]) == ((stamp, event_id), key), f"label_of does not know the envelope of {form}"
        assert (read[2].path, read[2].dataset, read[2].kind) == (origin.path, origin.dataset, origin.kind)


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_has_its_row_in_the_documentation(form: str) -> None:
    table = PAGE.read_text(encoding="utf-8").split("| `--format` |")[1].split("\n\n")[0]
    assert f"\n| `{form}` |" in table, f"a row in {PAGE}"
    assert re.search(rf"^  format: .*\b{form}\b", (PAGE.parent / "mfa-shipper.yaml").read_text(encoding="utf-8"), re.M)


# splunk-hec


def test_splunk_envelope() -> None:
    (line,) = output("splunk-hec", LINE, host="mfa01")
    (document,) = output("ecs", LINE)

    assert line == (
        f'{{"time":1487041039.234778,"host":"mfa01","source":"a.log","sourcetype":"azure:mfa:ecs","event":{document}}}'
    )


def test_splunk_envelope_leaves_out_what_is_not_known() -> None:
    (line,) = output("splunk-hec", LINE, path=None)

    assert list(json.loads(line)) == ["time", "sourcetype", "event"]


@pytest.mark.parametrize(("stamp", "seconds"), STAMPS)
def test_splunk_time_keeps_the_microseconds_of_the_line(stamp: str, seconds: str) -> None:
    """Before 1970 too; nanoseconds are cut off, never rounded up into the next second."""
    (line,) = output("splunk-hec", LINE.replace("2017-02-14T02:57:19.234778Z", stamp))

    assert line.startswith(f'{{"time":{seconds},')
    assert json.loads(line, parse_float=Decimal)["time"] == Decimal(seconds)
    assert json.loads(line)["event"]["@timestamp"] == stamp


@pytest.mark.parametrize("path", PATHS)
def test_splunk_source_is_the_path_whatever_it_holds(path: str) -> None:
    (line,) = output("splunk-hec", LINE, path=path)
    envelope = json.loads(line)

    assert envelope["source"] == path
    assert envelope["event"]["log"]["file"]["path"] == path
    assert list(envelope) == ["time", "source", "sourcetype", "event"]


@pytest.mark.parametrize("host", ["mfa01", 'a"b\\c', "сервер"])
def test_splunk_host_is_the_host_whatever_it_holds(host: str) -> None:
    (line,) = output("splunk-hec", LINE, host=host)

    assert json.loads(line)["host"] == host


def test_splunk_source_is_not_taken_from_a_message_that_looks_like_one() -> None:
    lines = output("splunk-hec", f'{LINE}"file":{{"path":"evil"}}\n"file":{{"path":"evil"}}', path=None)

    assert len(lines) == 2
    assert not any("source" in json.loads(line) for line in lines)


def test_splunk_envelope_of_a_finding_has_the_time_of_its_end_and_its_path_if_any() -> None:
    envelope = json.loads(output("splunk-hec", RETRY)[-1], parse_float=Decimal)

    assert envelope["event"]["event"]["kind"] == "alert"
    assert envelope["time"] == Decimal("1487041055.250000")


# elastic-bulk


def test_elastic_action_line_stands_before_each_document() -> None:
    lines = output("elastic-bulk", f"{RETRY}\nno date", namespace="prod")
    actions, documents = [json.loads(line) for line in lines[::2]], [json.loads(line) for line in lines[1::2]]

    assert len(actions) == len(documents) == 8
    for action, document in zip(actions, documents, strict=True):
        event = document["event"]
        assert action == {"create": {"_index": f"logs-{event['dataset']}-prod", "_id": event["id"]}}


def test_elastic_ids_are_the_event_ids() -> None:
    ids = [json.loads(line)["create"]["_id"] for line in output("elastic-bulk", RETRY)[::2]]

    lines = RETRY.split("\n")
    offsets = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    expected = [f"0123456789abcdef-{offset}" for offset in offsets]
    assert ids == [*expected, f"{expected[3]}-dp"]


@pytest.mark.parametrize(
    ("line", "index"),
    [
        (LINE, "logs-azure_mfa.radius-default"),
        (LINE.replace("pfrad", "pfsvc"), "logs-azure_mfa.server-default"),
        (LINE.replace("pfrad", "pfadssvc"), "logs-azure_mfa.adsync-default"),
        (LINE.replace("pfrad", "PfWsSdk"), "logs-azure_mfa.pfwssdk-default"),
        (LINE.replace("pfrad", "ПФ_1"), "logs-azure_mfa.пф_1-default"),
        ("no date", "logs-azure_mfa.unparsed-default"),
    ],
)
def test_elastic_index_is_the_data_stream_of_the_component(line: str, index: str) -> None:
    assert json.loads(output("elastic-bulk", line)[0])["create"]["_index"] == index


def test_constants_do_not_disturb_the_formats() -> None:
    """Whatever the configuration adds comes after the fields that a format looks for."""
    constants = {"labels": {"path": '"file":{"path":"evil"}', "id": "x"}, "host": {"name": "mfa01"}, "tags": ["t"]}
    options = Options(constants=constants)

    assert "source" not in json.loads(output("splunk-hec", LINE, path=None, options=options)[0])
    assert json.loads(output("elastic-bulk", LINE, options=options)[0])["create"]["_id"] == "0123456789abcdef-0"


# --pretty


def test_pretty_leaves_a_line_as_it_is_that_is_not_json() -> None:
    wrap = pretty(lambda text, label: (f"{label[1]}\u0085\n", text, "]\n"))

    assert "".join(wrap('{"a":1}\n', ("", "id", Origin(None, "", ""), None))) == 'id\u0085\n{\n  "a": 1\n}\n]\n'


@pytest.mark.parametrize("form", FORMATS)
def test_pretty_is_refused_where_a_reader_takes_a_document_only_on_one_line(form: str) -> None:
    if form not in ONE_LINE:
        refuse_pretty(form)
        return
    with pytest.raises(UsageError, match=f"--pretty does not go with --format {form}, "):
        refuse_pretty(form)
