"""A report of a log that was cut, and folded part by part, is that of the log in one piece, to the byte."""

import pickle
from collections.abc import Sequence

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from shipper.report.figures import Figures
from shipper.report.fold import Fold
from shipper.report.later import LaterFold
from shipper.report.summarize import summarize
from shipper.times import SECOND
from tests.support.logs import library, log_file
from tests.support.reports import READ_WITH, TIMEOUT, log_of, result, sign_in

WINDOW = 60 * SECOND
SIGN_IN = st.tuples(
    st.sampled_from([0.5, 3.0, 20.0, 70.0, 700.0, 2500.0, 3590.0, 5990.0, 6500.0, 20_000.0]),  # after the one before
    st.sampled_from([0.5, 5.0, 30.0, 400.0]),  # lasts
    st.sampled_from(["ann", "CONTOSO\\bob", "contoso\\BOB", ""]),
    st.sampled_from([21, 21, 21, 129, 133, 20, 20, 19, 22, 6, 112, 14]),
    st.sampled_from(["radius", "radius", "radius", "result", "10.0.0.1", "ahead"]),
)
Asked = Sequence[tuple[float, float, str, int, str]]


def data_of(asked: Asked, *, sorted_by_time: bool) -> bytes:
    """The log of some sign-ins; one that is `ahead` has a time a year too late."""
    at, parts = 0.0, []
    for number, (after, lasts, user, code, kind) in enumerate(asked):
        at += after
        if kind == "radius":
            parts.append(sign_in(at, lasts, code, user, number % 7))
        else:
            far = 400 * 86_400 * (kind == "ahead")
            parts.append(result(at + far, user or "ann", kind if kind[0] == "1" else None))
    ahead = [kind == "ahead" for *_, kind in asked]
    if sorted_by_time and not any(ahead):
        return log_of(*parts)
    return b"".join(log_of(part) for part in parts)


def report(folds: Sequence[Fold], data: bytes, cuts: Sequence[int], counts: Counts) -> bytes:
    """The report of a log that is read a line at a time; each fold takes the lines up to a cut."""
    pipeline = Pipeline(Settings(library(), completions_only=True), counts)
    pipeline.open(log_file(data))
    lines = data.splitlines(keepends=True)
    edges = [0, *(cut for cut in cuts if cut < len(lines)), len(lines)]
    at, whole = 0, Fold(TIMEOUT, WINDOW)
    for fold, begin, end in zip(folds, edges, edges[1:], strict=False):
        for line in lines[begin:end]:
            (texts, labels, completions), findings = pipeline.decode(Chunk(line, at))
            fold(texts, labels, completions, findings)
            at += len(line)
        whole.join(pickle.loads(pickle.dumps(fold.part())))
    pipeline.close()
    figures = Figures()
    figures.add(whole.close())
    return msgspec.json.format(msgspec.json.encode(summarize(figures, counts, READ_WITH, [], [], lambda *_: None)))


def in_one_piece(data: bytes) -> bytes:
    """The report of a log in one process."""
    counts, fold = Counts(), Fold(TIMEOUT, WINDOW)
    pipeline = Pipeline(Settings(library()), counts)
    pipeline.open(log_file(data))
    (texts, labels, completions), findings = pipeline.decode(Chunk(data, 0))
    fold(texts, labels, completions, findings)
    pipeline.close()
    return msgspec.json.format(msgspec.json.encode(summarize(fold.close(), counts, READ_WITH, [], [], lambda *_: None)))


PAIR = (3.0, 5.0, "ann", 21, "radius")
TWO_STEPS = ((0.5, 0.5, "ann", 20, "radius"), (20.0, 5.0, "ann", 19, "radius"))


@settings(deadline=None, max_examples=80)
@given(
    st.lists(SIGN_IN, max_size=40),
    st.lists(st.integers(1, 120), max_size=5, unique=True).map(sorted),
    st.booleans(),
)
@example([PAIR, (20.0, 5.0, "ann", 21, "radius")], [3], True)
@example(list(TWO_STEPS), [3], True)
@example([PAIR, (20_000.0, 5.0, "ann", 21, "radius"), (20.0, 5.0, "ann", 21, "radius")], [4, 7], True)
@example([PAIR, (3.0, 0.5, "ann", 21, "ahead"), (3.0, 0.5, "ann", 21, "result")], [4], False)
@example([PAIR] * 40, [60], True)
@example([PAIR, (3.0, 0.5, "contoso\\BOB", 21, "radius"), (6500.0, 5.0, "CONTOSO\\bob", 112, "radius")], [1], False)
def test_wherever_it_is_cut(asked: Asked, cuts: Sequence[int], sorted_by_time: bool) -> None:
    data = data_of(asked, sorted_by_time=sorted_by_time)
    folds = [Fold(TIMEOUT, WINDOW), *(LaterFold(TIMEOUT, WINDOW) for _ in cuts)]

    assert report(folds, data, cuts, Counts()) == in_one_piece(data)
