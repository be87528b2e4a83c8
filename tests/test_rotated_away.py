"""A log that is rotated several times while nobody can look, and of which only the live name is followed."""

from pathlib import Path

from tests.support.process import Shipper, configuration, numbered, until


def test_what_came_and_went_is_told(tmp_path: Path) -> None:
    out, log = tmp_path / "out.ndjson", tmp_path / "logs" / "a.log"
    config = configuration(tmp_path, {"type": "file", "file": {"path": str(out)}, "batch": {"max_age": "50ms"}})
    shipper = Shipper(tmp_path, config | {"inputs": [{"path": str(log)}]})
    log.write_bytes(numbered(0, 1))
    shipper.start()
    until(lambda: out.exists() and out.read_bytes().count(b"\n") == 1, "the first event")
    with shipper.frozen():
        for number in (1, 2, 3):
            for older in (2, 1):
                if (rotated := tmp_path / "logs" / f"a.log.{older}").exists():
                    rotated.rename(tmp_path / "logs" / f"a.log.{older + 1}")
            log.rename(tmp_path / "logs" / "a.log.1")
            log.write_bytes(numbered(number, number + 1))
    until(lambda: out.read_bytes().count(b"\n") == 2, "the last event")
    lost = len(numbered(1, 3))
    until(lambda: f"{lost} bytes of {log} are in a.log.1 and a.log.2 and are not read" in shipper.said(), "the loss in the log")
    assert shipper.terminate() == 0
