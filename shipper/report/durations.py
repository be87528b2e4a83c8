"""Durations counted in tenths of a second: how many lie between two, and quantiles. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from shipper.times import SECOND

TENTH = SECOND // 10
"""The width of a bucket, in nanoseconds. A duration counts as the next whole tenth, so only nothing at all counts as 0."""

QUANTILES = {"median": 50, "p95": 95, "p99": 99}
"""The fields of `summary.Durations`, and how many of 100 durations are not longer."""


def in_tenths(nanoseconds: int) -> int:
    """A duration in tenths of a second, rounded up."""
    return -(-nanoseconds // TENTH)


def durations(counter: Counter[int]) -> dict[str, Any]:
    """The fields of `summary.Durations`."""
    return {"count": counter.total(), **{name: _quantile(counter, share) for name, share in QUANTILES.items()}}


def _quantile(counter: Counter[int], share: int) -> float | None:
    """By nearest rank, in seconds: of `n` durations in order, the one in place `share * n / 100`, rounded up."""
    left = max(1, -(-counter.total() * share // 100))
    for tenths, number in sorted(counter.items()):
        left -= number
        if left <= 0:
            return tenths / 10
    return None


def buckets(counter: Counter[int], edges: Sequence[int]) -> Iterator[tuple[int, int | None, int]]:
    """How many durations are longer than an edge and not longer than the next one; edges in seconds. The last bucket has no
    end. What is not longer than the first edge is in the first bucket."""
    for place, low in enumerate(edges):
        high = edges[place + 1] if place + 1 < len(edges) else None
        inside = (
            n for tenths, n in counter.items() if (not place or tenths > 10 * low) and (high is None or tenths <= 10 * high)
        )
        yield low, high, sum(inside)
