"""`replay`: dead letters are sent again, and only those that were delivered are taken away. I/O."""

import time

from shipper.config.sections import Config
from shipper.deliver.dead_letters import DeadLetterFile
from shipper.deliver.sink import Batch, Receipt, Sink, SinkDown, TransactionRefused
from shipper.errors import RunError
from shipper.sidecar.assemble import build_sink, dead_letter_file
from shipper.sidecar.checkpoint import Checkpoint
from shipper.sidecar.lock import Lock

DEADLINE = 60.0  # seconds for one letter


def replay(config: Config, path: str | None) -> tuple[int, int]:
    """Send the dead letters of `state_dir`, or of a file at `path`; how many were delivered, and how many stay.

    Raises:
        UsageError: a shipper runs on the state directory; stop it first.
        RunError: the sink cannot be reached. Letters that were delivered by then are taken away.
    """
    Checkpoint(config.state_dir)
    lock = Lock(config.state_dir)
    letters = DeadLetterFile(path) if path else dead_letter_file(config)
    sink = build_sink(config)
    kept: list[int] = []
    lines = [line for line, _ in letters.read()]
    at = 0
    try:
        sink.open()
        for at, line in enumerate(lines):
            # One by one: what is refused again must not take others with it.
            sink.send(Batch(at + 1, line + b"\n", 1))
            if _receipt(sink).refused:
                kept.append(at)
        at = len(lines)
    except TransactionRefused as error:
        raise RunError(f"letter {at + 1} is refused again ({error}); with exactly_once replay cannot go on behind it") from None
    except SinkDown as error:
        raise RunError(f"the sink does not accept events: {error}; {at} of {len(lines)} letters were sent") from None
    finally:
        if at:
            letters.keep_only([*kept, *range(at, len(lines))])
        sink.close(5.0)
        lock.release()
    return len(lines) - len(kept), len(kept)


def _receipt(sink: Sink) -> Receipt:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        sink.flush()
        receipts = sink.poll(0.2)
        if receipts:
            return receipts[0]
    raise SinkDown(f"no answer within {DEADLINE:g} s")
