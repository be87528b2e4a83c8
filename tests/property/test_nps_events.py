"""Events of the NPS extension as JSON: the fast path changes no byte, and takes the plain ones."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.cli import command
from shipper.model import Counts
from shipper.parallel import shards
from tests.property.test_fast_equals_general import SETTINGS, made, shipped
from tests.support import grammar
from tests.support.generate import Recipe, generate
from tests.support.golden_cases import QUIET
from tests.support.grammar import Values

# fmt: off
# Each is the text of JSON, so that escapes that are not needed are tried too.
TIMES = Values(
    ('"2017-02-14T02:57:19.3193746Z"', '"2017-02-14T02:57:24.5Z"', '"2017-02-14T02:57:30Z"', '"2017-02-14T03:57:35.1+01:00"'),
    ('"2017-02-30T02:57:19Z"', '"2017-02-14T02:57:60Z"', '"2017-02-14T02:57:19"', '"2017-02-14 02:57:19z"', '"/Date(1487041039000)/"',
     '"2017-02-14T02:57:19.1234567890Z"', "1487041039", "null", '""', '"2019-02-14T02:57:19Z"', '"2017-02-14T03:59:19Z"',
     '"0001-01-01T00:00:00+14:00"', '"2017-02-14T02:57:1\\u0039Z"', '{"value":"2017-02-14T02:57:19Z"}'),
)
THREADS = Values(
    ("136", "0", '"172"'),
    ("007", "1.5", "1e3", "-1", "null", '""', "9" * 18, "9" * 19, '" 8"', "[8]", "880000000000000002"),
)
PROVIDERS = Values(
    ('"Microsoft-AzureMfa-AuthZ"', '"Microsoft-AzureMfa-AuthN"'),
    ('"pfsvc"', '"Ä%s%"', '""', "null", '"a\\"ThreadId\\":5"', '"mark-7-user-7-mark"', '"1987-06-05T04:03:02.100000Z"'),
)
LEVELS = Values(('"Information"', '"Warning"'), ('"Informaci\\u00f3n"', '"Información"', "4", "null", '"100 %"', '{"a":1}'))
HOSTS = Values(('"nps01.example.com"',), ('""', '"ä"', "null", '"a\\\\b"', '"770000000000000001"', '"\\ud800"', '"' + "x" * 300 + '"'))
PRODUCTS = Values(
    ("Azure MFA:  ", "Azure AD MFA: ", "Microsoft Entra multifactor authentication:"),
    ("Azure MFA (v1): ", "Azure  MFA: ", "Azure MFA:     ", "Azure MFA", ""),
)
IDS = Values(
    ("82a3db8d-3317-43f7-b203-6ba81cba93c9", "92a3db8d-3317-43f7-b203-6ba81cba93c9", "82A3DB8D-3317-43F7-B203-6BA81CBA93C9"),
    ("82a3db8d-3317-43f7-b203-6ba81cba93cg", "", "7a7a7a7a-7b7b-7c7c-7d7d-7e7e7e7e7e7e"),
)
USERS = Values(
    ("DOM\\\\anna", "dom\\\\ANNA", "anna@example.com", "anna", "Pat O'Brien", "a b  c", "@", "{}%s%", "a with  state b"),
    ("", "DOM\\\\", "\\\\anna", "a\\\\b\\\\c", "Größe", "Gr\\u00f6\\u00dfe", '\\"anna\\"', "a\\tb", "a\\/b", "\\", "a\\u0020b", "anna with state x",
     " with state x", "a with Azure MFA response: b", " with Azure MFA response: x", "👤", "\\ud800", "a\\u0000b", " anna ", "a\x7fb", "a,\n"),
)
RESULTS = Values(
    ("Success", "PhoneAppDenied", "SomethingNew", "OathCodeIncorrect"),
    ("", "a b", "Größe", "x" * 65, "ChallengeSent", "Success,"),
)
ENDS = Values(
    (" and message: session 1151200451", "", " and message: Mobile App Denied,,,1b2c", " and message: ", " and message: a  "),
    (" and message: Größe", " and message", ' and message: \\"x\\"', " and message: a\\nb", "  ", " and message: \\", " and message: \\u0041"),
)
REST = Values(("}", ',"Task":0}', '}'), ("} ", ',"ThreadId":9}', ',"Message":"x"}', ',"Message":""}', "}}", "", "}\t", ',"winlog":{"a":1}}', ',"log":"x"}'))
HEADS = (
    '{{"TimeCreated":{time},"ProviderName":{provider},"Id":1,"ProcessId":3120,"ThreadId":{thread},"LevelDisplayName":{level},"MachineName":{host},"Message":"',
    '{{"TimeCreated": {time}, "ProviderName": {provider}, "ThreadId": {thread}, "Level": {level}, "MachineName": {host}, "Message": "',
    '{{"EventTime":{time},"Hostname":{host},"Severity":{level},"SourceName":{provider},"ProcessID":3120,"ThreadID":{thread},"Message":"',
    '{{"@timestamp":{time},"winlog":{{"computer_name":{host},"provider_name":{provider},"process":{{"pid":1,"ThreadId":{thread}}}}},"message":"',
    '{{"LevelDisplayName":{level},"ThreadId":{thread},"TimeCreated":{time},"Message":"',
    '{{"log":{time},"TimeCreated":{time},"ThreadId":{thread},"ThreadId":{thread},"Message":"',
)
# fmt: on


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """A line, a part of it odd at most; an hour at most from one to the next, mostly far less."""
    odd = draw(st.integers(0, 19))

    def value(number: int, values: Values) -> str:
        return draw(st.sampled_from(values.other if number == odd else values.plain))

    head = draw(st.sampled_from(HEADS[:1] * 5 + HEADS)).format(
        time=value(0, TIMES), thread=value(1, THREADS), provider=value(2, PROVIDERS), level=value(3, LEVELS), host=value(4, HOSTS)
    )
    about = f"NPS Extension for {value(5, PRODUCTS)}CID: {value(6, IDS)} : "
    user = value(7, USERS)
    if draw(st.booleans()):
        message = f"{about}Challenge requested in Authentication Ext for User {user} with state {value(8, IDS)}"
    else:
        word = draw(st.sampled_from(("Accepted", "Rejected", "Denied" if odd == 9 else "Accepted")))
        message = f"{about}Access {word} for user {user} with Azure MFA response: {value(8, RESULTS)}{value(10, ENDS)}"
    raw = f'{head}{message}"{value(11, REST)}'.encode()
    if odd == 12:
        how = draw(st.tuples(st.integers(0, 7), st.integers(0, 999), st.integers(0, 255)))
        return grammar.mutate(raw, raw, *how)
    return raw


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    lines=st.lists(events(), min_size=1, max_size=12),
    end=st.sampled_from((b"\n", b"\n", b"\r\n")),
    options=SETTINGS,
    sizes=st.lists(st.integers(1, 6000), min_size=1, max_size=4),
    whole=st.booleans(),
)
def test_the_fast_path_changes_no_byte(
    lines: list[bytes], end: bytes, options: dict[str, Any], sizes: Sequence[int], whole: bool
) -> None:
    data = b"".join(line + end for line in lines)
    data = data if whole else data.removesuffix(end)

    fast = shipped(made(fast=True, **options), data, sizes, 1 << 20)

    assert fast == shipped(made(fast=False, **options), data, [1 << 16], 1 << 20)


@pytest.mark.parametrize("options", [(), ("--events", "exchange")])
def test_workers_and_records_of_an_export_give_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    for size in ("LEAST", "MOST"):  # several pieces, though the log is small
        monkeypatch.setattr(shards, size, 100_000)
    log, export = tmp_path / "nps.log", tmp_path / "nps.json"
    generate(Recipe(2000, 7, users=60, nps=True), log)
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    export.write_text(json.dumps(entries), encoding="utf-8")

    def run(path: Path, *more: str) -> tuple[bytes, Counts]:
        out = tmp_path / "out.ndjson"
        counts: Counts = command.main(["parse", *QUIET, *options, *more, "--output", str(out), str(path)], standalone_mode=False)
        return out.read_bytes(), counts

    output, counts = run(log)
    assert counts.findings > 20
    assert run(log, "--workers", "2") == (output, counts)
    exported, counted = run(export)
    assert counted == counts
    assert [placeless(text) for text in exported.splitlines()] == [placeless(text) for text in output.splitlines()]


def placeless(text: bytes) -> tuple[Any, ...]:
    """What of an event does not depend on where its line stands."""
    event = orjson.loads(text)
    return event["@timestamp"], event.get("message"), event.get("user"), event.get("process"), event["event"].get("duration")
