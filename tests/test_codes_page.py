"""`codes --format html`, from the outside: the form by the name of the file, standard output, the extra."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.tools import ROOT

WITHOUT_JINJA = "import sys; sys.modules['jinja2'] = None; from shipper.cli import main; main()"


def codes(*arguments: str, cwd: Path, start: tuple[str, ...] = ("-m", "shipper")) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *start, "codes", *arguments], cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "begin"),
    [("a.html", b"<!DOCTYPE"), ("a.HTM", b"<!DOCTYPE"), ("a.json", b"["), ("a.csv", b"code,"), ("a", b"code  ")],
)
def test_the_ending_of_the_file_makes_the_form(name: str, begin: bytes, tmp_path: Path) -> None:
    done = codes("--output", name, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / name).read_bytes().lstrip().startswith(begin)


def test_the_form_that_is_asked_for_wins_and_goes_to_standard_output(tmp_path: Path) -> None:
    assert codes("--format", "csv", "--output", "a.html", cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.html").read_bytes().startswith(b"code,")
    page = codes("--format", "html", cwd=tmp_path)
    assert (page.returncode, page.stderr) == (0, b"")
    assert page.stdout.rstrip().endswith(b"</html>")
    assert codes("--output", "b.html", cwd=tmp_path).returncode == 0
    assert (tmp_path / "b.html").read_bytes() == page.stdout


def test_without_the_extra_a_sentence_says_so_and_the_other_forms_work(tmp_path: Path) -> None:
    done = codes("--output", "codes.html", cwd=tmp_path, start=("-c", WITHOUT_JINJA))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        "mfa-shipper: the page needs the extra report (jinja2 is missing): in a checkout, pip install '.[report]'; "
        "--format table, json and csv do without\n"
    )
    assert list(tmp_path.iterdir()) == []
    for form in ("table", "json", "csv"):
        assert codes("--format", form, cwd=tmp_path, start=("-c", WITHOUT_JINJA)).returncode == 0
