"""Writes the expected output and counts of golden cases anew: `python -m tests.golden_update CASE...`, or `--all`.

It takes what the program writes now for right, and shows what changed. So read every line of that
against the contract before you commit it; `git diff --word-diff=color tests/golden` helps.
"""

import argparse
import difflib
import json
from pathlib import Path

from tests.support.golden_cases import Case, cases, sums


def main() -> None:
    """Rewrite and show the difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden_update", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="CASE", help="a directory of tests/golden")
    parser.add_argument("--all", action="store_true", help="every case")
    arguments = parser.parse_args()
    known = cases()
    unknown = set(arguments.names) - {case.name for case in known}
    if unknown or not (arguments.names or arguments.all):
        parser.error(f"unknown: {', '.join(sorted(unknown))}" if unknown else "name the cases, or say --all")
    for case in known:
        if arguments.all or case.name in arguments.names:
            update(case)


def update(case: Case) -> None:
    """Rewrite one case."""
    output, counts = case.parse()
    _write(case.expected, output)
    _write(case.counts, (json.dumps(sums(counts), indent=2, sort_keys=True) + "\n").encode())


def _write(file: Path, after: bytes) -> None:
    before = file.read_bytes() if file.exists() else b""
    file.write_bytes(after)
    if before != after:
        print(f"=== {file.parent.name}/{file.name}")
        old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
        print("\n".join(difflib.unified_diff(old, new, "before", "after", lineterm="", n=0)))


if __name__ == "__main__":
    main()
