"""What is wrapped around a line, and what is not."""

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from shipper.decode.line_patterns import inner_line
from shipper.decode.wrappers import DEPTH, Inner
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.times import EPOCH
from tests.support.logs import library

unwrap = library().envelopes.wrappers.unwrap

LINE = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('DOM\\anna', '', 1)"
NPS = "2017-02-14T02:57:19Z NPS Extension for Azure MFA: x"
DOCKER = "in log of the JSON object"
SYSLOG = "behind the syslog head"
ISO, BSD = "2017-02-14T03:57:19.234778+01:00", "Feb 14 03:57:19"


def event_of(line: str) -> dict[str, Any]:
    pipeline = Pipeline(Settings(library()), Counts())
    pipeline.open(LogFile(None, "0" * 16, EPOCH))
    event: dict[str, Any] = orjson.loads(pipeline(Chunk(f"{line}\n".encode(), 0)).data)
    return event


def docker(line: str, **others: object) -> str:
    return json.dumps({"log": f"{line}\n", "stream": "stdout", "time": "2017-02-14T02:57:19.3Z", **others})


@pytest.mark.parametrize(
    ("line", "hostname", "host", "place"),
    [
        (docker(LINE), None, None, DOCKER),
        (docker(LINE).replace("\\n", "\\r\\n"), None, None, DOCKER),
        (docker(LINE, attrs={"tag": "mfa"}), None, None, DOCKER),
        (f"{ISO} stdout F {LINE}", None, None, "behind the CRI prefix"),
        (f"2017-02-14T02:57:19.234778123Z stderr P {LINE}", None, None, "behind the CRI prefix"),
        (f"2017-02-14T02:57:19Z stdout {LINE}", None, None, "behind the CRI prefix"),
        (f"2017-02-14T02:57:19Z stdout F:x:y {LINE}", None, None, "behind the CRI prefix"),
        # syslog
        (f"{ISO} mfa01 mfa: {LINE}", "mfa01", "mfa01", SYSLOG),
        (f"{ISO} mfa01 mfa {LINE}", "mfa01", "mfa01", SYSLOG),
        (f"{ISO} mfa01 {LINE}", "mfa01", "mfa01", SYSLOG),
        (f"{ISO} mfa01 <mfa> {LINE}", "mfa01", "mfa01", SYSLOG),
        (f"<134>{ISO} 10.0.0.5 mfa[12]: {LINE}", "10.0.0.5", "10.0.0.5", SYSLOG),
        (f"{BSD} mfa01 mfa: {LINE}", "mfa01", "mfa01", SYSLOG),
        (f"<13>Feb  4 03:57:19 fe80::1 mfa:  {LINE}", "fe80::1", "fe80::1", SYSLOG),
        (f"<134>1 {ISO} mfa01 mfa - - - {LINE}", "mfa01", "mfa01", SYSLOG),
        (f"<134>1 2017-02-14T02:57:19.234778123Z mfa01 mfa 12 ID - {LINE}", "mfa01", "mfa01", SYSLOG),
        (f'<134>1 {ISO} mfa01 mfa - - [a b="]\\"c"][d] \ufeff{LINE}', "mfa01", "mfa01", SYSLOG),
        (f"<134>1 - - mfa - - - {LINE}", None, None, SYSLOG),
        (f"99 <134>1 {ISO} mfa01 mfa - - - {LINE}", "mfa01", "mfa01", f"behind the octet count, {SYSLOG}"),
        (f"99 <134>{BSD} mfa01 mfa: {LINE}", "mfa01", "mfa01", f"behind the octet count, {SYSLOG}"),
        (f"2017-02-14 03:00:00\tLocal0.Info\t10.0.0.5\tmfa: {LINE}", "10.0.0.5", "10.0.0.5", SYSLOG),
        (f"2017-02-14 03:00:00\tLocal0.Info\t10.0.0.5\t{BSD} mfa01 mfa[7]: {LINE}", "10.0.0.5", "10.0.0.5", SYSLOG),
        # other shippers
        (json.dumps({"@timestamp": "x", "host": {"name": "mfa01"}, "message": LINE}), None, "mfa01", "in message of the JSON object"),
        (json.dumps({"message": LINE, "agent": {"hostname": "mfa01"}}), None, "mfa01", "in message of the JSON object"),
        (json.dumps({"message": LINE, "beat": {"hostname": "mfa01"}}), None, "mfa01", "in message of the JSON object"),
        (json.dumps({"file": "a", "host": "mfa01", "message": LINE}), None, "mfa01", "in message of the JSON object"),
        (json.dumps({"Message": LINE, "Hostname": "mfa01"}), None, "mfa01", "in Message of the JSON object"),
        (json.dumps({"MESSAGE": LINE, "_HOSTNAME": "mfa01"}), None, "mfa01", "in MESSAGE of the JSON object"),
        (json.dumps({"date": 1.5, "log": LINE, "host": {"name": 5}}), None, None, DOCKER),
        (json.dumps({"log": LINE, "host": "", "hostname": "x" * 256}), None, None, DOCKER),
        (json.dumps({"message": "no line", "log": LINE}), None, None, DOCKER),
        (json.dumps({"message": {"log": 1}, "log": "\ufeff" + LINE}), None, None, DOCKER),
        ('{"message" : "' + LINE.replace("\\", "\\\\") + '"}', None, None, "in message of the JSON object"),
        # one in another
        (docker(f"<134>{BSD} mfa01 mfa: {LINE}"), "mfa01", "mfa01", f"{DOCKER}, {SYSLOG}"),
        (f"{ISO} stdout F {docker(LINE)}", None, None, f"behind the CRI prefix, {DOCKER}"),
        (json.dumps({"message": f"{BSD} mfa01 mfa: {LINE}", "host": "relay"}), "mfa01", "mfa01", f"in message of the JSON object, {SYSLOG}"),
        (f"{BSD} relay {ISO} mfa01 mfa: {LINE}", "mfa01", "mfa01", f"{SYSLOG}, {SYSLOG}"),
        (f"{BSD} relay mfa: {docker(LINE, host='mfa01')}", "relay", "mfa01", f"{SYSLOG}, {DOCKER}"),
    ],
)  # fmt: skip
def test_the_line_inside(line: str, hostname: str | None, host: str | None, place: str) -> None:
    inner = Inner(LINE, hostname, host, place, partial=" P " in line)
    assert unwrap(line) == inner_line(library(), line) == inner


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        NPS,
        "",
        "{",
        '{"log":"' + LINE,
        json.dumps({"log": 5, "message": [LINE]}),
        json.dumps({"other": LINE}),
        json.dumps({"other": {"message": LINE}}),
        json.dumps({"Message": "NPS Extension for Azure MFA: x"}),
        f"{BSD} mfa01 pfsvc: hello",
        "2017-02-14 03:00:00\tLocal0.Info\t10.0.0.5\tpfsvc: hello",
        f"2017-02-14 03:00:00\tLocal0.Info\t10.0.0.5\t{BSD} mfa01 pfsvc: hello",
        f"{ISO} mfa01 pfsvc: hello",
        f"<134>1 {ISO} mfa01 pfsvc - - - hello",
        f"{ISO} stdout hello",
        f"12345678 <134>{BSD} mfa01 mfa: {LINE}",
        f"83 {LINE}",
        f"<134>{LINE}",
    ],
)
def test_a_line_that_nothing_is_wrapped_around(line: str) -> None:
    assert unwrap(line) is None


def test_wrappers_are_taken_off_to_a_fixed_depth() -> None:
    line = LINE
    for number in range(1, DEPTH + 3):
        line = docker(line)
        inner = unwrap(line)
        assert inner is not None
        assert (inner.text == LINE) is (number <= DEPTH)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"log": "hello\n"}, "hello"),
        ({"message": "hello"}, "hello"),
        ({"Message": "hello"}, None),
        ({"message": "hello", "winlog": {}}, None),
        ({"message": "NPS Extension for Azure MFA: x"}, None),
    ],
)
def test_a_record_whose_text_is_no_line(record: dict[str, object], text: str | None) -> None:
    line = json.dumps(record)

    inner = unwrap(line, strictly=False)

    assert unwrap(line) is None
    assert (inner and inner.text) == text


@pytest.mark.parametrize("message", ["{config}", "2017-02-14T02:00 x", "<x>", "Feb 14 02:57:19 x"])
def test_what_a_message_begins_with_is_no_wrapper(message: str) -> None:
    line = f"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Reloading {message}"

    for wrapped in (f"{BSD} mfa01 {line}", f"{ISO} mfa01 mfa {line}", f"<134>1 {ISO} mfa01 mfa - - - {line}"):
        inner = unwrap(wrapped)
        assert inner is not None
        assert inner.text == line


# What the parser makes of them


def test_the_host_is_that_of_the_innermost_that_names_it() -> None:
    event = event_of(json.dumps({"message": f"{BSD} mfa01 mfa: {LINE}", "host": {"name": "relay"}}))

    assert event["host"] == {"name": "mfa01"}
    assert event["log"]["syslog"] == {"hostname": "mfa01"}


def test_a_message_behind_syslog_inside_a_record_names_its_host() -> None:
    event = event_of(json.dumps({"message": f"{ISO} mfa01 pfrad: authResult = 1", "host": {"name": "relay"}}))

    assert event["host"] == {"name": "mfa01"}
    assert event["event"]["provider"] == "pfrad"


def test_a_windows_event_behind_syslog_keeps_its_computer() -> None:
    record = {
        "TimeCreated": "2017-02-14T02:57:19Z",
        "MachineName": "nps01",
        "ProviderName": "Microsoft-AzureMfa-AuthZ",
        "Message": "x",
    }

    event = event_of(f"<14>1 {ISO} relay nxlog - - - {json.dumps(record)}")

    assert event["host"] == {"name": "nps01"}
    assert event["log"]["syslog"] == {"hostname": "relay"}


@pytest.mark.parametrize("wrap", [docker, lambda line: f"{ISO} mfa01 mfa: {line}", lambda line: f"{ISO} stdout F {line}"])
def test_blanks_at_the_end_of_the_inner_line_are_not_of_its_message(wrap: Callable[[str], str]) -> None:
    assert event_of(wrap(f"{LINE} \t"))["message"] == "Calling pfAuthUser('DOM\\anna', '', 1)"


@pytest.mark.parametrize(
    ("line", "reason", "time"),
    [
        (docker("   at PfSvc.Worker.Run"), f"{DOCKER}: the line does not begin with a time stamp", EPOCH),
        (docker(""), f"{DOCKER}: the line is empty", EPOCH),
        (docker("> " + LINE), f"{DOCKER}: the line begins with >", EPOCH),
        (docker("2017-02-14T02:57:19Z|0|1"), f"{DOCKER}: after the time stamp, LEVEL|PID", "2017-02-14T02:57:19Z"),
        (docker("2017-02-30T02:57:19Z|0|1|2|pfrad|x"), f"{DOCKER}: the time stamp 2017-02-30T02:57:19Z names no real", EPOCH),
        (f"{ISO} stdout F and the rest of it", "behind the CRI prefix: the line does not begin with a time stamp", EPOCH),
        (f"{ISO} mfa01 mfa: {LINE.replace('02-14', '02-30')}", f"{SYSLOG}: the time stamp 2017-02-30", EPOCH),
        (docker(f"{BSD} mfa01 pfsvc: x"), f"{DOCKER}: a syslog time stamp names no year", EPOCH),
        (f"{BSD} mfa01 pfsvc: {{}}", "a syslog time stamp names no year", EPOCH),
        (f"83 <134>{BSD} mfa01", "behind the octet count: after the syslog time stamp", EPOCH),
        ('{"log":"' + LINE, "this JSON is wrong at character 78: ", EPOCH),  # a backslash that nothing escapes
        ('{"log":"2017-02-14T02:57:19Z|0', "this begins like a JSON object and is not a whole one", EPOCH),
        (docker(docker("x")), f"{DOCKER}, {DOCKER}: the line does not begin", EPOCH),
        (json.dumps({"Message": "NPS Extension for Azure MFA: x"}), "this JSON object is no Windows event", EPOCH),
    ],
)
def test_the_reason_of_a_line_that_is_not_understood(line: str, reason: str, time: str) -> None:
    event = event_of(line)

    assert event["event"]["kind"] == "pipeline_error"
    assert event["event"]["original"] == line
    assert event["error"]["message"].startswith(reason)
    assert event["@timestamp"] == time


def test_a_message_behind_syslog_that_looks_like_a_record_stays_one() -> None:
    event = event_of(f'{ISO} mfa01 pfsvc: {{"a": 1}}')

    assert (event["event"]["action"], event["message"]) == ("log", '{"a": 1}')


@pytest.mark.parametrize(
    "lines",
    [
        '{"log":"a\\q","stream":"stdout"}\n{"log":"b","stream":"stdout"}',
        '{"log":"a","stream":"stdout","log":1}\n{"log":"b","stream":"stdout"}',
    ],
)
def test_parts_that_are_no_records_of_docker_stay_as_they_are(lines: str) -> None:
    assert unwrap(lines) is None
