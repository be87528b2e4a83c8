"""Positions of files that are long gone are forgotten: in the checkpoint, and in a sink that stores positions."""

from pathlib import Path

import pytest

from shipper.sidecar.checkpoint import Checkpoint
from shipper.sidecar.places import read_records
from tests.support.loop import loop

MOST = 3


@pytest.fixture(autouse=True)
def _few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("shipper.read.position", "shipper.sidecar.loop"):
        monkeypatch.setattr(f"{module}.MOST_GONE", MOST)


def test_positions_of_files_long_gone_are_forgotten(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    with loop(tmp_path) as running:
        running.sink.stores_places = True
        for number in range(3 * MOST):
            log = logs / f"Mfa{'abcdefghi'[number]}.log"
            log.write_text(f"2017-02-14T02:57:{number:02}.000000Z|0|1412|6452|pfrad|line {number}\n")
            running.turn(20)
            log.unlink()
            running.turn(20)
        (logs / "Mfa.log").write_text("2017-02-14T03:57:00.000000Z|0|1412|6452|pfrad|the last line\n")
        running.turn(20)
        stored = Checkpoint(str(tmp_path / "state")).load()
        assert len(stored.places) <= MOST + 1
        assert len(stored.warm) <= MOST + 1

        (logs / "Mfa.log").write_text("2017-02-14T03:57:00.000000Z|0|1412|6452|pfrad|the last line\n2017|and what follows\n")
        running.turn(20)  # the next batch takes with it what is to be forgotten
        places, warm = read_records({key: value for key, value in running.sink.places.items() if key != b"batch"})

    assert len(running.events) == 3 * MOST + 2
    assert places.keys() == stored.places.keys()
    assert warm.keys() == stored.warm.keys()
    assert {place.path for place in places.values()} >= {str(logs / "Mfa.log"), str(logs / "Mfai.log")}
