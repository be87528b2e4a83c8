"""Records that the other side will never take: kept in `state_dir/dead_letters.ndjson`, one object a line. I/O.

`replay` sends them again and takes away only those that were delivered.
"""

import base64
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from shipper.deliver.sink import Refusal
from shipper.durable import sync_folder, write_all, write_durably
from shipper.read.opener import read_at

NAME = "dead_letters.ndjson"


class DeadLetterFile:
    """The dead letters of one state directory."""

    def __init__(self, path: str, time: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self._time = time

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        """Keep them, on the disk when this returns.

        Raises:
            OSError: that is not possible now.
        """
        data = b"".join(encode_letter(one, self.now()) + b"\n" for one in refusals)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
        try:
            before = os.fstat(descriptor).st_size
            # What a crash tore gets an end of its own, or it would take the next letter with it.
            torn = before and read_at(descriptor, 1, before - 1) != b"\n"
            try:
                write_all(descriptor, b"\n" + data if torn else data)
                os.fsync(descriptor)
                if not before:
                    sync_folder(self.path)  # the file is new
            except OSError:
                os.ftruncate(descriptor, before)  # whole letters or none
                raise
        finally:
            os.close(descriptor)

    def now(self) -> str:
        """The time of a letter that is written now."""
        return self._time().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def read(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Each letter: the line that was refused, and the letter. A torn last line, of a crash, is left out.

        Raises:
            OSError: the file cannot be read; not if there is none.
        """
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except FileNotFoundError:
            return
        with file:
            for text in file:
                try:
                    letter = msgspec.json.decode(text)
                    line = letter["line"].encode() if "line" in letter else base64.b64decode(letter["line_base64"])
                except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
                    continue
                yield line, letter

    def keep_only(self, numbers: Iterable[int]) -> None:
        """Keep the letters with these numbers, counted from 0 as `read` gives them.

        Raises:
            OSError: that is not possible now; all of them are still there then.
        """
        wanted = set(numbers)
        kept = [letter for number, (_, letter) in enumerate(self.read()) if number in wanted]
        write_durably(self.path, b"".join(msgspec.json.encode(letter) + b"\n" for letter in kept))

    def count(self) -> int:
        """How many there are."""
        return sum(1 for _ in self.read())


def encode_letter(one: Refusal, now: str) -> bytes:
    """A letter as JSON: time, reason, the event's id and place, and the line as it was refused."""
    letter: dict[str, Any] = {"time": now, "reason": one.reason}
    try:
        event = msgspec.json.decode(one.line)
        event = event.get("event", event) if "sourcetype" in event else event  # splunk-hec wraps it
        letter["id"] = event["event"]["id"]
        letter["path"] = event.get("log", {}).get("file", {}).get("path")
        letter["offset"] = event.get("log", {}).get("offset")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        pass
    try:
        letter["line"] = one.line.decode()
    except UnicodeDecodeError:
        letter["line_base64"] = base64.b64encode(one.line).decode()
    return msgspec.json.encode({key: value for key, value in letter.items() if value is not None})
