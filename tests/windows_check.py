"""Run the tests with Python for Windows, under Wine; a real Kafka is started outside, on the loopback interface.

python -m tests.windows_check                   those that look at a Windows from outside, and a selection of the others
python -m tests.windows_check --all             the same, and all that can run there
python -m tests.windows_check tests/test_x.py   these; options of pytest may follow
"""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.jars import ROOT
from tests.support.kafka import LENT, Broker, Unavailable
from tests.support.windows import a_windows

ALL = ["tests/unit", "tests/test_golden.py", "tests/contract", "tests/chaos/test_kill.py", "tests/chaos/test_foreign.py"]
# What meets the system, and of the meaning of lines the golden cases.
HEAVY = ("wrapped", "pseudonyms", "patterns", "filters", "plain", "stream", "grok", "explain", "no_cycles")
SELECTION = [
    *(f"--ignore=tests/unit/test_{name}.py" for name in HEAVY),
    "--deselect=tests/test_golden.py::test_neither_fast_path_nor_read_size_change_a_byte_or_a_count",
    "--deselect=tests/test_golden.py::test_a_snapshot_goes_on_where_it_was_taken",
    "tests/unit", "tests/test_golden.py", "tests/contract",
    "tests/chaos/test_foreign.py::test_kills[exactly-once-kafka-python]",
]  # fmt: skip
PYTEST = ["-m", "pytest", "-p", "no:cacheprovider", "-n", "2", "--dist", "worksteal"]
FROM_OUTSIDE = ["-m", "pytest", "-n", "2", "--dist", "worksteal", "tests/wine"]


def main() -> int:
    """The exit status of pytest."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that Windows and the broker end too
    given = sys.argv[1:]
    selection = ALL if given == ["--all"] else given or SELECTION
    if selection is not given:
        outside = subprocess.run([sys.executable, *FROM_OUTSIDE], cwd=ROOT, check=False).returncode
        if outside:
            return outside
    try:
        with tempfile.TemporaryDirectory(prefix="mfa-windows-") as folder, a_windows() as windows:
            broker = Broker(Path(folder) / "kafka").start()
            try:
                return windows.show([*PYTEST, *selection], PYTHONPATH=f"Z:{ROOT}", **{LENT: str(broker.port)})
            finally:
                broker.stop()
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
