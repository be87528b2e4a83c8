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
    assert "unknown messages" not in summary(Counts(lines=5), 1.0, ())
    assert "understood" not in summary(Counts(lines=5), 1.0, ())
    assert "understood" not in summary(Counts(), 1.0, ())


def test_less_than_half_understood_is_one_line() -> None:
    half = Counts(lines=4, unparsed=1)
    half.unknown("x")
    assert "understood" not in summary(half, 1.0, ())

    half.lines += 1
    half.unparsed += 1
    [line] = [line for line in summary(half, 1.0, ()).splitlines() if "understood" in line]
    assert "less than half of the lines were understood: 2 of 5" in line


def test_hints_by_cause_the_commonest_first() -> None:
    counts = Counts(lines=5000)
    counts.causes.update({"mail": 3, "local_time": 1200})

    hints = [line for line in summary(counts, 1.0, ()).splitlines() if line.startswith("  hint: ")]

    assert hints[0].startswith("  hint: 1,200 lines have a time that is not UTC")
    assert hints[1].startswith("  hint: 3 lines begin with >")
    assert len(hints) == 2


def test_a_log_out_of_order_is_told_from_prompts_and_orphans() -> None:
    [hint] = [line for line in summary(Counts(lines=5, late=2, out_of_order=4), 1.0, ()).splitlines() if "hint" in line]

    assert "6 lines are much older than lines before them" in hint
    assert "give the parts as files of their own" in hint
    assert "clock" not in hint


def test_an_export_that_is_newest_first_is_told() -> None:
    assert "newest first" in summary(Counts(lines=7, backwards=4), 1.0, ())
    assert "newest first" not in summary(Counts(lines=8, backwards=4), 1.0, ())
