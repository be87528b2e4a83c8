"""The order in which the oracle is given the authentications of several servers. For logs in the order of time."""

from collections.abc import Iterator, Sequence

from tests.support.oracle import Completion, Exchange, Misdated, completions, fingerprint_of, lines_of


def completions_across(sources: Sequence[Sequence[bytes]], timeout: int) -> Iterator[Completion]:
    """The authentications of all servers, by the time and then the `event.id` of the line that completes each.

    Args:
        sources: the files of each server, in the order in which they are read.
        timeout: `exchange_timeout`, nanoseconds.
    """
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
    for newest, _, completed in sorted(every, key=lambda entry: entry[:2]):
        yield 0, completed, newest


def line_ids(files: Sequence[bytes]) -> list[str]:
    """The `event.id` of each line, over all files."""
    ids: list[str] = []
    for data in files:
        offset, fingerprint = 0, fingerprint_of(data)
        for line in lines_of(data):
            ids.append(f"{fingerprint}-{offset}")
            offset += len(line)
    return ids
