"""The rules of the detectors once more, written from the contract alone: slow, obvious, nothing shared with `shipper`.

It reads plain log lines (LF, ASCII quotes, users in any script) with a few regular expressions and
says which findings stand behind which line. Everything is a list that is searched from end to end.

What the contract leaves open, and what is taken here:

- Of several verdicts in one exchange the last counts. `success` means that the outcome of the status
  line is `success` and its class is not `pending`.
- A one-line result is an exchange with `start == end` in every sentence that says "exchange"
  (pending, answer, status 101).
- The *latest* pending prompt is the one whose line came last in the source.
- An answer is the first later exchange for which the whole sentence holds (component, method, not
  pending, begins 0 to `exchange_timeout` after the pending one's end); one that does not fit is passed over.
- "that user's exchanges" of `already_in_progress` are those of the same component, as exchanges belong to
  a component.
- `gap_ms` is rounded down, so that it is negative when concurrent.
- The clock: the newest event time is that of the component. A time more than a day (or than twice the timeout, if that is more)
  ahead of it, and the first one of a component, waits for the component's next time, and counts unless that is more than a day
  before it. An authentication that was completed by such a line, and an exchange that it opened, are forgotten then; a finding
  that it made stays. At the end of the log it is misdated if the newest time of all components is that far behind it as well.
- Forgetting is exact: what ended more than the horizon before the newest event time (of any line so
  far, the completing one included) changes nothing any more: it is no prompt, no A, no B, waits for no
  answer and is not counted. In a log in the order of time that never matters, as a test shows.
"""

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

SECOND = 1_000_000_000
DAY = 24 * 3600 * SECOND
NEVER = -(10**30)
HORIZON_TIMEOUTS = 4
FATIGUE_TIMEOUTS = 2
TABLE = Path(__file__).parents[2] / "schemas" / "status_codes.csv"

LINE = re.compile(r"([^|]*)\|[0-9A-Za-z]\|([0-9]+)\|([0-9]+)\|(\w+)\|(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\|)?(.*)")
STAMP = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?Z")
REQUEST = re.compile(r"Calling pfAuthUser\('(.*?)', '', 1\)")
VERDICT = re.compile(r"authResult = (-?[0-9]+)")
STATUS = re.compile(r"rawCallStatus = (-?[0-9]+)")
RESULT = re.compile(r"Pfauth (succeeded|failed) for user '(.*?)'\. Call status: ([A-Z_]+) - \"(.*)\"\.")

UserKey = tuple[str, str]
"""Casefolded domain (or nothing) and name."""


@dataclass
class Exchange:
    """An authentication; complete once it has a code."""

    id: str
    user: UserKey | None
    component: str
    start: int
    start_text: str
    verdict: int | None = None
    end: int = 0
    end_text: str = ""
    code: str = ""
    outcome: str = "unknown"
    method: str = ""
    status_class: str = ""
    prompted: bool = False
    pending: bool = False
    cached: bool = False
    answered: bool = False
    second_of_a_finding: bool = False

    @property
    def order(self) -> tuple[int, str]:
        return self.start, self.id

    @property
    def success(self) -> bool:
        return self.outcome == "success" and (self.answered or not self.pending)

    def side(self) -> dict[str, object]:
        """What a finding says of its first or second prompt."""
        return {"id": self.id, "start": self.start_text, "end": self.end_text, "code": self.code, "method": self.method}


@dataclass
class Finding:
    """A finding and the index of the line (over all files) behind whose event it stands."""

    line: int
    fields: dict[str, object] = field(default_factory=dict)


@dataclass
class Found:
    """What a source holds, and what is counted of it.

    `late`: authentications of known users that came beyond the horizon; `cache_hits`: those that the cache
    spared a second prompt; `misdated`: lines whose time moved no clock.
    """

    findings: list[Finding] = field(default_factory=list)
    late: int = 0
    cache_hits: int = 0
    misdated: int = 0


@dataclass
class Misdated:
    """A line with this identity is as if it had not been there."""

    id: str


@dataclass
class Clock:
    """The newest event time; a time that is more than `ahead` ahead of it waits for the next one, with the identity of its line."""

    ahead: int
    newest: int = NEVER
    waiting: tuple[int, str] | None = None

    def take(self, time: int, identity: str) -> str | None:
        """Returns the identity of the line whose time waited in vain."""
        misdated = None
        if self.waiting is not None:
            waited, line = self.waiting
            if time >= waited - DAY:
                self.newest = waited
            else:
                misdated = line
        self.waiting = None
        if self.newest == NEVER or time > self.newest + self.ahead:
            self.waiting = time, identity
        else:
            self.newest = max(self.newest, time)
        return misdated


def nanoseconds(text: str) -> int | None:
    """Of a time stamp, since 1970; None where it names no real instant."""
    match = STAMP.fullmatch(text)
    if not match:
        return None
    try:
        moment = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    whole = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * SECOND + int((match[2] or "").ljust(9, "0"))


def user_key(text: str) -> UserKey | None:
    """The domain ends at the first backslash; without one, the name ends at the last @."""
    if "\\" in text:
        domain, name = text.split("\\", 1)
    elif "@" in text:
        name, domain = text.rsplit("@", 1)
    else:
        domain, name = "", text
    return (domain.casefold(), name.casefold()) if name else None


def code_rows() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


ROWS = code_rows()


def complete(exchange: Exchange, end: int, end_text: str, row: dict[str, str] | None, code: str) -> None:
    """The exchange has got its status."""
    exchange.end, exchange.end_text, exchange.code = end, end_text, code
    if row is not None:
        exchange.method = row["method"]
        exchange.prompted = row["prompted"] == "true"
        exchange.status_class = row["class"]
        exchange.pending = row["class"] == "pending"
        exchange.cached = row["class"] == "cached"
        exchange.outcome = row["outcome"]
    if exchange.verdict is not None:
        exchange.outcome = {1: "success", 0: "failure"}.get(exchange.verdict, "unknown")


Completion = tuple[int, "Exchange | Misdated", int]
"""An authentication with the index of the line that completes it, and the newest event time by then. Once it turns out that a
line was misdated, that."""


def find(files: Sequence[bytes], *, window: int, timeout: int, retries: bool = False) -> Found:
    """The findings of one source, and the sums.

    Args:
        files: the bytes of its files, in the order in which they are read.
        window: nanoseconds.
        timeout: `exchange_timeout`, nanoseconds.
        retries: `include_retries`.
    """
    return find_among(completions(files, timeout), window=window, timeout=timeout, retries=retries)


def find_among(completed_in_order: Iterable[Completion], *, window: int, timeout: int, retries: bool = False) -> Found:
    """The findings among authentications, in the order in which they complete."""
    horizon = window + HORIZON_TIMEOUTS * timeout
    known: list[Exchange] = []  # complete exchanges that are no answers, in the order in which they were completed
    busy: list[Exchange] = []  # those that ended with 101
    found = Found()
    for index, completed, newest in completed_in_order:
        if isinstance(completed, Misdated):
            found.misdated += 1
            known = [e for e in known if e.id != completed.id]
            busy = [e for e in busy if e.id != completed.id]
            continue
        if completed.end < newest - horizon:
            found.late += 1
            continue
        remembered = [e for e in known if e.end >= newest - horizon]
        if completed.code == "101":
            busy.append(completed)
        new = consequences(completed, remembered, known, busy, newest - horizon, window, timeout, retries)
        found.findings += [Finding(index, fields) for fields in new]
        found.cache_hits += completed.cached and is_second_prompt_spared(completed, remembered, window)
    return found


def find_fatigue(files: Sequence[bytes], *, window: int, count: int, timeout: int) -> Found:
    """The findings of `mfa_fatigue` in one source; see `find`."""
    return find_fatigue_among(completions(files, timeout), window=window, count=count, timeout=timeout)


def find_fatigue_among(completed_in_order: Iterable[Completion], *, window: int, count: int, timeout: int) -> Found:
    """The findings of `mfa_fatigue` among authentications, in the order in which they complete. Components have nothing to do with
    each other."""
    found, parts, lines = Found(), dict[str, list[Completion]](), list[int]()
    component_of: dict[str, str] = {}
    for number, (index, completed, newest) in enumerate(completed_in_order):
        lines.append(index)
        if isinstance(completed, Exchange):
            component_of[completed.id] = completed.component
        parts.setdefault(component_of.get(completed.id, ""), []).append((number, completed, newest))
    for part in parts.values():
        of_one = find_fatigue_of_a_component(part, window, count, timeout)
        found.findings += of_one.findings
        found.late += of_one.late
        found.misdated += of_one.misdated
    found.findings.sort(key=lambda finding: finding.line)
    found.findings = [Finding(lines[finding.line], finding.fields) for finding in found.findings]
    return found


def find_fatigue_of_a_component(completed_in_order: Iterable[Completion], window: int, count: int, timeout: int) -> Found:
    """The findings of `mfa_fatigue` among the authentications of one component."""
    horizon = window + FATIGUE_TIMEOUTS * timeout
    refusals: list[Exchange] = []  # of all users, without those before their user gave in
    told: set[UserKey | None] = set()
    before_it = "", refusals, told  # the last one that was ahead of the clock
    found = Found()
    for index, prompt, newest in completed_in_order:
        if isinstance(prompt, Misdated):
            found.misdated += 1
            _, refusals, told = before_it if before_it[0] == prompt.id else ("", refusals, told)
            continue
        if prompt.end > newest:
            before_it = prompt.id, refusals[:], told.copy()
        if prompt.end < newest - horizon:
            found.late += 1
            continue
        if not prompt.prompted:
            continue
        who = prompt.user
        refusals = [r for r in refusals if r.end >= newest - horizon]
        before = [r for r in refusals if r.user == who]
        if not before or prompt.end > max(r.end for r in before) + window:
            told.discard(who)
        was_told = who in told
        if prompt.status_class in ("denied", "no_response", "fraud"):
            refusals.append(prompt)
            before.append(prompt)
        elif not was_told:
            continue
        within = sorted((r for r in before if prompt.end - window <= r.end <= prompt.end), key=lambda r: (r.end, r.start, r.id))
        if not was_told and len(within) >= count:
            told.add(who)
            found.findings.append(Finding(index, describe_fatigue(prompt, within, window, gave_in=False)))
        latest = max(r.end for r in before)
        if was_told and prompt.outcome == "success" and not prompt.pending and latest <= prompt.end <= latest + window:
            told.remove(who)
            refusals = [r for r in refusals if r.user != who]
            found.findings.append(Finding(index, describe_fatigue(prompt, within, window, gave_in=True)))
    return found


def describe_fatigue(prompt: Exchange, refusals: list[Exchange], window: int, *, gave_in: bool) -> dict[str, object]:
    """The fields of a finding of `mfa_fatigue`."""
    first, last = refusals[0], refusals[-1]
    return {
        "id": f"{prompt.id}-mf",
        "timestamp": prompt.end_text,
        "start": first.start_text,
        "end": prompt.end_text,
        "duration": prompt.end - first.start,
        "count": len(refusals),
        **{name: sum(r.status_class == name for r in refusals) for name in ("denied", "no_response", "fraud")},
        "window_ms": window // 1_000_000,
        "gave_in": gave_in,
        "first": first.side(),
        "last": last.side(),
    }


def completions(files: Sequence[bytes], timeout: int) -> Iterator[Completion]:
    """The authentications of known users, each with the index of the line that completes it (over all files), and the newest
    event time of its component by then."""
    open_exchanges: dict[tuple[str, int, int], Exchange] = {}
    ahead = max(DAY, 2 * timeout)
    clocks: dict[str, Clock] = {}
    index = -1
    for data in files:
        fingerprint = fingerprint_of(data)
        offset = 0
        for raw in lines_of(data):
            index += 1
            text, identity = raw.decode().rstrip("\n"), f"{fingerprint}-{offset}"
            offset += len(raw)
            match = LINE.fullmatch(text)
            stamp = match[1] if match else text.split("|")[0]
            time = nanoseconds(stamp)
            if time is None:
                continue
            if match is None:
                continue  # it has no component, so it moves no clock
            _, pid, tid, component, message = match.groups()
            clock = clocks.setdefault(component, Clock(ahead))
            misdated = clock.take(time, identity)
            if misdated is not None:
                open_exchanges = {key: e for key, e in open_exchanges.items() if e.id != misdated}
                yield index, Misdated(misdated), clock.newest
            line = Line(identity, time, stamp, (component, int(pid), int(tid)), message)
            completed = completed_by(line, open_exchanges, clock.newest, timeout)
            if completed is not None and completed.user is not None:
                yield index, completed, clock.newest
    newest = max((clock.newest for clock in clocks.values()), default=NEVER)
    for clock in clocks.values():
        if clock.waiting is not None and clock.newest != NEVER and clock.waiting[0] > newest + ahead:
            yield index, Misdated(clock.waiting[1]), clock.newest


@dataclass
class Line:
    """A well-formed line."""

    id: str
    time: int
    stamp: str
    thread: tuple[str, int, int]
    message: str


def completed_by(line: Line, open_exchanges: dict[tuple[str, int, int], Exchange], newest: int, timeout: int) -> Exchange | None:
    """What a line completes; `open_exchanges` is kept up to date."""
    own = open_exchanges.get(line.thread)
    belonging = own if belongs(own, line.time, newest, timeout) else None
    if request := REQUEST.fullmatch(line.message):
        open_exchanges[line.thread] = Exchange(line.id, user_key(request[1]), line.thread[0], line.time, line.stamp)
    elif (verdict := VERDICT.fullmatch(line.message)) and belonging:
        belonging.verdict = int(verdict[1])
    elif (status := STATUS.fullmatch(line.message)) and belonging:
        row = next((r for r in ROWS if r["code"] == status[1]), None)
        complete(belonging, line.time, line.stamp, row, status[1])
        return open_exchanges.pop(line.thread)
    elif result := RESULT.fullmatch(line.message):
        row = next((r for r in ROWS if r["constant"] == result[3]), None)
        row = row or next((r for r in ROWS if r["description"] == result[4]), None)
        success = int(result[1] == "succeeded")
        completed = Exchange(line.id, user_key(result[2]), line.thread[0], line.time, line.stamp, success)
        complete(completed, line.time, line.stamp, row, row["code"] if row else "")
        return completed
    return None


def lines_of(data: bytes) -> list[bytes]:
    """The lines with their LF; nothing else ends a line."""
    parts = data.split(b"\n")
    lines = [part + b"\n" for part in parts[:-1]]
    return [*lines, parts[-1]] if parts[-1] else lines


def fingerprint_of(data: bytes) -> str:
    """Of the bytes up to the end of the first line that has a time stamp."""
    end = 0
    for line in lines_of(data):
        end += len(line)
        if nanoseconds(line.decode().split("|")[0].rstrip("\n")) is not None:
            break
    return hashlib.sha256(data[: min(end, 64 * 1024)]).hexdigest()[:16]


def belongs(exchange: Exchange | None, time: int, newest: int, timeout: int) -> bool:
    """An exchange is given up once the newest event time is more than twice the timeout after its request."""
    return exchange is not None and exchange.start <= time <= exchange.start + timeout and newest <= exchange.start + 2 * timeout


def consequences(
    new: Exchange, remembered: list[Exchange], known: list[Exchange], busy: list[Exchange],
    forgotten_before: int, window: int, timeout: int, retries: bool,
) -> list[dict[str, object]]:  # fmt: skip
    """The findings that a completed exchange brings about, in their order; it joins `known` if it is a prompt."""
    same = [e for e in remembered if (e.user, e.component) == (new.user, new.component)]
    pairs: list[tuple[Exchange, Exchange]] = []

    def is_earlier_and_qualifies(first: Exchange, second: Exchange) -> bool:
        return first.order < second.order and pattern(first, second, window, retries) is not None

    latest = [e for e in known if (e.user, e.component, e.method) == (new.user, new.component, new.method) and e.pending][-1:]
    waiting = [e for e in latest if not e.answered and e in same]
    answered = next((e for e in waiting if not new.pending and e.end <= new.start <= e.end + timeout), None)
    if answered is not None:
        answered.answered = True
        # `pending` stays true (it is the latest two-step prompt); what decides is `answered`.
        answered.end, answered.end_text, answered.code, answered.outcome = new.end, new.end_text, new.code, new.outcome
        this = answered
    elif new.prompted:
        this = new
        known.append(new)
        same.append(new)
        earlier = [e for e in same if is_earlier_and_qualifies(e, this)]
        if earlier:
            pairs.append((max(earlier, key=lambda e: e.order), this))
            this.second_of_a_finding = True
    else:
        return []
    for later in sorted(same, key=lambda e: e.order):
        if not later.second_of_a_finding and is_earlier_and_qualifies(this, later):
            pairs.append((this, later))
            later.second_of_a_finding = True
    return [describe(a, b, same, busy, forgotten_before, window, timeout, retries) for a, b in pairs]


def is_second_prompt_spared(new: Exchange, remembered: list[Exchange], window: int) -> bool:
    """True if a prompt in the place of this cache hit would have been the second of a sequential pair."""
    same = [e for e in remembered if (e.user, e.component) == (new.user, new.component)]
    return any(e.success and 0 <= new.start - e.end <= window for e in same)


def pattern(first: Exchange, second: Exchange, window: int, retries: bool) -> str | None:
    """How A (which is before B) qualifies for B."""
    gap = second.start - first.end
    if gap < 0:
        return "concurrent"
    if gap > window:
        return None
    if first.success:
        return "sequential"
    return "retry" if retries else None


def describe(
    first: Exchange, second: Exchange, prompts: list[Exchange], busy: list[Exchange],
    forgotten_before: int, window: int, timeout: int, retries: bool,
) -> dict[str, object]:  # fmt: skip
    """The fields of a finding, as known now."""
    kind = pattern(first, second, window, retries)
    gap = second.start - first.end
    fields: dict[str, object] = {
        "id": f"{second.id}-dp",
        "timestamp": second.end_text,
        "start": first.start_text,
        "end": second.end_text,
        "duration": second.end - first.start,
        "pattern": kind,
        "gap_ms": gap // 1_000_000,
        "window_ms": window // 1_000_000,
        "count": sum(second.start - timeout <= p.start <= second.start for p in prompts),
        "first": first.side(),
        "second": second.side(),
        "already_in_progress": sum(
            (e.user, e.component) == (first.user, first.component) and max(first.start, forgotten_before) <= e.end <= second.end
            for e in busy
        ),
    }
    if first.success:  # as known now; these components are MFA Server's
        fields["cache_seconds"] = max(1, -(-gap // SECOND))
    return fields
