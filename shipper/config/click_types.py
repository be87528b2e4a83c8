"""Durations and sizes as types of command line options."""

import os
from typing import Any

import click

from shipper.config.units import duration, size
from shipper.errors import UsageError


class Duration(click.ParamType[int]):
    """`60s`, `10m`, `500ms`; a bare number is seconds. Nanoseconds as a value."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Nanoseconds of what the user wrote."""
        if isinstance(value, int):
            return value
        try:
            return duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Size(click.ParamType[int]):
    """`1MiB`, `64KiB`; a bare number is bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes of what the user wrote."""
        if isinstance(value, int):
            return value
        try:
            return size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def workers_of(text: str) -> int:
    """How many processes `--workers` asks for.

    Raises:
        UsageError: it is neither a number from 1 to 256 nor `auto`.
    """
    if text == "auto":
        return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    if not text.isdecimal() or len(text) > 3 or not 1 <= int(text) <= 256:
        raise UsageError(f"--workers {text}: expected a number from 1 to 256, or auto")
    return int(text)
