"""Events as Kafka records: topic, key, headers and value."""

import json
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner

from shipper.decode import compiled
from shipper.deliver.dead_letters import label_of
from shipper.deliver.kafka.partitioner import RememberingPartitioner
from shipper.deliver.kafka.records import USERS, Record, Records
from shipper.deliver.sink import joined
from shipper.model import Chunk, Counts, Label, Origin
from shipper.pipeline import Pipeline, Settings
from tests.support.logs import library, log_file
from tests.unit.test_plain import exchange

RADIUS = Origin("Mfa.log", "azure_mfa.radius", "event")
ID = "0123456789abcdef-72"


def record(origin: Origin = RADIUS, key: str | None = None, line: bytes = b"{}", alert_topic: str | None = None) -> Record:
    """The record of an event; the second time, when all of it is remembered."""
    records = Records("t", alert_topic)
    label: Label = "2017-02-14T02:57:19Z", ID, origin, key
    first, second = records.of([joined([(line, label)]), joined([(line, label)])])
    assert first == second
    return second


@pytest.mark.parametrize(
    ("user", "key"),
    [
        ("domain\\pnigam", b"domain\\pnigam"),
        ("straße", "straße".encode()),
        ("", b""),
        ("a\ud800", b"a?"),
        (None, b"0123456789abcdef"),
    ],
)
def test_the_key_is_the_user_or_the_file(user: str | None, key: bytes) -> None:
    assert record(key=user)[1] == key


def test_headers_and_value() -> None:
    _, _, value, headers = record(line='{"a":"ä"}'.encode())
    assert headers == [("schema", b"1"), ("dataset", b"azure_mfa.radius")]
    assert value == '{"a":"ä"}'.encode()


@pytest.mark.parametrize(("alert_topic", "topic"), [("alerts", "alerts"), (None, "t")])
def test_alerts_may_have_a_topic_of_their_own(alert_topic: str | None, topic: str) -> None:
    assert record(Origin(None, "d", "alert"), alert_topic=alert_topic)[0] == topic
    assert record(Origin(None, "d", "event"), alert_topic=alert_topic)[0] == "t"
    assert record(Origin(None, "d", "pipeline_error"), alert_topic=alert_topic)[0] == "t"


@pytest.mark.skipif(bool(compiled.WHY_NOT), reason=f"no kernel: {compiled.WHY_NOT}")
@pytest.mark.parametrize("alert_topic", ["alerts", None])
def test_the_records_of_the_kernels_events_are_those_of_their_labels(alert_topic: str | None) -> None:
    """Events with a user and without, of both paths, and a finding."""
    lines = [*exchange(0), *exchange(10), "no line", exchange(20)[1], *exchange(30, call="Calling pfAuthUser('Zoë', '', 1)")]
    data = "".join(f"{line}\n" for line in lines).encode()
    pipeline = Pipeline(Settings(library()), Counts())
    pipeline.open(log_file(data))
    made = pipeline(Chunk(data, 0))
    assert compiled.are_labels(made.labels)
    found = Records("t", alert_topic).of([made])
    assert found == Records("t", alert_topic).of([made._replace(labels=[*made.labels])])
    assert len({key for _, key, _, _ in found}) == 3
    assert len({topic for topic, _, _, _ in found}) == (1 if alert_topic is None else 2)


@pytest.mark.skipif(bool(compiled.WHY_NOT), reason=f"no kernel: {compiled.WHY_NOT}")
@pytest.mark.parametrize("ends", [[1], [1, 2, 3], [1, 1 << 20], [5, 2]])
def test_the_kernel_makes_no_records_of_a_block_that_is_none(ends: list[int]) -> None:
    data = "".join(f"{line}\n" for line in exchange(0)[:2]).encode()
    pipeline = Pipeline(Settings(library()), Counts())
    pipeline.open(log_file(data))
    made = pipeline(Chunk(data, 0))
    with pytest.raises(ValueError, match="an end"):
        Records("t", None).of([made._replace(ends=array("Q", ends))])


def test_each_event_of_each_block_is_a_record() -> None:
    label: Label = "t", ID, RADIUS, None
    blocks = [joined([(b"1", label), (b"", label)]), joined([]), joined([(b"22", label)])]
    assert [value for _, _, value, _ in Records("t", None).of(blocks)] == [b"1", b"", b"22"]


def test_the_memo_does_not_grow_for_ever() -> None:
    records = Records("t", None)
    records.of([joined((b"", ("t", ID, RADIUS, f"u{number}")) for number in range(USERS + 1000))])
    assert len(records._keys) == 1000


def line(user: dict[str, str] | None = None, **more: Any) -> bytes:
    event = {"id": ID, "dataset": "azure_mfa.radius", "kind": "event"}
    document = {"@timestamp": "2017-02-14T02:57:19Z", "event": event, **({"user": user} if user else {}), **more}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("user", "key"),
    [
        ({"name": "PNigam", "domain": "DOMAIN"}, "domain\\pnigam"),
        ({"name": "pnigam"}, "pnigam"),
        ({"name": "Straße"}, "strasse"),
        ({"name": 'O"Brien\\', "domain": "a\tb"}, 'a\tb\\o"brien\\'),
        ({"name": "\u00c4\u2028", "domain": ""}, "\u00e4\u2028"),
        ({"email": "a@b"}, None),
        (None, None),
    ],
)
def test_a_label_read_from_an_event(user: dict[str, str] | None, key: str | None) -> None:
    text = '"event":{"id":"x-1","dataset":"y","kind":"alert"},"user":{"name":"mallory"}'
    event = line(user, message=text, log={"file": {"path": "Mfa.log"}, "offset": 72})
    hec = b'{"time":1.5,"host":"h","sourcetype":"azure:mfa:ecs","event":' + event + b"}"
    for form in (event, hec):
        *known, origin, found = label_of(form)
        assert (known, found) == (["2017-02-14T02:57:19Z", ID], key)
        assert (origin.path, origin.dataset, origin.kind) == ("Mfa.log", "azure_mfa.radius", "event")


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"no JSON", b'"text"', b"7", b"\xff\xfe\0", b'{"a":1}', b'{"event":7}', b'{"sourcetype":1}']
)
def test_a_line_that_is_no_event_has_an_empty_label(text: bytes) -> None:
    stamp, event_id, origin, key = label_of(text)
    assert (stamp, event_id, origin.path, key) == ("", "", None, None)


class Cluster:
    """What a producer knows of a topic."""

    def __init__(self, partitions: int) -> None:
        self._partitions = set(range(partitions))

    def topics(self) -> set[str]:
        return {"t"}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return self._partitions

    available_partitions_for_topic = partitions_for_topic


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1), st.integers(1, 40), st.integers(1, 40))
def test_a_remembered_partition_is_the_one_that_kafka_python_chooses(keys: list[bytes], before: int, after: int) -> None:
    remembering = RememberingPartitioner()
    for partitions in (before, after):  # a topic may grow
        cluster = Cluster(partitions)
        for key in keys:
            chosen = remembering.partition("t", key, key, b"", b"", cluster)
            assert chosen == DefaultPartitioner().partition("t", key, key, b"", b"", cluster)
