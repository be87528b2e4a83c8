"""`status`: how far a sidecar has come, read from its state directory. I/O."""

import os
from collections.abc import Collection, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from shipper.config.sections import Config
from shipper.decode.line_patterns import Stamps
from shipper.errors import MfaShipperError, RunError
from shipper.printable import printable
from shipper.read.files import open_bytes
from shipper.read.identity import describe, fingerprint
from shipper.read.inputs import Match, find
from shipper.read.logs import readable
from shipper.read.position import Position
from shipper.sidecar.assemble import dead_letter_file, inputs_of, settings_of
from shipper.sidecar.checkpoint import NAME, read_checkpoint
from shipper.sidecar.lock import lock_holder


def state(config: Config) -> dict[str, Any]:
    """Files, positions, lag and dead letters of a state directory, and the files that wait.

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
        "waiting": [{"path": path, "reason": reason} for path, reason in _waiting(config, positions.values())],
        "dead_letters": dead_letter_file(config).count(),
    }


def _waiting(config: Config, positions: Collection[Position]) -> list[tuple[str, str]]:
    """The files that the inputs match and of which nothing is delivered, with the reason."""
    found = find(inputs_of(config))
    reasons = list(found.problems.items())
    known = {(position.device, position.inode) for position in positions}
    new = [match for identity, match in found.files.items() if identity not in known]
    if new:
        stamps, prints = Stamps(settings_of(config).library), {position.fingerprint for position in positions}
        reasons += [(match.path, reason) for match in new if (reason := _reason(match, stamps, prints)) is not None]
    return reasons


def _reason(match: Match, stamps: Stamps, known: Collection[str]) -> str | None:
    """Why nothing of a file is delivered; None for the copy of one of which something is."""
    try:
        with open_bytes(match.path, event_logs=False) as read:
            about = describe(readable(read), match.given.encoding, stamps)
    except MfaShipperError as error:
        return str(error)
    if about.time is None:
        return "it holds no whole line with a time stamp yet" if match.state[0] else "it is empty"
    if not about.ended:
        return "its first line with a time stamp is not complete yet"
    if fingerprint(about.head, about.end) in known:
        return None
    return "it is followed from its end, and nothing has come" if match.given.start == "end" else "nothing of it is delivered yet"


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
    lines += ["  waiting"] if value["waiting"] else []
    lines += [f"    {printable(file['path'])}: {printable(file['reason'])}" for file in value["waiting"]]
    lines.append(f"dead letters: {value['dead_letters']:,}")
    return "\n".join(lines)


def _lag(size: int | None) -> str:
    return "lag unknown" if size is None else f"{size:,} bytes behind"
