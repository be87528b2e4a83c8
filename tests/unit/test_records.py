"""Lines as Kafka records: topic, key and headers, found by searching or by reading the JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import DefaultPartitioner

from shipper.deliver.kafka.fast_records import FastRecords
from shipper.deliver.kafka.partitioner import RememberingPartitioner
from shipper.deliver.kafka.records import Headers, Records, user_key

BOTH = pytest.mark.parametrize("exact", [False, True])


def record(line: bytes, alert_topic: str | None = None, *, exact: bool = False) -> tuple[str, bytes, bytes, Headers]:
    """The record of a line; the second time, when all of it is remembered."""
    general = Records("t", alert_topic)
    records = general if exact else FastRecords(general)
    first, second = records.of(2 * (line + b"\n"))
    assert first == second
    return second


def line(user: dict[str, str] | None = None, kind: str = "event", **more: Any) -> bytes:
    event = {"id": "0123456789abcdef-72", "dataset": "azure_mfa.radius", "kind": kind}
    document = {"@timestamp": "2017-02-14T02:57:19Z", "event": event, **({"user": user} if user else {}), **more}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@BOTH
@pytest.mark.parametrize(
    ("user", "key"),
    [
        ({"name": "PNigam", "domain": "DOMAIN"}, "domain\\pnigam"),
        ({"name": "pnigam", "domain": "Domain"}, "domain\\pnigam"),
        ({"name": "pnigam"}, "pnigam"),
        ({"name": "Straße"}, "strasse"),
        ({"name": 'O"Brien\\', "domain": "a\tb"}, 'a\tb\\o"brien\\'),
        ({"name": "\u00c4\u2028", "domain": ""}, "\u00e4\u2028"),
        (None, "0123456789abcdef"),
    ],
)
def test_the_key_is_the_user_or_the_file(user: dict[str, str] | None, key: str, exact: bool) -> None:
    assert record(line(user), exact=exact)[1] == key.encode()


@BOTH
def test_headers_and_value(exact: bool) -> None:
    _, _, value, headers = record(line(), exact=exact)
    assert headers == [("schema", b"1"), ("dataset", b"azure_mfa.radius")]
    assert value == line()


@BOTH
@pytest.mark.parametrize(("alert_topic", "topic"), [("alerts", "alerts"), (None, "t")])
def test_alerts_may_have_a_topic_of_their_own(alert_topic: str | None, topic: str, exact: bool) -> None:
    assert record(line(kind="alert"), alert_topic, exact=exact)[0] == topic
    assert record(line(), alert_topic, exact=exact)[0] == "t"
    assert record(line(kind="pipeline_error"), alert_topic, exact=exact)[0] == "t"


@BOTH
def test_in_an_envelope(exact: bool) -> None:
    inner = line({"name": "x", "domain": "d"})
    _, key, _, headers = record(b'{"time":1.5,"host":"h","sourcetype":"azure:mfa:ecs","event":' + inner + b"}", exact=exact)
    assert (key, headers[1]) == (b"d\\x", ("dataset", b"azure_mfa.radius"))


@BOTH
def test_a_user_in_a_text_is_no_user(exact: bool) -> None:
    original = '"event":{"id":"x-1","dataset":"y","kind":"alert"},"user":{"name":"mallory"}'
    assert record(line(message=original), "alerts", exact=exact)[:2] == ("t", b"0123456789abcdef")


@BOTH
def test_fields_in_another_order_are_found(exact: bool) -> None:
    odd = b'{"user":{"email":"e","name":"n"},"event":{"kind":"event","dataset":"d","id":"0123456789abcdef-1"}}'
    assert record(odd, exact=exact)[1] == b"n"


TEXTS = st.text(max_size=12) | st.sampled_from(["}", '"}', "\\", 'a"},"user":{"name":"b', "\u2028", "PNigam"])
LINES = st.builds(
    line,
    st.none()
    | st.fixed_dictionaries({"name": TEXTS}, optional={"domain": TEXTS, "target": st.fixed_dictionaries({"name": TEXTS})}),
    st.sampled_from(["event", "alert", "pipeline_error"]),
    message=TEXTS,
)


@given(st.lists(LINES, max_size=8))
def test_searching_and_reading_agree(lines: list[bytes]) -> None:
    general = Records("t", "alerts")
    fast = FastRecords(general)
    payload = b"".join(one + b"\n" for one in lines)
    assert fast.of(payload) == general.of(payload)
    assert fast.of(payload) == general.of(payload)  # from the memos


def test_keys_of_one_user_are_alike() -> None:
    assert user_key("A", "D") == user_key("a", "d") == b"d\\a"
    assert user_key("a", None) == user_key("A", "") == b"a"


def test_the_memo_does_not_grow_for_ever() -> None:
    records = FastRecords(Records("t", None))
    records.of(b"".join(line({"name": f"u{number}"}) + b"\n" for number in range(20_000)))
    assert 0 < len(records._keys) <= 16_384


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
