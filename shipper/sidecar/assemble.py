"""Build the parts of a running shipper from its configuration: settings, sink, dead letters, tail, loop. I/O.

Only this module knows which key of the configuration goes where. `run` builds, in this order: the
settings, the delivery (with its sink and dead letters) and, once the positions are known, the loop with its tail.
"""

import os
import random
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from secrets import token_hex

from shipper import pipeline
from shipper.config.sections import Config, options_of
from shipper.decode.library import load, syslog_time, zone_of
from shipper.decode.line_patterns import Stamps
from shipper.deliver.batch import Limits, read_size
from shipper.deliver.dead_letters import NAME, DeadLetterFile
from shipper.deliver.delivery import Delivery, Watcher
from shipper.deliver.kafka.dead_letter_topic import DeadLetterTopic, options_for
from shipper.detect import rules_for
from shipper.emit.pseudonyms import Pseudonyms
from shipper.errors import UsageError
from shipper.pipeline import Settings
from shipper.read.inputs import TailOptions
from shipper.sidecar.checkpoint import Checkpoint, Stored, refuse_folder
from shipper.sidecar.following import follow, inputs_of, refuse_channels
from shipper.sidecar.loop import Sidecar
from shipper.sidecar.own_paths import refuse_own
from shipper.sidecar.pages import Listen
from shipper.sidecar.sinks import build_sink, client_class, kafka_options
from shipper.sidecar.transactional_id import keep
from shipper.sidecar.vitals import Vitals
from shipper.times import SECOND
from shipper.tls import UnusableFile, tls_context


def settings_of(config: Config) -> Settings:
    """The settings of the pipelines.

    Raises:
        UsageError: the patterns, the code table or a time zone is invalid.
    """
    section = config.pipeline
    syslog, options = section.syslog, options_of(section)
    timeout = options["double_prompt"]["exchange_timeout"]
    return pipeline.settings(
        load(
            tuple(map(Path, section.patterns)),
            None if section.status_codes is None else Path(section.status_codes),
            syslog=syslog_time(syslog.year, zone_of(syslog.zone, "pipeline.syslog.zone"), "pipeline.syslog.year"),
            local_zone=None if section.local_zone is None else zone_of(section.local_zone, "pipeline.local_zone"),
        ),
        rules_for(section.detectors, timeout, options),
        {
            "host": section.host.fields,
            "labels": section.labels,
            "observer": section.observer.fields,
            "tags": list(section.tags),
        },
        exchange_timeout=timeout,
        keep_original=section.keep_original,
        memory=section.memory,
        format=config.output.form,
        namespace=_namespace(config),
        index=None if config.output.splunk_hec is None else config.output.splunk_hec.index,
        pseudonyms=_pseudonyms(config),
        per_exchange=config.output.unit == "exchange",
        read_size=config.tail.read_size,
        line_limit=config.tail.max_line,
    )


def _namespace(config: Config) -> str:
    section = config.output.elasticsearch
    return section.namespace if config.output.type == "elasticsearch" and section else config.pipeline.data_stream.namespace


def _pseudonyms(config: Config) -> Pseudonyms | None:
    section = config.pipeline.pseudonyms
    if section is None or section.key is None:
        return None
    return Pseudonyms(section.key.value.encode(), tuple(section.fields))


def dead_letters(config: Config) -> DeadLetterFile | DeadLetterTopic:
    """The destination of records that the sink refuses: `dead_letter_topic`, or a file in the state directory."""
    file = dead_letter_file(config)
    section = config.output.kafka if config.output.type == "kafka" else None
    if section is None or section.dead_letter_topic is None:
        return file
    options = options_for(kafka_options(config), section.dead_letter_topic)
    return DeadLetterTopic(section.dead_letter_topic, partial(client_class(options.client), options), file)


def dead_letter_file(config: Config) -> DeadLetterFile:
    """The dead letter file of the state directory."""
    return DeadLetterFile(os.path.join(config.state_dir, NAME))


def accepted(config: Config, *, stdout: bool = False) -> Settings:
    """Check that a configuration is usable, as far as possible before anything runs with it; return its settings.

    Args:
        config: the configuration.
        stdout: events would go to this process's standard output, which may be redirected into a log.

    Raises:
        UsageError: patterns, code table, time zone, state directory, sink, a certificate or its key cannot be used, or an
            input matches a file that the shipper writes.
    """
    settings = settings_of(config)
    refuse_folder(config.state_dir)
    build_sink(config)
    _refuse_certificates(config)
    refuse_channels(config)
    redirected = stdout and config.output.type == "stdout" and sys.stdout is not None
    refuse_own(config, inputs_of(config), sys.stdout.fileno() if redirected else None)
    return settings


def _refuse_certificates(config: Config) -> None:
    listen, kafka = listen_of(config), config.output.kafka
    try:
        key = "metrics"
        if listen is not None:
            tls_context(ssl.Purpose.CLIENT_AUTH, None, listen.cert_file, listen.key_file)
        key = "output.kafka.security"
        if config.output.type == "kafka" and kafka is not None and kafka.security.protocol.endswith("SSL"):
            security = kafka.security
            tls_context(ssl.Purpose.SERVER_AUTH, security.ca_file, security.cert_file, security.key_file)
        output = config.output
        section = {"elasticsearch": output.elasticsearch, "splunk_hec": output.splunk_hec}.get(output.type)
        if section is not None:
            key = f"output.{output.type}.security"
            tls_context(ssl.Purpose.SERVER_AUTH, section.security.ca_file, section.security.cert_file, section.security.key_file)
    except UnusableFile as error:
        raise UsageError(f"{key}.{error.key}: {error}") from None


def build_delivery(config: Config, watcher: Watcher) -> Delivery:
    """Build the delivery with its sink and dead letters; nothing is connected yet.

    Raises:
        UsageError: the sink cannot be used here.
    """
    run = token_hex(8)
    sink = build_sink(config, run)
    return Delivery(sink, dead_letters(config), watcher, run=run, now=time.monotonic_ns, random=random.random)


def stores_positions(config: Config) -> bool:
    """True if the sink stores the positions, in one transaction with the events."""
    return config.output.type == "kafka" and config.output.kafka is not None and config.output.kafka.exactly_once


def keep_transactional_id(config: Config) -> None:
    """Give the state directory a transactional id if it needs one. Call this before building the sink, with the lock held.

    Raises:
        UsageError, RunError: see `transactional_id.keep`.
    """
    kafka = config.output.kafka
    if kafka is not None and stores_positions(config) and kafka.transactional_id is None:
        keep(config.state_dir)


def listen_of(config: Config) -> Listen | None:
    """The address and access options of the metrics and health pages; None if there are no pages."""
    section = config.metrics
    if section.listen is None:
        return None
    password = None if section.password is None else section.password.value
    return Listen(section.listen, section.username, password, section.cert_file, section.key_file)


def build_loop(
    config: Config,
    settings: Settings,
    delivery: Delivery,
    checkpoint: Checkpoint,
    stored: Stored,
    vitals: Vitals,
    *,
    wait: Callable[[float], object],
    most_open: int | None,
) -> Sidecar:
    """Build the loop, which continues from `stored`; for `wait` see `Sidecar`, for `most_open` see `Tail`."""
    batch = config.output.batch
    limits = Limits(batch.max_events, batch.max_bytes, batch.max_age)
    options = TailOptions(
        line_limit=settings.line_limit,
        read_size=read_size(limits, settings.read_size),
        rotate_wait=config.tail.rotate_wait / SECOND,
        exchange_timeout=settings.options.exchange_timeout,
        stamp_of=Stamps(settings.library),
        most_open=most_open,
    )
    return Sidecar(
        follow(config, stored, options),
        delivery,
        checkpoint,
        settings,
        stored,
        limits=limits,
        vitals=vitals,
        now=time.monotonic_ns,
        wait=wait,
        poll_interval=config.tail.poll_interval,
    )
