"""Labels say of an event what its JSON says: the same Kafka records and the same dead letters come of both."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.decode.parser import Options
from shipper.deliver.dead_letters import encode_letter, label_of
from shipper.deliver.kafka.records import Records
from shipper.deliver.sink import Batch, joined
from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from tests.support.logs import library, log_file, logs, mark_length
from tests.support.ocsf import ecs_of

GOLDEN = Path(__file__).parents[1] / "golden"
FORMS = pytest.mark.parametrize("form", ["ecs", "ocsf", "splunk-hec"])
# A user among the fields of every event is not the user of the event.
CONSTANTS: dict[str, Any] = {"host": {"name": "mfa01", "user": {"name": "svc"}}, "labels": {"user": "svc"}}


def letter_of(line: bytes, reason: str, now: str) -> bytes:
    """A dead letter, with what it says of the event read from the event."""
    document = orjson.loads(line)
    document = document["event"] if "sourcetype" in document else document
    if "class_uid" in document:  # ocsf
        document = ecs_of(document)
    place = document.get("log", {})
    path, offset = place.get("file", {}).get("path"), place.get("offset")
    said = {"time": now, "reason": reason, "id": document["event"]["id"], "path": path, "offset": offset, "line": line.decode()}
    return orjson.dumps({name: value for name, value in said.items() if value is not None})


def check(log: bytes, path: str | None, how: Settings) -> list[str]:
    """Compare, and return the kinds of the events."""
    pipeline = Pipeline(how, Counts())
    pipeline.open(replace(log_file(log), path=path))
    at = mark_length(log)
    batch = Batch(1, (pipeline(Chunk(log[at:], at)), pipeline.close()))
    lines = batch.lines()

    read = joined((line, label_of(line)) for line in lines)
    assert Records("events", "alerts").of(batch.blocks) == Records("events", "alerts").of([read])
    refusals = batch.refusals(dict.fromkeys(range(len(lines)), "odd"))
    assert [encode_letter(refusal, "now") for refusal in refusals] == [letter_of(line, "odd", "now") for line in lines]
    return [refusal.label[2].kind for refusal in refusals]


@FORMS
@settings(max_examples=150, deadline=None)
@given(
    log=logs(),
    path=st.sampled_from([None, "Mfa.log", 'C:\\logs\\"\u00e4\u2028.log']),
    constants=st.sampled_from([{}, CONSTANTS]),
    per_exchange=st.booleans(),
    fast=st.booleans(),
)
def test_of_any_log(form: str, log: bytes, path: str | None, constants: dict[str, Any], per_exchange: bool, fast: bool) -> None:
    check(log, path, Settings(library(), Options(constants=constants), format=form, per_exchange=per_exchange, fast=fast))


@FORMS
@pytest.mark.parametrize("per_exchange", [False, True])
def test_of_every_golden_log(form: str, per_exchange: bool) -> None:
    kinds: set[str] = set()
    for path in GOLDEN.glob("*/input.log"):
        kinds.update(check(path.read_bytes(), "Mfa.log", Settings(library(), format=form, per_exchange=per_exchange)))
    assert kinds == {"event", "pipeline_error", "alert"}
