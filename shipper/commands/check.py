"""`check`: patterns, code table and configuration are validated before anything runs with them. I/O."""

import os
from pathlib import Path

from shipper.config.rules import warnings
from shipper.config.sections import Config
from shipper.decode.library import load
from shipper.decode.line_patterns import Stamps
from shipper.deliver.sink import SinkDown
from shipper.errors import RunError
from shipper.pipeline import Settings
from shipper.printable import printable
from shipper.read.inputs import find_logs, matches
from shipper.read.logs import listing
from shipper.sidecar.assemble import accepted, build_sink, inputs_of


def check_tables(pattern_dirs: tuple[Path, ...], status_codes: Path | None) -> str:
    """What the patterns and the code table hold, built-in ones and the user's own.

    Raises:
        UsageError: one of them is wrong.
    """
    library = load(pattern_dirs, status_codes, every_block=True)
    patterns = (*library.lines, *library.messages)
    own = sum(Path(pattern.definition.file).parent in pattern_dirs for pattern in patterns)
    lines = [
        f"patterns: {len(library.lines)} for lines, {len(library.messages)} for messages"
        + (f", {own} of them yours" if own else ""),
        f"status codes: {len(library.codes.codes)}",
    ]
    if not library.builtin:
        lines.append("note: with patterns of your own every line takes the general path, at about a quarter of the speed")
    return "\n".join(lines)


def plan(config: Config) -> str:
    """What `run` would do, on one screen.

    Raises:
        UsageError: patterns, code table or sink cannot be used, or an input matches what the shipper writes.
    """
    settings = accepted(config)
    library, output, batch = settings.library, config.output, config.output.batch
    lines = [f"state      {config.state_dir}"]
    for followed in config.inputs:
        found = len(matches(followed.path))
        files = f"{found or 'no'} file{'' if found == 1 else 's'} now"
        lines.append(f"input      {followed.path} ({files}), from the {followed.start}")
    lines += _logs(config, settings)
    return "\n".join(
        [
            *lines,
            f"pipeline   {len(library.lines)} patterns for lines, {len(library.messages)} for messages, "
            + "; ".join([f"{len(library.codes.codes)} status codes", *map(str, settings.detectors.values())]),
            f"output     {_target(config)}, format {output.format}, one event per {output.events}",
            f"batch      {batch.max_events} events, {batch.max_bytes} bytes or {batch.max_age / 1e9:g} s",
            f"metrics    {config.metrics.listen or 'off'}",
            *(f"warning    {warning}" for warning in [*warnings(config), *_missing(config)]),
        ]
    )


def _missing(config: Config) -> list[str]:
    """What is not there yet, and may never come because its path is wrong; a sentence each."""
    given = enumerate(followed.path for followed in config.inputs)
    missing = [f"inputs[{number}].path: nothing matches {path} now" for number, path in given if not matches(path)]
    file = config.output.file
    folder = None if config.output.type != "file" or file is None else os.path.dirname(file.path) or "."
    if (
        folder is not None and not os.path.isdir(folder) and os.path.abspath(folder) != os.path.abspath(config.state_dir)
    ):  # run makes that
        missing.append(f"output.file.path: there is no folder {folder}; run waits until there is")
    return missing


def _logs(config: Config, settings: Settings) -> list[str]:
    """Which of the files that are there make which log, and which cannot be read."""
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
    return output.type


def connect(config: Config) -> None:
    """Reach the output; nothing is created there, and a shipper that runs keeps its place.

    Raises:
        RunError: it cannot be reached, or would not accept events; says why.
    """
    sink = build_sink(config)
    try:
        reason = sink.verify()
    except SinkDown as error:
        reason = str(error)
    if reason:
        raise RunError(f"{config.output.type}: {reason}")
