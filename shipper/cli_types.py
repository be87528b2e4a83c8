"""Durations and sizes as types of command line options."""

from typing import Any

import click

from shipper.units import duration, size


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
