"""Which rotated files no input matches, and the glob that does."""

from pathlib import Path

import pytest

from shipper.read.inputs import TailInput, matches
from shipper.read.unmatched import advice


def advised(folder: Path, *paths: str, exclude: tuple[str, ...] = ()) -> list[tuple[int, str, bool, str]]:
    """Advice with names for paths."""
    given = [TailInput(str(folder / path), exclude=tuple(str(folder / name) for name in exclude)) for path in paths]
    return [
        (number, Path(rotated).name, is_there, str(Path(remedy).relative_to(folder)))
        for number, rotated, is_there, remedy in advice(given)
    ]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()


@pytest.mark.parametrize(
    ("path", "rotated", "remedy"),
    [
        ("a.log", "a.log.1", "a.log*"),
        ("*.log", "a.log.1", "*.log*"),
        ("*.log", "a.log-20170214.gz", "*.log*"),
        ("?.log", "a.log.2.gz", "?.log*"),
        ("a.log", "a-20170214.log", "a*.log*"),
        ("[ab].log", "a_2017-02-14.log", "[ab]*.log*"),
    ],
)
def test_a_rotated_file_that_lies_beside_its_log(path: str, rotated: str, remedy: str, tmp_path: Path) -> None:
    touch(tmp_path, "a.log", rotated)
    assert advised(tmp_path, path) == [(0, rotated, True, remedy)]
    assert advised(tmp_path, remedy) == []
    assert {str(tmp_path / "a.log"), str(tmp_path / rotated)} <= set(matches(str(tmp_path / remedy)))


def test_a_log_whose_name_has_brackets(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].log", "a[1].log.1")
    assert advised(tmp_path, "a[1].log") == [(0, "a[1].log.1", True, "a[[]1].log*")]
    assert advised(tmp_path, "a[[]1].log*") == []


@pytest.mark.parametrize("path", ["*.log", "a.log", "[ab].log", "?.log"])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_path_that_could_match_no_rotated_file(path: str, is_there: bool, tmp_path: Path) -> None:
    if is_there:
        touch(tmp_path, "a.log")
    [(number, rotated, lies_there, remedy)] = advised(tmp_path, path)
    assert (number, lies_there, remedy) == (0, False, f"{path}*")
    assert rotated.endswith(".log.1")


@pytest.mark.parametrize("path", ["*.log*", "a.log*", "*", "[ab].log?*", "a.log.[0-9]", "*.txt", "a.txt"])
def test_a_path_that_matches_them_or_is_none_of_a_log(path: str, tmp_path: Path) -> None:
    assert advised(tmp_path, path) == []
    touch(tmp_path, "a.log", "a.log.1")
    if not path.endswith("txt"):
        assert advised(tmp_path, path) == []


def test_programs_that_date_their_logs_rotate_nothing_else(tmp_path: Path) -> None:
    touch(tmp_path, "a-20170213.log", "a-20170214.log")
    assert advised(tmp_path, "*.log") == []


def test_a_folder_another_input_and_what_is_excluded_are_no_near_misses(tmp_path: Path) -> None:
    touch(tmp_path, "logs/a.log", "logs/a.log.1")
    assert advised(tmp_path, "logs") == []
    assert advised(tmp_path, "logs/a.log", "logs/a.log.*") == []
    assert advised(tmp_path, "logs/a.log", exclude=("logs/*.1",)) == []
    assert advised(tmp_path, "logs/a.log*", exclude=("logs/*.1",)) == []
    assert advised(tmp_path, "logs/b.log", "logs/a.log")[1] == (1, "a.log.1", True, str(Path("logs/a.log*")))


def test_other_logs_and_other_folders_are_no_rotated_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.log", "b.log.1", "a_2.log", "old/a.log.1")
    assert advised(tmp_path, "a.log*") == []
    assert [is_there for _, _, is_there, _ in advised(tmp_path, "a.log")] == [False]
