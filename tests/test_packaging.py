"""What is installed is what is here: wheel and sdist carry patterns and tables, and the README's way to install works."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path

import pytest

from shipper import __version__

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
CRATE = {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for path in (ROOT / "shipper" / "decode" / "kernel").rglob("*")
    if path.is_file() and "target" not in path.parts and path.name != "Cargo.lock"
}
DATA = {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for name in ("patterns", "schemas")
    for path in (ROOT / name).rglob("*.*")
}
CODE = {
    path.relative_to(ROOT).as_posix(): path.read_bytes()
    for path in (ROOT / "shipper").rglob("*.*")
    if path.suffix in (".py", ".html", ".css", ".js")
}
SINGLE = ("README.md", "LICENSE", "pyproject.toml", "deploy/kernel/hook.py", "shipper/decode/_kernel.pyi")
LOG = """\
2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)
2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|authResult = 1
2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21
2017-02-14T02:57:56.986251Z|0|1412|10088|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)
2017-02-14T02:57:59.550306Z|0|1412|10088|pfrad|authResult = 1
2017-02-14T02:57:59.550306Z|0|1412|10088|pfrad|rawCallStatus = 21
no line of a log
"""


@dataclass
class Built:
    """The two archives, by the names of their members (the sdist's without its folder)."""

    sdist: Path
    wheel: Path
    in_wheel: dict[str, bytes]
    in_sdist: dict[str, bytes]


def run(*command: str | Path, cwd: Path, **environment: str) -> bytes:
    """Standard output of a command, which must succeed; Python finds nothing of ours but what is installed or given."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "MFA_SHIPPER"))
    }
    pure = {"MFA_SHIPPER_KERNEL_BUILD": "off"}  # tests/packaging/test_kernel_install.py does all of this with the kernel
    done = subprocess.run(command, cwd=cwd, env=inherited | pure | environment, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The wheel is built from the sdist, as a packager does."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = {name: archive.read(name) for name in archive.namelist()}
    in_sdist: dict[str, bytes] = {}
    with tarfile.open(sdist) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member)
            in_sdist[member.name.partition("/")[2]] = file.read() if file else b""
    return Built(sdist, wheel, in_wheel, in_sdist)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands after the lines of the README's section Install, typed in an unpacked sdist."""
    home = tmp_path_factory.mktemp("home")
    with tarfile.open(built.sdist) as archive:
        archive.extractall(home, filter="data")
    [checkout] = home.iterdir()
    section = (checkout / "README.md").read_text(encoding="utf-8").split("## Install")[1]
    lines = re.findall(r"^\$ (.*)$", section.split("```")[1], re.M)
    assert [line.split()[-2] for line in lines] == ["venv", "install", "~/mfa-shipper/bin/mfa-shipper"]
    python = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for line in lines:
        run("sh", "-c", line, cwd=checkout, HOME=str(home), PATH=python, PIP_DISABLE_PIP_VERSION_CHECK="1")
    return home / "mfa-shipper" / "bin"


def test_the_sdist_carries_everything(built: Built) -> None:
    wanted = DATA | CODE | CRATE | {name: (ROOT / name).read_bytes() for name in SINGLE}

    assert "shipper/decode/kernel/Cargo.toml" in CRATE
    assert {name: built.in_sdist.get(name) for name in wanted} == wanted
    assert "tests/test_packaging.py" in built.in_sdist
    assert not [name for name in built.in_sdist if "__pycache__" in name or name.startswith((".git/", ".venv", "dist"))]


def test_the_wheel_carries_the_package_with_its_data_and_nothing_else(built: Built) -> None:
    wanted = CODE | {f"shipper/{name}": content for name, content in DATA.items()}
    info = f"mfa_shipper-{__version__}.dist-info/"

    assert {name: built.in_wheel.get(name) for name in wanted} == wanted
    more = {"shipper/py.typed", "shipper/decode/_kernel.pyi"}
    assert {name for name in built.in_wheel if not name.startswith(info)} - wanted.keys() == more
    assert built.wheel.name == f"mfa_shipper-{__version__}-py3-none-any.whl"
    assert built.in_wheel[f"{info}entry_points.txt"].split() == [
        b"[console_scripts]",
        b"mfa-shipper",
        b"=",
        b"shipper.__main__:main",
    ]
    about = message_from_bytes(built.in_wheel[f"{info}METADATA"])
    assert (about["Name"], about["Version"], about["License-Expression"]) == ("mfa-shipper", __version__, "Apache-2.0")
    assert f"{info}licenses/LICENSE" in built.in_wheel


def test_what_cargo_leaves_behind_goes_into_neither(built: Built, tmp_path: Path) -> None:
    with tarfile.open(built.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    [checkout] = tmp_path.iterdir()
    decode = checkout / "shipper" / "decode"
    left = [
        decode / "kernel/target/release/lib_kernel.so",
        decode / "_kernel.abi3.so",
        decode / "_kernel.pyd",
        checkout / "build/x",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")
    dist = tmp_path / "dist"
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", "--wheel", "--outdir", dist, checkout, cwd=tmp_path)

    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as zipped:
        assert set(zipped.namelist()) == set(built.in_wheel)
    with tarfile.open(sdist) as archive:
        assert {member.name.partition("/")[2] for member in archive.getmembers()} == set(built.in_sdist)


def test_what_the_readme_installs_works_far_from_the_repository(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "Radius.log").write_text(LOG)
    assert ROOT not in tmp_path.parents
    arguments = ("parse", "--deterministic", "-q", "Radius.log")

    here = run(sys.executable, "-m", "shipper", *arguments, cwd=tmp_path, PYTHONPATH=str(ROOT))
    there = run(installed / "mfa-shipper", *arguments, cwd=tmp_path)

    assert there == here
    assert there.count(b"\n") == LOG.count("\n") + 1
    assert b'"double_prompt"' in there
    assert run(installed / "mfa-shipper", "--version", cwd=tmp_path).decode().splitlines() == [
        f"mfa-shipper, version {__version__}",
        "kernel: none (not built)",
    ]
    assert run(installed / "mfa-shipper", "check", cwd=tmp_path).endswith(b"patterns and status codes OK\n")
    explained = run(installed / "mfa-shipper", "explain", LOG.splitlines()[1], cwd=tmp_path).decode()
    assert f"({installed.parent}/lib/" in explained  # where the pattern stands
    assert str(ROOT) not in explained
