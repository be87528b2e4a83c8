"""The compiled kernel is in what is installed where it can be, and nothing fails or stalls where it cannot."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.kernel.hook import NoKernelError, built
from tests.support.tools import ROOT

CRATE = Path("shipper", "decode", "kernel")
LOG = ROOT / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log"
WITHOUT_CARGO = os.pathsep.join(place for place in os.environ["PATH"].split(os.pathsep) if not shutil.which("cargo", path=place))
COMPILED, NOT_BUILT = "kernel: compiled", "kernel: none (not built)"
WHILE_NETWORK_IS_DEAD = 30  # seconds that an install may take then

needs_cargo = pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo on the PATH")
MAKE = ["make", "--no-print-directory", ".venv/.ready"]  # which a make that runs the tests asks for


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh copy of the sources, as the sdist has them."""
    folder = tmp_path_factory.mktemp("copy")
    done = run([sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", folder, ROOT], folder)
    assert done.returncode == 0, done.stderr
    [sdist] = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


def run(command: Sequence[str | Path], cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, without what is set here for builds."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "MFA_"))}
    return subprocess.run(command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=600, check=False)


class Home:
    """A virtual environment; what mfa-shipper depends on comes from that of the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run([sys.executable, "-m", "venv", folder / "venv"], folder)
        self.program = folder / "venv" / "bin" / "mfa-shipper"

    def install(self, *what: str | Path, **environment: str) -> None:
        """`pip install`, in a build environment of its own."""
        pip: list[str | Path] = [
            self.program.with_name("python"),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        done = run([*pip, *what], self.folder, **environment)
        assert done.returncode == 0, done.stdout + done.stderr

    def kernel(self, **environment: str) -> str:
        """What `--version` says of it."""
        return self(["--version"], **environment).splitlines()[1]

    def __call__(self, arguments: Sequence[str | Path], **environment: str) -> str:
        """What the program prints."""
        done = run([self.program, *arguments], self.folder, PYTHONPATH=sysconfig.get_path("purelib"), **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def wheel(checkout: Path, folder: Path, **environment: str) -> tuple[str, set[str], str]:
    """A wheel's tag, what is in its folder `decode`, and what was said while it was built."""
    done = run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, checkout], folder, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = folder.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        inside = {name.rpartition("/")[2] for name in archive.namelist() if name.startswith("shipper/decode/")}
    return made.stem.split("-", 2)[2], inside, done.stdout + done.stderr


@contextmanager
def changed(path: Path, text: str) -> Iterator[None]:
    """A file with another text, for a while."""
    before = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(before, encoding="utf-8")


@needs_cargo
def test_with_cargo_it_is_installed(checkout: Path, home: Home) -> None:
    home.install(checkout)

    assert home.kernel() == COMPILED
    assert home.kernel(MFA_SHIPPER_KERNEL="off") == "kernel: none (MFA_SHIPPER_KERNEL=off)"
    assert f"\n{COMPILED}\n" in home(["check"])
    parse: list[str | Path] = ["parse", "--deterministic", "--quiet", LOG]
    assert home(parse) == home(parse, MFA_SHIPPER_KERNEL="off")
    assert not [*(checkout / "shipper").rglob("*.so")]  # the copy is as it was


def test_without_cargo_it_is_not(checkout: Path, home: Home) -> None:
    home.install(checkout, PATH=WITHOUT_CARGO)

    assert home.kernel() == NOT_BUILT
    assert f"\n{NOT_BUILT}\n" in home(["check"])
    assert home(["parse", "--quiet", LOG]).count("\n") == 24


@needs_cargo
def test_an_editable_install_has_it_beside_the_code(checkout: Path, home: Home) -> None:
    home.install("--editable", checkout)
    assert home.kernel() == COMPILED

    home.install("--editable", checkout, PATH=WITHOUT_CARGO)
    assert home.kernel() == NOT_BUILT


@needs_cargo
def test_the_wheel_says_for_what_it_is(checkout: Path, tmp_path: Path) -> None:
    tag, inside, _ = wheel(checkout, tmp_path)
    assert tag == f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    assert {"_kernel.abi3.so", "_kernel.pyi", "compiled.py"} < inside


def test_without_cargo_the_wheel_is_pure(checkout: Path, tmp_path: Path) -> None:
    tag, inside, said = wheel(checkout, tmp_path, PATH=WITHOUT_CARGO)
    assert (tag, "_kernel.abi3.so" in inside) == ("py3-none-any", False)
    assert "no compiled kernel, the package is pure Python: no cargo on the PATH" in said


@needs_cargo
def test_a_crate_that_does_not_compile_gives_the_pure_package(checkout: Path, tmp_path: Path) -> None:
    with changed(checkout / CRATE / "src" / "lib.rs", "no Rust"):
        tag, inside, said = wheel(checkout, tmp_path)
        required = run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", checkout], tmp_path, MFA_SHIPPER_KERNEL_BUILD="require"
        )

    assert (tag, "_kernel.abi3.so" in inside) == ("py3-none-any", False)
    assert "no compiled kernel, the package is pure Python: cargo failed" in said
    assert required.returncode != 0
    assert "the kernel cannot be built: cargo failed" in required.stdout + required.stderr


@needs_cargo
def test_a_network_that_swallows_everything_does_not_hold_an_install(checkout: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        tag, _, _ = wheel(checkout, tmp_path, CARGO_HOME=str(tmp_path / "empty"), CARGO_HTTP_PROXY=proxy)
        took = time.monotonic() - begun
        silent.settimeout(0)
        silent.accept()[0].close()  # cargo did try

    assert tag == "py3-none-any"
    assert took < WHILE_NETWORK_IS_DEAD


@pytest.mark.parametrize("value", ["Off", "no", "1"])
def test_a_wrong_wish_is_refused(value: str, checkout: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-m", "build", "--wheel", "--no-isolation", checkout]
    done = run(command, tmp_path, MFA_SHIPPER_KERNEL_BUILD=value)
    assert done.returncode != 0
    assert f"MFA_SHIPPER_KERNEL_BUILD={value}: use auto, off, require or FILE:TAG" in done.stdout + done.stderr


@needs_cargo
def test_a_python_that_could_not_load_it_gets_none(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", {"Py_GIL_DISABLED": 1}.get)  # as in a free-threaded one
    with pytest.raises(NoKernelError, match="this Python has no stable ABI"):
        built(checkout, "auto")


@needs_cargo
def test_make_builds_it_again_when_a_source_changes(checkout: Path) -> None:
    environment = checkout / ".venv"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    (environment / ".installed").touch()
    source, version = checkout / CRATE / "src" / "lib.rs", [sys.executable, "-m", "shipper", "--version"]

    first = run(MAKE, checkout)
    assert (first.returncode, first.stdout.splitlines()[-1]) == (0, COMPILED), first.stderr
    assert run(version, checkout).stdout.splitlines()[1] == COMPILED
    assert "up to date" in run(MAKE, checkout).stdout

    text = source.read_text(encoding="utf-8")
    with changed(source, text.replace("INTERFACE: u32 = ", "INTERFACE: u32 = 1000 + ")):
        assert run(MAKE, checkout).stdout.splitlines()[-1] == COMPILED
        assert run(version, checkout).stdout.splitlines()[1] == "kernel: none (built for another version)"
    without = run(MAKE, checkout, PATH=WITHOUT_CARGO)
    assert without.stdout.splitlines()[-1] == "kernel: none (no cargo on the PATH); everything works without it, slower"
    assert run(version, checkout).stdout.splitlines()[1] == NOT_BUILT
