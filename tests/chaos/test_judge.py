"""The findings of `detect` are those of `parse --across` and of the oracle, whoever dies: three seeds.

`python -m tests.chaos.judge 1-50` runs more.
"""

from pathlib import Path

import pytest

from tests.chaos import judge
from tests.support.kafka import Broker

pytestmark = pytest.mark.slow

PLANS = [
    judge.Plan(seed=1, servers=2, sign_ins=240, instances=1, kills=2, partitions=3, rate=0.8),
    judge.Plan(seed=2, servers=4, sign_ins=240, instances=2, kills=3, partitions=4, rate=0.8),
    judge.Plan(seed=3, servers=8, sign_ins=240, instances=3, kills=3, partitions=6, rate=0.8),
]


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"seed-{plan.seed}")
def test_findings_are_whole_and_exactly_once(plan: judge.Plan, broker: Broker, tmp_path: Path) -> None:
    judge.run(plan, broker, tmp_path)
