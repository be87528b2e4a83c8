"""A package in the layout of Elastic's integrations, for Fleet and Elastic Agent."""

import json
from pathlib import PurePosixPath
from typing import Any

import yaml

from deploy.generate.elastic.json_lines import events_pipeline, raw_pipeline
from deploy.generate.elastic.kibana import dashboard, searches
from deploy.generate.elastic.templates import NAME
from deploy.generate.elastic.words import DASHBOARD as OWN_DASHBOARD
from deploy.generate.elastic.words import TITLE, VIEW
from deploy.generate.places import DEPLOY
from deploy.generate.schema import Field, ecs_types, fields
from deploy.generate.sigma import KIBANA
from shipper import __version__

DASHBOARD = f"{NAME}-5b6c0f0e-6c55-4f0e-9d55-7a2d4f6b1c21"
PREFIX = "[Logs Azure MFA]"  # of the titles, as in all packages
FLEET_VIEW = "logs-*"  # the data view that Kibana has for all logs
STREAMS = {
    "events": (
        "Events of mfa-shipper",
        "Reads the file that mfa-shipper writes (output type file, format ecs). An event that is read again is kept once.",
        "/var/log/mfa-shipper/events.ndjson",
    ),
    "raw": (
        "Raw lines of MFA Server",
        "Reads the logs of MFA Server themselves, line by line: decoded, but nothing tied together and no double prompts.",
        "C:\\Program Files\\Multi-Factor Authentication Server\\Logs\\MultiFactorAuth*.log",
    ),
}  # fmt: skip
STREAM = """\
paths:
{{#each paths as |path i|}}
  - {{path}}
{{/each}}
tags:
{{#each tags as |tag i|}}
  - {{tag}}
{{/each}}
publisher_pipeline.disable_host: true
{{#if processors}}
processors:
{{processors}}
{{/if}}
"""
LOGO = """\
<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32" viewBox="0 0 32 32">
  <rect x="7" y="2" width="13" height="26" rx="2.5" fill="#5b7fae"/>
  <rect x="9" y="6" width="9" height="16" fill="#ffffff"/>
  <rect x="13" y="5" width="13" height="26" rx="2.5" fill="#d6733a"/>
  <rect x="15" y="9" width="9" height="16" fill="#ffffff"/>
  <path d="M16.5 17 l2.2 2.4 4-5" fill="none" stroke="#3f7d5a" stroke-width="1.8"/>
</svg>
"""
README = f"""\
# Azure MFA Server

Two data streams, for one of two ways to bring in the logs of Microsoft Azure MFA Server:

- **events**: mfa-shipper runs beside MFA Server (or over copies of its logs), writes ECS events into a file, and the agent
  ships the file. Authentications are complete (user, outcome, duration), and double prompts are found.
- **raw**: the agent ships the logs themselves and an ingest pipeline decodes each line. Lines of one authentication
  stay apart: no user on a status, no duration, no double prompts.

Switch on one of them for a server, not both: its authentications would be counted twice.

`data_stream.dataset` is where an event is stored, `event.dataset` which log it comes from: `{NAME}.radius`, `{NAME}.server`, `{NAME}.nps`, ...
Fields that the agent adds stay beside the event's own.

The dashboard *{TITLE}* shows both, and what mfa-shipper has sent to Elasticsearch itself.
"""


ADDED_ECS = (  # by the agent, Fleet and the pipelines
    "agent.ephemeral_id", "event.agent_id_status", "source.as.number", "source.as.organization.name",
    "source.geo.city_name", "source.geo.continent_name", "source.geo.country_iso_code", "source.geo.country_name",
    "source.geo.location", "source.geo.region_iso_code", "source.geo.region_name",
)  # fmt: skip
ADDED = {  # by the agent, without a place in ECS
    "elastic_agent.id": ("keyword", "Id of the Elastic Agent."),
    "elastic_agent.snapshot": ("boolean", "Whether the Elastic Agent is a snapshot."),
    "elastic_agent.version": ("keyword", "Version of the Elastic Agent."),
    "input.type": ("keyword", "Type of the agent's input."),
    "log.file.device_id": ("keyword", "Device that the file lies on."),
    "log.file.fingerprint": ("keyword", "Fingerprint by which the agent knows the file."),
    "log.file.idxhi": ("keyword", "Upper part of the file's number, on Windows."),
    "log.file.idxlo": ("keyword", "Lower part of the file's number, on Windows."),
    "log.file.inode": ("keyword", "Number of the file on its device."),
    "log.file.vol": ("keyword", "Serial number of the file's volume, on Windows."),
}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, as people do."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def as_yaml(content: Any, start: bool = False) -> bytes:
    """YAML in the order of the keys."""
    text = yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, explicit_start=start)
    return str(text).encode()


def manifest() -> dict[str, Any]:
    """manifest.yml."""
    filestream = {"type": "filestream", "title": "Files", "description": "Read files of mfa-shipper or of MFA Server"}
    about = "Authentications, double prompts and administration of Microsoft Azure MFA Server"
    return {
        # 3.0 is the newest layout that Kibana 8.12 to 8.15 take.
        "format_version": "3.0.4", "name": NAME, "title": "Azure MFA Server", "version": __version__, "description": about,
        "type": "integration", "source": {"license": "Apache-2.0"}, "categories": ["security", "iam"],
        "conditions": {"kibana": {"version": "^8.12.0 || ^9.0.0"}, "elastic": {"subscription": "basic", "capabilities": ["security"]}},
        "icons": [{"src": "/img/logo.svg", "title": "Two phones", "size": "32x32", "type": "image/svg+xml"}],
        "policy_templates": [
            {"name": NAME, "title": "Azure MFA Server", "description": "Logs of Azure MFA Server", "inputs": [filestream]}
        ],
        "owner": {"github": "mfa-shipper/maintainers", "type": "community"},
    }  # fmt: skip


def variable(name: str, kind: str, title: str, *, multi: bool, default: list[str] | None, shown: bool) -> dict[str, Any]:
    """A setting of a stream. `default` is None for an optional one."""
    found: dict[str, Any] = {"name": name, "type": kind, "title": title, "multi": multi, "required": default is not None}
    found["show_user"] = shown
    return found | ({"default": default} if default else {})


def stream_manifest(name: str) -> dict[str, Any]:
    """data_stream/NAME/manifest.yml."""
    title, about, path = STREAMS[name]
    settings = [
        variable("paths", "text", "Paths", multi=True, default=[path], shown=True),
        variable("tags", "text", "Tags", multi=True, default=["mfa-shipper", f"{NAME}-{name}"], shown=False),
        variable("processors", "yaml", "Processors", multi=False, default=None, shown=False),
    ]
    stream = {
        "input": "filestream", "title": title, "description": about, "template_path": "filestream.yml.hbs",
        "enabled": name == "events", "vars": settings,
    }  # fmt: skip
    return {"title": title, "type": "logs", "streams": [stream]}


def base_fields() -> list[dict[str, Any]]:
    """The fields that every data stream has."""
    names = ("data_stream.type", "data_stream.dataset", "data_stream.namespace", "@timestamp")
    return [{"name": name, "external": "ecs"} for name in names]


def own_field(field: Field) -> dict[str, Any]:
    """A field that ECS does not have."""
    about = {"description": field.description[:1].upper() + field.description[1:] + "."} if field.description else {}
    return {"name": field.name, "type": field.type} | about


def stream_fields() -> dict[str, list[dict[str, Any]]]:
    """The files below `fields/` except the base: name, content."""
    names = [field for field in fields() if field.name != "@timestamp"]
    ecs = [{"name": field.name, "external": "ecs"} for field in names if field.name in ecs_types()]
    ecs.append({"name": "labels", "external": "ecs"})
    own = [own_field(field) for field in names if field.name not in ecs_types()]
    ecs += [{"name": name, "external": "ecs"} for name in ADDED_ECS]
    extra = [{"name": name, "type": kind, "description": about} for name, (kind, about) in ADDED.items()]
    return {"ecs": ecs, "fields": own + extra}


def board() -> dict[str, Any]:
    """The dashboard on Kibana's own data view: the events of every way in, whatever their data stream."""
    reference = "kibanaSavedObjectMeta.searchSourceJSON.filter[0].meta.index"
    condition = {
        "$state": {"store": "appState"},
        "meta": {
            "alias": None, "disabled": False, "negate": False, "indexRefName": reference, "key": "event.module",
            "field": "event.module", "params": {"query": NAME}, "type": "phrase",
        },
        "query": {"match_phrase": {"event.module": NAME}},
    }  # fmt: skip
    found = _on_all_logs(dashboard(DASHBOARD, [condition]))
    found["references"].append({"id": FLEET_VIEW, "name": reference, "type": "index-pattern"})
    found["attributes"]["title"] = f"{PREFIX} {TITLE}"
    return found


def lists() -> list[dict[str, Any]]:
    """The saved searches of the dashboard."""
    found = [_on_all_logs(saved) for saved in searches(DASHBOARD)]
    for saved in found:
        saved["attributes"]["title"] = f"{PREFIX} {saved['attributes']['title']}"
    return found


def _on_all_logs(saved: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        json.dumps(saved).replace(f'"{VIEW}"', f'"{FLEET_VIEW}"').replace(f"{OWN_DASHBOARD}-", f"{DASHBOARD}-")
    )
    return found


def security_rules() -> list[dict[str, Any]]:
    """The detection rules, from the file that Kibana imports: Fleet offers them, and who wants one installs it."""
    found = []
    for line in (DEPLOY / KIBANA).read_text(encoding="utf-8").splitlines():
        rule = json.loads(line)
        attributes = {key: value for key, value in rule.items() if key != "enabled"}
        found.append({"attributes": attributes, "id": rule["rule_id"], "type": "security-rule"})
    return found


def as_json(content: Any) -> bytes:
    """Indented, as people read it."""
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def files() -> dict[PurePosixPath, bytes]:
    """Path inside the package, content."""
    change = {"description": "First version", "type": "enhancement", "link": "https://example.com/mfa-shipper/changes/1"}
    found: dict[str, bytes] = {
        "manifest.yml": as_yaml(manifest()),
        "changelog.yml": as_yaml([{"version": __version__, "changes": [change]}]),
        "docs/README.md": README.encode(),
        "img/logo.svg": LOGO.encode(),
        "_dev/build/build.yml": as_yaml({"dependencies": {"ecs": {"reference": "git@v8.17.0"}}}),
        f"kibana/dashboard/{DASHBOARD}.json": as_json(board()),
    }
    for saved in lists():
        found[f"kibana/search/{saved['id']}.json"] = as_json(saved)
    found |= {f"kibana/security_rule/{rule['id']}.json": as_json(rule) for rule in security_rules()}
    for name in STREAMS:
        below = f"data_stream/{name}"
        found[f"{below}/manifest.yml"] = as_yaml(stream_manifest(name))
        found[f"{below}/agent/stream/filestream.yml.hbs"] = STREAM.encode()
        decoded = events_pipeline() if name == "events" else raw_pipeline()
        found[f"{below}/elasticsearch/ingest_pipeline/default.yml"] = as_yaml(decoded, start=True)
        found[f"{below}/fields/base-fields.yml"] = as_yaml(base_fields())
        for file, content in stream_fields().items():
            found[f"{below}/fields/{file}.yml"] = as_yaml(content)
    return {PurePosixPath(path): content for path, content in found.items()}
