"""What detectors remember is bounded, the latest is what they remember, and what is lost is counted."""

from itertools import islice
from typing import Any

import pytest

from shipper.decode.clock import LogState
from shipper.detect import DETECTORS
from shipper.detect.components import ComponentDetectors
from shipper.detect.detector import MEMORY_OF_ONE, Detectors
from shipper.detect.double_prompt import Rule
from shipper.detect.local import LocalDetector
from shipper.detect.mfa_fatigue import Rule as FatigueRule
from shipper.detect.remembered import digest, size_of
from shipper.detect.waiting import Arrived
from shipper.model import Code, CompletionFields, Counts
from shipper.times import SECOND
from tests.support.burst import BURST
from tests.support.burst import Rule as BurstRule

APP = Code(21, "Mobile App Authenticated", "authenticated", "success", True, "mobile_app", "low", None)
RULE = Rule(60 * SECOND, 600 * SECOND)
MOST = 4  # authentications of a generation


def prompt(number: int, user: str, component: str = "pfrad", second: float | None = None) -> CompletionFields:
    time = round((number if second is None else second) * SECOND)
    return number, (user, None, None, user), f"id-{number}", component, time, "start", time, "end", APP, True, time


def found(prompts: list[CompletionFields], size: int, restart: bool = False) -> tuple[list[str], int, int]:
    """The ids of findings, what was crowded out, and how many users are in memory at the end."""
    counts, ids = Counts(), []
    host = Detectors({"double_prompt": RULE}, counts, MOST * MEMORY_OF_ONE)
    rest = iter(prompts)
    while part := list(islice(rest, size)):
        ids += [finding.alert.id for finding in host(part)]
        if restart:
            newest = part[-1][10]
            state, generations = host.snapshot(newest), host.generations()
            host = Detectors({"double_prompt": RULE}, counts, MOST * MEMORY_OF_ONE)
            host.restore(state, newest, generations=generations)
    return ids, counts.crowded_out, host.size


@pytest.mark.parametrize(("size", "restart"), [(100, False), (1, False), (1, True), (3, True)])
def test_at_least_the_latest_are_remembered(size: int, restart: bool) -> None:
    users = [prompt(number, f"user{number}") for number in range(20)]
    again = [prompt(20, "user16"), prompt(21, "user10"), prompt(22, "user3")]
    assert found(users + again, size, restart) == (["id-20-dp"], 16, 6)


def test_the_generations_change_with_the_horizon_as_well() -> None:
    """Then nothing is lost that matters."""
    horizon = RULE.horizon // SECOND
    prompts = [prompt(number, f"user{number}", second=number * horizon / 4) for number in range(40)]
    for restart in (False, True):
        assert found(prompts, 1, restart)[:2] == ([], 0)


@pytest.mark.parametrize("restart", [False, True])
def test_one_user_with_more_than_a_generation_may_hold_begins_anew(restart: bool) -> None:
    prompts = [prompt(number, "anna", second=number / 10) for number in range(200)]
    ids, crowded_out, users = found(prompts, 1, restart)
    assert crowded_out > 0
    assert users == 1
    assert len(ids) == 199 - crowded_out


@pytest.mark.parametrize("components", [2, 20])
def test_all_components_together_may_remember_as_much_as_one(components: int) -> None:
    counts, log = Counts(), LogState(600 * SECOND)
    rules = {"double_prompt": RULE}
    host = ComponentDetectors(lambda: Detectors(rules, counts, MOST * MEMORY_OF_ONE), log)
    for number in range(40):
        host([prompt(number, f"user{number}", f"c{number % components}")])
        assert host.size <= 2 * MOST
    assert counts.crowded_out >= 40 - 2 * MOST


def test_components_that_just_fill_the_memory_lose_nothing() -> None:
    counts = Counts()
    host = ComponentDetectors(lambda: Detectors({"double_prompt": RULE}, counts, MOST * MEMORY_OF_ONE), LogState(600 * SECOND))
    host([prompt(number, f"user{number}", f"c{number % 2}") for number in range(2 * MOST)])
    assert (host.size, counts.crowded_out) == (2 * MOST, 0)


def test_one_component_keeps_what_belongs_to_an_earlier_generation() -> None:
    """Those do not count for its size, and no other component needs the memory."""
    horizon, counts = RULE.horizon // SECOND, Counts()
    host = ComponentDetectors(lambda: Detectors({"double_prompt": RULE}, counts, MOST * MEMORY_OF_ONE), LogState(600 * SECOND))
    first = [prompt(number, f"user{number}", second=horizon + 10) for number in range(MOST)]
    strays = [(*prompt(MOST + number, f"stray{number}", second=horizon - 5)[:10], first[0][10]) for number in range(MOST)]
    for completion in (*first, *strays, prompt(2 * MOST, "later", second=2 * horizon + 1)):
        host([completion])
    assert (host.size, counts.crowded_out) == (2 * MOST + 1, 0)


@pytest.mark.parametrize("names", [["double_prompt", "burst"], ["burst", "double_prompt"]])
def test_findings_of_components_keep_the_order_of_the_detectors(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "burst", BURST)
    rules: dict[str, Rule | BurstRule] = {"double_prompt": RULE, "burst": BurstRule(60 * SECOND, 2)}
    host = ComponentDetectors(lambda: Detectors({name: rules[name] for name in names}, Counts()), LogState(600 * SECOND))
    prompts = [prompt(number, f"user{number % 2}", f"c{number % 2}") for number in range(4)]
    endings = ["dp" if name == "double_prompt" else "b" for name in names]
    assert [finding.alert.id for finding in host(prompts)] == [f"id-{number}-{ending}" for number in (2, 3) for ending in endings]


@pytest.mark.parametrize(("lasting", "told"), [(None, True), ({}, False), ({"other": {}}, False)])
def test_what_is_lasting_goes_to_its_component(lasting: dict[str, Any] | None, *, told: bool) -> None:
    """Without any, states stay as they are; a component of which nothing is lasting has none."""

    def new() -> ComponentDetectors:
        rules = {"mfa_fatigue": FatigueRule(60 * SECOND, 2, 600 * SECOND)}
        return ComponentDetectors(lambda: Detectors(rules, Counts()), LogState(600 * SECOND))

    refused = Code(129, "Mobile App Denied", "denied", "failure", True, "mobile_app", "medium", None)
    whole, again = new(), new()
    whole([(*prompt(number, "anna")[:8], refused, False, number * SECOND) for number in range(2)])
    newest = {"pfrad": SECOND}
    for given, expected in ((lasting, told), (whole.lasting(), True)):
        again.restore(whole.snapshot(newest), newest, given, {}, {})
        assert again.snapshot(newest)["pfrad"]["mfa_fatigue"]["anna"]["pfrad"]["told"] == expected


def test_what_is_lasting_is_told_of_the_older_generation_too() -> None:
    rule = FatigueRule(60 * SECOND, 2, 600 * SECOND)
    host = Detectors({"mfa_fatigue": rule}, Counts())
    refused = Code(129, "Mobile App Denied", "denied", "failure", True, "mobile_app", "medium", None)
    seconds = rule.horizon // SECOND  # a generation ends before this one
    made = [prompt(seconds - 2, "anna"), prompt(seconds - 1, "anna"), prompt(seconds + 1, "bob")]
    host([(*completion[:8], refused, False, completion[10]) for completion in made])
    assert list(host.lasting()["mfa_fatigue"]) == [digest("anna")]


def test_long_names_are_told_apart_and_not_kept() -> None:
    long = "x" * 100_000
    counts = Counts()
    host = Detectors({"double_prompt": RULE}, counts)
    prompts = [prompt(0, f"{long}a"), prompt(1, f"{long}b"), prompt(2, f"{long}a")]
    assert [finding.alert.id for finding in host(prompts)] == ["id-2-dp"]
    assert counts.findings == 1
    assert max(map(len, host.snapshot(2 * SECOND)["double_prompt"])) < 200


def test_those_that_belong_to_an_earlier_generation_crowd_out_nobody() -> None:
    """Another reader, who begins later, does not see them."""
    horizon = RULE.horizon // SECOND
    first = [prompt(number, f"user{number}", second=horizon + 10) for number in range(2)]
    strays = [(*prompt(number, f"user{number}", second=horizon - 5)[:10], first[0][10]) for number in range(2, 4)]
    last = [prompt(number, f"user{number}", second=horizon + 11) for number in range(4, 6)]
    assert found(first + strays + last, 1) == ([], 0, 6)


def with_much_of_one(horizon: int) -> LocalDetector:
    """A host that has forty prompts of anna in the older generation, and sees bob at the end of the younger one."""
    host = LocalDetector(DETECTORS["double_prompt"], RULE, Counts(), 1000, kernel=False)
    host(Arrived([prompt(number, "anna", second=horizon + number / 10) for number in range(40)]))
    host(Arrived([prompt(40, "bob", second=2 * horizon + 1)]))
    return host


@pytest.mark.parametrize(("room", "lost"), [(0, 0), (-1, 1)])
def test_one_user_may_fill_a_generation(room: int, lost: int) -> None:
    horizon = RULE.horizon // SECOND
    host = with_much_of_one(horizon)
    host.most = size_of(host.snapshot((2 * horizon + 1) * SECOND)["anna"]) + room
    host(Arrived([prompt(41, "anna", second=2 * horizon + 1)]))
    assert host._counts.crowded_out == lost


@pytest.mark.parametrize(("second", "least", "most"), [(1.0, 30, 40), (5.0, 2, 2)])
def test_much_that_is_over_takes_no_room(second: float, least: int, most: int) -> None:
    """All forty ended before the horizon in the end, but one that starts so soon might still have mattered."""
    horizon = RULE.horizon // SECOND
    host = with_much_of_one(horizon)
    host(Arrived([prompt(41, "anna", second=2 * horizon + second)]))
    assert least <= host.generations()[0] <= most
