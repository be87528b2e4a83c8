"""What the kernel looks at first, the detectors need not see: held against the general path, over logs whose users come again and
again, with little memory, and windows and timeouts of all sizes."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.decode import compiled
from shipper.decode.parser import Options
from shipper.detect.double_prompt import Rule
from shipper.detect.mfa_fatigue import Rule as Fatigue
from shipper.model import MEMORY, Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from shipper.times import SECOND
from tests.support import grammar
from tests.support.logs import entries, library, log_file

pytestmark = pytest.mark.skipif(bool(compiled.WHY_NOT), reason=f"no kernel: {compiled.WHY_NOT}")

MOMENT = 1_000_000  # microseconds
USERS = (r"DOM\anna", r"dom\ANNA", "bob", "eve@example.com", "Größe", "d" * 60 + "\\" + "n" * 90, "O'Brien", "")
CODES = ("21", "129", "129", "133", "6", "19", "101", "22", "999")
COMPONENTS = ("pfrad", "pfrad", "pfrad", "pfsvc")

SIGN_INS = st.lists(
    st.tuples(
        st.sampled_from((0, 0, 1, 1, 3, 20, 61, 700, 5000, -2, -40, -9000, 90_000)),  # seconds since the one before
        st.sampled_from((0, 1, 5, 50, 700)),  # how long it takes
        st.integers(0, len(USERS) - 1),
        st.sampled_from(CODES),
        st.sampled_from(COMPONENTS),
    ),
    min_size=1,
    max_size=40,
)
RULES = st.fixed_dictionaries(
    {
        "double_prompt": st.builds(
            Rule,
            st.sampled_from((0, 10 * SECOND, 60 * SECOND, 1 << 80)),
            st.sampled_from((10 * SECOND, 600 * SECOND)),
            st.booleans(),
        ),
        "mfa_fatigue": st.builds(Fatigue, st.sampled_from((0, 60 * SECOND, 600 * SECOND)), st.sampled_from((1, 2, 3))),
    }
)


def lines_of(sign_ins: list[tuple[int, int, int, str, str]]) -> list[str]:
    """A log of these, in the order of their lines' times, but where time goes back."""
    now, lines = 100 * MOMENT, []
    for number, (pause, lasts, user, code, component) in enumerate(sign_ins):
        now += pause * MOMENT
        head, end = f"|0|1412|{number % 5}|{component}", f"{grammar.stamp(now + lasts * MOMENT)}|0|1412|{number % 5}|{component}"
        lines.append((now, grammar.request(f"{grammar.stamp(now)}{head}", USERS[user], "', '', 1)")))
        lines += [(now + lasts * MOMENT, grammar.verdict(end, "1")), (now + lasts * MOMENT, grammar.status(end, code))]
        if pause >= 0 and lasts < 50:
            lines[-3:] = sorted(lines[-3:], key=lambda line: line[0])
    return [line for _, line in lines]


def shipped(lines: list[str], size: int, memory: int, rules: Mapping[str, Any], *, fast: bool) -> list[Any]:
    """Events, counts and state after each read, and what memory is full of."""
    counts = Counts()
    options = Options(exchange_timeout=rules["double_prompt"].exchange_timeout)
    pipeline = Pipeline(Settings(library(), options, rules, memory=memory, fast=fast, kernel=fast), counts)
    pipeline.open(log_file(b""))
    seen: list[Any] = []
    offset = 0
    for at in range(0, len(lines), size):
        data = "".join(f"{line}\n" for line in lines[at : at + size]).encode()
        seen.append(entries(pipeline(Chunk(data, offset))))
        offset += len(data)
        if size > 3:
            seen.append(pipeline.snapshot())
    return [*seen, counts, pipeline.snapshot(), pipeline.lasting()]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SIGN_INS, RULES, st.sampled_from((1, 3, 7, 1000)), st.sampled_from((MEMORY, MEMORY, 20_000, 7_000)))
def test_the_detectors_find_the_same(
    sign_ins: list[tuple[int, int, int, str, str]], rules: dict[str, Any], size: int, memory: int
) -> None:
    lines = lines_of(sign_ins)
    assert shipped(lines, size, memory, rules, fast=True) == shipped(lines, size, memory, rules, fast=False)


@pytest.mark.parametrize("memory", range(20_000, 30_000, 500))
@pytest.mark.parametrize("size", [9, 30])
def test_a_memory_that_is_full(size: int, memory: int) -> None:
    """Users who come once in a while, and then again: as many are forgotten as without the kernel, and at the same time."""
    lines: list[str] = []
    for number in range(120):
        head = f"{grammar.stamp((100 + number) * MOMENT)}|0|1412|7|pfrad"
        lines += [
            grammar.request(head, f"user{number % 50}", "', '', 1)"),
            grammar.verdict(head, "1"),
            grammar.status(head, "21"),
        ]
    rules = {"double_prompt": Rule(60 * SECOND, 600 * SECOND, False)}
    with_kernel, without = (shipped(lines, size, memory, rules, fast=fast) for fast in (True, False))

    assert with_kernel == without
    assert with_kernel[-3].crowded_out
