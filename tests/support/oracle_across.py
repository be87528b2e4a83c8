"""The oracle over several servers: the same rule over the authentications of all, sorted. For logs in the order of time."""

from collections.abc import Sequence

from tests.support.oracle import (
    HORIZON_TIMEOUTS,
    Exchange,
    Finding,
    Found,
    Misdated,
    completions,
    consequences,
    fingerprint_of,
    is_second_prompt_spared,
    lines_of,
)


def find_across(sources: Sequence[Sequence[bytes]], *, window: int, timeout: int, retries: bool = False) -> Found:
    """The findings in the order in which they are made (their `line` is 0), and the sums.

    Args:
        sources: the files of each server, in the order in which they are read.
        window: nanoseconds.
        timeout: `exchange_timeout`, nanoseconds.
        retries: `include_retries`.
    """
    horizon = window + HORIZON_TIMEOUTS * timeout
    every: list[tuple[int, str, Exchange]] = []
    for files in sources:
        ids = line_ids(files)
        own = list(completions(files, timeout))
        misdated = {completed.id for _, completed, _ in own if isinstance(completed, Misdated)}
        every += [
            (completed.end, ids[index], completed)
            for index, completed, _ in own
            if isinstance(completed, Exchange) and completed.id not in misdated
        ]
    known: list[Exchange] = []
    busy: list[Exchange] = []
    found = Found()
    for newest, _, completed in sorted(every, key=lambda entry: entry[:2]):
        remembered = [e for e in known if e.end >= newest - horizon]
        if completed.code == "101":
            busy.append(completed)
        new = consequences(completed, remembered, known, busy, newest - horizon, window, timeout, retries)
        found.findings += [Finding(0, fields) for fields in new]
        found.cache_hits += completed.cached and is_second_prompt_spared(completed, remembered, window)
    return found


def line_ids(files: Sequence[bytes]) -> list[str]:
    """The `event.id` of each line, over all files."""
    ids: list[str] = []
    for data in files:
        offset = 0
        for line in lines_of(data):
            ids.append(f"{fingerprint_of(data)}-{offset}")
            offset += len(line)
    return ids
