"""`explain USER-or-ID --in FILE...`: what happened to one user, or in one exchange, in words with times. I/O."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import orjson

from shipper.commands.codes import METHODS
from shipper.decode.facts import Library
from shipper.decode.line_patterns import Stamps
from shipper.decode.principal import split_principal
from shipper.detect.finding import event_of
from shipper.errors import RunError, UsageError
from shipper.model import Chunk, Counts, Document, Label
from shipper.pipeline import Pipeline, Settings, read_input
from shipper.printable import printable
from shipper.read.inputs import open_inputs
from shipper.report.advice import counted
from shipper.times import SECOND

MOST_TOLD = 2000  # authentications, findings and other lines
MOST_USERS = 50_000  # whose names are compared with a user that is not found
_ID = re.compile(r"([0-9a-f]{16}-[0-9]+)(?:-[a-z]+)?")  # the id of an event, or of a finding with its suffix


@dataclass(slots=True)
class Entry:
    """An entry of the story: when it began, its text, and lines of the log that show it."""

    start: str
    text: str
    lines: list[str] = field(default_factory=list)


def split_files(words: Sequence[str], files: Sequence[str]) -> tuple[str, list[str]]:
    """Split the words of the command line into the user or id to tell of, and the files to read.

    An unquoted `--in *.log` arrives as one file after --in and the others among the words.
    """
    there = [os.path.exists(word) for word in words]
    if all(there):
        there[:1] = [False]
    found = [word for word, is_file in zip(words, there, strict=True) if is_file]
    return " ".join(word for word, is_file in zip(words, there, strict=True) if not is_file), [*files, *found]


def story(text: str, files: Sequence[str], library: Library) -> Iterator[str]:
    """Tell what logs say of a user (`name`, `DOMAIN\\name` or `name@domain`), or of an exchange or event by its id.

    Raises:
        UsageError: the logs do not mention the user or id, or a file is missing or not readable.
        RunError: a file could not be read to its end; its readable part has been told.
    """
    if not text.strip():
        raise UsageError("there is nobody to tell of; give a user, such as 'CONTOSO\\pnigam', or the event.id of an event")
    wanted = _Wanted(text.strip())
    told = _Told(by_line=wanted.id is not None)
    counts = Counts()
    failures: list[str] = []
    with open_inputs(files, stamp_of=Stamps(library)) as (logs, stdin):
        for log in logs:
            pipeline = Pipeline(Settings(library), counts)
            for member in log.inputs:
                pipeline.open(member.file)
                try:
                    _tell(pipeline, read_input(pipeline.settings, member, stdin), wanted, told)
                except RunError as error:
                    failures.append(str(error))
        if told.entries:
            yield told.text(text.strip())
    if failures:
        raise RunError("\n".join([*(() if told.entries else [wanted.not_found(counts.lines)]), *failures]))
    if not told.entries:
        raise UsageError(wanted.not_found(counts.lines))


def _tell(pipeline: Pipeline, chunks: Iterable[Chunk], wanted: "_Wanted", told: "_Told") -> None:
    for chunk in chunks:
        (texts, labels, _), findings = pipeline.decode(chunk)
        for document in wanted.of(zip(texts, labels, strict=True)):
            told.add(document)
        for document in wanted.of(event_of(finding, pipeline.envelope)[1:] for finding in findings):
            told.add(document)


class _Wanted:
    """Picks the events that the story is about."""

    def __init__(self, text: str) -> None:
        match = _ID.fullmatch(text)
        self.text = text
        self.id = match and match[1]
        user = None if self.id else split_principal(text)
        self._key = user.key if user else ""
        self._ending = f"\\{self._key}" if user and user.domain is None else "\\\\"  # a bare name: in any domain
        self._users: dict[str, None] = {}

    def of(self, events: Iterable[tuple[str, Label]]) -> Iterator[Document]:
        """Yield the wanted events."""
        for text, (_, _, _, key) in events:
            if self.id is not None:
                if f'"{self.id}' not in text:
                    continue
            elif key is None or not (key == self._key or key.endswith(self._ending)):
                if key is not None and len(self._users) < MOST_USERS:
                    self._users[key] = None
                continue
            document: Document = orjson.loads(text.encode("latin-1"))
            if self.id is None or self.id in _ids(document):
                yield document

    def not_found(self, lines: int) -> str:
        """The sentence for a user or id that the logs do not mention."""
        what = "event or exchange" if self.id is not None else "user"
        names = list(self._users) + [key.rpartition("\\")[2] for key in self._users]
        near = get_close_matches(self.text.casefold(), names, 1)
        return f"no {what} {printable(self.text)} in {counted(lines, 'line')}" + (
            f"; did you mean {printable(near[0])}?" if near else ""
        )


def _ids(document: Document) -> Iterator[str]:
    """The ids of an event and of the events that it refers to, without the suffix of a finding's id."""
    azure = document.get("azure_mfa", {})
    yield _ID.sub(r"\1", document["event"]["id"])
    yield azure.get("exchange", {}).get("id", "")
    for found in azure.values():
        if isinstance(found, dict):
            yield from (
                found[side]["id"] for side in ("first", "second") if isinstance(found.get(side), dict) and "id" in found[side]
            )


class _Told:
    """The entries of the story. The lines of an exchange are one entry, which shows them if `by_line`."""

    def __init__(self, *, by_line: bool) -> None:
        self.entries: list[Entry] = []
        self._by_line = by_line
        self._more = 0
        self._open: dict[str, Entry] = {}  # by the id of their exchange

    def add(self, document: Document) -> None:
        """Add what an event says."""
        event, stamp = document["event"], document["@timestamp"]
        message = document.get("message", event.get("original", ""))
        action = event.get("action", "log")
        if event["kind"] == "alert":
            self._entry(stamp, f"found {action}: {message}")
            return
        exchange = document.get("azure_mfa", {}).get("exchange", {}).get("id")
        entry = self._open.get(exchange) or self._entry(event.get("start", stamp), "asked; the logs hold no answer")
        if action == "mfa-request":
            self._open[exchange] = entry
        elif action in ("mfa-status", "mfa-result"):
            self._open.pop(exchange, None)
            entry.text = _authentication(document)
        elif action != "mfa-verdict":
            entry.text = f"{event.get('provider', 'a line')}: {message}"
        if self._by_line:
            entry.lines.append(f"{stamp}  {message}")

    def _entry(self, start: str, text: str) -> Entry:
        entry = Entry(start, text)
        if len(self.entries) < MOST_TOLD:
            self.entries.append(entry)
        else:
            self._more += 1
        return entry

    def text(self, title: str) -> str:
        """The story, day by day."""
        text, day = f"{printable(title)}\n", ""
        for entry in sorted(self.entries, key=lambda entry: entry.start[:-1]):
            if entry.start[:10] != day:
                day = entry.start[:10]
                text += f"\n{day}\n"
            text += f"  {entry.start[11:23].rstrip('Z')}  {printable(entry.text)}\n"
            text += "".join(f"                  {printable(line)}\n" for line in entry.lines)
        return text + (f"\nand {self._more:,} more, which are not told\n" if self._more else "")


def _authentication(document: Document) -> str:
    event, status = document["event"], document["azure_mfa"]["status"]
    code = f"{status['description']}" + (f" ({event['code']})" if "code" in event else "")
    method = status.get("method", "")
    asked, _ = METHODS.get(method, (f"a prompt by {method}", ""))
    outcome = {"success": "signed in", "failure": "not signed in"}.get(event["outcome"], "no outcome yet")
    took = event.get("duration")
    after = f" after {took / SECOND:.1f} s" if took is not None else ""
    where = f" from {document['source']['ip']}" if "ip" in document.get("source", {}) else ""
    if not status.get("prompted"):
        return f"{event['provider']}{where}: {code}{after}; nobody was asked; {outcome}"
    how = f" by {asked}" if method else ""
    return f"{event['provider']}{where} asked{how}: {code}{after}; {outcome}"
