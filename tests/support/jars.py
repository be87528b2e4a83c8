"""Jars that Maven fetches once, and a free port: what every real component of the tests needs."""

import hashlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache"


class Unavailable(Exception):
    """Java, Maven or the jars are not to be had."""


def class_path(name: str, pom: Path) -> str:
    """The class path of what a pom.xml asks for, in `.cache/NAME`; other processes wait for the one that fetches.

    Raises:
        Unavailable: with what to install.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise Unavailable(
                f"{program} is not installed; the tests against a real {name} need Java 17 or newer (a JDK) and Maven "
                "(Debian: apt-get install openjdk-17-jdk-headless maven)"
            )
    jars = CACHE / name
    CACHE.mkdir(exist_ok=True)
    with locked(CACHE / f"{name}.lock"):
        mark, wanted = jars / ".complete", hashlib.sha256(pom.read_bytes()).hexdigest()
        if not mark.exists() or mark.read_text() != wanted:
            shutil.rmtree(jars, ignore_errors=True)
            command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
            done = subprocess.run(
                [*command, f"-DoutputDirectory={jars}", "-DincludeScope=runtime"], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise Unavailable(f"Maven could not fetch {name}: {(done.stdout + done.stderr)[-600:]}")
            mark.write_text(wanted)
    return f"{jars}/*"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes. (Not on Windows, where no jars are fetched.)"""
    import fcntl

    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
