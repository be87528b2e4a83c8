"""Writes the expected output of golden cases anew: `python -m tests.golden_update CASE...`, or `--all`.

It takes what the program writes now for right, and shows what changed. So read every line of that
against the contract before you commit it; `git diff --word-diff=color tests/golden` helps.
"""

import argparse
import difflib

from tests.golden_cases import Case, cases


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
    before = case.expected.read_bytes() if case.expected.exists() else b""
    after = case.output()
    case.expected.write_bytes(after)
    if before != after:
        print(f"=== {case.name}")
        old, new = (text.decode("utf-8", "replace").splitlines() for text in (before, after))
        print("\n".join(difflib.unified_diff(old, new, "before", "after", lineterm="", n=0)))


if __name__ == "__main__":
    main()
