"""The numbers of the loop, and the equation that they must keep."""

import pytest

from shipper.model import Counts
from shipper.sidecar.vitals import LATENCY_BOUNDS, Histogram, Vitals, conservation
from shipper.times import SECOND


def test_batches_on_their_way() -> None:
    one = Vitals()
    one.sent(1, 10, 1000, 0)
    one.sent(2, 5, 500, SECOND)
    assert one.events_under_way == 15
    one.delivered(2, 2 * SECOND)
    assert (one.events_under_way, one.events_delivered, one.bytes_sent, one.batches) == (10, 5, 500, 1)
    one.delivered(1, 2 * SECOND)
    assert (one.events_under_way, one.events_delivered, one.bytes_sent, one.batches) == (0, 15, 1500, 2)
    assert one.latency.sum == 3.0


def test_a_bound_belongs_to_its_bucket() -> None:
    one = Histogram()
    for seconds in (0.0, LATENCY_BOUNDS[0], LATENCY_BOUNDS[0] + 1e-9, LATENCY_BOUNDS[-1], 1000.0):
        one.observe(seconds)
    assert (one.buckets[0], one.buckets[1], one.buckets[-2], one.buckets[-1], sum(one.buckets)) == (2, 1, 1, 1, 5)


def test_the_age_of_the_checkpoint_is_that_of_the_last_good_one() -> None:
    one = Vitals()
    one.saved(None, 5)
    one.saved("the disk is full", 9)
    assert (one.saved_at, one.save_trouble) == (5, "the disk is full")
    one.saved(None, 11)
    assert (one.saved_at, one.save_trouble) == (11, None)


def balanced() -> Vitals:
    counts = Counts(lines=10, events=6, filtered=3, merged=1, findings=2, findings_filtered=1)
    return Vitals(counts, events_delivered=4, events_waiting=3)


def test_it_adds_up() -> None:
    assert conservation(Vitals()) is None
    assert conservation(balanced()) is None


@pytest.mark.parametrize("name", ["events_delivered", "events_waiting"])
@pytest.mark.parametrize("by", [-1, 1])
def test_an_event_too_many_or_too_few_is_told(name: str, by: int) -> None:
    one = balanced()
    setattr(one, name, getattr(one, name) + by)
    assert "events came" in str(conservation(one))


def test_more_than_was_read_is_told() -> None:
    one = balanced()
    one.counts.lines -= 1
    assert "lines were read" in str(conservation(one))
