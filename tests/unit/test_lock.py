"""The lock of a state directory."""

import os
import subprocess
import sys
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
