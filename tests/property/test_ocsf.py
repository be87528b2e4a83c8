"""Whatever a log holds, each line of `--format ocsf` obeys the published schema and says all that the ECS event says."""

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.decode.parser import Options
from shipper.emit.pseudonyms import Pseudonyms
from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from tests.support.logs import library, log_file, logs, mark_length
from tests.support.ocsf import Event, ecs_of, essentials, faults

AGENT = {"type": "mfa-shipper", "version": "1.2.3", "name": "reader"}
CONSTANTS: dict[str, Any] = {
    "host": {"name": "mfa01", "os": {"type": "windows"}},
    "agent": AGENT,
    "tags": ["t"],
    "labels": {"site": "x"},
}


def written(log: bytes, how: Settings) -> list[Event]:
    pipeline = Pipeline(how, Counts())
    pipeline.open(log_file(log))
    at = mark_length(log)
    output = pipeline(Chunk(log[at:], at)).data + pipeline.close().data
    return [orjson.loads(line) for line in output.splitlines()]


@settings(max_examples=150, deadline=None)
@given(
    log=logs(),
    per_exchange=st.booleans(),
    fast=st.booleans(),
    constants=st.sampled_from([{}, CONSTANTS]),
    pseudonyms=st.sampled_from([None, Pseudonyms(b"sixteen bytes or")]),
)
def test_every_event_is_valid_and_loses_nothing(
    log: bytes, per_exchange: bool, fast: bool, constants: dict[str, Any], pseudonyms: Pseudonyms | None
) -> None:
    plain = Settings(library(), Options(constants=constants), per_exchange=per_exchange, fast=fast, pseudonyms=pseudonyms)
    ecs, ocsf = written(log, plain), written(log, replace(plain, format="ocsf"))

    assert [faults(event) for event in ocsf] == [[]] * len(ecs)
    for before, after in zip(ecs, ocsf, strict=True):
        assert unlisted(ecs_of(after)) == unlisted(essentials(before))


def unlisted(ecs: Event) -> Event:
    """The original of an exchange is a list of lines in ECS, and one text in OCSF."""
    original = ecs["event"].get("original")
    return ecs | {"event": ecs["event"] | {"original": "\n".join(original)}} if isinstance(original, list) else ecs
