"""What the tests leave out on Windows is little."""

import ast
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT_AT_MOST = 40


def test_few_tests_are_left_out_on_windows() -> None:
    left_out = [name for path in Path(__file__).parent.rglob("test_*.py") for name in posix_tests(path)]

    assert len(left_out) <= LEFT_OUT_AT_MOST, "\n".join(left_out)
    assert left_out


def posix_tests(path: Path) -> Iterator[str]:
    """The test functions of a file that carry the mark `posix`, themselves or by their file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    whole_file = any(isinstance(node, ast.Assign) and marked(node.value) for node in tree.body)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef)
            and node.name.startswith("test_")
            and (whole_file or any(map(marked, node.decorator_list)))
        ):
            yield f"{path.name}::{node.name}"


def marked(node: ast.expr) -> bool:
    """True for `pytest.mark.posix("reason")`, or a list that holds one."""
    return "pytest.mark.posix(" in ast.unparse(node)
