"""`explain USER-or-ID --in FILE`: one user's or one exchange's story."""

import gzip
from pathlib import Path

import pytest

from shipper.commands import story
from shipper.errors import RunError, UsageError
from tests.support.logs import library
from tests.support.reports import log_of, result, sign_in
from tests.support.tools import ROOT

EXAMPLE = str(ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log")


def told(text: str, *files: str) -> list[str]:
    return "".join(story.story(text, files or (EXAMPLE,), library())).splitlines()


@pytest.mark.parametrize("name", ["pnigam", "PNigam", r"CONTOSO\pnigam", r"contoso\PNIGAM"])
def test_a_user_by_any_spelling(name: str) -> None:
    assert told(name) == [
        name,
        "",
        "2017-02-14",
        "  02:57:19.234  pfrad asked by a notification of the mobile app: Mobile App Authenticated (21) after 5.4 s; signed in",
        "  02:57:33.986  pfrad asked by a notification of the mobile app: Mobile App Authenticated (21) after 6.1 s; signed in",
        "  02:57:40.119  found double_prompt: CONTOSO\\pnigam was asked twice: a second prompt began 9.4 s after the first one had "
        "succeeded. Caching for 10 s would have spared it.",
    ]


def test_files_that_a_shell_found_are_no_part_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.log", "b.log", "ann"):
        Path(name).touch()

    assert story.split_files(["ann", "lee", "b.log"], ["a.log"]) == ("lee", ["a.log", "ann", "b.log"])
    assert story.split_files(["mary", "lee"], ["a.log"]) == ("mary lee", ["a.log"])
    assert story.split_files(["b.log", "mary"], ["a.log"]) == ("mary", ["a.log", "b.log"])
    assert story.split_files(["ann", "b.log"], ["a.log"]) == ("ann", ["a.log", "b.log"])
    assert story.split_files([""], ["a.log"]) == ("", ["a.log"])


def test_what_asked_nobody_says_so() -> None:
    lines = told("maria")

    assert lines[4] == "  03:04:17.502  pfrad: Auth Already In Progress (101) after 0.1 s; nobody was asked; not signed in"


def test_a_name_with_a_domain_is_not_that_of_another_one() -> None:
    with pytest.raises(UsageError, match=r"no user FABRIKAM\\pnigam in 23 lines"):
        told(r"FABRIKAM\pnigam")


@pytest.mark.parametrize("name", ["46d6be51c79ccc24-216", "46d6be51c79ccc24-216-dp", "46d6be51c79ccc24-369"])
def test_an_exchange_by_its_id_with_its_lines(name: str) -> None:
    lines = told(name)

    assert "                  2017-02-14T02:57:40.119402Z  rawCallStatus = 21" in lines
    assert any("found double_prompt" in line for line in lines) == (not name.endswith("-369"))


def test_an_event_by_its_id(tmp_path: Path) -> None:
    [number] = [at for at, line in enumerate(Path(EXAMPLE).read_text(encoding="utf-8").splitlines()) if "not configured" in line]
    offset = len("".join(Path(EXAMPLE).read_text(encoding="utf-8").splitlines(keepends=True)[:number]).encode())

    assert told(f"46d6be51c79ccc24-{offset}")[3] == "  03:20:09.118  pfrad: Radius client 10.0.0.5 is not configured"
    assert "at System.Threading" in "\n".join(told(f"46d6be51c79ccc24-{offset + 85}"))


def test_days_addresses_and_requests_without_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "Svc.log"
    path.write_bytes(log_of(result(0, "bob", "10.0.0.7"), sign_in(86400, 5, user="bob")[:1]))

    assert told("bob", str(path)) == [
        "bob",
        "",
        "2017-02-14",
        "  09:00:00.000  pfsvc from 10.0.0.7 asked by a phone call: No PIN Entered (2); signed in",
        "",
        "2017-02-15",
        "  09:00:00.000  asked; the logs hold no answer",
    ]


def test_who_is_not_there_is_told_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="no user pnigan in 23 lines; did you mean pnigam"):
        told("pnigan")
    with pytest.raises(UsageError, match=r"no event or exchange 0000000000000000-1 in 23 lines$"):
        told("0000000000000000-1")


def test_a_long_story_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "MOST_TOLD", 2)
    path = tmp_path / "Svc.log"
    path.write_bytes(log_of(*(result(1000 * n, "bob") for n in range(5))))

    assert told("bob", str(path))[-1] == "and 3 more, which are not told"


def test_of_a_damaged_file_what_can_be_read_is_told_before_the_error(tmp_path: Path) -> None:
    damaged = tmp_path / "a.log.gz"
    damaged.write_bytes(gzip.compress(Path(EXAMPLE).read_bytes())[:-9])
    parts = story.story("maria", (str(damaged),), library())

    assert "Auth Already In Progress (101)" in next(parts)
    with pytest.raises(RunError, match="the gzip file ends too early"):
        next(parts)
    with pytest.raises(RunError, match=r"^no user fred in 23 lines\n.*a\.log\.gz: the gzip file ends too early"):
        list(story.story("fred", (str(damaged),), library()))
