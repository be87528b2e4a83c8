"""The sums that `parse` shows."""

from shipper.commands.progress import summary
from shipper.model import Counts


def test_the_three_commonest_shapes_of_unknown_messages() -> None:
    counts = Counts(lines=100, logs=10)
    for shape, number in {"a": 1, "b #": 1234, "\x1b[2J": 5, "d": 2}.items():
        for _ in range(number):
            counts.unknown(shape)

    text = summary(counts, 1.0, ())

    assert "\n  unknown messages 1,242, the commonest:\n" in text
    assert '\n    1,234  "b #"\n        5  "\\x1b[2J"\n        2  "d"' in text
    assert '"a"' not in text


def test_nothing_is_said_of_what_is_not() -> None:
    assert summary(Counts(lines=1, events=1), 1.0, ()).startswith("1 line in 1.0 s, 1 event out\n")
    assert "unknown messages" not in summary(Counts(lines=5), 1.0, ())
    assert "understood" not in summary(Counts(lines=5), 1.0, ())
    assert "understood" not in summary(Counts(), 1.0, ())


def test_hints_stand_below_the_sums() -> None:
    text = summary(Counts(lines=5, late=2, out_of_order=4), 1.0, ())

    assert "\n  hint: 6 lines are much older than lines before" in text


def test_a_number_of_one_has_the_singular() -> None:
    noted = [line for line in summary(Counts(lines=9, given_up=1, open_at_end=2), 1.0, ()).splitlines() if "note" in line]

    assert noted == ["  note: 1 exchange given up, 2 exchanges open at the end"]
