"""The image: what is in it, and that it runs as an engine would run it."""

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from secrets import token_hex

import pytest
import yaml

from shipper import __version__
from tests.container.sandbox import Image, Mount, User, until_healthy
from tests.support.kafka import Broker, create_topic, free_port, read_topic
from tests.support.process import until
from tests.support.tools import ROOT, run, tool

EXAMPLE = ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log"
LIMIT, LIMIT_OF_DETECT = 100e6, 150e6  # bytes
UNKNOWN = User(1_000_620_000, 0)  # as OpenShift makes them up
# Extensions of Python whose libraries are left out, as nothing here has use for them.
LEFT_OUT = {"_curses", "_curses_panel", "_dbm", "readline", "_uuid"}


def files(image: Image) -> list[Path]:
    return [path for path in image.root.rglob("*") if not path.is_symlink() and path.is_file()]


def test_the_dockerfile_is_sound() -> None:
    # Versions of Debian's packages are those of the day: security updates come with each build.
    done = run(tool("hadolint", "make container-check"), "--ignore=DL3008", "--ignore=DL3009", ROOT / "deploy/docker/Dockerfile")
    assert done.returncode == 0, done.stdout


def test_they_are_small(image: Image, detect_image: Image) -> None:
    sizes = [sum(path.stat().st_size for path in files(each)) for each in (image, detect_image)]
    print(", ".join(f"{size / 1e6:.0f} MB" for size in sizes))
    assert sizes[0] < LIMIT
    assert sizes[1] < LIMIT_OF_DETECT


def test_what_only_tests_and_type_checkers_read_is_left_out(image: Image, detect_image: Image) -> None:
    for each in (image, detect_image):
        assert [
            path for path in each.root.rglob("*") if path.name in {"test", "tests", "testdata"} or path.suffix == ".pyi"
        ] == []


def test_there_is_nothing_to_break_in_with(image: Image) -> None:
    programs = {path.name for path in image.root.glob("usr/bin/*")} | {path.name for path in image.root.glob("usr/sbin/*")}
    assert programs == {"python3.13"}
    assert {path.name for path in image.root.glob("opt/mfa-shipper/bin/*")} >= {"mfa-shipper", "python"}
    assert not list(image.root.rglob("pip")), "no installer"
    loose = [path for path in files(image) if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH)]
    assert loose == []
    others = [path for path in image.root.rglob("*") if path.lstat().st_uid != 0]
    assert others == [image.root / "var/lib/mfa-shipper"], "nothing else belongs to the user"


def test_it_says_what_it_is(image: Image) -> None:
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"]
    assert image.config["User"] == "10001:10001"
    assert list(image.config["Volumes"]) == ["/var/lib/mfa-shipper"]
    assert image.command() == ["mfa-shipper", "run", "--config", "/etc/mfa-shipper/config.yaml"]


def test_every_library_loads(image: Image, detect_image: Image) -> None:
    """Each extension finds what it was linked against, though its packages were picked by hand."""
    script = """
import ctypes, pathlib, sys
for folder in ("/usr/lib/python3.13", "/opt/mfa-shipper"):
    for path in pathlib.Path(folder).rglob("*.so"):
        try:
            ctypes.PyDLL(str(path))
        except OSError as error:
            print(path.name.partition(".")[0], error, file=sys.stderr)
"""
    for each in (image, detect_image):
        done = each.run("python", "-c", script)
        assert done.returncode == 0, done.stderr
        assert {line.split()[0] for line in done.stderr.splitlines()} <= LEFT_OUT, done.stderr


def test_it_has_the_kernel_and_all_byte_code(image: Image) -> None:
    """Which is valid by itself: a root that cannot be written would have it made anew at each start."""
    done = image.run("python", "-c", "from shipper.decode.compiled import in_use; print(in_use())")
    assert (done.stdout, done.stderr) == ("compiled\n", "")
    folders = (image.root / "usr/lib/python3.13", image.root / "opt/mfa-shipper/lib")
    sources = [path for folder in folders for path in folder.rglob("*.py") if not path.is_symlink()]
    kinds = [(path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").read_bytes()[4:8] for path in sources]
    assert len(kinds) > 500
    assert set(kinds) == {bytes([1, 0, 0, 0])}, "unchecked hash"


@pytest.mark.parametrize("user", [User(), UNKNOWN], ids=["its own", "unknown"])
def test_parse(image: Image, user: User) -> None:
    """The line of README: the same output as that of the checkout, from a folder that cannot be written."""
    [line] = re.findall(
        r'`docker run --rm -v "\$PWD:/logs:ro" mfa-shipper (.*?)`', (ROOT / "README.md").read_text(encoding="utf-8")
    )
    words = [*shlex.split(line), "--quiet"]
    done = image.run(*image.command(*words), mounts=[Mount(EXAMPLE.parent, "/logs")], user=user)
    here = subprocess.run(
        [sys.executable, "-m", "shipper", *words], cwd=EXAMPLE.parent, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == here.stdout != ""


def test_nothing_can_be_written_but_the_state(image: Image, tmp_path: Path) -> None:
    done = image.run("python", "-c", "open('/logs/x', 'w')", mounts=[Mount(tmp_path, "/var/lib/mfa-shipper", writable=True)])
    assert "Read-only file system" in done.stderr


class Sidecar:
    """The configuration and folders of one that ships into Kafka."""

    def __init__(self, folder: Path, broker: Broker, user: User) -> None:
        self.folder, self.log, self.topic = folder, folder / "container.log", f"container-{token_hex(4)}"
        create_topic(broker.address, self.topic)
        port = free_port()
        self.health = {"HEALTH_URL": f"http://127.0.0.1:{port}/healthz"}
        self.config = folder / "config.yaml"
        self.write("confluent-kafka", broker.address, port)
        for name in ("logs", "state"):
            (folder / name).mkdir()
        os.chown(folder / "state", 10001, 0)
        (folder / "state").chmod(0o770)
        shutil.copy(EXAMPLE, folder / "logs")
        self.mounts = [
            Mount(self.config, "/etc/mfa-shipper/config.yaml"),
            Mount(folder / "logs", "/var/log/mfa"),
            Mount(folder / "state", "/var/lib/mfa-shipper", writable=True),
        ]
        self.user = user

    def write(self, client: str, address: str, port: int) -> None:
        kafka = {"bootstrap_servers": [address], "topic": self.topic, "client": client}
        config = {
            "state_dir": "/var/lib/mfa-shipper",
            "inputs": [{"path": "/var/log/mfa/*.log*"}],
            "output": {"type": "kafka", "kafka": kafka},
            "metrics": {"listen": f"127.0.0.1:{port}"},
        }
        self.config.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.config.chmod(0o644)


@pytest.mark.parametrize("user", [User(), UNKNOWN], ids=["its own", "unknown"])
def test_run(image: Image, user: User, broker: Broker, tmp_path: Path) -> None:
    """Lines arrive in Kafka, the health check is content, HUP reloads, TERM ends it in order, and the next start repeats nothing."""
    sidecar = Sidecar(tmp_path, broker, user)
    assert not image.healthy(**sidecar.health), "nobody listens yet"
    with image.running(*image.command(), log=sidecar.log, mounts=sidecar.mounts, user=user) as container:
        until(lambda: len(read_topic(broker.address, sidecar.topic)) == 24, lambda: f"24 events: {container.said()}")
        until_healthy(image, container, **sidecar.health)
        container.kill(signal.SIGHUP)
        until(lambda: "reload" in container.said(), container.said)
        until_healthy(image, container, **sidecar.health)
        assert container.stop() == 0, container.said()
    assert json.loads((tmp_path / "state" / "checkpoint.json").read_text())
    assert (tmp_path / "state" / "checkpoint.json").stat().st_uid == user.user

    with open(tmp_path / "logs" / EXAMPLE.name, "ab") as log:
        log.write(b"2017-02-14T04:00:00.000000Z|0|1412|6452|pfrad|one more\n")
    with image.running(*image.command(), log=sidecar.log, mounts=sidecar.mounts, user=user) as container:
        until(lambda: len(read_topic(broker.address, sidecar.topic)) == 25, lambda: f"25 events: {container.said()}")
        assert container.stop() == 0, container.said()
    assert len(read_topic(broker.address, sidecar.topic)) == 25


def test_a_configuration_that_is_not_there_is_said(image: Image) -> None:
    done = image.run(*image.command())
    assert done.returncode == 2
    assert "/etc/mfa-shipper/config.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_detect_is_in_the_image_for_it(detect_image: Image, tmp_path: Path) -> None:
    config = Mount(ROOT / "deploy" / "docker" / "detect.yaml", "/etc/mfa-shipper/config.yaml")
    os.chown(tmp_path, 10001, 10001)
    mounts = [config, Mount(tmp_path, "/var/lib/mfa-shipper", writable=True)]
    done = detect_image.run(*detect_image.command("check", "--config", config.target), mounts=mounts)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
