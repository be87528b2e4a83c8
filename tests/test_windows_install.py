"""What an administrator installs on Windows with: the examples load, and the scripts agree with the program."""

import os
import re
from pathlib import Path

import pytest

from shipper.config.load import load_config
from shipper.service.rights import ACCOUNT, NAME, service_sid

WINDOWS = Path(__file__).parents[1] / "deploy" / "windows"
SCRIPTS = {name: (WINDOWS / name).read_text(encoding="utf-8") for name in ("install.ps1", "uninstall.ps1")}
LOGS = r"C:\Program Files\Multi-Factor Authentication Server\Logs\*.log*"
STATE = r"C:\ProgramData\mfa-shipper\state"


@pytest.mark.parametrize("example", ["mfa-server", "nps"])
def test_an_example_is_a_configuration(example: str) -> None:
    config, _ = load_config(str(WINDOWS / f"{example}.yaml"), os.environ, "inputs")
    assert config.state_dir == STATE
    assert config.output.file is not None
    assert config.output.file.path == rf"{STATE}\events.ndjson"  # where the service may write


def test_the_example_for_mfa_server_has_its_folder() -> None:
    config, _ = load_config(str(WINDOWS / "mfa-server.yaml"), os.environ, "inputs")
    assert [section.path for section in config.inputs] == [LOGS]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_means_the_service_of_the_program(script: str) -> None:
    text = SCRIPTS[script]
    assert re.findall(r"\$Name = '([^']*)'", text) == [NAME]
    assert re.findall(r"\$ServiceSid = '([^']*)'", text) == [service_sid(NAME)]
    assert rf"NT SERVICE\{NAME}" == ACCOUNT


def test_the_scripts_make_what_the_examples_expect() -> None:
    assert "(Join-Path $env:ProgramData 'mfa-shipper')" in SCRIPTS["install.ps1"]
    [names] = re.findall(r"\[ValidateSet\(([^)]*)\)\]", SCRIPTS["install.ps1"])
    assert sorted(re.findall(r"'([^']+)'", names)) == sorted(path.stem for path in WINDOWS.glob("*.yaml"))
