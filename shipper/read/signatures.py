"""Recognize files that are not logs by their first bytes. Pure.

A log has no signature of its own, so only files known to be something else are recognized: damaged
text is still shipped.
"""

import re
from typing import NamedTuple

from shipper.errors import UsageError
from shipper.read.compression import form_of

LOOK = 262  # bytes that tell what a file is: the mark of a tar archive is the farthest from the beginning


class NoLog(NamedTuple):
    """The kind of a file that is not a log, and what to do about it."""

    what: str
    remedy: str

    def sentence(self, name: str) -> str:
        """The message for the user; `name` is that of the file."""
        return f"{name} is {self.what}, not a log: {self.remedy}"


class NotALog(UsageError):
    """A file is known not to be a log.

    Attributes:
        may_hold_logs: leaving the file out may lose logs.
    """

    def __init__(self, kind: NoLog, name: str) -> None:
        super().__init__(kind.sentence(name))
        self.may_hold_logs = kind.remedy != _LEAVE


_UNPACK = "unpack it first"
_LEAVE = "leave it out"
_EXPORT = "export its events as XML or JSON first"
ZIP = NoLog("a zip archive", _UNPACK)
TAR = NoLog("a tar archive", _UNPACK)
EVTX = NoLog("a Windows event log (.evtx)", f"read it with parse, or {_EXPORT}")
_PROGRAM = NoLog("a program", _LEAVE)
_DATABASE = NoLog("a database", _LEAVE)
_PICTURE = NoLog("a picture", _LEAVE)

SIGNATURES = [
    (re.compile(begin, re.DOTALL), kind)
    for begin, kind in (
        (rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", ZIP),
        (rb".{257}ustar", TAR),
        (rb"ElfFile\0", EVTX),
        (rb"0\0\0\0LfLe", NoLog("an old Windows event log (.evt)", _EXPORT)),
        (rb"7z\xbc\xaf\x27\x1c", NoLog("a 7z archive", _UNPACK)),
        (rb"Rar!\x1a\x07", NoLog("a rar archive", _UNPACK)),
        (rb"MSCF\0\0\0\0", NoLog("a cabinet file", _UNPACK)),
        (rb"LZIP\x01", NoLog("an lzip file", _UNPACK)),
        (rb"\x5d\0\0.{2}(?:\xff{8}|.{5}\0{3})", NoLog("an lzma file", _UNPACK)),
        (rb"\x04\x22\x4d\x18", NoLog("an lz4 file", _UNPACK)),
        (rb"\x1f\x9d", NoLog("a file of compress (.Z)", _UNPACK)),
        (rb"\x7fELF|MZ.[\0\x01]|\xca\xfe\xba\xbe|[\xce\xcf]\xfa\xed\xfe|\xfe\xed\xfa[\xce\xcf]", _PROGRAM),
        (rb"SQLite format 3\0|.{4}\xef\xcd\xab\x89|\0\x01\0\0Standard (?:Jet|ACE) DB", _DATABASE),
        (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a", _PICTURE),
        (rb"%PDF-", NoLog("a PDF document", _LEAVE)),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", NoLog("a document of Microsoft Office or an installer", _LEAVE)),
        (rb"MDMP\x93\xa7|PAGEDU(?:MP|64)", NoLog("a memory dump", _LEAVE)),
        (rb"\x00\x05\x16[\x00\x07]|\0\0\0\x01Bud1", NoLog("a file of macOS's own", _LEAVE)),
        (rb"\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4", NoLog("a network capture", _LEAVE)),
    )
]


def no_log(head: bytes, *, unpacked: bool = False) -> NoLog | None:
    """What a file that begins with `head` is, if it is known not to be a log; `unpacked`: `head` was decompressed once."""
    form = form_of(head) if unpacked else None
    if form is not None:
        return NoLog(f"compressed twice, the second time with {form.name}", _UNPACK)
    return next((kind for begins, kind in SIGNATURES if begins.match(head)), None)
