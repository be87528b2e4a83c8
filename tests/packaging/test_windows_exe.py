"""The program for Windows, as its zip has it: under Wine, far from any Python, in a folder with blanks and umlauts in its name."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex

import pefile
import pytest

from deploy.windows.build import NAME, build, compiled
from shipper import __version__
from tests.support.kafka import LENT, Broker, create_topic, read_topic, start_or_skip
from tests.support.process import PROGRAM, numbered, until
from tests.support.tools import ROOT
from tests.support.windows import Windows, a_windows, environment
from tests.support.windows_services import Service, ServiceManager, service_manager

LOG = ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log"
# What every Windows has from 10 and Server 2016 on.
OF_WINDOWS = """advapi32 bcrypt bcryptprimitives crypt32 d3dcompiler_47 dbghelp gdi32 iphlpapi kernel32 netapi32 ntdll ntdsapi ole32
oleaut32 opengl32 powrprof psapi rpcrt4 secur32 shell32 user32 userenv version wevtapi winmm ws2_32"""
SYSTEM_LIBRARY = re.compile(rf"({'|'.join(OF_WINDOWS.split())}|api-ms-win-(core|crt)-.+)\.dll", re.I)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked zip."""
    start_or_skip(environment)
    place = tmp_path_factory.mktemp("Programme für München")
    with zipfile.ZipFile(build(place / "dist")) as archive:
        archive.extractall(place)
    return place / NAME


@pytest.fixture(scope="module")
def manager(folder: Path) -> Iterator[ServiceManager]:
    """A Windows that has nothing but itself in its PATH."""
    with service_manager() as made:
        complete(made.windows)
        path = made.run("cmd", "/c", "echo %PATH%").stdout.strip().split(";")
        assert path
        assert [place for place in path if not place.lower().startswith("c:\\windows")] == []
        yield made


def complete(windows: Windows) -> None:
    """Lend a library to Wine 8 that every Windows has."""
    shutil.copy2(environment() / "bcryptprimitives.dll", windows.prefix / "drive_c" / "windows" / "system32")


def run(manager: ServiceManager, folder: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the program beside its folder."""
    return manager.run(
        folder / "mfa-shipper.exe", *(f"Z:{one}" if isinstance(one, Path) else one for one in arguments), cwd=folder.parent
    )


def test_it_reads_a_log_as_linux_does(manager: ServiceManager, folder: Path) -> None:
    arguments = ["parse", "--deterministic", "--quiet", LOG.name]
    shutil.copy2(LOG, folder.parent)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    linux = [sys.executable, "-m", "shipper", *arguments]
    wanted = subprocess.run(linux, cwd=folder.parent, env=environment, capture_output=True, check=True).stdout

    done = run(manager, folder, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.encode() == wanted

    assert run(manager, folder, *arguments, "--workers", "2", "--output", "Ereignisse.ndjson").returncode == 0
    assert (folder.parent / "Ereignisse.ndjson").read_bytes() == wanted


def test_it_has_its_data(manager: ServiceManager, folder: Path) -> None:
    kernel = "compiled" if compiled() else "none (not built)"
    assert run(manager, folder, "--version").stdout == f"mfa-shipper, version {__version__}\nkernel: {kernel}\n"
    assert run(manager, folder, "check").stdout.endswith("patterns and status codes OK\n")
    page = folder.parent / "report.html"
    done = run(manager, folder, "report", LOG, "--output", page)
    assert (done.returncode, done.stderr) == (0, "")
    assert "<svg" in page.read_text(encoding="utf-8")


def test_run_delivers_to_kafka(manager: ServiceManager, folder: Path, broker: Broker, tmp_path: Path) -> None:
    topic = f"exe-{token_hex(3)}"
    create_topic(broker.address, topic)
    config, log = place(tmp_path, f"{{type: kafka, kafka: {{bootstrap_servers: ['{broker.address}'], topic: {topic}}}}}")
    service = Service(manager, [folder / "mfa-shipper.exe"], config)
    service("install")
    try:
        service("start")
        log.write_bytes(numbered(0, 500))
        until(lambda: len(read_topic(broker.address, topic)) == 500, "all is in Kafka")
        service("stop")
        log.write_bytes(log.read_bytes() + numbered(500, 1000))
        service("start")
        until(lambda: len(read_topic(broker.address, topic)) == 1000, "all is in Kafka")
        service("stop")
    finally:
        service("remove")
    read = {json.loads(record.value or b"")["message"] for record in read_topic(broker.address, topic)}
    assert read == {f"line {number}" for number in range(1000)}


def test_it_loses_nothing_while_it_is_killed_and_its_log_is_rotated(folder: Path, broker: Broker) -> None:
    test = ["tests/chaos/test_foreign.py", "-k", "kafka-python"]
    program = {PROGRAM: f"Z:{folder / 'mfa-shipper.exe'}", LENT: str(broker.port)}
    with a_windows() as windows:
        complete(windows)
        windows.env |= program
        done = windows.run(["-m", "pytest", "-q", "-p", "no:cacheprovider", *test], timeout=3600)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-5000:]
    assert b"2 passed" in done.stdout


def place(folder: Path, output: str) -> tuple[Path, Path]:
    """A configuration, and the log that it follows, below another folder with blanks and umlauts."""
    here = folder / "Prüfung der Anmeldung"
    (here / "logs").mkdir(parents=True)
    config = here / "config.yaml"
    config.write_text(f"state_dir: state\ninputs: [{{path: 'logs/*.log*'}}]\noutput: {output}\n", encoding="utf-8")
    return config, here / "logs" / LOG.name


def test_the_example_for_mfa_server_works_at_its_real_path(manager: ServiceManager, folder: Path) -> None:
    drive = manager.windows.prefix / "drive_c"
    logs = drive / "Program Files" / "Multi-Factor Authentication Server" / "Logs"
    logs.mkdir(parents=True)
    shutil.copy2(LOG, logs)
    (drive / "ProgramData").mkdir(exist_ok=True)
    config = folder / "examples" / "mfa-server.yaml"
    service = Service(manager, [folder / "mfa-shipper.exe"], config)
    done = run(manager, folder, "check", "--config", config)
    assert done.stdout.endswith("configuration OK\n"), done.stderr
    assert r"Logs\*.log* (1 file now)" in done.stdout

    service("install")
    try:
        service("start")
        events = drive / "ProgramData" / "mfa-shipper" / "state" / "events.ndjson"
        until(lambda: events.exists() and events.read_bytes().count(b"\n") == 24, "all is delivered")
    finally:
        service("remove")


def imports_of(path: Path) -> list[str]:
    """The libraries that a program or library asks for, at once or when it needs them."""
    with pefile.PE(str(path), fast_load=True) as binary:
        binary.parse_data_directories([1, 13])
        entries = [*getattr(binary, "DIRECTORY_ENTRY_IMPORT", []), *getattr(binary, "DIRECTORY_ENTRY_DELAY_IMPORT", [])]
        return [entry.dll.decode() for entry in entries]


def test_each_library_is_in_the_folder_or_in_every_windows(folder: Path) -> None:
    binaries = [path for path in folder.rglob("*") if path.suffix.lower() in (".exe", ".dll", ".pyd")]
    there = {path.name.lower() for path in binaries}
    wanted = {name.lower(): path.name for path in binaries for name in imports_of(path)}

    assert len(binaries) > 30
    assert "python311.dll" in wanted
    assert {name: of for name, of in wanted.items() if name not in there and not SYSTEM_LIBRARY.fullmatch(name)} == {}
    assert "bcryptprimitives.dll" not in there  # ours is for Wine alone


def test_the_folder_is_complete(folder: Path) -> None:
    for path in (ROOT / "patterns", ROOT / "schemas"):
        for file in path.rglob("*.*"):
            assert (folder / "_internal" / "shipper" / file.relative_to(ROOT)).read_bytes() == file.read_bytes()
    for name in ("README.md", "LICENSE.txt", "install.ps1", "uninstall.ps1", "docs/operations.md", "examples/nps.yaml"):
        assert (folder / name).is_file(), name
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert [link for link in re.findall(r"\]\(([^)#]+)", readme) if not (folder / link).exists() and link not in EXAMPLES] == []


EXAMPLES = ("mfa-server.yaml", "nps.yaml")


def test_the_licences_of_all_that_is_in_it_are_in_it(folder: Path) -> None:
    licences = {
        path.name.rpartition("-")[0].lower().replace("_", "-"): path for path in (folder / "licences").iterdir() if path.is_dir()
    }
    wanted = "click evtx kafka-python lz4 msgspec orjson prometheus-client pygrok pyinstaller pyyaml pywin32 regex rich zstandard"
    assert set(wanted.split()) - set(licences) == set()
    assert [name for name, path in licences.items() if not any(file.stat().st_size for file in path.iterdir())] == []
    assert "PYTHON SOFTWARE FOUNDATION" in (folder / "licences" / "CPython.txt").read_text(encoding="utf-8").upper()
    assert "OpenSSL Project" in (folder / "licences" / "OpenSSL.txt").read_text(encoding="utf-8")


def test_windows_shows_its_version(folder: Path) -> None:
    program = (folder / "mfa-shipper.exe").read_bytes()
    for text in ("ProductName", "mfa-shipper", "ProductVersion", __version__):
        assert f"{text}\0".encode("utf-16-le") in program
