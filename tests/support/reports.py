"""Logs of a few lines, and what a report says of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from io import BytesIO
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import msgspec

from shipper.decode import compiled
from shipper.model import Counts
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks
from shipper.report.figures import Figures
from shipper.report.fold import Fold
from shipper.report.summarize import summarize
from shipper.report.summary import Log, Summary
from shipper.report.summary import Settings as ReadWith
from shipper.times import SECOND
from tests.support.logs import library, log_file

NO_CHOICES: Mapping[str, Any] = MappingProxyType({})
BASE = datetime(2017, 2, 14, 9)
TIMEOUT = 600 * SECOND
GUID = "82a3db8d-3317-43f7-b203-6ba81cba93c9"
READ_WITH = ReadWith(
    window_seconds=60, exchange_timeout_seconds=600, include_retries=False, across=False, pseudonyms=False, since=None, until=None,
    top=20,
)  # fmt: skip


def stamp(at: float) -> str:
    """Seconds since `BASE` as a time stamp."""
    return f"{BASE + timedelta(seconds=at):%Y-%m-%dT%H:%M:%S.%fZ}"


def sign_in(at: float, lasts: float, code: int = 21, user: str = "CONTOSO\\\\ann", thread: int = 1) -> list[tuple[float, str]]:
    """An exchange of the RADIUS service: times and the rest of its lines."""
    user, verdict = user.replace("\\\\", "\\"), int(code in (1, 2, 6, 7, 19, 21, 23))
    head = f"|0|1412|{thread}|pfrad|"
    return [
        (at, f"{head}Calling pfAuthUser('{user}', '', 1)"),
        (at + lasts, f"{head}authResult = {verdict}"),
        (at + lasts, f"{head}rawCallStatus = {code}"),
    ]


def result(
    at: float, user: str = "ann", address: str | None = None, constant: str = "SUCCESS_NO_PIN", text: str = "No PIN Entered"
) -> list[tuple[float, str]]:
    """A one-line result."""
    place = f" from {address}" if address else ""
    return [(at, f"|i|18288|26784|pfsvc|{GUID}|Pfauth succeeded for user '{user}'{place}. Call status: {constant} - \"{text}\".")]


def log_of(*parts: Sequence[tuple[float, str]]) -> bytes:
    """The lines of several authentications, in the order of time."""
    lines = sorted((line for part in parts for line in part), key=lambda line: line[0])
    return "".join(f"{stamp(at)}{rest}\n" for at, rest in lines).encode()


def figures_of(
    data: bytes, counts: Counts | None = None, size: int = 1 << 18, reading: Mapping[str, Any] = NO_CHOICES, **options: Any
) -> Figures:
    """What is folded of a log that is read so many bytes at a time; `reading` are other settings of the pipeline."""
    chosen = Settings(library(), **reading)
    pipeline = Pipeline(chosen, counts or Counts())
    fold = Fold(TIMEOUT, 60 * SECOND, **options)
    pipeline.open(log_file(data))
    for chunk in read_chunks(BytesIO(data).read, 0, "utf-8", size, 1 << 20):
        (texts, labels, completions), findings = pipeline.decode(chunk)
        fold(texts, labels, completions, findings)
    pipeline.close()
    return fold.close()


def summary_of(*logs: bytes, **options: Any) -> Summary:
    """The summary of some logs."""
    figures, counts = Figures(), Counts()
    for data in logs:
        figures.add(figures_of(data, counts, **options))
    named = [Log(name="Svc.log", files=["Svc.log"])]
    return summarize(figures, counts, READ_WITH, named, ["a note"], lambda status_class, code: f"{status_class} {code}")


def same_without_kernel(data: bytes, size: int, **options: Any) -> None:
    """The report of a log that is read so many bytes at a time is the same without the kernel, to the byte."""

    def told(*, kernel: bool) -> bytes:
        counts = Counts()
        figures = figures_of(data, counts, size, {"kernel": kernel, "completions_only": True}, **options)
        return msgspec.json.format(msgspec.json.encode(summarize(figures, counts, READ_WITH, [], [], lambda *_: None)))

    with_it = told(kernel=not compiled.WHY_NOT)
    with patch.object(compiled, "runs", return_value=None):
        assert told(kernel=False) == with_it
