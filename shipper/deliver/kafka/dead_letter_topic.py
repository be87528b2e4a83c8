"""Dead letters in a topic, over a separate connection. I/O through the client.

A letter that is too large even for this topic goes to the file: nothing may be lost here.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from shipper.deliver.dead_letters import DeadLetterFile, encode_letter
from shipper.deliver.kafka.client import Client, KafkaOptions, Pending
from shipper.deliver.sink import Refusal, SinkDown

KEY = b"dead-letter"  # one key: all letters in one partition, in order
DEADLINE = 30.0  # seconds for the letters of one batch


class DeadLetterTopic:
    """The dead letters of a shipper, in `output.kafka.dead_letter_topic`."""

    def __init__(self, topic: str, connect: Callable[[], Client], file: DeadLetterFile) -> None:
        """`connect` makes a client without transactions; `file` takes the letters that the topic refuses."""
        self._topic = topic
        self._connect = connect
        self._client: Client | None = None
        self._file = file

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        """Send a letter for each refusal; each is acknowledged by the topic, or in the file, when this returns.

        Raises:
            SinkDown: the topic does not take the letters now.
            OSError: a letter is too large for the topic, and the file cannot be written now.
        """
        try:
            answers = self._send([encode_letter(refusal, self._file.now()) for refusal in refusals])
        except SinkDown as error:
            self._drop()
            raise SinkDown(f"the dead letter topic {self._topic}: {error}") from None
        too_large = tuple(refusal for refusal, answer in zip(refusals, answers, strict=True) if answer.refusal)
        if too_large:
            self._drop()  # kafka-python would refuse all later letters as well
            self._file.add(too_large)

    def _send(self, letters: list[bytes]) -> list[Pending]:
        """Send letters and return their outcomes. Each letter has its own `Pending`, so each answer belongs to one letter."""
        if self._client is None:
            self._client = self._connect()
            self._client.connect()
        answers = [Pending(1) for _ in letters]
        for answer, letter in zip(answers, letters, strict=True):
            self._client.send(answer, [(self._topic, KEY, letter, [])])
        end = time.monotonic() + DEADLINE
        for answer in answers:
            while answer.left and not answer.failed and time.monotonic() < end:
                self._client.collect(answer, 0.2)
            if answer.failed or answer.left:
                raise SinkDown(answer.failed or f"no answer within {DEADLINE:g} s")
        return answers

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close(0.0)


def options_for(options: KafkaOptions, topic: str) -> KafkaOptions:
    """The same connection options for dead letters: no transactions, no other topics."""
    return replace(options, topic=topic, alert_topic=None, dead_letter_topic=None, exactly_once=False)
