"""What each panel must show, counted in plain Python from the events: no query, no look at panels.yaml."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

Event = dict[str, Any]
Rows = list[tuple[tuple[str, ...], tuple[float, ...]]]
HOURS = 6  # of one bar
COUNTED: dict[str, Callable[[list[Event]], Rows]] = {}


def panel(function: Callable[[list[Event]], Rows]) -> Callable[[list[Event]], Rows]:
    """The function's name is the panel's id."""
    COUNTED[function.__name__.replace("_", "-")] = function
    return function


def get(event: Event, path: str) -> Any:
    """A value by its dotted name."""
    value: Any = event
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def status(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = event.get("azure_mfa", {}).get("status", {})
    return found


def ended(events: list[Event]) -> list[Event]:
    """Status lines and one-line results."""
    return [event for event in events if event["event"].get("action") in ("mfa-status", "mfa-result")]


def done(events: list[Event]) -> list[Event]:
    """Authentications: what ended, but for steps in between."""
    return [event for event in ended(events) if status(event).get("class") != "pending"]


def twice(events: list[Event]) -> list[Event]:
    return [event for event in events if event["event"].get("action") == "double_prompt"]


def bar(event: Event) -> str:
    """The beginning of the bar that an event stands in."""
    stamp = event["@timestamp"]
    return f"{stamp[:11]}{int(stamp[11:13]) // HOURS * HOURS:02d}:00:00.000Z"


def best(keys: Iterable[Any], most: int) -> list[tuple[Any, int]]:
    """The most frequent keys; of equals the first by name."""
    return sorted(Counter(key for key in keys if key is not None).items(), key=lambda item: (-item[1], item[0]))[:most]


def number(count: float) -> Rows:
    return [((), (float(count),))]


def ranking(events: list[Event], path: str, most: int) -> Rows:
    return [((key,), (float(count),)) for key, count in best((get(event, path) for event in events), most)]


def labelled(events: list[Event], tests: dict[str, Callable[[Event], bool]]) -> Rows:
    return [((label,), (float(sum(map(test, events))),)) for label, test in tests.items()]


def over_time(events: list[Event], inner: Callable[[list[Event]], Rows]) -> Rows:
    bars: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        bars[bar(event)].append(event)
    return [((at, *keys), values) for at in sorted(bars) for keys, values in inner(bars[at])]


def nested(events: list[Event], path: str, most: int, inner: Callable[[list[Event]], Rows]) -> Rows:
    found: Rows = []
    for key, _ in best((get(event, path) for event in events), most):
        found += [((key, *keys), values) for keys, values in inner([event for event in events if get(event, path) == key])]
    return found


def with_numbers(rows_of: list[Event], path: str, most: int, numbers: Callable[[list[Event]], tuple[float, ...]]) -> Rows:
    return nested(rows_of, path, most, lambda events: [((), (float(len(events)), *numbers(events)))])


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def millis(stamp: str) -> float:
    at = datetime.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return at.timestamp() * 1000 + int(stamp[20:23])


def prompted(event: Event) -> bool:
    return status(event).get("prompted") is True


def cached(event: Event) -> bool:
    return status(event).get("class") == "cached"


def of_class(name: str) -> Callable[[Event], bool]:
    return lambda event: status(event).get("class") == name


def gap(least: float, most: float) -> Callable[[Event], bool]:
    return lambda event: bool(least <= event["azure_mfa"]["double_prompt"]["gap_ms"] < most)


def spared(seconds: int) -> Callable[[Event], bool]:
    return lambda event: bool(event["azure_mfa"]["double_prompt"].get("cache_seconds", 1000) <= seconds)


@panel
def authentications(events: list[Event]) -> Rows:
    return number(len(done(events)))


@panel
def failed(events: list[Event]) -> Rows:
    return number(sum(event["event"]["outcome"] == "failure" for event in done(events)))


@panel
def users(events: list[Event]) -> Rows:
    return number(len({event["user"]["name"] for event in done(events) if "user" in event}))


@panel
def double_prompts(events: list[Event]) -> Rows:
    return number(len(twice(events)))


@panel
def fraud(events: list[Event]) -> Rows:
    return number(sum(event["event"].get("code") in ("112", "132") for event in ended(events)))


@panel
def unparsed(events: list[Event]) -> Rows:
    return number(sum(event["event"]["kind"] == "pipeline_error" for event in events))


@panel
def outcomes_over_time(events: list[Event]) -> Rows:
    return over_time(done(events), lambda some: ranking(some, "event.outcome", 3))


@panel
def outcomes(events: list[Event]) -> Rows:
    return ranking(done(events), "event.outcome", 3)


@panel
def weeks(events: list[Event]) -> Rows:
    return [(("2017-02-13T00:00:00.000Z", *keys), values) for keys, values in outcomes(events)]  # from Monday on


@panel
def failure_rate(events: list[Event]) -> Rows:
    return outcomes_over_time(events)


@panel
def users_asked_twice(events: list[Event]) -> Rows:
    return number(len({event["user"]["name"] for event in twice(events)}))


def tired(events: list[Event]) -> list[Event]:
    return [event for event in events if event["event"].get("action") == "mfa_fatigue"]


@panel
def fatigue(events: list[Event]) -> Rows:
    return number(len(tired(events)))


@panel
def refusals(events: list[Event]) -> Rows:
    classes = {"denied", "no_response", "fraud"}
    those = [event for event in done(events) if status(event).get("class") in classes]
    return over_time(those, lambda some: ranking(some, "azure_mfa.status.class", 3))


@panel
def findings(events: list[Event]) -> Rows:
    columns = (
        "event.action", "user.domain", "user.name", "host.name", "event.severity", "azure_mfa.double_prompt.pattern",
        "azure_mfa.double_prompt.gap_ms", "message",
    )  # fmt: skip
    alerts = [event for event in events if event["event"]["kind"] == "alert"]  # of every detector
    found = sorted(alerts, key=lambda event: event["@timestamp"], reverse=True)
    values = [[get(event, column) for column in columns] for event in found]
    return [(tuple("" if value is None else str(value) for value in row), (1.0,)) for row in values]


@panel
def methods(events: list[Event]) -> Rows:
    return ranking([event for event in done(events) if prompted(event)], "azure_mfa.status.method", 8)


@panel
def failures(events: list[Event]) -> Rows:
    return ranking([event for event in done(events) if event["event"]["outcome"] == "failure"], "event.reason", 12)


@panel
def top_users(events: list[Event]) -> Rows:
    tests = {
        "All": lambda event: True,
        "Prompts": prompted,
        "Cache hits": cached,
        "Failures": lambda event: bool(event["event"]["outcome"] == "failure"),
    }
    return nested(done(events), "user.name", 15, lambda some: labelled(some, tests))


@panel
def double_prompts_over_time(events: list[Event]) -> Rows:
    return over_time(twice(events), lambda some: ranking(some, "azure_mfa.double_prompt.pattern", 3))


@panel
def double_prompt_gaps(events: list[Event]) -> Rows:
    ends = {
        "first still open": (-1e12, 0), "under 10 s": (0, 10_000), "10 to 20 s": (10_000, 20_000), "20 to 30 s": (20_000, 30_000),
        "30 to 45 s": (30_000, 45_000), "45 s and more": (45_000, 1e12),
    }  # fmt: skip
    return labelled(twice(events), {label: gap(*pair) for label, pair in ends.items()})


@panel
def double_prompt_users(events: list[Event]) -> Rows:
    def numbers(some: list[Event]) -> tuple[float, ...]:
        findings = [event["azure_mfa"]["double_prompt"] for event in some]
        return mean([finding["gap_ms"] / 1000 for finding in findings]), float(max(finding["count"] for finding in findings))

    return with_numbers(twice(events), "user.name", 15, numbers)


@panel
def mfa_fatigue(events: list[Event]) -> Rows:
    def numbers(some: list[Event]) -> tuple[float, ...]:
        counts = [event["azure_mfa"]["mfa_fatigue"]["count"] for event in some]
        return float(max(counts)), float(max(event["event"]["severity"] for event in some))

    return with_numbers(tired(events), "user.name", 15, numbers)


@panel
def cache_would_spare(events: list[Event]) -> Rows:
    return labelled(twice(events), {f"{seconds} s": spared(seconds) for seconds in (5, 10, 20, 30, 45, 60)})


@panel
def cache_hits(events: list[Event]) -> Rows:
    return over_time(done(events), lambda some: labelled(some, {"prompt": prompted, "cache hit": cached}))


@panel
def answer_time(events: list[Event]) -> Rows:
    def numbers(some: list[Event]) -> tuple[float, ...]:
        seconds = [event["event"]["duration"] / 1e9 for event in some]
        return mean(seconds), max(seconds)

    timed = [event for event in ended(events) if event["event"]["action"] == "mfa-status" and "duration" in event["event"]]
    at_once = [event for event in timed if status(event).get("method") not in ("text_message", "oath_token")]
    return with_numbers([event for event in at_once if of_class("authenticated")(event)], "azure_mfa.status.method", 8, numbers)


@panel
def alarming(events: list[Event]) -> Rows:
    names = {"fraud reported": "fraud", "blocked or locked": "blocked", "bypass used": "bypassed", "denied": "denied"}
    return over_time(done(events), lambda some: labelled(some, {label: of_class(name) for label, name in names.items()}))


@panel
def alarming_users(events: list[Event]) -> Rows:
    those = [event for event in done(events) if status(event).get("class") in ("fraud", "blocked", "bypassed")]
    return nested(those, "user.name", 20, lambda some: ranking(some, "event.reason", 5))


@panel
def unparsed_over_time(events: list[Event]) -> Rows:
    tests = {
        "no pattern": lambda event: event["event"]["kind"] == "pipeline_error",
        "without its request": lambda event: "mfa_orphan" in event.get("tags", []),
        "verdict disagrees": lambda event: "mfa_outcome_conflict" in event.get("tags", []),
        "unknown code": of_class("unknown"),
    }
    return over_time(events, lambda some: labelled(some, tests))


@panel
def volume(events: list[Event]) -> Rows:
    def numbers(some: list[Event]) -> tuple[float, ...]:
        return (max(millis(event["@timestamp"]) for event in some),)

    return nested(events, "event.dataset", 8, lambda some: with_numbers(some, "event.action", 16, numbers))


@panel
def changes(events: list[Event]) -> Rows:
    those = [event for event in events if "iam" in event["event"].get("category", [])]

    def by_user(some: list[Event]) -> Rows:
        return nested(some, "user.name", 8, lambda few: ranking(few, "user.target.name", 8))

    return nested(those, "event.action", 8, by_user)


@panel
def nps_errors(events: list[Event]) -> Rows:
    return ranking([event for event in events if event["event"].get("action") == "mfa-error"], "error.code", 12)


@panel
def sources(events: list[Event]) -> Rows:
    actions = ("mfa-status", "mfa-result", "primary-auth-result")
    those = [event for event in events if event["event"].get("action") in actions and get(event, "source.ip")]
    those = [event for event in those if status(event).get("class") != "pending"]
    counts = Counter(event["source"]["ip"] for event in those)  # addresses are ordered as numbers
    top = sorted(counts.items(), key=lambda item: (-item[1], ip_address(item[0]).packed))[:12]
    return [((key,), (float(count),)) for key, count in top]
