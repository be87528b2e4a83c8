"""As tests/property/test_lean_host.py, with logs that are the same each time: quick enough to run for every mutant."""

import random

import pytest

from shipper.detect import DETECTORS
from shipper.detect.protocol import Rule
from tests.support import burst
from tests.support.completions import FATIGUE_RULES, REFUSALS, RULES, T, W, alike, chunks

SEEDS = range(300)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_waiting_and_snapshots_change_nothing(rule: Rule) -> None:
    for seed in SEEDS:
        rnd = random.Random(seed)
        made = chunks(rnd.choice)
        alike("double_prompt", rule, made, lambda _: False)
        alike("double_prompt", rule, made, lambda _: rnd.random() < 0.3)  # noqa: B023  called at once


@pytest.mark.parametrize("rule", FATIGUE_RULES, ids=repr)
def test_waiting_snapshots_and_leaving_out_change_nothing(rule: Rule) -> None:
    for seed in SEEDS:
        rnd = random.Random(seed)
        made = chunks(rnd.choice, REFUSALS)
        alike("mfa_fatigue", rule, made, lambda _: False)
        alike("mfa_fatigue", rule, made, lambda _: rnd.random() < 0.3)  # noqa: B023  called at once


def test_a_detector_that_lets_none_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "burst", burst.BURST)
    for seed in SEEDS:
        for rule in (burst.Rule(W, 2), burst.Rule(T, 3), burst.Rule(0, 1)):
            alike("burst", rule, chunks(random.Random(seed).choice), lambda _: False)
