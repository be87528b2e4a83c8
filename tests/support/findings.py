"""The findings among the events that came out, in the form in which the oracle gives them."""

from typing import Any

import orjson

from tests.support.oracle import Finding


def findings(output: bytes, detector: str = "double_prompt") -> list[Finding]:
    """The findings of a detector among the events, in the form of the oracle."""
    found: list[Finding] = []
    line = -1
    for text in output.splitlines():
        event: dict[str, Any] = orjson.loads(text)
        if event["event"]["kind"] != "alert":
            line += 1
            continue
        about = event["event"]
        if about["action"] != detector:
            continue
        fields = {
            "id": about["id"],
            "timestamp": event["@timestamp"],
            "start": about["start"],
            "end": about["end"],
            "duration": about["duration"],
            **event["azure_mfa"][detector],
        }
        found.append(Finding(line, fields))
    return found
