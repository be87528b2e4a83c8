"""The systemd units, by systemd's own checkers, and that the examples name the places which the units make."""

import re
import subprocess
from pathlib import Path

import pytest

from shipper.config.load import load_config
from tests.support.tools import DEPLOY, run, tool

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
SIDECAR = DEPLOY / "systemd" / "mfa-shipper.service"
EVENTS = "/var/log/mfa-shipper/events.ndjson"
each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def analyze(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return run(tool("systemd-analyze", "apt-get install --no-install-recommends systemd"), *arguments)


def settings(unit: Path) -> dict[str, list[str]]:
    """The settings of the section Service, each with all its values."""
    found: dict[str, list[str]] = {}
    section = unit.read_text(encoding="utf-8").split("[Service]\n")[1].split("\n[")[0]
    for line in section.splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_there_is_one_for_each_service() -> None:
    assert [unit.stem for unit in UNITS] == ["mfa-shipper-detect", "mfa-shipper"]


@each_unit
def test_the_unit_is_sound(unit: Path) -> None:
    done = analyze("verify", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_checker_sees_a_fault(tmp_path: Path) -> None:
    """A key that systemd does not know, as in a misspelt ExecReload."""
    unit = tmp_path / SIDECAR.name
    unit.write_text(SIDECAR.read_text(encoding="utf-8").replace("ExecReload=", "ExecReloads="), encoding="utf-8")
    assert "ExecReloads" in analyze("verify", unit).stderr


@each_unit
def test_the_unit_is_hardened(unit: Path) -> None:
    done = analyze("security", "--offline=yes", unit)
    found = re.search(r"Overall exposure level.*: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 2.0


@each_unit
def test_reload_is_a_hangup_and_a_wrong_configuration_is_not_tried_again(unit: Path) -> None:
    service = settings(unit)
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert service["RestartPreventExitStatus"] == ["2"]
    assert (service["User"], service["Group"]) == (["mfa-shipper"], ["mfa-shipper"])
    assert "DynamicUser" not in service, "its folders lie where no forwarder may look"


def below(path: str, folders: list[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def test_examples_write_where_the_unit_lets_them() -> None:
    service = settings(SIDECAR)
    folders = [f"/var/lib/{name}" for name in service["StateDirectory"]] + [
        f"/var/log/{name}" for name in service["LogsDirectory"]
    ]
    assert folders == ["/var/lib/mfa-shipper", "/var/log/mfa-shipper"]
    written, outputs = [], []
    for path in [*DEPLOY.glob("examples/*.yaml"), *DEPLOY.glob("pipes/stdout.yaml"), DEPLOY / "docs" / "mfa-shipper.yaml"]:
        config, _ = load_config(str(path), dict.fromkeys(("ES_API_KEY", "KAFKA_PASSWORD", "SPLUNK_HEC_TOKEN"), "secret"))
        written.append(config.state_dir)
        outputs += [config.output.file.path] if config.output.file else []
    absolute = [path for path in written + outputs if path.startswith("/")]
    assert [path for path in absolute if not below(path, folders)] == []
    assert len(absolute) >= 7
    assert outputs == [EVENTS, EVENTS]


@pytest.mark.parametrize(
    "forwarder",
    ["splunk/README.md", "pipes/filebeat.yml", "elastic/package/data_stream/events/manifest.yml", "docs/operations.md"],
)
def test_forwarders_look_where_the_unit_writes(forwarder: str) -> None:
    named = re.findall(r"/var/\w+(?:/\w+)*/mfa-shipper[\w./-]*", (DEPLOY / forwarder).read_text(encoding="utf-8"))
    events = [path for path in named if path.endswith(".ndjson")]
    assert set(events) <= {EVENTS}
    assert any(below(path, ["/var/log/mfa-shipper"]) for path in named)


def test_a_member_of_the_group_can_read_the_events() -> None:
    service = settings(SIDECAR)
    assert service["LogsDirectoryMode"] == service["StateDirectoryMode"] == ["0750"]
    assert service["UMask"] == ["0027"]
    page = (DEPLOY / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.search(r"useradd --system --user-group .*mfa-shipper$", page, re.M)
    assert service["SupplementaryGroups"] == re.findall(r"--groups (\w+) ", page)
