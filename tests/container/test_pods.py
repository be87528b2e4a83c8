"""The pods of each form run, from the image, by their manifests, into a real Kafka."""

import json
import shutil
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import yaml

from tests.container.charts import render
from tests.container.kubelet import FIELDS, Node
from tests.container.sandbox import Image
from tests.support.kafka import Broker, create_topic, free_port, read_topic
from tests.support.process import until
from tests.support.tools import DEPLOY

LOG = DEPLOY / "examples" / "MultiFactorAuthRadiusSvc.log"


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"pod-{token_hex(4)}"
    create_topic(broker.address, name)
    create_topic(broker.address, f"{name}-alerts")
    return name


def a_node(folder: Path, form: str, broker: Broker, topic: str, **config: Any) -> Node:
    folder.mkdir()
    kafka = {"bootstrap_servers": "${file:/run/secrets/mfa-shipper/brokers}", "topic": topic, "alert_topic": f"{topic}-alerts"}
    values = {"form": form, "secret": "kafka", "config": {"output": {"type": "kafka", "kafka": kafka}, **config}}
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return Node(folder, render(file), free_port(), {"brokers": broker.address})


@pytest.mark.parametrize("form", ["sidecar", "daemonset"])
def test_a_pod_ships(form: str, image: Image, broker: Broker, topic: str, tmp_path: Path) -> None:
    node = a_node(tmp_path / "node", form, broker, topic, pipeline={"host": {"name": "${NODE_NAME}"}})
    node.prepare(image)
    shutil.copy(LOG, node.folder / "logs")
    with node.started(image) as container:
        until(node.content, lambda: f"the probes are content: {container.said()}")
        until(lambda: len(read_topic(broker.address, topic)) == 23, lambda: f"23 events: {container.said()}")
        assert container.stop() == 0, container.said()
    [found] = read_topic(broker.address, f"{topic}-alerts")
    assert json.loads(found.value or b"")["host"]["name"] == FIELDS["spec.nodeName"]
    assert (node.folder / "state" / "checkpoint.json").stat().st_uid == 10001


def test_detect_finds_what_the_sidecars_send(
    image: Image, detect_image: Image, broker: Broker, topic: str, tmp_path: Path
) -> None:
    sidecar = a_node(tmp_path / "node", "sidecar", broker, topic, pipeline={"detectors": []})
    detect = a_node(tmp_path / "other", "detect", broker, topic, detect={"idle_timeout": "1s", "group": topic})
    shutil.copy(LOG, sidecar.folder / "logs")
    with sidecar.started(image) as first, detect.started(detect_image) as second:
        until(lambda: sidecar.content() and detect.content(), lambda: first.said() + second.said())
        until(lambda: read_topic(broker.address, f"{topic}-alerts"), lambda: first.said() + second.said())
        assert (first.stop(), second.stop()) == (0, 0), first.said() + second.said()
    [found] = read_topic(broker.address, f"{topic}-alerts")
    assert json.loads(found.value or b"")["event"]["action"] == "double_prompt"
