"""The tail: which files there are, who each of them is, and the next lines in fair turns. I/O.

Files are found by glob and watched by stat, which works on network shares too. A file is known by
its content: the fingerprint of its first dated line, and a check of the bytes before the place where
reading goes on. Device and inode are only a hint that saves looking. So it is the same log after a
rename, as a copy, as `.gz` and on a share that comes back, and another one under a reused inode.
"""

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from shipper.read.files import LINE_LIMIT, READ_SIZE
from shipper.read.followed import Changed, Followed, follow
from shipper.read.identity import StampOf, no_other, source_name
from shipper.read.opener import Open, default_opener
from shipper.read.position import Position
from shipper.read.reading import Reading
from shipper.read.reunite import KnownPositions
from shipper.read.tail_input import CROWDED, TailInput

PATIENCE = 12  # times rotate_wait, for a file that holds no whole line with a time stamp


class Tail:
    """All logs that are followed. Nothing here raises OSError: trouble with a path is in `problems`."""

    def __init__(
        self,
        inputs: Sequence[TailInput],
        places: Mapping[str, Position],
        *,
        now: Callable[[], float],
        line_limit: int = LINE_LIMIT,
        read_size: int = READ_SIZE,
        rotate_wait: float = 5.0,
        glob_interval: float = 1.0,
        most_open: int | None = None,
        opener: Open | None = None,
        stamp_of: StampOf = no_other,
    ) -> None:
        """
        Args:
            inputs: what to follow; a file that two of them match is read once.
            places: how far files were read before, by key.
            now: seconds of a clock that only goes forward.
            line_limit, read_size: bytes.
            rotate_wait: seconds without a change after which a file that was rotated away is complete.
            glob_interval: seconds between two searches for new files, while nothing says that there are some.
            most_open: how many files may be open at once; None: as many as there are.
            opener: opens a file for reading.
            stamp_of: for lines that do not begin as MFA Server writes them.
        """
        self._inputs = inputs
        self._now = now
        self._rotate_wait, self._glob_interval = rotate_wait, glob_interval
        self._most_open = most_open
        self._reading_of = partial(
            follow, opener or default_opener(), read_size=read_size, line_limit=line_limit, stamp_of=stamp_of
        )
        self._kin = KnownPositions(places)
        self._files: list[Followed] = []
        self._closed: dict[tuple[int, int], tuple[tuple[int, int], str]] = {}  # read to the end: size and time, path
        self._groups: dict[str, list[Followed]] = {}
        self._turns: list[str] = []
        self._next_glob = now()
        self._first_look, self._crowded = True, False
        self.rotations = self.truncations = self.lost_bytes = 0
        self.problems: dict[str, str] = {}
        self.past_lost: set[str] = set()  # sources whose recent past could not be read again at the start

    def look(self) -> None:
        """See what became of the files, and find new ones where it is time to. Never waits."""
        now = self._now()
        moved = False
        for one in list(self._files):
            try:
                moved |= self._watch(one, now)
                self.problems.pop(one.path, None)
            except OSError as error:
                self.problems[one.path] = f"{one.path} cannot be read: {error.strerror}"
        if moved or now >= self._next_glob:
            self._next_glob = now + self._glob_interval
            self._search(now)
        self._recognize(now)
        self._finish(now)
        self._first_look = False
        self._groups = {}
        for one in sorted(self._files, key=lambda one: one.order):
            if one.key:
                self._groups.setdefault(one.source, []).append(one)

    def _watch(self, one: Followed, now: float) -> bool:
        """See what became of a file; True if it was rotated or cut, so that others may have come."""
        try:
            status = os.stat(one.path)
            away = (status.st_dev, status.st_ino) != (one.device, one.inode)
        except OSError:
            if not os.path.isdir(os.path.dirname(one.path) or "."):
                return False  # the whole folder is away, as a share can be: that says nothing about the file
            away = True
        if away:
            status = os.fstat(one.content.descriptor)
        moved = away and not one.gone
        if moved:
            self.rotations += not one.rotated
            one.rotated = one.gone = True
        touched, one.modified = status.st_mtime_ns != one.modified, status.st_mtime_ns
        return self._resize(one, status.st_size, now, touched=touched) or moved

    def _resize(self, one: Followed, size: int, now: float, *, touched: bool) -> bool:
        """Note the size of a file; True if it was cut. One that was `touched` may be another of the same size."""
        if size == one.size and (not touched or not one.key or one.unchanged):
            return False
        previous, one.size = one.size, size
        one.quiet_since = now
        one.final = False
        one.content.retry()
        if not one.key:
            one.start_over()
        elif not one.content.packed and (size < previous or not one.unchanged):  # a log never shrinks
            self._cut(one, previous)
            return True
        return False

    def _cut(self, one: Followed, previous: int) -> None:
        """A file was cut: what it will hold is another log. A copy may still have what was not read."""
        lost = max(0, previous - one.offset)
        self.truncations += 1
        self.lost_bytes += lost
        self._kin.leave(one, lost)
        one.start_over()
        one.from_end, one.rotated = False, one.gone

    def _search(self, now: float) -> None:
        """Find new files, and the new names of known ones."""
        tried: set[str] = set()
        self._crowded = False
        found: dict[tuple[int, int], tuple[str, TailInput, tuple[int, int]]] = {}
        for given in self._inputs:
            excluded = {path for pattern in given.exclude for path in glob.glob(pattern, recursive=True)}
            for path in sorted(glob.glob(given.path, recursive=True)):
                if path in excluded:
                    continue
                tried.add(path)
                try:
                    status = os.stat(path)
                except OSError as error:
                    self.problems[path] = f"{path} cannot be read: {error.strerror}"
                    continue
                if os.path.isfile(path):
                    found.setdefault((status.st_dev, status.st_ino), (path, given, (status.st_size, status.st_mtime_ns)))
        for one in self._files:
            here = found.pop((one.device, one.inode), None)
            if here is not None and here[0] != one.path:
                one.path, one.gone = here[0], False
            elif here is not None and one.gone:
                one.gone = False  # a share that came back
                one.rotated = one.content.packed
        for identity, (path, given, state) in found.items():
            known = self._closed.get(identity)
            if known is not None and known[0] == state:
                self._closed[identity] = state, path
                continue
            self._closed.pop(identity, None)
            if self._make_room():
                self._follow(path, given)
        for identity in [one for one, (_, path) in self._closed.items() if one not in found and not os.path.exists(path)]:
            del self._closed[identity]
        self.problems = {path: problem for path, problem in self.problems.items() if path in tried}
        if self._crowded:
            self.problems[""] = CROWDED

    def _make_room(self) -> bool:
        """Close the file that has been quiet for longest, if all may be open that are; it is opened again when it grows."""
        if self._most_open is None or len(self._files) < self._most_open:
            return True
        done = [one for one in self._files if one.key and one.at_end and not one.has_rest and not one.gone]
        self._crowded |= not done
        if done:
            self._close(min(done, key=lambda one: one.quiet_since))
        return bool(done)

    def _follow(self, path: str, given: TailInput) -> None:
        try:
            one = self._reading_of(path, source_name(path), given.encoding, now=self._now())
        except OSError as error:
            self.problems[path] = f"{path} cannot be read: {error.strerror}; it is tried again"
            return
        self.problems.pop(path, None)
        one.from_end = given.start == "end" and self._first_look
        self._files.append(one)

    def _recognize(self, now: float) -> None:
        """Say who the new files are: known ones go on, copies wait."""
        inodes = {place.inode for place in self._kin.places.values()}
        for one in sorted((one for one in self._files if not one.key), key=lambda one: one.inode not in inodes):
            try:
                if one.identify():
                    self._kin.claim(one, self._files, quiet=now - one.quiet_since >= self._rotate_wait)
                    if one.key and one.from_end and not one.place_was_known:
                        one.go_to_end()
            except OSError as error:
                self.problems[one.path] = f"{one.path} cannot be read: {error.strerror}"
        self.lost_bytes -= self._kin.take_recovered()

    def _finish(self, now: float) -> None:
        """Close what is complete: rotated away or followed by a newer file, read, and quiet for a while."""
        newest = {one.source: one.order for one in sorted(self._files, key=lambda one: one.order) if one.key}
        for one in list(self._files):
            if now - one.quiet_since < self._rotate_wait:
                continue
            # Nothing can be said of a file without a whole dated line but when it was written.
            if one.key:
                superseded = one.order < newest[one.source]
            else:
                waited = now - one.quiet_since >= PATIENCE * self._rotate_wait
                superseded = waited and one.file is None and self._has_younger(one)
            if not (one.rotated or superseded):
                continue
            if not one.final:
                one.final = True  # a last line without its end is a line now
            elif one.at_end or not one.key:
                self._close(one)

    def _has_younger(self, one: Followed) -> bool:
        return any(o.modified >= one.modified for o in self._files if o.source == one.source and o is not one)

    def _close(self, one: Followed) -> None:
        trouble = one.content.trouble
        if trouble:
            self.problems[one.path] = trouble
        if not one.gone:
            status = os.fstat(one.content.descriptor)
            self._closed[one.device, one.inode] = (one.size, status.st_mtime_ns), one.path
        self._kin.leave(one, 0)
        self._files.remove(one)
        one.close()

    def read(self) -> Reading | None:
        """The next lines: sources take turns, and inside a source the oldest file comes first; None if there are none."""
        if len(self._turns) != len(self._groups) or any(source not in self._groups for source in self._turns):
            kept = [source for source in self._turns if source in self._groups]
            self._turns = kept + [source for source in self._groups if source not in kept]
        for number, source in enumerate(self._turns):
            reading = self._read_source(self._groups[source])
            if reading is not None:
                self._turns = self._turns[number + 1 :] + self._turns[: number + 1]
                return reading
        return None

    def _read_source(self, files: list[Followed]) -> Reading | None:
        for number, one in enumerate(files):
            if not one.key:
                continue
            try:
                chunk = one.next()
            except Changed:
                self._cut(one, one.size)
                self._next_glob = self._now()
                continue
            except OSError as error:
                self.problems[one.path] = f"{one.path} cannot be read: {error.strerror}"
                continue
            if chunk is not None:
                assert one.file is not None
                return Reading(one.key, one.file, chunk, one.place())
            if one.has_rest and number + 1 < len(files):
                return None  # the newer file begins when it is clear what becomes of this last line
        return None

    def replay(self, source: str, key: str, offset: int) -> Iterator[Reading]:
        """Once more, the lines of a source from there up to the places that this tail began with.

        What is no longer there is left out; the source is in `past_lost` then.
        """
        places = self._kin.began_with(source)
        keys = [one for one, _ in places]
        if key not in keys:
            self.past_lost.add(source)
            return
        for place_key, place in places[keys.index(key) :]:
            one = self._known_file(place_key)
            if one is None:
                self.past_lost.add(source)
                continue
            assert one.file is not None
            for chunk in one.between(offset if place_key == key else 0, place.offset):
                yield Reading(place_key, one.file, chunk, place)
            if one not in self._files:
                one.close()

    def _known_file(self, key: str) -> Followed | None:
        """The file of a key, opened again if it was closed."""
        for one in self._files:
            if one.key == key:
                return one
        paths = [path for _, path in self._closed.values()]
        return self._kin.find(key, paths, lambda path, source: self._reading_of(path, source, "auto", now=self._now()))

    @property
    def there(self) -> set[tuple[int, int]]:
        """Device and inode of every file that is there."""
        return {*self._closed, *((one.device, one.inode) for one in self._files)}

    @property
    def levels(self) -> tuple[int, int]:
        """How many files are open, and how many bytes are there and not read."""
        return len(self._files), sum(one.lag for one in self._files if one.key or one.file is None)

    def close(self) -> None:
        """Close all files."""
        while self._files:
            self._files.pop().close()
