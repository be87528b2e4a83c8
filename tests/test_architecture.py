"""The house rules that no linter knows: imports point one way, the core touches nothing, modules stay small."""

import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "shipper"
# Top to bottom as a line flows: a module imports from its own folder and from those before it.
FLOORS = [
    "errors",
    "memo",
    "shared_files",
    "consoles",
    "durable",
    "lock",
    "times",
    "model",
    "secrets",
    "first_line",
    "tls",
    "printable",
    "read",
    "decode",
    "detect",
    "emit",
    "report",
    "page",
    "deliver",
    "config",
    "pipeline",
    "across",
    "parallel",
    "sidecar",
    "stream",
    "testing",
    "commands",
    "service",
    "cli",
    "__main__",
]
PURE = ["decode", "detect", "emit", "report", "page", "deliver", "stream"]  # values in, values out
COVERED = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]["run"]
# Of those, what does I/O: it is omitted from the coverage gate, but for a few.
EDGE = [path.removeprefix("shipper/").removesuffix("/*").removesuffix(".py").replace("/", ".") for path in COVERED["omit"]]
EDGE += ["decode.compiled", "decode.library", "emit.output", "deliver.rotated_files"]
WORLD = "asyncio click glob logging multiprocessing os pathlib random select shutil signal socket subprocess sys tempfile threading time"
LONGEST = 340
NO_JOB = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".") or "shipper": path
    for path in sorted(PACKAGE.rglob("*.py"))
}
CORE = [
    module
    for module in MODULES
    if module.partition(".")[0] in PURE and not any(f"{module}.".startswith(f"{edge}.") for edge in EDGE)
]
every_module = pytest.mark.parametrize("module", MODULES)


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imported(module: str) -> Iterator[str]:
    """Dotted names of what a module imports, wherever in it: `a.b` and `a` for `from a import b`."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield str(node.module)


def neighbours(module: str) -> set[str]:
    """The modules of this package that a module imports (a package that only holds one of them does not count)."""
    names = {name.removeprefix("shipper.") for name in imported(module) if name.partition(".")[0] == "shipper"}
    found = {name for name in names if name in MODULES}
    return {name for name in found if name != "shipper" and not any(other.startswith(f"{name}.") for other in found)}


def documented(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """Public functions and classes. Methods are exempt: a Protocol may document them."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def floor(module: str) -> int:
    return FLOORS.index(module.partition(".")[0])


def test_every_folder_has_a_floor() -> None:
    assert {module.partition(".")[0] for module in MODULES} - {"shipper"} == set(FLOORS)


def test_contributing_shows_every_folder_on_its_floor() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("| folder |")[1].split("\n\n")[0]
    shown = [row.split("|")[1] for row in table.splitlines()[2:]]
    assert re.findall(r"`(?:shipper/)?(\w+)(?:/|\.py)`", "".join(shown)) == FLOORS


def test_what_does_input_and_output_is_there() -> None:
    assert [edge for edge in EDGE if edge not in MODULES] == []


@every_module
def test_imports_point_one_way(module: str) -> None:
    assert {name for name in neighbours(module) if module != "shipper" and floor(name) > floor(module)} == set()


def test_no_cycles() -> None:
    assert len(list(TopologicalSorter({module: neighbours(module) for module in MODULES}).static_order())) >= len(MODULES)


@pytest.mark.parametrize("module", CORE)
def test_the_core_touches_nothing(module: str) -> None:
    doing = "put a module that does I/O into omit of [tool.coverage.run] in pyproject.toml"
    assert {name.partition(".")[0] for name in imported(module)} & set(WORLD.split()) == set(), doing
    assert "durable" not in neighbours(module), doing
    names = {node.id for node in ast.walk(tree(module)) if isinstance(node, ast.Name)}
    assert names & {"open", "print", "input", "exec", "eval", "__import__"} == set()


@pytest.mark.parametrize("module", CORE)
def test_the_core_is_under_the_coverage_gate(module: str) -> None:
    path = str(MODULES[module].relative_to(PACKAGE.parent))
    assert any(fnmatch(path, pattern) for pattern in COVERED["include"])
    assert not any(fnmatch(path, pattern) for pattern in COVERED["omit"])


def test_nothing_waits_by_the_wall_clock() -> None:
    """It jumps. Who asks it wants to write it down; intervals and pauses are measured with a monotonic clock."""
    asking = {"time.time", "time.time_ns", "time.gmtime", "time.localtime", "datetime.now", "datetime.utcnow"}
    found = {
        (module, ast.unparse(node))
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in asking
    }
    assert found == {
        ("sidecar.metrics", "time.time"),
        ("deliver.rotated_files", "time.gmtime"),
        ("deliver.dead_letters", "datetime.now"),
    }


@every_module
def test_a_module_is_small_and_says_what_it_is_for(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST
    assert not set(module.split(".")) & NO_JOB
    assert ast.get_docstring(tree(module))
    assert [node.name for node in documented(tree(module).body) if not ast.get_docstring(node)] == []


@every_module
def test_imports_show_the_real_structure(module: str) -> None:
    assert not any("TYPE_CHECKING" in name for name in imported(module))
