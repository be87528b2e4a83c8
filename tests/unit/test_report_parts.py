"""A report of a log that was cut: what each part of it must leave to the one before."""

from collections.abc import Sequence

import pytest

from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from shipper.report import kinds
from shipper.report.fold import Fold
from shipper.report.later import LaterFold
from tests.property.test_report_parts import PAIR, TWO_STEPS, WINDOW, Asked, data_of, in_one_piece, report
from tests.support.logs import library, log_file
from tests.support.reports import TIMEOUT, log_of, sign_in

CUT = {
    "in a double prompt": ([PAIR, (20.0, 5.0, "ann", 21, "radius")], [3]),
    "in an exchange": ([PAIR, (20.0, 5.0, "ann", 21, "radius")], [1, 2, 4]),
    "between two steps": (TWO_STEPS, [3]),
    "by address": ([(3.0, 5.0, "ann", 21, "10.0.0.1"), (9.0, 5.0, "ann", 21, "10.0.0.1")], [1]),
    "before users who were not asked for long": (
        [PAIR, (20_000.0, 5.0, "ann", 21, "radius"), (20.0, 5.0, "", 21, "radius"), (20.0, 5.0, "ann", 21, "radius")],
        [3, 4, 7],
    ),
    "before users who are asked no more": ([PAIR, *[(20_000.0, 5.0, user, 21, "radius") for user in ("ann", "bob", "ann")]], [4]),
    "before a time that is confirmed": ([PAIR, (3.0, 0.5, "ann", 21, "ahead"), (3.0, 0.5, "ann", 21, "ahead")], [4]),
    "before a time that is withdrawn": ([(3.0, 0.5, "ann", 21, kind) for kind in ("result", "result", "ahead", "result")], [3]),
    "in a long run": ([PAIR] * 80, [60, 130, 210]),
}


@pytest.mark.parametrize(("asked", "cuts"), CUT.values(), ids=CUT)
@pytest.mark.parametrize("most", [4096, 1])
def test_nothing_changes(asked: Asked, cuts: Sequence[int], most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(asked, sorted_by_time=True)
    expected = in_one_piece(data)
    monkeypatch.setattr(kinds, "MOST_KINDS", most)
    folds = [Fold(TIMEOUT, WINDOW), *(LaterFold(TIMEOUT, WINDOW) for _ in cuts)]

    assert report(folds, data, cuts, Counts()) == expected


def test_only_what_may_have_a_past_is_put_aside() -> None:
    data = log_of(sign_in(0, 5), sign_in(10_000, 5, user="bob"), sign_in(10_010, 5), sign_in(10_020, 5))
    pipeline = Pipeline(Settings(library(), completions_only=True), Counts())
    pipeline.open(log_file(data))
    fold = LaterFold(TIMEOUT, WINDOW)
    (texts, labels, completions), findings = pipeline.decode(Chunk(data, 0))
    fold(texts, labels, completions, findings)
    part = fold.part()

    assert [aside.completion[1] for aside in part.aside] == [("ann", "CONTOSO", None, "contoso\\ann")]
    assert sorted(part.services["pfrad"].people) == ["bob", "contoso\\ann"]
