"""The Windows service, as far as it is the same everywhere: who it is, what it may, its log, what other systems say."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from shipper.service.log import RotatingLog, log_file
from shipper.service.rights import access_list, service_sid
from shipper.sidecar.log import log, log_to, set_up


@pytest.mark.parametrize(
    ("name", "sid"),
    [
        ("TrustedInstaller", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"),  # that of every Windows
        ("trustedinstaller", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"),
    ],
)
def test_the_sid_of_a_service_is_made_of_its_name(name: str, sid: str) -> None:
    assert service_sid(name) == sid


def test_nobody_else_may_into_the_state_directory() -> None:
    sid = service_sid("mfa-shipper")
    assert access_list("mfa-shipper") == f"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;{sid})"


def test_the_log_of_a_service_takes_the_place_of_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.FileHandler(log_file(str(tmp_path)), encoding="utf-8")
    log_to([handler])
    try:
        set_up("info", "json", ["secret"])
        log("warning", "the secret is hidden", place="Zürich")
        set_up("info", "text", ["secret"])  # as a reload does
        log("info", "again")
    finally:
        log_to([])
        set_up("info", "text", [])
        handler.close()
    first, second = (tmp_path / "mfa-shipper.log").read_text(encoding="utf-8").splitlines()
    assert '"message": "the *** is hidden"' in first
    assert "Zürich" in first
    assert second.endswith(" again")
    log("info", "a line for the console")
    assert capsys.readouterr().err.endswith(" a line for the console\n")


def test_a_full_log_that_somebody_reads_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "mfa-shipper.log"
    (tmp_path / "mfa-shipper.log.1").mkdir()  # in the way, as a file is on Windows while it is open elsewhere
    (tmp_path / "mfa-shipper.log.1" / "x").touch()
    handler = RotatingLog(path, maxBytes=100, backupCount=1, encoding="utf-8")
    for number in range(20):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, f"line {number:020}", None, None))
    assert len(path.read_text().splitlines()) == 20

    (tmp_path / "mfa-shipper.log.1" / "x").unlink()
    (tmp_path / "mfa-shipper.log.1").rmdir()
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "last", None, None))
    handler.close()
    assert path.read_text() == "last\n"
    assert len((tmp_path / "mfa-shipper.log.1").read_text().splitlines()) == 20


@pytest.mark.posix("it says what Windows does not say")
@pytest.mark.parametrize("action", ["install", "start", "stop", "remove"])
def test_elsewhere_the_command_says_what_runs_the_sidecar(action: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "service", action, "--config", tmp_path / "c.yaml"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "mfa-shipper: `service` is for Windows; here systemd runs the sidecar: deploy/systemd/mfa-shipper.service\n"
    )
