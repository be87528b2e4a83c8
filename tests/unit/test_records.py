"""Lines as Kafka records: topic, key and headers, found by searching or by reading the JSON."""

import json
from typing import Any

import pytest

from shipper.sinks.records import Records, user_key

BOTH = pytest.mark.parametrize("exact", [False, True])


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
    records = Records("t", None, exact=exact)
    for _ in range(2):  # the second time from the memo
        assert records.record(line(user)).key == key.encode()


@BOTH
def test_headers_and_value(exact: bool) -> None:
    record = Records("t", None, exact=exact).record(line())
    assert record.headers == [("schema", b"1"), ("dataset", b"azure_mfa.radius")]
    assert record.value == line()


@BOTH
@pytest.mark.parametrize(("alert_topic", "topic"), [("alerts", "alerts"), (None, "t")])
def test_alerts_may_have_a_topic_of_their_own(alert_topic: str | None, topic: str, exact: bool) -> None:
    records = Records("t", alert_topic, exact=exact)
    assert records.record(line(kind="alert")).topic == topic
    assert records.record(line()).topic == "t"
    assert records.record(line(kind="pipeline_error")).topic == "t"


@BOTH
def test_in_an_envelope(exact: bool) -> None:
    inner = line({"name": "x", "domain": "d"})
    record = Records("t", None, exact=exact).record(
        b'{"time":1.5,"host":"h","sourcetype":"azure:mfa:ecs","event":' + inner + b"}"
    )
    assert (record.key, record.headers[1]) == (b"d\\x", ("dataset", b"azure_mfa.radius"))


def test_a_user_in_a_text_is_no_user() -> None:
    original = '"event":{"id":"x-1","dataset":"y","kind":"alert"},"user":{"name":"mallory"}'
    record = Records("t", "alerts").record(line(message=original))
    assert (record.topic, record.key) == ("t", b"0123456789abcdef")


def test_fields_of_a_user_s_own_patterns_are_read_exactly() -> None:
    odd = b'{"user":{"email":"e","name":"n"},"event":{"kind":"event","dataset":"d","id":"0123456789abcdef-1"}}'
    assert Records("t", None, exact=True).record(odd).key == b"n"
    assert Records("t", None).record(odd).key == b"n"


def test_keys_of_one_user_are_alike() -> None:
    assert user_key("A", "D") == user_key("a", "d") == b"d\\a"
    assert user_key("a", None) == user_key("A", "") == b"a"


def test_the_memo_does_not_grow_for_ever() -> None:
    records = Records("t", None)
    for number in range(70_000):
        records._key(b"u%d" % number, None)
    assert len(records._keys) <= 65_536
