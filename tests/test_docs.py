"""README and the pages in deploy/docs keep their promises: every command is run, what they show is what comes out, and
every link, option, setting, metric, message and test that they name is there."""

import contextlib
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import msgspec
import pytest
import yaml
from click import Group
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from shipper.cli import command as cli
from shipper.config.load import load_config
from shipper.config.schema import schema
from shipper.config.yaml_file import dotted, read_settings
from shipper.detect import DETECTORS
from shipper.sidecar.metrics import VitalsCollector
from shipper.sidecar.sinks import SINKS
from shipper.sidecar.vitals import Vitals
from shipper.stream.vitals import DETECT, METRICS
from tests.support.http_server import Collector
from tests.support.kafka import Broker, create_topic, free_port, read_topic
from tests.support.process import until

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "deploy" / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "tests" / "bench" / "README.md"]
TEXT = {path: path.read_text(encoding="utf-8") for path in (*PAGES, *OTHERS)}
LOG = ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log"
ANNOTATED = DOCS / "mfa-shipper.yaml"
LISTEN = "127.0.0.1:9108"

# Lines of an administrator that no test may run; `python3 -m venv` and `pip install` are run by test_packaging.py.
NOT_RUN = re.compile(
    r"make |(sudo )?(apt|python3 -m venv|\S+/pip|ln|useradd|systemctl enable) |~/\S+ --version|mfa-shipper parse .* --to "
)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@dataclass(frozen=True)
class Command:
    """A command of a console block, what the block shows below it, and the JSON block behind it."""

    text: str
    shown: str
    json: dict[str, Any] | None


def commands(page: Path) -> list[Command]:
    """All commands of a page, in its order."""
    found: list[Command] = []
    for block, behind in re.findall(r"^```console\n(.*?)^```\n(?:\n```json\n(.*?)^```\n)?", TEXT[page], re.S | re.M):
        parts = re.split(r"^\$ ", block, flags=re.M)[1:]
        for number, part in enumerate(parts, 1):
            text, _, shown = part.partition("\n")
            is_last = number == len(parts)
            found.append(Command(text.strip(), shown.strip(), json.loads(behind) if is_last and behind else None))
    return found


class Place:
    """A folder with what the pages name, and the command itself; absolute paths of the pages lie below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.moved = {f" /{name}/": f" {folder}/{name}/" for name in ("etc", "var", "opt")}
        self.moved |= {LISTEN: f"127.0.0.1:{free_port()}"}
        shutil.copytree(ROOT / "deploy", folder / "deploy")
        for path in (folder / "deploy").glob("*/*.yaml"):
            path.write_text(self.here(path.read_text(encoding="utf-8")), encoding="utf-8")
        for name in ("logs", "var/log/mfa/mfa01", "var/lib", "var/log/mfa-shipper", "etc/systemd/system", ".venv/bin"):
            (folder / name).mkdir(parents=True)
        shutil.copy(LOG, folder / "logs")
        shutil.copy(LOG, folder / "var/log/mfa/mfa01")
        installed = folder / "etc/mfa-shipper/config.yaml"
        installed.parent.mkdir()
        shutil.copy(folder / "deploy/docs/mfa-shipper.yaml", installed)
        (folder / "old.log.gz").write_bytes(gzip.compress(LOG.read_bytes()))
        script = folder / ".venv" / "bin" / "mfa-shipper"
        script.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m shipper "$@"\n', encoding="utf-8")
        script.chmod(0o755)
        self.environment = {**os.environ, "PATH": f"{script.parent}:{os.environ['PATH']}"}
        self.log = folder / "sidecar.log"
        self.service: subprocess.Popen[bytes] | None = None

    def here(self, text: str) -> str:
        """The text with paths and ports of this place."""
        for there, here in self.moved.items():
            text = text.replace(there, here)
        return text

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of a page."""
        return subprocess.run(
            self.here(re.sub(r"\bsudo (-u \S+ )?", "", command)), shell=True, cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def printed(self, done: subprocess.CompletedProcess[str]) -> str:
        """What a command printed, without what differs from run to run."""
        return steady((done.stdout + done.stderr).replace(f"{self.folder}/", "/").replace(self.moved[LISTEN], LISTEN))

    def start(self, config: str) -> None:
        """Start the sidecar, and return when it has delivered what is there."""
        self.log.write_text("")
        with open(self.log, "a") as log:
            self.service = subprocess.Popen(
                ["mfa-shipper", "run", "--config", self.here(f" {config}")[1:]], cwd=self.folder, env=self.environment,
                stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        # It says nothing before it listens to signals.
        until(lambda: self.log.read_text() and set(self.lag(config)) == {0}, "all is delivered")

    def lag(self, config: str) -> list[int]:
        """Of each file, the bytes that a sidecar has still to deliver."""
        status = json.loads(self.run(f"mfa-shipper status --config {config} --format json").stdout)
        return [file["lag_bytes"] for file in status["files"]]

    def stop(self) -> None:
        """End the sidecar, which must do so in an orderly way."""
        if self.service is not None:
            self.service.terminate()
            assert self.service.wait(30) == 0, self.log.read_text()
            self.service = None


def steady(text: str) -> str:
    """Without times, process numbers, and whether there is a kernel."""
    text = re.sub(r"^kernel( +|: )none \(.*\)$", r"kernel\1compiled", text, flags=re.M)
    return re.sub(r"pid \d+", "pid 1", re.sub(r"in \d+\.\d s", "in 0.0 s", text)).strip()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    if place.service is not None:
        place.service.kill()
        place.service.wait()


def test_the_commands_are_found() -> None:
    assert len([command for page in PAGES for command in commands(page) if "mfa-shipper" in command.text]) > 25


@every_page
def test_every_command_works_and_prints_what_the_page_shows(page: Path, place: Place) -> None:
    for name, text in re.findall(r"`([\w-]+\.yaml)`:\n\n```yaml\n(.*?)```", TEXT[page], re.S):
        (place.folder / name).write_text(text, encoding="utf-8")
    for command in commands(page):
        service = re.match(r"sudo systemctl (\w+) (?:--now )?mfa-shipper", command.text)
        if service and service[1] in ("stop", "restart"):
            if place.service is None:  # it ran before the page began
                place.start("/etc/mfa-shipper/config.yaml")
            place.stop()
        if service and service[1] in ("enable", "start", "restart"):
            place.start("/etc/mfa-shipper/config.yaml")
        elif command.text.startswith("mfa-shipper run "):
            place.start(command.text.split()[-1])
        elif command.text == "make demo":
            assert "double_prompt" in place.run("sh deploy/examples/demo.sh").stdout
        elif not service and not NOT_RUN.match(command.text):
            check(command, place)
    place.stop()


def check(command: Command, place: Place) -> None:
    """Run a command, and compare."""
    done = place.run(command.text)
    assert done.returncode == 0, f"{command.text}: {done.stderr}"
    target = re.search(r"(?:> |--output )(\S+)", command.text)
    if target:
        assert (place.folder / target[1]).read_text(encoding="utf-8").strip(), command.text
    elif "install" not in command.text:
        assert done.stdout.strip(), command.text
    if command.shown:
        assert place.printed(done) == steady(command.shown), command.text
    if command.json:
        assert within(command.json, json.loads(done.stdout)) == command.json, command.text


def within(shown: Any, actual: Any) -> Any:
    """Of a document, the fields that a page shows."""
    if isinstance(shown, dict) and isinstance(actual, dict):
        return {name: within(value, actual[name]) for name, value in shown.items() if name in actual}
    return actual


def test_the_recipe_for_kafka_works(broker: Broker, place: Place) -> None:
    section = TEXT[DOCS / "operations.md"].split("## Try it with Kafka")[1]
    [config] = re.findall(r"mfa-shipper run --config (\S+)$", section, re.M)
    [append] = re.findall(r"^cat .*$", section, re.M)
    settings = (place.folder / config).read_text(encoding="utf-8")
    settings = settings.replace("127.0.0.1:9092", broker.address).replace("mfa-events", "docs-events")
    (place.folder / config).write_text(settings, encoding="utf-8")
    (place.folder / "logs" / LOG.name).unlink()

    assert place.run(append).returncode == 0
    place.start(config)
    place.stop()

    assert len(read_topic(broker.address, "docs-events")) == 24


@pytest.mark.parametrize("page", ["outputs", "imports"])
def test_the_imports_into_splunk_work(page: str, place: Place) -> None:
    [line] = re.findall(r"^\$ (mfa-shipper parse .* --to https://splunk:8088 .*)$", TEXT[DOCS / f"{page}.md"], re.M)
    (place.folder / "token.txt").write_text(f"{Collector.TOKEN}\n", encoding="utf-8")
    with Collector() as collector:
        done = place.run(line.replace("https://splunk:8088", collector.url))
        assert done.returncode == 0, done.stderr
        assert len(collector.events) == 10
        assert {event["index"] for event in collector.events} == {"mfa"}


def test_the_walk_across_servers_works(broker: Broker, place: Place) -> None:
    walk = TEXT[DOCS / "detect.md"].split("## Try it")[1].split("```console")[0]
    started = re.findall(r"^(?:SERVER=(\w+) )?mfa-shipper (\w+) --config (\S+)", walk, re.M)
    named = {"127.0.0.1:9092": broker.address, "mfa-": f"walk-{token_hex(3)}-", "127.0.0.1:9109": f"127.0.0.1:{free_port()}"}
    alerts = named["mfa-"] + "alerts"
    for config in {config for _, _, config in started}:
        text = (place.folder / config).read_text(encoding="utf-8")
        for there, here in named.items():
            text = re.sub(rf"(?<=[ \[\"]){there}", here, text)
        (place.folder / config).write_text(text, encoding="utf-8")
    [made] = re.findall(r"^mkdir .*$", walk, re.M)
    appended = re.findall(r"^cat .*$", walk, re.M)
    create_topic(broker.address, named["mfa-"] + "events")

    assert [command for _, command, _ in started] == ["run", "run", "detect"]
    assert place.run(made).returncode == 0
    with contextlib.ExitStack() as running:
        for server, command, config in started:
            environment = place.environment | ({"SERVER": server} if server else {})
            arguments = ["mfa-shipper", command, "--config", config]
            process = subprocess.Popen(arguments, cwd=place.folder, env=environment, stderr=subprocess.DEVNULL)
            running.callback(process.wait, 30)
            running.callback(process.kill)
        for append in appended:
            assert place.run(append).returncode == 0
        topics = AdminClient({"bootstrap.servers": broker.address})
        until(
            lambda: alerts in topics.list_topics(timeout=10).topics and read_topic(broker.address, alerts),
            "it is found",
            every=0.5,
        )

    [finding] = [json.loads(record.value or b"") for record in read_topic(broker.address, alerts)]
    assert json.dumps(finding["message"]) in TEXT[DOCS / "detect.md"]
    told = finding["azure_mfa"]["double_prompt"]
    assert [told["first"]["host"], told["second"]["host"]] == ["mfa01", "mfa02"]


def test_the_readme_is_short() -> None:
    assert len(TEXT[PAGES[0]].splitlines()) < 200


def test_every_command_is_in_the_readme() -> None:
    assert isinstance(cli, Group)
    assert set(re.findall(r"^\| `(\w+)` \|", TEXT[PAGES[0]], re.M)) == set(cli.commands)


def test_make_targets_of_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = {name for text in TEXT.values() for name in re.findall(r"(?:`|^\$ |^)make ([a-z-]+)", text, re.M)}

    coming = {"deploy-files"}  # with the generators in deploy/generate/

    assert {"demo", "check", "bench", "kafka", "chaos"} <= named <= targets | coming


@pytest.mark.parametrize("page", TEXT, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_links_lead_somewhere(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", TEXT[page]):
        if "://" not in link:
            target = page.parent / link if link else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as links write them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_page_is_linked_from_the_readme() -> None:
    assert {f"deploy/docs/{page.name}" for page in PAGES[1:]} <= set(re.findall(r"\]\(([^)#]+)", TEXT[PAGES[0]]))


def test_options_that_are_named_exist() -> None:
    assert isinstance(cli, Group)
    options = [name for one in cli.commands.values() for option in one.params for name in (*option.opts, *option.secondary_opts)]
    used = [text for page in PAGES for text in re.findall(r"(?<!\S)`?mfa-shipper ([^`|\n]*)|`(--[^`]*)`", TEXT[page])]
    named = {name for pair in used for name in re.findall(r"(?<!\S)--[a-z-]+", " ".join(pair))}

    assert len(named) > 15
    assert named - {*options, "--help", "--version"} == set()


def test_nobody_is_told_to_install_a_name_that_is_not_ours() -> None:
    """What stands on a registry under our name is somebody else's."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "shipper").rglob("*.py")]
    told = [what for text in (*TEXT.values(), *sources) for what in re.findall(r"pipx? install ([^`\n]+)", text)]

    assert len(told) > 5
    assert [what for what in told if not re.match(r"\.$|'\.\[|'confluent-kafka>|'evtx>", what.strip())] == []


# Settings.


def keys(section: dict[str, Any], path: str = "") -> Iterator[str]:
    """The dotted names of all settings, of a schema or a part of it; what takes any keys is one setting."""
    definitions = schema()["$defs"]
    for part in (section, *section.get("anyOf", [])):
        name = part.get("$ref", "").rpartition("/")[2]
        for key, inner in definitions.get(name, {}).get("properties", {}).items():
            below = [*keys(inner.get("items", inner), f"{path}{key}{'[0]' if 'items' in inner else ''}.")]
            yield from below or [f"{path}{key}"]


def leaves(value: Any, known: set[str], path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The settings of a file by their key paths."""
    if dotted(path) in known:
        yield path, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, known, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, known, (*path, number))


def test_the_annotated_file_has_every_setting_with_its_default(tmp_path: Path) -> None:
    least = {"state_dir": "s", "inputs": [{"path": "p"}], "detect": {}, "output": {"type": "stdout", **needed_by_sinks()}}
    (tmp_path / "least.yaml").write_text(json.dumps(least), encoding="utf-8")
    (tmp_path / "annotated.yaml").write_text(ANNOTATED.read_text(encoding="utf-8"), encoding="utf-8")
    known = set(keys(schema()))
    default, shown = (
        msgspec.to_builtins(load_config(str(tmp_path / f"{name}.yaml"), {})[0], enc_hook=str) for name in ("least", "annotated")
    )
    lines = ANNOTATED.read_text(encoding="utf-8").splitlines()
    where = read_settings(str(ANNOTATED), {})
    needed = {"state_dir", "inputs[0].path", "output.type"}

    assert {dotted(path) for path, _ in leaves(where.values, known)} == known
    by_default = dict(leaves(default, known))
    differ = {dotted(path): lines[where.lines[path] - 1] for path, value in leaves(shown, known) if value != by_default.get(path)}
    assert {key for key, line in differ.items() if "Default: " not in line} == needed


def needed_by_sinks() -> dict[str, Any]:
    """The section of each sink with only the keys that it needs, as the annotated file has them."""
    definitions, shown = schema()["$defs"], yaml.safe_load(ANNOTATED.read_text(encoding="utf-8"))["output"]
    sections = {
        key: part["$ref"].rpartition("/")[2]
        for key, inner in definitions["OutputSection"]["properties"].items()
        for part in inner.get("anyOf", ())
        if key in SINKS and "$ref" in part
    }
    assert sections.keys() <= shown.keys(), f"a section in {ANNOTATED}"
    return {key: {name: shown[key][name] for name in definitions[section]["required"]} for key, section in sections.items()}


def test_the_annotated_file_names_every_sink_where_one_is_chosen() -> None:
    [line] = re.findall(r"^  type: file .*# (.*)$", ANNOTATED.read_text(encoding="utf-8"), re.M)
    assert sorted(re.findall(r"\w+", line.replace(" or ", " "))) == sorted(SINKS)


def test_the_annotated_file_names_every_detector() -> None:
    """Its list must be the default, which says so; a section for each is demanded above."""
    assert read_settings(str(ANNOTATED), {}).values["pipeline"]["detectors"] == list(DETECTORS)


def test_every_detector_has_a_page() -> None:
    names = [page.stem.replace("-", "_") for page in PAGES]
    assert [detector for detector in DETECTORS if not any(name.startswith(detector) for name in names)] == []


@every_page
def test_settings_that_are_named_exist(page: Path) -> None:
    known = set(keys(schema()))
    sections = {name.rpartition(".")[0] for name in known}
    known |= {name.replace("[0]", "[]") for name in known | sections} | sections | {"pipeline.host.name"}
    named = re.findall(r"`((?:inputs|pipeline|tail|output|detect|metrics|log)[.\[][\w.\[\]]+)(?:: [^`]+)?`", TEXT[page])
    fields = {"log.offset", "log.file.path"}

    assert {name for name in named if name not in known} - fields == set()


# Metrics, messages, tests.


def test_the_table_of_metrics_is_the_metrics_page() -> None:
    registry = CollectorRegistry()
    registry.register(VitalsCollector(Vitals(), lambda: 0))
    there = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    there |= {"mfa_shipper_lag_seconds", "mfa_shipper_checkpoint_age_seconds"}  # only once they are known
    table = re.findall(r"^\| `(\w+)(?:\{\w+\})?` \|", TEXT[DOCS / "operations.md"], re.M)
    of_detect = {metric.full_name for metric in METRICS} | {f"{DETECT}state_bytes"}

    assert sorted(table) == sorted(there)
    assert set(re.findall(r"mfa_shipper_detect_\w+", TEXT[DOCS / "detect.md"])) == of_detect
    assert {name for text in TEXT.values() for name in re.findall(r"mfa_shipper_\w+", text)} <= there | of_detect


def test_messages_that_are_explained_are_printed_by_something() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", TEXT[DOCS / "troubleshooting.md"].replace("\\|", "¦"), re.M)
    messages = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "shipper").rglob("*.py"))

    assert len(messages) > 12
    assert [message for message in messages if message not in source] == []


def test_what_contributing_names_is_there() -> None:
    """Every path; and every name in one of the modules that its paragraph names."""
    found = 0
    for paragraph in TEXT[ROOT / "CONTRIBUTING.md"].split("\n\n"):
        paths = re.findall(r"`((?:shipper|tests|schemas|patterns|deploy)/[\w/.-]*)`", paragraph)
        assert [path for path in paths if "NAME" not in path and not (ROOT / path).exists()] == []
        source = "".join((ROOT / path).read_text(encoding="utf-8") for path in paths if path.endswith((".py", ".pyi")))
        names = re.findall(r"`([A-Z]\w+)(?:\.(?!md|toml)\w+)?`", paragraph)
        assert [name for name in names if not re.search(rf"\b{name}\b", source)] == []
        found += len(names)
    assert found > 8


def test_every_guarantee_names_a_test_that_is_there() -> None:
    table = TEXT[DOCS / "guarantees.md"].split("## When something goes wrong")[1].split("##")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    shown = [re.findall(r"`(tests/[\w/]+\.py)`", row) for row in rows]

    assert len(shown) > 12
    assert all(shown)
    assert [path for paths in shown for path in paths if not (ROOT / path).exists()] == []


def test_the_page_of_formats_names_each_exporter() -> None:
    table = tomllib.loads((ROOT / "schemas" / "envelopes.toml").read_text(encoding="utf-8"))
    assert [
        name for name in (entry["name"] for entry in table.pop("shippers").values()) if name not in TEXT[DOCS / "formats.md"]
    ] == []
    for entry in table.values():
        row = f"| {entry['name']} | {entry['form']} | {entry['command']} | {entry['source']} |"
        assert row in TEXT[DOCS / "formats.md"]
