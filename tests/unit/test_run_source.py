"""A log is closed at its end, also where one of its files cannot be read to its end."""

import gzip
from pathlib import Path

import pytest

from shipper.errors import InputError
from shipper.model import Block, Counts
from shipper.pipeline import Settings, run_source
from shipper.read.inputs import open_inputs
from tests.support.logs import library

REQUEST = "2017-02-14T02:57:19.000000Z|0|1|2|pfrad|Calling pfAuthUser('anna', '', 1)\n"
VERDICT = "2017-02-14T02:57:29.000000Z|0|1|2|pfrad|authResult = 1\n"


@pytest.mark.parametrize("per_exchange", [False, True])
def test_lines_of_an_open_exchange_come_before_the_error(tmp_path: Path, per_exchange: bool) -> None:
    cut = tmp_path / "Mfa.log.gz"
    cut.write_bytes(gzip.compress(f"{REQUEST}{VERDICT}2017-02-14".encode(), 0)[:-8])
    counts, blocks = Counts(), list[Block]()
    with open_inputs([str(cut)], deterministic=True) as ([log], stdin):
        reading = run_source(Settings(library(), per_exchange=per_exchange), log, stdin, counts)
        with pytest.raises(InputError, match="the gzip file ends too early") as caught:
            blocks.extend(block for block, _ in reading)  # takes each before the error
    assert caught.value.path == str(cut)
    events = b"".join(block.data for block in blocks).splitlines()
    assert [b"mfa-request" in events[0], b"mfa-verdict" in events[1]] == [True, True]
    assert (len(events), counts.events, counts.open_at_end) == (2, 2, 1)
