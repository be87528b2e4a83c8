"""The searches of the add-on: those of dashboards, and the saved ones when there are any."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from tests.deploy.splunk_app import ADD_ON, RAW, conf, expand, fields

VIEWS = ADD_ON / "default" / "data" / "ui" / "views"
SAVED = ADD_ON / "default" / "savedsearches.conf"
DASHBOARD = VIEWS / "mfa_authentications.xml"
TOKEN = re.compile(r"\$([\w.]+)(?:\|(\w))?\$")
TOKENS = {"dataset": "*", "seconds": "30", "who_domain": "dom", "who_name": "anna"}  # what the inputs of the dashboard may hold


def panels(view: Path = DASHBOARD) -> dict[str, str]:
    """The query of each panel of a dashboard, as written, by the panel's id."""
    found = {}
    for panel in ET.parse(view).getroot().iter("panel"):
        queries = [query.text or "" for query in panel.iter("query")]
        assert len(queries) == 1, panel.get("id")
        assert panel.get("id") not in found, panel.get("id")
        found[panel.get("id") or ""] = queries[0]
    return found


def filled(query: str, **tokens: str) -> str:
    """A query with its tokens and macros filled in, as Splunk would run it."""

    def value(match: re.Match[str]) -> str:
        text = tokens[match[1]]
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if match[2] == "s" else text

    return expand(TOKEN.sub(value, query))


def saved() -> Iterator[tuple[str, str]]:
    """Name and search of each saved search."""
    if SAVED.exists():
        for name, settings in conf(SAVED).items():
            if name != "default":
                yield name, settings["search"]


def existing(search: str) -> frozenset[str]:
    """The fields of the events that a search is about."""
    return fields(RAW) if RAW in search else fields("azure:mfa:ecs")
