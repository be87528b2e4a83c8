"""Unpack gzip, bzip2, xz and zstd, recognized by their first bytes, and the methods of zip, as streams that return all
readable data. Pure.

The libraries' own readers are not used: they withhold the data before the damage in a member, take a truncated file
for a complete one, or hold in memory whatever a few bytes expand to.
"""

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from shipper.errors import RunError

Read = Callable[[int], bytes]
"""Returns up to that many of the next bytes: perhaps fewer, but none only at the end."""

BLOCK = 16 * 1024  # bytes to read at a time, and to unpack at a time
BOMB_RATIO = 250  # unpacked bytes per compressed byte; logs reach 60 at most
BOMB_SIZE = 256 * 1024 * 1024  # unpacked bytes up to which any ratio is accepted: a hole of NULs is no bomb
MEMORY = 128 * 1024 * 1024  # bytes of memory that a member may demand; `xz -9` and `zstd -22` demand no more
PIECE = 32  # compressed bytes per call to a decompressor that loses the output of a call with damaged input
STEP = 512  # bytes of output per call, for the same reason


class Cut(Exception):
    """The data ends inside a member."""


class Damaged(Exception):
    """The data violates the format."""


class Greedy(Exception):
    """Unpacking the data takes more than `MEMORY` bytes."""


class Source:
    """Compressed bytes, in the portions that a decompressor asks for."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._waiting = b""
        self.position = 0  # bytes read so far

    def some(self) -> bytes:
        """The next bytes, however many; none at the end."""
        data, self._waiting = self._waiting or self._next(), b""
        return data

    def up_to(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        while len(self._waiting) < size and (data := self._next()):
            self._waiting += data
        data, self._waiting = self._waiting[:size], self._waiting[size:]
        return data

    def exactly(self, size: int) -> bytes:
        """`size` bytes.

        Raises:
            Cut: the data ends before.
        """
        data = self.up_to(size)
        if len(data) < size:
            raise Cut
        return data

    def has(self, size: int) -> bool:
        """True if that many bytes have been read already and need not be waited for."""
        return len(self._waiting) >= size

    def back(self, data: bytes) -> None:
        """Put bytes back, to be returned next."""
        self._waiting = data + self._waiting

    def skip_padding(self) -> bool:
        """Skip the NULs that tape tools and `xz` leave behind a member; True if something follows."""
        while data := self.some():
            data = data.lstrip(b"\0")
            if data:
                self.back(data)
                return True
        return False

    def _next(self) -> bytes:
        data = self._read(BLOCK)
        self.position += len(data)
        return data


def _gzip(source: Source, form: int = 31) -> Iterator[bytes]:
    """Unpack one member; `form`, zlib's `wbits`, selects the container around the compressed data."""
    member, data = zlib.decompressobj(form), b""
    while not member.eof:
        data = data or source.some()
        before = member.copy()
        try:
            block = member.decompress(data, BLOCK)
        except zlib.error as error:
            yield _salvage(before, data)
            raise _reason(error) from None
        if not data and not block and not member.eof:
            raise Cut
        data = member.unconsumed_tail
        yield block
    source.back(member.unused_data)


def _deflate(source: Source) -> Iterator[bytes]:
    return _gzip(source, -15)


def _salvage(member: "zlib._Decompress", damaged: bytes) -> bytes:
    """The data of a gzip member before its damage, which zlib withholds unless it is fed byte by byte."""
    parts = []
    try:
        for at in range(len(damaged)):
            parts.append(member.decompress(damaged[at : at + 1]))  # noqa: PERF401  the parts before an error count
    except zlib.error:
        pass
    return b"".join(parts)


def _bzip2(source: Source) -> Iterator[bytes]:
    import bz2

    return _in_small_steps(source, bz2.BZ2Decompressor(), OSError)


def _xz(source: Source) -> Iterator[bytes]:
    import lzma

    head = source.up_to(len(XZ))  # lzma does not report wrong first bytes before it has twelve
    if not XZ.startswith(head):
        raise Damaged("no stream begins like this")
    source.back(head)
    yield from _in_small_steps(source, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY), lzma.LZMAError)


def _in_small_steps(source: Source, member: Any, error_of: type[Exception]) -> Iterator[bytes]:
    """Unpack in steps that do not depend on how the bytes arrive, so that the output of a damaged member does not either."""
    made: list[bytes] = []
    while not member.eof:
        hungry = member.needs_input
        if len(made) * STEP >= BLOCK or (hungry and not source.has(PIECE)):
            yield b"".join(made)
            made.clear()
        piece = source.up_to(PIECE) if hungry else b""
        if hungry and not piece:
            raise Cut
        try:
            made.append(member.decompress(piece, STEP))
        except error_of as error:
            yield b"".join(made)
            raise _reason(error) from None
    source.back(member.unused_data)
    yield b"".join(made)


def _zstd(source: Source) -> Iterator[bytes]:
    """Unpack one frame block by block: a block yields 128 KiB at most, and damage in it does not affect those before it."""
    import zstandard

    magic = source.exactly(4)
    if ZSTD_SKIPPABLE.match(magic):
        left = int.from_bytes(source.exactly(4), "little")
        while left:
            left -= len(source.exactly(min(left, BLOCK)))
        return
    if magic != ZSTD:
        raise Damaged("no frame begins like this")
    descriptor = source.exactly(1)
    single, sizes, dictionary = descriptor[0] >> 5 & 1, descriptor[0] >> 6, descriptor[0] & 3
    rest = (not single) + (0, 1, 2, 4)[dictionary] + (single, 2, 4, 8)[sizes]
    frame = zstandard.ZstdDecompressor(max_window_size=MEMORY).decompressobj()
    try:
        yield frame.decompress(magic + descriptor + source.exactly(rest))
        last = False
        while not last:
            head = source.exactly(3)
            about = int.from_bytes(head, "little")
            last, run, size = bool(about & 1), about >> 1 & 3 == 1, about >> 3
            yield frame.decompress(head + source.exactly(1 if run else size))
        if descriptor[0] & 4:
            yield frame.decompress(source.exactly(4))
    except zstandard.ZstdError as error:
        raise _reason(error) from None


_WHOSE = re.compile(r"(?:Error -?[0-9]+ while decompressing data|zstd decompressor error): ")  # prefixes of the libraries


def _reason(error: Exception) -> Exception:
    text = _WHOSE.sub("", str(error))
    return Greedy() if "memory" in text.lower() else Damaged(text)


XZ = b"\xfd7zXZ\0"
ZSTD = b"\x28\xb5\x2f\xfd"
ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")


class Form(NamedTuple):
    """A form of compression: how it begins, and the function that unpacks a member."""

    name: str
    begins: re.Pattern[bytes]
    member: Callable[[Source], Iterator[bytes]]


FORMS = (
    Form("gzip", re.compile(rb"\x1f\x8b"), _gzip),
    Form("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)"), _bzip2),
    Form("xz", re.compile(XZ), _xz),
    Form("zstd", re.compile(re.escape(ZSTD) + b"|" + ZSTD_SKIPPABLE.pattern), _zstd),
)
LONGEST_BEGINNING = 10  # bytes that tell the form


def form_of(head: bytes) -> Form | None:
    """The form of a file that begins with `head`; None if it is not compressed."""
    return next((form for form in FORMS if form.begins.match(head)), None)


_ZIP = {number: Form("zip", re.compile(b""), read) for number, read in ((8, _deflate), (12, _bzip2), (93, _zstd), (95, _xz))}


def zip_form(method: int) -> Form | None:
    """The form for a compression method of the zip specification (4.4.5); None if it is not supported."""
    return _ZIP.get(method)


class Unpacked:
    """The unpacked bytes of a compressed file of one or more members. It is a `Read`."""

    def __init__(self, form: Form, read: Read, name: str) -> None:
        """`name` is for messages."""
        self._form = form
        self._name = name
        self._source = Source(read)
        self._blocks = _members(form, self._source)
        self._block = b""
        self._size = 0  # bytes unpacked so far
        self._failure: RunError | None = None

    def __call__(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end.

        Raises:
            RunError: the data is damaged, ends inside a member, or expands beyond all reason.
        """
        while not self._block:
            if self._failure is not None:
                raise self._failure
            block = self._next()
            if block is None:
                return b""
            self._block = block
        part, self._block = self._block[:size], self._block[size:]
        return part

    def _next(self) -> bytes | None:
        """The next bytes, perhaps none; None at the end."""
        try:
            block = next(self._blocks, None)
        except (Cut, Damaged, Greedy) as error:
            return self._fail(self._why(error))
        self._size += len(block or b"")
        if self._size > max(BOMB_SIZE, BOMB_RATIO * self._source.position):
            return self._fail(
                f"{self._source.position} bytes of {self._form.name} became more than {BOMB_SIZE >> 20} MiB and more than"
                f" {BOMB_RATIO} times their size, and the rest is not read; if that is right, unpack the file yourself"
            )
        return block

    def _why(self, error: Exception) -> str:
        form, position = self._form.name, self._source.position
        if isinstance(error, Cut):
            return f"the {form} file ends too early, after {position} compressed bytes; its whole lines up to there were read: get it once more"
        if isinstance(error, Greedy):
            return f"unpacking this {form} file takes more than {MEMORY >> 20} MiB of memory; unpack it yourself"
        return (
            f"damaged {form} data before compressed byte {position}: {error}; the whole lines that came out of it were read and may"
            " be wrong: get the file once more"
        )

    def _fail(self, why: str) -> bytes:
        self._failure = RunError(f"{self._name}: {why}")
        return b""


def _members(form: Form, source: Source) -> Iterator[bytes]:
    while True:
        yield from form.member(source)
        if not source.skip_padding():
            return
