"""The chart: linted, checked against Kubernetes' own schemas, and its configuration read by mfa-shipper."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper import __version__
from tests.container.charts import CHART, EXAMPLES, INSTALL, VERSION, Rendered, helm, refusal, render
from tests.support.tools import DEPLOY, ROOT, run, tool

VALUES = [CHART / "values.yaml", *EXAMPLES]
SECRETS = "/run/secrets/mfa-shipper"
each_example = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def forms() -> dict[str, Rendered]:
    return {path.stem: render(path) for path in VALUES}


def test_there_is_an_example_of_each_form(forms: dict[str, Rendered]) -> None:
    kinds = {name: rendered.workload()["kind"] for name, rendered in forms.items()}
    assert kinds == {
        "values": "StatefulSet", "daemonset": "DaemonSet", "detect": "StatefulSet", "share": "StatefulSet", "sidecar": "StatefulSet"
    }  # fmt: skip


@each_example
def test_helm_finds_nothing_to_say(values: Path) -> None:
    code, out, err = helm("lint", "--strict", CHART, f"--values={values}", f"--kube-version={VERSION}")
    assert code == 0, out + err
    assert "[WARNING]" not in out


@each_example
def test_kubernetes_would_accept_it(values: Path, forms: dict[str, Rendered], tmp_path: Path) -> None:
    """Against the schemas of its API, which know no ServiceMonitor."""
    file = tmp_path / "manifests.yaml"
    file.write_text(forms[values.stem].text, encoding="utf-8")
    done = run(tool("kubernetes-validate", "make container-check"), "--strict", file)
    said = (done.stdout + done.stderr).splitlines()
    assert done.returncode == 0, said
    assert sum("passed for resource" in line for line in said) >= 5
    unknown = [line for line in said if "WARN" in line and "kind ServiceMonitor" not in line]
    assert unknown == []


def test_the_checker_sees_a_fault(forms: dict[str, Rendered], tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(forms["sidecar"].text.replace("serviceName:", "servceName:"), encoding="utf-8")
    done = run(tool("kubernetes-validate", "make container-check"), "--strict", file)
    assert done.returncode == 1


# Known by kube-score, and meant: see deploy/kubernetes/README.md.
MEANT = {"daemonset": ["(own-state) The container is running with a low user ID"]}


@each_example
def test_kube_score_knows_nothing_better(values: Path, forms: dict[str, Rendered], tmp_path: Path) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(forms[values.stem].text, encoding="utf-8")
    # The tag is a version, which never changes.
    words = ["score", "--output-format=ci", "--ignore-test=container-image-pull-policy", f"--kubernetes-version=v{VERSION[:4]}"]
    done = run(tool("kube-score", INSTALL), *words, file)
    found = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith(("[CRITICAL]", "[WARNING]"))]
    assert "[OK]" in done.stdout, done.stderr
    assert found == MEANT.get(values.stem, [])


@each_example
def test_mfa_shipper_accepts_its_configuration(values: Path, forms: dict[str, Rendered], tmp_path: Path) -> None:
    """`check` on the ConfigMap, with the secrets where the pod has them."""
    rendered = forms[values.stem]
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    for name in ("password", "api_key"):
        (secrets / name).write_text("secret\n", encoding="utf-8")
    (secrets / "ca.pem").write_bytes(a_certificate())
    file = tmp_path / "config.yaml"
    text = rendered.config().replace(SECRETS, str(secrets)).replace("/var/lib/mfa-shipper", str(tmp_path / "state"))
    file.write_text(text.replace("0.0.0.0:9108", "0.0.0.0:0"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "check", "--config", str(file)], env={**os.environ, "NODE_NAME": "node1", "POD_NAME": "pod1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def a_certificate() -> bytes:
    import trustme

    return trustme.CA().cert_pem.bytes()


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert (chart["appVersion"], chart["version"]) == (__version__, __version__)
    assert f"mfa-shipper:{__version__}-fast" in (DEPLOY / "docker" / "compose.yaml").read_text(encoding="utf-8")


def test_the_image_is_that_of_the_form(forms: dict[str, Rendered]) -> None:
    assert forms["detect"].container()["image"] == f"mfa-shipper:{__version__}-detect"
    assert forms["daemonset"].container()["image"] == f"mfa-shipper:{__version__}-fast"
    digest = "sha256:" + 64 * "a"
    rendered = render(settings=(f'image={{"repository": "registry.example.com/mfa", "digest": "{digest}"}}',))
    assert rendered.container()["image"] == f"registry.example.com/mfa@{digest}"


@each_example
def test_pods_are_restricted(values: Path, forms: dict[str, Rendered]) -> None:
    """What the Pod Security Standard "restricted" asks for; only the DaemonSet's first container and its volumes of the node are not so."""
    pod = forms[values.stem].pod()
    assert pod["automountServiceAccountToken"] is False
    context = pod["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        own = container["securityContext"]
        assert own["readOnlyRootFilesystem"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
    first = pod.get("initContainers", [])
    assert [container["name"] for container in first] == (["own-state"] if values.stem == "daemonset" else [])
    of_the_node = [volume["name"] for volume in pod["volumes"] if "hostPath" in volume]
    assert of_the_node == (["logs", "state"] if values.stem == "daemonset" else [])


@each_example
def test_names_agree(values: Path, forms: dict[str, Rendered]) -> None:
    """Selectors select, ports and volumes are there, and the claims are mounted."""
    rendered = forms[values.stem]
    workload, pod = rendered.workload(), rendered.pod()
    labels = workload["spec"]["template"]["metadata"]["labels"].items()
    selectors: list[dict[str, Any]] = [workload["spec"]["selector"]["matchLabels"], rendered.of("Service")["spec"]["selector"]]
    selectors += [rendered.of("NetworkPolicy")["spec"]["podSelector"]["matchLabels"]]
    if "PodDisruptionBudget" in rendered.kinds():
        selectors.append(rendered.of("PodDisruptionBudget")["spec"]["selector"]["matchLabels"])
    assert all(selector.items() <= labels for selector in selectors)
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
    containers = pod["containers"] + pod.get("initContainers", [])
    assert {mount["name"] for container in containers for mount in container["volumeMounts"]} == volumes
    ours = rendered.container()
    ports = {port["name"] for port in ours["ports"]}
    probes = {name: ours[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe["path"] for probe in probes.values()} == {"/healthz", "/readyz"}
    assert probes["readinessProbe"]["path"] == "/readyz"
    assert {probe["port"] for probe in probes.values()} | {rendered.of("Service")["spec"]["ports"][0]["targetPort"]} <= ports
    seconds = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert seconds > 10, "shutdown_timeout"
    assert {found["metadata"]["namespace"] for found in rendered.objects()} == {"mfa"}


@pytest.mark.parametrize("name", ["daemonset", "detect"])
def test_the_monitor_scrapes_the_job_that_the_rules_ask_for(name: str, forms: dict[str, Rendered]) -> None:
    monitor, service = forms[name].of("ServiceMonitor"), forms[name].of("Service")
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "mfa-shipper"
    assert monitor["spec"]["endpoints"] == [{"port": service["spec"]["ports"][0]["name"], "interval": "30s"}]
    assert 'job="mfa-shipper"' in (DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8")


def test_parts_can_be_left_out() -> None:
    off = render(settings=("networkPolicy.enabled=false", "podDisruptionBudget.enabled=false"))
    assert off.kinds() == {"StatefulSet", "Service", "ServiceAccount", "ConfigMap"}


def test_a_new_configuration_starts_pods_anew() -> None:
    sums = {render(settings=(f'config.pipeline.host.name="{name}"',)).text.split("checksum/config: ")[1][:64] for name in "ab"}
    assert len(sums) == 2


def test_any_value_of_the_configuration_can_come_from_outside() -> None:
    outside = "${file:/run/secrets/mfa-shipper/value}"
    settings = [
        f'config.{key}="{outside}"' for key in ("output.batch.max_events", "output.batch.max_age", "pipeline.keep_original")
    ]
    settings += [f'config.output.kafka={{"topic": "mfa", "bootstrap_servers": "{outside}"}}', 'secret="kafka"']
    assert render(settings=tuple(settings)).config().count(outside) == 4


def test_numbers_stay_numbers() -> None:
    """Helm reads all numbers as floating point, and writes some of them so."""
    batch = {"max_events": 1000000, "max_bytes": 16777216}
    rendered = render(settings=("config.output.batch.max_events=1000000", "config.output.batch.max_bytes=16777216"))
    assert yaml.safe_load(rendered.config())["output"]["batch"] == batch
    assert "1e+" not in rendered.config()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('config.output.tpye="kafka"', "tpye"),
        ('config.state_dir="/tmp"', "state_dir"),
        ("config.metrics={}", "metrics"),
        ('form="deployment"', "form"),
        ("netwrokPolicy={}", "netwrokPolicy"),
        ('config.pipeline.memory="much"', "memory"),
        ('replicas="two"', "replicas"),
        ("config=null", "config"),
        ("image=null", "image"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_runs(setting: str, said: str) -> None:
    assert re.search(rf"values don't meet.*{said}", refusal(setting), re.S)


CLAIM = 'logs={"volume": {"persistentVolumeClaim": {"claimName": "mfa01"}}}'
KAFKA = 'config.output={"type": "kafka", "kafka": {"bootstrap_servers": ["kafka:9092"], "topic": "mfa"%s}}'


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (['config.output.type="kafka"'], "config.output.kafka: it is missing, and config.output.type is kafka"),
        (
            ['form="detect"'],
            "config.output.type: the form detect reads a topic of Kafka and writes into one, so it must be kafka",
        ),
        (
            [KAFKA % ', "security": {"protocol": "SSL", "ca_file": "/run/secrets/mfa-shipper/ca.pem"}'],
            "secret: the configuration reads files below /run/secrets/mfa-shipper, which hold the keys of a Secret; name it",
        ),
        (["replicas=2", CLAIM], "replicas: 2 pods would follow the same logs, those of logs.volume"),
        (['config.shutdown_timeout="30s"'], "terminationGracePeriodSeconds: 30 is not more than config.shutdown_timeout, 30s"),
        (["config.shutdown_timeout=45"], "terminationGracePeriodSeconds: 30 is not more than config.shutdown_timeout, 45"),
        (['config.shutdown_timeout="2m"', "terminationGracePeriodSeconds=120"], "terminationGracePeriodSeconds: 120 is not more"),
        (["terminationGracePeriodSeconds=10"], "terminationGracePeriodSeconds: 10 is not more than config.shutdown_timeout, 10s"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(settings: list[str], said: str) -> None:
    assert f": {said}" in refusal(*settings)


@pytest.mark.parametrize(
    "settings",
    [
        ["replicas=2"],
        ["replicas=2", 'logs={"volume": {"emptyDir": {}}}'],
        ['form="detect"', "replicas=2", KAFKA % ""],
        ['form="detect"', 'config.output={"type": "${TYPE}"}'],
        ['config.shutdown_timeout="29s"'],
        ['config.shutdown_timeout="${TIMEOUT}"'],
        [KAFKA % ', "security": {"password": "${file:/run/secrets/mfa-shipper/password}"}', 'secret="kafka"'],
    ],
)
def test_what_can_work_is_not_refused(settings: list[str]) -> None:
    assert render(settings=tuple(settings)).workload()


def test_every_value_is_told() -> None:
    """The schema knows the values that values.yaml shows, and no others."""
    shown = set(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))
    known = set(json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"])
    assert known - shown == {"global"}
    assert shown <= known


@pytest.mark.parametrize("folder", ["docker", "kubernetes"])
def test_the_page_names_what_is_there(folder: str) -> None:
    page = DEPLOY / folder / "README.md"
    text = page.read_text(encoding="utf-8")
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert len(links) >= 5
    assert [link for link in links if not (page.parent / link).exists()] == []
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= set(targets)
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for name in re.findall(r"`(networkPolicy|serviceMonitor|logs)\.(\w+)`", text):
        assert name[1] in values[name[0]]
