"""Builds the compiled kernel with cargo when the package is built; without one the package is pure Python.

hatchling runs this for a wheel and for an editable install. `MFA_SHIPPER_KERNEL_BUILD` says what it does:

    auto      builds it if cargo is there; if that fails, the package is pure Python (the default)
    off       does not
    require   fails where it cannot
    FILE:TAG  takes a module that was built elsewhere, for a wheel with that tag
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
FOLDER = Path("shipper", "decode")
ON_WINDOWS = "_kernel.pyd"
MODULE = ON_WINDOWS if os.name == "nt" else "_kernel.abi3.so"
LIBRARY = {"win32": "_kernel.dll", "darwin": "lib_kernel.dylib"}.get(sys.platform, "lib_kernel.so")
# A network that swallows what cargo sends would hold an install for minutes; and without PYO3_NO_PYTHON each of pip's
# passing environments would compile PyO3 again.
PATIENCE = {"CARGO_NET_RETRY": "1", "CARGO_HTTP_TIMEOUT": "10"}
EXTENSION = {"PYO3_BUILD_EXTENSION_MODULE": "1", "PYO3_NO_PYTHON": "1"}


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the kernel, and give the wheel the tag that goes with it."""
        wanted, root = os.environ.get(VARIABLE, "auto"), Path(self.root)
        if ":" in wanted:
            file, tag = wanted.rsplit(":", 1)
            build_data["force_include"][file] = str(FOLDER / (ON_WINDOWS if "win_" in tag else "_kernel.abi3.so"))
        else:
            trouble = build(root) if wanted != "off" else f"{VARIABLE}=off"
            if trouble:
                (root / FOLDER / MODULE).unlink(missing_ok=True)
                if wanted == "require":
                    raise SystemExit(f"the kernel cannot be built: {trouble}")
                self.app.display_warning(f"no compiled kernel, the package is pure Python: {trouble}")
                return
            tag = f"cp311-abi3-{re.sub('[-.]', '_', sysconfig.get_platform())}"
            build_data["artifacts"].append(f"/{(FOLDER / MODULE).as_posix()}")
        build_data["pure_python"], build_data["tag"] = False, tag


def build(root: Path) -> str:
    """Compile the crate into the package; why that cannot be, or nothing.

    The module lies beside the code because an editable install is a path to it.
    """
    cargo = shutil.which("cargo")
    if not cargo:
        return "no cargo on the PATH"
    target = root / "build" / "kernel"
    command = [cargo, "build", "--release", "--locked", "--lib", "--target-dir", str(target)]
    done = subprocess.run(  # noqa: S603
        command, cwd=root / FOLDER / "kernel", env={**PATIENCE, **os.environ, **EXTENSION}, stdout=sys.stderr, check=False
    )
    if done.returncode:
        return "cargo failed, see above"
    new = root / FOLDER / f"{MODULE}.new"
    shutil.copyfile(target / "release" / LIBRARY, new)
    new.replace(root / FOLDER / MODULE)  # whole or not at all: a running shipper may have the other one open
    return ""


if __name__ == "__main__":
    raise SystemExit(build(Path.cwd()) or None)
