"""The numbers of every panel of the Splunk dashboard are those counted from the NDJSON.

No Splunk runs here: the searches are computed by the model in spl.py, which refuses what it does not know.
"""

from collections import Counter
from typing import Any

from tests.deploy import spl
from tests.deploy.splunk_events import documents, events
from tests.deploy.splunk_render import TARGET, picture
from tests.deploy.splunk_searches import TOKENS, filled, panels


def result(name: str, **tokens: str) -> list[dict[str, Any]]:
    return spl.run(filled(panels()[name], **TOKENS | tokens), events())


def status(document: dict[str, Any]) -> dict[str, Any]:
    found = document["azure_mfa"]["status"]
    assert isinstance(found, dict)
    return found


def authentications() -> list[dict[str, Any]]:
    return [one for one in documents() if one["event"].get("action") in ("mfa-status", "mfa-result")]


def findings() -> list[dict[str, Any]]:
    return [one for one in documents() if one["event"].get("action") == "double_prompt"]


def prompt(finding: dict[str, Any]) -> dict[str, Any]:
    found = finding["azure_mfa"]["double_prompt"]
    assert isinstance(found, dict)
    return found


def who(document: dict[str, Any]) -> tuple[str, str]:
    user = document["user"]
    return user.get("domain", "-").lower(), user["name"].lower()


def cim(document: dict[str, Any]) -> str:
    return "pending" if status(document)["class"] == "pending" else str(document["event"]["outcome"])


def series(rows: list[dict[str, Any]], first: str) -> Counter[str]:
    """The sums of a chart's columns."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update({name: count for name, count in row.items() if name != first})
    return total


def test_single_numbers() -> None:
    sequential = [prompt(one) for one in findings() if prompt(one)["pattern"] == "sequential"]
    spared = {seconds: sum(one["cache_seconds"] <= seconds for one in sequential) for seconds in (10, 30, 60)}
    assert 0 < spared[10] < spared[30] < spared[60] == len(sequential)
    assert result("count_authentications") == [{"authentications": len(authentications())}]
    assert result("count_double_prompts") == [{"double_prompts": len(findings())}]
    assert result("count_users_asked_twice") == [{"users": len({who(one) for one in findings()})}]
    assert result("count_unparsed") == [{"lines": sum(one["event"]["kind"] == "pipeline_error" for one in documents())}]
    assert result("count_fraud_and_lockouts") == [
        {"alarms": sum(status(one)["class"] in ("fraud", "blocked") for one in authentications())}
    ]
    for seconds, number in spared.items():
        assert result("count_spared", seconds=str(seconds)) == [{"spared": number}]


def test_outcomes_methods_and_reasons() -> None:
    prompted = [one for one in authentications() if status(one).get("prompted")]
    assert series(result("outcomes"), "_time") == Counter(map(cim, authentications()))
    assert {
        (row["authentication_method"], name): count
        for row in result("methods")
        for name, count in row.items()
        if name != "authentication_method"
    } == Counter((status(one)["method"], cim(one)) for one in prompted)
    failures = [one for one in authentications() if cim(one) == "failure" and who_or_none(one)]
    expected = Counter((one["event"]["reason"], one["event"]["code"]) for one in authentications() if cim(one) == "failure")
    rows = result("failures")
    assert {(row["reason"], row["reason_id"]): row["failures"] for row in rows} == dict(expected.most_common(20)) or len(
        expected
    ) > 20
    assert [row["failures"] for row in rows] == sorted(expected.values(), reverse=True)[:20]
    users = Counter(one["event"]["code"] for one in {(one["event"]["code"], who(one)): one for one in failures}.values())
    assert {row["reason_id"]: row["users"] for row in rows} == {row["reason_id"]: users[row["reason_id"]] for row in rows}


def who_or_none(document: dict[str, Any]) -> tuple[str, str] | None:
    return who(document) if document.get("user", {}).get("name") else None


def test_double_prompts_with_gap_and_pattern() -> None:
    patterns = Counter(prompt(one)["pattern"] for one in findings())
    assert set(patterns) == {"sequential", "concurrent", "retry"}
    assert series(result("double_prompts_over_time"), "_time") == patterns
    gaps = Counter((prompt(one)["gap_ms"] // 5000 * 5, prompt(one)["pattern"]) for one in findings())
    assert min(gaps)[0] < 0 < max(gaps)[0]
    rows = result("double_prompt_gaps")
    assert {(row["gap_seconds"], name): count for row in rows for name, count in row.items() if name != "gap_seconds"} == gaps
    assert [row["gap_seconds"] for row in rows] == sorted(row["gap_seconds"] for row in rows)
    listed = result("double_prompt_list")
    assert len(listed) == min(200, len(findings()))
    assert [row["_time"] for row in listed] == sorted((row["_time"] for row in listed), reverse=True)
    newest = max(findings(), key=lambda one: str(one["@timestamp"]))
    assert (listed[0]["message"], listed[0]["pattern"]) == (newest["message"], prompt(newest)["pattern"])


def test_what_a_cache_would_spare_only_grows() -> None:
    seconds = [prompt(one)["cache_seconds"] for one in findings() if prompt(one)["pattern"] == "sequential"]
    rows = result("spared_by_cache")
    name = "azure_mfa.double_prompt.cache_seconds"
    assert [row[name] for row in rows] == sorted(set(seconds))
    assert [row["spared"] for row in rows] == [sum(one <= row[name] for one in seconds) for row in rows]
    assert rows[-1]["spared"] == len(seconds) > 0


def test_cache_hits_against_prompts() -> None:
    expected = Counter({"cache hit": 0, "prompt": 0})
    for one in authentications():
        expected["cache hit"] += status(one)["class"] == "cached"
        expected["prompt"] += status(one).get("prompted") is True
    assert min(expected.values()) > 0
    assert series(result("cache_hits_against_prompts"), "_time") == expected


def test_top_users() -> None:
    expected: dict[tuple[str, str], Counter[str]] = {}
    for one in [*authentications(), *findings()]:
        if who_or_none(one) is None:
            continue
        counts = expected.setdefault(who(one), Counter())
        finding = one["event"]["action"] == "double_prompt"
        counts["double_prompts"] += finding
        counts["authentications"] += not finding
        counts["prompts"] += not finding and status(one).get("prompted") is True
        counts["failures"] += not finding and cim(one) == "failure"
    rows = result("top_users")
    assert len(rows) == min(50, len(expected))
    for row in rows:
        assert {name: row[name] for name in ("double_prompts", "authentications", "prompts", "failures")} == dict(
            expected[row["who_domain"], row["who_name"]]
        )
    order = [(-row["double_prompts"], -row["prompts"]) for row in rows]
    assert order == sorted(order)
    top = rows[0]
    assert top["double_prompts"] == max(counts["double_prompts"] for counts in expected.values()) > 0
    mine = [one for one in documents() if who_or_none(one) == (top["who_domain"], top["who_name"])]
    assert len(result("events_of_one_user", who_domain=top["who_domain"], who_name=top["who_name"])) == len(mine) > 0


def test_fraud_and_unparsed_lines() -> None:
    alarms = Counter(
        status(one)["class"] for one in authentications() if status(one)["class"] in ("fraud", "blocked", "bypassed")
    )
    assert set(alarms) == {"fraud", "blocked", "bypassed"}
    assert Counter(row["azure_mfa.status.class"] for row in result("fraud_and_lockouts")) == alarms
    unparsed = [one for one in documents() if one["event"]["kind"] == "pipeline_error"]
    rows = result("unparsed")
    assert sum(row["lines"] for row in rows) == len(unparsed) > 0
    assert {row["error.message"] for row in rows} == {one["error"]["message"] for one in unparsed}
    originals = {one["event"]["original"] for one in unparsed}
    assert {row["example"] for row in rows} <= originals


def test_a_choice_of_the_data_set_filters() -> None:
    radius = [one for one in authentications() if one["event"]["dataset"] == "azure_mfa.radius"]
    assert 0 < len(radius) < len(authentications())
    assert result("count_authentications", dataset="azure_mfa.radius") == [{"authentications": len(radius)}]


def test_the_picture_is_drawn_from_the_searches_as_they_are() -> None:
    assert TARGET.read_bytes() == picture()
