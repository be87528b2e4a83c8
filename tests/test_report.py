"""The command `report`, from the outside: its numbers are those of the events of `parse`."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest

from tests.support import corpus
from tests.support.generate import Recipe, generate
from tests.support.report_counts import Counted
from tests.support.reports import log_of, sign_in
from tests.support.tools import ROOT

SCHEMA = json.loads((ROOT / "schemas" / "report.schema.json").read_text(encoding="utf-8"))
EXAMPLE = ROOT / "deploy" / "examples" / "report.json"
COLUMNS = ("authentications", "success", "failure", "unknown", "first_steps", "prompts", "double_prompts")
PATTERNS = ("sequential", "concurrent", "retry")


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "shipper", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, timeout=120, check=False)


def report(*arguments: str, cwd: Path) -> dict[str, Any]:
    """The JSON of a report, which must be of its schema."""
    done = run("report", "--format", "json", "--top", "100000", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr.decode()
    summary: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(summary, SCHEMA, jsonschema.Draft202012Validator)
    return summary


def counted(*arguments: str, cwd: Path) -> Counted:
    """The same, counted from the events of `parse`."""
    done = run("parse", "-q", "--deterministic", "--no-original", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr.decode()
    return Counted((orjson.loads(line) for line in done.stdout.splitlines()), across="--across" in arguments)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the logs of the made-up week."""
    folder = tmp_path_factory.mktemp("week")
    corpus.write(folder)
    return folder


def agree(summary: dict[str, Any], expected: Counted) -> None:
    """All numbers of a report are those that were counted."""
    rows_agree(summary, expected)
    double_prompts_agree(summary, expected)
    caches_agree(summary, expected)
    quality = summary["quality"]
    assert (quality["lines"], quality["unparsed"], quality["orphans"]) == (expected.lines, expected.unparsed, expected.orphans)
    assert all(total["holds"] and total["left"] == total["right"] for total in quality["sums"])
    assert summary["findings"] == dict(expected.findings)
    assert {
        row["user"].casefold(): row["denied"] + row["no_response"] + row["fraud"] for row in summary["security"]["refusers"]
    } == {name(key): refused.total() for key, refused in expected.refusals.items()}


def name(key: str) -> str:
    """How a report names the user of a key, in small letters; the made-up domain with a dot is written as an address."""
    domain, backslash, user = key.partition("\\")
    return f"{user}@{domain}" if backslash and "." in domain else key


def rows_agree(summary: dict[str, Any], expected: Counted) -> None:
    rows = summary["authentications"]
    assert rows["total"] == {column: expected.rows["total"][""][column] for column in COLUMNS}
    for kind in ("methods", "components", "hosts", "days"):
        told = {row["name"]: {column: row[column] for column in COLUMNS} for row in rows[kind]}
        assert told == {place: {column: row[column] for column in COLUMNS} for place, row in expected.rows[kind].items()}, kind
    for row in rows["week"]:
        assert {column: row[column] for column in COLUMNS} == {
            column: expected.rows["week"][row["weekday"], row["hour"]][column] for column in COLUMNS
        }
    assert rows["users"] == len(expected.users)
    told_codes = Counter(
        {(row["code"], outcome): row[outcome] for row in rows["codes"] for outcome in ("success", "failure", "unknown")}
    )
    assert +told_codes == expected.codes
    for times in summary["answer_times"][1:]:
        assert times["count"] == len(expected.durations[times["method"]]) == sum(b["count"] for b in times["histogram"])
        assert times["without_time"] == expected.without_time[times["method"]]
        for field, share in (("median", 50), ("p95", 95), ("p99", 99)) if times["count"] else ():
            exact = expected.quantile(times["method"], share)
            assert exact - 1e-6 <= times[field] < exact + 0.1


def double_prompts_agree(summary: dict[str, Any], expected: Counted) -> None:
    doubles = summary["double_prompts"]
    assert {pattern: doubles["total"][pattern] for pattern in PATTERNS} == {
        pattern: expected.patterns[pattern] for pattern in PATTERNS
    }
    for pattern in PATTERNS:
        assert sum(gap[pattern] for gap in doubles["gaps"]) == expected.patterns[pattern]
    told = {row["user"].casefold(): (*(row[pattern] for pattern in PATTERNS), row["prompts"]) for row in doubles["top"]}
    assert told == {
        name(key): (*(found[pattern] for pattern in PATTERNS), expected.user_prompts[key])
        for key, found in expected.user_patterns.items()
    }
    assert {row["address"]: row["total"] for row in doubles["clients"]} == {
        address: found.total() for address, found in expected.addresses.items()
    }


def caches_agree(summary: dict[str, Any], expected: Counted) -> None:
    prompts = [p for sequence in expected.sequences.values() if sequence.has_cache for p in sequence.prompts]
    asked_twice = {s.user for s in expected.sequences.values() if s.has_cache and any(p.is_second for p in s.prompts)}
    cache = summary["cache"]
    if not prompts:
        assert cache is None
        return
    assert cache["prompts"] == len(prompts)
    assert cache["double_prompts"] == sum(prompt.is_second for prompt in prompts)
    assert cache["users"] == len(asked_twice)
    for kind in cache["types"]:
        by_address = kind["type"] == "user_and_address"
        assert kind["prompts"] == sum(not by_address or prompt.address is not None for prompt in prompts)
        for reading in ("not_renewed", "renewed"):
            for step in kind[reading]:
                found = expected.cached(step["seconds"], by_address=by_address, renewed=reading == "renewed")
                told = step["spared_prompts"], step["spared_double_prompts"], step["users_spared_all"]
                assert told == (found.spared, found.doubles, len(asked_twice - found.left)), (kind["type"], reading, step)
                assert step["longest_without_prompt"] == pytest.approx(found.longest / 1e9)
                assert step["without_prompt_a_day"] == pytest.approx(found.spared / cache["days"], abs=0.006)


def test_the_example_is_the_report_of_the_made_up_week(week: Path) -> None:
    assert report("*.log", "--top", "500", cwd=week) == json.loads(EXAMPLE.read_text(encoding="utf-8"))


def test_its_numbers_are_those_of_the_events_of_the_made_up_week(week: Path) -> None:
    agree(report("*.log", cwd=week), counted("*.log", cwd=week))


def test_workers_change_nothing(week: Path) -> None:
    assert report("*.log", "--workers", "3", cwd=week) == report("*.log", cwd=week)


def test_one_log_that_is_cut_for_several_workers_is_the_same(tmp_path: Path) -> None:
    generate(Recipe(45_000, seed=11, users=2000), tmp_path / "mfa.log")
    one, many = (run("report", "mfa.log", "--format", "json", "--workers", number, cwd=tmp_path) for number in ("1", "3"))

    assert (many.returncode, many.stderr) == (0, b"")
    assert many.stdout == one.stdout


def test_workers_count_what_can_be_read_of_a_damaged_file(tmp_path: Path) -> None:
    generate(Recipe(45_000, seed=11, users=2000), tmp_path / "mfa.log")
    example = (ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log").read_bytes()
    (tmp_path / "old.log.gz").write_bytes(gzip.compress(example)[:-30])
    arguments = ("report", "mfa.log", "old.log.gz", "--format", "json", "--workers")
    one, many = (run(*arguments, number, cwd=tmp_path) for number in ("1", "3"))

    assert (many.returncode, many.stderr, many.stdout) == (1, one.stderr, one.stdout)
    assert b"old.log.gz: the gzip file ends too early" in many.stderr
    assert json.loads(many.stdout)["quality"]["lines"] > 45_000


GENERATED = (
    Recipe(6000, seed=1, users=40),
    Recipe(6000, seed=2, users=400),
    Recipe(6000, seed=3, users=4),
    Recipe(6000, seed=4, users=100, curly=True),
    Recipe(6000, seed=5, users=100, seven_digits=True),
    Recipe(6000, seed=6, users=100, crlf=True),
    Recipe(6000, seed=7, users=60, results=True),
    Recipe(6000, seed=8, users=60, nps=True),
    Recipe(6000, seed=9, users=60, syslog=True),
    Recipe(20_000, seed=10, users=300),
)


@pytest.mark.parametrize("recipe", GENERATED, ids=lambda recipe: str(recipe.seed))
def test_its_numbers_are_those_of_the_events_of_a_generated_log(recipe: Recipe, tmp_path: Path) -> None:
    generate(recipe, tmp_path / "mfa.log")
    options = ("mfa.log", "--include-retries") if recipe.seed % 2 else ("mfa.log",)
    agree(report(*options, cwd=tmp_path), counted(*options, cwd=tmp_path))


def test_its_numbers_are_those_of_the_events_of_several_servers(tmp_path: Path) -> None:
    for server in (1, 2, 3):
        generate(Recipe(6000, seed=server, users=300), tmp_path / f"mfa0{server}-Svc.log")
    together = counted("*.log", "--across", cwd=tmp_path)

    agree(report("*.log", "--across", cwd=tmp_path), together)
    assert together.patterns.total() > counted("*.log", cwd=tmp_path).patterns.total()


def test_a_pair_across_servers_names_both(tmp_path: Path) -> None:
    for number, (host, first) in enumerate((("mfa01", 0), ("mfa02", 14))):
        lines = log_of(sign_in(first, 6, thread=number)).decode().splitlines()
        (tmp_path / f"{host}.json").write_text(
            "".join(f"{json.dumps({'message': line, 'host': {'name': host}})}\n" for line in lines)
        )
    summary = report("*.json", "--across", cwd=tmp_path)

    [user] = summary["double_prompts"]["top"]
    [pair] = user["pairs"]
    assert (pair["gap_seconds"], pair["first"]["host"], pair["second"]["host"]) == (8.0, "mfa01", "mfa02")
    assert report("*.json", cwd=tmp_path)["double_prompts"]["total"]["total"] == 0


LINES = "".join(f"2017-02-14T09:00:0{at}.000000Z|0|1|2|pfrad|authResult = 1\n" for at in range(4))
NEAR_MISSES = {
    "empty": "",
    "copied": LINES.replace("2017", "> 2017"),
    "local time": LINES.replace("Z|", "|"),
    "unknown exporter": '{"when": "2017-02-14T09:00:00Z", "text": "authResult = 1"}\n' * 3,
    "out of order": "".join(f"2017-02-14T0{hour}:00:00.000000Z|0|1|2|pfrad|rawCallStatus = 21\n" for hour in (9, 3, 1)),
    "half unknown": LINES + "2017-02-14T09:00:09.000000Z|0|1|2|pfrad|who knows\n" * 5,
}


@pytest.mark.parametrize("text", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_its_hints_are_those_of_parse(text: str, tmp_path: Path) -> None:
    (tmp_path / "Svc.log").write_text(text)
    said = run("parse", "--output", os.devnull, "Svc.log", cwd=tmp_path).stderr.decode().splitlines()
    hints = report("Svc.log", cwd=tmp_path)["quality"]["hints"]
    screen = run("report", "Svc.log", cwd=tmp_path).stdout.decode()

    assert hints
    assert [f"  hint: {hint}" for hint in hints] == [line for line in said if "hint:" in line]
    assert all(f"Hint: {hint}" in " ".join(screen.split()) for hint in hints)
    assert "Everything was understood." not in screen


def test_pseudonyms_are_those_of_the_events(week: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a key of more than sixteen bytes")
    key.chmod(0o600)
    summary = report("*.log", "--pseudonyms", str(key), cwd=week)
    done = run("parse", "-q", "--only", "double_prompt", "--pseudonyms", str(key), "*.log", cwd=week)
    names = Counter(orjson.loads(line)["user"]["name"] for line in done.stdout.splitlines())

    assert {row["user"]: row["total"] for row in summary["double_prompts"]["top"]} == names
    assert summary["settings"]["pseudonyms"]
    assert summary["quality"]["shapes"] == []
    assert not any(person in json.dumps(summary).casefold() for person in corpus.PEOPLE)


def test_the_screen_is_plain_in_a_pipe(week: Path) -> None:
    done = run("report", "*.log", cwd=week)
    text = done.stdout.decode()

    assert done.returncode == 0
    assert text.startswith("MFA report: 12,362 lines of 4 logs\n")
    assert "\x1b" not in text


def test_a_file_appears_when_it_is_complete(week: Path, tmp_path: Path) -> None:
    done = run("report", "*.log", "--format", "json", "--output", str(tmp_path / "report.json"), cwd=week)

    assert (done.returncode, done.stdout) == (0, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing.log"], "there is no file nothing.log"),
        (["*.log", "--since", "2017-02-15", "--until", "2017-02-14"], "--since must be before --until"),
        (["*.log", "--workers", "0"], "--workers 0: expected a number from 1 to 256, or auto"),
        (["*.log", "--top", "0"], "'0' is not a number from 1 to 100,000"),
        (["*.log", "--format", "pdf"], "'pdf' is not one of 'text', 'json', 'html'"),
        (["*.log", "--format", "text", "--output", "NpsExtension.log"], "is one of the logs to read"),
        (["*.log", "--pseudonyms", "NpsExtension.log"], "make a new file with"),
        ([], "Missing argument"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], sentence: str, week: Path, tmp_path: Path) -> None:
    if "--pseudonyms" in arguments:
        (tmp_path / "short").write_text("short")
        arguments = [*arguments[:-1], str(tmp_path / "short")]
    done = run("report", *arguments, cwd=week)

    assert (done.returncode, done.stdout) == (2, b"")
    assert sentence in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [[], ["--across"], ["--workers", "2"]])
def test_of_a_log_that_cannot_be_read_to_its_end_what_can_be_read_counts(options: list[str], tmp_path: Path) -> None:
    example = (ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log").read_bytes()
    (tmp_path / "old.log.gz").write_bytes(gzip.compress(example)[:-30])
    (tmp_path / "new.log").write_bytes(log_of(sign_in(0, 3)))
    readable = run("parse", "-q", "old.log.gz", cwd=tmp_path)
    done = run("report", "--format", "json", *options, "--output", "report.json", "old.log.gz", "new.log", cwd=tmp_path)
    summary = json.loads((tmp_path / "report.json").read_bytes())
    said = done.stderr.decode().removeprefix("mfa-shipper: ").rstrip("\n")

    assert (done.returncode, readable.returncode) == (1, 1)
    assert done.stderr == readable.stderr
    assert said.startswith("old.log.gz: the gzip file ends too early")
    assert said in summary["quality"]["notes"]
    lines = sum(b'"kind":"alert"' not in line for line in readable.stdout.splitlines())
    assert summary["quality"]["lines"] == lines + 3
    assert lines > 10


def test_what_a_full_memory_gave_up_is_counted(tmp_path: Path) -> None:
    long = "y" * 900_000
    requests = (f"2017-02-14T02:00:{n:02}.000000Z|0|1|{n}|pfrad|Calling pfAuthUser('u{n}{long}', '', 1)\n" for n in range(9))
    statuses = (f"2017-02-14T02:01:{n:02}.000000Z|0|1|{n}|pfrad|rawCallStatus = 21\n" for n in range(9))
    (tmp_path / "x.log").write_text("".join([*requests, *statuses]))
    quality = report("x.log", cwd=tmp_path)["quality"]
    orphans = counted("x.log", cwd=tmp_path).orphans
    screen = run("report", "x.log", cwd=tmp_path).stdout.decode()

    assert quality["crowded_out"] == quality["given_up"] == quality["orphans"] == orphans > 0
    assert f"requests and users given up because memory was full  {orphans}\n" in screen
