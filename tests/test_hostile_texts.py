"""Logs full of users, threads and components of a megabyte, or of ever new ones: none fills the memory, and what is given up is said."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shipper.decode import compiled
from tests.support.process import Shipper, configuration, delivered, until

pytestmark = pytest.mark.slow

LAUNCH = Path(__file__).parent / "bench" / "launch.py"
LEAST = 128 << 20  # bytes of memory that must be enough
Lines = Callable[[], Iterator[bytes]]
LONG = b"x" * 1_000_000
ID = b"01234567-89ab-cdef-0123-456789abcdef"
APP = b'SUCCESS_PHONE_APP_AUTHENTICATED - "Phone App Authenticated"'


def stamp(number: int) -> bytes:
    """A millisecond later for each number."""
    return f"{datetime(2017, 2, 14) + timedelta(milliseconds=number):%Y-%m-%dT%H:%M:%S.%f}Z".encode()


def request(number: int, user: bytes, component: bytes = b"pfrad") -> bytes:
    return stamp(number) + b"|0|1|%d|%b|Calling pfAuthUser('%b', '', 1)\n" % (number, component, user)


def result(number: int, user: bytes, status: bytes = APP) -> bytes:
    return stamp(number) + b"|i|1|1|pfsvc|%b|Pfauth succeeded for user '%b'. Call status: %b.\n" % (ID, user, status)


def long_users() -> Iterator[bytes]:
    return (request(number, b"DOMAIN\\u%d" % number + LONG) for number in range(150))


def many_users_of_4000_characters() -> Iterator[bytes]:
    return (request(number, b"u%d" % number + LONG[:4000]) for number in range(20_000))


def long_arguments() -> Iterator[bytes]:
    return (request(number, b"u', '%d" % number + LONG) for number in range(100))


def long_components() -> Iterator[bytes]:
    return (request(number, b"anna", b"c%d" % number + LONG) for number in range(150))


def long_names_of_results() -> Iterator[bytes]:
    return (result(number, b"u%d" % number + LONG) for number in range(150))


def long_descriptions() -> Iterator[bytes]:
    return (result(number, b"u%d" % number, b'X%d - "%b"' % (number, LONG)) for number in range(100))


def many_open_requests() -> Iterator[bytes]:
    return (request(number, b"DOMAIN\\user%d" % number) for number in range(100_000))


def many_open_requests_of_200_characters() -> Iterator[bytes]:
    return (request(number, b"user%d" % number + LONG[:200]) for number in range(60_000))


def many_users() -> Iterator[bytes]:
    return (result(number, b"user%d" % number) for number in range(100_000))


def many_users_who_refuse_twice() -> Iterator[bytes]:
    refused = b'NO_PHONE_INPUT_TIMED_OUT - "No Phone Input - Timed Out"'
    return (result(number, b"user%d" % (number // 2), refused) for number in range(100_000))


GIVES_UP: list[Lines] = [
    long_users, many_users_of_4000_characters, many_open_requests, many_open_requests_of_200_characters, many_users,
    many_users_who_refuse_twice,
]  # fmt: skip
HOSTILE: list[Lines] = [*GIVES_UP, long_arguments, long_components, long_names_of_results, long_descriptions]


def parsed(lines: Lines, log: Path, *options: str, **environment: str) -> tuple[int, str]:
    """Bytes of memory that `parse` took at most, and what it said."""
    with open(log, "wb") as file:
        file.writelines(lines())
    command = [sys.executable, "-I", "-S", str(LAUNCH), os.devnull, sys.executable, "-m", "shipper", "parse", *options, str(log)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    status, _, _, peak = done.stdout.split()
    assert status == "0", done.stderr
    return int(peak), done.stderr


@pytest.mark.parametrize("hostile", HOSTILE)
def test_parse(hostile: Lines, tmp_path: Path) -> None:
    peak, said = parsed(hostile, tmp_path / "a.log")
    assert peak < LEAST
    assert ("given up because memory was full" in said) == (hostile in GIVES_UP), said


@pytest.mark.skipif(bool(compiled.WHY_NOT), reason=f"no kernel: {compiled.WHY_NOT}")
@pytest.mark.parametrize("unit", ["line", "exchange"])
def test_open_requests_take_no_more_memory_in_the_kernel(unit: str, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    peaks = [parsed(many_open_requests, log, "--events", unit, MFA_SHIPPER_KERNEL=kernel)[0] for kernel in ("on", "off")]
    assert peaks[0] < peaks[1] * 1.1


@pytest.mark.parametrize("hostile", [long_users, many_open_requests, many_users_who_refuse_twice])
def test_run_and_its_warm_start(hostile: Lines, tmp_path: Path) -> None:
    """Killed and started again, it reads the recent past, and takes no more memory than before."""
    output = {"type": "file", "file": {"path": str(tmp_path / "out.ndjson")}, "batch": {"max_age": "50ms"}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output, metrics={"listen": "127.0.0.1:0"}))
    log = tmp_path / "logs" / "Mfa.log"
    with open(log, "wb") as file:
        file.writelines(hostile())
    lines = sum(1 for _ in hostile())

    peaks = []
    for start in range(2):
        shipper.start()
        until(lambda: delivered(tmp_path) == log.stat().st_size, lambda: f"all that is there\n{shipper.said()}")
        last = request(lines + start, b"anna")
        with open(log, "ab") as file:
            file.write(last)
        until(lambda: delivered(tmp_path) == log.stat().st_size, lambda: f"what comes later\n{shipper.said()}")
        peaks.append(shipper.memory("VmHWM"))
        shipper.kill()
    assert max(peaks) < LEAST
    assert peaks[1] < peaks[0] * 1.1
