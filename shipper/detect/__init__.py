"""Detectors: rules over completed authentications. `DETECTORS` registers them by name; all other code reads it."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from shipper.detect.double_prompt import DOUBLE_PROMPT
from shipper.detect.mfa_fatigue import MFA_FATIGUE
from shipper.detect.protocol import AnyDetector, Rule

DETECTORS: dict[str, AnyDetector] = {detector.name: detector for detector in (DOUBLE_PROMPT, MFA_FATIGUE)}


EXCHANGE_TIMEOUT = "exchange_timeout"


def default_rules() -> dict[str, Rule]:
    """Every detector, with its default parameters."""
    return {name: detector.rule() for name, detector in DETECTORS.items()}


def rules_for(names: Collection[str], exchange_timeout: int, options: Mapping[str, Mapping[str, Any]]) -> dict[str, Rule]:
    """The parameters of the detectors to run, by name.

    Args:
        names: the names of the detectors.
        exchange_timeout: of the log, in nanoseconds; set in the rules that have such a parameter.
        options: other parameters that differ from the default, by detector.
    """
    rules: dict[str, Rule] = {}
    for name, detector in DETECTORS.items():
        if name in names:
            shared = {EXCHANGE_TIMEOUT: exchange_timeout} if EXCHANGE_TIMEOUT in option_names(name) else {}
            rules[name] = detector.rule(**{**options.get(name, {}), **shared})
    return rules


def option_names(name: str) -> list[str]:
    """The names of a detector's parameters."""
    return [field.name for field in fields(DETECTORS[name].rule)]
