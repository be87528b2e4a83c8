"""Mutation test of the rules: `make mutants`. Changes them in one place at a time; some test must fail each time.

mutmut makes the mutants and runs the tests in-process (`[tool.mutmut]` in pyproject.toml says of what, and which).
A mutant that survives needs a test, most often a golden case. One that means the same as the code stands in
equivalent_mutants.toml with the reason; what stands there and no longer survives is reported as well.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
EQUIVALENT = ROOT / "tests" / "equivalent_mutants.toml"
CAUGHT = ("killed", "timeout")  # a loop without end is noticed


class Mutant(NamedTuple):
    """A change: the line as it is, and as it was tried."""

    file: str
    line: str
    mutant: str

    def __str__(self) -> str:
        return f"{self.file}\n  - {self.line}\n  + {self.mutant}"


def main() -> None:
    """Exit status 1 if there is a survivor that is not explained, or an explanation without its survivor."""
    shutil.rmtree(ROOT / "mutants", ignore_errors=True)
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "2"], cwd=ROOT, check=True)
    with EQUIVALENT.open("rb") as file:
        explained = {Mutant(row["file"], row["line"], row["mutant"]) for row in tomllib.load(file)["equivalent"]}
    alive = set(survivors())
    for mutant in sorted(alive - explained):
        print(f"no test fails with\n  {mutant}")
    for mutant in sorted(explained - alive):
        print(f"explained in {EQUIVALENT.name}, but no survivor:\n  {mutant}")
    print(f"{len(alive - explained)} survivors, {len(alive & explained)} mutants that mean the same as the code")
    sys.exit(alive != explained)


def survivors() -> list[Mutant]:
    """What mutmut found no test to fail with."""
    found = []
    for result in _mutmut("results").splitlines():
        name, _, status = result.strip().partition(": ")
        if status not in CAUGHT:
            found.append(_mutant(_mutmut("show", name).splitlines()))
    return found


def _mutant(diff: list[str]) -> Mutant:
    file = next(line for line in diff if line.startswith("--- "))[4:]
    before, after = ([line[1:].strip() for line in diff if line[0:1] == sign and line[1:3] != sign * 2] for sign in "-+")
    return Mutant(file, " ".join(before), " ".join(after))


def _mutmut(*arguments: str) -> str:
    command = [sys.executable, "-m", "mutmut", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
