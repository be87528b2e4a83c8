"""What the add-on's props make of real events; every field that it names exists; CIM values."""

import csv
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import regex

from tests.deploy import splunk_app as app
from tests.deploy.spl_search import holds, parse
from tests.deploy.splunk_app import DEFAULT_FIELDS, ECS, RAW, default, fields, schema_fields, search_time
from tests.deploy.splunk_events import GOLDEN, documents, event, events
from tests.deploy.tools import ROOT

CIM_ACTIONS = {"success", "failure", "pending", "error", "unknown"}
QUOTES = re.compile("['\"]{2}|[\u2018-\u201f]")
REGEX_SETTINGS = ("LINE_BREAKER", "EVENT_BREAKER", "TIME_PREFIX")


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
    for document in documents()[:50]:
        raw = json.dumps(document, separators=(",", ":")) if sourcetype == ECS else document["event"]["original"]
        if document["event"]["kind"] != "event":
            continue
        start = regex.search(stanza["TIME_PREFIX"], raw)
        assert start is not None
        stamp = raw[start.end() : start.end() + int(stanza["MAX_TIMESTAMP_LOOKAHEAD"])].split('"')[0].split("|")[0]
        assert datetime.strptime(stamp, format_) == datetime.fromisoformat(document["@timestamp"])
    assert stanza["TZ"] == "UTC"
    age = datetime.now(UTC) - datetime(2013, 1, 1, tzinfo=UTC)  # the first year of MFA Server's logs
    assert int(stanza["MAX_DAYS_AGO"]) > age.days


def test_an_event_of_the_longest_line_is_not_cut() -> None:
    assert default("props")[ECS]["TRUNCATE"] == "0"
    assert int(default("props")[RAW]["TRUNCATE"]) >= 1 << 20


@pytest.mark.parametrize("sourcetype", [ECS, RAW])
def test_aliases_and_evals_read_fields_that_exist(sourcetype: str) -> None:
    own = schema_fields() if sourcetype == ECS else frozenset().union(*(set(one.groupindex) for one, _ in app.extractions(RAW)))
    there = DEFAULT_FIELDS | own
    assert set(app.aliases(sourcetype).values()) <= there
    for name, node in app.evals(sourcetype).items():  # none sees another, nor a lookup
        assert set(node.fields()) <= there | set(app.aliases(sourcetype)), name
    for _, source in app.extractions(sourcetype):
        assert source in there


def test_what_props_make_hides_no_field_of_the_event() -> None:
    assert not app.made_fields(ECS) & schema_fields()


@pytest.mark.parametrize("sourcetype", [ECS, RAW])
def test_transforms_and_lookups_exist_with_their_columns(sourcetype: str) -> None:
    for name, wanted, added, _ in app.lookups(sourcetype):
        assert name in default("transforms")
        assert set(wanted) | set(added) <= set(app.table(name)[0]), name
        assert set(wanted.values()) <= fields(sourcetype)
    for text in app.settings(sourcetype, "REPORT").values():
        assert set(re.split(r"\s*,\s*", text)) <= set(default("transforms"))
    used = {name for one in (ECS, RAW) for name, *_ in app.lookups(one)} | set(app.settings(RAW, "REPORT").values())
    assert used == set(default("transforms"))


def authentications() -> list[dict[str, Any]]:
    return [one for one in events() if one.get("event.action") in ("mfa-status", "mfa-result")]


def test_authentications_have_the_fields_of_cim() -> None:
    assert len(authentications()) > 1000
    for one in authentications():
        assert one["action"] in CIM_ACTIONS
        for field in ("app", "dest", "signature", "signature_id", "reason", "vendor_product", "severity"):
            assert one.get(field), (field, one["_raw"])
        assert ("user" in one) == ("user.name" in one)
        assert "src_user" not in one
    assert {one["action"] for one in authentications()} == {"success", "failure", "pending", "unknown"}


def test_action_is_the_outcome_except_while_the_user_is_waited_for() -> None:
    for one in authentications():
        pending = one["azure_mfa.status.class"] == "pending"
        assert one["action"] == ("pending" if pending else one.get("event.outcome")), one["_raw"]


def test_duration_is_in_seconds() -> None:
    complete = [one for one in authentications() if "event.duration" in one]
    assert complete
    for one in complete:
        assert one["duration"] == pytest.approx(one["event.duration"] / 1e9)
        between = datetime.fromisoformat(one["event.end"]) - datetime.fromisoformat(one["event.start"])
        assert one["duration"] == pytest.approx(between.total_seconds())


def test_every_severity_of_the_schema_has_a_word() -> None:
    schema = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))
    numbers = schema["properties"]["event"]["properties"]["severity"]["enum"]
    words = [event({"@timestamp": "2017-02-14T02:57:19Z", "event": {"severity": one}})["severity"] for one in numbers]
    assert words == ["informational", "low", "medium", "high", "critical"]


STAMP = "2017-02-14T02:57:19.234778Z"
IAM = {"category": ["iam"], "outcome": "success", "dataset": "azure_mfa.server"}
ANNA, CARL = {"name": "anna", "domain": "DOM"}, {"name": "carl", "domain": "example.com", "email": "carl@example.com"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {
                "event": IAM | {"action": "user-change"},
                "user": ANNA | {"target": CARL},
                "azure_mfa": {"change": {"field": "phone"}},
            },
            {"action": "modified", "user": "carl", "src_user": "anna", "object_category": "user", "object_attrs": "phone"}
            | {"change_type": "AAA", "status": "success", "dest_nt_domain": None, "object": "carl"},
        ),
        (
            {"event": IAM | {"action": "device-delete"}, "user": CARL | {"target": ANNA}},
            {"action": "deleted", "user": "anna", "src_user": "carl", "object_category": "device", "dest_nt_domain": "DOM"},
        ),
        (
            {"event": IAM | {"action": "user-add"}, "user": {"target": ANNA}},
            {"action": "created", "user": "anna", "src_user": None},
        ),
        ({"event": IAM | {"action": "token-change"}}, {"action": "modified", "object_category": "token"}),
        (
            {
                "event": {"action": "mfa-error", "dataset": "azure_mfa.nps"},
                "error": {"code": "REQUEST_MISSING_CODE", "message": "why"},
            },
            {"action": "error", "reason": "why", "reason_id": "REQUEST_MISSING_CODE", "signature_id": "REQUEST_MISSING_CODE"}
            | {"authentication_service": "NPS extension"},
        ),
        (
            {"event": {"action": "primary-auth-result", "outcome": "failure", "reason": "wrong password"}}
            | {"azure_mfa": {"primary_auth": {"type": "AD"}}, "source": {"ip": "192.0.2.7", "port": 4711}},
            {
                "action": "failure",
                "reason": "wrong password",
                "authentication_method": "AD",
                "src": "192.0.2.7",
                "src_port": 4711,
            },
        ),
        ({"event": {"action": "primary-auth-request", "outcome": "unknown"}}, {"action": "pending"}),
        (
            {"event": {"action": "mfa-request", "outcome": "unknown"}, "user": ANNA},
            {"action": "pending", "dest_nt_domain": "DOM"},
        ),
        ({"event": {"action": "log"}, "host": {"name": "mfa07"}}, {"action": None, "dest": "mfa07"}),
        ({"log": {"syslog": {"hostname": "mfa08"}}, "host": {"name": "relay"}, "event": {}}, {"dest": "mfa08"}),
    ],
)
def test_events_that_the_samples_lack(document: dict[str, Any], expected: dict[str, Any]) -> None:
    known = schema_fields()
    one = search_time(ECS, json.dumps({"@timestamp": STAMP, **document}))
    assert {name for name in one if "." in name or "{" in name} <= known, "the sample names a field that events do not have"
    assert {name: one.get(name) for name in expected} == expected


def matching(eventtype: str) -> list[dict[str, Any]]:
    term = parse(default("eventtypes")[eventtype]["search"])
    return [one for one in events() if holds(term, one)]


@pytest.mark.parametrize("name", default("eventtypes"))
def test_event_types_name_fields_and_values_that_exist(name: str) -> None:
    schema = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))["properties"]["event"]["properties"]
    with open(ROOT / "schemas" / "status_codes.csv", encoding="utf-8") as file:
        classes = {row["class"] for row in csv.DictReader(file)}
    values = {
        "event.action": schema["action"]["enum"],
        "event.kind": schema["kind"]["enum"],
        "event.category{}": schema["category"]["items"]["enum"],
        "azure_mfa.status.class": classes,
        "azure_mfa.status.prompted": {"true", "false"},
        "action": CIM_ACTIONS,
        "sourcetype": {ECS, RAW},
    }
    term = parse(default("eventtypes")[name]["search"])
    compared = dict(term.comparisons())
    assert set(term.fields()) <= fields(compared["sourcetype"])
    for field, value in term.comparisons():
        assert value == "*" or value in values[field], (field, value)


def test_event_types_hold_what_they_say() -> None:
    def kept(keep: Any) -> list[str]:
        return [one["event"]["id"] for one in documents() if keep(one)]

    def found(name: str) -> list[str]:
        return [one["event.id"] for one in matching(name)]

    def status(name: str, value: Any) -> list[str]:
        return kept(
            lambda one: (
                one["event"].get("action") in ("mfa-status", "mfa-result") and one["azure_mfa"]["status"].get(name) == value
            )
        )

    assert found("mfa_double_prompt") == kept(lambda one: "double_prompt" in one.get("azure_mfa", {})) != []
    assert found("mfa_unparsed") == kept(lambda one: one["event"]["kind"] == "pipeline_error") != []
    assert found("mfa_prompt") == status("prompted", True) != []
    assert found("mfa_fraud") == status("class", "fraud") != []
    assert found("mfa_lockout") == status("class", "blocked") != []
    assert found("mfa_cache_hit") == status("class", "cached") != []
    assert found("mfa_bypass") == status("class", "bypassed") != []
    assert found("mfa_authentication_pending") == status("class", "pending") != []
    parts = [len(found(f"mfa_authentication_{one}")) for one in ("success", "failure", "pending")]
    assert sum(parts) + sum(one["action"] == "unknown" for one in authentications()) == len(found("mfa_authentication"))


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


def shipped(log: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "shipper", "parse", "--deterministic", "--quiet", str(log)]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("case", ["users", "results", "codes", "outcome-conflict", "article-ascii"])
def test_raw_lines_say_what_the_shipper_says(case: str) -> None:
    """Where a line says it by itself: the user of a request, the code of a status, both of a result."""
    seen: set[str] = set()
    constants = {row["constant"] for row in app.table("azure_mfa_status_codes")} - {""}  # the shipper also goes by descriptions
    for document in shipped(GOLDEN / case / "input.log"):
        raw = document["event"]["original"]
        if document["event"]["kind"] == "pipeline_error" or QUOTES.search(raw.replace(", '', ", "")):
            continue  # doubled and curly quotes are the shipper's business
        one, action = search_time(RAW, raw), document["event"]["action"]
        status, user = document.get("azure_mfa", {}).get("status", {}), document.get("user", {})
        assert (one["process_id"], one["component"]) == (str(document["process"]["pid"]), document["event"]["provider"])
        seen.add(action)
        if action in ("mfa-request", "mfa-result"):
            assert one.get("user") == user.get("name"), raw
            assert one.get("dest_nt_domain") == (None if "email" in user else user.get("domain")), raw
        if action == "mfa-verdict":
            assert one["auth_result"] == str(document["azure_mfa"]["auth_result"])
        if action == "mfa-status":
            assert one["status_code"] == one["signature_id"] == str(status["code"])
        if (action == "mfa-status" and status["class"] != "unknown") or one.get("status_constant") in constants:
            assert (one.get("status_class"), one.get("authentication_method")) == (status["class"], status["method"]), raw
            assert one["severity"] == status["severity"]
        if action == "mfa-result" and status["class"] != "pending":
            assert one["action"] == document["event"]["outcome"]
    assert seen & {"mfa-request", "mfa-result", "mfa-status"}


def test_pending_is_pending_in_raw_results_too() -> None:
    constants = [row["constant"] for row in app.table("azure_mfa_status_codes") if row["class"] == "pending" and row["constant"]]
    assert constants
    for constant in constants:
        line = f"{STAMP}|i|1|2|pfsvc|Pfauth failed for user 'anna' from 192.0.2.7:80. Call status: {constant} - \"x\"."
        one = search_time(RAW, line)
        assert (one["action"], one["src"], one["src_port"], one["user"]) == ("pending", "192.0.2.7", "80", "anna")


def test_an_address_of_version_6_stays_whole() -> None:
    for written, address in (("2001:db8::7", "2001:db8::7"), ("[2001:db8::7]:443", "2001:db8::7")):
        line = f"{STAMP}|i|1|2|pfsvc|Pfauth failed for user 'bob' from {written}. Call status: FAILED_PHONE_BUSY - \"x\"."
        assert search_time(RAW, line)["src_ip"] == address
