"""A detector with bounded memory gives what a simple host with the same bounds gives; the logs are the same each time."""

import random
from collections import Counter

import pytest

from shipper.detect import DETECTORS
from shipper.detect.protocol import Rule
from tests.support.bounded import alike, crowd
from tests.support.completions import CODES, FATIGUE_RULES, REFUSALS, RULES


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("most", [1, 3, 26, 40])
def test_double_prompts(rule: Rule, most: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(30):
        rnd = random.Random(seed)
        seen += alike(DETECTORS["double_prompt"], rule, most, crowd(rnd, CODES, rule.horizon), rnd)
    assert seen["crowded_out"] or not rule.horizon


@pytest.mark.parametrize("rule", FATIGUE_RULES, ids=repr)
@pytest.mark.parametrize("most", [1, 3, 26])
def test_fatigue(rule: Rule, most: int) -> None:
    for seed in range(30):
        rnd = random.Random(seed)
        alike(DETECTORS["mfa_fatigue"], rule, most, crowd(rnd, REFUSALS, rule.horizon), rnd)
