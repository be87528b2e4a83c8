"""What is counted, and that it stays bounded."""

import pickle

import pytest

from shipper.decode.facts import shape_of
from shipper.model import MOST_SHAPES, Counts


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("authResult is 1", "authResult is #"),
        ("Sent 'Access-Accept' to \"10.0.0.5\", 3 ms", "Sent '…' to \"…\", # ms"),
        ("for 82a3db8d-3317-43f7-b203-6ba81cba93c9|x", "for #|x"),
        ("never 'closed", "never '…'"),
        ("x" * 161, "x" * 160 + "…"),
        ("x" * 160, "x" * 160),
        ("naïve 名前 5", "naïve 名前 #"),
    ],
)
def test_shape_is_what_messages_have_in_common(message: str, shape: str) -> None:
    assert shape_of(message) == shape


def test_shapes_are_bounded_and_a_common_one_stays() -> None:
    counts = Counts()
    for number in range(20 * MOST_SHAPES):
        counts.unknown(f"rare {'x' * (number % 97)} {chr(0x4E00 + number)}")
        if number % 10 == 0:
            counts.unknown("common")

    assert len(counts.shapes) <= MOST_SHAPES
    assert counts.unknown_messages == 22 * MOST_SHAPES
    [(shape, number)] = counts.shapes.most_common(1)
    assert shape == "common"
    assert number > MOST_SHAPES


def test_counts_of_workers_add_up() -> None:
    total, worker = Counts(lines=1), Counts(lines=2, orphans=1)
    worker.unknown("a")
    worker.unknown("b")
    total.unknown("b")
    worker.classes["denied"] += 1

    total.add(pickle.loads(pickle.dumps(worker)))

    assert total == Counts(lines=3, orphans=1, unknown_messages=3, classes=worker.classes, shapes=total.shapes)
    assert total.shapes == {"a": 1, "b": 2}
    for number in range(2 * MOST_SHAPES):
        worker.unknown(f"{number}")
        total.add(worker)
    assert len(total.shapes) <= MOST_SHAPES
    worker.clear()
    assert worker == Counts()
