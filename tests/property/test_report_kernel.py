"""A report that the kernel counts most of is that of Python alone, to the byte."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.property.test_report_parts import PAIR, SIGN_IN, TWO_STEPS, Asked, data_of
from tests.support.reports import same_without_kernel, stamp


@settings(deadline=None)
@given(
    st.lists(SIGN_IN, max_size=40),
    st.sampled_from((1, 300, 5000, 1 << 18)),
    st.booleans(),
    st.sampled_from([None, 0.0, 3000.0, 9000.0]),
)
@example([PAIR] * 80, 1 << 18, True, None)
@example([*TWO_STEPS, PAIR, *TWO_STEPS[:1], PAIR, PAIR], 300, True, None)
@example([PAIR, (3.0, 5.0, "ann", 112, "radius"), (3.0, 0.5, "ann", 21, "10.0.0.1"), PAIR], 1 << 18, True, None)
@example([PAIR, (3.0, 0.5, "ann", 21, "ahead"), (3.0, 0.5, "ann", 21, "result"), PAIR], 1, False, None)
@example(
    [PAIR, PAIR, (6500.0, 5.0, "CONTOSO\\bob", 133, "radius"), PAIR, (20_000.0, 5.0, "ann", 6, "radius"), PAIR], 300, True, None
)
def test_any_log(asked: Asked, size: int, sorted_by_time: bool, since: float | None) -> None:
    data = data_of(asked, sorted_by_time=sorted_by_time)

    same_without_kernel(data, size, since=None if since is None else stamp(since)[:-1])
