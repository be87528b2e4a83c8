"""`check --config` and `status`: what would run, and how far it is. I/O."""

import glob
import os
from collections.abc import Mapping
from typing import Any

from shipper.commands.run import settings_of
from shipper.config.sections import Config
from shipper.deliver.sink import SinkDown
from shipper.read.position import Position
from shipper.sidecar.assemble import build_sink, dead_letters
from shipper.sidecar.checkpoint import NAME, read_checkpoint
from shipper.sidecar.lock import lock_holder


def plan(config: Config) -> str:
    """What `run` would do, on one screen.

    Raises:
        UsageError: patterns, code table or sink cannot be used.
    """
    settings = settings_of(config)
    lines = [f"state      {config.state_dir}"]
    for one in config.inputs:
        found = len(glob.glob(os.path.expanduser(one.path), recursive=True))
        lines.append(f"input      {one.path} ({found or 'no'} file{'' if found == 1 else 's'} now), from the {one.start}")
    rule = settings.rule
    lines.append(
        f"pipeline   {len(settings.library.lines)} patterns for lines, {len(settings.library.messages)} for messages, "
        f"{len(settings.library.codes.codes)} status codes; double prompts within {rule.window / 1e9:g} s"
    )
    out = config.output
    build_sink(config)
    lines.append(f"output     {_target(config)}, format {out.format}, one event per {out.events}")
    batch = out.batch
    lines.append(f"batch      {batch.max_events} events, {batch.max_bytes} bytes or {batch.max_age / 1e9:g} s")
    lines.append(f"metrics    {config.metrics.listen or 'off'}")
    return "\n".join(lines)


def _target(config: Config) -> str:
    out = config.output
    if out.type == "file" and out.file:
        return f"file {out.file.path}"
    if out.type == "kafka" and out.kafka:
        kafka = out.kafka
        how = "exactly once" if kafka.exactly_once else "at least once"
        servers = ", ".join(kafka.bootstrap_servers)
        return f"kafka {kafka.topic} on {servers} ({kafka.security.protocol}, {kafka.client}, {how})"
    return out.type


def connect(config: Config) -> str | None:
    """Reach the other side; None if it accepts us, else why not, in one sentence."""
    sink = build_sink(config)
    try:
        sink.open()
        return sink.verify()
    except SinkDown as error:
        return str(error)
    finally:
        sink.abandon()


def state(config: Config) -> dict[str, Any]:
    """Files, positions, lag and dead letters of a state directory.

    Raises:
        OSError, ValueError: the checkpoint cannot be read.
    """
    try:
        places, _ = read_checkpoint(os.path.join(config.state_dir, NAME))
    except FileNotFoundError:
        places = {}
    return {
        "state_dir": config.state_dir,
        "running": lock_holder(config.state_dir),
        "files": [_file(key, place) for key, place in sorted(places.items(), key=lambda item: item[1].path)],
        "dead_letters": dead_letters(config).count(),
    }


def _file(key: str, place: Position) -> dict[str, Any]:
    """One file: where it stands, and what is behind that."""
    try:
        status = os.stat(place.path)
    except OSError:
        return {"key": key, "path": place.path, "offset": place.offset, "lag_bytes": None, "there": False}
    same = (status.st_dev, status.st_ino) == (place.device, place.inode) and not place.path.endswith(".gz")
    lag = max(0, status.st_size - place.offset) if same else None
    return {"key": key, "path": place.path, "offset": place.offset, "lag_bytes": lag, "there": True}


def state_text(value: Mapping[str, Any]) -> str:
    """The same for a person."""
    running = value["running"]
    lines = [f"{value['state_dir']}: " + ("no shipper is running" if running is None else f"mfa-shipper runs with pid {running}")]
    for one in value["files"]:
        lag = "gone" if not one["there"] else "lag unknown" if one["lag_bytes"] is None else f"{one['lag_bytes']:,} bytes behind"
        lines.append(f"  {one['path']}: {one['offset']:,} bytes delivered, {lag}")
    if not value["files"]:
        lines.append("  nothing has been delivered yet")
    lines.append(f"dead letters: {value['dead_letters']:,}")
    return "\n".join(lines)
