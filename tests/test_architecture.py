"""The house rules that no linter knows: imports point one way, the core touches nothing, modules stay small."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "shipper"
LAYERS = {  # a module imports from its own layer and from those above it in this table
    "words": "shipper errors model times units hiding",
    "core": "principal windows ecs status grok facts heads lines correlate parse templates fast formats filters codes "
    "detect detect.double_prompt detect.evidence detect.local",
    "protocols": "sinks sinks.protocol sinks.records sinks.fast_records",
    "delivery": "batch acks delivery vitals",
    "fakes": "testing",
    "files": "files identity library output summary pieces",
    "flow": "pipeline",
    "tail": "tail tail.place tail.inputs tail.reading tail.opener tail.content tail.followed tail.kin tail.tail",
    "sidecar": "sources checkpoint sidecar logs telemetry sinks.stdout sinks.file sinks.dead_letters "
    "sinks.kafka sinks.kafka_client sinks.kafka_causes sinks.confluent sinks.partitioner sinks.kafka_python sinks.dead_letter_topic",
    "configuration": "settings_file sections config sinks.build",
    "commands": "workers importing explain running state_report replaying",
    "command line": "cli_types cli __main__",
}
PURE = (
    f"{LAYERS['words']} {LAYERS['core']} {LAYERS['protocols']} {LAYERS['delivery']} explain".split()
)  # explain borrows `identify`, which reads what it is given
WORLD = "asyncio click glob logging multiprocessing os pathlib random select shutil signal socket subprocess sys tempfile threading time"
LONGEST = 320
NO_JOB = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}

LAYER = {module: number for number, modules in enumerate(LAYERS.values()) for module in modules.split()}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".") or "shipper": path
    for path in sorted(PACKAGE.rglob("*.py"))
}
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
    """Public functions and classes, and the public methods of these."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from documented(node.body)


def test_the_table_names_every_module_once() -> None:
    assert sorted(name for modules in LAYERS.values() for name in modules.split()) == sorted(MODULES)


@every_module
def test_imports_point_one_way(module: str) -> None:
    assert {name for name in neighbours(module) if LAYER[name] > LAYER[module]} == set()


def test_no_cycles() -> None:
    assert len(list(TopologicalSorter({module: neighbours(module) for module in MODULES}).static_order())) >= len(MODULES)


@pytest.mark.parametrize("module", PURE)
def test_the_core_touches_nothing(module: str) -> None:
    assert {name.partition(".")[0] for name in imported(module)} & set(WORLD.split()) == set()
    names = {node.id for node in ast.walk(tree(module)) if isinstance(node, ast.Name)}
    assert names & {"open", "print", "input", "exec", "eval", "__import__"} == set()


def test_nothing_waits_by_the_wall_clock() -> None:
    """It jumps. Who asks it wants to write it down; intervals and pauses are measured with a monotonic clock."""
    asking = {"time.time", "time.time_ns", "time.gmtime", "time.localtime", "datetime.now", "datetime.utcnow"}
    found = {
        (module, ast.unparse(node))
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in asking
    }
    assert found == {("telemetry", "time.time"), ("sinks.file", "time.gmtime"), ("sinks.dead_letters", "datetime.now")}


@every_module
def test_a_module_is_small_and_says_what_it_is_for(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= LONGEST
    assert not set(module.split(".")) & NO_JOB
    assert ast.get_docstring(tree(module))
    assert [node.name for node in documented(tree(module).body) if not ast.get_docstring(node)] == []


@every_module
def test_imports_show_the_real_structure(module: str) -> None:
    assert not any("TYPE_CHECKING" in name for name in imported(module))
