"""Batches: whole reads, every event once and in order, closed by the read that reaches a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.deliver.acks import Acks
from shipper.deliver.batch import Batcher, Limits, OpenBatch, read_size
from shipper.deliver.sink import Batch
from shipper.model import Block, Label, Origin
from shipper.read.files import READ_SIZE
from shipper.testing import block

reads = st.lists(st.lists(st.binary(max_size=12), max_size=9), max_size=30)


def run(reads: list[list[bytes]], limits: Limits) -> list[OpenBatch[int]]:
    batcher: Batcher[int] = Batcher(limits)
    batches = [batcher.add(block(*lines), number, now=number) for number, lines in enumerate(reads)]
    return [batch for batch in [*batches, batcher.flush()] if batch is not None]


@given(reads, st.integers(1, 12), st.integers(1, 60))
def test_every_read_is_in_one_batch_with_its_advance(reads: list[list[bytes]], events: int, size: int) -> None:
    batches = run(reads, Limits(events, size))
    assert [advance for batch in batches for advance in batch.advances] == list(range(len(reads)))
    for batch in batches:
        lines = [line for advance in batch.advances for line in reads[advance]]
        sent = Batch(1, tuple(batch.blocks))
        assert sent.lines() == lines
        assert (batch.events, batch.size) == (sent.events, len(sent.data)) == (len(lines), sum(len(line) + 1 for line in lines))


@given(reads, st.integers(1, 12), st.integers(1, 60))
def test_the_read_that_reaches_a_limit_closes_the_batch(reads: list[list[bytes]], events: int, size: int) -> None:
    def full(lines: list[bytes]) -> bool:
        return len(lines) >= events or sum(len(line) + 1 for line in lines) >= size

    batches = run(reads, Limits(events, size))
    for batch in batches:
        *earlier, last = (reads[advance] for advance in batch.advances)
        before = [line for lines in earlier for line in lines]
        assert not full(before)
        assert full(before + last) or batch is batches[-1]


def test_a_full_batch_does_not_wait() -> None:
    batcher: Batcher[int] = Batcher(Limits(max_events=2))
    full = batcher.add(block(b"a", b"b", b"c"), 0, now=5)
    assert full is not None
    assert full.events == 3
    assert batcher.due is None


def test_age_counts_from_the_first_read() -> None:
    batcher: Batcher[int] = Batcher(Limits(max_age=10))
    batcher.add(block(b"a"), 0, now=5)
    batcher.add(block(b"b"), 1, now=12)
    assert (batcher.due, batcher.waiting) == (15, 2)
    batch = batcher.flush()
    assert batch is not None
    assert batch.advances == [0, 1]
    assert batcher.due is None


def test_a_read_without_events_is_delivered_too() -> None:
    (batch,) = run([[]], Limits())
    assert (batch.blocks, batch.advances) == ([], [0])


def test_default_limits_leave_reads_as_they_are() -> None:
    assert read_size(Limits(), READ_SIZE) == READ_SIZE


@pytest.mark.parametrize("limits", [Limits(max_events=400), Limits(max_bytes=400 * 800)])
def test_small_limits_make_small_reads(limits: Limits) -> None:
    assert read_size(limits, READ_SIZE) == 7000  # 100 plain lines, a quarter of a batch
    assert read_size(limits, 2048) == 2048  # never more than is asked for
    assert read_size(Limits(max_events=1, max_bytes=1), READ_SIZE) == 1024


@given(reads, st.data())
def test_a_batch_without_some_of_its_events(reads: list[list[bytes]], data: st.DataObject) -> None:
    batch = Batch(7, tuple(block(*lines) for lines in reads), ((b"place", b"x"),))
    unwanted = data.draw(st.sets(st.integers(0, batch.events - 1))) if batch.events else set()
    rest = batch.without(unwanted)
    assert rest.lines() == [line for index, line in enumerate(batch.lines()) if index not in unwanted]
    labels = [label for part in batch.blocks for label in part.labels]
    assert [label for part in rest.blocks for label in part.labels] == [
        label for index, label in enumerate(labels) if index not in unwanted
    ]
    assert (rest.number, rest.places) == (batch.number, batch.places)
    assert rest.data == b"".join(line + b"\n" for line in rest.lines())


def test_a_refusal_names_its_event() -> None:
    origin = Origin(None, "d", "event")
    blocks = tuple(Block(b"%d\n" % n, [2], [("t", f"0-{n}", origin, None)]) for n in range(4))
    refusals = Batch(1, blocks).refusals({3: "large", 1: "odd"})
    assert [(one.index, one.label[1], one.line, one.reason) for one in refusals] == [
        (1, "0-1", b"1", "odd"),
        (3, "0-3", b"3", "large"),
    ]
    assert Batch(1, blocks).refusals({}) == ()


def test_an_event_may_have_two_lines() -> None:
    """As elastic-bulk writes it."""
    label: Label = "t", "0-1", Origin(None, "d", "event"), None
    batch = Batch(1, (Block(b"{}\n{1}\n{}\n{2}\n", [7, 14], [label, label]),))
    assert batch.lines() == [b"{}\n{1}", b"{}\n{2}"]
    assert batch.without({0}).data == b"{}\n{2}\n"


@given(st.permutations(range(6)))
def test_positions_are_released_in_order_and_without_gaps(order: list[int]) -> None:
    acks: Acks[int] = Acks()
    for number in range(6):
        acks.sent(number, [number * 10, number * 10 + 1])
    ended: set[int] = set()
    released: list[int] = []
    for number in order:
        released += acks.done(number)
        ended.add(number)
        prefix = next((n for n in range(6) if n not in ended), 6)
        assert released == [advance for n in range(prefix) for advance in (n * 10, n * 10 + 1)]
    assert len(acks) == 0
