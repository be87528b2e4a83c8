"""What an ECS event becomes in OCSF."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper.deliver.dead_letters import label_of
from shipper.emit.ocsf import ocsf_event, ocsf_text
from tests.support.golden_cases import Case, cases
from tests.support.ocsf import ecs_of, essentials, faults

FORMATS_PAGE = Path(__file__).parents[2] / "deploy" / "docs" / "formats.md"

Event = dict[str, Any]
AUTHENTICATION: Event = {"category": ["authentication"], "type": ["end"], "action": "mfa-status", "outcome": "success"}


def event(user: str | None = "bob", message: str = "rawCallStatus = 21", **fields: Any) -> Event:
    """An event of pfrad; `fields` are those of `event` and, as objects, others."""
    others = {name: fields.pop(name) for name in list(fields) if isinstance(fields[name], dict)}
    fixed = {"id": "0123456789abcdef-0", "dataset": "azure_mfa.radius", "kind": "event", "module": "azure_mfa"}
    named = {} if user is None else {"user": {"name": user}, "related": {"user": [user]}}
    stamp = {"@timestamp": "2017-02-14T02:57:24.600871Z", "message": message, "ecs": {"version": "8.17.0"}}
    return stamp | {"event": fixed | fields} | named | others


def made(ecs: Event) -> Event:
    """The OCSF event of it, which the published schema takes and from which all of it can be read."""
    before = orjson.loads(orjson.dumps(ecs))
    ocsf = ocsf_event(ecs)
    assert faults(ocsf) == []
    assert ecs_of(ocsf) == essentials(before)
    return ocsf


@pytest.mark.parametrize(
    "case",
    [case for case in cases() if "--format" not in case.options and "--pretty" not in case.options],
    ids=lambda case: case.name,
)
def test_every_event_of_the_golden_cases_is_valid(case: Case) -> None:
    for line in case.expected.read_bytes().splitlines():
        ocsf = orjson.loads(ocsf_text(line.decode("latin-1")).encode("latin-1"))
        assert faults(ocsf) == []
        raw = essentials(orjson.loads(line))
        if isinstance(raw["event"].get("original"), list):
            raw["event"]["original"] = "\n".join(raw["event"]["original"])
        assert ecs_of(ocsf) == raw


def test_the_checker_sees_what_is_wrong() -> None:
    right = made(event(**AUTHENTICATION))
    assert any("user" in fault for fault in faults({name: value for name, value in right.items() if name != "user"}))
    assert faults({name: value for name, value in right.items() if name != "service"}) != []
    assert faults(right | {"severity_id": 7}) != []
    assert faults(right | {"azure_mfa": {}}) != []
    assert faults(right | {"activity_id": 2}) == ["type_uid does not follow from class and activity"]
    assert faults(right | {"class_uid": 3001}) != []
    assert faults(right | {"user": {"name": "bob", "email_addr": "bob"}}) != []


def test_only_what_completes_an_authentication_is_a_logon() -> None:
    """Counting class 3002 and activity 1 counts no sign-in three times."""
    activities = [made(event(**AUTHENTICATION | {"action": action}))["activity_id"] for action in ("mfa-status", "mfa-result")]
    steps = [made(event(**AUTHENTICATION | {"action": action})) for action in ("mfa-request", "mfa-verdict", "mfa-error")]
    assert activities == [1, 1]
    assert {(step["activity_id"], step["type_uid"], step["type_name"]) for step in steps} == {
        (99, 300299, "Authentication: Other")
    }
    assert [step["activity_name"] for step in steps] == ["mfa-request", "mfa-verdict", "mfa-error"]


@pytest.mark.parametrize(
    ("outcome", "status_class", "said"),
    [
        ("success", "authenticated", (1, "Success")),
        ("failure", "denied", (2, "Failure")),
        ("unknown", "skipped", (0, "Unknown")),
        ("unknown", "pending", (99, "Pending")),
    ],
)
def test_status(outcome: str, status_class: str, said: tuple[int, str]) -> None:
    ocsf = made(event(**AUTHENTICATION | {"outcome": outcome}, azure_mfa={"status": {"class": status_class}}))
    assert (ocsf["status_id"], ocsf["status"]) == said


@pytest.mark.parametrize(("severity", "said"), [(10, 1), (21, 2), (47, 3), (73, 4), (99, 5), (None, 0)])
def test_severity(severity: int | None, said: int) -> None:
    more = {} if severity is None else {"severity": severity}
    assert made(event(**AUTHENTICATION | more))["severity_id"] == said


@pytest.mark.parametrize(
    ("method", "factor"),
    [("text_message", 1), ("security_questions", 2), ("phone_call", 3), ("voiceprint", 4), ("mobile_app", 5), ("oath_token", 7)],
)
def test_factor(method: str, factor: int) -> None:
    ocsf = made(event(**AUTHENTICATION, azure_mfa={"status": {"method": method, "prompted": True}}))
    assert ocsf["auth_factors"][0]["factor_type_id"] == factor
    assert ocsf["is_mfa"] is True


def test_without_a_prompt_there_is_no_factor() -> None:
    ocsf = made(event(**AUTHENTICATION, azure_mfa={"status": {"method": "none", "prompted": False}}))
    assert "auth_factors" not in ocsf
    assert ocsf["is_mfa"] is False
    assert "is_mfa" not in made(event(**AUTHENTICATION))


def test_an_authentication_of_nobody_known_is_a_base_event() -> None:
    """The class wants a user; an orphan has none."""
    ocsf = made(event(user=None, **AUTHENTICATION))
    assert (ocsf["class_uid"], ocsf["activity_name"], ocsf["status"]) == (0, "mfa-status", "Success")
    assert "actor" not in ocsf
    assert "observables" not in ocsf


def test_who_changed_a_record_is_the_actor() -> None:
    ocsf = made(event(user="admin", category=["iam"], type=["user"], action="user-change", outcome="success"))
    assert ocsf["actor"] == {"user": {"name": "admin"}}
    assert ocsf["observables"][0]["name"] == "actor.user.name"


@pytest.mark.parametrize(("email", "known"), [("bob@contoso.example", True), ("bob@contoso", False), ("b b@c.example", False)])
def test_an_address_that_ocsf_refuses_stays_among_the_unmapped(email: str, known: bool) -> None:
    ocsf = made(event(**AUTHENTICATION, user=None) | {"user": {"name": "bob", "email": email}})
    assert ("email_addr" in ocsf["user"]) is known
    assert ocsf["unmapped"].get("user") == (None if known else {"email": email})


@pytest.mark.parametrize("source", [{"ip": "192.0.2.7"}, {"ip": "2001:db8::1", "port": 65535}])
def test_client(source: Event) -> None:
    ocsf = made(event(**AUTHENTICATION, source=dict(source)))
    assert ocsf["src_endpoint"] == source
    assert ocsf["observables"][1]["value"] == source["ip"]


def test_the_address_of_an_event_of_no_class_with_endpoints_is_not_lost() -> None:
    assert made(event(user=None, source={"ip": "192.0.2.7"}))["unmapped"]["source"] == {"ip": "192.0.2.7"}


@pytest.mark.parametrize(
    ("dataset", "provider", "service"),
    [
        ("azure_mfa.radius", "pfrad", "MultiFactorAuthRadiusSvc"),
        ("azure_mfa.server", "pfsvc", "MultiFactorAuthSvc"),
        ("azure_mfa.nps", "Microsoft-AzureMfa-AuthZ", "NPS extension for Azure MFA"),
        ("azure_mfa.pfwssdk", "pfwssdk", "pfwssdk"),
        ("azure_mfa.own", None, "azure_mfa.own"),
    ],
)
def test_service_and_protocol(dataset: str, provider: str | None, service: str) -> None:
    more = {} if provider is None else {"provider": provider}
    ocsf = made(event(**AUTHENTICATION | more | {"dataset": dataset}))
    assert ocsf["service"] == {"name": service}
    assert ocsf.get("auth_protocol") == ("RADIUS" if dataset in ("azure_mfa.radius", "azure_mfa.nps") else None)


@pytest.mark.parametrize(
    ("stamp", "milliseconds"),
    [
        ("2017-02-14T02:57:24.600871Z", 1487041044600),
        ("2017-02-14T02:57:24.6Z", 1487041044600),
        ("2017-02-14T02:57:24Z", 1487041044000),
        ("2017-02-14T02:57:24.999999999Z", 1487041044999),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1969-12-31T23:59:58Z", -2000),
        ("9999-12-31T23:59:59.999999Z", 253402300799999),
    ],
)
def test_times_are_milliseconds_and_the_written_one_stays(stamp: str, milliseconds: int) -> None:
    ocsf = made(event(**AUTHENTICATION, start=stamp, end=stamp, duration=1_999_999) | {"@timestamp": stamp})
    assert (ocsf["time"], ocsf["start_time"], ocsf["end_time"]) == (milliseconds,) * 3
    assert ocsf["duration"] == 1
    assert ocsf["metadata"]["original_time"] == stamp


def test_a_finding_without_more_than_a_rule() -> None:
    rule = {"name": "own", "ruleset": "mfa-shipper", "version": "3"}
    ocsf = made(event(user=None, kind="alert", category=["authentication"], action="own", severity=21, rule=rule))
    assert ocsf["finding_info"]["analytic"] == {"type_id": 1, "type": "Rule", "name": "own", "version": "3"}
    assert ocsf["finding_info"].keys() & {"attacks", "related_events", "first_seen_time"} == set()
    assert "evidences" not in ocsf


def test_the_shipper_and_the_host() -> None:
    agent = {"name": "reader", "type": "mfa-shipper", "version": "1.2.3"}
    ocsf = made(event(**AUTHENTICATION, agent=agent, host={"name": "mfa01", "os": {"type": "windows"}}))
    assert ocsf["metadata"]["loggers"] == [{"name": "mfa-shipper", "version": "1.2.3"}]
    assert ocsf["device"]["hostname"] == "mfa01"
    assert ocsf["unmapped"]["host"] == {"os": {"type": "windows"}}


@pytest.mark.parametrize(
    "line", [b'{"class_uid":3002}', b'{"class_uid":0,"metadata":7}', b'{"class_uid":0,"metadata":{},"unmapped":{}}']
)
def test_a_line_that_is_no_event_of_ours_has_an_empty_label(line: bytes) -> None:
    assert label_of(line)[:2] == ("", "")


def test_a_label_read_from_an_event() -> None:
    """As it stands among the dead letters: for each class, where its user is."""
    found_at: Event = {"rule": {"name": "double_prompt"}, "azure_mfa": {"double_prompt": {"first": {"id": "x"}}}}
    base, signed_in, found = (event("Anna", log={"file": {"path": "Mfa.log"}}, **more) for more in ({}, AUTHENTICATION, found_at))
    found["event"]["kind"] = "alert"
    for ecs in (base, signed_in, found):
        kind = ecs["event"]["kind"]
        stamp, event_id, origin, key = label_of(orjson.dumps(ocsf_event(ecs)))
        assert (stamp, event_id, key) == ("2017-02-14T02:57:24.600871Z", "0123456789abcdef-0", "anna")
        assert (origin.path, origin.dataset, origin.kind) == ("Mfa.log", "azure_mfa.radius", kind)


ROW = re.compile(r"^\| (`[^|]+`) \| (`[^|;,]+(?:`, `[^|;,]+)*`)(?:;[^|]*)? \|$", re.MULTILINE)


def at(document: Event, name: str) -> Any:
    value: Any = document
    for part in name.strip("`").split("."):
        value = value.get(part, {})
    return value


def test_the_table_of_the_documentation() -> None:
    """Each row that names two fields holds for an event that has both."""
    section = FORMATS_PAGE.read_text(encoding="utf-8").split("### OCSF")[1].split("###")[0]
    rows = [pair for left, right in ROW.findall(section) for pair in zip(left.split(", "), right.split(", "), strict=True)]
    ecs = event(
        **AUTHENTICATION,
        code="21",
        reason="r",
        provider="pfrad",
        original="o",
        tags=["t"],
        log={"file": {"path": "p"}, "level": "info"},
        azure_mfa={"exchange": {"id": "0123456789abcdef-0"}},
        source={"ip": "192.0.2.7", "port": 1},
        host={"name": "h"},
    ) | {"tags": ["t"], "user": {"name": "bob", "domain": "contoso.example", "email": "bob@contoso.example"}}
    del ecs["event"]["tags"]
    before = orjson.loads(orjson.dumps(ecs))
    ocsf = made(ecs)
    pairs = [(left, right) for left, right in rows if not left.strip("`").endswith(("auth_factors", "finding_info"))]
    assert len(pairs) == 18
    assert [(left, at(ocsf, left)) for left, _ in pairs] == [(left, at(before, right)) for left, right in pairs]
    assert {} not in [at(ocsf, left) for left, _ in pairs]
