"""What a report must say, counted from the events of `parse` with nothing of the report's own code.

Slow and plain: every sign-in is kept, and each cache is asked about each prompt.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shipper.times import SECOND, StampReader

Event = dict[str, Any]
TIMEOUT = 600 * SECOND
STAMPS = StampReader()


def nanoseconds(stamp: str) -> int:
    time = STAMPS.read(stamp)
    assert time is not None
    return time


@dataclass
class Prompt:
    """A prompt, from its request to its answer."""

    start: int
    id: str
    end: int
    success: bool
    pending: bool
    address: str | None
    is_second: bool = False


@dataclass
class Sequence:
    """The prompts of one user on one component of one log."""

    user: str
    has_cache: bool
    prompts: list[Prompt] = field(default_factory=list)
    waiting: dict[str, Prompt] = field(default_factory=dict)


@dataclass
class Cached:
    """What one cache would have done with all prompts."""

    spared: int = 0
    doubles: int = 0
    longest: int = 0
    left: set[str] = field(default_factory=set)  # users with a double prompt that it would not have spared


def user_key(event: Event) -> str | None:
    user = event.get("user")
    if user is None or "name" not in user:
        return None
    return f"{user['domain']}\\{user['name']}".casefold() if "domain" in user else str(user["name"]).casefold()


def _across_logs(event: Event) -> tuple[bool, int, str]:
    return event["event"]["kind"] == "alert", nanoseconds(event["@timestamp"]), event["event"]["id"]


class Counted:
    """The numbers, from the events of any number of logs, each in its order.

    `across`: all of them are one log; client addresses are not told then.
    """

    def __init__(self, events: Iterable[Event], *, across: bool = False) -> None:
        self._across = across
        self.rows: dict[str, dict[Any, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
        self.codes: Counter[tuple[str, str]] = Counter()
        self.patterns: Counter[str] = Counter()
        self.user_patterns: dict[str, Counter[str]] = defaultdict(Counter)
        self.user_prompts: Counter[str] = Counter()
        self.refusals: dict[str, Counter[str]] = defaultdict(Counter)
        self.addresses: dict[str | None, Counter[str]] = defaultdict(Counter)
        self.durations: dict[str, list[int]] = defaultdict(list)
        self.without_time: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        self.users: set[str] = set()
        self.lines = self.unparsed = self.orphans = 0
        self.sequences: dict[tuple[str | None, str, str], Sequence] = {}
        self.by_id: dict[str, Prompt] = {}
        for event in sorted(events, key=_across_logs) if across else events:
            self._take(event)

    def _take(self, event: Event) -> None:
        about = event["event"]
        if about["kind"] == "alert":
            self._finding(event)
            return
        self.lines += 1
        self.unparsed += about["kind"] == "pipeline_error"
        orphan = "mfa_orphan" in event.get("tags", ())
        self.orphans += orphan
        if about.get("action") in ("mfa-status", "mfa-result") and not orphan:
            self._authentication(event)

    def _count(self, event: Event, method: str, column: str, number: int = 1) -> None:
        time = datetime.fromisoformat(event["@timestamp"][:19])
        places = {
            "total": "", "methods": method, "components": event["event"].get("provider", ""),
            "hosts": event.get("host", {}).get("name"), "days": f"{time:%Y-%m-%d}", "week": (time.isoweekday(), time.hour),
        }  # fmt: skip
        for kind, name in places.items():
            self.rows[kind][name][column] += number

    def _authentication(self, event: Event) -> None:
        about, status = event["event"], event["azure_mfa"]["status"]
        method, pending, key = status.get("method", "none"), status["class"] == "pending", user_key(event)
        self.codes[str(status.get("code", status.get("constant", status["description"]))), about["outcome"]] += 1
        if pending:
            self._count(event, method, "first_steps")
        else:
            self._count(event, method, "authentications")
            self._count(event, method, about["outcome"])
        end = nanoseconds(event["@timestamp"])
        start = nanoseconds(about.get("start", event["@timestamp"]))
        if key is None:
            if status.get("prompted"):
                self._count(event, method, "prompts")
            return
        self.users.add(key)
        if status.get("prompted") and status["class"] in ("denied", "no_response", "fraud"):
            self.refusals[key][status["class"]] += 1
        path = None if self._across else event.get("log", {}).get("file", {}).get("path")
        place = path, about["provider"], key
        sequence = self.sequences.setdefault(place, Sequence(key, about["dataset"] != "azure_mfa.nps"))
        address = None if self._across else event.get("source", {}).get("ip")
        first = sequence.waiting.get(method)
        prompt: Prompt | None = None
        if first is not None and not pending and 0 <= start - first.end <= TIMEOUT:
            del sequence.waiting[method]
            first.end, first.success, first.pending = end, about["outcome"] == "success", False
            first.address = first.address or address
            prompt = first
        elif status.get("prompted"):
            name = event["azure_mfa"].get("exchange", {}).get("id", about["id"])
            prompt = Prompt(start, name, end, about["outcome"] == "success", pending, address)
            sequence.prompts.append(prompt)
            self.by_id[name] = prompt
            self.user_prompts[key] += 1
            self._count(event, method, "prompts")
            if pending:
                sequence.waiting[method] = prompt
        if prompt is not None and not pending and status["class"] != "no_response":
            if prompt.end == prompt.start:
                self.without_time[method] += 1
            else:
                self.durations[method].append(prompt.end - prompt.start)

    def _finding(self, event: Event) -> None:
        self.findings[event["rule"]["name"]] += 1
        if event["rule"]["name"] != "double_prompt":
            return
        found, key = event["azure_mfa"]["double_prompt"], user_key(event)
        assert key is not None
        self._count(event, found["second"]["method"], "double_prompts")
        self.patterns[found["pattern"]] += 1
        self.user_patterns[key][found["pattern"]] += 1
        second = self.by_id[found["second"]["id"]]
        second.is_second = True
        self.addresses[second.address][found["pattern"]] += 1

    def cached(self, seconds: int, *, by_address: bool, renewed: bool) -> Cached:
        """Ask a cache about each prompt: an earlier one that rang the phone, ended in success, and is not too long ago."""
        found = Cached()
        for sequence in self.sequences.values():
            if not sequence.has_cache:
                continue
            asked: list[tuple[int, Prompt]] = []  # until when the entry of a prompt lasts
            for prompt in sorted(sequence.prompts, key=lambda prompt: (prompt.start, prompt.id)):
                able = [
                    place for place, (until, earlier) in enumerate(asked)
                    if prompt.start <= until and (not by_address or (prompt.address and prompt.address == earlier.address))
                ]  # fmt: skip
                if not able:
                    if prompt.is_second:
                        found.left.add(sequence.user)
                    if prompt.success:
                        asked.append((prompt.end + seconds * SECOND, prompt))
                    continue
                found.spared += 1
                found.doubles += prompt.is_second
                same = [p for _, p in asked if not by_address or p.address == prompt.address]
                answered = max(earlier.end for earlier in same)
                found.longest = max(found.longest, prompt.start - answered)
                if renewed:
                    passed = max(prompt.start, answered)
                    asked = [
                        (max(until, passed + seconds * SECOND) if earlier in same else until, earlier) for until, earlier in asked
                    ]
        return found

    def quantile(self, method: str, share: int) -> float:
        """The exact quantile by nearest rank, in seconds."""
        values = sorted(self.durations[method])
        return values[max(1, math.ceil(len(values) * share / 100)) - 1] / SECOND
