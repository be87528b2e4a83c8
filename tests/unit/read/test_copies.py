"""Copies of a log are read once, whatever their names; what only begins alike is read."""

import gzip
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.cli import command
from shipper.read.copies import BLOCK, without_copies
from shipper.read.inputs import TailInput, find_logs, open_inputs

LINES = [f"2017-02-14T02:57:{n:02d}.000000Z|0|1|2|pfrad|authResult = {n}\n".encode() for n in range(40)]
LOG = b"".join(LINES)


def read(*arguments: Path) -> tuple[list[str], list[str]]:
    """The names of the files that are read, and what is said of the others."""
    notes: list[str] = []
    with open_inputs(map(str, arguments), left_out=notes) as (logs, _):
        return [Path(member.path).name for log in logs for member in log.inputs], notes


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


def test_of_equal_files_the_one_with_the_shortest_name_is_read(tmp_path: Path) -> None:
    original, copy = put(tmp_path, "Mfa.log", LOG), put(tmp_path, "Mfa - Copy.log", LOG)
    packed, elsewhere = put(tmp_path, "other.gz", gzip.compress(LOG)), put(tmp_path, "old/Mfa.log", LOG)
    assert read(original, copy, packed, elsewhere) == (
        ["Mfa.log"],
        [f"{path} is a copy of {original}; it is read once" for path in (copy, packed, elsewhere)],
    )
    assert read(copy, original) == (["Mfa.log"], [f"{copy} is a copy of {original}; it is read once"])
    first, second = put(tmp_path, "a.log", LOG), put(tmp_path, "b.log", LOG)
    assert (read(first, second)[0], read(second, first)[0]) == (["a.log"], ["b.log"])


@pytest.mark.parametrize("size", [len(LINES[0]), len(LOG) - 5, BLOCK, BLOCK + 1])
def test_of_a_file_and_its_beginning_the_longer_is_read(tmp_path: Path, size: int) -> None:
    data = LOG * (1 + 2 * BLOCK // len(LOG))
    earlier, later = put(tmp_path, "a.log", data[:size]), put(tmp_path, "b.log", data)
    said = [f"{earlier} is a copy of the beginning of {later}; it is read once, as {later}"]
    assert read(earlier, later) == read(later, earlier) == (["b.log"], said)


def test_an_archive_beside_what_was_unpacked_from_it(tmp_path: Path) -> None:
    unpacked = put(tmp_path, "logs/Mfa.log", LOG)
    archive = tmp_path / "logs.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(unpacked, "logs/Mfa.log")
    assert read(unpacked.parent, archive) == (["Mfa.log"], [f"{archive}!logs/Mfa.log is a copy of {unpacked}; it is read once"])


def test_files_that_begin_alike_and_differ_are_read(tmp_path: Path) -> None:
    files = [
        put(tmp_path, f"{name}.log", LINES[0] + rest) for name, rest in [("a", LINES[1]), ("b", LINES[2] * 9), ("c", LINES[3])]
    ]
    again = put(tmp_path, "d.log", LINES[0] + LINES[2] * 9)
    assert read(*files, again) == (["a.log", "b.log", "c.log"], [f"{again} is a copy of {files[1]}; it is read once"])


def test_empty_files_are_no_copies(tmp_path: Path) -> None:
    names, notes = read(*[put(tmp_path, name, b"") for name in ("a.log", "b.log")])
    assert (sorted(names), notes) == (["a.log", "b.log"], [])


PACKED = gzip.compress(b"".join(LOG.replace(b"02:57", f"{n:02d}:57".encode()) for n in range(2, 20)))
WHOLE = gzip.decompress(PACKED)


@pytest.mark.parametrize("damage", [PACKED[:-9], PACKED[: len(PACKED) // 2], PACKED[:-8] + bytes(8)])
def test_what_can_be_read_of_a_damaged_file_is_compared(tmp_path: Path, damage: bytes) -> None:
    damaged, whole = put(tmp_path, "d.gz", damage), put(tmp_path, "Mfa.log", WHOLE)
    [note] = read(damaged, whole)[1]
    assert read(whole, damaged) == read(damaged, whole) == (["Mfa.log"], [note])
    part = "" if len(damage) > len(PACKED) - 10 else " of the beginning"
    assert note == f"{damaged} is damaged, and what can be read of it is a copy{part} of {whole}; it is read once, as {whole}"


def test_a_damaged_file_that_holds_more_is_read(tmp_path: Path) -> None:
    damaged, earlier = put(tmp_path, "d.gz", PACKED[:-9]), put(tmp_path, "Mfa.log", LINES[0])
    said = f"{earlier} is a copy of the beginning of {damaged}; it is read once, as {damaged}"
    assert read(damaged, earlier) == read(earlier, damaged) == (["d.gz"], [said])


def test_a_damaged_file_that_differs_is_read(tmp_path: Path) -> None:
    damaged = put(tmp_path, "d.gz", gzip.compress(LINES[0] + LINES[7] * 9)[:-9])
    assert read(damaged, put(tmp_path, "Mfa.log", LOG)) == (["Mfa.log", "d.gz"], [])


def test_a_copy_that_cannot_be_opened_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    log = put(tmp_path, "Mfa.log", LOG)
    with open_inputs([str(log)]) as ([given], _):
        [member] = given.inputs
        gone = replace(member, path=str(tmp_path / "gone.log"))
        notes: list[str] = []
        assert without_copies([member, gone], notes) == [member, gone]
    assert notes == []


def test_the_configuration_is_checked_with_the_same_files(tmp_path: Path) -> None:
    put(tmp_path, "Mfa.log", LOG), put(tmp_path, "Mfa - Copy.log", LOG)
    logs, notes = find_logs([TailInput(str(tmp_path))])
    assert len([member for log in logs for member in log.inputs]) == len(notes) == 1


def test_parse_plan_and_report_say_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    original, copy = put(tmp_path, "Mfa.log", LOG), put(tmp_path, "Mfa - Copy.log", LOG)
    note = f"note: {copy} is a copy of {original}; it is read once"
    given = [str(original), str(copy)]
    counts = command.main(["parse", "--output", str(tmp_path / "out"), *given], standalone_mode=False)
    assert counts.lines == len((tmp_path / "out").read_bytes().splitlines()) == len(LINES)
    assert note in capfd.readouterr().err
    command.main(["parse", "--plan", *given], standalone_mode=False)
    assert note in capfd.readouterr().out
    command.main(["report", "--format", "json", "--output", str(tmp_path / "report.json"), *given], standalone_mode=False)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert json.dumps(note.removeprefix("note: "))[1:-1] in json.dumps(report)
    assert report["quality"]["lines"] == len(LINES)
