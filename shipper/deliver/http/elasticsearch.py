"""Elasticsearch and OpenSearch: batches in the format `elastic-bulk` go to `_bulk`. I/O.

Each document has the id of its event and is only created, never replaced: one that is there already (409) is done, so
sending again harms nothing.

Sources: Elastic, "Bulk API", "Simulate index", "Has privileges"; OpenSearch, "Bulk", "Simulate index templates".
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from shipper.deliver.http.connection import Answer, Connection, excerpt
from shipper.deliver.http.options import HttpOptions
from shipper.deliver.sink import Batch, Receipt, SinkDown
from shipper.emit.formats import data_stream

CREATED, THERE_ALREADY = 201, 409
TOO_MANY = 429
LOOK_TIMEOUT = 5.0  # seconds
DATASET = "azure_mfa.radius"  # whose data stream is looked at


class _Error(msgspec.Struct):
    type: str | None = None
    reason: str | None = None
    caused_by: "_Error | None" = None


class _Document(msgspec.Struct):
    """What became of a document."""

    status: int
    error: _Error | None = None


class _Bulk(msgspec.Struct):
    """The answer of `_bulk`, as far as it is asked for: of each document by the name of the action."""

    items: list[dict[str, _Document]]


class BulkCourier:
    """Speaks with a cluster."""

    in_flight = 4
    patience = 1.0  # nothing is ever confirmed later

    def __init__(self, options: HttpOptions, namespace: str) -> None:
        """`namespace` is that of the data streams."""
        self._connection = Connection(options)
        self._look = replace(options, timeout=min(LOOK_TIMEOUT, options.timeout))
        self._stream = data_stream(DATASET, namespace)
        self.statuses: Counter[int] = Counter()  # of documents that are there now

    def reach(self) -> None:
        look = Connection(self._look, self._connection.met)
        try:
            _refuse_stranger(_asked_for_nothing(look))
        finally:
            look.close()

    def deliver(self, batch: Batch) -> Receipt:
        statuses: Counter[int] = Counter()
        receipt = Receipt(batch.number, batch.refusals(self._refused(batch.lines(), 0, statuses)))
        self.statuses += statuses
        return receipt

    def _refused(self, lines: Sequence[bytes], first: int, statuses: Counter[int]) -> dict[int, str]:
        """Send documents, of which the first has that index; why each of those is refused that will never be taken. `statuses`
        counts the others.

        Raises:
            SinkDown: all are to be sent again, which harms none.
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
            return self._missing_template(look) or self._missing_index(look) or self._missing_right(look)
        except SinkDown as error:
            return str(error)
        finally:
            look.close()

    def _missing_template(self, look: Connection) -> str | None:
        there = look.ask("GET", f"/{self._stream}/_mapping")  # a stream that is there hides what a new one would be like
        if there.status == 200:
            known = any(_is_ours(index) for index in there.json().values())
            hint = f"and make {self._stream} anew, which has fields of guessed types"
        else:
            answer = look.ask("POST", f"/_index_template/_simulate_index/{self._stream}")
            known = answer.status in (401, 403) or _is_ours(answer.json().get("template"))  # who may only write may not look
            hint = "or fields would get guessed types"
        if known or there.status in (401, 403):
            return None
        return (
            f"{self._stream} has no index template of ours: run deploy/elastic/install.sh or deploy/opensearch/install.sh, {hint}"
        )

    def _missing_index(self, look: Connection) -> str | None:
        if look.ask("GET", f"/{self._stream}/_mapping").status != 404:
            return None
        answer = look.ask("GET", "/_cluster/settings?include_defaults=true&filter_path=*.action.auto_create_index").json()
        given = (
            answer.get(kind, {}).get("action", {}).get("auto_create_index") for kind in ("transient", "persistent", "defaults")
        )
        if next((setting for setting in given if setting is not None), None) != "false":
            return None  # or we may not ask; the rights of a pattern are told by the first batch
        return (
            f"{self._stream} is not there, and the cluster makes no index by itself (action.auto_create_index: false): "
            f"make it and the other streams of ours with PUT /_data_stream/NAME"
        )

    def _missing_right(self, look: Connection) -> str | None:
        body = b'{"index":[{"names":["%s"],"privileges":["create_doc","auto_configure"]}]}' % self._stream.encode()
        answer = look.ask("POST", "/_security/user/_has_privileges", body, {"Content-Type": "application/json"})
        if answer.status != 200 or answer.json().get("has_all_requested") is not False:
            return None  # OpenSearch has no such question
        rights: Any = answer.json().get("index", {}).get(self._stream, {})
        missing = " and ".join(name for name, granted in rights.items() if not granted)
        return f"we lack the right {missing} on {self._stream}: give the API key or the user both on logs-azure_mfa.*"


def _is_ours(index: Any) -> bool:
    """True for an index, or what one would be, that knows our fields."""
    try:
        return "azure_mfa" in index["mappings"]["properties"]
    except (KeyError, TypeError):
        return False


def _bulk(answer: Answer) -> _Bulk:
    """
    Raises:
        SinkDown: it is something else.
    """
    try:
        return msgspec.json.decode(answer.body, type=_Bulk)
    except msgspec.DecodeError:
        raise SinkDown(f"no answer of _bulk: {excerpt(answer)}") from None


def _refusals(documents: Sequence[_Document], first: int, answer: Answer) -> dict[int, str]:
    """Why each document is refused for good, by index.

    Raises:
        SinkDown: one of them may be taken later, or when somebody has changed something that is no matter of documents.
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
    """True for what depends on the cluster, and not on the document: load, rights, an index that may not be made."""
    return status in (401, 403, 404, TOO_MANY) or status >= 500


def _reason(document: _Document) -> str:
    error = document.error or _Error()
    cause = error.caused_by or _Error()
    text = ": ".join(part for part in (error.type, error.reason, cause.reason) if part)
    return f"{document.status} {text or 'without a reason'}"


def _asked_for_nothing(connection: Connection) -> Answer:
    """The answer of `_bulk` to a request without documents. It is the judge, and not the page at the root: who may only write
    may not see that one, and something in between may answer it."""
    return connection.ask("POST", "/_bulk", b"", {"Content-Type": "application/json"})


def has_bulk(options: HttpOptions) -> bool:
    """True where somebody answers `_bulk` as Elasticsearch and OpenSearch do, or does not let us ask.

    Raises:
        SinkDown: nobody answers.
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
        return  # it wants documents
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
        raise SinkDown(f"we may not write there (403): {_cause(answer)}")
    if status in (404, 405):
        raise SinkDown(f"there is no _bulk at this URL ({status}); is its path right?")
    if status == TOO_MANY or status >= 500:
        raise SinkDown(f"the cluster is busy or ill ({status}): {_cause(answer)}", answer.retry_after)
    raise SinkDown(f"the server refuses the request ({status}): {_cause(answer)}")


def _cause(answer: Answer) -> str:
    error = answer.json().get("error")
    return str(error.get("reason") or error.get("type")) if isinstance(error, dict) else str(error or excerpt(answer))
