"""Findings as a report reads them: of their events, only what it tells. Pure."""

from typing import Any, Literal

import msgspec


class Side(msgspec.Struct, gc=False):
    """One of two prompts."""

    id: str
    start: str
    end: str
    code: str
    method: str
    host: str | None = None


class DoublePrompt(msgspec.Struct, gc=False):
    """Two prompts that should have been one."""

    pattern: Literal["sequential", "concurrent", "retry"]
    gap_ms: int
    first: Side
    second: Side


class Findings(msgspec.Struct):
    """What the detectors say; that of the detector that made the finding is not None."""

    double_prompt: DoublePrompt | None = None
    mfa_fatigue: dict[str, Any] | None = None


class About(msgspec.Struct):
    """The fields below `event`."""

    action: str
    start: str
    end: str
    provider: str


class Event(msgspec.Struct):
    """The event of a finding."""

    event: About
    azure_mfa: Findings


_READ = msgspec.json.Decoder(Event).decode


def event(text: str) -> tuple[About, Findings]:
    """The event of a finding, from its text (UTF-8 read as latin-1)."""
    read = _READ(text.encode("latin-1"))
    return read.event, read.azure_mfa
