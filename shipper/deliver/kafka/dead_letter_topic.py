"""Dead letters in a topic, over a connection of their own. I/O through the client.

A letter that the topic will not take either, because the record is too large for it, goes to the
file: a dead letter is the last thing that may be lost.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from shipper.deliver.dead_letters import DeadLetterFile, encode_letter
from shipper.deliver.kafka.client import Client, KafkaOptions, Pending
from shipper.deliver.kafka.records import Record
from shipper.deliver.sink import Batch, Refusal, SinkDown

KEY = b"dead-letter"  # one partition, in their order
DEADLINE = 30.0  # seconds for the letters of one batch


class DeadLetterTopic:
    """The dead letters of one shipper, in `output.kafka.dead_letter_topic`."""

    def __init__(self, topic: str, connect: Callable[[], Client], file: DeadLetterFile) -> None:
        """`connect` makes a client without transactions."""
        self._topic = topic
        self._connect = connect
        self._client: Client | None = None
        self._file = file

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        """Keep them; acknowledged by the topic, or on the disk, when this returns.

        Raises:
            SinkDown: the topic does not take them now.
            OSError: a letter is too large for the topic, and the file cannot be written now.
        """
        letters = {encode_letter(one, self._file.now()): one for one in refusals}
        pending = Pending(Batch(1, b"", 0), len(letters))
        try:
            self._send(pending, [(self._topic, KEY, letter, []) for letter in letters])
        except SinkDown as error:
            self._drop()
            raise SinkDown(f"the dead letter topic {self._topic}: {error}") from None
        too_large = tuple(letters[refused.line] for refused in pending.refused)
        if too_large:
            self._file.add(too_large)

    def _send(self, pending: Pending, records: list[Record]) -> None:
        if self._client is None:
            self._client = self._connect()
            self._client.connect()
        self._client.send(pending, records)
        end = time.monotonic() + DEADLINE
        while pending.left and not pending.failed and time.monotonic() < end:
            self._client.collect(pending, 0.2)
        if pending.failed or pending.left:
            raise SinkDown(pending.failed or f"no answer within {DEADLINE:g} s")

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(0.0)


def options_for(options: KafkaOptions, topic: str) -> KafkaOptions:
    """The same connection, for dead letters: no transactions, and no other topics."""
    return replace(options, topic=topic, alert_topic=None, dead_letter_topic=None, exactly_once=False)
