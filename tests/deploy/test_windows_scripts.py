"""The scripts for Windows, by a grammar of PowerShell. PowerShell itself is not to be had here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Node, Parser

from tests.support.tools import DEPLOY

PARSER = Parser(Language(tree_sitter_powershell.language()))
SCRIPTS = sorted((DEPLOY / "windows").glob("*.ps1"))


def faults(source: bytes) -> list[tuple[int, str]]:
    """Line numbers and texts that are no PowerShell."""
    return [
        (node.start_point[0] + 1, source[node.start_byte : node.end_byte].decode())
        for node in wrong(PARSER.parse(source).root_node)
    ]


def wrong(node: Node) -> Iterator[Node]:
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        yield from wrong(child)


def test_there_are_scripts() -> None:
    assert [path.name for path in SCRIPTS] == ["install.ps1", "uninstall.ps1"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_is_powershell(script: Path) -> None:
    source = script.read_bytes()
    assert faults(source) == []
    assert source.isascii()  # Windows PowerShell 5.1 takes a script without a mark for its own code page


@pytest.mark.parametrize(("right", "broken"), [(b"{\n    throw", b"\n    throw"), (b"if (-not", b"if -not")])
def test_a_broken_script_is_noticed(right: bytes, broken: bytes) -> None:
    source = SCRIPTS[0].read_bytes()
    assert right in source
    assert faults(source.replace(right, broken, 1))
