"""`check`: validate patterns, code table and configuration before anything runs with them. I/O."""

import os
from functools import partial
from pathlib import Path

from shipper.commands.detect import MISSING
from shipper.config.rules import warnings
from shipper.config.sections import Config
from shipper.decode.compiled import in_use
from shipper.decode.library import load
from shipper.decode.line_patterns import Stamps
from shipper.deliver.sink import SinkDown
from shipper.errors import RunError, UsageError
from shipper.lock import holder, lock_beside
from shipper.pipeline import Settings
from shipper.printable import printable
from shipper.read.channel import ChannelTrouble
from shipper.read.inputs import find_logs, matches
from shipper.read.logs import listing
from shipper.read.unmatched import advice
from shipper.sidecar.assemble import accepted
from shipper.sidecar.checkpoint import refuse_newer
from shipper.sidecar.following import channels_of, event_logs, inputs_of, number_of
from shipper.sidecar.lock import NAME as LOCK
from shipper.sidecar.pages import PortTaken, try_out
from shipper.sidecar.sinks import build_sink
from shipper.stream.assemble import detect_settings
from shipper.times import SECOND


def check_tables(pattern_dirs: tuple[Path, ...], status_codes: Path | None) -> str:
    """Load the patterns and the code table, built-in and user-defined, and describe them.

    Raises:
        UsageError: a pattern or the table is wrong.
    """
    library = load(pattern_dirs, status_codes, every_block=True)
    patterns = (*library.lines, *library.messages)
    own = sum(Path(pattern.definition.file).parent in pattern_dirs for pattern in patterns)
    lines = [
        f"patterns: {len(library.lines)} for lines, {len(library.messages)} for messages"
        + (f", {own} of them yours" if own else ""),
        f"status codes: {len(library.codes.codes)}",
        f"kernel: {in_use()}",
    ]
    if not library.builtin:
        lines.append("note: with patterns of your own every line takes the general path, at about a quarter of the speed")
    return "\n".join(lines)


def plan(config: Config) -> str:
    """Describe what `run` or `detect` would do, on one screen.

    Raises:
        UsageError: `run` would raise it.
    """
    settings = accepted(config)
    refuse_newer(config.state_dir)
    detection = _detection(config)
    if not config.inputs:
        return detection
    library, output, batch = settings.library, config.output, config.output.batch
    lines = [f"state      {config.state_dir}"]
    for followed in inputs_of(config):
        found = len(matches(followed.path))
        files = f"{found or 'no'} file{'' if found == 1 else 's'} now"
        lines.append(f"input      {followed.path} ({files}), from the {followed.start}")
    channels, troubles = _channels(config)
    lines += channels + _logs(config, settings)
    return "\n".join(
        [
            *lines,
            f"pipeline   {len(library.lines)} patterns for lines, {len(library.messages)} for messages, "
            + "; ".join([f"{len(library.codes.codes)} status codes", *map(str, settings.detectors.values())]),
            f"kernel     {in_use()}",
            f"output     {_target(config)}, format {output.form}, one event per {output.unit}",
            f"batch      {batch.max_events} events, {batch.max_bytes} bytes or {batch.max_age / 1e9:g} s",
            f"metrics    {config.metrics.listen or 'off'}",
            *(
                f"warning    {warning}"
                for warning in [*warnings(config), *_taken(config), *_missing(config), *_unmatched(config), *troubles]
            ),
            *([detection] if detection else []),
        ]
    )


def _detection(config: Config) -> str:
    """Describe what `detect` would do; empty if the configuration is not for `detect`."""
    if config.detect is None or config.output.type != "kafka":
        return ""
    detect = detect_settings(config)
    kafka = detect.kafka
    lines = [
        f"detect     as {detect.group}, state {detect.state_dir}",
        f"events     {kafka.topic} on {', '.join(kafka.bootstrap_servers)} ({kafka.protocol})",
        f"order      by time within {detect.lateness / SECOND:g} s, quiet partitions after {detect.idle_timeout / SECOND:g} s",
        f"between    {detect.held_topic}, {detect.partitions} partitions",
        f"findings   {'; '.join(map(str, detect.rules.values())) or 'none'}, into {detect.alert_topic}",
    ]
    if not config.inputs:
        lines.append(f"metrics    {config.metrics.listen or 'off'}")
        lines += [f"warning    {warning}" for warning in [*warnings(config), *_taken(config)]]
    return "\n".join(lines)


def _channels(config: Config) -> tuple[list[str], list[str]]:
    """A line for each followed channel, and a sentence for each that cannot be read."""
    lines: list[str] = []
    troubles: list[str] = []
    logs = event_logs() if channels_of(config) else None
    for given in channels_of(config):
        found = "cannot be read now"
        try:
            newest = logs and logs.newest(given.channel, given.query)
            found = f"its newest record is {newest.number}" if newest else "no record now"
        except ChannelTrouble as trouble:
            troubles.append(str(trouble))
        lines.append(f"input      event log {given.channel} ({found}), from the {given.start}")
    return lines, troubles


def _missing(config: Config) -> list[str]:
    """A sentence for each input without files and for an output that cannot be written yet, perhaps because of a wrong path."""
    given = [(number, followed.path) for number, followed in enumerate(config.inputs) if followed.path is not None]
    missing = [f"inputs[{number}].path: nothing matches {path} now" for number, path in given if not matches(path)]
    file = config.output.file
    if config.output.type == "file" and file is not None:
        reason = build_sink(config).verify()
        folder = os.path.abspath(os.path.dirname(file.path))
        if reason and (os.path.isdir(folder) or folder != os.path.abspath(config.state_dir)):  # run creates state_dir
            missing.append(f"output.file.path: {reason}; run waits until it can")
    return missing


def _unmatched(config: Config) -> list[str]:
    """A sentence for each input that follows logs, but not their rotated files."""
    sentences = []
    for number, rotated, is_there, remedy in advice(inputs_of(config)):
        which = (
            f"{rotated} is a rotated log, and no input matches it"
            if is_there
            else f"rotated logs, such as {rotated}, do not match"
        )
        sentences.append(
            f"inputs[{number_of(config, number)}].path: {printable(which)}; what is rotated away while nothing runs is lost: use {printable(remedy)}"
        )
    return sentences


def _taken(config: Config) -> list[str]:
    """Check that the port and the output file are free; return a warning if the shipper of this configuration has the port.

    Raises:
        UsageError: the metrics page cannot have its port, or another shipper writes to the output file.
    """
    running = _holder(os.path.join(config.state_dir, LOCK))
    file = config.output.file
    if config.output.type == "file" and file is not None:
        other = _holder(lock_beside(file.path))
        if other not in (None, running):
            raise UsageError(f"output.file.path: the mfa-shipper with pid {other} writes to {file.path}; give another path")
    if config.metrics.listen is None:
        return []
    try:
        try_out(config.metrics.listen)
    except PortTaken as error:
        if running is None:
            raise
        return [f"{str(error).partition(';')[0]}, probably because of the shipper that runs with pid {running}"]
    return []


def _holder(lock: str) -> int | None:
    try:
        return holder(lock)
    except OSError:
        return None  # another user owns it; if that matters, it has been reported already


def _logs(config: Config, settings: Settings) -> list[str]:
    """List which existing files form which log, and which cannot be read."""
    logs, problems = find_logs(inputs_of(config), settings.options.exchange_timeout, Stamps(settings.library))
    lines = [(" " * 11 if line.startswith(" ") else "log        ") + line for line in listing(logs)]
    return lines + [f"note       {printable(problem)}" for problem in problems]


def _target(config: Config) -> str:
    output = config.output
    if output.type == "file" and output.file:
        return f"file {output.file.path}"
    if output.type == "kafka" and output.kafka:
        kafka = output.kafka
        how = "exactly once" if kafka.exactly_once else "at least once"
        servers = ", ".join(kafka.bootstrap_servers)
        return f"kafka {kafka.topic} on {servers} ({kafka.security.protocol}, {kafka.client}, {how})"
    if output.type == "elasticsearch" and output.elasticsearch:
        return f"elasticsearch {', '.join(output.elasticsearch.urls)}, namespace {output.elasticsearch.namespace}"
    if output.type == "splunk_hec" and output.splunk_hec:
        splunk = output.splunk_hec
        return f"splunk_hec {splunk.url}, index {splunk.index or 'of the token'}"
    return output.type


def connect(config: Config) -> None:
    """Check that the output can be reached, without creating anything there or displacing a running shipper.

    Raises:
        RunError: the output cannot be reached, would not accept events, or does not suit `detect`; says why.
        UsageError: a package that `detect` needs is not installed.
    """
    looks = [build_sink(config).verify] if config.inputs else []
    if config.detect is not None and config.output.type == "kafka":
        try:
            from shipper.stream.fitness import unfit
        except ImportError:
            raise UsageError(MISSING) from None
        looks.append(partial(unfit, detect_settings(config)))
    for look in looks:
        try:
            reason = look()
        except SinkDown as error:
            reason = str(error)
        if reason:
            raise RunError(f"{config.output.type}: {reason}")
