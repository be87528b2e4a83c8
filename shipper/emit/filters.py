"""What a user leaves out: `--only`, `--where`, `--events exchange`, and how events look. Pure.

These stages read events back as documents, so they cost more than parsing; nobody pays who does
not ask for them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from shipper.errors import UsageError
from shipper.model import Counts, Document
from shipper.times import StampReader

Keep = Callable[[str], bool]


def where(conditions: Sequence[str]) -> Keep:
    """A test of event texts: every `FIELD=VALUE` holds.

    FIELD is a dotted name such as `user.name`; VALUE is compared with the text of the field, or of
    any member of a list (`true`, `21` and so on as in JSON).

    Raises:
        UsageError: a condition is not of that form.
    """
    wanted: list[tuple[list[str], str]] = []
    for condition in conditions:
        field, equals, value = condition.partition("=")
        if not equals or not field:
            raise UsageError(f"--where {condition}: expected FIELD=VALUE, for example event.code=21")
        wanted.append((field.split("."), value))

    def keep(text: str) -> bool:
        document = orjson.loads(text.encode("latin-1"))
        return all(_holds(document, path, value) for path, value in wanted)

    return keep


def _holds(document: Any, path: list[str], value: str) -> bool:
    for name in path:
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return any(_text(one) == value for one in (document if isinstance(document, list) else [document]))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def pretty(text: str) -> str:
    """JSON lines, indented for reading."""
    lines = (orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2) for line in text.encode("latin-1").split(b"\n"))
    return b"\n".join(lines).decode("latin-1")


class ExchangeEvents:
    """`--events exchange`: a complete exchange becomes one event, its status, with what only the
    request and the verdict knew, and `event.original` is the list of its lines.

    Requests and verdicts wait for their status. One that can no longer get one (event time has
    passed its timeout, or the log ends) is given out as it is, so nothing is lost.
    """

    def __init__(self, timeout: int, counts: Counts) -> None:
        """`timeout` in nanoseconds."""
        self._timeout = timeout
        self._counts = counts
        self._clock = StampReader()
        self.waiting: dict[str, list[str]] = {}

    def __call__(self, text: str) -> list[str]:
        """What is to be given out when this event has come."""
        document: Document = orjson.loads(text.encode("latin-1"))
        action = document["event"].get("action")
        exchange = document.get("azure_mfa", {}).get("exchange", {}).get("id")
        out = self._expired(document["@timestamp"])
        if exchange is None or action == "double_prompt":
            return [*out, text]
        if action == "mfa-request":
            self.waiting[exchange] = [document["@timestamp"], text]
        elif exchange not in self.waiting:
            out.append(text)
        elif action == "mfa-verdict":
            self.waiting[exchange].append(text)
        else:
            out.append(self._merge(document, self.waiting.pop(exchange)[1:]))
        return out

    def close(self) -> list[str]:
        """What still waits at the end of the source."""
        out = [text for _, *texts in self.waiting.values() for text in texts]
        self.waiting.clear()
        return out

    def _expired(self, stamp: str) -> list[str]:
        out: list[str] = []
        now = self._clock.read(stamp) or 0
        while self.waiting:
            oldest, (start, *texts) = next(iter(self.waiting.items()))
            if now - (self._clock.read(start) or 0) <= self._timeout:
                break
            del self.waiting[oldest]
            out += texts
        return out

    def _merge(self, status: Document, parts: list[str]) -> str:
        self._counts.merged += len(parts)
        originals = []
        for part in parts:
            document = orjson.loads(part.encode("latin-1"))
            status["azure_mfa"] = _together(document["azure_mfa"], status["azure_mfa"])
            originals.append(document["event"].get("original"))
        if "original" in status["event"]:
            status["event"]["original"] = [*originals, status["event"]["original"]]
        return orjson.dumps(status).decode("latin-1")


def _together(earlier: Document, later: Document) -> Document:
    """What two lines of an exchange say below azure_mfa; where both speak, the later one is right."""
    both = {**earlier, **later}
    for key, value in earlier.items():
        if isinstance(value, dict) and isinstance(later.get(key), dict):
            both[key] = {**value, **later[key]}
    return both
