"""CONTRIBUTING's recipe of a detector: one that is added from outside is known wherever detectors are."""

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from shipper.commands.progress import summary
from shipper.config.load import load_config
from shipper.config.schema import schema
from shipper.decode.library import load
from shipper.detect import DETECTORS, default_rules, rules_for
from shipper.errors import UsageError
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings
from shipper.sidecar.assemble import settings_of
from shipper.times import SECOND
from tests.support.burst import BURST, Rule
from tests.support.kafka import free_port
from tests.support.process import Shipper, configuration, until

FILE = LogFile("Mfa.log", "0123456789abcdef", "2017-02-14T02:57:24.600871Z")
LOG = "".join(
    f"2017-02-14T02:57:{second:02}.{fraction}Z|0|1412|6452|pfrad|{message}\n"
    for second, verdict in ((10, 1), (14, 1), (18, 0), (40, 1))
    for fraction, message in (
        ("000000", "Calling pfAuthUser('CONTOSO\\bob', '', 1)"),
        ("500000", f"authResult = {verdict}"),
        ("500000", f"rawCallStatus = {21 if verdict else 133}"),
    )
).encode()
CONFIG = "state_dir: {0}/state\ninputs: [{{path: {0}/logs/*.log}}]\noutput: {{type: stdout}}\n"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "burst", BURST)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "Mfa.log"
    path.write_bytes(LOG)
    return path


def actions(output: bytes | str) -> list[str]:
    """`event.action` of the alerts."""
    events = [json.loads(line)["event"] for line in output.splitlines()]
    return [event["action"] for event in events if event["kind"] == "alert"]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command with the detector in the register."""
    words = [sys.executable, "-m", "tests.support.burst", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.usefixtures("registered")
def test_the_pipeline_runs_it_and_the_summary_tells_it() -> None:
    counts = Counts()
    rules = {name: DETECTORS[name].rule() for name in ("double_prompt", "burst")}
    pipeline = Pipeline(Settings(load(), detectors=rules), counts)
    pipeline.open(FILE)

    block = pipeline(Chunk(LOG, 0))

    assert actions(block.data) == ["double_prompt", "double_prompt", "burst", "double_prompt"]
    [label] = [label for label, event in zip(block.labels, block.data.splitlines(), strict=True) if b'"burst"' in event]
    assert (label[0], label[1], label[2].kind, label[3]) == (
        "2017-02-14T02:57:18.500000Z",
        f"{FILE.fingerprint}-{LOG.index(b'2017-02-14T02:57:18')}-b",
        "alert",
        "contoso\\bob",
    )
    event = next(json.loads(event) for event in block.data.splitlines() if b'"burst"' in event)
    assert event["azure_mfa"] == {"burst": {"number": 3, "window_ms": 10_000}}
    assert event["rule"] == {"name": "burst", "ruleset": "mfa-shipper", "version": "1"}
    assert event["threat"] == {"framework": "toy"}
    assert counts.findings == 4
    assert counts.detected == {"double_prompts": 3, "bursts": 1, "burst_failures": 1}
    assert "\n  double prompts 3\n  bursts 1 (1 failed)" in summary(counts, 0, rules)
    assert list(default_rules()) == list(DETECTORS)


@pytest.mark.usefixtures("registered")
def test_its_state_is_part_of_the_snapshot() -> None:
    whole, first, second = (Pipeline(Settings(load()), Counts()) for _ in range(3))
    at = LOG.index(b"2017-02-14T02:57:18")
    for pipeline in (whole, first, second):
        pipeline.open(FILE)
    whole(Chunk(LOG[:at], 0))
    first(Chunk(LOG[:at], 0))
    second.restore(first.snapshot())

    assert second(Chunk(LOG[at:], at)).data == whole(Chunk(LOG[at:], at)).data
    assert second.counts.detected["bursts"] == 1


@pytest.mark.usefixtures("registered")
def test_the_configuration_has_its_section(tmp_path: Path, log: Path) -> None:
    path = tmp_path / "config.yaml"

    def rules(pipeline: str) -> object:
        path.write_text(CONFIG.format(tmp_path) + f"pipeline: {{{pipeline}}}\n", encoding="utf-8")
        return settings_of(load_config(str(path), {})[0]).detectors

    assert rules("") == default_rules()
    everything = rules_for(DETECTORS, 300 * SECOND, {"burst": {"window": 5 * SECOND, "number": 2}})
    assert everything["burst"] == Rule(5 * SECOND, 2, 300 * SECOND)
    assert rules("burst: {window: 5s, number: 2}, double_prompt: {exchange_timeout: 5m}") == everything
    assert rules("detectors: [burst]") == {"burst": Rule()}
    assert rules("detectors: []") == {}
    with pytest.raises(UsageError, match=r"pipeline\.burst\.nummer: there is no such key; did you mean number\?"):
        rules("burst: {nummer: 2}")
    with pytest.raises(UsageError, match=r"pipeline\.detectors\[0\]: 'brust' is none of"):
        rules("detectors: [brust]")
    with pytest.raises(UsageError, match=r"pipeline\.mfa_fatigue\.count: .*1"):
        rules("mfa_fatigue: {count: 0}")
    with pytest.raises(UsageError, match=r"pipeline\.mfa_fatigue\.exchange_timeout: there is no such key"):
        rules("mfa_fatigue: {exchange_timeout: 5m}")
    section = schema()["$defs"]["BurstSection"]
    assert section["description"] == Rule.__doc__
    number = section["properties"]["number"]
    assert (number["default"], number["anyOf"][0]) == (3, {"type": "integer"})


def test_parse_takes_its_name(log: Path) -> None:
    only = command("parse", "--only", "burst", log)
    assert (only.returncode, actions(only.stdout)) == (0, ["burst"])
    assert "double prompts" not in only.stderr
    assert "  bursts 1 (1 failed)\n" in only.stderr

    assert actions(command("parse", log).stdout).count("burst") == 1
    assert actions(command("parse", "--detect", "double_prompt", log).stdout) == ["double_prompt"] * 3
    assert actions(command("parse", "--detect", "burst", log).stdout) == ["burst"]

    other = command("parse", "--only", "burst", "--detect", "double_prompt", log)
    assert (other.returncode, other.stderr) == (2, "mfa-shipper: --only burst: --detect leaves it out\n")
    unknown = command("parse", "--detect", "double_prompt,brust", log)
    assert unknown.returncode == 2
    assert f"there is no detector 'brust'; there are: {', '.join(DETECTORS)}, burst" in unknown.stderr


def test_the_metrics_of_run_show_it(tmp_path: Path, log: Path) -> None:
    port = free_port()
    output = {"type": "file", "file": {"path": str(tmp_path / "out.ndjson")}}
    pipeline = {"burst": {"window": "5s", "number": 2}, "detectors": ["burst"]}
    config = configuration(tmp_path, output, metrics={"listen": f"127.0.0.1:{port}"}, pipeline=pipeline)
    shipper = Shipper(tmp_path, config, module="tests.support.burst")
    shipper.start()

    def page() -> str:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    until(lambda: "mfa_shipper_events_delivered_total 14.0" in page(), "all events are delivered")
    shown = page()
    assert "mfa_shipper_bursts_total 2.0" in shown
    assert "mfa_shipper_burst_failures_total 1.0" in shown
    assert 'mfa_shipper_events_total{kind="burst"} 2.0' in shown
    assert "mfa_shipper_double_prompts_total 0.0" in shown
    assert shipper.terminate() == 0
    assert "stopped lines=12 events=14 bursts=2" in shipper.said()
