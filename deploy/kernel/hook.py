"""Builds the compiled kernel with cargo where the package is built; without one the package is pure Python.

hatchling runs this for a wheel and for an editable install, `make` as a program. `MFA_SHIPPER_KERNEL_BUILD` says what to do:

    auto      build it if cargo is there; if that fails, the package is pure Python (the default)
    off       do not build it
    require   fail where it cannot be built
    FILE:TAG  put a module that was built elsewhere into a wheel with this tag
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "MFA_SHIPPER_KERNEL_BUILD"
PACKAGE = Path("shipper", "decode")
ON_WINDOWS, ELSEWHERE = "_kernel.pyd", "_kernel.abi3.so"
# macOS' linker wants to be told that Python brings the functions that are missing.
LINKED = ["-C", "link-arg=-undefined", "-C", "link-arg=dynamic_lookup"] if sys.platform == "darwin" else []
LIBRARY = {"win32": "_kernel.dll", "darwin": "lib_kernel.dylib"}.get(sys.platform, "lib_kernel.so")
# A network that swallows what cargo sends would hold an install for minutes.
PATIENCE = {"CARGO_NET_RETRY": "1", "CARGO_HTTP_TIMEOUT": "8"}
# pip builds with a Python in a new place each time, for which PyO3 would be compiled again: any Python will do.
EXTENSION = {"PYO3_BUILD_EXTENSION_MODULE": "1", "PYO3_NO_PYTHON": "1"}


class NoKernelError(Exception):
    """Why there is none."""


class KernelHook(BuildHookInterface[Any]):
    """What hatchling calls."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Put the kernel into the wheel, which then has the tag of this system; for an editable install, beside the code."""
        root, wanted = Path(self.root), os.environ.get(VARIABLE, "auto")
        try:
            if version == "editable":
                place(root, wanted)
                return
            file, tag = wanted.rsplit(":", 1) if ":" in wanted else (built(root, wanted), this_system())
        except NoKernelError as why:
            self.app.display_warning(f"no compiled kernel, the package is pure Python: {why}")
            return
        name = ON_WINDOWS if "win_" in tag else ELSEWHERE
        build_data["force_include"][str(file)] = (PACKAGE / name).as_posix()
        build_data["pure_python"], build_data["tag"] = False, tag


def this_system() -> str:
    """The tag of a wheel that has a kernel made here: for every CPython from 3.11 on."""
    return f"cp311-abi3-{re.sub('[-.]', '_', sysconfig.get_platform())}"


def built(root: Path, wanted: str) -> Path:
    """Compile the crate.

    Raises:
        NoKernelError: that cannot be, or is not wanted.
        SystemExit: it cannot be, and is required.
    """
    if wanted not in ("auto", "off", "require"):
        raise SystemExit(f"{VARIABLE}={wanted}: use auto, off, require or FILE:TAG")
    if wanted == "off":
        raise NoKernelError(f"{VARIABLE}=off")
    target, why, cargo = root / "build" / "kernel", "no cargo on the PATH", shutil.which("cargo")
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        why = "this Python has no stable ABI"
    elif cargo:
        command = [cargo, "rustc", "--quiet", "--release", "--lib", "--target-dir", str(target), "--", *LINKED]
        env = {**PATIENCE, **os.environ, **EXTENSION}
        done = subprocess.run(command, cwd=root / PACKAGE / "kernel", env=env, stdout=sys.stderr, check=False)  # noqa: S603
        if done.returncode == 0:
            return target / "release" / LIBRARY
        why = "cargo failed"
    if wanted == "require":
        raise SystemExit(f"the kernel cannot be built: {why}")
    raise NoKernelError(why)


def place(root: Path, wanted: str) -> None:
    """Build the kernel and put it beside the code, where Python finds it in a checkout; if there is none, no old one stays."""
    module = root / PACKAGE / (ON_WINDOWS if os.name == "nt" else ELSEWHERE)
    try:
        new = shutil.copyfile(built(root, wanted), module.with_suffix(".new"))
    except BaseException:
        module.unlink(missing_ok=True)
        raise
    new.replace(module)  # a program that runs has the other one open


def main() -> None:
    """Say in one line whether there is a kernel now."""
    try:
        place(Path.cwd(), os.environ.get(VARIABLE, "auto"))
        print("kernel: compiled")
    except NoKernelError as why:
        print(f"kernel: none ({why}); everything works without it, slower")


if __name__ == "__main__":
    main()
