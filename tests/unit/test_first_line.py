"""Secrets in files that editors and shells of Windows and Unix wrote."""

from pathlib import Path

import pytest

from shipper.first_line import LONGEST, first_line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r\n\r\nmore\r\n"])
@pytest.mark.parametrize("text", ["secret", " a b ", "Ċ਍ü", ""])
def test_the_first_line(text: str, end: str, encoding: str, tmp_path: Path) -> None:
    """Ċ and ਍ hold the bytes of line ends in UTF-16."""
    file = tmp_path / "key"
    file.write_bytes((text + end).encode(encoding))
    assert first_line(file) == text


def test_of_big_endian(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(b"\xfe\xff" + "secret\r\n".encode("utf-16-be"))
    assert first_line(file) == "secret"


@pytest.mark.parametrize("data", [b"\xff\n", b"\xff\xfea", b"caf\xe9"])
def test_what_is_no_text(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(data)
    with pytest.raises(ValueError, match="not UTF-8"):
        first_line(file)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_that_is_no_value(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(("x" * LONGEST).encode(encoding))
    assert first_line(file) == "x" * LONGEST
    file.write_bytes(("x" * (LONGEST + 1)).encode(encoding))
    with pytest.raises(ValueError, match="more than 65536 characters"):
        first_line(file)
