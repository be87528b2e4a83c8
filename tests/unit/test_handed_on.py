"""What a new process is sent where there is no fork, as on Windows."""

import multiprocessing
import pickle
from pathlib import Path

import pytest

from shipper.decode.facts import Library
from shipper.decode.library import load
from shipper.decode.line_patterns import Stamps
from shipper.detect import default_rules
from shipper.emit.output import Output, open_output
from shipper.model import Counts
from shipper.pipeline import run_source, settings
from shipper.read.inputs import open_inputs
from tests.support.golden_cases import ROOT


@pytest.mark.parametrize("case", ["dp-concurrent", "nps-xml", "syslog-3164", "wrapped-json"])
def test_the_library_decodes_the_same_after_the_way(case: str) -> None:
    library = load()
    before = decoded(library, ROOT / case / "input.log")  # also once it has compiled what it needs
    assert before
    assert decoded(pickle.loads(pickle.dumps(library)), ROOT / case / "input.log") == before


def decoded(library: Library, path: Path) -> bytes:
    chosen = settings(library, default_rules(), {})
    with open_inputs([str(path)], deterministic=True, stamp_of=Stamps(library)) as (logs, stdin):
        return b"".join(block.data for log in logs for block, _ in run_source(chosen, log, stdin, Counts()))


def write(out: Output, text: bytes) -> None:
    out.write(text)


def test_an_output_is_written_by_another_process_too(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "out")) as out:
        out.write(b"one\r\n")
        other = multiprocessing.get_context("spawn").Process(target=write, args=(out, b"two\n"))
        other.start()
        other.join(60)
        assert other.exitcode == 0
        out.write(b"three\n")
    assert (tmp_path / "out").read_bytes() == b"one\r\ntwo\nthree\n"
