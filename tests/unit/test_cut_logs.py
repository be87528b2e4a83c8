"""A log that is cut and written on is read on when it is kept what its ids begin with: a shipper that dies gives the same."""

from pathlib import Path

from tests.support.loop import Loop

LINE = "2017-02-14T02:57:{:02d}.000000Z|0|1412|6452|pfrad|line {}\n"


def write(log: Path, mode: str, *numbers: int) -> None:
    with log.open(mode) as file:
        file.writelines(LINE.format(number, number) for number in numbers)


def test_nothing_is_sent_under_ids_that_could_not_be_kept(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "a.log"
    write(log, "w", 10, 11, 12, 13)
    first = Loop(tmp_path)
    first.try_to_turn(50)
    assert len(first.events) == 4
    obstacle = tmp_path / "state" / "checkpoint.json.new"
    obstacle.mkdir()  # as a full disk
    write(log, "w", 10, 20, 21, 22, 23)
    first.try_to_turn(50)
    assert len(first.events) == 4
    obstacle.rmdir()
    first.try_to_turn(50)
    ids = {event["event"]["id"]: event["message"] for event in first.events}
    assert sorted(ids.values()) == sorted(["line 10", *(f"line {number}" for number in (10, 11, 12, 13, 20, 21, 22, 23))])

    second = Loop(tmp_path)  # the first one was killed
    write(log, "a", 24)
    second.try_to_turn(50)
    for event in second.events:
        assert ids.setdefault(event["event"]["id"], event["message"]) == event["message"]
    assert len(ids) == 10
    second.sidecar.stop(0)
    first.sidecar.stop(0)
