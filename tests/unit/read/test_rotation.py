"""Which names are those of one log, and when its times say otherwise."""

import ntpath
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from shipper.read import rotation
from shipper.read.inputs import TailInput, find
from shipper.read.rotation import belongs_to, compared, is_another_log, is_log, live_name, log_name, name_apart, source_name

# Rotated names of `X.log`: what makes them, and what they look like.
ROTATED = {
    "nothing": ["X.log"],
    "logrotate": ["X.log.1", "X.log.2.gz", "X.log.10", "X.log.3.xz", "X.log.4.zst", "X.log.5.bz2", "X.1.log", "X.log.1.GZ"],
    "logrotate with dateext": ["X.log-20170214", "X.log-20170214.gz", "X-20170214.log", "X.log-2017021403", "X-20170214.log.gz"],
    "logrotate, dateformat -%Y-%m-%d": ["X.log-2017-02-14", "X-2017-02-14.log", "X.log-20170214-1487041039"],
    "newsyslog, savelog": ["X.log.0", "X.log.0.bz2", "X.log.20170214T025719"],
    "log4net": ["X.log2017-02-14", "X.log20170214", "X.log.2017-02-14", "X.log.2017-02-14.3"],
    "log4j, logback": ["X.2017-02-14.log", "X-2017-02-14-1.log.gz", "X.2017-02-14_02.log", "X-02-14-2017-1.log"],
    "Serilog": ["X20170214.log", "X20170214_001.log", "X-20170214.log", "X_2017021402.log", "X201702140257.log"],
    "NLog": ["X.0.log", "X.20170214.log", "X_20170214.12.log", "X.00.log"],
    "a script": ["X_2017-02-14.log", "X_20170214_025719.log", "X-2017.02.14-02.57.19.log", "X-20170214T025719.log", "X2017_02_14.log"],
    "MFA Server, as far as it is known": ["X_2.log", "X-1.log", "X.log.001"],
    "a browser, Explorer": ["X (1).log", "X (12).log", "X.log (1)", "X (1).log.1", "X.log.1 (2).gz", "X_.log", "X.log."],
}  # fmt: skip

# Names of other logs, each with what is left of it.
OTHERS = {
    "X": "X", "X.1": "X", "X.txt": "X.txt", "X.txt.1": "X.txt", "X.1.txt": "X.1.txt", "X.LOG.1": "X.LOG", "x.log": "x.log",
    "X.bak": "X.bak", "X.log.bak": "X.log.bak", "X.log~": "X.log~", "X copy.log": "X copy.log",
    "X - Copy.log": "X - Copy.log", "X - Copy (2).log": "X - Copy.log", "X(1).log": "X(1).log", "X ().log": "X ().log",
    "mfa01-X.log": "mfa01-X.log", "mfa02-X.log.1": "mfa02-X.log", "mfa01.log": "mfa01.log", "mfa01-20170214.log": "mfa01.log",
    "mfa01_2017-02-14T02.log.gz": "mfa01.log", "X_mfa01.log": "X_mfa01.log", "X-mfa01.log-20170214": "X-mfa01.log",
    "2017_X.log": "2017_X.log", "20170214-X.log": "20170214-X.log", "1X2Y3.log": "1X2Y3.log", "SRV12345678.log": "SRV12345678.log",
    "X20171345.log": "X20171345.log", "X2017.log": "X2017.log", "1.log": "1.log", "X.log.tar": "X.log.tar", "X.log.log": "X.log.log",
    "X\N{ARABIC-INDIC DIGIT ONE}.log": "X\N{ARABIC-INDIC DIGIT ONE}.log", "X.\N{ARABIC-INDIC DIGIT ONE}.log": "X.\N{ARABIC-INDIC DIGIT ONE}.log",
    # where nothing but the mark is left
    "2017-02-14.log": ".log", "20170214.log.gz": ".log", "20170214": "", ".log": ".log", ".log.1": ".log", "": "",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for names in ROTATED.values() for name in names])
def test_rotated_files_belong_to_one_log(name: str) -> None:
    assert log_name(name) == "X.log"


@pytest.mark.parametrize(("name", "log"), OTHERS.items())
def test_other_names_are_other_logs(name: str, log: str) -> None:
    assert log_name(name) == log != "X.log"


def test_a_log_ends_in_log_without_its_mark() -> None:
    assert all(is_log(name) for names in ROTATED.values() for name in names)
    assert not any(is_log(name) for name in ("X", "X.1", "X.txt", "X.log~", "X.log.bak", "X.json", ".X.log", "log", ".log.1", ""))
    assert is_log("2017-02-14.log")


def test_folders_count_however_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        source_name("a.log.1")
        == source_name("./a.log")
        == source_name(f"{tmp_path}/b/../a-1.log")
        == compared(str(tmp_path / "a.log"))
    )
    assert source_name("/1/a.log") != source_name("/2/a.log") != source_name("/a.log")


@pytest.mark.posix("names are bytes")
def test_a_name_that_is_not_utf_8_is_a_name() -> None:
    assert log_name(os.fsdecode(b"\xff.log.1")) == os.fsdecode(b"\xff.log")


def test_a_hostile_name_takes_no_time() -> None:
    assert log_name("-1" * 20_000 + "x") == "-1" * 20_000 + "x"
    assert log_name("x" + "-1" * 2_000) == "x"


@pytest.mark.parametrize(("first", "another"), [(1000, False), (900, False), (899, True), (-5, True)])
def test_a_file_that_begins_within_the_timeout_before_the_newest_line_is_no_other_log(first: int, another: bool) -> None:
    assert is_another_log(first, 1000, 100) is another


def test_a_file_that_was_set_apart_keeps_to_the_name_of_its_log() -> None:
    assert belongs_to("/a.log", "/a.log")
    assert belongs_to(name_apart("/a.log", "0123456789abcdef"), "/a.log")
    assert not belongs_to("/a", "/a.log")
    assert not belongs_to("/a.log", "/a")


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("X.log.1", "X.log"),
        ("X.log.1.gz", "X.log"),
        ("X.log-20170214", "X.log"),
        ("X.log.2017-02-14T0257.3.xz", "X.log"),
        ("X-20170214.log", "X.log"),
        ("X.2017-02-14.log.gz", "X.log"),
        ("X.LOG.1", "X.LOG"),
        ("X_1.log", None),
        ("X (1).log", None),
        ("X-1.log", None),
        ("X.log", None),
        ("X.txt.1", None),
        ("20170214.log", None),
    ],
)
def test_the_name_that_a_rotated_file_had_for_sure(name: str, live: str | None) -> None:
    assert live_name(name) == live


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        (r"C:\Logs\MFA.log", r"c:\logs\mfa.log"),
        (r"c:/logs/x/../MFA.LOG", r"c:\logs\mfa.log"),
        (r"\\?\C:\Logs\MFA.log", r"c:\logs\mfa.log"),
        (r"\\MFA01\Logs\MFA.log", r"\\mfa01\logs\mfa.log"),
        (r"\\?\UNC\mfa01\Logs\MFA.log", r"\\mfa01\logs\mfa.log"),
    ],
)
def test_a_path_of_windows_is_one_however_it_is_written(path: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "os", SimpleNamespace(path=ntpath))
    assert compared(path) == wanted


def test_rotated_files_are_one_log_in_any_case_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "os", SimpleNamespace(path=ntpath))
    live = source_name(r"C:\Logs\MFA.log")
    rotated = [r"c:\logs\mfa.LOG.1", r"\\?\C:\LOGS\Mfa.log-20170214T025719", r"C:\Logs\.\MFA20170214T02.log"]
    assert [source_name(path) for path in rotated] == [live] * 3


def test_an_exclude_is_compared_as_the_system_does(tmp_path: Path) -> None:
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_text("x")
    spelled = "A.LOG" if sys.platform == "win32" else f"../{tmp_path.name}/a.log"
    found = find([TailInput(str(tmp_path / "*.log"), exclude=(str(tmp_path / spelled),))])
    assert found.paths == {str(tmp_path / "b.log")}
