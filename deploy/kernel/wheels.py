"""Makes the wheels in dist/, and runs the program out of each: `make wheels`.

    py3-none-any                        pure Python, for every system
    cp311-abi3-manylinux_2_17_x86_64    with the kernel, for Linux with glibc 2.17 or newer
    cp311-abi3-win_amd64                with the kernel, for Windows; run under Wine

Zig links the last two, so that this takes neither an old Linux nor a Windows. Each must write the same bytes.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from deploy.kernel.hook import EXTENSION, PACKAGE, VARIABLE
from deploy.windows.build import FOR_WINDOWS
from shipper import __version__
from tests.support.jars import CACHE, ROOT, Unavailable
from tests.support.windows import a_windows, call

DIST, BUILD = ROOT / "dist", ROOT / "build" / "kernel"
LINUX, WINDOWS = "x86_64-unknown-linux-gnu", "x86_64-pc-windows-gnu"
MANYLINUX = "manylinux_2_17_x86_64"
PARSE = ["parse", "--deterministic", "--quiet", "*.log"]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps"]


def wheel(kernel: str) -> Path:
    """A wheel in dist/.

    Args:
        kernel: what the hook shall do, `off` or FILE:TAG.
    """
    with tempfile.TemporaryDirectory(prefix="mfa-wheel-") as folder:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
        call(command, {**os.environ, VARIABLE: kernel})
        [made] = Path(folder).glob("*.whl")
        DIST.mkdir(exist_ok=True)
        return Path(shutil.move(made, DIST / made.name))


def compiled(target: str, library: str, rust: dict[str, str]) -> Path:
    """The kernel for a system, linked by Zig.

    Args:
        target: its name in Rust, with the version of glibc.
        library: the name that cargo gives to the module.
        rust: variables that choose the tool chain.

    Raises:
        Unavailable: the crate does not compile.
    """
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["cargo", "zigbuild", "--quiet", "--release", "--lib", "--target", target, "--target-dir", str(BUILD)]
    call(
        [*command, "--manifest-path", str(ROOT / PACKAGE / "kernel" / "Cargo.toml")],
        {**os.environ, **EXTENSION, **rust, "PATH": tools},
    )
    return BUILD / target.partition(".")[0] / "release" / library


def pure() -> Path:
    """The wheel without a kernel."""
    return wheel("off")


def for_linux() -> Path:
    """The wheel for Linux; auditwheel looks whether an old glibc has all that it asks for."""
    made = wheel(f"{compiled(f'{LINUX}.2.17', 'lib_kernel.so', {})}:cp311-abi3-{MANYLINUX}")
    said = subprocess.run([sys.executable, "-m", "auditwheel", "show", made], capture_output=True, text=True, check=False)  # noqa: S603
    if f'"{MANYLINUX}"' not in said.stdout:
        raise Unavailable(f"{made.name} is no {MANYLINUX}: {said.stdout}{said.stderr}")
    return made


def for_windows() -> Path:
    """The wheel for Windows; rustup fetches the tool chain for it into `.cache/rustup`, and leaves its own one alone."""
    rust = {"RUSTUP_HOME": str(CACHE / "rustup")}
    version = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]  # noqa: S607
    fetch = ["rustup", "toolchain", "install", version, "--profile", "minimal", "--target", WINDOWS, "--no-self-update"]
    call(fetch, {**os.environ, **rust})
    return wheel(f"{compiled(WINDOWS, '_kernel.dll', {**rust, 'RUSTUP_TOOLCHAIN': version})}:cp311-abi3-win_amd64")


def tried(made: Path) -> tuple[str, bytes]:
    """What the program in a wheel says of itself, and what it writes for the logs of the golden cases.

    Raises:
        Unavailable: it does not run, or there is no Wine.
    """
    with tempfile.TemporaryDirectory(prefix="mfa-wheel-") as name, ExitStack() as stack:
        folder = Path(name)
        start: Callable[[list[str]], subprocess.CompletedProcess[bytes]]
        if made.stem.endswith("win_amd64"):
            call([*PIP, *FOR_WINDOWS, "--target", name, str(made)])
            windows = stack.enter_context(a_windows())
            start = partial(windows.run, cwd=folder, MFA_SHIPPER_KERNEL="on")
        else:
            call([*PIP, "--target", name, str(made)])
            start = partial(here, folder, {**os.environ, "MFA_SHIPPER_KERNEL": "on"})
        for log in (ROOT / "tests" / "golden").glob("*/input.log"):
            shutil.copy2(log, folder / f"{log.parent.name}.log")
        said, written = (start(["-m", "shipper", *arguments]) for arguments in (["--version"], PARSE))
    if said.returncode or written.returncode:
        raise Unavailable(f"{made.name} does not run: {(said.stderr + written.stderr).decode(errors='replace')[-2000:]}")
    return said.stdout.decode().replace("\r\n", "\n"), written.stdout


def here(folder: Path, env: dict[str, str], arguments: list[str]) -> "subprocess.CompletedProcess[bytes]":
    """Run this Python to the end."""
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=env, capture_output=True, check=False)  # noqa: S603


def main() -> int:
    """Make and run all of them; one that fails does not keep the others back."""
    for old in DIST.glob(f"mfa_shipper-{__version__}-*.whl"):
        old.unlink()
    events: set[bytes] = set()
    failed = 0
    for tool in ("cargo", "rustc", "rustup"):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed; the wheels need Rust, by rustup", file=sys.stderr)
            return 1
    for make, kernel in ((pure, "none (not built)"), (for_linux, "compiled"), (for_windows, "compiled")):
        try:
            made = make()
            said, written = tried(made)
        except Unavailable as error:
            print(error, file=sys.stderr)
            failed = 1
            continue
        events.add(written)
        if said != f"mfa-shipper, version {__version__}\nkernel: {kernel}\n" or len(events) > 1:
            print(f"{made.name}: other bytes than the first, or: {said}", file=sys.stderr)
            failed = 1
            continue
        print(f"{made.relative_to(ROOT)}: {made.stat().st_size / 1024:.0f} KiB, runs, kernel {kernel}", flush=True)
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
