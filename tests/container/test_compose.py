"""The compose file: Docker's own reader accepts it, and mfa-shipper the configurations that it mounts."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.tools import DEPLOY, run, tool

FILE = DEPLOY / "docker" / "compose.yaml"
OURS = ("to-kafka", "to-opensearch", "detect")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"]
    return found


def test_docker_can_read_it(tmp_path: Path) -> None:
    done = run(tool("compose-go", "make container-tools"), FILE)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) >= set(OURS)

    wrong = tmp_path / "compose.yaml"
    wrong.write_text(FILE.read_text(encoding="utf-8").replace("read_only:", "readonly:"), encoding="utf-8")
    assert run(tool("compose-go", "make container-tools"), wrong).returncode != 0


@pytest.mark.parametrize("name", OURS)
def test_ours_may_do_nothing_but_ship(name: str, services: dict[str, dict[str, Any]]) -> None:
    service = services[name]
    assert (service["read_only"], service["cap_drop"], service["security_opt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert [volume for volume in service["volumes"] if not volume.endswith(":ro")] == [f"{name}:/var/lib/mfa-shipper"]


def test_what_is_mounted_is_there(services: dict[str, dict[str, Any]]) -> None:
    places = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    mounted = [place for place in places if place.startswith(".")]
    assert len(mounted) == 4
    assert [place for place in mounted if not (FILE.parent / place).exists()] == []


@pytest.mark.parametrize("name", ["kafka", "opensearch", "detect"])
def test_mfa_shipper_accepts_the_configurations(name: str, tmp_path: Path) -> None:
    text = (FILE.parent / f"{name}.yaml").read_text(encoding="utf-8")
    assert "metrics: {listen: 127.0.0.1:9108}" in text, "the image's health check asks there"
    config = tmp_path / "config.yaml"
    config.write_text(text.replace("/var/lib/mfa-shipper", str(tmp_path)).replace(":9108", ":0"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "check", "--config", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
