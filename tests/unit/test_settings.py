"""What every event says of the machine and the version that made it."""

import json
from typing import Any

import pytest

from shipper import __version__
from shipper.detect.double_prompt import Rule
from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, settings
from tests.support.logs import library, log_file

LOG = b"2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|authResult = 1\n"
AGENT = {"type": "mfa-shipper", "version": __version__}


@pytest.mark.parametrize(
    ("fields", "agent", "expected"),
    [
        ({}, False, {}),
        ({}, True, {"agent": AGENT}),
        ({"host": {"name": "mfa01"}}, True, {"host": {"name": "mfa01"}, "agent": {"name": "mfa01", **AGENT}}),
        ({"host": {"name": "mfa01"}}, False, {"host": {"name": "mfa01"}}),
        ({"host": {}, "tags": [], "labels": {"site": "north"}}, False, {"labels": {"site": "north"}}),
    ],
)
def test_fields_of_every_event(fields: dict[str, Any], agent: bool, expected: dict[str, Any]) -> None:
    pipeline = Pipeline(settings(library(), Rule(), fields, agent=agent), Counts())
    pipeline.open(log_file(LOG))
    event = json.loads(pipeline(Chunk(LOG, 0)).data)
    assert {name: event.get(name) for name in ("host", "agent", "labels") if name in event} == expected


def test_rule_and_choices_reach_the_pipeline() -> None:
    made = settings(library(), Rule(exchange_timeout=5), {"host": {"name": "mfa01"}}, keep_original=False, format="splunk-hec")
    assert (made.options.exchange_timeout, made.options.keep_original, made.format, made.host) == (
        5,
        False,
        "splunk-hec",
        "mfa01",
    )
