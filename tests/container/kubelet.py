"""Runs the pod of a rendered chart as a kubelet would, from the unpacked image: volumes, users, environment, probes."""

import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.container.charts import Rendered
from tests.container.sandbox import CHOWN, Container, Image, Mount, User

FIELDS = {"spec.nodeName": "node1", "metadata.name": "mfa-mfa-shipper-0"}
PORT = "9108"


class Node:
    """A machine with one pod.

    Attributes:
        folder: has a folder for each volume, by its name.
    """

    def __init__(self, folder: Path, rendered: Rendered, port: int, secrets: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.rendered = Rendered(rendered.text.replace(PORT, str(port)))
        self.port = port
        self.pod = self.rendered.pod()
        claims = self.rendered.workload()["spec"].get("volumeClaimTemplates", [])
        for volume in self.pod["volumes"] + [{"name": claim["metadata"]["name"], "claim": {}} for claim in claims]:
            self._make(volume, secrets or {})

    def _make(self, volume: dict[str, Any], secrets: dict[str, str]) -> None:
        place = self.folder / volume["name"]
        place.mkdir()
        group = self.pod["securityContext"]["fsGroup"]
        files = self.rendered.of("ConfigMap")["data"] if "configMap" in volume else secrets if "secret" in volume else {}
        mode = volume.get("secret", {}).get("defaultMode", 0o644)
        for name, text in files.items():
            (place / name).write_text(text, encoding="utf-8")
            (place / name).chmod(mode)
            os.chown(place / name, 0, group)
        if "hostPath" not in volume:  # on these the group has no effect
            os.chown(place, 0, group)
            place.chmod(0o2775)

    def _mounts(self, container: dict[str, Any]) -> list[Mount]:
        return [
            Mount(self.folder / mount["name"], mount["mountPath"], not mount.get("readOnly"))
            for mount in container["volumeMounts"]
        ]

    def _user(self, container: dict[str, Any]) -> User:
        context = {**self.pod["securityContext"], **container["securityContext"]}
        assert context["runAsUser"] != 0 or not context["runAsNonRoot"]
        groups = (context["fsGroup"], *context.get("supplementalGroups", []))
        kept = context["capabilities"].get("add", [])
        assert kept in ([], ["CHOWN"])
        return User(context["runAsUser"], context["runAsGroup"], groups, (CHOWN,) if kept else ())

    def prepare(self, image: Image) -> None:
        """Run the init containers to their end."""
        for container in self.pod.get("initContainers", []):
            done = image.run(*container["command"], mounts=self._mounts(container), user=self._user(container))
            assert done.returncode == 0, done.stderr

    @contextmanager
    def started(self, image: Image) -> Iterator[Container]:
        """Our container, while the block runs."""
        container = self.rendered.container()
        variables = {variable["name"]: FIELDS[variable["valueFrom"]["fieldRef"]["fieldPath"]] for variable in container["env"]}
        with image.running(
            *image.command(*container["args"]), log=self.folder / "container.log", mounts=self._mounts(container),
            user=self._user(container), environment=variables,
        ) as running:  # fmt: skip
            yield running

    def content(self) -> bool:
        """Whether all probes are."""
        container = self.rendered.container()
        paths = [container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
        return all(self._answers(path) for path in paths)

    def _answers(self, path: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False
