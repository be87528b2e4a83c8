"""The commands and the SQL of `deploy/docs/imports.md`: ClickHouse (as chdb) and DuckDB over what the commands make of a week."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support import corpus
from tests.support.tools import DEPLOY, ROOT, missing

PAGE = (DEPLOY / "docs" / "imports.md").read_text(encoding="utf-8")
Rows = list[tuple[str, int]]


def module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        missing(f"{name} is not installed: pip install '.[deploy]'")


def blocks(section: str) -> list[list[str]]:
    """The statements of each SQL block of a section."""
    text = PAGE.split(f"## {section}")[1].split("\n## ")[0]
    return [[part for part in block.split(";\n") if part] for block in re.findall(r"```sql\n(.*?)```", text, re.S)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the logs of a week, and what the commands of the page make of them."""
    folder = tmp_path_factory.mktemp("imports")
    (folder / "logs").mkdir()
    corpus.write(folder / "logs")
    for line in re.findall(r"^\$ mfa-shipper (.* --output \S+)$", PAGE, re.M):
        command = [sys.executable, "-m", "shipper", *shlex.split(line), "-q"]
        done = subprocess.run(command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return folder


def events(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def asked_twice(folder: Path) -> Rows:
    """What both queries must find: the ten users who are asked twice most often."""
    pairs = (event for event in events(folder, "events.ndjson") if event["event"].get("action") == "double_prompt")
    found = Counter(event["user"]["name"] for event in pairs)
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))[:10]


def test_clickhouse(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    session = module("chdb.session").Session()
    [statements] = blocks("ClickHouse")
    *tables, insert, query = statements
    for statement in (*tables, insert, insert):  # the second import changes nothing
        session.query(statement)
    number = int(str(session.query("SELECT count() FROM mfa.events FINAL", "TSV")))
    rows = [line.split("\t") for line in str(session.query(query, "TSV")).splitlines()]
    assert number == len(events(folder, "events.ndjson"))
    assert [(who, int(count)) for who, count in rows] == asked_twice(folder)
    assert len(rows) == 10


def test_duckdb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    duckdb = module("duckdb")
    [query], copies = blocks("DuckDB, Parquet")
    assert duckdb.sql(query).fetchall() == asked_twice(folder)
    for statement in copies:
        duckdb.sql(statement)
    classes = Counter(event["class_uid"] for event in events(folder, "ocsf.ndjson"))
    for name, uid in (("authentication", 3002), ("findings", 2004)):
        assert duckdb.sql(f"SELECT count(*) FROM '{name}.parquet'").fetchall() == [(classes[uid],)]
        assert classes[uid] > 10
