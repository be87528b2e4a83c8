"""Elasticsearch and OpenSearch: batches in the format `elastic-bulk` go to `_bulk`. I/O.

Each document has the id of its event and is only created, never replaced. A document that already exists (409) is done,
so sending again is harmless.

Sources: Elastic, "Bulk API"; OpenSearch, "Bulk".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from shipper.deliver.http.cluster_fitness import TOO_MANY, cause, refuse_busy, unfit, unprepared
from shipper.deliver.http.connection import Answer, Connection, excerpt
from shipper.deliver.http.options import HttpOptions
from shipper.deliver.sink import Batch, Receipt, SinkDown

CREATED, THERE_ALREADY = 201, 409
LOOK_TIMEOUT = 5.0  # seconds


class _Error(msgspec.Struct):
    type: str | None = None
    reason: str | None = None
    caused_by: "_Error | None" = None


class _Document(msgspec.Struct):
    """The result of a document."""

    status: int
    error: _Error | None = None


class _Bulk(msgspec.Struct):
    """The requested part of an answer of `_bulk`: for each document, its result by the name of the action."""

    items: list[dict[str, _Document]]


class BulkCourier:
    """Talks to a cluster."""

    in_flight = 4
    patience = 1.0  # unused: every answer comes at once

    def __init__(self, options: HttpOptions, namespace: str) -> None:
        """`namespace`: the namespace of the data streams."""
        self._connection = Connection(options)
        self._look = replace(options, timeout=min(LOOK_TIMEOUT, options.timeout))
        self._namespace = namespace
        self._is_prepared = False
        self.statuses: Counter[int] = Counter()  # statuses of documents that are now in the cluster

    def reach(self) -> None:
        look = Connection(self._look, self._connection.met)
        try:
            _refuse_stranger(_asked_for_nothing(look))
            reason = None if self._is_prepared else unprepared(look, self._namespace)
            if reason:
                raise SinkDown(reason)
            self._is_prepared = True
        finally:
            look.close()

    def deliver(self, batch: Batch) -> Receipt:
        statuses: Counter[int] = Counter()
        receipt = Receipt(batch.number, batch.refusals(self._refused(batch.lines(), 0, statuses)))
        self.statuses += statuses
        return receipt

    def _refused(self, lines: Sequence[bytes], first: int, statuses: Counter[int]) -> dict[int, str]:
        """Send documents, the first of which has index `first`. Return the reason for each document that will never be taken, by
        index; `statuses` counts the others.

        Raises:
            SinkDown: all documents must be sent again, which is harmless.
        """
        if not lines:
            return {}
        answer = self._connection.post("/_bulk?filter_path=items.*.status,items.*.error", b"\n".join(lines) + b"\n")
        if answer.status == 413:
            if len(lines) == 1:
                return {first: f"too large for the server (413): {len(lines[0])} bytes"}
            half = len(lines) // 2
            return self._refused(lines[:half], first, statuses) | self._refused(lines[half:], first + half, statuses)
        _refuse_failure(answer)
        bulk = _bulk(answer)
        documents = [document for item in bulk.items for document in item.values()]
        if len(documents) != len(lines):
            raise SinkDown(f"no answer of _bulk: {excerpt(answer)}")
        refused = _refusals(documents, first, answer)
        statuses.update(document.status for index, document in enumerate(documents, first) if index not in refused)
        return refused

    def confirmed(self) -> list[Receipt]:
        return []

    def abandon(self) -> None:
        self._connection.close()

    def verify(self) -> str | None:
        look = Connection(self._look)
        try:
            _refuse_stranger(_asked_for_nothing(look))
            return unfit(look, self._namespace)
        except SinkDown as error:
            return str(error)
        finally:
            look.close()


def _bulk(answer: Answer) -> _Bulk:
    """
    Raises:
        SinkDown: it is not an answer of `_bulk`.
    """
    try:
        return msgspec.json.decode(answer.body, type=_Bulk)
    except msgspec.DecodeError:
        raise SinkDown(f"no answer of _bulk: {excerpt(answer)}") from None


def _refusals(documents: Sequence[_Document], first: int, answer: Answer) -> dict[int, str]:
    """The reason for each document that is refused for good, by index.

    Raises:
        SinkDown: a document may be taken later, or after a change to the cluster.
    """
    later = [document for document in documents if _is_for_later(document.status)]
    if later:
        raise SinkDown(f"{len(later)} of {len(documents)} documents are not taken now: {_reason(later[0])}", answer.retry_after)
    return {
        index: _reason(document)
        for index, document in enumerate(documents, first)
        if document.status >= 300 and document.status != THERE_ALREADY
    }


def _is_for_later(status: int) -> bool:
    """True if the status is due to the cluster and not to the document: load, rights, an index that may not be created."""
    return status in (401, 403, 404, TOO_MANY) or status >= 500


def _reason(document: _Document) -> str:
    error = document.error or _Error()
    cause = error.caused_by or _Error()
    text = ": ".join(part for part in (error.type, error.reason, cause.reason) if part)
    return f"{document.status} {text.rstrip(';') or 'without a reason'}"


def _asked_for_nothing(connection: Connection) -> Answer:
    """The answer of `_bulk` to a request without documents. This identifies a cluster better than the root page, which a user
    who may only write may not see and which a proxy may answer."""
    return connection.ask("POST", "/_bulk", b"", {"Content-Type": "application/json"})


def has_bulk(options: HttpOptions) -> bool:
    """True if a server answers `_bulk` as Elasticsearch and OpenSearch do, or does not let us ask.

    Raises:
        SinkDown: no server answers.
    """
    look = Connection(options)
    try:
        answer = _asked_for_nothing(look)
    finally:
        look.close()
    return answer.status in (401, 403) or _is_of_bulk(answer)


def _is_of_bulk(answer: Answer) -> bool:
    said = answer.json()
    return isinstance(said.get("errors"), bool) if answer.status == 200 else isinstance(said.get("error"), dict)


def _refuse_stranger(answer: Answer) -> None:
    if answer.status == 400 and _is_of_bulk(answer):
        return  # the expected complaint: no documents
    _refuse_failure(answer)
    if not _is_of_bulk(answer):
        raise SinkDown(f"that is no Elasticsearch and no OpenSearch: {excerpt(answer)}")


def _refuse_failure(answer: Answer) -> None:
    status = answer.status
    if status == 200:
        return
    if status == 401:
        raise SinkDown("the API key, or the user with this password, is not known there (401)")
    if status == 403:
        raise SinkDown(f"we may not write there (403): {cause(answer)}")
    if status in (404, 405):
        raise SinkDown(f"there is no _bulk at this URL ({status}); is its path right?")
    refuse_busy(answer)
    raise SinkDown(f"the server refuses the request ({status}): {cause(answer)}")
