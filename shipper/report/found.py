"""Findings as a report counts them: plain data that can go to another process. Pure."""

from typing import Any, NamedTuple

from shipper.detect.double_prompt import DOUBLE_PROMPT, Pattern
from shipper.detect.finding import Found
from shipper.detect.mfa_fatigue import MFA_FATIGUE
from shipper.detect.prompts import END, END_TEXT, ID, START, Prompt
from shipper.model import User


class DoublePrompt(NamedTuple):
    """Two prompts that should have been one, and the servers that wrote them, where known."""

    pattern: Pattern
    component: str
    first: Prompt
    second: Prompt
    first_host: str | None
    second_host: str | None

    @property
    def gap(self) -> int:
        """Nanoseconds from the end of the first prompt to the start of the second; negative if they overlap."""
        gap: int = self.second[START] - self.first[END]
        return gap

    @property
    def order(self) -> tuple[str, str, str, str]:
        """The sort key: double prompts in the order in which their second prompts ended."""
        return self.second[END_TEXT], self.second[ID], self.first[ID], self.component


class Told(NamedTuple):
    """A finding.

    Attributes:
        position: position of the completion that it follows.
        detector: name of its detector.
        time: end of its period, as the log writes it; for a double prompt, the end of the second prompt.
        user: the user concerned.
        component: the component that wrote the authentications.
        host: the server that wrote them, if not the server of the log.
        double: for a double prompt, the two prompts.
        fatigue: for MFA fatigue, start and end as texts, and all numbers and flags of its event.
    """

    position: int
    detector: str
    time: str
    user: User
    component: str
    host: str | None
    double: DoublePrompt | None = None
    fatigue: dict[str, Any] | None = None


def told(found: Found) -> Told:
    """Return a finding as a report counts it."""
    name, finding, component, host = found.detector.name, found.finding, found.component, found.host
    if name == DOUBLE_PROMPT.name:
        first, second, sides = finding["first"], finding["second"], found.sides
        hosts = (sides.get("first"), sides.get("second")) if sides else (None, None)
        double = DoublePrompt(finding["pattern"], component, first, second, *hosts)
        return Told(found.position, name, second[END_TEXT], found.user, component, host, double)
    alert = found.alert
    if name != MFA_FATIGUE.name:
        return Told(found.position, name, alert.end, found.user, component, host)
    numbers = {field: value for field, value in alert.fields.items() if isinstance(value, bool | int)}
    fatigue = {"start": alert.start, "end": alert.end, **numbers}
    return Told(found.position, name, alert.end, found.user, component, host, None, fatigue)
