"""`parse --to URL`: send events to Elasticsearch, OpenSearch or Splunk, by the delivery that `run` uses. I/O."""

import os
import random
import sys
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple

from shipper.commands.forms import refuse_input
from shipper.commands.parse import ParseOptions, read_into, settings_of
from shipper.commands.screen import tell
from shipper.config.addresses import url as url_of
from shipper.deliver.batch import Batcher, Limits, OpenBatch
from shipper.deliver.dead_letters import DeadLetterFile
from shipper.deliver.delivery import Delivery
from shipper.deliver.http.connection import Connection
from shipper.deliver.http.elasticsearch import BulkCourier, has_bulk
from shipper.deliver.http.options import HttpOptions
from shipper.deliver.http.sink import HttpSink
from shipper.deliver.http.splunk_hec import HEALTH, HecCourier, tells_health
from shipper.deliver.outage import Outage
from shipper.deliver.sink import Refusal, SinkDown
from shipper.errors import InputError, RunError, UsageError
from shipper.first_line import first_line
from shipper.model import Block, Counts
from shipper.printable import printable
from shipper.read.logs import Log
from shipper.report.advice import counted
from shipper.times import SECOND

LOOK_TIMEOUT = 10.0  # seconds
WORDS = {200: "accepted", 201: "created", 409: "there already"}


def send_logs(options: ParseOptions) -> Counts:
    """Parse the files and send their events to the server of `--to`.

    Raises:
        UsageError: an option is wrong, or a file is missing.
        RunError: the server does not take events, or refused some for good; see also `parse.import_logs`.
    """
    _refuse_contradictions(options)
    assert options.to is not None
    to = target(options.to, options.to_key, options.to_ca, options.namespace or "default")
    if options.to_index is not None and to.format == "elastic-bulk":
        raise UsageError("--to-index is for Splunk; of Elasticsearch and OpenSearch, --namespace says into which data streams")
    refused = Refused(options.refused)
    chosen = replace(options, format=to.format, events=options.events or "exchange")

    def begin(logs: Sequence[Log]) -> AbstractContextManager["Upload"]:
        if options.refused is not None:
            read = [file.on_disk for log in logs for file in log.inputs]
            refuse_input(str(options.refused), read, options.to_key, options.pseudonyms, options.status_codes, option="--refused")
            reason = DeadLetterFile(str(options.refused)).unusable()
            if reason:
                raise UsageError(f"--refused {options.refused}: {reason}")
        return _upload(to, refused, options.quiet)

    counts = read_into(chosen, settings_of(chosen), begin)
    if refused.number:
        raise RunError(f"--to: {counted(refused.number, 'event')} refused; the first: {printable(refused.first)}")
    return counts


def _refuse_contradictions(options: ParseOptions) -> None:
    given = {
        "--output": options.output is not None,
        "--format": options.format is not None,
        "--pretty": options.pretty,
    }
    for name in (name for name, is_given in given.items() if is_given):
        raise UsageError(f"{name} does not go with --to: events go to the server, in the format that it takes")


class Target(NamedTuple):
    """A server that takes events.

    Attributes:
        sink: the sink for it, not yet opened.
        format: the format in which it takes events.
        statuses: the number of events by the status of its answers; kept up to date.
    """

    sink: HttpSink
    format: str
    statuses: Counter[int]


def target(url: str, key_file: Path | None, ca_file: str | None, namespace: str) -> Target:
    """Identify the server at a URL and check that it takes our events; nothing is changed there.

    Args:
        url: the URL of Elasticsearch, OpenSearch, or Splunk's HTTP Event Collector.
        key_file: its first line is an API key, NAME:PASSWORD, or a collector's token.
        ca_file: PEM file of the authority to trust; None: those of the system.
        namespace: the namespace of the data streams.

    Raises:
        UsageError: the URL, or a file, cannot be used.
        RunError: the server cannot be reached, or would not take events.
    """
    try:
        url = url_of(url)
    except ValueError as error:
        raise UsageError(f"--to: {str(error).replace('give it under security', 'give --to-key FILE')}") from None
    if ca_file is not None and not os.path.isfile(ca_file):
        raise UsageError(f"--to-ca {ca_file}: there is no such file")
    key = None if key_file is None else _key(key_file)
    try:
        courier: BulkCourier | HecCourier
        if _is_collector(HttpOptions((url,), timeout=LOOK_TIMEOUT, ca_file=ca_file)):
            headers = {} if key is None else {"Authorization": f"Splunk {key}"}
            courier = HecCourier(HttpOptions((url,), headers, ca_file=ca_file), acknowledgement=True)
            form = "splunk-hec"
        else:
            headers = {} if key is None else {"Authorization": _authorization(key)}
            courier = BulkCourier(HttpOptions((url,), headers, ca_file=ca_file), namespace)
            form = "elastic-bulk"
        reason = courier.verify()
    except SinkDown as error:
        reason = str(error)
    if reason and key is None and "(401" in reason:
        raise UsageError(f"--to {url}: it lets nobody in without a key or token: give --to-key FILE")
    if reason and key is not None and ":" in key and "(401" in reason:
        reason += "; with a colon it was taken for NAME:PASSWORD: give an API key in its encoded form"
    if reason:
        raise RunError(f"--to: {reason.replace('ca_file', '--to-ca')}")
    return Target(HttpSink(form, courier), form, courier.statuses)


def _is_collector(options: HttpOptions) -> bool:
    """True for a collector. An unknown server gets no key. One that answers any path is a collector unless it has `_bulk`."""
    look = Connection(options)
    try:
        answer = look.ask("GET", HEALTH)
    finally:
        look.close()
    return tells_health(answer) or (answer.status in (200, 503) and not has_bulk(options))


def _authorization(key: str) -> str:
    return f"Basic {b64encode(key.encode()).decode()}" if ":" in key else f"ApiKey {key}"


def _key(path: Path) -> str:
    try:
        key = first_line(path).strip()
    except (OSError, ValueError) as error:
        raise UsageError(f"--to-key {path}: {getattr(error, 'strerror', None) or error}") from None
    if not key or not key.isprintable() or not (key.isascii() or ":" in key):
        raise UsageError(f"--to-key {path}: its first line must be an API key, NAME:PASSWORD, or a token")
    return key


class Refused:
    """The events that the server refuses for good: counted, and kept in the file `path`, if given.

    Attributes:
        number: how many.
        first: why the server refused the first event, and its id.
    """

    def __init__(self, path: Path | None) -> None:
        self.number = 0
        self.first = ""
        self._file = None if path is None else DeadLetterFile(str(path))

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        """See `DeadLetters`."""
        if self._file is not None:
            self._file.add(refusals)
        self.number += len(refusals)
        self.first = self.first or f"{refusals[0].reason} (event {refusals[0].label[1]})"


class Told:
    """Says on standard error that the server is away, once a minute that it still is, and that it is back."""

    def __init__(self, now: Callable[[], int] = time.monotonic_ns) -> None:
        """`now`: nanoseconds of a monotonic clock."""
        self._is_away = False
        self._outage = Outage(now)

    def down(self, reason: str) -> None:
        self._is_away = True
        self._outage.begin(reason)
        print(f"mfa-shipper: {printable(reason)}; trying again", file=sys.stderr)

    def up(self) -> None:
        if self._is_away:
            print("mfa-shipper: the server takes events again", file=sys.stderr)
        self._is_away = False
        self._outage.end()

    def remind(self) -> None:
        """Print a reminder if one is due. Call it often while events wait."""
        due = self._outage.due()
        if due:
            minutes = counted(due.minutes, "minute")
            print(f"mfa-shipper: {printable(due.reason)}; still trying after {minutes}, nothing is lost", file=sys.stderr)

    def refused(self, refusals: tuple[Refusal, ...]) -> None:
        """Do nothing: the sums count refused events."""

    def unkept(self, reason: str | None) -> None:
        if reason:
            print(f"mfa-shipper: {printable(reason)}; trying again", file=sys.stderr)


class Upload:
    """Hands events to the delivery, and waits while the server does not take them."""

    output = None

    def __init__(self, to: Target, refused: Refused) -> None:
        self._to = to
        self._refused = refused
        self._told = Told()
        self._delivery = Delivery(to.sink, refused, self._told, run=token_hex(8), now=time.monotonic_ns, random=random.random)
        self._batcher: Batcher[None] = Batcher(Limits())

    def take(self, block: Block) -> None:
        full = self._batcher.add(block, None, time.monotonic_ns())
        if full:
            self._hand_over(full)

    def finish(self) -> list[str]:
        rest = self._batcher.flush()
        if rest and rest.blocks:
            self._hand_over(rest)
        while self._delivery.outstanding:
            self._turn()
        return [self.sums()]

    def _hand_over(self, batch: OpenBatch[None]) -> None:
        while not self._delivery.accepts:
            self._turn()
        self._delivery.hand_over(batch.blocks, {})
        self._delivery.turn(0.0)

    def _turn(self) -> None:
        self._delivery.turn(0.2)
        self._told.remind()
        wake = self._delivery.wake
        if not self._delivery.awaits_receipts and wake is not None:
            time.sleep(min(0.2, max(0.0, (wake - time.monotonic_ns()) / SECOND)))

    def close(self) -> None:
        """Drop undelivered events."""
        self._to.sink.close(0.0)

    def sums(self) -> str:
        """What became of the events so far, in a line for the summary."""
        answers = [
            f"{number:,} {WORDS.get(status, f'answered with {status}')}" for status, number in sorted(self._to.statuses.items())
        ]
        if self._refused.number:
            answers.append(f"{self._refused.number:,} refused")
        again = f"; tried again {counted(self._delivery.retries, 'time')}" if self._delivery.retries else ""
        return f"  sent: {', '.join(answers) or 'nothing'}{again}"


@contextmanager
def _upload(to: Target, refused: Refused, quiet: bool) -> Iterator[Upload]:
    sending = Upload(to, refused)
    try:
        yield sending
    except InputError:  # all that could be read was sent
        raise
    except BaseException:
        if not quiet:
            tell(f"{sending.sums()}; it was not finished")
        raise
    finally:
        sending.close()
