"""The Splunk add-on and app: by Splunk's own tools, and their files against each other."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from shipper import __version__
from shipper.emit.formats import SOURCETYPE
from tests.support.deploy.splunk_app import ADD_ON, APP, ECS, RAW, SplError, conf, default
from tests.support.tools import run, tool

HINT = "make deploy-check fills .cache/splunk"
APPS = (ADD_ON, APP)
CONFS = sorted(path for app in APPS for path in (app / "default").glob("*.conf"))
every_app = pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)

# Splunk's tools take a misspelt setting for granted, so here are those that we use.
SETTINGS = {
    "props": r"SHOULD_LINEMERGE|LINE_BREAKER|EVENT_BREAKER|EVENT_BREAKER_ENABLE|TRUNCATE|CHARSET|TIME_PREFIX|TIME_FORMAT"
    r"|MAX_TIMESTAMP_LOOKAHEAD|TZ|MAX_DAYS_AGO|KV_MODE|AUTO_KV_JSON|category|description|pulldown_type"
    r"|(EXTRACT|REPORT|FIELDALIAS|LOOKUP)-mfa_\w+|EVAL-[a-z_]+",
    "transforms": r"REGEX|filename|case_sensitive_match|max_matches",
    "eventtypes": r"search|color|description|priority|disabled",
    "tags": r"[a-z]+",
    "macros": r"definition|iseval|args|description",
    "app": r"is_configured|build|id|check_for_updates|name|version|is_visible|label|author|description|reload\.lookups",
    "savedsearches": r"search|description|disabled|enableSched|is_visible|cron_schedule|dispatch\.\w+|counttype|relation|quantity"
    r"|alert\.[\w.]+|alert_type|alert_comparator|alert_threshold|alert_condition|action\.[\w.]+|actions|schedule_window"
    r"|realtime_schedule|allow_skew|request\.[\w.]+|display\.[\w.]+",
}
TAGS = {"authentication", "success", "failure", "pending", "error", "alert", "change", "account"}


@every_app
def test_slim_finds_nothing_wrong(app: Path) -> None:
    done = run(tool("slim", HINT), "validate", app)
    said = done.stdout + done.stderr
    print(said)
    assert done.returncode == 0
    assert "App validation complete" in said
    assert "[WARNING]" not in said
    assert "[ERROR]" not in said


@every_app
@pytest.mark.parametrize("tag", ["", "cloud", "private_victoria"])
def test_appinspect_finds_nothing_wrong(app: Path, tag: str, tmp_path: Path) -> None:
    """With all its checks, with those for Splunk Cloud, and with those for private apps on its newer stacks."""
    packed = run(tool("slim", HINT), "package", app, "-o", tmp_path)
    assert packed.returncode == 0, packed.stdout + packed.stderr
    report = tmp_path / "report.json"
    done = run(
        *(tool("splunk-appinspect", HINT), "inspect", tmp_path / f"{app.name}-{__version__}.tar.gz"),
        *("--ci", "--skip-trusted-libraries-update", "--data-format", "json", "--output-file", report),
        *(("--included-tags", tag) if tag else ()),
        cwd=tmp_path,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(report.read_text(encoding="utf-8"))["summary"]
    assert [summary[kind] for kind in ("error", "failure", "future_failure", "warning")] == [0, 0, 0, 0]
    assert summary["success"] > (50 if tag else 80)


@pytest.mark.parametrize("path", CONFS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_setting_is_one_that_splunk_knows(path: Path) -> None:
    for stanza, settings in conf(path).items():
        for key in settings:
            assert re.fullmatch(SETTINGS[path.stem], key), f"{path.name} [{stanza}] {key}"


def test_every_conf_file_is_read() -> None:
    assert {path.stem for path in CONFS} >= {"app", "props", "transforms", "eventtypes", "tags", "macros"}


@pytest.mark.parametrize(
    "text",
    ["key = outside of a stanza\n", "[a]\nx = 1\nx = 2\n", "[a]\n[a]\n", "[a\n", "[a]\nno equals sign\n", "[a]\nx = 1 \\\n"],
)
def test_a_broken_conf_file_is_noticed(tmp_path: Path, text: str) -> None:
    broken = tmp_path / "props.conf"
    broken.write_text(text, encoding="utf-8")
    with pytest.raises(SplError):
        conf(broken)


def test_source_types_are_those_that_the_shipper_writes() -> None:
    assert ECS == SOURCETYPE
    assert set(default("props")) == {ECS, RAW}


def test_tags_belong_to_event_types_that_exist() -> None:
    tagged = [re.fullmatch(r"eventtype=(\w+)", stanza) for stanza in default("tags")]
    assert all(tagged)
    assert {match[1] for match in tagged if match} <= set(default("eventtypes"))
    for stanza, tags in default("tags").items():
        assert set(tags) <= TAGS, stanza
        assert set(tags.values()) == {"enabled"}, stanza


def test_one_authentication_is_one_event_for_cim() -> None:
    """mfa-verdict and mfa-request must not be counted as well."""
    search = default("eventtypes")["mfa_authentication"]["search"]
    assert default("tags")["eventtype=mfa_authentication"] == {"authentication": "enabled"}
    assert 'event.action IN ("mfa-status", "mfa-result") NOT azure_mfa.status.class="pending"' in search
    assert default("macros")["mfa_authentications"]["definition"].partition(" ")[2] in search


@every_app
def test_the_version_is_the_shippers(app: Path) -> None:
    settings = conf(app / "default" / "app.conf")
    manifest = json.loads((app / "app.manifest").read_text(encoding="utf-8"))["info"]
    assert {settings["id"]["version"], settings["launcher"]["version"], manifest["id"]["version"]} == {__version__}
    assert {settings["id"]["name"], settings["package"]["id"], manifest["id"]["name"]} == {app.name}
    assert settings["ui"]["is_visible"] == ("true" if app == APP else "false")


def test_what_other_apps_need_is_exported() -> None:
    exported = {}
    for app in APPS:
        meta = conf(app / "metadata" / "default.meta")
        assert meta[""]["export"] == "none"
        exported[app] = {name for name, settings in meta.items() if settings.get("export") == "system"}
    assert exported == {ADD_ON: {"props", "transforms", "lookups", "eventtypes", "tags"}, APP: {"macros"}}


def test_the_add_on_has_no_pages_and_the_app_no_fields() -> None:
    """Splunk's practice: fields go to every search head and indexer, pages to one search head."""
    there = {app: {path.stem for path in (app / "default").iterdir()} for app in APPS}
    assert there == {
        ADD_ON: {"app", "props", "transforms", "eventtypes", "tags"}, APP: {"app", "macros", "savedsearches", "data"},
    }  # fmt: skip


def test_navigation_leads_to_views_that_exist() -> None:
    views = {path.stem for path in (APP / "default" / "data" / "ui" / "views").glob("*.xml")}
    tree = ET.parse(APP / "default" / "data" / "ui" / "nav" / "default.xml").getroot()
    named = {view.get("name") for view in tree.iter("view")}
    assert named <= views | {"search", "reports", "alerts", "dashboards"}
    assert views <= named
    assert [view.get("name") for view in tree.iter("view") if view.get("default") == "true"] == ["mfa_authentications"]
