"""The shipper's own log."""

import sys
import threading

import pytest

from shipper.sidecar.log import set_up


def test_a_thread_that_ends_with_an_error_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # given back at the end
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    set_up("info", "text", ["geheim"])

    def fail() -> None:
        raise OSError(10038, "no socket geheim")

    thread = threading.Thread(target=fail, name="kafka-io")
    thread.start()
    thread.join()

    (line,) = capsys.readouterr().err.splitlines()
    assert "warning a thread ended with an error thread=kafka-io" in line
    assert "OSError: [Errno 10038] no socket ***" in line
