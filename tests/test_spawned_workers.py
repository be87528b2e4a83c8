"""`--workers` where there is no fork, as on Windows: the work is sent to new processes, and gives the bytes of one."""

import gzip
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.generate import Recipe, generate

# Small logs are cut into many pieces.
COMMAND = """
import atexit
import multiprocessing.process
import sys
from shipper.parallel import shards, starting
atexit.register(lambda: print("processes", next(multiprocessing.process._process_counter) - 1, file=sys.stderr))
starting.METHOD = "spawn"
shards.LEAST, shards.MOST = 30_000, 60_000
from shipper.cli import main
main()
"""


def command(*arguments: str | Path, given: bytes = b"", started: int = 0) -> tuple[bytes, list[str]]:
    """What a command, which starts so many processes, writes; and the words that it says in some order, but for the seconds that it took: of classes that are as
    common as each other any may come first."""
    called = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    done = subprocess.run(called, input=given, capture_output=True, timeout=300, check=False)
    said, _, processes = done.stderr.decode().rpartition("processes ")
    assert (done.returncode, processes.strip()) == (0, str(started)), said
    return done.stdout, sorted(said.partition(" out")[2].replace(",", " ").split())


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two logs, as they are and in archives of each kind."""
    folder = tmp_path_factory.mktemp("logs")
    for number in (1, 2):
        generate(Recipe(seed=number, lines=1500), folder / f"Mfa{number}.log")
    data = (folder / "Mfa1.log").read_bytes()
    (folder / "packed.log.gz").write_bytes(gzip.compress(data))
    with zipfile.ZipFile(folder / "logs.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "Mfa1.log", "one.log")
        archive.write(folder / "Mfa2.log", "two.log")
    for ending in ("tar", "tar.gz"):
        with tarfile.open(folder / f"logs.{ending}", "w:gz" if ending.endswith("gz") else "w") as tar:
            tar.add(folder / "Mfa1.log", "one.log")
            tar.add(folder / "Mfa2.log", "two.log")
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ("Mfa1.log", "Mfa2.log"),
        ("Mfa1.log", "Mfa2.log", "--across", "--only", "findings"),
        ("packed.log.gz", "Mfa2.log", "--format", "splunk-hec", "--events", "exchange"),
        ("logs.zip",),
        ("logs.tar", "--where", "event.kind=alert"),
        ("logs.tar.gz",),
    ],
    ids=" ".join,
)
def test_parse_gives_the_bytes_of_one_process(arguments: tuple[str, ...], logs: Path) -> None:
    given = ["parse", *(logs / word if word.startswith(("Mfa", "packed", "logs")) else word for word in arguments)]
    alone, said = command(*given, "--deterministic")
    started = 2 if "logs" in arguments[0] else 3  # an archive has two logs that cannot be cut
    assert command(*given, "--deterministic", "--workers", "3", started=started) == (alone, said)
    assert alone


def test_a_file_is_written_whole(logs: Path, tmp_path: Path) -> None:
    alone, _ = command("parse", logs / "Mfa1.log", logs / "Mfa2.log", "--deterministic")
    out = tmp_path / "out.ndjson"
    given = ("parse", logs / "Mfa1.log", logs / "Mfa2.log", "--deterministic", "--workers", "3", "--output", out)
    assert command(*given, started=3)[0] == b""
    assert out.read_bytes() == alone
    assert list(tmp_path.iterdir()) == [out]


def test_standard_input_is_read_by_one_process(logs: Path) -> None:
    data = (logs / "Mfa1.log").read_bytes()
    arguments = ("parse", "-", logs / "Mfa2.log", "--deterministic")
    assert command(*arguments, "--workers", "3", given=data) == command(*arguments, given=data)


@pytest.mark.parametrize(
    ("names", "started"), [(("Mfa1.log", "Mfa2.log"), 3), (("packed.log.gz", "Mfa2.log"), 3), (("logs.zip",), 2)], ids=str
)
def test_a_report_is_that_of_one_process(names: tuple[str, ...], started: int, logs: Path) -> None:
    given: list[str | Path] = ["report", *(logs / name for name in names), "--format", "json"]
    assert command(*given, "--workers", "3", started=started) == command(*given)
