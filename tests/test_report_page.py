"""`report --output report.html`, from the outside: the form by the name, the extra, `--open`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.tools import ROOT

LOG = ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log"
WITHOUT = "import sys; sys.modules[{missing!r}] = None; from shipper.cli import main; main()"


def report(
    *arguments: str | Path, cwd: Path, missing: str | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `report` on the example, where `missing` is a package that cannot be imported."""
    start = ["-m", "shipper"] if missing is None else ["-c", WITHOUT.format(missing=missing)]
    return subprocess.run(
        [sys.executable, *start, "report", LOG, *arguments], cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["report.html", "Report.HTM"])
def test_the_ending_makes_it_a_page(name: str, tmp_path: Path) -> None:
    done = report("--output", name, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.lstrip().startswith("<!DOCTYPE html>")
    assert "1 user was asked twice" in text
    assert str(tmp_path) not in text


def test_the_form_that_is_asked_for_wins(tmp_path: Path) -> None:
    assert report("--output", "report.html", "--format", "json", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "report.html").read_bytes())["double_prompts"]["users"] == 1
    assert report("--output", "report.json", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "report.json").read_bytes())["double_prompts"]["users"] == 1
    assert report("--format", "html", cwd=tmp_path).stdout.lstrip().startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize("package", ["vl_convert", "jinja2"])
def test_without_the_extra_a_sentence_says_so_before_anything_is_read(package: str, tmp_path: Path) -> None:
    done = report("no-such-file.log", "--output", "report.html", cwd=tmp_path, missing=package)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"mfa-shipper: the page needs the extra report ({package} is missing): in a checkout, pip install '.[report]'; "
        "--format text and json do without\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_the_other_forms_work(tmp_path: Path) -> None:
    for form in ("text", "json"):
        done = report("--format", form, cwd=tmp_path, missing="vl_convert")
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"pnigam" in done.stdout


def test_open_shows_the_page_in_the_browser(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{tmp_path}/address"\n', encoding="utf-8")
    browser.chmod(0o755)
    done = report("--output", "a report.html", "--open", cwd=tmp_path, BROWSER=f"{browser} %s")
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "address").read_text(encoding="utf-8") == (tmp_path / "a report.html").as_uri()


def test_open_says_where_the_page_is_if_there_is_no_browser(tmp_path: Path) -> None:
    done = report("--output", "report.html", "--open", cwd=tmp_path, BROWSER="/no/such/browser %s", PATH="/nowhere", DISPLAY="")
    assert done.returncode == 0
    assert done.stderr == b"mfa-shipper: no browser was found; the page is report.html\n"
    assert (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    "arguments", [["--open"], ["--open", "--output", "report.json"], ["--open", "--output", "-", "--format", "html"]]
)
def test_open_wants_a_page_in_a_file(arguments: list[str], tmp_path: Path) -> None:
    done = report(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == b"mfa-shipper: --open shows a page in the browser: give --output FILE.html as well\n"
