"""Names, data view and text that both dashboards share."""

import json
from typing import Any

from deploy.generate.elastic.panels import Panel, panels
from deploy.generate.elastic.templates import STREAMS

VIEW = "mfa-shipper-events"
DASHBOARD = "mfa-shipper-overview"
TITLE = "MFA Server: authentications and double prompts"
ABOUT = (
    "Authentications of an Azure MFA Server as mfa-shipper reads them: outcomes, failures, double prompts, fraud and lockouts."
)
INTRO = (0, 0, 48, 7)  # place of the text
CONTROLS = {"event.dataset": "Data set", "user.name": "User", "host.name": "Server"}
TEXT = """\
**Authentications** are counted by their outcome: the status line of a RADIUS exchange, or a one-line result of the server.
The server may write one sign-in to two logs (`azure_mfa.radius` and `azure_mfa.server`): choose one data set to count it once.

**Double prompts** are findings of mfa-shipper: a second prompt while the first was open (*concurrent*: raise the timeout of
the RADIUS client) or within 60 s after its success (*sequential*). A cache rule of MFA Server spares both, see what N seconds would do.
"""
DURATIONS = {"event.duration": "nanoseconds", "azure_mfa.double_prompt.gap_ms": "milliseconds"}


def formats() -> str:
    """The display format of the two durations: seconds."""
    return json.dumps({
        field: {"id": "duration", "params": {"inputFormat": unit, "outputFormat": "asSeconds", "outputPrecision": 1}}
        for field, unit in DURATIONS.items()
    })  # fmt: skip


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
    return {name for panel in panels() for name in panel.fields()} | set(CONTROLS) | set(DURATIONS)
