"""Detectors: rules over completed authentications. `DETECTORS` is the register."""

from collections.abc import Collection, Mapping
from typing import Any

from shipper.detect import double_prompt
from shipper.detect.protocol import AnyDetector, Rule

DETECTORS: dict[str, AnyDetector] = {detector.name: detector for detector in (double_prompt.DETECTOR,)}


def default_rules() -> dict[str, Rule]:
    """Every detector with its default parameters."""
    return {name: detector.rule() for name, detector in DETECTORS.items()}
