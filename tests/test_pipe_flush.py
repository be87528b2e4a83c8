"""`parse -` on a pipe that stays open: a line that is written comes out as an event at once.

rsyslog, syslog-ng, Vector and the like start the command once and never close its standard input.
"""

import gzip
import json
import os
import select
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

STATUS = b"2017-02-14T02:57:%02d.600871Z|0|1412|6452|pfrad|rawCallStatus = 21\n"
PROMPT = 1.0  # seconds from a line to its event
START = 60.0  # seconds that a busy machine may take to start the command


class Filter:
    """The command with both ends of its pipe."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.into, self.out = process.stdin.fileno(), process.stdout.fileno()
        self._rest = b""

    def write(self, data: bytes) -> None:
        os.write(self.into, data)

    def event(self, within: float = PROMPT) -> dict[str, Any]:
        """The next event, which must come in time."""
        end = time.monotonic() + within
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self.out], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no event within {within} s"
            block = os.read(self.out, 65536)
            assert block, "the command has ended"
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def silent(self, seconds: float) -> bool:
        return not self._rest and not select.select([self.out], [], [], seconds)[0]


@contextmanager
def started(*options: str) -> Iterator[Filter]:
    """The command on a pipe; it must end well when the pipe is closed."""
    with subprocess.Popen(
        [sys.executable, "-m", "shipper", "parse", "--deterministic", "--quiet", *options, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield Filter(process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(30) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--format", "splunk-hec"), ("--where", "event.action=mfa-status")])
def test_each_line_comes_out_at_once(options: tuple[str, ...]) -> None:
    with started(*options) as pipe:
        for number in range(4):
            pipe.write(STATUS % number)
            event = pipe.event(PROMPT if number else START)
            event = event.get("event", {}) if "sourcetype" in event else event
            assert event["event"]["original"].encode() + b"\n" == STATUS % number
            assert event["log"]["offset"] == number * len(STATUS % 0)


def test_half_a_line_waits_for_its_end() -> None:
    with started() as pipe:
        pipe.write(STATUS % 1)
        first = pipe.event(START)
        pipe.write((STATUS % 2)[:30])
        assert pipe.silent(0.3)
        pipe.write((STATUS % 2)[30:])
        second = pipe.event()
    assert second["event"]["original"].encode() + b"\n" == STATUS % 2
    assert first["event"]["id"].partition("-")[0] == second["event"]["id"].partition("-")[0]


def test_lines_before_the_first_dated_one_wait_for_it() -> None:
    """Their ids are made of it, so they cannot come earlier; behind it nothing waits."""
    with started() as pipe:
        pipe.write(b"Log file opened\n")
        pipe.write(STATUS % 1)
        assert pipe.event(START)["event"]["original"] == "Log file opened"
        assert pipe.event()["event"]["code"] == "21"
        pipe.write(b"something else\n")
        assert pipe.event()["event"]["original"] == "something else"


def test_utf_16_with_a_byte_order_mark() -> None:
    with started() as pipe:
        pipe.write(b"\xff\xfe" + (STATUS % 1).decode().encode("utf-16-le"))
        assert pipe.event(START)["event"]["code"] == "21"
        pipe.write((STATUS % 2).decode().encode("utf-16-le"))
        assert pipe.event()["event"]["code"] == "21"


def test_gzip_that_is_flushed_line_by_line() -> None:
    packer = zlib.compressobj(wbits=31)
    with started() as pipe:
        for number in range(3):
            pipe.write(packer.compress(STATUS % number) + packer.flush(zlib.Z_SYNC_FLUSH))
            event = pipe.event(PROMPT if number else START)
            assert event["event"]["original"].encode() + b"\n" == STATUS % number
        pipe.write(packer.flush())


def test_ids_are_those_of_the_same_bytes_in_one_piece() -> None:
    lines = [b"no date\n", *(STATUS % number for number in range(3)), b"none either\n"]
    whole = subprocess.run(
        [sys.executable, "-m", "shipper", "parse", "--deterministic", "-q", "-"],
        input=gzip.compress(b"".join(lines)),
        capture_output=True,
        check=True,
        timeout=60,
    )
    with started() as pipe:
        for line in lines:
            pipe.write(line)
        events = [pipe.event(START) for _ in lines]
    assert events == [json.loads(line) for line in whole.stdout.splitlines()]
