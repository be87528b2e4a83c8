"""`parse` runs without a collector of cycles, so what it drops must go by itself: a pipeline, a parser, a detector."""

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest

from shipper.decode.library import load
from shipper.decode.parser import Options
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings

FILE = LogFile("/logs/a.log", "0123456789abcdef", "2017-02-14T02:57:19.000000Z")
HEAD = "|0|1412|2236|pfrad|"
LINES = "".join(
    f"2017-02-14T02:57:{second:02}.000000Z{HEAD}{message}\n"
    for second in range(0, 50, 10)
    for message in (
        "Calling pfAuthUser('CONTOSO\\bob', '', 1)",
        "authResult = 1",
        "rawCallStatus = 21",
        "Calling pfAuthUser(\u2018CONTOSO\\ann\u2019, \u201d, 1)",
        "rawCallStatus = 101",
        "Configuration was read again",
        "82a3db8d-3317-43f7-b203-6ba81cba93c9|Pfauth succeeded for user 'bob'. Call status: SUCCESS_NO_PIN - \"No PIN Entered\".",
    )
).encode()
PLAIN = Settings(load())


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.mark.parametrize(
    "settings",
    [
        PLAIN,
        replace(PLAIN, fast=False),
        replace(PLAIN, options=Options(keep_original=False)),
        replace(PLAIN, format="splunk-hec", host="mfa01"),
        replace(PLAIN, format="elastic-bulk"),
        replace(PLAIN, pretty=True),
        replace(PLAIN, only_findings=True),
        replace(PLAIN, per_exchange=True, conditions=("event.outcome=success",)),
    ],
    ids=["ecs", "general", "no-original", "splunk-hec", "elastic-bulk", "pretty", "only", "exchange"],
)
def test_a_pipeline_that_is_dropped_is_gone(settings: Settings) -> None:
    pipeline = Pipeline(settings, Counts())
    for number in range(2):  # a source of two files
        pipeline.open(replace(FILE, fingerprint=f"{number:016}"))
        pipeline(Chunk(LINES, 0))
    assert pipeline.counts.findings
    state = pipeline.snapshot()
    pipeline.restore(state)
    alive = weakref.ref(pipeline)

    del pipeline

    assert alive() is None
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    assert [found for found in gc.garbage if type(found).__module__.startswith("shipper")] == []
