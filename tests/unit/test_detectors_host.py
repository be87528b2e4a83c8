"""Several detectors in one host, what they count together, and the parameters that they get."""

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, cast

import pytest

from shipper.detect import DETECTORS, default_rules, option_names, remembered, rules_for
from shipper.detect.detector import Detectors
from shipper.detect.double_prompt import Rule
from shipper.detect.mfa_fatigue import Rule as FatigueRule
from shipper.detect.protocol import AnyDetector
from shipper.detect.protocol import Rule as AnyRule
from shipper.model import Code, CompletionFields, Counts, User
from shipper.times import BEFORE_ALL, SECOND
from tests.support.burst import BURST
from tests.support.burst import Rule as BurstRule

APP = Code(21, "Mobile App Authenticated", "authenticated", "success", True, "mobile_app", "low", None)
BOB = User("bob", "CONTOSO", None, "contoso\\bob")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "burst", BURST)


BUSY = Code(101, "Auth Already In Progress", "duplicate", "failure", False, None, "low", None)


def completion(position: int, start: int, end: int, newest: int, code: Code = APP) -> CompletionFields:
    return position, BOB, f"id-{position}", "pfrad", start, f"at {start}", end, f"at {end}", code, True, newest


def test_findings_stand_in_the_order_of_their_events_then_of_the_register() -> None:
    counts = Counts()
    rules: dict[str, AnyRule] = {"double_prompt": Rule(5, 8), "burst": BurstRule(20, 2)}
    host = Detectors(rules, counts)

    findings = host([completion(n, start, start, start) for n, start in enumerate((100, 103, 106, 120))])

    assert [(finding.position, finding.alert.id) for finding in findings] == [
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
    host = Detectors(rules, counts)
    for end in (1000, 990, 989, 963, 962):  # the horizons are 10 and 37
        host([completion(0, end, end, 1000)])
    assert counts.late == late


def lean(*completions: CompletionFields, rule: Rule = Rule(5, 8)) -> tuple[list[str], Detectors]:  # noqa: B008  it is frozen
    """The ids of what is found, a chunk for each completion; and the host."""
    host = Detectors({"double_prompt": rule}, Counts())
    return [finding.alert.id for one in completions for finding in host([one])], host


def prompts(host: Detectors, newest: int) -> dict[str, list[str | int]]:
    """The ids of the prompts in memory, by user; the ends of statuses 101."""
    users = host.snapshot(newest)["double_prompt"]
    return {
        key: [prompt[1] for component in state["components"].values() for prompt in component["prompts"]] + state["duplicates"]
        for key, state in users.items()
    }


def test_what_waited_is_remembered_for_a_horizon_and_no_longer() -> None:
    """The horizon is 37. Those that wait are looked at again when the generations have changed."""
    starts = (100, 120, 140, 160, 177, 197, 214)
    for number in range(1, len(starts) + 1):
        newest = starts[number - 1]
        _, host = lean(*(completion(n, start, start, start) for n, start in enumerate(starts[:number])))
        assert prompts(host, newest) == {BOB.key: [f"id-{n}" for n, start in enumerate(starts[:number]) if start >= newest - 37]}


def test_what_is_known_is_forgotten_with_what_waits_on_it() -> None:
    """A state from two prompts that were compared, then others that wait on top of it, then a new generation."""
    found, host = lean(
        completion(0, 100, 100, 100),
        completion(1, 103, 103, 103),  # compared: the state is known
        completion(2, 130, 130, 130),  # waits on it
        completion(3, 136, 136, 136),  # waits on that
        completion(4, 138, 138, 138),  # in the next generation; second of the one before
        completion(5, 141, 141, 141),
    )
    assert found == ["id-1-dp", "id-4-dp", "id-5-dp"]
    assert prompts(host, 141) == {BOB.key: ["id-2", "id-3", "id-4", "id-5"]}
    assert prompts(host, 175) == {BOB.key: ["id-4", "id-5"]}
    assert prompts(host, 179) == {}


def test_known_state_in_which_nothing_can_matter_is_gone_in_the_next_generation() -> None:
    found, host = lean(
        completion(0, 100, 100, 100), completion(1, 103, 103, 103), completion(2, 150, 150, 150), completion(3, 190, 190, 190)
    )
    assert found == ["id-1-dp"]
    assert prompts(host, 190) == {BOB.key: ["id-3"]}


def test_statuses_101_are_forgotten_as_prompts_are() -> None:
    _, host = lean(
        completion(0, 100, 100, 100, BUSY),
        completion(1, 100, 101, 101, BUSY),
        completion(2, 120, 120, 120),
        completion(3, 121, 121, 121),
    )
    assert prompts(host, 121) == {BOB.key: ["id-2", "id-3", 100, 101]}
    assert prompts(host, 137) == {BOB.key: ["id-2", "id-3", 100, 101]}
    assert prompts(host, 138) == {BOB.key: ["id-2", "id-3", 101]}
    assert prompts(host, 139) == {BOB.key: ["id-2", "id-3"]}


def test_a_user_with_nothing_but_statuses_101_is_remembered() -> None:
    _, host = lean(completion(0, 100, 100, 100, BUSY))
    assert prompts(host, 137) == {BOB.key: [100]}
    assert prompts(host, 138) == {}


def test_few_codes_are_remembered_and_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "CODES", 1)
    codes = (APP, BUSY, APP, BUSY, APP)
    found, host = lean(*(completion(n, 100 + 6 * n, 100 + 6 * n, 100 + 6 * n, code) for n, code in enumerate(codes)))
    assert found == []
    assert prompts(host, 124) == {BOB.key: ["id-0", "id-2", "id-4", 106, 118]}


def test_a_known_state_that_ends_on_the_horizon_is_still_known() -> None:
    starts = (99, 100, 100)  # the second generation begins after 131
    known = [completion(n, start, start, start) for n, start in enumerate(starts)]
    found, _ = lean(*known, completion(3, 100, 132, 132), rule=Rule(0, 8))
    assert found == ["id-2-dp", "id-3-dp"]


def test_a_late_prompt_with_none_shortly_before_it_is_no_second_one() -> None:
    found, _ = lean(completion(0, 100, 100, 130), completion(1, 130, 130, 130), completion(2, 120, 120, 130))
    assert found == []


def test_prompts_that_begin_later_are_not_counted() -> None:
    host = Detectors({"double_prompt": Rule(5, 8)}, Counts())
    made = [completion(0, 100, 100, 100), completion(1, 104, 104, 104), completion(2, 103, 103, 104)]
    counts = [finding.alert.fields["count"] for finding in host(made)]
    assert counts == [2, 2]


DENIED = Code(14, "User is Blocked", "blocked", "failure", False, None, "high", None)
SENT = Code(20, "Text Message Sent", "pending", "unknown", True, "text_message", "low", None)


@pytest.mark.parametrize(("code", "duration"), [(APP, 5), (SENT, 8), (BUSY, 0), (DENIED, None)])
def test_how_long_an_authentication_matters_to_later_ones(code: Code, duration: int | None) -> None:
    lull = DETECTORS["double_prompt"].lull
    assert lull is not None
    assert lull.of_code(code, Rule(5, 8)) == duration
    state = DETECTORS["double_prompt"].empty()
    DETECTORS["double_prompt"].step(state, completion(0, 90, 100, 100, code), Rule(5, 8))
    assert lull.after(state, Rule(5, 8)) == (BEFORE_ALL if duration is None else 100 + duration)


class Asked:
    """How often `step` and `Lull.of_code` of double_prompt were called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        detector = DETECTORS["double_prompt"]
        assert detector.lull is not None
        self.steps = self.codes = 0
        self._step, self._of_code = detector.step, detector.lull.of_code
        lull = replace(detector.lull, of_code=self._count_code)
        monkeypatch.setitem(DETECTORS, "double_prompt", replace(detector, step=self._count_step, lull=lull))

    def _count_step(self, state: Any, completion: CompletionFields, rule: Any) -> Any:
        self.steps += 1
        return self._step(state, completion, rule)

    def _count_code(self, code: Code, rule: Any) -> int | None:
        self.codes += 1
        return self._of_code(code, rule)


def test_what_has_nothing_to_do_with_others_waits_and_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    alone = [completion(n, 6 * n, 6 * n, 6 * n, (APP, BUSY)[n % 2]) for n in range(1000)]
    lean(*alone)
    assert (asked.steps, asked.codes) == (0, 2)
    found, _ = lean(*alone, completion(1000, 6000, 6000, 6000), completion(1001, 6003, 6003, 6003))
    assert found == ["id-1001-dp"]
    assert 2 <= asked.steps <= 2 * 37 // 6 + 2


def test_what_comes_long_after_a_known_state_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    lean(completion(0, 100, 100, 100), completion(1, 103, 103, 103), completion(2, 109, 109, 109), completion(3, 115, 115, 115))
    assert asked.steps == 2


REFUSED = Code(129, "Mobile App Denied", "denied", "failure", True, "mobile_app", "medium", None)


class Fatigue:
    """A host of mfa_fatigue, and how often it called `step`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        detector, self.steps = DETECTORS["mfa_fatigue"], 0
        step = detector.step

        def counted(state: Any, completion: CompletionFields, rule: Any) -> Any:
            self.steps += 1
            return step(state, completion, rule)

        monkeypatch.setitem(DETECTORS, "mfa_fatigue", replace(detector, step=counted))
        self.counts = Counts()
        self.host = Detectors({"mfa_fatigue": FatigueRule(5, 2, 8)}, self.counts)

    def __call__(self, *completions: CompletionFields) -> list[str]:
        return [finding.alert.id for finding in self.host(completions)]


def test_a_success_is_passed_over_but_where_the_user_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fatigue = Fatigue(monkeypatch)
    assert fatigue(*(completion(n, 100 + n, 100 + n, 100 + n) for n in range(50))) == []
    assert (fatigue.steps, fatigue.host.size) == (0, 0)
    assert (
        fatigue(completion(50, 150, 150, 150, REFUSED), *(completion(n, n + 100, n + 100, n + 100) for n in (51, 52, 53))) == []
    )
    assert (fatigue.steps, fatigue.host.size) == (0, 1)
    assert fatigue(completion(54, 154, 154, 154, REFUSED)) == ["id-54-mf"]
    assert fatigue.steps == 2
    assert fatigue(completion(55, 155, 155, 155), completion(56, 156, 156, 156)) == ["id-55-mf"]
    assert fatigue.steps == 3


def test_a_user_who_was_told_and_is_gone_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The horizon is 21: after that, twice, nothing is left of the user, who may sign in as anybody else."""
    fatigue = Fatigue(monkeypatch)
    ann = User("ann", None, None, "ann")
    assert fatigue(completion(0, 100, 100, 100, REFUSED), completion(1, 101, 101, 101, REFUSED)) == ["id-1-mf"]
    refused = [(0, ann, "id-a", "pfrad", time, "", time, "", REFUSED, False, time) for time in (122, 144)]
    assert fatigue(*refused, completion(2, 145, 145, 145)) == []
    assert (fatigue.steps, fatigue.host.size) == (2, 1)


def test_what_is_passed_over_is_counted_if_it_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    fatigue = Fatigue(monkeypatch)
    fatigue(*(completion(0, end, end, 1000) for end in (1000, 979, 978, 977)), completion(0, 900, 900, 1000, REFUSED))
    assert fatigue.counts.late == 3


def test_what_is_lasting_is_that_of_users_who_were_told_or_gave_in() -> None:
    host = Detectors({"mfa_fatigue": FatigueRule(5, 3, 8)}, Counts())

    def refuse(*ends: int) -> None:
        host([(*completion(end, end, end, end, REFUSED)[:9], False, end) for end in ends])

    refuse(100, 101)  # compared, and not enough
    assert host.lasting() == {}
    refuse(102)
    assert host.lasting() == {"mfa_fatigue": {sha256(b"contoso\\bob").hexdigest()[:16]: {"pfrad": [True, []]}}}
    host([completion(103, 103, 103, 103)])
    [slates] = host.lasting()["mfa_fatigue"].values()
    assert slates == {"pfrad": [False, ["id-100", "id-101", "id-102"]]}
    refuse(120)  # waits on what is known
    assert [*host.lasting()["mfa_fatigue"].values()] == [slates]
    ann = User("ann", None, None, "ann")
    host([(0, ann, "id-a", "pfrad", 122, "", 122, "", REFUSED, False, 122)])  # the next generation
    assert [*host.lasting()["mfa_fatigue"].values()] == [slates]
    refuse(140)  # waits, and what was known is forgotten
    assert host.lasting() == {}


def test_what_is_lasting_goes_into_states_from_the_recent_past() -> None:
    rules = {"mfa_fatigue": FatigueRule(5, 2, 8)}
    refused = [(*completion(end, end, end, end, REFUSED)[:9], False, end) for end in (100, 101)]
    for success, told in ((False, True), (True, False)):
        whole, warm = (Detectors(rules, Counts()) for _ in range(2))
        whole([*refused, *([completion(102, 102, 102, 102)] if success else [])])
        warm(refused)
        warm.restore(warm.snapshot(102), 102, whole.lasting())
        assert warm.snapshot(102) == whole.snapshot(102)
        [state] = warm.snapshot(102)["mfa_fatigue"].values()
        assert state["pfrad"]["told"] == told
        warm.restore(warm.snapshot(102), 102, {})
        [state] = warm.snapshot(102)["mfa_fatigue"].values()
        assert (state["pfrad"]["told"], len(state["pfrad"]["refusals"])) == (False, 2)


def refused(*ends: int) -> list[CompletionFields]:
    """Refusals in this order."""
    return [(*completion(n, end, end, max(ends[: n + 1]), REFUSED)[:9], False, max(ends[: n + 1])) for n, end in enumerate(ends)]


def test_one_refusal_may_be_enough() -> None:
    host = Detectors({"mfa_fatigue": FatigueRule(5, 1, 8)}, Counts())
    found = host(refused(100, 103, 109))
    assert [finding.alert.id for finding in found] == ["id-0-mf", "id-2-mf"]
    assert found[0].alert.message.startswith("CONTOSO\\bob refused 1 prompt within 5e-09 s (1 denied). ")


def test_a_refusal_that_ends_later_does_not_count_for_one_that_comes_late() -> None:
    for ends, number in (((101, 100), 0), ((100, 100), 1)):
        host = Detectors({"mfa_fatigue": FatigueRule(5, 2, 8)}, Counts())
        assert len(host(refused(*ends))) == number


@pytest.mark.parametrize(("code", "duration"), [(REFUSED, 5), (REFUSED._replace(prompted=False), None), (APP, None)])
def test_what_is_no_refusal_matters_to_none(code: Code, duration: int | None) -> None:
    lull = DETECTORS["mfa_fatigue"].lull
    assert lull is not None
    assert lull.of_code(code, FatigueRule(5, 2, 8)) == duration


def test_parameters_of_the_detectors_that_run() -> None:
    assert rules_for([], 5 * SECOND, {}) == {}
    assert rules_for(["burst"], 5 * SECOND, {}) == {"burst": BurstRule(exchange_timeout=5 * SECOND)}
    assert rules_for(
        {"double_prompt", "burst"}, 7, {"double_prompt": {"window": 3, "include_retries": True}, "burst": {"number": 2}}
    ) == {
        "double_prompt": Rule(3, 7, include_retries=True),
        "burst": BurstRule(number=2, exchange_timeout=7),
    }
    rules = default_rules()
    assert list(rules) == list(DETECTORS)
    assert (rules["double_prompt"], rules["mfa_fatigue"], rules["burst"]) == (Rule(), FatigueRule(), BurstRule())
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
    assert str(FatigueRule()) == "MFA fatigue from 5 refusals within 10 min"
    assert str(FatigueRule(window=90 * SECOND, count=2)) == "MFA fatigue from 2 refusals within 90 s"


@pytest.mark.parametrize("known", [False, True])
def test_what_a_withdrawal_goes_back_to_may_be_nothing(known: bool) -> None:
    """None for a user who was not in memory: an empty state would stay there."""
    before = [completion(0, 100, 100, 100)] if known else []
    _, host = lean(*before, completion(1, 200, 300, 110))
    host.snapshot(110)
    key, state = host.undo()["double_prompt"]
    assert key == BOB.key
    assert (state is not None) == known


def test_a_snapshot_of_a_later_generation_has_taken_nothing_yet() -> None:
    _, host = lean(completion(0, 100, 100, 100), completion(1, 101, 102, 102))
    host.snapshot(105)  # the horizon is 37, so the generation ends with 110
    assert host.generations()["double_prompt"][0] == 2
    host.snapshot(111)
    assert host.generations()["double_prompt"][0] == 0


def test_a_detector_that_tells_no_repeats_counts_none() -> None:
    counts = Counts()
    burst = Detectors({"burst": BurstRule(10, 2)}, counts)
    found = burst([completion(0, 100, 100, 100), completion(1, 100, 100, 100)])

    assert [finding.alert.id for finding in found] == ["id-1-b"]
    assert counts.repeated == 0
