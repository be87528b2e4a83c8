"""The generated files of the Splunk add-on and app: the lookup of status codes, and the icons.

The lookup is the shipper's own table with one more column, CIM's action. The icons are drawn here, as PNGs: a
telephone that rings twice.
"""

import csv
import io
import math
import struct
import zlib

from deploy.generate.places import ROOT

ADD_ON, APP = "splunk/TA-mfa-shipper", "splunk/mfa-shipper"  # below deploy/
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
ICONS = {"appIcon.png": 36, "appIcon_2x.png": 72, "appIconAlt.png": 36, "appIconAlt_2x.png": 72}

BLUE, ORANGE, WHITE, CLEAR = (0x1F, 0x5F, 0x8B, 255), (0xF5, 0x8F, 0x29, 255), (255, 255, 255, 255), (0, 0, 0, 0)
SAMPLES = 4  # by 4 in a pixel, for smooth edges

Colour = tuple[int, int, int, int]


def cim_action(kind: str, outcome: str) -> str:
    """CIM's word for how an authentication ended; empty where the code does not say, for which CIM has none."""
    return "pending" if kind == "pending" else outcome if outcome in ("success", "failure") else ""


def lookup() -> str:
    """The table of status codes as a Splunk lookup: texts as they are, with the CIM action."""
    with open(ROOT / "schemas" / "status_codes.csv", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        columns = [*(reader.fieldnames or ()), "action"]
        rows = [row | {"action": cim_action(row["class"], row["outcome"])} for row in reader]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def colour_at(x: float, y: float) -> Colour:
    """The drawing on a square from 0 to 1: rounded corners, a phone, two arcs of ringing at its right."""
    inner_x, inner_y = max(abs(x - 0.5) - 0.32, 0), max(abs(y - 0.5) - 0.32, 0)
    if math.hypot(inner_x, inner_y) > 0.18:
        return CLEAR
    if abs(x - 0.36) < 0.16 and abs(y - 0.5) < 0.30:
        screen = abs(x - 0.36) < 0.11 and -0.23 < y - 0.5 < 0.15
        button = math.hypot(x - 0.36, y - 0.725) < 0.035
        return BLUE if screen or button else WHITE
    distance, rising = math.hypot(x - 0.50, y - 0.5), abs(math.atan2(y - 0.5, x - 0.50)) < 0.95
    if rising and (abs(distance - 0.18) < 0.032 or abs(distance - 0.31) < 0.032):
        return ORANGE
    return BLUE


def pixels(size: int) -> bytes:
    """The rows of a PNG, RGBA, each behind its filter byte 0 (none)."""
    steps = [(n + 0.5) / SAMPLES / size for n in range(SAMPLES)]
    rows = bytearray()
    for row in range(size):
        rows.append(0)
        for column in range(size):
            seen = [colour_at(column / size + dx, row / size + dy) for dy in steps for dx in steps]
            alpha = sum(sample[3] for sample in seen)
            for channel in range(3):  # weighed by alpha: a clear sample has no colour
                rows.append(sum(sample[channel] * sample[3] for sample in seen) // alpha if alpha else 0)
            rows.append(alpha // len(seen))
    return bytes(rows)


def png(size: int) -> bytes:
    """An icon of so many pixels, as the PNG specification wants it: signature, IHDR, IDAT, IEND."""
    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return PNG_SIGNATURE + b"".join(
        _chunk(name, data) for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(pixels(size), 9)), (b"IEND", b""))
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def files() -> dict[str, bytes]:
    """Path below `deploy/`, content."""
    icons = {f"{place}/static/{name}": png(size) for place in (ADD_ON, APP) for name, size in ICONS.items()}
    return {f"{ADD_ON}/lookups/azure_mfa_status_codes.csv": lookup().encode()} | icons
