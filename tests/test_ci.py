"""CI calls what CONTRIBUTING tells people to call, and nothing else."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_ci_calls_what_contributing_says() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    calls = [line for line in lines if line and not line.startswith(("#", "set ", "cd ", "export CI"))]
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("CI calls `.ci/run`:")[1].split("\n\n")[0]

    assert calls == re.findall(r"`(make [a-z-]+)`", told)
    assert len(calls) >= 4


def test_its_targets_exist() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    calls = re.findall(r"^make (\S+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.M)

    assert set(calls) <= set(targets)
