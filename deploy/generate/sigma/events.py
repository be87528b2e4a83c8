"""The test events of the Sigma rules: `deploy/sigma/tests/RULE.ndjson` from the cases in `RULE.yaml`.

A case says what happened. Where the parser can read such a line, the line is written and parsed, so the event is the one that a
user's index really holds; anything else is given as a document of the same schema.

    positive:                         # or negative
        - case: fraud code entered
          radius: ["10:00:00 7.5 DOM\\carl 112"]      # request, verdict and status of one exchange
          results: ["10:05:00 anna 21"]               # a one-line result of pfsvc
          lines: ["10:00:01|0|1|2|pfrad|authResult = 1"]  # any other line; the day is put before it
          documents: [{time: "10:00:00", event.action: device-add, ...}]
          with: {host.name: mfa01}    # put into every event of the case
          hits: [-1]                  # which events complete a hit; by default the last one

Each case has days of its own; `+1d 10:00:00` is on the second of them. The `labels` of an event name its case and say whether
it must complete a hit.
"""

import csv
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import yaml

from deploy.generate.places import DEPLOY, ROOT

TESTS = DEPLOY / "sigma" / "tests"
FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 10  # between two cases: longer than any rule looks

Document = dict[str, Any]


@cache
def codes() -> dict[int, dict[str, str]]:
    """The table of status codes by number."""
    with open(ROOT / "schemas" / "status_codes.csv", encoding="utf-8", newline="") as file:
        return {int(row["code"]): row for row in csv.DictReader(file)}


def events(rule: str) -> list[Document]:
    """The test events of a rule, in the order of time."""
    given = yaml.safe_load((TESTS / f"{rule}.yaml").read_text(encoding="utf-8"))
    cases = [(case, True) for case in given["positive"]] + [(case, False) for case in given["negative"]]
    lines: list[str] = []
    for number, (case, _) in enumerate(cases):
        lines += sorted(_lines(case, number), key=lambda line: line[:27])  # stable: verdict before status
    parsed = _parse(lines)
    every: list[Document] = []
    for number, (case, positive) in enumerate(cases):
        start, end = (_moment("00:00:00", number + step) for step in (0, 1))
        own = [document for document in parsed if start <= document["@timestamp"] < end]
        own += [_document(flat, number) for flat in case.get("documents", ())]
        own.sort(key=lambda document: document["@timestamp"])
        hits = [own[place] for place in case.get("hits", [-1])] if positive else []
        for document in own:
            for name, value in case.get("with", {}).items():
                _put(document, name, value)
            document["labels"] = {"case": case["case"], "hit": any(document is hit for hit in hits)}
        every += own
    return every


def text(rule: str) -> str:
    """The content of the file with the events of a rule."""
    return "".join(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n" for document in events(rule))


def stored(rule: str) -> list[Document]:
    """The events of a rule, from its file."""
    return [json.loads(line) for line in (TESTS / f"{rule}.ndjson").read_text(encoding="utf-8").splitlines()]


def _lines(case: Document, number: int) -> list[str]:
    lines = []
    for place, exchange in enumerate(case.get("radius", ())):
        start, seconds, user, code = _split(exchange)
        thread = f"0|1412|{1000 + 4 * place}|pfrad"
        begin, end = _moment(start, number), _moment(start, number, float(seconds))
        verdict = int(codes()[int(code)]["outcome"] == "success")
        lines += [f"{begin}|{thread}|Calling pfAuthUser('{user}', '', 1)", f"{end}|{thread}|authResult = {verdict}"]
        lines.append(f"{end}|{thread}|rawCallStatus = {code}")
    for place, result in enumerate(case.get("results", ())):
        start, user, code = _split(result)
        row, guid = codes()[int(code)], f"00000000-0000-4000-8000-{number:06d}{place:06d}"
        verdict_word = "succeeded" if row["outcome"] == "success" else "failed"
        message = f"""Pfauth {verdict_word} for user '{user}'. Call status: {row["constant"]} - "{row["description"]}"."""
        lines.append(f"{_moment(start, number)}|i|1980|{3000 + 4 * place}|pfsvc|{guid}|{message}")
    for line in case.get("lines", ()):
        start, rest = line.split("|", 1)
        lines.append(f"{_moment(start, number)}|{rest}")
    return lines


def _split(short: str) -> list[str]:
    """The words of a short form; a day stays with its time."""
    first, *rest = short.split()
    return [f"{first} {rest[0]}", *rest[1:]] if first.startswith("+") else [first, *rest]


def _moment(text: str, number: int, later: float = 0.0) -> str:
    day, _, clock = text.rpartition(" ")
    hours, minutes, seconds = clock.split(":")
    moment = FIRST_DAY + timedelta(days=DAYS * number + int(day.strip("+d") or 0), hours=int(hours), minutes=int(minutes))
    return f"{moment + timedelta(seconds=float(seconds) + later):%Y-%m-%dT%H:%M:%S.%fZ}"


def _parse(lines: list[str]) -> list[Document]:
    if not lines:
        return []
    command = [sys.executable, "-m", "shipper", "parse", "--deterministic", "-"]
    log = "".join(line + "\n" for line in lines)
    done = subprocess.run(  # noqa: S603  our own command
        command, input=log, text=True, capture_output=True, check=True, cwd=ROOT, encoding="utf-8"
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _document(flat: Document, number: int) -> Document:
    flat = dict(flat)
    moment = _moment(flat.pop("time"), number)
    identity = hashlib.sha256(f"{number} {moment} {sorted(flat.items())}".encode()).hexdigest()[:16]
    document: Document = {"@timestamp": moment, "event": {"id": f"{identity}-0", "dataset": "azure_mfa.server", "kind": "event"}}
    for name, value in ({"event.module": "azure_mfa", "ecs.version": "8.17.0"} | flat).items():
        _put(document, name, value)
    code = document["event"].get("code")
    if code is not None:
        row = codes()[int(code)]
        document["event"].setdefault("reason", row["description"])
        status: Document = {"code": int(code), "prompted": row["prompted"] == "true"}
        status |= {name: row[name] for name in ("description", "class", "method", "severity", "constant") if row[name]}
        document.setdefault("azure_mfa", {})["status"] = status
    return document


def _put(document: Document, name: str, value: Any) -> None:
    *path, last = name.split(".")
    for step in path:
        document = document.setdefault(step, {})
    document[last] = value


def files() -> dict[str, bytes]:
    """Path below `deploy/`, content."""
    return {f"sigma/tests/{path.stem}.ndjson": text(path.stem).encode() for path in TESTS.glob("*.yaml")}
