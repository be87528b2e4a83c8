"""Every panel's query runs on a real OpenSearch, and its numbers are those counted in Python from the events."""

import json
from collections import Counter
from typing import Any

import pytest

from deploy.generate.elastic.panels import Panel, panels, rows, search
from deploy.generate.schema import fields
from tests.support import corpus
from tests.support.deploy.counted import COUNTED, HOURS
from tests.support.deploy.loaded import Week, load

every_panel = pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.id)
ABOUT_LINES = {"volume", "unparsed-over-time"}  # one event an authentication changes what they count


def shown(week: Week, panel: Panel, namespace: str = "week") -> Any:
    answer = week.node.ask("POST", f"/logs-*-{namespace}/_search", search(panel, f"{HOURS}h"))
    assert answer["_shards"]["failed"] == 0
    return rows(panel, answer)


def test_ten_thousand_events_go_in_and_again_change_nothing(week: Week) -> None:
    events = len(week.events)
    assert events >= 10_000
    assert week.answers == Counter({201: events})
    assert week.merged[201] < 0.6 * events
    assert load(week.node, week.folder) == Counter({409: events})
    docs = week.node.ask("GET", "/logs-*-week/_stats/docs")["_all"]["primaries"]["docs"]
    assert docs == {"count": events, "deleted": 0}  # an overwritten document would count as deleted


def test_every_panel_is_counted_and_every_count_is_a_panel() -> None:
    assert sorted(COUNTED) == sorted(panel.id for panel in panels())


@every_panel
def test_fields_are_in_the_schema(panel: Panel) -> None:
    known = {field.name for field in fields()}
    assert set(panel.fields()) - known == set()
    assert set(panel.fields()), panel.id


@every_panel
def test_numbers_are_those_of_the_events(panel: Panel, week: Week) -> None:
    expected = COUNTED[panel.id](week.events)
    assert any(any(values) for _, values in expected), "the week shows nothing here"
    found = shown(week, panel)
    assert [keys for keys, _ in found] == [keys for keys, _ in expected]
    for (keys, values), (_, wanted) in zip(found, expected, strict=True):
        assert values == pytest.approx(wanted, rel=1e-9), keys


@pytest.mark.parametrize("panel", [panel for panel in panels() if panel.id not in ABOUT_LINES], ids=lambda panel: panel.id)
def test_one_event_an_authentication_shows_the_same(panel: Panel, week: Week) -> None:
    assert shown(week, panel, "merged") == shown(week, panel)


def test_places_do_not_overlap_and_fill_the_width() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        column, row, width, height = panel.place
        cells = {(x, y) for x in range(column, column + width) for y in range(row, row + height)}
        assert not cells & taken, panel.id
        assert column + width <= 48
        taken |= cells
    rows_used = {y for _, y in taken}
    assert len(taken) == 48 * len(rows_used)


def test_the_corpus_holds_what_dashboards_are_for(week: Week) -> None:
    codes = {event["event"].get("code") for event in week.events}
    assert {code["code"] for code in corpus.table()} <= codes
    patterns = {
        event["azure_mfa"]["double_prompt"]["pattern"] for event in week.events if event["event"].get("action") == "double_prompt"
    }
    assert patterns == {"concurrent", "sequential"}
    assert len({json.dumps(event.get("user")) for event in week.events}) > 100
