"""The lock of a state directory."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shipper.errors import UsageError
from shipper.lock import PATIENCE
from shipper.sidecar.lock import lock_holder, lock_state
from tests.support.process import as_a_user


def test_the_second_shipper_names_the_first(tmp_path: Path) -> None:
    code = f"from shipper.sidecar.lock import lock_state; lock = lock_state({str(tmp_path)!r}); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with pytest.raises(UsageError, match=f"in use by the mfa-shipper with pid {first.pid};"):
            lock_state(str(tmp_path))
        assert lock_holder(str(tmp_path)) == first.pid
        first.kill()
        first.wait()
    assert lock_holder(str(tmp_path)) is None
    mine = lock_state(str(tmp_path))
    with pytest.raises(UsageError, match=f"with pid {os.getpid()};"):
        lock_state(str(tmp_path))
    mine.release()
    lock_state(str(tmp_path)).release()


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    assert lock_holder(str(tmp_path)) is None
    assert os.listdir(tmp_path) == []


@pytest.mark.posix("there a look at a lock is no lock")
def test_who_only_looks_keeps_nobody_from_it(tmp_path: Path) -> None:
    """A look takes the lock for a moment; a start that falls into it waits for that moment to pass."""
    import fcntl

    descriptor = os.open(tmp_path / "lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    looks = threading.Timer(PATIENCE / 4, os.close, [descriptor])
    looks.start()
    lock_state(str(tmp_path)).release()
    looks.join()


@pytest.mark.posix("permissions that a user can be stopped by")
def test_a_reader_sees_who_holds_it(tmp_path: Path) -> None:
    mine = lock_state(str(tmp_path))
    (tmp_path / "lock").chmod(0o440)
    code = f"from shipper.sidecar.lock import lock_holder; print(lock_holder({str(tmp_path)!r}))"
    told = subprocess.run([*as_a_user(), sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == f"{os.getpid()}\n"
    mine.release()


@pytest.mark.posix("Wine makes no symbolic links")
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(UsageError, match="lock cannot be created: Too many levels of symbolic links"):
        lock_state(str(tmp_path))
    assert (tmp_path / "precious").read_bytes() == b"precious"
