"""Events that are held back for `--events exchange`: what goes out when, and what a snapshot keeps."""

import json

import pytest

from shipper.decode.library import load
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings

FILE = LogFile("Mfa.log", "0123456789abcdef", "2017-02-14T02:57:19.000000Z")
REQUEST = b"2017-02-14T02:57:19.000000Z|0|1412|6452|pfrad|Calling pfAuthUser('CONTOSO\\anna', '', 1)\n"
VERDICT = b"2017-02-14T02:57:24.000000Z|0|1412|6452|pfrad|authResult = 1\n"
STATUS = b"2017-02-14T02:57:24.000000Z|0|1412|6452|pfrad|rawCallStatus = 21\n"


def pipeline(*, fast: bool) -> Pipeline:
    made = Pipeline(Settings(load(), per_exchange=True, fast=fast), Counts())
    made.open(FILE)
    return made


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_what_is_held_back_survives_in_a_snapshot(cut: int, fast: bool) -> None:
    lines = (REQUEST, VERDICT, STATUS)
    before = b"".join(lines[:cut])
    whole, first = pipeline(fast=fast), pipeline(fast=fast)
    expected = whole(Chunk(before + b"".join(lines[cut:]), 0)).data

    assert first(Chunk(before, 0)).data == b""
    second = pipeline(fast=not fast)
    second.restore(first.snapshot())

    assert second.snapshot() == first.snapshot()
    assert second(Chunk(b"".join(lines[cut:]), len(before))).data == expected
    assert len(json.loads(expected)["event"]["original"]) == 3


@pytest.mark.parametrize("fast", [True, False])
def test_what_waits_at_the_end_goes_out_with_its_label(fast: bool) -> None:
    made = pipeline(fast=fast)
    assert made(Chunk(REQUEST + VERDICT, 0)).data == b""

    block = made.close()

    assert [json.loads(line)["event"]["action"] for line in block.data.splitlines()] == ["mfa-request", "mfa-verdict"]
    assert [(event_id, key) for _, event_id, _, key in block.labels] == [
        ("0123456789abcdef-0", "contoso\\anna"),
        (f"0123456789abcdef-{len(REQUEST)}", "contoso\\anna"),
    ]
    assert block.ends[-1] == len(block.data)
