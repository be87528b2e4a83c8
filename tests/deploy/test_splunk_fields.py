"""What the add-on's props say of events and raw lines: regular expressions, times, and every field that they name."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import regex

from tests.deploy.spl import comparisons, expression_fields, search_fields
from tests.support.deploy import splunk_app as app
from tests.support.deploy.splunk_app import CIM_ACTIONS, DEFAULT_FIELDS, ECS, RAW, default, fields, schema_fields, settings

QUOTES = re.compile("['\"]{2}|[\u2018-\u201f]")
REGEX_SETTINGS = ("LINE_BREAKER", "EVENT_BREAKER", "TIME_PREFIX")
STAMP = "2017-02-14T02:57:19.234778Z"
OUTCOMES = {"succeeded": "success", "failed": "failure"}


@pytest.mark.parametrize("sourcetype", [ECS, RAW])
def test_regular_expressions_compile_and_breakers_capture(sourcetype: str) -> None:
    stanza = default("props")[sourcetype]
    for key in REGEX_SETTINGS:
        pattern = regex.compile(stanza[key])
        assert pattern.groups == (0 if key == "TIME_PREFIX" else 1), key
    assert app.extractions(sourcetype) or sourcetype == ECS
    assert stanza["SHOULD_LINEMERGE"] == "false"
    assert regex.split(stanza["LINE_BREAKER"], "a\r\nb\nc")[::2] == ["a", "b", "c"]


@pytest.mark.parametrize("sourcetype", [ECS, RAW])
def test_time_stamps_are_found_where_props_look_for_them(sourcetype: str) -> None:
    """TIME_PREFIX, then TIME_FORMAT within the lookahead; %6N is Splunk's name for microseconds."""
    stanza = default("props")[sourcetype]
    known = {"%Y": "%Y", "%m": "%m", "%d": "%d", "%H": "%H", "%M": "%M", "%S": "%S", "%6N": "%f", "%Z": "%z"}
    format_ = re.sub("|".join(known), lambda match: known[match[0]], stanza["TIME_FORMAT"])
    assert not re.sub("%[YmdHMSfz]", "", format_).count("%")
    for document in whole_events("codes"):
        raw = json.dumps(document, separators=(",", ":")) if sourcetype == ECS else document["event"]["original"]
        start = regex.search(stanza["TIME_PREFIX"], raw)
        assert start is not None
        stamp = raw[start.end() : start.end() + int(stanza["MAX_TIMESTAMP_LOOKAHEAD"])].split('"')[0].split("|")[0]
        assert datetime.strptime(stamp, format_) == datetime.fromisoformat(document["@timestamp"])
    assert stanza["TZ"] == "UTC"
    age = datetime.now(UTC) - datetime(2013, 1, 1, tzinfo=UTC)  # the first year of MFA Server's logs
    assert int(stanza["MAX_DAYS_AGO"]) > age.days


def whole_events(case: str) -> list[dict[str, Any]]:
    """The events of a golden case that stand for a line which was understood."""
    text = (app.GOLDEN / case / "expected.ndjson").read_text(encoding="utf-8")
    found = [document for document in map(json.loads, text.splitlines()) if document["event"]["kind"] == "event"]
    assert found
    return found


def test_an_event_of_the_longest_line_is_not_cut() -> None:
    assert default("props")[ECS]["TRUNCATE"] == "0"
    assert int(default("props")[RAW]["TRUNCATE"]) >= 1 << 20


@pytest.mark.parametrize("sourcetype", [ECS, RAW])
def test_aliases_and_evals_read_fields_that_exist(sourcetype: str) -> None:
    own = schema_fields() if sourcetype == ECS else {name for pattern, _ in app.extractions(RAW) for name in pattern.groupindex}
    there = DEFAULT_FIELDS | own
    assert set(app.aliases(sourcetype).values()) <= there
    for name, text in settings(sourcetype, "EVAL").items():  # none sees another, nor a lookup
        assert expression_fields(text) <= there | set(app.aliases(sourcetype)), name
    for _, source in app.extractions(sourcetype):
        assert source in there


def test_what_props_make_hides_no_field_of_the_event() -> None:
    assert not app.made_fields(ECS) & schema_fields()


@pytest.mark.parametrize("sourcetype", [ECS, RAW])
def test_transforms_and_lookups_exist_with_their_columns(sourcetype: str) -> None:
    for name, wanted, added in app.lookups(sourcetype):
        assert name in default("transforms")
        assert set(wanted) | set(added) <= set(app.table(name)[0]), name
        assert set(wanted.values()) <= fields(sourcetype)
    for text in settings(sourcetype, "REPORT").values():
        assert set(re.split(r"\s*,\s*", text)) <= set(default("transforms"))
    used = {name for kind in (ECS, RAW) for name, *_ in app.lookups(kind)} | set(settings(RAW, "REPORT").values())
    assert used == set(default("transforms"))


@pytest.mark.parametrize("sourcetype", [ECS, RAW])
def test_events_have_the_fields_of_cim(sourcetype: str) -> None:
    wanted = {
        "action",
        "app",
        "authentication_method",
        "dest",
        "dest_nt_domain",
        "reason",
        "severity",
        "signature",
        "signature_id",
    }
    assert wanted | {"src", "user", "vendor_product"} <= app.made_fields(sourcetype)


def test_a_code_and_a_constant_look_up_the_same() -> None:
    """An event has one or the other."""
    by_name = dict(zip(settings(RAW, "LOOKUP"), app.lookups(RAW), strict=True))
    fields_of = {name: {*wanted.values(), *added.values()} for name, (_, wanted, added) in by_name.items()}
    assert fields_of["mfa_code"] == fields_of["mfa_constant"]


@pytest.mark.parametrize("sourcetype", [ECS, RAW])
def test_actions_are_those_of_cim(sourcetype: str) -> None:
    text = settings(sourcetype, "EVAL")["action"]
    compared = {value for _, value in comparisons(text)}
    results = set(re.findall(r'"([^"]*)"', re.sub(r"match\([^)]*\)\$?\"\)", "", text))) - compared
    assert results <= CIM_ACTIONS | compared


def test_every_severity_of_the_schema_has_a_word() -> None:
    numbers = app.possible_values()["event.severity"]
    words = dict(re.findall(r"'event\.severity'==(\d+),\"(\w+)\"", settings(ECS, "EVAL")["severity"]))
    assert words == {"10": "informational", "21": "low", "47": "medium", "73": "high", "99": "critical"}
    assert set(words) == numbers


@pytest.mark.parametrize("name", default("eventtypes"))
def test_event_types_name_fields_that_exist(name: str) -> None:
    search = default("eventtypes")[name]["search"]
    assert search_fields(search) <= app.existing(search)


def test_fields_that_the_readme_names_exist() -> None:
    text = (app.ADD_ON.parent / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:event|user|source|azure_mfa|error|log|rule|host)\.[\w.{}]+|tags\{\})`", text))
    assert len(named) > 8
    assert named - {"event.schema.json"} <= schema_fields()
    cim = text[text.index("| CIM field") : text.index("| event type")]
    columns = {name for line in cim.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1] if line else "")}
    assert columns <= app.made_fields(ECS)
    events_named = set(re.findall(r"`(mfa_\w+)`", text[text.index("| event type") : text.index("## Good")]))
    assert events_named <= set(default("eventtypes")) | set(default("macros"))


@pytest.mark.parametrize("case", ["users", "results", "codes", "outcome-conflict", "article-ascii"])
def test_raw_lines_say_what_the_shipper_says(case: str) -> None:
    """Where a line says it by itself: the user of a request, the code of a status, both of a result."""
    seen: set[str] = set()
    constants = {row["constant"] for row in app.table("azure_mfa_status_codes")}  # the shipper also goes by descriptions
    for document in whole_events(case):
        raw = document["event"]["original"]
        if QUOTES.search(raw.replace(", '', ", "")):
            continue  # doubled and curly quotes are the shipper's business
        line, action = app.extracted(raw), document["event"]["action"]
        status, user = document.get("azure_mfa", {}).get("status", {}), document.get("user", {})
        assert (line["process_id"], line["component"]) == (str(document["process"]["pid"]), document["event"]["provider"])
        seen.add(action)
        if action in ("mfa-request", "mfa-result"):
            assert line.get("user_name") == user.get("name"), raw
            assert line.get("dest_nt_domain") == (None if "email" in user else user.get("domain")), raw
        if action == "mfa-verdict":
            assert line["auth_result"] == str(document["azure_mfa"]["auth_result"])
        if action == "mfa-status":
            assert line["status_code"] == str(status["code"])
        if action == "mfa-result":
            assert line["status_constant"] == status.get("constant") or line["status_constant"] not in constants, raw
            outcome = "unknown" if status["class"] == "pending" else OUTCOMES[line["mfa_verdict"]]
            assert document["event"]["outcome"] == outcome, raw
    assert seen & {"mfa-request", "mfa-result", "mfa-status"}


def test_pending_is_pending_in_raw_results_too() -> None:
    wanted = {row["constant"] for row in app.table("azure_mfa_status_codes") if row["class"] == "pending"} - {""}
    assert wanted
    (pattern,) = re.findall(r'match\(status_constant,"([^"]+)"\),"pending"', settings(RAW, "EVAL")["action"])
    assert {row["constant"] for row in app.table("azure_mfa_status_codes") if regex.search(pattern, row["constant"])} == wanted


@pytest.mark.parametrize(
    ("written", "address", "port"),
    [("192.0.2.7:80", "192.0.2.7", "80"), ("2001:db8::7", "2001:db8::7", None), ("[2001:db8::7]:443", "2001:db8::7", "443")],
)
def test_addresses_of_raw_results_stay_whole(written: str, address: str, port: str | None) -> None:
    line = f"{STAMP}|i|1|2|pfsvc|Pfauth failed for user 'bob' from {written}. Call status: FAILED_PHONE_BUSY - \"x\"."
    found = app.extracted(line)
    assert (found["src_ip"], found.get("src_port"), found["user_name"]) == (address, port, "bob")
