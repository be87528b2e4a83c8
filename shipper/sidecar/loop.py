"""The sidecar's loop: read this after `pipeline.py`.

    tail -> LivePipelines (one pipeline per log) -> batch -> delivery -> acks -> checkpoint

One thread runs turn after turn. The loop reads only while the delivery takes batches, so a slow sink
stops the tail and memory does not grow: the log on disk is the queue. A position enters the
checkpoint only when everything before it has been delivered.
"""

from collections.abc import Callable, Mapping

from shipper.deliver.acks import Acks
from shipper.deliver.batch import Batcher, Limits, OpenBatch
from shipper.deliver.delivery import Delivery
from shipper.pipeline import Settings
from shipper.read.channels import FilesAndChannels
from shipper.read.position import MOST_GONE, prune
from shipper.read.tail import Tail
from shipper.sidecar.checkpoint import Checkpoint, Stored
from shipper.sidecar.places import Advance, place_record, records, warm_record
from shipper.sidecar.vitals import Vitals
from shipper.sidecar.warm_start import LivePipelines
from shipper.times import SECOND

SAVE_INTERVAL = SECOND  # minimum time between two checkpoints
READS_A_TURN = 64  # reads between two calls of the sink; a read is about 16 KiB


class Sidecar:
    """Follows the logs and delivers their events until `stopping` is set."""

    def __init__(
        self,
        tail: Tail | FilesAndChannels,
        delivery: Delivery,
        checkpoint: Checkpoint,
        settings: Settings,
        stored: Stored,
        *,
        limits: Limits,
        vitals: Vitals,
        now: Callable[[], int],
        wait: Callable[[float], object],
        poll_interval: int = SECOND // 4,
    ) -> None:
        """
        Args:
            tail: reads the logs from the stored positions on.
            delivery: takes the events.
            checkpoint: takes the positions.
            settings: settings of the pipelines.
            stored: positions and warm starts of the last run.
            limits: limits of a batch.
            vitals: updated by the loop.
            now: nanoseconds of a monotonic clock.
            wait: waits for at most the given number of seconds.
            poll_interval: nanoseconds between two checks of quiet files.
        """
        self.vitals = vitals
        vitals.delivery, vitals.tail = delivery, tail
        self._tail = tail
        self._delivery = delivery
        self._checkpoint = checkpoint
        self._batcher: Batcher[Advance] = Batcher(limits)
        self._full: OpenBatch[Advance] | None = None  # closed, not yet taken by the delivery
        self._acks: Acks[Advance] = Acks()
        self._sources = LivePipelines(settings, vitals.counts, stored.places, stored.warm, tail.replay)
        self._places = dict(stored.places)
        self._warm = dict(stored.warm)
        self._amends = dict(stored.amends)  # records to add to the next batch
        self._now = now
        self._wait = wait
        self._poll_interval = poll_interval
        self._eager_interval = min(poll_interval, max(SECOND // 100, limits.max_age // 4))
        self._last_read = now() - SECOND
        self._next_look = self._next_save = self._next_count = now()
        self._unsaved = self._has_to_save = False
        self._idle = False  # the last read found nothing
        self.stopping = False

    def run(self, shutdown_timeout: int) -> bool:
        """Run until `stopping` is set, then deliver all events read, within `shutdown_timeout` nanoseconds.

        Returns:
            False if some events could not be delivered in that time; the next run delivers them.
        """
        while not self.stopping:
            self.turn()
        return self.stop(shutdown_timeout)

    def turn(self) -> None:
        """Look for files, read, send, collect receipts, save: each step only if it is due."""
        now = self._now()
        if now >= self._next_look:
            self._tail.look()
            self._keep_begun()
            # A growing log is checked often enough to add little to the delay of a line.
            grows = now - self._last_read < SECOND
            self._next_look = now + (self._eager_interval if grows else self._poll_interval)
        self._read()
        self._send_aged()
        if self._idle and not self._batcher.waiting and not self._full:
            self._delivery.flush()
        self._collect(self._pause())
        self._save()
        self._observe()

    def stop(self, timeout: int) -> bool:
        """Deliver the events read, save the positions, close; see `run`."""
        deadline = self._now() + timeout
        while (self._waiting() or self._delivery.outstanding) and self._now() < deadline:
            self._send_all()
            if not self._waiting():
                self._delivery.flush()
            self._collect(min(0.1, max(0.0, (deadline - self._now()) / SECOND)))
        delivered = not self._waiting() and not self._delivery.outstanding
        self._next_save = self._now()
        self._save()
        self._delivery.sink.close(max(0.0, (deadline - self._now()) / SECOND))
        self._tail.close()
        self._observe()
        return delivered

    def _keep_begun(self) -> None:
        """Store where files with `start: end` begin, or lines written while the shipper is stopped would be skipped as well. Save
        the id prefix of a file that was truncated and written again before any such id is sent, so that the next run uses it."""
        begun = self._tail.begun
        if begun:
            self._places = {**begun, **self._places}
            self._unsaved = True
            self._has_to_save |= any(place.identity for place in begun.values())
            begun.clear()
        if self._has_to_save:
            self._next_save = self._now()
            self._save()
            self._has_to_save = self._unsaved

    def _read(self) -> None:
        """Read as long as the delivery takes the batches, at most `READS_A_TURN` times."""
        self._send_full()
        if self._has_to_save:
            self._idle = True
            return
        for _ in range(READS_A_TURN):
            if self._full:
                return
            reading = self._tail.read()
            self._idle = reading is None
            if reading is None:
                return
            self._last_read = self._now()
            block, advance = self._sources.process(reading)
            self.vitals.bytes_read += len(reading.chunk.data)
            self._full = self._batcher.add(block, advance, self._now())
            self._send_full()

    def _send_aged(self) -> None:
        due = self._batcher.due
        if due is not None and due <= self._now():
            self._send_all()

    def _send_all(self) -> None:
        """Close the open batch, full or not, and send it if the delivery takes it."""
        self._full = self._full or self._batcher.flush()
        self._send_full()

    def _send_full(self) -> None:
        if self._full and self._delivery.accepts:
            batch, self._full = self._full, None
            number = self._delivery.hand_over(batch.blocks, self._amends | records(batch.advances))
            self._amends.clear()
            self._acks.sent(number, batch.advances)
            self.vitals.sent(number, batch.events, batch.size, self._now())

    def _waiting(self) -> bool:
        return self._full is not None or self._batcher.due is not None

    def _pause(self) -> float:
        """Seconds until the next step is due."""
        now = self._now()
        if not self._idle and not self._full:
            return 0.0
        times = [self._next_look, self._batcher.due, self._delivery.wake, self._next_save if self._unsaved else None]
        due = min(time for time in times if time is not None)
        return max(0.0, min(due - now, self._poll_interval) / SECOND)

    def _collect(self, timeout: float) -> None:
        if not self._delivery.awaits_receipts:
            if timeout:
                self._wait(timeout)
            timeout = 0.0
        for number in self._delivery.turn(timeout):
            self.vitals.delivered(number, self._now())
            for key, place, warm in self._acks.done(number):
                self._places[key] = place
                self._warm[place.source] = warm
                self._unsaved = True

    def _save(self) -> None:
        now = self._now()
        # Save at once while the sink is down: the next attempt to reach it may hang until the process is killed.
        if not self._unsaved or (now < self._next_save and self._delivery.connected):
            return
        self._next_save = now + SAVE_INTERVAL
        if len(self._places) > MOST_GONE:
            self._forget()
        trouble = self._checkpoint.save(self._places, self._warm)
        self._unsaved = trouble is not None
        self.vitals.saved(trouble, now)

    def _forget(self) -> None:
        """Drop the oldest positions of files that are gone, here now and in the sink with the next batch."""
        kept = prune(self._places, self._tail.there)
        self._amends |= {place_record(key): None for key in self._places.keys() - kept.keys()}
        self._places = kept
        sources = {place.source for place in kept.values()}
        self._amends |= {warm_record(source): None for source in self._warm.keys() - sources}
        self._warm = {source: start for source, start in self._warm.items() if source in sources}

    @property
    def problems(self) -> Mapping[str, str]:
        """Present problems with files, by path."""
        return self._tail.problems

    @property
    def apart(self) -> Mapping[str, str]:
        """Why a file is read as a log of its own in spite of its name, by path."""
        return self._tail.sources.apart

    def take_losses(self) -> list[str]:
        """The losses of unread data found since the last call, as sentences."""
        told, self._tail.losses.told = self._tail.losses.told, []
        return told

    @property
    def at_rest(self) -> bool:
        """True if everything readable is delivered and recorded in the checkpoint."""
        return self._idle and not self._waiting() and not self._delivery.outstanding and not self._unsaved

    def _observe(self) -> None:
        """Update the numbers in `vitals` that another thread must not compute itself."""
        v = self.vitals
        v.beat = self._now()
        v.events_waiting = self._batcher.waiting + (self._full.events if self._full else 0) + v.events_under_way
        v.files_open, v.lag_bytes = self._tail.levels
        v.newest = self._sources.newest
        if v.beat >= self._next_count or self.stopping:  # counting many users takes a while
            self._next_count = v.beat + SECOND
            v.memo_entries, v.users = self._sources.sizes
