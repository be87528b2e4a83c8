"""Exchanges: the three lines that one thread writes for one authentication. Pure.

A request opens an exchange on its thread. A verdict or status belongs to the exchange if its time is
no earlier than the request's and at most `timeout` later; the status closes it. Threads interleave and
are reused. An exchange is given up when its thread opens another, or when the newest event time of its
component is more than twice the timeout after its request. So which exchanges are open depends only on the
recent past of the component.
"""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

from shipper.decode import compiled
from shipper.model import MEMORY, ExchangeFields

MEMORY_OF_ONE = 2048  # bytes of `pipeline.memory` for each exchange that may be open, and for what else it comes with

Thread = str  # COMPONENT|PID|TID; a string, because Python computes the hash of a string only once
Open = MutableMapping[Thread, ExchangeFields]  # in the order in which they were opened


class Exchanges:
    """The open exchanges of one component of a log, by thread.

    `open` is public for the fast path. All components together hold at most `limit` exchanges; past it, the component that
    has most of them gives up the one that it opened first. That bounds the memory of exchanges with texts of usual length; for
    longer texts see `heavy.py`.

    Attributes:
        timeout: nanoseconds from a request to the last line that may belong to it.
        patience: age of an exchange, in nanoseconds before the newest event time, past which it is given up.
        crowded_out: exchanges given up because of the limit, since this was set to 0.
    """

    def __init__(
        self,
        timeout: int,
        opens: list[Open] | None = None,
        limit: int = MEMORY // MEMORY_OF_ONE,
    ) -> None:
        """
        Args:
            timeout: in nanoseconds.
            opens: the open exchanges of each component of the log; those of this one are appended.
            limit: of open exchanges in all components.
        """
        self.timeout = timeout
        self.crowded_out = 0
        self._limit = limit
        self.patience = 2 * timeout
        self.open: Open = {}
        self._opens = [] if opens is None else opens
        self._opens.append(self.open)

    def for_kernel(self) -> "compiled.OpenExchanges":
        """Move the open exchanges to a container that the kernel shares; Python's access to it is slower."""
        kept = self.open
        if not compiled.are_open_exchanges(kept):
            at = next(at for at, other in enumerate(self._opens) if other is self.open)
            kept = compiled.OpenExchanges()
            for thread in [*self.open]:  # one by one, or all would be in memory twice
                kept[thread] = self.open.pop(thread)
            self.open = self._opens[at] = kept
        return kept

    def request(self, thread: Thread, exchange: ExchangeFields) -> int:
        """Open an exchange; return how many older ones are given up for it (0 or 1)."""
        given_up = self.open.pop(thread, None) is not None
        if sum(map(len, self._opens)) >= self._limit:
            fullest = max(self._opens, key=len)
            del fullest[next(iter(fullest))]
            given_up = True
            self.crowded_out += 1
        self.open[thread] = exchange
        return int(given_up)

    def belonging(self, thread: Thread | None, time: int, newest: int) -> ExchangeFields | None:
        """The open exchange that a verdict or status at `time` on this thread belongs to, or None; times in nanoseconds."""
        exchange = self.open.get(thread) if thread is not None else None
        if exchange is not None and 0 <= time - exchange[0] <= self.timeout and newest - exchange[0] <= self.patience:
            return exchange
        return None

    def verdict(self, thread: Thread, exchange: ExchangeFields, outcome: str) -> None:
        """Record the verdict of an open exchange."""
        start, start_text, event_id, user, shared_json, _ = exchange
        self.open[thread] = (start, start_text, event_id, user, shared_json, outcome)

    def close(self, thread: Thread) -> None:
        """Close the exchange of a thread, whose status has come."""
        del self.open[thread]

    def expire(self, newest: int) -> int:
        """Give up every exchange older than `patience`; return how many. `belonging` already ignores them."""
        oldest = newest - self.patience
        expired = [thread for thread, exchange in self.open.items() if exchange[0] < oldest]
        for thread in expired:
            del self.open[thread]
        return len(expired)

    def expire_first(self, newest: int) -> int:
        """Like `expire`, but stop at the first young exchange: nearly always the same result, and cheap enough for each chunk."""
        oldest, expired = newest - self.patience, 0
        while self.open and self.open[first := next(iter(self.open))][0] < oldest:
            del self.open[first]
            expired += 1
        return expired

    def snapshot(self) -> Iterator[Any]:
        """Yield the open exchanges as JSON values, one at a time: the kernel's take more memory in this form."""
        for thread, exchange in self.open.items():
            yield [thread, *exchange[:3], exchange[3] and list(exchange[3]), *exchange[4:]]

    def restore(self, snapshot: Iterable[Any]) -> None:
        """Replace the open exchanges with those of a snapshot."""
        self.open.clear()
        for thread, start, start_text, event_id, user, shared_json, verdict in snapshot:
            self.open[thread] = (start, start_text, event_id, (*user,) if user else None, shared_json, verdict)
