"""A sidecar that is killed while Splunk's collector is busy, breaks connections off, is away, or acknowledges late: no event is lost."""

import json
import random
from contextlib import ExitStack
from pathlib import Path

import pytest

from shipper.testing import LogWriter
from tests.support.generate import Recipe, generate
from tests.support.http_server import Collector, Reply
from tests.support.jars import free_port
from tests.support.process import Shipper, configuration, expected, until

pytestmark = pytest.mark.slow

LINES, PARTS = 2000, 4
FAULTS = (
    Reply(503, {"text": "Server is busy", "code": 9}),
    Reply(500, {"text": "Internal server error", "code": 8}),
    Reply(429, b"", {"Retry-After": "1"}),
    Reply(0),
)


@pytest.mark.parametrize("acknowledges", [True, False])
def test_no_event_is_lost(acknowledges: bool, tmp_path: Path) -> None:
    chance = random.Random(f"collector {acknowledges}")  # the same chance each time, by name
    text = tmp_path / "text"
    generate(Recipe(lines=LINES, seed=7), text)
    lines = text.read_bytes().splitlines(keepends=True)
    port = free_port()
    section = {"url": f"http://127.0.0.1:{port}", "token": Collector.TOKEN, "index": "mfa"}
    output = {"type": "splunk_hec", "events": "line", "splunk_hec": section, "batch": {"max_age": "50ms", "max_events": 100}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output))
    log = LogWriter(str(tmp_path / "logs" / "Mfa.log"))
    taken: list[str] = []

    for part in range(PARTS):
        log.write(b"".join(lines[part * LINES // PARTS : (part + 1) * LINES // PARTS]))
        shipper.start()
        with Collector(acknowledges=acknowledges, port=port) as collector:
            collector.faults.extend(chance.choices(FAULTS, k=2))
            collector.polls = chance.randrange(4)
            wanted = 60 + chance.randrange(100)
            until(lambda taken=collector.events, wanted=wanted: len(taken) >= wanted, "some of it arrives")  # type: ignore[misc]
            shipper.kill()
            taken += ids(collector)
        # Here the collector goes, and forgets what it has not acknowledged.
    everything = set(expected(log.generations, tmp_path))
    shipper.start()
    with ExitStack() as ends, Collector(acknowledges=acknowledges, port=port) as collector:
        ends.callback(shipper.terminate)
        until(
            lambda: everything <= {*taken, *ids(collector)}, lambda: f"{len(everything - {*taken, *ids(collector)})} are missing"
        )
        taken += ids(collector)

    assert set(taken) == everything
    assert all(event["index"] == "mfa" for event in collector.events)
    assert not (tmp_path / "state" / "dead_letters.ndjson").exists()


def ids(collector: Collector) -> list[str]:
    return [event["event"]["event"]["id"] for event in list(collector.events)]


def test_what_is_refused_is_kept_and_can_be_replayed(tmp_path: Path) -> None:
    with Collector(acknowledges=True) as collector:
        section = {"url": collector.url, "token": Collector.TOKEN}
        shipper = Shipper(tmp_path, configuration(tmp_path, {"type": "splunk_hec", "splunk_hec": section}))
        collector.is_bad = lambda event: event["event"]["message"].endswith("7")
        line = "2017-02-14T02:57:19.{:06d}Z|0|1|1|pfsvc|line {}\n"
        (tmp_path / "logs" / "Mfa.log").write_text("".join(line.format(n, n) for n in range(20)), encoding="utf-8")
        shipper.start()
        letters = tmp_path / "state" / "dead_letters.ndjson"
        until(lambda: len(collector.events) == 18 and letters.exists(), "all is taken or refused")
        assert shipper.terminate() == 0, shipper.said()
        reasons = [json.loads(letter)["reason"] for letter in letters.read_text(encoding="utf-8").splitlines()]
        assert reasons == ["Error in handling indexed fields (400, code 15)"] * 2

        collector.is_bad = lambda event: event["event"]["message"].endswith("17")
        replay = Shipper(tmp_path, configuration(tmp_path, {"type": "splunk_hec", "splunk_hec": section}), verb="replay")
        replay.start()
        until(lambda: not replay.alive, "replay ends")
        assert len(collector.events) == 19
        (kept,) = letters.read_text(encoding="utf-8").splitlines()
        assert '"message":"line 17"' in json.loads(kept)["line"]
        collector.is_bad = lambda event: False
        replay.start()
        until(lambda: not replay.alive, "replay ends")
        assert (len(collector.events), letters.read_bytes()) == (20, b"")
