"""Events of the administration, of primary authentication and of the NPS extension, made up field by field.

The logs of `corpus.py` hold none of these lines, and panels and templates must bear them all the same.
"""

import random
from typing import Any

from tests.deploy.elastic.schema import event_schema, is_object
from tests.deploy.elastic.templates import NAME

DAY = "2017-02-15T"
ERRORS = ("REQUEST_MISSING_CODE", "ESTS_TOKEN_ERROR", "ESTS_TOKEN_ERROR", "HTTPS_COMMUNICATION_ERROR")


def event(number: int, dataset: str, action: str, *, category: str, kind: list[str], **more: Any) -> dict[str, Any]:
    """One event, at the `number`th minute of the day."""
    inner = {
        "id": f"00000000000000aa-{number}", "dataset": f"{NAME}.{dataset}", "kind": "event", "category": [category], "type": kind,
        "action": action, "module": NAME, "provider": "pfsvc",
    }  # fmt: skip
    return {
        "@timestamp": f"{DAY}{7 + number // 60:02d}:{number % 60:02d}:00.000000Z", "event": inner | more.pop("event", {}),
        "log": {"level": "info"}, **more, "ecs": {"version": "8.17.0"},
    }  # fmt: skip


def events() -> list[dict[str, Any]]:
    """Forty or so of them."""
    rnd, found = random.Random(5), []
    iam = {"user-change": "change", "device-add": "creation", "token-change": "change", "user-delete": "deletion"}
    for number in range(24):
        action = rnd.choice(list(iam))
        target = {"name": rnd.choice(("bob.lee", "dora.ito", "emil.silva")), "domain": "CONTOSO"}
        user = {"name": rnd.choice(("admin.anna", "admin.carl")), "domain": "CONTOSO", "target": target}
        change = {"field": "phone", "from": "+1 5550100", "to": "+1 5550101"} if action == "user-change" else {"field": "device"}
        found.append(
            event(number, "server", action, category="iam", kind=["user", iam[action]], user=user, azure_mfa={"change": change})
        )
    for number in range(24, 36):
        good = rnd.random() < 0.7
        outcome = {"outcome": "success"} if good else {"outcome": "failure", "reason": "unknown user name or bad password"}
        found.append(
            event(
                number,
                "server",
                "primary-auth-result",
                category="authentication",
                kind=["info"],
                event=outcome,
                user={"name": "anna.lee"},
                source={"ip": "10.1.2.16", "port": 50000},
                azure_mfa={"primary_auth": {"type": "LDAP"}},
            )
        )
    for number in range(36, 48):
        error = {"code": rnd.choice(ERRORS), "message": "the request could not be finished"}
        nps = {"nps": {"result": "Unknown", "state": "1"}, "request": {"id": f"{number:08d}-0000-4000-8000-000000000000"}}
        found.append(event(number, "nps", "mfa-error", category="authentication", kind=["info"], error=error, azure_mfa=nps))
    return found


def everything() -> dict[str, Any]:
    """One document with a value in every field of the schema: valid for the index, though no event has them all."""

    def value(path: str, schema: dict[str, Any]) -> Any:
        if is_object(schema):
            return {name: value(f"{path}{name}.", below) for name, below in schema.get("properties", {}).items()}
        if "items" in schema:
            return [value(path, schema["items"])]
        if path.rstrip(".") in ("source.ip", "host.ip", "related.ip"):
            return "2001:db8::7"
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[-1])
        if schema.get("pattern", "").startswith("^[0-9]{4}-"):
            return f"{DAY}07:00:00.123456789Z"
        if "pattern" in schema:
            return "00000000000000ab-1"
        return {"string": "x", "integer": 7, "boolean": True}[schema["type"]]

    found: dict[str, Any] = value("", event_schema())
    return found | {"labels": {"site": "north", "rack": 4, "lab": False}}
