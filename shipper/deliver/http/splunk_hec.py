"""Splunk's HTTP Event Collector: batches in the format `splunk-hec`, with indexer acknowledgement. I/O.

Splunk has no event ids: events sent again after an error may be there twice. With acknowledgement a batch counts as
delivered once the indexers have it; without, once the collector has taken it, and events that it then loses are lost.

Sources: Splunk, "Troubleshoot HTTP Event Collector" (the codes), "About HTTP Event Collector Indexer Acknowledgment".
"""

import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import orjson

from shipper.deliver.http.connection import Answer, Connection, excerpt
from shipper.deliver.http.options import HttpOptions
from shipper.deliver.sink import Batch, Receipt, SinkDown

EVENT, ACK, HEALTH = "/services/collector/event", "/services/collector/ack", "/services/collector/health"
TAKEN = 200
SUCCESS, NO_DATA, WRONG_INDEX, NO_CHANNEL, ACK_OFF = 0, 5, 7, 10, 14
OF_HEALTH = (17, 18, 19, 20, 23)  # codes: healthy, queues full, no acknowledgements, both, shutting down
OF_AN_EVENT = (6, 12, 13, 15)  # codes: wrong format, no event, empty event, wrong fields
WORDS = {  # our words by code; other codes keep the server's words
    1: "the token is disabled",
    2: "the server got no token",
    3: "the server got no token that it can read",
    4: "the server does not know the token",
    WRONG_INDEX: "the token may not write into this index, or it does not exist: look at the index asked for, and at the token's indexes",
    NO_CHANNEL: "the token asks for acknowledgement: set output.splunk_hec.acknowledgement: true",
    ACK_OFF: "the token has no acknowledgement",
}
MOST_NAMED = 8  # maximum events left out of a request one by one; if more are wrong, halving finds them sooner
ACK_TIMEOUT = 300.0  # seconds, as in other shippers; then a batch is sent again
LOOK_TIMEOUT = 5.0  # seconds


@dataclass(slots=True)
class _Unconfirmed:
    """A batch that waits for acknowledgements `ids` since `since`; the collector took `taken` events of it."""

    receipt: Receipt
    taken: int
    since: float
    ids: set[int]


class HecCourier:
    """Talks to a collector."""

    in_flight = 16
    patience = 1.0

    def __init__(self, options: HttpOptions, *, acknowledgement: bool, ack_timeout: float = ACK_TIMEOUT) -> None:
        """
        Args:
            options: how to reach the collector.
            acknowledgement: wait for acknowledgement by the indexers if the token has it.
            ack_timeout: maximum seconds to wait for it.
        """
        self._connection = Connection(options)
        self._look = replace(options, timeout=min(LOOK_TIMEOUT, options.timeout))
        self._acknowledgement = acknowledgement
        self._ack_timeout = ack_timeout
        self._channel = str(uuid.uuid4())  # acknowledgements are numbered per channel
        self._waiting: list[_Unconfirmed] = []
        self.statuses: Counter[int] = Counter()  # number of events taken

    def reach(self) -> None:
        look = Connection(self._look, self._connection.met)
        try:
            answer = look.ask("GET", HEALTH)
            if answer.status == 503:
                raise SinkDown(f"the collector takes nothing now: {_words(answer)}")
        finally:
            look.close()

    def verify(self) -> str | None:
        look = Connection(self._look)
        try:
            answer = look.ask("POST", EVENT, b"", {"Content-Type": "application/json", **self._headers()})
            known = _is_taken(answer) or answer.json().get("code") == NO_DATA
            return None if known else _words(answer)
        except SinkDown as error:
            return str(error)
        finally:
            look.close()

    def deliver(self, batch: Batch) -> Receipt | None:
        ids: set[int] = set()
        reasons = self._send(list(enumerate(batch.lines())), ids)
        receipt = Receipt(batch.number, batch.refusals(reasons))
        taken = batch.events - len(receipt.refused)
        if not ids:
            self.statuses[TAKEN] += taken
            return receipt
        self._waiting.append(_Unconfirmed(receipt, taken, time.monotonic(), ids))
        return None

    def _send(self, lines: Sequence[tuple[int, bytes]], ids: set[int]) -> dict[int, str]:
        """Send events, each with its index; return the reason for each event that will never be taken, by index.

        Acknowledgements to wait for are added to `ids`.

        Raises:
            SinkDown: all events not acknowledged must be sent again.
        """
        refused: dict[int, str] = {}
        while lines:
            answer = self._connection.post(EVENT, b"\n".join(line for _, line in lines) + b"\n", self._headers())
            culprit = _culprit(answer, len(lines)) if len(refused) < MOST_NAMED else None
            if culprit is None:
                return refused | self._settled(answer, lines, ids)
            refused[lines[culprit][0]] = _words(answer)  # the others of the request count as not taken: send them again
            lines = [*lines[:culprit], *lines[culprit + 1 :]]
        return refused

    def _settled(self, answer: Answer, lines: Sequence[tuple[int, bytes]], ids: set[int]) -> dict[int, str]:
        """Apply an answer that names no event to the events sent; see `_send`."""
        if _is_taken(answer):
            number = answer.json().get("ackId")
            if self._acknowledgement and isinstance(number, int):
                ids.add(number)
            return {}
        if answer.status == 413 or answer.json().get("code") in OF_AN_EVENT:
            if len(lines) == 1:
                index, line = lines[0]
                return {
                    index: f"too large for the collector (413): {len(line)} bytes" if answer.status == 413 else _words(answer)
                }
            half = len(lines) // 2
            return self._send(lines[:half], ids) | self._send(lines[half:], ids)
        raise SinkDown(_words(answer), answer.retry_after)

    def confirmed(self) -> list[Receipt]:
        wanted = sorted(set().union(*(batch.ids for batch in self._waiting)))
        answer = self._connection.post(f"{ACK}?channel={self._channel}", orjson.dumps({"acks": wanted}), self._headers())
        acks = answer.json().get("acks")
        if answer.status != 200 or not isinstance(acks, dict):
            raise SinkDown(f"no answer about acknowledgements: {_words(answer)}", answer.retry_after)
        for batch in self._waiting:
            batch.ids = {number for number in batch.ids if acks.get(str(number)) is not True}
        done = [batch.receipt for batch in self._waiting if not batch.ids]
        self.statuses[TAKEN] += sum(batch.taken for batch in self._waiting if not batch.ids)
        self._waiting = [batch for batch in self._waiting if batch.ids]
        if not done and self._waiting and time.monotonic() - self._waiting[0].since > self._ack_timeout:
            raise SinkDown(f"the indexers have acknowledged nothing for {self._ack_timeout:g} s")
        return done

    def abandon(self) -> None:
        self._waiting.clear()
        self._channel = str(uuid.uuid4())
        self._connection.close()

    def _headers(self) -> Mapping[str, str]:
        return {"X-Splunk-Request-Channel": self._channel} if self._acknowledgement else {}


def tells_health(answer: Answer) -> bool:
    """True if the answer is a collector's health report."""
    return answer.json().get("code") in OF_HEALTH


def _is_taken(answer: Answer) -> bool:
    """True if the collector confirms that it has the events; the page of a proxy, with status 200, does not."""
    return answer.status == 200 and answer.json().get("code") == SUCCESS


def _culprit(answer: Answer, events: int) -> int | None:
    """The index of the event that the collector says it will never take; None if it names none."""
    number = answer.json().get("invalid-event-number")
    if answer.json().get("code") in OF_AN_EVENT and isinstance(number, int) and 0 <= number < events:
        return number
    return None


def _words(answer: Answer) -> str:
    """The meaning of an answer, in our words or the collector's."""
    said = answer.json()
    code, text = said.get("code"), said.get("text")
    if isinstance(code, int) and code in WORDS:
        return f"{WORDS[code]} ({answer.status}, code {code})"
    if answer.status == 401:
        return "the server lets nobody in with this token (401)"
    if answer.status == 404:
        return "there is no collector at this URL (404); is its port that of HEC, 8088 by default?"
    if text and isinstance(code, int):
        return f"{text} ({answer.status}, code {code})"
    return f"that is no answer of a collector: {excerpt(answer)}" if answer.status == 200 else excerpt(answer)
