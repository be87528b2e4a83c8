"""A double_prompt finding in words and in fields. Pure."""

from typing import Any

from shipper.detect.double_prompt import Finding, Rule
from shipper.times import SECOND

MS = 1_000_000


def describe(finding: Finding, user: str) -> str:
    """The finding as a sentence for a person."""
    first, second = finding["first"], finding["second"]
    gap = second["start"] - first["end"]
    if finding["pattern"] == "concurrent":
        return (
            f"{user} was asked twice: a second prompt began {_seconds(-gap)} before the first one was over. "
            "The client did not wait for the answer; a longer RADIUS timeout helps."
        )
    if finding["pattern"] == "retry":
        return f"{user} was asked again {_seconds(gap)} after a prompt that ended without success."
    return (
        f"{user} was asked twice: a second prompt began {_seconds(gap)} after the first one had succeeded. "
        f"Caching for {cache_seconds(finding)} s would have spared it."
    )


def _seconds(duration: int) -> str:
    return f"{duration / SECOND:.1f} s"


def cache_seconds(finding: Finding) -> int:
    """The smallest whole number of cache seconds, at least 1, that would have spared the second prompt."""
    gap = finding["second"]["start"] - finding["first"]["end"]
    return max(1, -(-gap // SECOND))


def fields(finding: Finding, rule: Rule) -> dict[str, Any]:
    """The fields `azure_mfa.double_prompt.*` of the event."""
    first, second = finding["first"], finding["second"]
    found: dict[str, Any] = {
        "pattern": finding["pattern"],
        "gap_ms": (second["start"] - first["end"]) // MS,
        "window_ms": rule.window // MS,
        "count": finding["count"],
        "already_in_progress": finding["already_in_progress"],
    }
    if finding["pattern"] == "sequential":
        found["cache_seconds"] = cache_seconds(finding)
    for name, prompt in (("first", first), ("second", second)):
        found[name] = {
            "id": prompt["id"],
            "start": prompt["start_text"],
            "end": prompt["end_text"],
            "code": prompt["code"],
            "method": prompt["method"],
        }
    return found
