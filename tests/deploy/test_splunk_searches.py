"""Dashboards, macros and saved searches: every field that they name exists, and every macro and token."""

import re
import xml.etree.ElementTree as ET

import pytest

from tests.deploy import spl
from tests.deploy.spl_eval import SplError
from tests.deploy.splunk_app import ECS, RAW, default, expand, fields, schema_fields
from tests.deploy.splunk_events import documents
from tests.deploy.splunk_searches import DASHBOARD, SAVED, TOKEN, TOKENS, VIEWS, existing, filled, panels, saved

WANTED = {
    *("outcomes", "methods", "failures", "double_prompts_over_time", "double_prompt_gaps", "double_prompt_list", "top_users"),
    *("cache_hits_against_prompts", "spared_by_cache", "fraud_and_lockouts", "unparsed", "events_of_one_user"),
    *("count_authentications", "count_double_prompts", "count_users_asked_twice", "count_spared", "count_unparsed"),
    "count_fraud_and_lockouts",
}


@pytest.mark.parametrize("name", panels())
def test_fields_of_every_panel_exist(name: str) -> None:
    search = filled(panels()[name], **TOKENS)
    assert spl.check(search, existing(search))


@pytest.mark.parametrize("name", [name for name in default("macros") if "args" not in default("macros")[name]])
def test_fields_of_every_macro_exist(name: str) -> None:
    search = expand(f"`{name}`")
    if not search.startswith(("index", "`")):
        search = f"index=* | {search}"
    assert spl.check(search, existing(search))


@pytest.mark.parametrize("name", [name for name, _ in saved()])
def test_fields_of_every_saved_search_exist(name: str) -> None:
    search = expand(dict(saved())[name])
    assert spl.check(search, existing(search))


@pytest.mark.skipif(not SAVED.exists(), reason="there are no saved searches")
def test_saved_searches_search() -> None:
    assert len(list(saved())) > 0
    for name, search in saved():
        assert search, name
        assert ECS in expand(search) or "event." in search or "azure_mfa." in search, name


def test_a_renamed_field_is_noticed() -> None:
    """Take away any one field that a panel reads of the event, and a check must fail."""
    used = {
        field
        for query in panels().values()
        for field in schema_fields()
        if re.search(rf"(?<![\w.]){re.escape(field)}(?![\w.])", query)
    }
    used |= {"event.action", "event.kind"}  # in macros
    assert len(used) > 15
    for field in used:
        there = fields(ECS) - {field}
        with pytest.raises(SplError, match=re.escape(field)):
            check_all(there)


def check_all(there: frozenset[str]) -> None:
    for query in panels().values():
        spl.check(filled(query, **TOKENS), there)


@pytest.mark.parametrize(
    "search",
    [
        'event.action="mfa-status" azure_mfa.status.code IN (112, 132) | table _time,user.name,event.reason',
        "azure_mfa.status.class=denied | bin _time span=10m | stats count as event_count by _time user.name | search event_count >= 5",
        '| multisearch [ search event.code=21 | eval kind="a" ] [ search event.code=7 | eval kind="b" ] | stats dc(kind) AS kinds BY user.name',
        "| tstats latest(_time) AS last WHERE index=* sourcetype=azure:mfa:ecs BY host | where last<now()-3600",
        "event.code=7 | streamstats current=f window=5 last(event.code) AS before BY user.name | where before=129",
        'index=* | rex field=message "(?<word>[a-z]+)" | stats count BY word',
        "event.action=double_prompt earliest=-1d | stats count AS n values(message) BY user.name\n| where n > 2",
    ],
)
def test_searches_as_others_write_them_are_understood(search: str) -> None:
    """What a converter of rules makes, or a person: saved searches may be any of these."""
    assert spl.check(expand(search), fields(ECS))


@pytest.mark.parametrize(
    ("search", "why"),
    [
        ("index=* event.aktion=x", "no such field here: event.aktion"),
        ("index=* | stats count BY event.code | where event.action=1", "no such field"),
        ("index=* | eval x=event.action", "no such field here: action, event|no such field here: event"),
        ("index=* | stats count BY user | table usr", "usr"),
        ("index=* | stats cuont BY user", "no such function of stats"),
        ("index=* | stats count BY user | sort - total", "total"),
        ("index=* | evaluate x=1", "no command"),
        ("index=* | eval x=if(user=1,2", "bracket"),
        ("index=* | where foo(user)", "no such function"),
        ("index=* | rename user AS", "OLD AS NEW"),
        ("`mfa_evnets`", "no such macro"),
        ("index=* [search event.action=y event.kidn=z]", "event.kidn"),
        ("| multisearch [search event.code=1] [search event.cood=2]", "event.cood"),
        ("| tstats count WHERE event.code=1 BY host", "event.code"),
    ],
)
def test_mistakes_are_noticed(search: str, why: str) -> None:
    with pytest.raises(SplError, match=why):
        spl.check(expand(search), fields(ECS))


def test_the_dashboard_has_every_panel_and_sound_tokens() -> None:
    assert set(panels()) == WANTED
    root = ET.parse(DASHBOARD).getroot()
    assert (root.tag, root.get("version")) == ("form", "1.1")  # without it Splunk warns of an old jQuery
    inputs = {one.get("token") for one in root.iter("input")} | {one.get("token") for one in root.iter("set")}
    for element in root.iter():
        for text in (element.text or "", element.get("depends") or ""):
            for name, _ in TOKEN.findall(text):
                assert name in inputs or name.split(".")[0] in ("span", "row"), name
        if element.tag == "set":
            column = re.fullmatch(r"\$row\.(\w+)\$", element.text or "")
            assert column
            assert column[1] in spl.check(filled(panels()["top_users"], **TOKENS), fields(ECS))
        if element.tag == "panel":
            assert [next(element.iter(tag)).text for tag in ("earliest", "latest")] == ["$span.earliest$", "$span.latest$"]


def test_choices_of_the_dashboard_exist_in_events() -> None:
    root = ET.parse(DASHBOARD).getroot()
    choices = {one.get("token"): {choice.get("value") for choice in one.iter("choice")} for one in root.iter("input")}
    there = {document["event"]["dataset"] for document in documents()} | {"azure_mfa.nps", "*"}
    assert choices["dataset"] <= there
    for one in root.iter("input"):
        assert one.get("token") == "span" or one.findtext("default") in choices[one.get("token")]


def test_every_view_is_well_formed_and_checked() -> None:
    assert {path.name for path in VIEWS.iterdir()} == {DASHBOARD.name}


def test_raw_exchanges_are_of_raw_lines() -> None:
    assert {"user", "status_code", "duration"} <= spl.check(expand("`mfa_raw_exchanges`"), fields(RAW))
