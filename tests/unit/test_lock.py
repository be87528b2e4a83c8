"""The lock of a state directory."""

import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shipper.errors import UsageError
from shipper.sidecar.lock import Lock, lock_holder


def test_the_second_shipper_names_the_first(tmp_path: Path) -> None:
    code = f"from shipper.sidecar.lock import Lock; lock = Lock({str(tmp_path)!r}); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(UsageError, match=f"in use by the mfa-shipper with pid {first.pid};"):
            Lock(str(tmp_path))
        assert lock_holder(str(tmp_path)) == first.pid
        first.kill()
        first.wait()
    assert lock_holder(str(tmp_path)) is None
    mine = Lock(str(tmp_path))
    with pytest.raises(UsageError, match=f"with pid {os.getpid()};"):
        Lock(str(tmp_path))
    mine.release()
    Lock(str(tmp_path)).release()


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    assert lock_holder(str(tmp_path)) is None
    assert os.listdir(tmp_path) == []


def test_who_may_only_read_sees_who_holds_it(tmp_path: Path) -> None:
    lock = Lock(str(tmp_path))
    (tmp_path / "lock").chmod(0o440)
    assert lock_holder(str(tmp_path)) == os.getpid()
    lock.release()
    assert lock_holder(str(tmp_path)) is None


def test_one_who_looks_keeps_nobody_from_starting(tmp_path: Path) -> None:
    Lock(str(tmp_path)).release()
    looking = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    threading.Timer(0.2, os.close, [looking]).start()
    Lock(str(tmp_path)).release()
