"""The pages: stable names with a help text each, and health that says what is wrong."""

import json
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shipper.errors import UsageError
from shipper.model import Counts
from shipper.sidecar.metrics import BEAT, COUNTERS, GAUGES, Server, VitalsCollector
from shipper.sidecar.vitals import Vitals
from shipper.testing import FakeClock
from shipper.times import SECOND

# Alert rules and dashboards are made of these names: to rename one breaks those of others.
NAMES = """
mfa_shipper_batch_latency_seconds mfa_shipper_batches_delivered mfa_shipper_bytes_delivered mfa_shipper_bytes_read
mfa_shipper_cache_hits mfa_shipper_checkpoint_age_seconds mfa_shipper_dead_letters mfa_shipper_detector_users
mfa_shipper_double_prompts mfa_shipper_events mfa_shipper_events_delivered mfa_shipper_events_filtered
mfa_shipper_events_waiting mfa_shipper_files_open mfa_shipper_lag_bytes mfa_shipper_lag_seconds mfa_shipper_lines_merged
mfa_shipper_lines_read mfa_shipper_lines_unparsed mfa_shipper_lost_bytes mfa_shipper_memo_entries mfa_shipper_problems
mfa_shipper_retries mfa_shipper_rotations mfa_shipper_sink_up mfa_shipper_sources_without_past mfa_shipper_statuses
mfa_shipper_truncations
"""


class Case:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.vitals = Vitals(Counts(lines=7, findings=1), newest=100 * SECOND, saved_at=0, sink="kafka")
        self.vitals.counts.classes["success"] = 2
        self.server = Server("127.0.0.1:0", self.vitals, self.clock, {"hunter2"})

    def page(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(f"http://127.0.0.1:{self.server.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def case() -> Iterator[Case]:
    one = Case()
    yield one
    one.server.close()


def test_names_are_stable_and_each_has_a_help_text(case: Case) -> None:
    status, text = case.page("/metrics")
    families = list(text_string_to_metric_families(text))
    assert status == 200
    assert sorted(one.name for one in families) == sorted(NAMES.split())
    assert [one.name for one in families if not one.documentation.endswith(".")] == []
    assert {one.type for one in families} == {"counter", "gauge", "histogram"}


def test_units_stand_at_the_end_of_names() -> None:
    for name in (*COUNTERS, *GAUGES):
        for unit in ("seconds", "bytes"):
            assert unit not in name or name.endswith(unit) or name.startswith(unit), name


def test_values(case: Case) -> None:
    vitals, clock = case.vitals, case.clock
    vitals.events_delivered, vitals.retries, vitals.sink_up = 5, 3, True
    vitals.sent(1, 2, 100, 0)
    clock.wait(0.3)
    vitals.delivered(1, clock())
    lines = case.page("/metrics")[1].splitlines()
    for wanted in (
        "mfa_shipper_lines_read_total 7.0",
        "mfa_shipper_events_delivered_total 7.0",
        "mfa_shipper_retries_total 3.0",
        "mfa_shipper_sink_up 1.0",
        "mfa_shipper_checkpoint_age_seconds 0.3",
        'mfa_shipper_events_total{kind="double_prompt"} 1.0',
        'mfa_shipper_statuses_total{class="success"} 2.0',
        'mfa_shipper_batch_latency_seconds_bucket{le="0.25"} 0.0',
        'mfa_shipper_batch_latency_seconds_bucket{le="0.5"} 1.0',
        'mfa_shipper_batch_latency_seconds_bucket{le="+Inf"} 1.0',
        "mfa_shipper_batch_latency_seconds_sum 0.3",
    ):
        assert wanted in lines


def lag(newest: int | None, wall: float) -> float | None:
    found = {one.name: one for one in VitalsCollector(Vitals(newest=newest), lambda: 0, lambda: wall).collect()}
    return found["mfa_shipper_lag_seconds"].samples[0].value if "mfa_shipper_lag_seconds" in found else None


def test_the_lag_in_seconds() -> None:
    assert lag(100 * SECOND, 160.0) == 60.0
    assert lag(100 * SECOND, 40.0) == 0.0  # the log's clock is ahead of ours
    assert lag(None, 40.0) is None  # nothing was read: no number is better than a wrong one


def test_alive_as_long_as_the_loop_turns(case: Case) -> None:
    case.vitals.beat = case.clock()
    case.clock.wait(BEAT)
    status, text = case.page("/healthz")
    assert (status, json.loads(text)) == (200, {"alive": True, "seconds_since_last_turn": BEAT})
    case.clock.wait(1)
    assert case.page("/healthz")[0] == 503


def test_ready_as_long_as_the_sink_accepts(case: Case) -> None:
    case.vitals.sink_reason = "the broker refuses hunter2"
    status, text = case.page("/readyz")
    assert (status, json.loads(text)) == (503, {"ready": False, "sink": "kafka", "reason": "the broker refuses ***"})
    case.vitals.sink_up = True
    status, text = case.page("/readyz?verbose=1")
    assert (status, json.loads(text)) == (200, {"ready": True, "sink": "kafka"})


def test_another_page(case: Case) -> None:
    assert case.page("/") == (404, "/metrics, /healthz or /readyz\n")


@pytest.mark.parametrize("listen", ["127.0.0.1:{port}", "127.0.0.1:99999", "203.0.113.1:0"])
def test_where_it_cannot_listen_it_says_so(listen: str, case: Case) -> None:
    with pytest.raises(UsageError, match=r"metrics\.listen: cannot listen on .*; choose another port"):
        Server(listen.format(port=case.server.port), Vitals(), case.clock)
