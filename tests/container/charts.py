"""The chart, rendered by helm."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.tools import DEPLOY, run, tool

CHART = DEPLOY / "kubernetes" / "mfa-shipper"
EXAMPLES = sorted((DEPLOY / "kubernetes" / "examples").glob("*.yaml"))
VERSION = "1.34.0"  # of Kubernetes, which a helm that Go has installed does not know by itself
INSTALL = "make container-tools"


@dataclass(frozen=True)
class Rendered:
    """What helm would give to Kubernetes."""

    text: str

    def objects(self) -> list[dict[str, Any]]:
        return [found for found in yaml.safe_load_all(self.text) if found]

    def kinds(self) -> set[str]:
        return {str(found["kind"]) for found in self.objects()}

    def of(self, *kinds: str) -> dict[str, Any]:
        """The only object of these kinds."""
        [found] = [found for found in self.objects() if found["kind"] in kinds]
        return found

    def workload(self) -> dict[str, Any]:
        return self.of("DaemonSet", "StatefulSet")

    def pod(self) -> dict[str, Any]:
        pod: dict[str, Any] = self.workload()["spec"]["template"]["spec"]
        return pod

    def container(self) -> dict[str, Any]:
        """Ours."""
        [found] = [container for container in self.pod()["containers"] if container["name"] == "mfa-shipper"]
        assert isinstance(found, dict)
        return found

    def config(self) -> str:
        text: str = self.of("ConfigMap")["data"]["config.yaml"]
        return text


def helm(*words: str | Path) -> tuple[int, str, str]:
    done = run(tool("helm", INSTALL), *words)
    return done.returncode, done.stdout, done.stderr


def render(*values: Path, settings: tuple[str, ...] = ()) -> Rendered:
    """The manifests of the chart with files of values, and single ones as for `--set-json`."""
    words = [f"--values={path}" for path in values] + [f"--set-json={setting}" for setting in settings]
    code, out, err = helm("template", "mfa", CHART, f"--kube-version={VERSION}", "--namespace=mfa", *words)
    assert code == 0, err
    return Rendered(out)


def refusal(*settings: str) -> str:
    """What helm says of values that it refuses."""
    words = [f"--set-json={setting}" for setting in settings]
    code, _, err = helm("template", "mfa", CHART, f"--kube-version={VERSION}", *words)
    assert code != 0
    return err
