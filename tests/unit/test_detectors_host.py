"""Several detectors in one host, what they count together, and the parameters that they get."""

from dataclasses import dataclass, replace
from typing import cast

import pytest

from shipper.decode.ecs import Envelope
from shipper.detect import DETECTORS, default_rules, option_names, rules_for
from shipper.detect.detector import Detectors
from shipper.detect.double_prompt import Rule
from shipper.detect.protocol import AnyDetector
from shipper.detect.protocol import Rule as AnyRule
from shipper.model import Code, CompletionFields, Counts, User
from shipper.times import SECOND
from tests.support.burst import BURST
from tests.support.burst import Rule as BurstRule

APP = Code(21, "Mobile App Authenticated", "authenticated", "success", True, "mobile_app", "low", None)
BOB = User("bob", "CONTOSO", None, "contoso\\bob")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "burst", BURST)


def completion(position: int, start: int, end: int, newest: int) -> CompletionFields:
    return position, BOB, f"id-{position}", "pfrad", start, f"at {start}", end, f"at {end}", APP, True, newest


def test_findings_stand_in_the_order_of_their_events_then_of_the_register() -> None:
    counts = Counts()
    rules: dict[str, AnyRule] = {"double_prompt": Rule(5, 8), "burst": BurstRule(20, 2)}
    host = Detectors(rules, Envelope({}), counts)

    findings = host([completion(n, start, start, start) for n, start in enumerate((100, 103, 106, 120))])

    assert [(position, label[1]) for position, _, label in findings] == [
        (1, "id-1-dp"), (1, "id-1-b"), (2, "id-2-dp"), (2, "id-2-b"), (3, "id-3-b"),
    ]  # fmt: skip
    assert (counts.findings, counts.detected) == (5, {"double_prompts": 2, "bursts": 3})


@pytest.mark.parametrize(
    ("rules", "late"),
    [
        ({}, 0),
        ({"burst": BurstRule(10, 9)}, 3),
        ({"double_prompt": Rule(5, 8)}, 1),
        ({"double_prompt": Rule(5, 8), "burst": BurstRule(10, 9)}, 1),
    ],
)
def test_late_is_what_no_detector_takes(rules: dict[str, AnyRule], late: int) -> None:
    counts = Counts()
    host = Detectors(rules, Envelope({}), counts)
    for end in (1000, 990, 989, 963, 962):  # the horizons are 10 and 37
        host([completion(0, end, end, 1000)])
    assert counts.late == late


def test_parameters_of_the_detectors_that_run() -> None:
    assert rules_for([], 5 * SECOND, {}) == {}
    assert rules_for(["burst"], 5 * SECOND, {}) == {"burst": BurstRule(exchange_timeout=5 * SECOND)}
    assert rules_for(
        {"double_prompt", "burst"}, 7, {"double_prompt": {"window": 3, "include_retries": True}, "burst": {"number": 2}}
    ) == {
        "double_prompt": Rule(3, 7, include_retries=True),
        "burst": BurstRule(number=2, exchange_timeout=7),
    }
    assert default_rules() == {"double_prompt": Rule(), "burst": BurstRule()}
    assert option_names("double_prompt") == ["window", "exchange_timeout", "include_retries"]


def test_the_timeout_goes_only_to_detectors_that_have_such_a_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Bare:
        number: int = 1
        horizon = warm_up = 0

    monkeypatch.setitem(DETECTORS, "burst", replace(cast(AnyDetector, BURST), rule=Bare))
    assert rules_for(["burst"], 7, {"burst": {"number": 2}}) == {"burst": Bare(2)}


def test_a_rule_in_words() -> None:
    assert str(Rule()) == "double prompts within 60 s"
    assert str(Rule(window=SECOND * 3 // 2)) == "double prompts within 1.5 s"
