"""Check, without writing, whether an Elasticsearch or OpenSearch cluster would take our events. I/O.

Sources: Elastic, "Get index", "Simulate index", "Index management settings", "Index block settings", "Has privileges";
OpenSearch, "Get index", "Simulate index templates".
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import orjson

from shipper.decode.ecs import DATASETS
from shipper.deliver.http.connection import Answer, Connection, excerpt
from shipper.deliver.sink import SinkDown
from shipper.emit.formats import data_stream

TOO_MANY = 429
NOT_ALLOWED = (401, 403)
FULL = "read_only_allow_delete"  # the block that a cluster sets when a disk is full


def unfit(look: Connection, namespace: str) -> str | None:
    """Why the cluster would not take the events of one of our data sets; None if it would, or does not let us ask.

    Raises:
        SinkDown: the cluster cannot tell now.
    """
    there = {stream: look.ask("GET", f"/{stream}") for stream in (data_stream(dataset, namespace) for dataset in DATASETS)}
    for stream, answer in there.items():
        refuse_busy(answer)
        reason = _wrong_fields(look, stream, answer) or _blocked(stream, answer)
        if reason:
            return reason
    absent = [stream for stream, answer in there.items() if answer.status == 404]
    return _missing_indexes(look, absent) or _missing_right(look, list(there))


def unprepared(look: Connection, namespace: str) -> str | None:
    """Why the first event must wait: it would create a stream with guessed field types, which no later template repairs. None
    also if the stream exists or the cluster does not let us ask."""
    stream = data_stream(DATASETS[0], namespace)
    if look.ask("GET", f"/{stream}").status != 404:
        return None
    answer = look.ask("POST", f"/_index_template/_simulate_index/{stream}")
    return _no_template(stream) if answer.status == 200 and not _is_ours(answer.json().get("template")) else None


def _no_template(stream: str, hint: str = "or fields would get guessed types") -> str:
    return f"{stream} has no index template of ours: run deploy/elastic/install.sh or deploy/opensearch/install.sh, {hint}"


def _wrong_fields(look: Connection, stream: str, there: Answer) -> str | None:
    """Why a stream lacks our fields, or would lack them if created; an existing stream is checked as it is."""
    if there.status in NOT_ALLOWED:
        return None
    if there.status == 200:
        if any(_is_ours(index) for index in there.json().values()):
            return None
        return _no_template(stream, f"and make {stream} anew, which has fields of guessed types")
    answer = look.ask("POST", f"/_index_template/_simulate_index/{stream}")
    refuse_busy(answer)
    if answer.status in NOT_ALLOWED:  # a user who may only write may not look
        return None
    if answer.status != 200:
        return f"the server knows of no index templates at this URL ({answer.status}); is its path right?"
    return None if _is_ours(answer.json().get("template")) else _no_template(stream)


def _is_ours(index: Any) -> bool:
    """True if an index, real or simulated, has our fields."""
    try:
        return "azure_mfa" in index["mappings"]["properties"]
    except (KeyError, TypeError):
        return False


def _blocked(stream: str, there: Answer) -> str | None:
    """Why the newest index of a stream is blocked: the one that takes documents, with the highest number in its name."""
    if there.status != 200:
        return None
    newest = there.json()[max(there.json(), key=lambda name: name.rpartition("-")[2])]
    blocks: Mapping[str, str] = newest.get("settings", {}).get("index", {}).get("blocks", {})
    for name in (FULL, "read_only", "write"):
        if blocks.get(name) == "true":
            remedy = "make room on the disks of the cluster" if name == FULL else "take the block away"
            return f"{stream} takes no documents now (index.blocks.{name}): {remedy}"
    return None


def _missing_indexes(look: Connection, absent: Sequence[str]) -> str | None:
    if not absent:
        return None
    answer = look.ask("GET", "/_cluster/settings?include_defaults=true&filter_path=*.action.auto_create_index").json()
    given = (answer.get(kind, {}).get("action", {}).get("auto_create_index") for kind in ("transient", "persistent", "defaults"))
    setting = next((setting for setting in given if setting is not None), None)
    if not isinstance(setting, str):
        return None  # we may not ask; the first batch will show
    missing = [stream for stream in absent if not _makes(setting, stream)]
    if not missing:
        return None
    which, them = (f"{missing[0]} is", "it") if len(missing) == 1 else (f"{', '.join(missing)} are", "each")
    return (
        f"{which} not there, and the cluster makes no index of such a name by itself (action.auto_create_index: {setting}): "
        f"make {them} with PUT /_data_stream/NAME"
    )


def _makes(setting: str, name: str) -> bool:
    """True if the cluster creates an index of this name: `setting` is `true`, or its first matching pattern has no minus."""
    if setting in ("true", "false"):
        return setting == "true"
    patterns = (pattern.strip() for pattern in setting.split(","))
    return next((not pattern.startswith("-") for pattern in patterns if fnmatchcase(name, pattern.lstrip("+-"))), False)


def _missing_right(look: Connection, streams: Sequence[str]) -> str | None:
    body = {"index": [{"names": streams, "privileges": ["create_doc", "auto_configure"]}]}
    answer = look.ask("POST", "/_security/user/_has_privileges", orjson.dumps(body), {"Content-Type": "application/json"})
    if answer.status != 200 or answer.json().get("has_all_requested") is not False:
        return None  # OpenSearch has no such request
    granted: dict[str, dict[str, bool]] = answer.json().get("index", {})
    lacking = {stream: [name for name, given in rights.items() if not given] for stream, rights in granted.items()}
    where = [stream for stream, names in lacking.items() if names]
    missing = dict.fromkeys(name for names in lacking.values() for name in names)
    return (
        f"we lack the right {' and '.join(missing)} on {', '.join(where)}: give the API key or the user both on logs-azure_mfa.*"
    )


def refuse_busy(answer: Answer) -> None:
    """
    Raises:
        SinkDown: the cluster is overloaded or failing now.
    """
    if answer.status == TOO_MANY or answer.status >= 500:
        raise SinkDown(f"the cluster is busy or ill ({answer.status}): {cause(answer)}", answer.retry_after)


def cause(answer: Answer) -> str:
    """The cluster's own reason for refusing a request."""
    error = answer.json().get("error")
    return str(error.get("reason") or error.get("type")) if isinstance(error, dict) else str(error or excerpt(answer))
