"""The Sigma rules as Splunk's saved searches."""

from deploy.generate.sigma import queries
from deploy.generate.sigma.rules import Rule

SEVERITIES = {"informational": 2, "low": 2, "medium": 3, "high": 4, "critical": 5}  # 2 info, 3 warn, 4 error, 5 severe
HEAD = """\
# The rules of deploy/sigma, made by `make deploy-files`. They come switched off: enable those that
# you want, and add your action (mail, ticket, webhook). A window ends five minutes ago, so that late events are in it.
"""


def stanza(rule: Rule) -> str:
    """A saved search with its schedule and alert."""
    single, silent = rule.kind == "single", rule.stem == "mfa_log_silent"
    every = 5 if rule.seconds <= 900 else 15 if rule.seconds <= 3600 else 60
    minutes = every if single else rule.seconds // 60 + every
    earliest, latest = ("-24h@m", "now") if silent else (f"-{minutes + 5}m@m", "-5m@m")
    search = " ".join(line.strip() for line in queries.splunk(rule).splitlines())
    keys = ", ".join(queries.WHO[field][0] for field in rule.group) or "who, who_domain"
    lines = {
        "search": search,
        "description": " ".join(rule.main["description"].split()),
        "disabled": "1",
        "enableSched": "1",
        "cron_schedule": "17 * * * *" if every == 60 else f"*/{every} * * * *",
        "dispatch.earliest_time": earliest,
        "dispatch.latest_time": latest,
        "counttype": "number of events",
        "relation": "greater than",
        "quantity": "0",
        "alert.track": "1",
        "alert.severity": str(SEVERITIES[rule.main["level"]]),
        "alert.digest_mode": "0",
        "alert.suppress": "1",
        "alert.suppress.fields": "event.id" if single else keys,
        "alert.suppress.period": "24h" if single or rule.seconds >= 86400 else f"{max(rule.seconds // 60, 60)}m",
    }
    body = "".join(f"{name} = {value}\n" for name, value in lines.items())
    return f"[{rule.main['title']}]\n{body}"


def savedsearches(rules: list[Rule]) -> str:
    """The whole file."""
    return "\n".join([HEAD, *map(stanza, rules)])
