"""Libraries of Windows that hold nothing but names: each is found in another library."""

import struct
from collections.abc import Mapping

BASE, TEXT = 0x180000000, 0x1000  # where the library wants to lie, and where in it the table of names lies
FILE_ALIGNED = 0x200


def exports_of(library: bytes) -> list[str]:
    """The names that a library of Windows (64 bits) gives out."""
    (pe,) = struct.unpack_from("<I", library, 60)
    sections, optional = struct.unpack_from("<H", library, pe + 6)[0], struct.unpack_from("<H", library, pe + 20)[0]
    (directory,) = struct.unpack_from("<I", library, pe + 24 + 112)
    rows = [struct.unpack_from("<IIII", library, pe + 24 + optional + 40 * row + 8) for row in range(sections)]

    def at(address: int) -> int:
        return next(int(raw + address - start) for size, start, _, raw in rows if start <= address < start + size)

    count, _, names = struct.unpack_from("<III", library, at(directory) + 24)
    starts = [at(address) for address in struct.unpack_from(f"<{count}I", library, at(names))]
    return [library[start : library.index(b"\0", start)].decode() for start in starts]


def forwarder(name: str, exports: Mapping[str, str]) -> bytes:
    """A library that sends each name to `LIBRARY.NAME`, without any code.

    Windows 10 and python.org's Python have `bcryptprimitives.dll` and `python3.dll`, Wine 8 and the jar's Python have not: what they
    hold lies in other libraries there.
    """
    names = sorted(exports)
    count = len(names)
    functions = TEXT + 40
    texts = functions + 10 * count
    blob = bytearray()

    def put(text: str) -> int:
        address = texts + len(blob)
        blob.extend(text.encode() + b"\0")
        return address

    own = put(name)
    targets, spelled = [put(exports[each]) for each in names], [put(each) for each in names]
    table = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, own, 1, count, count, functions, functions + 4 * count, functions + 8 * count)
    table += struct.pack(f"<{count}I{count}I{count}H", *targets, *spelled, *range(count)) + blob
    raw = -(-len(table) // FILE_ALIGNED) * FILE_ALIGNED
    image = TEXT + -(-raw // TEXT) * TEXT
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    coff = struct.pack("<4sHHIIIHH", b"PE\0\0", 0x8664, 1, 0, 0, 0, 240, 0x2022)  # a library, for 64 bits
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, raw, 0, 0, TEXT)
    optional += struct.pack("<QIIHHHHHHIIIIHH", BASE, TEXT, FILE_ALIGNED, 10, 0, 0, 0, 10, 0, 0, image, FILE_ALIGNED, 0, 2, 0x100)
    optional += struct.pack("<QQQQII", 0x100000, 0x1000, 0x100000, 0x1000, 0, 16)
    optional += struct.pack("<II", TEXT, len(table)).ljust(16 * 8, b"\0")
    section = struct.pack("<8sIIIIIIHHI", b".edata", len(table), TEXT, raw, FILE_ALIGNED, 0, 0, 0, 0, 0x40000040)
    return (dos + coff + optional + section).ljust(FILE_ALIGNED, b"\0") + bytes(table).ljust(raw, b"\0")
