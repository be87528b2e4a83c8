"""Histograms and quantiles of durations, which are counted in tenths of a second. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from shipper.times import SECOND

TENTH = SECOND // 10
"""Nanoseconds in a tenth of a second. A duration is rounded up to whole tenths, so only a duration of zero counts as 0."""

QUANTILES = {"median": 50, "p95": 95, "p99": 99}
"""The quantile fields of `sections.Durations`, with their percentiles."""


def in_tenths(nanoseconds: int) -> int:
    """Return a duration in tenths of a second, rounded up."""
    return -(-nanoseconds // TENTH)


def durations(counter: Counter[int]) -> dict[str, Any]:
    """Return the fields of `sections.Durations`."""
    return {"count": counter.total(), **{name: _quantile(counter, share) for name, share in QUANTILES.items()}}


def _quantile(counter: Counter[int], share: int) -> float | None:
    """Return a percentile in seconds, by nearest rank: of `n` sorted durations, number `share * n / 100`, rounded up."""
    left = max(1, -(-counter.total() * share // 100))
    for tenths, number in sorted(counter.items()):
        left -= number
        if left <= 0:
            return tenths / 10
    return None


def buckets(counter: Counter[int], edges: Sequence[int]) -> Iterator[tuple[int, int | None, int]]:
    """Yield for each bucket its edges, in seconds, and its number of durations, longer than the lower edge and at most the upper
    one. The last bucket has no upper edge; the first includes all shorter durations."""
    for place, low in enumerate(edges):
        high = edges[place + 1] if place + 1 < len(edges) else None
        inside = (
            n for tenths, n in counter.items() if (not place or tenths > 10 * low) and (high is None or tenths <= 10 * high)
        )
        yield low, high, sum(inside)
