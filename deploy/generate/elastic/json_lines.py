"""The ingest pipelines of the package: `events` takes the lines of the shipper's output file, `raw` those of MFA Server.

The agent ships a line of JSON as it is, and the pipeline makes an event of it. The agent's own parser would take
`event.id` out of the event where that is the document's id, and the agent then writes its data stream's name over `event.dataset`.
"""

from pathlib import Path
from typing import Any

from deploy.generate.elastic.ingest import failed, pipeline

SCRIPT = Path(__file__).with_name("merge.painless")
GEO = [  # of addresses on the internet; Elasticsearch brings both databases
    {"geoip": {"field": "source.ip", "target_field": "source.geo", "ignore_missing": True}},
    {"geoip": {
        "field": "source.ip", "target_field": "source.as", "database_file": "GeoLite2-ASN.mmdb",
        "properties": ["asn", "organization_name"], "ignore_missing": True,
    }},
    {"rename": {"field": "source.as.asn", "target_field": "source.as.number", "ignore_missing": True}},
    {"rename": {"field": "source.as.organization_name", "target_field": "source.as.organization.name", "ignore_missing": True}},
]  # fmt: skip


def events_pipeline() -> dict[str, Any]:
    """Makes an event of the line; its id becomes the document's, so that what is read again is kept once."""
    return {
        "description": "Events of mfa-shipper, one line of JSON each",
        "processors": [
            {"json": {"field": "message", "target_field": "_event"}},
            {"script": {"lang": "painless", "source": SCRIPT.read_text(encoding="utf-8").strip()}},
            {"set": {"field": "_id", "value": "{{event.id}}", "if": "ctx.event?.id != null"}},
            *GEO,
        ],
        "on_failure": [
            *failed("no event that mfa-shipper wrote ({{_ingest.on_failure_processor_type}})"),
            {"remove": {"field": "_event", "ignore_missing": True}},
            {"rename": {"field": "message", "target_field": "event.original", "ignore_missing": True}},
        ],
    }  # fmt: skip


def raw_pipeline() -> dict[str, Any]:
    """That of the templates, and where an address is."""
    found = pipeline()
    return found | {"processors": [*found["processors"], *GEO]}
