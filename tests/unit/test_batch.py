"""Batches: every byte once, in order, within the limits; moves only where their read ends."""

from hypothesis import given
from hypothesis import strategies as st

from shipper.deliver.acks import Acks
from shipper.deliver.batch import Batcher, Limits, OpenBatch

outputs = st.lists(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"") + b"\n"), max_size=9), max_size=30)


def run(reads: list[list[bytes]], limits: Limits, lines_per_event: int = 1) -> list[OpenBatch[int]]:
    batcher: Batcher[int] = Batcher(limits, lines_per_event)
    groups: list[OpenBatch[int]] = []
    for number, events in enumerate(reads):
        groups += batcher.add(b"".join(events), len(events), number, now=number)
    last = batcher.flush()
    return [*groups, *([last] if last else [])]


@given(outputs, st.integers(1, 12), st.integers(1, 60), st.sampled_from([1, 2]))
def test_every_byte_once_and_within_the_limits(reads: list[list[bytes]], events: int, size: int, lines: int) -> None:
    doubled = [[event * lines for event in read] for read in reads]
    groups = run(doubled, Limits(events, size), lines)
    assert b"".join(g.payload for g in groups) == b"".join(b"".join(read) for read in doubled)
    assert all(g.events <= events for g in groups)
    assert all(g.size <= size or g.events == 1 for g in groups)
    assert all(g.payload.count(b"\n") == g.events * lines and len(g.payload) == g.size for g in groups)
    assert [move for g in groups for move in g.moves] == list(range(len(reads)))


@given(outputs, st.integers(1, 12), st.integers(1, 60))
def test_a_move_comes_no_sooner_than_its_last_event(reads: list[list[bytes]], events: int, size: int) -> None:
    seen = b""
    for group in run(reads, Limits(events, size)):
        seen += group.payload
        covered = max(group.moves, default=-1)
        needed = b"".join(b"".join(read) for read in reads[: covered + 1])
        assert seen.startswith(needed)
        if group.whole and group.moves:
            assert seen == needed


def test_a_full_batch_does_not_wait() -> None:
    batcher: Batcher[int] = Batcher(Limits(max_events=2))
    assert [g.events for g in batcher.add(b"a\nb\n", 2, 0, now=5)] == [2]
    assert batcher.due is None


def test_age_counts_from_the_first_event() -> None:
    batcher: Batcher[int] = Batcher(Limits(max_age=10))
    batcher.add(b"a\n", 1, 0, now=5)
    batcher.add(b"b\n", 1, 1, now=12)
    assert batcher.due == 15
    assert batcher.waiting == 2
    group = batcher.flush()
    assert group is not None
    assert group.moves == [0, 1]
    assert batcher.due is None


def test_a_part_of_a_read_is_not_whole() -> None:
    first, second = run([[b"a\n", b"b\n", b"c\n"]], Limits(max_events=2))
    assert (first.whole, first.moves) == (False, [])
    assert (second.whole, second.moves) == (True, [0])


@given(st.permutations(range(6)))
def test_places_move_over_the_gap_free_prefix_only(order: list[int]) -> None:
    acks: Acks[int] = Acks()
    for number in range(6):
        acks.sent(number, [number * 10, number * 10 + 1])
    ended: set[int] = set()
    released: list[int] = []
    for number in order:
        released += acks.done(number)
        ended.add(number)
        prefix = next((n for n in range(6) if n not in ended), 6)
        assert released == [move for n in range(prefix) for move in (n * 10, n * 10 + 1)]
    assert len(acks) == 0
