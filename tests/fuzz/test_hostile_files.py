"""Small hostile files through the command line, and exports cut off at every byte."""

import re
import sys
from pathlib import Path

import orjson
import pytest

from shipper.cli import main
from tests.fuzz import hostile
from tests.fuzz.properties import check_cut
from tests.support.exports import EXPORTS, content

pytestmark = pytest.mark.slow

FILES = hostile.files()


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_gives_events_or_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = FILES[name]
    if name.startswith("evtx"):
        pytest.importorskip("evtx")
    path = tmp_path / "inside" / "file"
    path.parent.mkdir()
    path.write_bytes(file.data)
    monkeypatch.setattr(sys, "argv", ["mfa-shipper", "parse", "--deterministic", "--no-progress", str(path)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, said = capfd.readouterr()
    events = [orjson.loads(line) for line in out.splitlines()]
    assert (ended.value.code, len(events)) == (file.status, file.events), said
    reasons = [event["error"]["message"] for event in events if "error" in event]
    assert any(file.says in text for text in (*reasons, said)), (reasons[:3], said)
    assert bool(reasons) <= bool(file.says), reasons[:3]
    if file.status:
        sums, _, sentence = said.rpartition("mfa-shipper: ")
        assert re.fullmatch(rf"{re.escape(str(path))}\S*:? [^\n]+\n", sentence), said
        assert not sums or (file.status == 1 and events), said
    assert list(tmp_path.rglob("*")) == [path.parent, path]


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_an_export_that_is_cut_off_anywhere_loses_nothing(name: str) -> None:
    """Every record that is whole is the one of the whole file, and what is left of the next is one more."""
    check_cut(_short(name), step=50)


def _short(name: str) -> bytes:
    """The beginning of an export: what stands before its records, and one or two of these."""
    data = content(name)
    return data[: 1400 if not data.startswith((b"\xff\xfe", b"\xfe\xff")) else 2400]
