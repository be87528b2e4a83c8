"""Detectors: rules over completed authentications. `DETECTORS` is the register."""

from shipper.detect import double_prompt

DETECTORS = {"double_prompt": double_prompt}
