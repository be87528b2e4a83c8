"""`replay`: send dead letters again and remove the delivered ones. I/O."""

import contextlib
import os
import time
from collections.abc import Sequence

from shipper.config.sections import Config
from shipper.deliver.dead_letters import DeadLetterFile, label_of
from shipper.deliver.sink import Batch, Receipt, Sink, SinkDown, TransactionRefused, joined
from shipper.errors import RunError, UsageError
from shipper.sidecar.assemble import dead_letter_file, keep_transactional_id
from shipper.sidecar.checkpoint import Checkpoint
from shipper.sidecar.lock import lock_state
from shipper.sidecar.sinks import build_sink

AT_ONCE = 100  # letters in a batch
DEADLINE = 60.0  # seconds for a batch
INDEXERS_DEADLINE = 330.0  # likewise for Splunk, whose collector gives up after 300


def replay(config: Config, path: str | None) -> tuple[int, int]:
    """Send the dead letters of `state_dir`, or of the file at `path`; return how many were delivered and how many are kept.

    Raises:
        UsageError: a shipper runs on the state directory, or the file holds no dead letters.
        RunError: the sink cannot be reached. Letters delivered by then are removed.
    """
    with contextlib.ExitStack() as held:
        if os.path.isdir(config.state_dir):  # a folder made here would belong to this user, not to the service
            Checkpoint(config.state_dir)
            held.callback(lock_state(config.state_dir).release)
            keep_transactional_id(config)
        letters = DeadLetterFile(path) if path else dead_letter_file(config)
        lines = [line for line, _ in letters.read()]
        if path and not lines and os.path.getsize(path):
            raise UsageError(f"{path} holds no dead letters; give a file that run wrote, or none for those of state_dir")
        kafka = config.output.kafka
        alone = config.output.type == "kafka" and kafka is not None and kafka.exactly_once
        return _send(build_sink(config), letters, lines, 1 if alone else AT_ONCE) if lines else (0, 0)


def _send(sink: Sink, letters: DeadLetterFile, lines: Sequence[bytes], at_once: int) -> tuple[int, int]:
    kept: list[int] = []
    sent = 0
    try:
        sink.open()
        # In transactions, one letter at a time: a letter that is refused again would abort the others with it.
        for number, sent in enumerate(range(0, len(lines), at_once), 1):
            batch = lines[sent : sent + at_once]
            sink.send(Batch(number, (joined((line, label_of(line)) for line in batch),)))
            kept += [sent + refusal.index for refusal in _receipt(sink).refused]
        sent = len(lines)
    except TransactionRefused as error:
        raise RunError(f"letter {sent + 1} is refused again ({error}); with exactly_once replay cannot go on behind it") from None
    except SinkDown as error:
        raise RunError(f"the sink does not accept events: {error}; {sent} of {len(lines)} letters were sent") from None
    finally:
        if sent:
            letters.keep_only([*kept, *range(sent, len(lines))])
        sink.close(5.0)
    return len(lines) - len(kept), len(kept)


def _receipt(sink: Sink) -> Receipt:
    deadline = INDEXERS_DEADLINE if sink.name == "splunk_hec" else DEADLINE
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        sink.flush()
        receipts = sink.poll(0.2)
        if receipts:
            return receipts[0]
    raise SinkDown(f"no answer within {deadline:g} s")
