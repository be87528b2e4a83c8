"""The first process of a container: goes into a root file system and becomes the program, as `sandbox.py` tells it in JSON.

It is started in namespaces of its own for mounts and processes.
"""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

LIBC = ctypes.CDLL(None, use_errno=True)
CAPBSET_DROP, NO_NEW_PRIVS, LAST_CAPABILITY = 24, 38, 63


def mount(*arguments: str | Path) -> None:
    """Mount, or end with what `mount` says."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


def furnish(root: Path, mounts: list[list[Any]]) -> None:
    """Mount the root so that nobody can write to it, a few devices, /proc, and what the container is given."""
    mount("--bind", root, root)
    for source, target, writable in mounts:
        place = root / target.lstrip("/")
        if Path(source).is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        mount("--bind", source, place)
        if not writable:
            mount("-o", "remount,bind,ro", place)
    for name in ("proc", "dev"):
        (root / name).mkdir(exist_ok=True)
    mount("-t", "proc", "proc", root / "proc")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root / "dev")
    for device in ("null", "urandom"):
        (root / "dev" / device).touch()
        mount("--bind", f"/dev/{device}", root / "dev" / device)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (root / "dev" / name).symlink_to(f"/proc/self/fd/{number}")
    mount("-o", "remount,bind,ro", root)


def become(user: int, group: int, groups: list[int], kept: list[int]) -> None:
    """Give up all rights but the capabilities `kept`, which only root has use for."""
    for capability in range(LAST_CAPABILITY + 1):
        if capability not in kept:
            LIBC.prctl(CAPBSET_DROP, capability, 0, 0, 0)  # beyond the last one of this kernel it fails
    LIBC.prctl(NO_NEW_PRIVS, 1, 0, 0, 0)
    os.setgroups(groups)
    os.setgid(group)
    os.setuid(user)


def main() -> None:
    """Read the order from the only argument, and obey."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    furnish(Path(order["root"]), order["mounts"])
    os.chroot(order["root"])
    os.chdir(order["folder"])
    become(order["user"], order["group"], order["groups"], order["capabilities"])
    os.execvpe(order["words"][0], order["words"], order["environment"])


if __name__ == "__main__":
    main()
