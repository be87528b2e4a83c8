"""Names, data view and text that both dashboards share."""

import json
from typing import Any

from deploy.generate.elastic.panels import Panel, panels
from deploy.generate.elastic.templates import NAME, STREAMS
from shipper.detect import DETECTORS

VIEW = "mfa-shipper-events"
DASHBOARD = "mfa-shipper-overview"
TITLE = "MFA Server: authentications and double prompts"
ABOUT = (
    "Authentications of an Azure MFA Server as mfa-shipper reads them: outcomes, failures, double prompts, fraud and lockouts."
)
INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"  # name of the reference to the data view
INTRO = (0, 0, 48, 7)  # place of the text
CONTROLS = {"event.dataset": "Data set", "user.name": "User", "host.name": "Server"}
TEXT = f"""\
**Authentications** are counted once each, by how they ended: the status line of a RADIUS exchange, or a one-line result of the server.
A code that was sent and not yet entered is the first of two steps and not counted. The server may write one sign-in to two logs
(RADIUS and server): choose one data set to count it once.

**Double prompts** are findings of mfa-shipper: a second prompt while the first was open (*concurrent*: raise the timeout of
the RADIUS client) or within 60 s after its success (*sequential*). A cache rule of MFA Server spares both, see what N seconds would do.
The findings in [Discover](discover#/view/{DASHBOARD}-findings).
"""
DURATIONS = {"event.duration": "nanoseconds", "azure_mfa.double_prompt.gap_ms": "milliseconds"}


LABELS = {  # of values, for people
    "azure_mfa.status.method": {
        "mobile_app": "Mobile app", "phone_call": "Phone call", "text_message": "Text message", "oath_token": "OATH token",
        "security_questions": "Security questions", "voiceprint": "Voiceprint", "none": "None",
    },
    "event.dataset": {
        f"{NAME}.radius": "MFA Server, RADIUS", f"{NAME}.server": "MFA Server", f"{NAME}.adsync": "MFA Server, directory",
        f"{NAME}.nps": "NPS extension", f"{NAME}.unparsed": "No pattern matches",
    },
    "event.action": {
        "mfa-request": "Request", "mfa-verdict": "Verdict", "mfa-status": "Status", "mfa-result": "Result in one line",
        **{name: name[:1].upper() + name[1:].replace("_", " ") for name in DETECTORS}, "mfa_fatigue": "MFA fatigue",
        "log": "Other line",
    },
}  # fmt: skip
NAMES = {  # of fields, where Kibana shows them as the head of a column
    "event.action": "What", "user.domain": "Domain", "user.name": "User", "host.name": "Server", "event.severity": "Severity",
    "azure_mfa.double_prompt.pattern": "Pattern", "azure_mfa.double_prompt.gap_ms": "Gap", "message": "What happened",
    "event.dataset": "Data set", "event.reason": "Reason",
}  # fmt: skip


def formats() -> str:
    """How values are shown: the two durations in seconds, others by their labels."""
    found: dict[str, Any] = {
        field: {"id": "duration", "params": {"inputFormat": unit, "outputFormat": "asSeconds", "outputPrecision": 1}}
        for field, unit in DURATIONS.items()
    }
    for field, labels in LABELS.items():
        entries = [{"key": value, "value": label} for value, label in labels.items()]
        found[field] = {"id": "static_lookup", "params": {"lookupEntries": entries, "unknownKeyValue": None}}
    return json.dumps(found)


def names() -> str:
    """The names of fields in Kibana's data view."""
    return json.dumps({field: {"customLabel": name} for field, name in NAMES.items()})


def event_list(panel: Panel) -> dict[str, Any]:
    """The attributes of a saved search, with its JSON parts as objects."""
    source = {"query": {"query": panel.query, "language": "lucene"}, "filter": [], "indexRefName": INDEX}
    return {
        "title": panel.title, "description": description(panel), "columns": list(panel.columns), "sort": [["@timestamp", "desc"]],
        "version": 1, "hits": 0, "kibanaSavedObjectMeta": {"searchSourceJSON": source},
    }  # fmt: skip


def view() -> dict[str, Any]:
    """The attributes of the data view (OpenSearch Dashboards: index pattern)."""
    return {"title": STREAMS, "timeFieldName": "@timestamp", "fieldFormatMap": formats()}


def description(panel: Panel) -> str:
    """The sentence below a title."""
    return panel.about[:1].upper() + panel.about[1:] + ("." if panel.about else "")


def grid(place: tuple[int, int, int, int], name: str) -> dict[str, Any]:
    """The place of a panel as saved objects describe it."""
    column, row, width, height = place
    return {"x": column, "y": row, "w": width, "h": height, "i": name}


def ndjson(objects: list[dict[str, Any]]) -> bytes:
    """One saved object a line."""
    return "".join(json.dumps(saved, ensure_ascii=False, sort_keys=True) + "\n" for saved in objects).encode()


def named_fields() -> set[str]:
    """Every event field that the dashboards name."""
    return {name for panel in panels() for name in panel.fields()} | set(CONTROLS) | set(DURATIONS) | set(LABELS) | set(NAMES)
