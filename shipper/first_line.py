"""The first line of a file, where a secret stands. I/O."""

import codecs
import os
import re

LONGEST = 64 << 10
"""Characters of a first line."""

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def first_line(path: str | os.PathLike[str]) -> str:
    """The first line of a text without its end: UTF-8, or UTF-16 with a mark, which PowerShell's `>` writes. A mark is no part of it.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such text, or the line is too long; the message is a phrase that follows the name of the file.
    """
    with open(path, "rb") as file:
        data = file.readline(4 * LONGEST)
        wide = data.startswith(UTF_16)
        if wide:
            data += file.read(2 * LONGEST)  # the line may not end where a byte looks like its end
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    line: str = re.split("[\r\n]", text, maxsplit=1)[0]
    if len(line) > LONGEST:
        raise ValueError(f"the first line has more than {LONGEST} characters, so it is no value")
    return line
