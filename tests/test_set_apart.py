"""A running shipper finds out that two files of one name are two logs: no event is lost, none comes twice, no sign-in is torn."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.loop import loop


def line(second: int, message: str) -> bytes:
    minutes, seconds = divmod(second, 60)
    return f"2017-02-14T{2 + minutes // 60:02}:{minutes % 60:02}:{seconds:02}.000000Z|0|1412|{6452 + second % 7}|pfrad|{message}\n".encode()


def request(second: int, user: str) -> bytes:
    return line(second, f"Calling pfAuthUser('CONTOSO\\{user}', '', 1)")


def status(second: int) -> bytes:
    return line(second, "authResult = 1") + line(second, "rawCallStatus = 21")


class Servers:
    """Two servers whose logs have one name but for a number."""

    def __init__(self, folder: Path) -> None:
        self.paths = [folder / "logs" / name for name in ("Svc-01.log", "Svc-02.log")]
        self.paths[0].parent.mkdir()
        self.written = [b"", b""]

    def write(self, number: int, data: bytes) -> None:
        with open(self.paths[number - 1], "ab") as log:
            log.write(data)
        self.written[number - 1] += data

    @property
    def lines(self) -> list[str]:
        return [text.decode() for data in self.written for text in data.splitlines()]


def originals(events: list[dict[str, Any]]) -> list[str]:
    assert len({event["event"]["id"] for event in events}) == len(events)
    return [event["event"]["original"] for event in events if event["event"]["kind"] == "event"]


def sign_ins(events: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Of each sign-in that is complete, when it began and ended, by user."""
    return {
        event["user"]["name"]: (event["event"]["start"][14:19], event["event"]["end"][14:19])
        for event in events
        if event["event"].get("action") == "mfa-status" and "start" in event["event"]
    }


@pytest.mark.parametrize("restart", [False, True])
def test_a_sign_in_that_is_open_when_its_log_is_set_apart_is_whole(tmp_path: Path, restart: bool) -> None:
    servers = Servers(tmp_path)
    servers.write(1, request(0, "anna") + status(7))
    servers.write(2, request(2, "ben") + status(9) + request(15, "ben"))  # and again, which is a double prompt
    with loop(tmp_path) as running:
        running.turn()
        events = running.events
        assert not running.sidecar.apart
        servers.write(1, request(604, "carla"))  # more than the timeout behind the beginning of the other log
        if not restart:
            running.turn()
            servers.write(2, status(22))
            running.turn()
            assert list(running.sidecar.apart) == [str(servers.paths[1])]
            events = running.events
    with loop(tmp_path) as running:
        if restart:
            servers.write(2, status(22))
        servers.write(1, status(611))
        running.turn()
        events += running.events
    with loop(tmp_path) as running:  # the positions are those of two logs now
        servers.write(2, request(620, "ben") + status(627))
        running.turn()
        events += running.events
        assert {place.source.partition(" ")[0] for place in running.tail._known.positions.values()} == {
            str(tmp_path / "logs" / "Svc.log")
        }

    assert sorted(originals(events)) == sorted(servers.lines)
    assert not [event for event in events if "mfa_orphan" in event.get("tags", [])]
    assert sign_ins(events) == {"anna": ("00:00", "00:07"), "ben": ("10:20", "10:27"), "carla": ("10:04", "10:11")}
    [finding] = [event for event in events if event["event"]["kind"] == "alert"]
    assert finding["user"]["name"] == "ben"


def test_what_waits_to_be_merged_comes_once(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    servers.write(1, request(0, "anna"))
    servers.write(2, request(2, "ben"))
    with loop(tmp_path, per_exchange=True) as running:
        running.turn()
        servers.write(1, line(604, "x"))
        running.turn()
        servers.write(2, status(9) + line(610, "x"))
        servers.write(1, line(5000, "x"))
        running.turn()
        servers.write(2, line(5000, "x"))
        running.turn()
        assert list(running.sidecar.apart) == [str(servers.paths[1])]
        assert sorted(originals(running.events)) == sorted(servers.lines)
