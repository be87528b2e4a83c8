"""The pages of `report` and `codes`, from the outside: the form by the name of the file, standard output, the extra, `--open`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.tools import ROOT

REPORT = ("report", str(ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log"))
CODES = ("codes",)
FORMS = {REPORT: ("text", "json"), CODES: ("table", "json", "csv")}
WITHOUT = "import sys; sys.modules[{missing!r}] = None; from shipper.cli import main; main()"


def run(*arguments: str, cwd: Path, missing: str | None = None, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command where `missing` is a package that cannot be imported."""
    start = ["-m", "shipper"] if missing is None else ["-c", WITHOUT.format(missing=missing)]
    return subprocess.run(
        [sys.executable, *start, *arguments], cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "name", "begin"),
    [
        (REPORT, "report.html", b"<!DOCTYPE html>"),
        (REPORT, "Report.HTM", b"<!DOCTYPE html>"),
        (REPORT, "a.json", b"{"),
        (CODES, "a.html", b"<!DOCTYPE html>"),
        (CODES, "a.json", b"["),
        (CODES, "a.csv", b"code,"),
        (CODES, "a", b"code  "),
    ],
)
def test_the_ending_of_the_file_makes_the_form(command: tuple[str, ...], name: str, begin: bytes, tmp_path: Path) -> None:
    done = run(*command, "--output", name, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    written = (tmp_path / name).read_bytes()
    assert written.lstrip().startswith(begin)
    assert str(tmp_path).encode() not in written


@pytest.mark.parametrize("command", [REPORT, CODES], ids=["report", "codes"])
def test_the_form_that_is_asked_for_wins_and_goes_to_standard_output(command: tuple[str, ...], tmp_path: Path) -> None:
    assert run(*command, "--output", "a.html", "--format", "json", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "a.html").read_bytes())
    page = run(*command, "--format", "html", cwd=tmp_path)
    assert (page.returncode, page.stderr) == (0, b"")
    assert page.stdout.rstrip().endswith(b"</html>")
    assert run(*command, "--output", "b.html", cwd=tmp_path).returncode == 0
    assert (tmp_path / "b.html").read_bytes() == page.stdout


@pytest.mark.parametrize(
    ("command", "package", "others"),
    [
        (("report", "no-such-file.log"), "vl_convert", "text and json"),
        (("report", "no-such-file.log"), "jinja2", "text and json"),
        (CODES, "jinja2", "table, json and csv"),
    ],
)
def test_without_the_extra_a_sentence_says_so_before_anything_is_read(
    command: tuple[str, ...], package: str, others: str, tmp_path: Path
) -> None:
    done = run(*command, "--output", "page.html", cwd=tmp_path, missing=package)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"mfa-shipper: the page needs the extra report ({package} is missing): in a checkout, pip install '.[report]'; "
        f"--format {others} do without\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [REPORT, CODES], ids=["report", "codes"])
def test_without_the_extra_the_other_forms_work(command: tuple[str, ...], tmp_path: Path) -> None:
    for form in FORMS[command]:
        done = run(*command, "--format", form, cwd=tmp_path, missing="jinja2")
        assert (done.returncode, done.stderr) == (0, b"")
        assert len(done.stdout) > 500


def test_open_shows_the_page_in_the_browser(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{tmp_path}/address"\n', encoding="utf-8")
    browser.chmod(0o755)
    done = run(*REPORT, "--output", "a report.html", "--open", cwd=tmp_path, BROWSER=f"{browser} %s")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "address").read_text(encoding="utf-8") == (tmp_path / "a report.html").as_uri()


def test_open_says_where_the_page_is_if_there_is_no_browser(tmp_path: Path) -> None:
    done = run(
        *REPORT, "--output", "report.html", "--open", cwd=tmp_path, BROWSER="/no/such/browser %s", PATH="/nowhere", DISPLAY=""
    )
    assert done.returncode == 0
    assert done.stderr == b"mfa-shipper: no browser was found; the page is report.html\n"
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "arguments", [["--open"], ["--open", "--output", "report.json"], ["--open", "--output", "-", "--format", "html"]]
)
def test_open_wants_a_page_in_a_file(arguments: list[str], tmp_path: Path) -> None:
    done = run(*REPORT, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"mfa-shipper: --open shows a page in the browser: give --output FILE.html as well\n"
