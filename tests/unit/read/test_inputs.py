"""Which files make one log, which the arguments name, and standard input."""

import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shipper.errors import UsageError
from shipper.model import LogFile
from shipper.read.files import Read, open_bytes
from shipper.read.inputs import TailInput, expand, fallback_time, find, open_inputs
from shipper.times import EPOCH, SECOND

FIRST = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)"
NOON = "2017-02-14T12:00:00Z"
LATER = "2017-02-15T00:00:00.000000Z|0|1412|6452|pfrad|x"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def sources(*arguments: object, deterministic: bool = True) -> list[list[str]]:
    """The names of the files, by source."""
    with open_inputs(map(str, arguments), deterministic=deterministic) as (found, _):
        return [[os.path.basename(one.path) for one in source.inputs] for source in found]


def log(directory: Path, name: str, stamp: str = "2017-02-14T02:57:19.234778Z") -> Path:
    directory.mkdir(exist_ok=True)
    data = f"{stamp}|0|1|2|pfrad|{name}\n".encode()
    path = directory / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def fault(*arguments: object) -> str:
    with pytest.raises(UsageError) as caught:
        expand(map(str, arguments))
    assert caught.value.exit_status == 2
    return str(caught.value)


# The time of a file without one


def test_fallback_is_the_modification_time(tmp_path: Path) -> None:
    path = log(tmp_path, "a.log")
    os.utime(path, ns=(0, 1_487_041_039_234_778_999))

    assert fallback_time(str(path), deterministic=False) == "2017-02-14T02:57:19.234778Z"
    assert fallback_time(str(path), deterministic=True) == EPOCH
    assert fallback_time("-", deterministic=False) == EPOCH


# Which files make one log


def test_folder_may_be_written_in_several_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log(tmp_path, "a.log", "2017-02-14T00:00:00Z")
    log(tmp_path, "a.log.1", "2017-02-13T00:00:00Z")
    log(tmp_path, "a.log.2", "2017-02-12T00:00:00Z")
    monkeypatch.chdir(tmp_path)

    assert sources("a.log", "./a.log.1", tmp_path / "a.log.2") == [["a.log.2", "a.log.1", "a.log"]]


def test_files_of_a_log_and_logs_among_each_other_are_in_the_order_of_their_first_time_stamps(tmp_path: Path) -> None:
    log(tmp_path, "b.log", "2017-02-14T00:00:00.5Z")
    log(tmp_path, "b.log.1.gz", "2017-02-14T00:00:00.49Z")
    log(tmp_path, "b-2016.log", "2016-12-31T00:00:00Z")
    log(tmp_path, "a.log", "2017-01-01T00:00:00Z")
    log(tmp_path / "other", "b.log", "2016-12-31T00:00:00.000000001Z")

    assert sources(tmp_path / "*log*", tmp_path / "other" / "b.log") == [
        ["b-2016.log", "b.log.1.gz", "b.log"],
        ["b.log"],
        ["a.log"],
    ]


def test_files_that_begin_at_one_time_are_in_the_order_in_which_they_end(tmp_path: Path) -> None:
    """Servers that write whole seconds, and rotate twice within one."""
    log(tmp_path, "a.log.1.gz").write_bytes(
        gzip.compress(f"{NOON}|0|1|2|pfrad|x\n{NOON.replace(':00Z', ':01Z')}|0|1|2|pfrad|y\n".encode())
    )
    log(tmp_path, "a.log").write_text(f"{NOON}|0|1|2|pfrad|x\n{NOON.replace(':00Z', ':02Z')}|0|1|2|pfrad|y\n")
    log(tmp_path, "a.log.2", NOON)
    log(tmp_path, "b.log", NOON)

    assert sources(tmp_path) == [["a.log.2", "a.log.1.gz", "a.log"], ["b.log"]]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["a.log", "a.log.1", "a.log.10", "a.log.2.gz"], ["a.log.10", "a.log.2.gz", "a.log.1", "a.log"]),
        (["a_2.log", "a (1).log", "a.log"], ["a_2.log", "a (1).log", "a.log"]),
        (["a-20170214.log", "a-20170213.log", "a.log"], ["a-20170213.log", "a-20170214.log", "a.log"]),
    ],
)
def test_of_files_that_begin_and_end_at_one_time_the_higher_number_is_older(
    tmp_path: Path, names: list[str], wanted: list[str]
) -> None:
    paths = [log(tmp_path, name) for name in names]

    assert sources(*paths) == [wanted]


def test_file_without_time_stamp_is_placed_by_its_modification_time(tmp_path: Path) -> None:
    log(tmp_path, "a.log.1", "2017-02-13T00:00:00Z")
    log(tmp_path, "a.log", "2017-02-15T00:00:00Z")
    (tmp_path / "a.log.0").write_bytes(b"no date\n")
    os.utime(tmp_path / "a.log.0", ns=(0, 1_487_041_039 * 10**9))

    assert sources(tmp_path / "a.*", deterministic=False) == [["a.log.1", "a.log.0", "a.log"]]
    assert sources(tmp_path / "a.*", deterministic=True) == [["a.log.0", "a.log.1", "a.log"]]


# When names mislead


def span(path: Path, *minutes: float, text: str = "x") -> Path:
    """A log with a line at each of these minutes after midnight."""
    stamps = (f"2017-02-14T{int(m) // 60:02}:{int(m) % 60:02}:{m % 1 * 60:09.6f}Z" for m in minutes)
    data = "".join(f"{stamp}|0|1|2|pfrad|{text}\n" for stamp in stamps).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def planned(*paths: Path, timeout: float = 10) -> list[tuple[list[str], str | None]]:
    with open_inputs(map(str, paths), exchange_timeout=int(timeout * 60 * SECOND)) as (logs, _):
        return [([os.path.basename(one.path) for one in log.inputs], log.apart) for log in logs]


@pytest.mark.parametrize("name", ["a.log.1", "a.log.1.gz"])
def test_a_file_that_begins_before_the_newest_line_of_its_log_is_a_log_of_its_own(tmp_path: Path, name: str) -> None:
    old, other, new = span(tmp_path / name, 0, 60), span(tmp_path / "a (1).log", 49.999, 70), span(tmp_path / "a.log", 60.5, 90)

    assert planned(old, other, new) == [
        ([name, "a.log"], None),
        (
            ["a (1).log"],
            f"{other} is read as a log of its own, whatever its name says: it begins at 2017-02-14T00:49:59.940000Z, and "
            f"{old} goes on until 2017-02-14T01:00:00.000000Z",
        ),
    ]


def test_files_that_overlap_by_the_timeout_are_one_log(tmp_path: Path) -> None:
    paths = span(tmp_path / "a.log.1", 0, 60), span(tmp_path / "a.log", 50, 90)

    assert len(planned(*paths)) == 1
    assert len(planned(*paths, timeout=9.999)) == 2
    assert len(planned(*paths, timeout=60)) == 1


def test_the_newest_line_of_all_files_before_counts(tmp_path: Path) -> None:
    """The second file is within the first one, and neither hides the other's end from the third."""
    paths = span(tmp_path / "a.log.1", 0, 200), span(tmp_path / "a.log.2", 195, 196), span(tmp_path / "a.log", 197, 300)
    late = span(tmp_path / "a.log.3", 188, 400)

    assert planned(*paths) == [(["a.log.1", "a.log.2", "a.log"], None)]
    assert [names for names, _ in planned(*paths, late)] == [["a.log.1", "a.log.2", "a.log"], ["a.log.3"]]


def test_each_file_that_is_set_apart_is_a_log_of_its_own(tmp_path: Path) -> None:
    paths = [span(tmp_path / f"a_{number}.log", number, 100 + number) for number in range(3)]

    assert [names for names, _ in planned(*paths)] == [["a_0.log"], ["a_1.log"], ["a_2.log"]]
    with open_inputs(map(str, paths)) as (logs, _):
        assert len({log.name for log in logs}) == 3


def test_only_the_end_of_a_file_tells_how_far_it_goes(tmp_path: Path) -> None:
    """What is undated behind its last line with a time stamp says nothing, as long as that is near."""
    path = span(tmp_path / "a.log.1", 0, 60)
    other = span(tmp_path / "a.log", 5)
    with open(path, "ab") as file:
        file.write(b"no date\n" * 8000)
    assert len(planned(path, other)) == 2
    with open(path, "ab") as file:
        file.write(b"no date\n" * 1000)
    assert len(planned(path, other)) == 1


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("lines", [1, 5000])
def test_the_end_of_a_file_in_another_encoding(tmp_path: Path, encoding: str, lines: int) -> None:
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    text = "".join(f"2017-02-14T01:00:00Z|0|1|2|pfrad|\u00e4\u4e0a{number}\r\n" for number in range(lines))
    text = f"{mark}2017-02-14T00:00:00Z|0|1|2|pfrad|x\r\n{text}"
    (tmp_path / "a.log.1").write_bytes(text.encode(encoding) + b"\r")

    assert len(planned(tmp_path / "a.log.1", span(tmp_path / "a.log", 5))) == 2


def test_a_file_without_a_time_stamp_is_never_set_apart(tmp_path: Path) -> None:
    paths = [span(tmp_path / "a.log.1", 0, 600), tmp_path / "a.log.0", span(tmp_path / "a.log", 601)]
    paths[1].write_bytes(b"no date\n")
    os.utime(paths[1], ns=(0, 1_487_041_039 * 10**9))  # within the first

    assert planned(*paths) == [(["a.log.1", "a.log.0", "a.log"], None)]


def test_a_damaged_file_goes_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    path = span(tmp_path / "a.log.1.gz", 0, 60)
    path.write_bytes(path.read_bytes()[:-8])

    assert [names for names, _ in planned(path, span(tmp_path / "a.log", 5))] == [["a.log.1.gz"], ["a.log"]]


def test_order_numbers_say_where_each_file_stood_on_the_command_line(tmp_path: Path) -> None:
    late, early = log(tmp_path, "b.log", "2018-01-01T00:00:00Z"), log(tmp_path, "a.log", "2017-01-01T00:00:00Z")

    with open_inputs([str(late), str(early)]) as (found, stdin):
        assert [(one.path, one.order) for source in found for one in source.inputs] == [(str(early), 1), (str(late), 0)]
        assert stdin is None


# Which files the arguments name


def test_glob_names_files_in_order_and_no_folders(tmp_path: Path) -> None:
    b, a = log(tmp_path, "b.log"), log(tmp_path, "a.log")
    (tmp_path / "c.log").mkdir()

    assert expand([str(tmp_path / "*.log")]) == [str(a), str(b)]
    assert expand([str(tmp_path / "**" / "*.log")]) == [str(a), str(b)]


def test_name_with_the_characters_of_a_glob_is_a_name_if_there_is_such_a_file(tmp_path: Path) -> None:
    path = log(tmp_path, "a[1].log")
    log(tmp_path, "a1.log")

    assert expand([str(path)]) == [str(path)]


def test_each_file_is_read_once_whatever_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read twice, every sign-in would be a double prompt."""
    b, a = log(tmp_path, "b.log"), log(tmp_path, "a.log")
    (tmp_path / "soft.log").symlink_to(a)  # which Wine does not make
    (tmp_path / "hard.log").hardlink_to(b)
    monkeypatch.chdir(tmp_path)

    assert expand(["-", "b.log", str(a), "./b.log", str(tmp_path / "*.log"), "-"]) == ["-", "b.log", str(a)]


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "no.log"

    assert fault(path) == f"there is no file {path}; give a log file, a glob or - for standard input"


def test_glob_that_matches_nothing(tmp_path: Path) -> None:
    (tmp_path / "dir.log").mkdir()

    assert fault(tmp_path / "*.log") == f"no file matches {tmp_path / '*.log'}; give a log file, a glob or - for standard input"


def test_a_folder_means_its_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "logs [1]"
    names = ["X (1).log", "X-20170214.log.gz", "X.log", "X.log.1", "Y.LOG", "Z.log"]
    for name in [*names, "X.log~", "X.log.bak", "X.txt", "X.json", ".X.log.swp", ".hidden.log", "log"]:
        log(folder, name)
    log(folder / "below.log", "W.log")

    assert expand([str(folder)]) == [str(folder / name) for name in names]
    assert expand([f"{folder}{os.sep}"]) == [str(folder / name) for name in names]
    monkeypatch.chdir(folder)
    assert expand([".", str(folder / "X.txt")]) == [*(os.path.join(".", name) for name in names), str(folder / "X.txt")]
    assert set(find([TailInput(str(folder))]).paths) == {str(folder / name) for name in names}


def test_a_folder_without_logs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"")

    assert fault(tmp_path) == f"{tmp_path} holds no logs, such as X.log, X.log.1 or X-20170214.log.gz; name its files"

    log(tmp_path / "mfa01", "X.log")
    assert fault(tmp_path).endswith(f"; for those in its folders give '{tmp_path / '*' / '*.log*'}'")


def test_an_input_of_run_that_is_a_file_as_it_stands_is_no_glob(tmp_path: Path) -> None:
    path = log(tmp_path / "logs [prod]", "a[1].log")
    log(tmp_path / "logs [prod]", "a1.log")

    assert find([TailInput(str(path))]).paths == {str(path)}


@pytest.mark.posix("Windows has no pipe with a name among its files")
def test_what_is_no_file_is_told_and_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.log")
    (tmp_path / "b.log").touch()
    (tmp_path / "c.log").mkdir()
    found = find([TailInput(str(tmp_path / "*.log")), TailInput("/dev/null")])
    assert [match.path for match in found.files.values()] == [f"{tmp_path}/b.log"]
    assert list(found.problems.values()) == [
        f"{path} is a FIFO, a socket or a device, not a file, and is left out" for path in (f"{tmp_path}/a.log", "/dev/null")
    ]


@pytest.mark.posix("Wine makes no symbolic links")
def test_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "a.log").symlink_to(tmp_path / "gone")

    assert fault(tmp_path / "a.log") == f"{tmp_path / 'a.log'} is a link that leads to no file"


@pytest.mark.posix("Windows has no pipe with a name among its files")
def test_named_pipe_could_be_read_once_only(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.log")

    assert fault(tmp_path / "a.log") == (
        f"{tmp_path / 'a.log'} is a pipe, which can be read once only; give it to standard input (-) instead"
    )


def test_one_bad_argument_among_good_ones_is_enough(tmp_path: Path) -> None:
    assert "there is no file" in fault(log(tmp_path, "a.log"), tmp_path / "no.log")


UNPRIVILEGED = """
import os, sys
from shipper.errors import UsageError
from shipper.read.inputs import expand
if os.geteuid() == 0:
    os.setuid(65534)
try:
    expand(sys.argv[1:])
except UsageError as error:
    print(error)
"""


@pytest.mark.posix("permissions that a user can be stopped by")
def test_file_without_permission() -> None:
    """As a user whom permissions stop; root would read it."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = log(Path(directory), "a.log")
        os.chmod(path, 0)
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, str(path)], capture_output=True, text=True, check=True, timeout=60
        )

        assert done.stdout == f"{path} cannot be read: permission denied; run as a user who may read it\n"


# Standard input


def rest_of(read: Read | None, size: int = 1000) -> bytes:
    assert read is not None
    return b"".join(iter(lambda: read(size), b""))


@pytest.mark.parametrize("form", ["plain", "gzip"])
@pytest.mark.parametrize("undated", [0, 10, 70_000, 3_000_000])
def test_standard_input_is_read_from_its_beginning_however_late_its_first_time_stamp(
    tmp_path: Path, form: str, undated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looking for the time stamp consumed is given again, from memory or from disk."""
    data = b"u\n" * (undated // 2) + f"{FIRST}\n".encode() + f"{LATER}\n".encode() * 5000
    path = tmp_path / "a.log"
    path.write_bytes(gzip.compress(data) if form == "gzip" else data)

    with open(path) as stdin, monkeypatch.context() as redirected:
        redirected.setattr(sys, "stdin", stdin)
        with open_inputs(["-"], deterministic=True) as ([source], read), open_bytes("-"):
            assert rest_of(read) == data
            assert source.name == "-"
            assert [(one.path, one.file.path, one.file.time) for one in source.inputs] == [
                ("-", None, "2017-02-14T02:57:19.234778Z")
            ]


def test_standard_input_is_a_log_of_its_own_among_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    early, late = log(tmp_path, "a.log", "2016-01-01T00:00:00Z"), log(tmp_path, "a.log.1", "2018-01-01T00:00:00Z")
    (tmp_path / "in").write_bytes(f"{FIRST}\n".encode())

    with open(tmp_path / "in") as stdin, monkeypatch.context() as redirected:
        redirected.setattr(sys, "stdin", stdin)
        assert sources(late, "-", early) == [["a.log", "a.log.1"], ["-"]]


def test_empty_standard_input_is_a_log_without_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as stdin, monkeypatch.context() as redirected:
        redirected.setattr(sys, "stdin", stdin)
        with open_inputs(["-"]) as ([source], read):
            assert rest_of(read) == b""
            assert source.inputs[0].file == LogFile(None, sha(b""), EPOCH, "utf-8")


@pytest.mark.parametrize("form", ["plain", "gzip"])
def test_standard_input_has_the_fingerprint_of_the_file(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = f"{FIRST}\n{LATER}\n".encode()
    path = tmp_path / "a.log"
    path.write_bytes(gzip.compress(data) if form == "gzip" else data)

    with open(path) as stdin, monkeypatch.context() as redirected:
        redirected.setattr(sys, "stdin", stdin)
        with open_inputs(["-"]) as ([source], _):
            (one,) = source.inputs
    assert one.file == LogFile(None, sha(f"{FIRST}\n".encode()), "2017-02-14T02:57:19.234778Z", "utf-8")


def test_damaged_file_is_identified_by_what_is_readable(tmp_path: Path) -> None:
    """Who ships it reports the damage, after the lines before it."""
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(f"{FIRST}\n{LATER}\n".encode())[:-8])

    with open_inputs([str(path)]) as ([source], _):
        assert source.inputs[0].file.fingerprint == sha(f"{FIRST}\n".encode())
