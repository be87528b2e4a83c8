"""`--where`: the events that it keeps are those that a look at each document keeps."""

import json
from typing import Any

import pytest

from shipper.emit import filters
from shipper.emit.filters import selection
from shipper.errors import UsageError
from shipper.model import Chunk, Counts, Origin
from shipper.pipeline import Pipeline, Settings
from tests.support.golden_cases import Case
from tests.support.logs import library, log_file

MIXED = (Case("events-exchange-late-status").directory / "input.log").read_bytes()
RADIUS = b"".join(line for line in MIXED.replace("zoë".encode(), b"zoe").splitlines(keepends=True) if b"Pfauth" not in line)
CONDITIONS = [
    ["event.kind=event"],
    ["event.kind=alert"],
    ["event.kind=pipeline_error"],
    ["event.category=authentication"],
    ["event.code=21"],
    ["azure_mfa.status.code=21"],
    ["azure_mfa.status.prompted=true"],
    ["azure_mfa.auth_result=1"],
    ["azure_mfa.request.arguments=10.1.2.3"],
    ["tags=mfa_orphan"],
    ["user.name=bob"],
    ["user.name=zoë"],
    ["user.name=zoe"],
    ["user.name=ZOË"],
    ["user.name="],
    ["user.name.first=bob"],
    ["user.nothing=bob"],
    ["user=bob"],
    ['user={"name":"bob","domain":"CONTOSO"}'],
    ['log={"level":"info"}'],
    ['azure_mfa.status={"code":21}'],
    ["log.offset=12"],
    ["process.thread.id=12"],
    ["@timestamp=2017-02-14T02:00:05.000000Z"],
    ["message=authResult = 1"],
    ["rule.name=double_prompt"],
    ["event.outcome=success", "user.domain=CONTOSO"],
    ["event.outcome=success", "event.outcome=failure"],
]


def events(log: bytes, *conditions: str, fast: bool, per_exchange: bool) -> tuple[list[dict[str, Any]], Counts]:
    pipeline = Pipeline(Settings(library(), conditions=conditions, fast=fast, per_exchange=per_exchange), Counts())
    pipeline.open(log_file(log))
    lines = (pipeline(Chunk(log, 0)).data + pipeline.close().data).splitlines()
    return [json.loads(line) for line in lines], pipeline.counts


def holds(document: Any, condition: str) -> bool:
    field, _, value = condition.partition("=")
    for name in field.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    members = document if isinstance(document, list) else [document]
    texts = [one if isinstance(one, str) else json.dumps(one, separators=(",", ":")) for one in members if one is not None]
    if field.startswith("user."):
        return value.casefold() in [text.casefold() for text in texts]
    return value in texts


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("per_exchange", [False, True])
@pytest.mark.parametrize("conditions", CONDITIONS, ids=" ".join)
@pytest.mark.parametrize("remembered", [1, 8192])
@pytest.mark.parametrize("log", [MIXED, RADIUS], ids=["mixed", "radius"])
def test_it_keeps_the_events_for_which_all_conditions_hold(
    log: bytes, conditions: list[str], fast: bool, per_exchange: bool, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "_REMEMBERED", remembered)
    everything, _ = events(log, fast=fast, per_exchange=per_exchange)
    kept, counts = events(log, *conditions, fast=fast, per_exchange=per_exchange)

    assert kept == [event for event in everything if all(holds(event, condition) for condition in conditions)]
    assert counts.filtered + counts.findings_filtered == len(everything) - len(kept)
    assert counts.lines == counts.events + counts.filtered + counts.merged


@pytest.mark.parametrize("condition", ["", "event.code", "=21"])
def test_a_condition_has_a_field_and_a_value(condition: str) -> None:
    with pytest.raises(UsageError, match=f"^--where {condition}: expected FIELD=VALUE"):
        selection([condition])


@pytest.mark.parametrize(
    ("since", "until", "code", "kept"),
    [("2017-02-14", None, "21", True), ("2017-02-14", None, "22", False), (None, "2017-02-14", "21", False)],
)
def test_a_span_of_time_and_a_condition_both_hold(since: str | None, until: str | None, code: str, kept: bool) -> None:
    keep = selection(["event.code=21"], since, until)
    assert keep is not None
    label = ("2017-02-14T02:00:05.000000Z", "id", Origin(None, "azure_mfa.radius", "event"), None)
    assert keep(f'{{"event":{{"code":"{code}"}}}}', label) is kept
