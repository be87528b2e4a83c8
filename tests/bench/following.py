"""What a sidecar has taken, and how far it is."""

import json
import os
from pathlib import Path

from tests.support.process import Shipper

TICK = os.sysconf("SC_CLK_TCK")


def usage(shipper: Shipper) -> tuple[float, int]:
    """CPU seconds and the peak of resident memory in bytes, so far."""
    fields = Path(f"/proc/{shipper.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    peak = shipper.memory("VmHWM")
    return (int(fields[11]) + int(fields[12])) / TICK, peak


def behind(shipper: Shipper, log: Path) -> bool:
    """True until the checkpoint says that all of the log is delivered, which it does up to a second late."""
    try:
        places = json.loads((shipper.folder / "state" / "checkpoint.json").read_text(encoding="utf-8"))["places"]
    except (OSError, ValueError, KeyError):
        return True
    return sum(int(place["offset"]) for place in places.values()) < log.stat().st_size
