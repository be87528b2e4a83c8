"""`status`: how far a sidecar has come, read from its state directory. I/O."""

import os
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from shipper.config.sections import Config
from shipper.errors import RunError
from shipper.printable import printable
from shipper.read.position import Position
from shipper.sidecar.assemble import dead_letter_file
from shipper.sidecar.checkpoint import NAME, read_checkpoint
from shipper.sidecar.lock import lock_holder


def state(config: Config) -> dict[str, Any]:
    """Files, positions, lag and dead letters of a state directory.

    Raises:
        RunError: the checkpoint or the dead letters cannot be read.
    """
    try:
        positions, _ = read_checkpoint(os.path.join(config.state_dir, NAME))
    except FileNotFoundError:
        positions = {}
    except (OSError, ValueError) as error:
        raise RunError(f"the checkpoint in {config.state_dir} cannot be read: {error}") from None
    in_order = sorted(positions.items(), key=lambda item: (item[1].source, item[1].time, item[1].path))
    return {
        "state_dir": config.state_dir,
        "running": lock_holder(config.state_dir),
        "files": [_file(key, position) for key, position in in_order],
        "dead_letters": dead_letter_file(config).count(),
    }


def _file(key: str, position: Position) -> dict[str, Any]:
    """How far a file is delivered, and how many bytes are left; None where that is not known."""
    known = {"key": key, "log": position.source, "path": position.path, "offset": position.offset}
    try:
        status = os.stat(position.path)
    except OSError:
        return {**known, "lag_bytes": None, "there": False}
    same = (status.st_dev, status.st_ino) == (position.device, position.inode) and not position.path.endswith(".gz")
    return {**known, "lag_bytes": max(0, status.st_size - position.offset) if same else None, "there": True}


def state_text(value: Mapping[str, Any]) -> str:
    """The result of `state` for a person."""
    running = value["running"]
    lines = [f"{value['state_dir']}: " + ("no shipper is running" if running is None else f"mfa-shipper runs with pid {running}")]
    for log, files in groupby(value["files"], key=itemgetter("log")):
        lines.append(f"  {printable(log)}")
        for file in files:
            lag = "gone" if not file["there"] else _lag(file["lag_bytes"])
            lines.append(f"    {printable(file['path'])}: {file['offset']:,} bytes delivered, {lag}")
    if not value["files"]:
        lines.append("  nothing has been delivered yet")
    lines.append(f"dead letters: {value['dead_letters']:,}")
    return "\n".join(lines)


def _lag(size: int | None) -> str:
    return "lag unknown" if size is None else f"{size:,} bytes behind"
