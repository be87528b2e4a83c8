"""Load the patterns, code table and time zones that a command's options name. I/O."""

from pathlib import Path

from shipper.decode.facts import Library
from shipper.decode.library import load, syslog_time, zone_of


def library_of(
    pattern_dirs: tuple[Path, ...], status_codes: Path | None, syslog_year: str | None, syslog_zone: str, local_zone: str | None
) -> Library:
    """The library for decoding lines and records.

    Raises:
        UsageError: patterns, code table, year or zone are wrong.
    """
    syslog = syslog_time(syslog_year, zone_of(syslog_zone, "--syslog-zone"), "--syslog-year")
    local = None if local_zone is None else zone_of(local_zone, "--local-zone")
    return load(pattern_dirs, status_codes, syslog=syslog, local_zone=local)
