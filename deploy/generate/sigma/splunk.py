"""The Sigma rules as Splunk's saved searches."""

import json

from deploy.generate.sigma import queries
from deploy.generate.sigma.rules import Rule

SEVERITIES = {"informational": 2, "low": 2, "medium": 3, "high": 4, "critical": 5}  # 2 info, 3 warn, 4 error, 5 severe
DAY = 1440  # minutes that an event may come late and still be found
HEAD = """\
# The rules of deploy/sigma, made by `make deploy-files`. They come switched off: enable those that
# you want, and add your action (mail, ticket, webhook). Each goes by the time at which events were indexed, so that what
# comes late is found; the range of event time is a day wider for it.
"""


def stanza(rule: Rule) -> str:
    """A saved search with its schedule and alert."""
    techniques = [tag.partition(".")[2].upper() for tag in rule.main.get("tags", []) if tag.startswith("attack.t")]
    lines = {
        "search": " ".join(line.strip() for line in queries.splunk(rule).splitlines()),
        "description": f"{' '.join(rule.main['description'].split())} {rule.triage.line()}",
        "disabled": "1",
        "enableSched": "1",
        **schedule(rule),
        "counttype": "number of events",
        "relation": "greater than",
        "quantity": "0",
        "alert.track": "1",
        "alert.severity": str(SEVERITIES[rule.main["level"]]),
        "alert.digest_mode": "0",
        **suppression(rule),
    }
    if techniques:
        lines["action.correlationsearch.annotations"] = json.dumps({"mitre_attack": techniques})
    body = "".join(f"{name} = {value}\n" for name, value in lines.items())
    return f"[{rule.main['title']}]\n{body}"


def schedule(rule: Rule) -> dict[str, str]:
    """When it runs, and over which times: of the events, and of their indexing.

    Single events are looked at once, a minute after they were indexed; a run that a busy scheduler skips is made up for. What counts or follows looks `LATE` further back than it
    needs, at event times that slide: an event that comes late meets those that were there before.
    """
    every = interval(rule)
    cron = "17 * * * *" if every == 60 else f"*/{every} * * * *"
    if rule.triage.back is not None:  # about the time that events should have, which is the clock's
        return {"cron_schedule": cron, "dispatch.earliest_time": f"-{rule.triage.back // 60}m@m", "dispatch.latest_time": "now"}
    first, last = (every + 1, 1) if rule.kind == "single" else (window(rule, every), 0)
    return {
        "cron_schedule": cron,
        **({"realtime_schedule": "0"} if rule.kind == "single" else {}),
        "dispatch.earliest_time": f"-{DAY + first}m@m",
        "dispatch.latest_time": "now",
        "dispatch.index_earliest": f"-{first}m@m",
        "dispatch.index_latest": f"-{last}m@m" if last else "now",
    }


def interval(rule: Rule) -> int:
    """Minutes between two runs."""
    return (rule.triage.every or (300 if rule.seconds <= 900 else 900 if rule.seconds <= 14400 else 3600)) // 60


def window(rule: Rule, every: int) -> int:
    """How many minutes of indexing a count or sequence looks at."""
    return rule.seconds // 60 + every + queries.LATE // 60


def suppression(rule: Rule) -> dict[str, str]:
    """Of whom it keeps quiet after an alert, and for how long. A hit that is looked at again is always the same alert."""
    quiet = rule.triage.quiet_by
    by = quiet or (["event.id"] if rule.kind == "single" else ["user.name", "user.domain"])
    fields = ", ".join(queries.WHO.get(field, (field,))[0] for field in by)
    seen_again = DAY if rule.kind == "single" else window(rule, interval(rule))
    period = max(rule.triage.quiet // 60, 0 if rule.kind == "single" and quiet else seen_again)
    return {"alert.suppress": "1", "alert.suppress.fields": fields, "alert.suppress.period": f"{period}m"}


def savedsearches(rules: list[Rule]) -> str:
    """The whole file."""
    return "\n".join([HEAD, *map(stanza, rules)])
