"""Reads a secret: the first line of a file. I/O."""

import codecs
import os
import re

LONGEST = 64 << 10
"""Most characters of a first line."""

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def first_line(path: str | os.PathLike[str]) -> str:
    """The first line of a text file, without mark and line end. UTF-8, or UTF-16 with a mark, as PowerShell's `>` writes.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not such a text, or the line is too long; the message is a phrase to put after the file name.
    """
    with open(path, "rb") as file:
        data = file.readline(4 * LONGEST)
        wide = data.startswith(UTF_16)
        if wide:
            data += file.read(2 * LONGEST)  # in UTF-16, a byte that looks like a line end may be half of a character
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    line: str = re.split("[\r\n]", text, maxsplit=1)[0]
    if len(line) > LONGEST:
        raise ValueError(f"the first line has more than {LONGEST} characters, so it is no value")
    return line
