"""What stands beside the rules: `deploy/sigma/triage.yaml`, as Markdown for Kibana and as a line for Splunk."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from deploy.generate.places import DEPLOY

FILE = DEPLOY / "sigma" / "triage.yaml"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LOGS = {  # what must be switched on for a rule to see anything
    "radius": "`MultiFactorAuthRadiusSvc.log` of the MFA servers, or the channels of the NPS extension.",
    "server": "`MultiFactorAuthSvc.log` of the MFA servers.",
    "nps": "The event log of the NPS servers (channels below `Microsoft-AzureMfa-AuthZ`).",
    "changes": "`MultiFactorAuthSvc.log`, with *Log user changes* ticked in MFA Server, Logging.",
    "findings": "The detectors of mfa-shipper, which all run unless `pipeline.detectors` says otherwise, or `mfa-shipper detect`.",
}
SETUP = """\
## Setup

The events of mfa-shipper, with the index templates of `deploy/elastic` or the
integration `azure_mfa`, whose last pipeline sets `event.ingested`: late events are found by it. What this rule reads:

"""


def seconds(span: str) -> int:
    """A span such as `10m` in seconds."""
    return int(span[:-1]) * UNITS[span[-1]]


@dataclass(frozen=True, slots=True)
class Triage:
    """The entry of a rule.

    Attributes:
        quiet_by: the fields of whoever is left alone after an alert; empty where every hit is an alert.
        quiet: for how many seconds.
        every, back: seconds between two runs, and how far a run looks back; None where that follows from the rule.
    """

    logs: list[str]
    investigate: list[str]
    respond: list[str]
    quiet_by: list[str]
    quiet: int
    every: int | None
    back: int | None

    def note(self, false_positives: list[str]) -> str:
        """The guide that Kibana shows beside an alert."""
        steps = "".join(f"{number}. {step}\n" for number, step in enumerate(self.investigate, 1))
        innocent, respond = ("".join(f"- {text}\n" for text in texts) for texts in (false_positives, self.respond))
        return f"## Triage\n\n### Investigate\n\n{steps}\n### It may be harmless\n\n{innocent}\n### Respond\n\n{respond}"

    def setup(self) -> str:
        """What the rule needs, for Kibana."""
        return SETUP + "".join(f"- {LOGS[name]}\n" for name in self.logs)

    def line(self) -> str:
        """The guide in one line, behind a description."""
        return f"Investigate: {' '.join(self.investigate)} Respond: {' '.join(self.respond)}"


@cache
def entries() -> dict[str, Triage]:
    """The entries by the names of the rules' files."""
    given: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {stem: _triage(entry) for stem, entry in given.items()}


def _triage(entry: dict[str, Any]) -> Triage:
    quiet = entry.get("quiet", {"by": [], "for": "0s"})
    every, back = (seconds(entry[key]) if key in entry else None for key in ("every", "back"))
    return Triage(entry["logs"], entry["investigate"], entry["respond"], list(quiet["by"]), seconds(quiet["for"]), every, back)
