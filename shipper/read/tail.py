"""The tail: find the files to follow, identify each, and read their next lines in fair turns. I/O.

Files are found by glob and watched by stat, which works on network shares too. A file is known by
its content: the fingerprint of its first dated line, and a check of the bytes before the position
where reading resumes. Device and inode are only a hint that saves reading. So a file stays the same log
after a rename, as a copy, as `.gz` and on a share that comes back; a new file under its inode is another log.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from shipper.read.closed import ClosedFiles
from shipper.read.followed import Changed, Followed, follow
from shipper.read.inputs import FileId, Match, TailInput, TailOptions, cannot_read, file_id, find
from shipper.read.losses import Losses
from shipper.read.neighbours import was_renamed
from shipper.read.position import Position, Reading
from shipper.read.reunite import KnownPositions
from shipper.read.sources import Sources

CROWDED = "too many logs to keep open at once: some wait until others have been read; raise the limit of open files"


class Tail:
    """All logs that are followed.

    No method raises OSError: errors are kept in `problems`.

    Attributes:
        rotations, truncations: counted since the start.
        losses: data that was gone before it could be read.
        problems: why a path cannot be read, as sentences by path; empty if all can.
        begun: see `KnownPositions`; also holds the positions at which files with `start: end` begin.
        past_lost: sources whose recent past could not be read again at the start.
        sources: which log each file belongs to, and why a file was set apart.
    """

    def __init__(
        self,
        inputs: Sequence[TailInput],
        positions: Mapping[str, Position],
        options: TailOptions | None = None,
        *,
        now: Callable[[], float],
    ) -> None:
        """
        Args:
            inputs: what to follow; a file that two inputs match is read once.
            positions: how far files were read before, by key.
            options: how to follow them.
            now: seconds of a monotonic clock.
        """
        self._inputs = inputs
        self._now = now
        self._options = options or TailOptions()
        self._known = KnownPositions(positions)
        self.sources = Sources(positions.values(), self._options)
        self._files: list[Followed] = []
        self._closed = ClosedFiles()
        self._by_source: dict[str, list[Followed]] = {}
        self._turns: list[str] = []
        self._next_search = now()
        self._first_look, self._crowded = True, False
        self._held: set[str] = set()  # sources that wait until one of their rotated files is identified
        self.rotations = self.truncations = 0
        self.losses = Losses(self._known)
        self.problems: dict[str, str] = {}
        self.begun = self._known.begun
        self.past_lost: set[str] = set()

    def look(self) -> None:
        """Check every file, and search for new ones if a search is due. Never waits."""
        now = self._now()
        moved = False
        for file in list(self._files):
            try:
                moved |= self._watch(file, now)
                self.problems.pop(file.path, None)
            except OSError as error:
                self.problems[file.path] = cannot_read(file.path, error)
        if moved or now >= self._next_search:
            self._next_search = now + self._options.glob_interval
            self._search(now)
        self._recognize(now)
        if self._finish(now):
            self._recognize(now)
        self._first_look = False
        self._held = {file.source for file in self._files if self._may_be_older(file, now)}
        self._by_source = {}
        for file in sorted(self._files, key=lambda file: file.order):
            if file.key:
                self._by_source.setdefault(file.source, []).append(file)

    def _watch(self, file: Followed, now: float) -> bool:
        """Check a file; True if it was rotated or truncated, so that new files may be there."""
        try:
            status = os.stat(file.path)
            away = file_id(status) != file.id
        except OSError:
            if not os.path.isdir(os.path.dirname(file.path) or "."):
                return False  # the whole folder is gone, such as an unmounted share: that says nothing about the file
            away = True
        if away:
            status = file.status()
        moved = away and not file.gone
        if moved:
            self.rotations += not file.rotated
            file.rotated = file.gone = True
            self.losses.left(file, status.st_mtime_ns)
        touched, file.modified = status.st_mtime_ns != file.modified, status.st_mtime_ns
        return self._resize(file, status.st_size, now, touched=touched) or moved

    def _resize(self, file: Followed, size: int, now: float, *, touched: bool) -> bool:
        """Note a file's size; True if it was truncated, or may have been: if `touched`, perhaps rewritten to the same size."""
        if size == file.size and (not touched or not file.key or file.unchanged):
            return False
        previous, file.size = file.size, size
        file.quiet_since = now
        file.final = False
        file.content.retry()
        if not file.key:
            unknown = file.file is None  # never identified, so copytruncate cannot be ruled out
            file.start_over()
            return unknown
        if not file.content.packed and (size < previous or not file.unchanged):  # a log never shrinks
            self._truncated(file, previous)
            return True
        return False

    def _truncated(self, file: Followed, previous: int) -> None:
        """Start over with a truncated file of `previous` bytes: it holds another log now. A copy may hold the unread bytes."""
        lost = max(0, previous - file.offset)
        self.truncations += 1
        self.losses.bytes += lost
        self._known.release(file, lost)
        file.start_over()
        file.from_end, file.rotated = False, file.gone

    def _search(self, now: float) -> None:
        """Find new files, and new names of known files."""
        found = find(self._inputs)
        self.problems |= found.problems
        self.losses.searched(found)
        self._crowded = False
        for file in self._files:
            match = found.files.pop(file.id, None)
            if match is not None:
                file.found_at(match.path)
        for identity, match in found.files.items():
            if not self._closed.has(identity, match) and self._make_room():
                self._follow(match, now)
        self._closed.forget_missing(found)
        self.problems = {path: problem for path, problem in self.problems.items() if path in found.paths}
        if self._crowded:
            self.problems[""] = CROWDED

    def _make_room(self) -> bool:
        """Close the file that has been quiet longest, if no more may be open; it is reopened when it grows."""
        if self._options.most_open is None or len(self._files) < self._options.most_open:
            return True
        done = [file for file in self._files if file.key and file.at_end and not file.has_rest and not file.gone]
        self._crowded |= not done
        if done:
            self._close(min(done, key=lambda file: file.quiet_since))
        return bool(done)

    def _follow(self, match: Match, now: float) -> None:
        path = match.path
        try:
            file = follow(path, self.sources.of(path), match.given.encoding, self._options, now)
        except OSError as error:
            self.problems[path] = cannot_read(path, error)
            return
        self.problems.pop(path, None)
        file.host = match.given.host
        file.from_end = match.given.start == "end" and self._first_look
        self._files.append(file)
        self.losses.came(file)

    def _recognize(self, now: float) -> None:
        """Identify the new files: a known one resumes, a copy waits."""
        inodes = {position.inode for position in self._known.positions.values()}
        new = [file for file in self._files if not file.key]
        for file in sorted(new, key=lambda file: file.id[1] not in inodes):
            try:
                if file.identify():
                    self._known.claim(file, self._files, quiet=self._quiet(file, now))
                    if file.key and file.from_end and not file.resumed:
                        file.go_to_end()
                        self.begun[file.key] = file.position()
                elif file.no_log is not None:
                    self._close(file)
                    self.problems[file.path] = file.no_log
            except OSError as error:
                self.problems[file.path] = cannot_read(file.path, error)
        self.losses.bytes -= self._known.take_recovered()
        if any(file.key for file in new):
            self.losses.since_last_run(self._files)

    def _may_be_older(self, file: Followed, now: float) -> bool:
        """True, for `rotate_wait`, for a new rotated file not identified yet, such as one whose only line has no end: it
        precedes other files of its log."""
        if file.file is not None or not file.size or now - file.found >= self._options.rotate_wait:
            return False
        is_new = all(position.inode != file.id[1] for position in self._known.positions.values())
        return is_new and (file.rotated or was_renamed(file.path, followed=False))

    def _quiet(self, file: Followed, now: float) -> bool:
        return now - file.quiet_since >= self._options.rotate_wait

    def _finish(self, now: float) -> bool:
        """Close complete files: read, quiet for `rotate_wait`, and rotated away or followed by a newer file. True if the
        last line of a file now counts as complete.

        An unended last line counts only in a rotated file. A newer file of the log says nothing about the writer of
        this one: names of two logs may differ only in numbers, and the writer may be in the middle of a line.
        """
        newest = {file.source: file.order for file in sorted(self._files, key=lambda file: file.order) if file.key}
        completed = False
        for file in list(self._files):
            if not self._quiet(file, now):
                continue
            followed = file.source in newest and file.order < newest[file.source]
            file.rotated |= was_renamed(file.path, followed=followed)
            if file.rotated and not file.final:
                file.final = completed = True  # an unended last line counts as a line from now on
            elif file.rotated and (file.at_end or not file.key):
                self._close(file)
            elif file.key and followed and file.at_end and not file.has_rest:
                self._close(file)  # reopened if it grows
        return completed

    def _close(self, file: Followed) -> None:
        trouble = file.content.trouble
        if trouble:
            self.problems[file.path] = trouble
        if not file.gone:
            self._closed.add(file)
        self._known.release(file, None)
        self.sources.closed(file)
        self._files.remove(file)
        file.close()

    def read(self) -> Reading | None:
        """The next lines, None if there are none: sources take turns, and within a source the oldest file comes first."""
        while True:
            if set(self._turns) != self._by_source.keys():
                kept = [source for source in self._turns if source in self._by_source]
                self._turns = kept + [source for source in self._by_source if source not in kept]
            for number, source in enumerate(self._turns):
                reading = self._read_source(source)
                if reading is not None:
                    self._turns = self._turns[number + 1 :] + self._turns[: number + 1]
                    return reading
            if len(self._turns) == len(self._by_source):
                return None

    def _read_source(self, source: str) -> Reading | None:
        if source in self._held:
            return None
        files, before = list(self._by_source[source]), 0  # `before`: bytes read of the earlier files
        for number, file in enumerate(files):
            if not file.key:
                continue
            try:
                if file.compared != before and self._set_apart(file, files, before):
                    continue
                before += file.offset
                chunk = file.next()
            except Changed:
                self._truncated(file, file.size)
                self._next_search = self._now()
                continue
            except OSError as error:
                self.problems[file.path] = cannot_read(file.path, error)
                continue
            if chunk is not None:
                assert file.file is not None
                return Reading(file.key, file.file, chunk, file.position())
            if file.has_rest and number + 1 < len(files) and (file.rotated or not self._quiet(file, self._now())):
                return None  # the newer file waits until this last line is decided, or its writer has gone quiet
        return None

    def _set_apart(self, file: Followed, files: Sequence[Followed], before: int) -> bool:
        """Make the file a log of its own if its times demand it; called when `before`, the bytes read of earlier files, grew."""
        source = file.source
        apart = self.sources.sets_apart(file, files)
        file.compared = before
        if not apart:
            return False
        self._by_source[source].remove(file)
        self._by_source[file.source] = [file]
        return True

    def replay(self, source: str, key: str, offset: int) -> Iterator[Reading]:
        """Read lines of a source again, from an offset in one of its files up to the positions with which this tail began.

        Files that are gone are skipped, and the source is added to `past_lost`.
        """
        positions = self._known.at_start(source)
        keys = [known for known, _ in positions]
        if key not in keys:
            self.past_lost.add(source)
            return
        for known, position in positions[keys.index(key) :]:
            file = self._file_of(known)
            if file is None:
                self.past_lost.add(source)
                continue
            assert file.file is not None
            for chunk in file.between(offset if known == key else 0, position.offset):
                yield Reading(known, file.file, chunk, position)
            if file not in self._files:
                file.close()

    def _file_of(self, key: str) -> Followed | None:
        """The file of a key, reopened if it was closed."""
        for file in self._files:
            if file.key == key:
                return file
        again = partial(follow, encoding="auto", options=self._options, now=self._now())
        # The file may have been packed since the last search; a file whose only line has no end has no key until it is complete.
        unknown = [file.path for file in self._files if not file.key]
        return self._known.find(key, {*self._closed.paths, *unknown, *find(self._inputs).paths}, again)

    @property
    def there(self) -> set[FileId]:
        """Device and inode of every known file, open or closed."""
        return {*self._closed, *(file.id for file in self._files)}

    @property
    def levels(self) -> tuple[int, int]:
        """The number of open files, and of bytes in them that are not read yet."""
        return len(self._files), sum(file.lag for file in self._files if file.key or file.file is None)

    def close(self) -> None:
        """Close all files."""
        while self._files:
            self._files.pop().close()
