"""The transactional id of a state directory: made once, and the same under any name."""

import os
import re
from pathlib import Path

import pytest

from shipper.errors import RunError, UsageError
from shipper.sidecar.transactional_id import former, keep, kept


def test_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(str(tmp_path)) is None
    keep(str(tmp_path))
    made = kept(str(tmp_path))
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    keep(str(tmp_path))
    assert kept(str(tmp_path)) == made
    os.rename(tmp_path, tmp_path.with_name("moved"))
    keep(str(tmp_path.with_name("moved")))
    assert kept(str(tmp_path.with_name("moved"))) == made


def test_no_two_directories_make_the_same(tmp_path: Path) -> None:
    """A new machine may get the name of an old one."""
    ids = set()
    for _ in range(2):
        keep(str(tmp_path))
        ids.add(kept(str(tmp_path)))
        (tmp_path / "transactional_id").unlink()
    assert len(ids) == 2


@pytest.mark.parametrize("name", ["checkpoint.json", "checkpoint.json.1"])
def test_a_directory_of_an_earlier_version_goes_on_with_its_id(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"{}")
    keep(str(tmp_path))
    assert kept(str(tmp_path)) == former(str(tmp_path))


def test_the_id_of_an_earlier_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "mfa01")
    assert former("/var/lib/mfa-shipper") == "mfa-shipper-14352cfa0a5e4489"


@pytest.mark.parametrize("content", [b"", b"\0" * 20, b"two words\n", b"x" * 250, b"\xff\n"])
def test_what_is_no_id_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "transactional_id"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="holds no transactional id; put the old one back"):
        keep(str(tmp_path))
    assert path.read_bytes() == content


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "transactional_id").mkdir()
    with pytest.raises(UsageError, match="transactional_id cannot be read: Is a directory"):
        kept(str(tmp_path))


def test_an_id_that_cannot_be_kept_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "transactional_id.new").mkdir()  # in the way of the new file
    with pytest.raises(RunError, match=re.escape(f"the transactional id cannot be written to {tmp_path}: ")):
        keep(str(tmp_path))
    assert kept(str(tmp_path)) is None
