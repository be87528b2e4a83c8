"""Events that the destination will never take: kept in `state_dir/dead_letters.ndjson`, one JSON object per line. I/O.

`replay` sends them again and removes only the delivered ones.
"""

import base64
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from shipper.decode.principal import user_key
from shipper.deliver.sink import Refusal
from shipper.durable import NOFOLLOW, open_made, sync_folder, write_all, write_durably
from shipper.emit.ocsf import label_fields
from shipper.model import Label, Origin
from shipper.shared_files import open_shared, read_at

NAME = "dead_letters.ndjson"


class DeadLetterFile:
    """The dead letters of one state directory."""

    def __init__(self, path: str, time: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self._time = time

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        """Append a letter for each refusal; the letters are on disk when this returns.

        Raises:
            OSError: the file cannot be written now; it is unchanged.
        """
        data = b"".join(encode_letter(refusal, self.now()) + b"\n" for refusal in refusals)
        descriptor = open_made(self.path, os.O_RDWR | os.O_APPEND | NOFOLLOW)
        try:
            before = os.fstat(descriptor).st_size
            # First end a line that a crash tore, or it would swallow the next letter.
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

    def unusable(self) -> str | None:
        """Why no letter can be added; None if one can. Leaves no trace of the check."""
        was_there = os.path.lexists(self.path)
        try:
            os.close(open_made(self.path, os.O_RDWR | os.O_APPEND | NOFOLLOW))
            if not was_there:
                os.unlink(self.path)
            elif os.path.getsize(self.path) and next(self.read(), None) is None:
                return "it holds something else than refused events; give another name"
        except OSError as error:
            return f"it cannot be written: {error.strerror}"
        return None

    def now(self) -> str:
        """The present time in the format of letters."""
        return self._time().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def read(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        """Yield each refused line with its letter. Lines that a crash tore are skipped.

        Raises:
            OSError: the file cannot be read; a missing file is not an error.
        """
        try:
            file = open(self.path, "rb", opener=open_shared)  # noqa: SIM115
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
        """Drop all letters but those with these numbers, counted from 0 in the order of `read`.

        Raises:
            OSError: the file cannot be rewritten now; all letters are still there.
        """
        wanted = set(numbers)
        kept = [letter for number, (_, letter) in enumerate(self.read()) if number in wanted]
        write_durably(self.path, b"".join(msgspec.json.encode(letter) + b"\n" for letter in kept))

    def count(self) -> int:
        """The number of letters."""
        return sum(1 for _ in self.read())


def encode_letter(refusal: Refusal, now: str) -> bytes:
    """Encode a letter as JSON: time and reason, id and position of the event, and the event as refused."""
    _, event_id, origin, _ = refusal.label
    letter: dict[str, Any] = {"time": now, "reason": refusal.reason, "id": event_id}
    if origin.kind != "alert":  # a finding has no place in the log
        if origin.path is not None:
            letter["path"] = origin.path
        letter["offset"] = int(event_id.rpartition("-")[2])
    try:
        letter["line"] = refusal.line.decode()
    except UnicodeDecodeError:
        letter["line_base64"] = base64.b64encode(refusal.line).decode()
    return msgspec.json.encode(letter)


def label_of(line: bytes) -> Label:
    """The label of an event as sent, read from its JSON; an empty label if the line is not one of our events."""
    try:
        document = msgspec.json.decode(line.rpartition(b"\n")[2])  # the second of the two lines of elastic-bulk
        document = document["event"] if "sourcetype" in document else document  # splunk-hec
        document = label_fields(document) if "class_uid" in document else document  # ocsf
        event, user, log = document["event"], document.get("user", {}), document.get("log", {})
        origin = Origin(log.get("file", {}).get("path"), event["dataset"], event["kind"])
        key = user_key(user["name"], user.get("domain")) if "name" in user else None
        return document["@timestamp"], event["id"], origin, key
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "", "", Origin(None, "", ""), None
