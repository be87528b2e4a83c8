"""What a consumer sees of a record, whichever client sent it: key, headers, time and partition."""

import time
from secrets import token_hex

from confluent_kafka import Consumer, Message

from shipper.deliver.kafka.client import KafkaOptions
from shipper.deliver.kafka.sink import KafkaSink
from shipper.deliver.sink import Batch, joined
from shipper.model import Origin
from shipper.sidecar.sinks import client_class
from tests.support.kafka import Broker, create_topic

USERS = [f"user{number}" for number in range(40)]


def sent_by(client: str, broker: Broker) -> dict[bytes, Message]:
    """By key, the records that a client sent."""
    topic = f"records-{token_hex(4)}"
    create_topic(broker.address, topic, 5)
    sink = KafkaSink(KafkaOptions((broker.address,), topic, client=client), client_class(client), run="")
    sink.open()
    radius = Origin("Mfa.log", "azure_mfa.radius", "event")
    events = [(user.encode(), ("2017-02-14T02:57:19Z", "0123456789abcdef-0", radius, user)) for user in USERS]
    sink.send(Batch(1, (joined(events),)))
    end = time.monotonic() + 30
    while not sink.poll(0.2):
        assert time.monotonic() < end, "the batch is done"
    sink.close(5)
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    seen: dict[bytes, Message] = {}
    while len(seen) < len(USERS):
        assert time.monotonic() < end, "all records come"
        seen |= {message.key() or b"": message for message in consumer.consume(100, 0.2)}
    consumer.close()
    return seen


def test_both_clients_send_alike(broker: Broker) -> None:
    python, fast = sent_by("kafka-python", broker), sent_by("confluent-kafka", broker)
    assert sorted(python) == sorted(fast) == sorted(user.encode() for user in USERS)
    for key, one in python.items():
        other = fast[key]
        assert one.headers() == other.headers() == [("schema", b"1"), ("dataset", b"azure_mfa.radius")]
        assert one.value() == other.value()
        assert one.partition() == other.partition()
        assert all(abs(time.time() - message.timestamp()[1] / 1000) < 120 for message in (one, other))
    assert len({message.partition() for message in python.values()}) == 5
