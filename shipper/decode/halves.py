"""Parses a verdict without its status, or a status without its verdict: a read often ends between the two. Pure.

Part of the fast path, see `plain.py`.
"""

from collections import Counter

from shipper.decode.parser import Parser
from shipper.decode.pieces import weave
from shipper.decode.threads import Thread
from shipper.model import Counts, ExchangeFields

# Stands for a missing exchange: it starts after any line.
NO_EXCHANGE: ExchangeFields = (1 << 100, "", "", None, "", None)


def add_all(counts: Counts, used: list[Counts]) -> None:
    """Add each of `used` to the counts; the same few objects repeat in it."""
    numbers = Counter(map(id, used))
    for more in {id(more): more for more in used}.values():
        counts.add(more, numbers[id(more)])


def take_half(
    general: Parser,
    thread: Thread | None,
    stamp: str,
    whole: int | None,
    fraction: str,
    verdict: str,
    status: str,
    offset: int,
    head: str,
    original: str | None = None,
    counted: list[Counts] | None = None,
) -> int:
    """Parse a verdict or a status that comes alone.

    Args:
        general: the parser that holds the state and gets the event.
        thread: the thread of the line; None if the line is not plain.
        stamp: the time stamp of the line.
        whole: its whole seconds in nanoseconds since 1970; None if it names no real instant.
        fraction: the six digits of its fraction.
        verdict, status: the number in the line; the other is empty.
        offset: byte offset of the line in the file.
        head: the line up to the `|` before its message.
        original: the whole line with its wrapper, escaped as in a JSON string; None if it has no wrapper.
        counted: gets what the line adds to the counts; None: added to those of `general`.

    Returns:
        The length of the line; 0 if the general path must take it.
    """
    if thread is None or whole is None:
        return 0
    time = whole + int(fraction) * 1000
    state, key = thread.state, thread.key
    start, start_text, request_id, who, shared, outcome = state.exchanges.open.get(key, NO_EXCHANGE)
    newest = max(state.newest, time)
    alive = 0 <= time - start <= state.exchanges.timeout and newest - start <= state.exchanges.patience
    if not alive or time > state.limit or state.merger is not None:
        return 0
    half = thread.templates.verdict(verdict) if verdict else thread.templates.status(outcome, status)
    if half is None:
        return 0
    general.last_time, state.newest, state.spoke = stamp, newest, True
    event_id = f"{general.file.fingerprint}-{offset}"
    line = f"{head}|authResult = {verdict}" if verdict else f"{head}|rawCallStatus = {status}"
    pieces, origin = half.event
    original = (line if original is None else original) if general.options.keep_original else ""
    gaps = [stamp, event_id, *(() if verdict else (start_text, stamp, str(time - start)))]
    general.texts.append(weave(pieces, [*gaps, original, shared, str(offset), request_id]))
    general.labels.append((stamp, event_id, origin, who and who[3]))
    if counted is None:
        general.counts.add(half.counts)
    else:
        counted.append(half.counts)
    if verdict:
        state.exchanges.open[key] = (start, start_text, request_id, who, shared, half.outcome)
        return len(line)
    del state.exchanges.open[key]
    position, code = len(general.texts) - 1, half.code
    assert code is not None
    general.completions.append(
        (position, who, request_id, thread.component, start, start_text, time, stamp, code, half.success, newest)
    )
    return len(line)
