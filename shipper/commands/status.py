"""`status`: how far a sidecar has come, read from its state directory. I/O."""

import os
from collections.abc import Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

from shipper.config.sections import Config
from shipper.decode.line_patterns import Stamps
from shipper.errors import MfaShipperError, RunError, UsageError
from shipper.printable import printable
from shipper.read.channel import ALL, ChannelTrouble
from shipper.read.compression import form_of
from shipper.read.files import open_bytes
from shipper.read.identity import Description, describe, fingerprint, look_ahead
from shipper.read.inputs import Match, file_id, find
from shipper.read.logs import readable
from shipper.read.position import Position
from shipper.read.rotation import CHANNEL, is_channel, source_name
from shipper.read.signatures import LOOK
from shipper.shared_files import open_shared
from shipper.sidecar.assemble import dead_letter_file, settings_of
from shipper.sidecar.checkpoint import NAME, read_checkpoint
from shipper.sidecar.following import channels_of, event_logs, inputs_of
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
    read = {position.source: position for _, position in in_order if is_channel(position.path)}  # the newest of each
    in_order = [item for item in in_order if not is_channel(item[1].path)]
    places, waiting = _look(config, dict(in_order))
    channels, unread = _channels(config, read)
    return {
        "state_dir": config.state_dir,
        "running": lock_holder(config.state_dir),
        "files": [_file(key, position, places) for key, position in in_order],
        **({"channels": channels} if channels else {}),
        "waiting": [{"path": path, "reason": reason} for path, reason in waiting + unread],
        "dead_letters": dead_letter_file(config).count(),
    }


def _channels(config: Config, read: Mapping[str, Position]) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """How far each channel is delivered, with the number of records left (None: unknown), and why a channel cannot be read.

    A query may leave out some of these records.
    """
    followed = {source_name(CHANNEL + given.channel): given.channel for given in channels_of(config)}
    names = {source: position.path.removeprefix(CHANNEL) for source, position in read.items()} | followed
    channels: list[dict[str, Any]] = []
    unread: list[tuple[str, str]] = []
    try:
        logs = event_logs() if followed else None
    except UsageError:  # the state directory of another machine
        logs = None
    for source, name in names.items():
        record = max(0, read[source].offset - 1) if source in read else 0
        behind = None
        try:
            if logs is not None and source in followed:
                newest = logs.newest(name, ALL)
                behind = 0 if newest is None else newest.number - record if newest.number >= record else None
        except ChannelTrouble as trouble:
            unread.append((CHANNEL + name, str(trouble)))
        channels.append({"channel": name, "record": record, "behind": behind})
    return channels, unread


def _look(config: Config, positions: Mapping[str, Position]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The current paths of files with a position, by key, and the files of which nothing is delivered, with the reason.

    `positions` are in the order of their log and time. A checkpoint holds the name under which the shipper last saw a file;
    a later rotation may have renamed the file. If several positions have one inode, as after copytruncate or the removal
    of a file, the file belongs to the newest.
    """
    found = find(inputs_of(config))
    newest = {(position.device, position.inode): key for key, position in positions.items()}
    places = {newest[identity]: match.path for identity, match in found.files.items() if identity in newest}
    reasons = list(found.problems.items())
    new = [match for identity, match in found.files.items() if identity not in newest]
    if new:
        stamps, keys = Stamps(settings_of(config).library), {position.fingerprint: key for key, position in positions.items()}
        for match in new:
            about = _about(match, stamps)
            key = None if isinstance(about, str) else keys.get(fingerprint(about.head, about.end))
            reason = _reason(match, about, known=key is not None)
            if reason is not None:
                reasons.append((match.path, reason))
            elif key is not None:
                places.setdefault(key, match.path)
    return places, reasons


def _about(match: Match, stamps: Stamps) -> Description | str:
    """The description of a file from its beginning, or why it cannot be read."""
    try:
        with open_bytes(match.path, event_logs=False) as read:
            return describe(look_ahead(readable(read)), match.given.encoding, stamps)
    except MfaShipperError as error:
        return str(error)


def _reason(match: Match, about: Description | str, *, known: bool) -> str | None:
    """Why nothing of a file is delivered; None if its beginning is `known`: it is a copy of a file that has a position."""
    if isinstance(about, str):
        return about
    if about.time is None:
        return "it holds no whole line with a time stamp yet" if match.state[0] else "it is empty"
    if not about.ended:
        return "its first line with a time stamp is not complete yet"
    if known:
        return None
    return "it is followed from its end, and nothing has come" if match.given.start == "end" else "nothing of it is delivered yet"


def _file(key: str, position: Position, places: Mapping[str, str]) -> dict[str, Any]:
    """How far a file is delivered, and how many bytes are left (None: unknown)."""
    place = places.get(key)
    path = place or position.path
    known = {"key": key, "log": position.source, "path": path, "offset": position.offset}
    gone = {**known, "lag_bytes": None, "there": False}
    if place is None and path in places.values():  # another file has this name now
        return gone
    try:
        status = os.stat(path)
    except OSError:
        return gone
    plain = (place or file_id(status) == (position.device, position.inode)) and not _is_packed(path)
    return {**known, "lag_bytes": max(0, status.st_size - position.offset) if plain else None, "there": True}


def _is_packed(path: str) -> bool:
    """True for a compressed file, whose size does not tell the lag; judged by its name if it cannot be read."""
    try:
        with open(path, "rb", opener=open_shared) as file:
            return form_of(file.read(LOOK)) is not None
    except OSError:
        return path.endswith((".gz", ".bz2", ".xz", ".zst"))


def state_text(value: Mapping[str, Any]) -> str:
    """The result of `state` for a person."""
    running = value["running"]
    lines = [f"{value['state_dir']}: " + ("no shipper is running" if running is None else f"mfa-shipper runs with pid {running}")]
    for log, files in groupby(value["files"], key=itemgetter("log")):
        lines.append(f"  {printable(log)}")
        for file in files:
            lag = "gone" if not file["there"] else _lag(file["lag_bytes"])
            lines.append(f"    {printable(file['path'])}: {file['offset']:,} bytes delivered, {lag}")
    for channel in value.get("channels", []):
        behind = "lag unknown" if channel["behind"] is None else f"{channel['behind']:,} records behind"
        lines.append(f"  event log {printable(channel['channel'])}: delivered up to record {channel['record']}, {behind}")
    if not value["files"] and not value.get("channels"):
        lines.append("  nothing has been delivered yet")
    lines += ["  waiting"] if value["waiting"] else []
    lines += [f"    {printable(file['path'])}: {printable(file['reason'])}" for file in value["waiting"]]
    lines.append(f"dead letters: {value['dead_letters']:,}")
    return "\n".join(lines)


def _lag(size: int | None) -> str:
    return "lag unknown" if size is None else f"{size:,} bytes behind"
