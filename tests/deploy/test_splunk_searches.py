"""Dashboard, macros and saved searches: every field that they name exists, every value, every macro and token."""

import re
import xml.etree.ElementTree as ET

import pytest

from tests.deploy import spl
from tests.deploy.spl import comparisons
from tests.support.deploy.splunk_app import (
    DASHBOARD,
    ECS,
    RAW,
    TOKEN,
    VIEWS,
    SplError,
    default,
    existing,
    expand,
    fields,
    filled,
    golden_documents,
    panels,
    possible_values,
    saved,
    schema_fields,
    settings,
)  # fmt: skip

WANTED = {
    *("outcomes", "methods", "failures", "double_prompts_over_time", "double_prompt_gaps", "double_prompt_list", "top_users"),
    *("cache_hits_against_prompts", "spared_by_cache", "fraud_and_lockouts", "unparsed", "events_of_one_user"),
    *("count_authentications", "count_failed", "failure_rate", "count_users", "count_fraud", "count_lockouts"),
    *("count_double_prompts", "count_users_asked_twice", "count_spared", "count_fatigue", "count_unparsed"),
    *("failure_share", "weeks", "answer_time", "asked_twice", "mfa_fatigue_list", "refusals"),
}


@pytest.mark.parametrize("name", panels())
def test_fields_of_every_panel_exist(name: str) -> None:
    search = filled(panels()[name])
    assert spl.check(search, existing(search))


@pytest.mark.parametrize("name", [name for name in default("macros") if "args" not in default("macros")[name]])
def test_fields_of_every_macro_exist(name: str) -> None:
    search = expand(f"`{name}`")
    if not search.startswith("index"):
        search = f"index=* | {search}"
    assert spl.check(search, existing(search))


@pytest.mark.parametrize("name", saved())
def test_fields_of_every_saved_search_exist(name: str) -> None:
    search = expand(saved()[name])
    assert search.startswith(f'index=mfa sourcetype="{ECS}" ')
    columns = spl.check(search, existing(search))
    assert set(default("savedsearches")[name]["alert.suppress.fields"].split(", ")) <= columns


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
        with pytest.raises(SplError, match=re.escape(field)):
            check_every_panel(fields(ECS) - {field})


def check_every_panel(there: frozenset[str]) -> None:
    for query in panels().values():
        spl.check(filled(query), there)


@pytest.mark.parametrize(
    ("search", "why"),
    [
        ("index=* event.aktion=x", "no such field here: event.aktion"),
        ("index=* | stats count BY event.code | where event.action=1", "no such field"),
        ("index=* | eval x=event.action", "no such field here: event"),
        ("index=* | stats count BY user | table usr", "usr"),
        ("index=* | stats cuont BY user", "no such function: cuont"),
        ("index=* | stats count BY user | sort - total", "total"),
        ("index=* | evaluate x=1", "does not know the command evaluate"),
        ("index=* | eval x=if(user=1,2", "bracket"),
        ('index=* | eval x="a', "quote"),
        ("index=* | eval x=user src", "an operator or a value is missing"),
        ("index=* | where user=", "an operator or a value is missing"),
        ("index=* | where foo(user)", "no such function"),
        ("index=* | rename user AS", "OLD AS NEW"),
        ("`mfa_evnets`", "no such macro"),
        ("index=* [search event.action=y event.kidn=z]", "a subsearch"),
        ("| tstats count WHERE event.code=1 BY host", "does not know the command tstats"),
    ],
)
def test_mistakes_are_noticed(search: str, why: str) -> None:
    with pytest.raises(SplError, match=why):
        spl.check(expand(search), fields(ECS))


def test_arguments_of_macros_are_filled_in_and_their_fields_looked_up() -> None:
    macros = {"of(2)": {"definition": "search $field$=$value$", "args": "field, value"}}
    good = expand("index=* | `of(event.code, 21)`", macros)
    assert good == "index=* | search event.code=21"
    assert spl.check(good, fields(ECS))
    with pytest.raises(SplError, match=r"event\.cood"):
        spl.check(expand("index=* | `of(event.cood, 21)`", macros), fields(ECS))
    with pytest.raises(SplError, match="no such macro"):
        expand("index=* | `of(event.code)`", macros)
    with pytest.raises(SplError, match="no argument valeu"):
        expand("`of(a, b)`", {"of(2)": {"definition": "search $field$=$valeu$", "args": "field, value"}})


SEARCHES = {
    **{f"panel {name}": query for name, query in panels().items()},
    **{f"macro {name}": f"`{name}`" for name, stanza in default("macros").items() if "args" not in stanza},
    **{f"saved search {name}": search for name, search in saved().items()},
    **{f"event type {name}": stanza["search"] for name, stanza in default("eventtypes").items()},
    **{f"EVAL-{name} of {kind}": text for kind in (ECS, RAW) for name, text in settings(kind, "EVAL").items()},
}


@pytest.mark.parametrize("name", SEARCHES)
def test_values_that_are_compared_exist(name: str) -> None:
    """A search for a value that no event has finds nothing, and nobody is told."""
    assert impossible(filled(SEARCHES[name])) == set()


def test_a_value_that_does_not_exist_is_noticed() -> None:
    assert len({pair for search in SEARCHES.values() for pair in comparisons(filled(search))}) > 50
    search = (
        """event.action IN ("mfa-status", "mfa-resutl") | where 'event.kind'=="allert" OR in('event.outcome',"success","ok")"""
    )
    assert impossible(search) == {("event.action", "mfa-resutl"), ("event.kind", "allert"), ("event.outcome", "ok")}


def impossible(search: str) -> set[tuple[str, str]]:
    """The comparisons with a value that the field never has."""
    known = possible_values()
    return {(field, value) for field, value in comparisons(search) if field in known and value not in known[field] | {"*"}}


def test_the_dashboard_has_every_panel_and_sound_tokens() -> None:
    assert set(panels()) == WANTED
    root = ET.parse(DASHBOARD).getroot()
    assert (root.tag, root.get("version")) == ("form", "1.1")  # without it Splunk warns of an old jQuery
    tokens = {element.get("token") for tag in ("input", "set") for element in root.iter(tag)}
    for element in root.iter():
        for text in (element.text or "", element.get("depends") or ""):
            for name, _ in TOKEN.findall(text):
                assert name in tokens or name.split(".")[0] in ("span", "row"), name
        if element.tag == "set":
            column = re.fullmatch(r"\$row\.(\w+)\$", element.text or "")
            assert column
            assert {column[1]} <= spl.check(filled(panels()["top_users"]), fields(ECS)) & spl.check(
                filled(panels()["asked_twice"]), fields(ECS)
            )
        if element.tag == "search" and not element.get("base"):
            assert [next(element.iter(tag)).text for tag in ("earliest", "latest")] == ["$span.earliest$", "$span.latest$"]


def test_choices_of_the_dashboard_exist_in_events() -> None:
    root = ET.parse(DASHBOARD).getroot()
    choices = {choice.get("token"): {value.get("value") for value in choice.iter("choice")} for choice in root.iter("input")}
    assert choices["dataset"] <= {document["event"]["dataset"] for document in golden_documents()} | {"*"}
    for choice in root.iter("input"):
        assert choice.get("token") == "span" or choice.findtext("default") in choices[choice.get("token")]


def test_every_view_is_well_formed_and_checked() -> None:
    assert {path.name for path in VIEWS.iterdir()} == {DASHBOARD.name}


def test_raw_exchanges_are_of_raw_lines() -> None:
    assert {"user", "status_code", "duration"} <= spl.check(expand("`mfa_raw_exchanges`"), fields(RAW))
