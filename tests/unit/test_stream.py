"""`detect` without Kafka: what it makes of events, in which order, and what it forgets."""

import json
import random
from io import BytesIO
from typing import Any

import pytest
from kafka.partitioner.default import murmur2

from shipper.decode.parser import Options
from shipper.deliver.kafka.client import KafkaOptions
from shipper.detect import default_rules
from shipper.model import Counts
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks
from shipper.stream.bucket import BucketCounts
from shipper.stream.completions import EventReader, NotOurs
from shipper.stream.stages import DEAD_LETTER_KEY, Place, StreamCounts, bucket_keys
from shipper.stream.users import LONGEST_STATE
from shipper.times import SECOND
from tests.support.across import ship_across
from tests.support.fleet import Fleet
from tests.support.golden_cases import Case, cases
from tests.support.logs import library, log_file
from tests.support.stream import EVENTS, Stream, settings

MINUTE = 60 * SECOND
PLAIN = [case for case in cases() if case.files == ["input.log"] and case.options in ([], ["--events", "exchange"])]


def stamp(seconds: float, year: int = 2017) -> str:
    whole, micro = divmod(round(seconds * 10**6), 10**6)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{year}-02-{14 + days:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}Z"


def event(number: int, user: str, start: float | None, end: float, *, host: str | None = "mfa01", code: int = 21) -> bytes:
    """The status of an exchange, or without a start a one-line result."""
    status = {
        21: {"description": "Approved", "class": "authenticated", "prompted": True, "method": "mobile_app"},
        129: {"description": "Denied", "class": "denied", "prompted": True, "method": "mobile_app"},
        6: {"description": "Cached", "class": "cached", "prompted": False},
    }[code]
    about: dict[str, Any] = {"id": f"aa-{number}", "module": "azure_mfa", "kind": "event", "provider": "pfrad"}
    azure: dict[str, Any] = {"status": {"code": code, "severity": "low", **status}}
    about |= {"action": "mfa-result", "outcome": "success" if code == 21 else "failure"}
    if start is not None:
        about |= {"action": "mfa-status", "start": stamp(start), "end": stamp(end)}
        azure["exchange"] = {"id": f"aa-{number - 1}"}
    document = {"@timestamp": stamp(end), "event": about, "azure_mfa": azure}
    if user:
        domain, _, name = user.rpartition("\\")
        document["user"] = {"name": name} | ({"domain": domain} if domain else {})
    if host is not None:
        document["host"] = {"name": host}
    return json.dumps(document).encode()


def clock(seconds: float, year: int = 2017) -> bytes:
    """An event that says nothing but the time."""
    about = {"id": "bb-1", "module": "azure_mfa", "kind": "event", "action": "log"}
    return json.dumps({"@timestamp": stamp(seconds, year), "event": about}).encode()


def ids(stream: Stream) -> list[str]:
    return [finding["event"]["id"] for finding in stream.found]


# What the records say


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_events_say_which_authentications_the_parser_has_seen(case: Case) -> None:
    data = (case.directory / "input.log").read_bytes()
    pipeline = Pipeline(Settings(library(), detectors={}, per_exchange=case.options != []), Counts())
    completions: list[tuple[Any, ...]] = []
    pipeline.on_completed = lambda some, labels: completions.extend(
        (labels[one[0]][1], one[1], *one[2:8], *one[8][:3], *one[8][4:], one[9]) for one in some if one[1] is not None
    )
    pipeline.open(log_file(data))
    output = b"".join(pipeline(chunk).data for chunk in read_chunks(BytesIO(data).read, 0, "utf-8", 1 << 16, 1 << 20))
    read = EventReader()
    events = [read(line) for line in (output + pipeline.close().data).splitlines()]
    seen = [(event.completed.event_id, event.completed.fields) for event in events if event.completed is not None]
    assert [(at, one[1], *one[2:8], *one[8][:3], *one[8][4:], one[9]) for at, one in seen] == completions


def test_most_golden_cases_are_among_them() -> None:
    assert len(PLAIN) > 60


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "the record is empty"),
        (None, "the record is empty"),
        (b"\xff\xfe", "no JSON"),
        (b"{", "no JSON"),
        (b"[" * 100_000, "no event in the format ecs"),
        (b"[]", "no event in the format ecs: Expected `object`, got `array`"),
        (b"null", "no event in the format ecs"),
        (b'{"message": "of another shipper"}', "no event in the format ecs: Object missing required field `event`"),
        (event(2, "anna", 0, 5).replace(b'"azure_mfa", "kind"', b'"nginx", "kind"'), "event.module is not azure_mfa"),
        (event(2, "anna", 0, 5).replace(b"2017", b"soon"), "'soon-02-14T00:00:05.000000Z' is no time"),
        (
            event(2, "anna", 0, 5).replace(b'"name": "anna"', b'"name": 7'),
            "no event in the format ecs: Expected `str`, got `int` - at `$.user.name`",
        ),
    ],
)
def test_what_is_no_event_of_ours(value: bytes | None, reason: str) -> None:
    with pytest.raises(NotOurs) as said:
        EventReader()(value)
    assert str(said.value).startswith(reason)


def test_what_completes_nothing() -> None:
    read = EventReader()
    time = read(clock(5)).time
    assert read(event(2, "", 0, 5)) == (time, None, True)
    orphan = json.loads(event(2, "anna", 0, 5))
    del orphan["event"]["start"]
    assert read(json.dumps(orphan).encode()) == (time, None, False)
    assert read(event(2, "anna", 0, 5).replace(b'"kind": "event"', b'"kind": "alert"')) == (None, None, False)
    assert read(clock(5, year=9999)) == (None, None, False)
    assert read(event(2, "anna", 0, 5).replace(b"2017", b"9999")) == (None, None, False)


# Whole runs


def lanes(seed: int, servers: int, per_exchange: bool) -> tuple[list[bytes], list[tuple[float, bytes]]]:
    """The logs of a fleet, and their events with their times in seconds."""
    fleet = Fleet(seed, servers, 250, rate=0.5)
    logs = [bytearray() for _ in range(servers)]
    for line in fleet.lines():
        logs[line.server] += line.text.encode()
    events: list[tuple[float, bytes]] = []
    for number, data in enumerate(logs):
        options = Options(constants={"host": {"name": f"mfa{number}"}})
        pipeline = Pipeline(Settings(library(), options, detectors={}, per_exchange=per_exchange), Counts())
        pipeline.open(log_file(bytes(data)))
        blocks = [pipeline(chunk).data for chunk in read_chunks(BytesIO(bytes(data)).read, 0, "utf-8", 4096, 1 << 20)]
        for text in (b"".join(blocks) + pipeline.close().data).splitlines():
            time = json.loads(text)["@timestamp"]
            hours, minutes, seconds = time[11:-1].split(":")
            events.append((int(hours) * 3600 + int(minutes) * 60 + float(seconds), text))
    return [bytes(log) for log in logs], events


def facts(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding without the hosts."""
    detector = finding["event"]["action"]
    for side in ("first", "second", "last"):
        finding["azure_mfa"][detector].get(side, {}).pop("host", None)
    finding.pop("host", None)
    return finding


@pytest.mark.parametrize("lateness", [0, 120 * SECOND])
@pytest.mark.parametrize(("seed", "servers", "per_exchange"), [(1, 1, False), (2, 2, False), (3, 3, True), (4, 8, False)])
def test_findings_are_those_of_parse_across(seed: int, servers: int, per_exchange: bool, lateness: int) -> None:
    rnd = random.Random(seed)
    logs, events = lanes(seed, servers, per_exchange)
    stream = Stream(settings(lateness=lateness, rules=default_rules()), partitions=rnd.randint(1, 4))
    jitter = 0.999 * lateness / SECOND
    again: list[bytes] = []
    for _, text in sorted(((time + rnd.random() * jitter, text) for time, text in events), key=lambda pair: pair[0]):
        stream.take(text)
        if rnd.random() < 0.02:
            stream.restart()
        if rnd.random() < 0.05:
            again.append(text)
        if again and rnd.random() < 0.1:
            stream.take(again.pop(0))
    stream.quiet()

    _, output = ship_across(Settings(library()), [[log] for log in logs], Counts())
    expected = [facts(json.loads(text)) for text in output.splitlines()]
    assert len(expected) > 20
    key = lambda finding: finding["event"]["id"]  # noqa: E731
    assert sorted(map(facts, stream.found), key=key) == sorted(expected, key=key)
    assert stream.counts.buckets.repeated > 0
    assert sum(stream.counts.buckets.waiting.values()) == 0


def test_a_finding_names_both_hosts() -> None:
    stream = Stream(settings(constants={"host": {"name": "detect"}, "labels": {"site": "x"}}))
    stream.take(event(2, "C\\anna", 0, 5, host="mfa01"))
    stream.take(event(4, "c\\ANNA", 13, 17, host="mfa02"))
    stream.take(event(6, "bert", 13, 17, host=None))
    stream.take(event(8, "bert", 18, 19, host=None))
    stream.quiet()
    anna, bert = sorted(stream.found, key=lambda finding: finding["user"]["name"])
    assert [anna["azure_mfa"]["double_prompt"][side]["host"] for side in ("first", "second")] == ["mfa01", "mfa02"]
    assert (anna["host"], anna["labels"]) == ({"name": "mfa02"}, {"site": "x"})
    assert (bert["host"], bert["azure_mfa"]["double_prompt"]["first"]["host"]) == ({"name": "detect"}, "detect")
    assert [message.key for message in stream.alerts if b"anna" in message.key] == [b"c\\anna"]
    assert stream.alerts[0].headers == [("schema", b"1"), ("dataset", b"azure_mfa.radius")]


def test_totals_of_detectors_are_counted() -> None:
    stream = Stream(settings(lateness=0))
    stream.take(clock(0), partition=0)
    stream.take(event(2, "anna", 0, 5), partition=0)
    stream.take(event(4, "anna", 6, 6, code=6), partition=0)
    assert stream.counts.buckets.detected == {"cache_hits": 1}


# Order and time


def test_a_finding_waits_for_the_time_and_for_no_event_of_its_user() -> None:
    stream = Stream(settings(lateness=MINUTE), partitions=1)
    for text in (clock(0), event(2, "anna", 0, 5), event(4, "anna", 13, 17), clock(60)):
        stream.take(text)
    assert ids(stream) == []
    assert sum(stream.counts.buckets.waiting.values()) == 2
    for seconds in (85, 90):
        stream.take(clock(seconds))
    assert ids(stream) == ["aa-3-dp"]


def test_what_waits_in_buckets_that_went_to_another_instance_is_not_counted() -> None:
    stream = Stream(settings(partitions=2), partitions=1)
    for number in range(40):
        stream.take(event(2 * number + 2, f"user{number}", 0, 5))
    waiting = stream.counts.buckets.waiting
    first, second = waiting[0, 0], waiting[1, 0]
    assert (min(first, second) > 0, first + second) == (True, 40)
    stream.counts.buckets.have({0, 1})
    assert sum(waiting.values()) == 40
    stream.counts.buckets.have({1})
    assert waiting == {(1, 0): second}
    stream.counts.buckets.have(set())
    assert waiting == {}


def test_those_of_one_instant_come_in_the_order_of_their_ids() -> None:
    stream = Stream(settings(lateness=MINUTE))
    for number in (8, 4, 6, 2):
        stream.take(event(number, "anna", 5, 5, host=None), partition=0)
    stream.quiet()
    assert stream.counts.buckets.late == 0
    assert [finding["azure_mfa"]["double_prompt"]["second"]["id"] for finding in stream.found] == ["aa-3", "aa-5", "aa-7"]


def test_what_comes_too_late_is_counted_and_judged_at_once() -> None:
    stream = Stream(settings(lateness=MINUTE), partitions=1)
    for text in (clock(0), event(4, "anna", 13, 17), clock(200), event(2, "anna", 0, 5)):
        stream.take(text)
    assert stream.counts.buckets.late == 1
    assert ids(stream) == ["aa-3-dp"]


def test_without_lateness_a_finding_waits_for_nothing() -> None:
    stream = Stream(settings(lateness=0), partitions=1)
    for text in (clock(0), event(2, "anna", 0, 5), event(4, "anna", 13, 17)):
        stream.take(text)
    assert ids(stream) == ["aa-3-dp"]
    stream.take(event(6, "anna", 10, 11))
    assert stream.counts.buckets.late == 1


def test_one_event_of_another_time_makes_nobody_late() -> None:
    stream = Stream(settings(lateness=MINUTE), partitions=1)
    stream.take(clock(0))
    stream.take(event(2, "anna", 0, 5))
    stream.take(event(12, "eve", 0, 5).replace(b"2017", b"2035"))
    stream.take(event(4, "anna", 13, 17))
    for seconds in (100, 101):
        stream.take(clock(seconds))
    assert (ids(stream), stream.counts.buckets.late, stream.events.clocks.misdated) == (["aa-3-dp"], 0, 1)
    stream.quiet()
    stream.take(event(6, "anna", 101, 102))
    assert stream.counts.buckets.late == 0


def test_a_day_of_silence_moves_on_with_the_second_event() -> None:
    stream = Stream(settings(lateness=MINUTE), partitions=1)
    monday = 3 * 86_400
    for text in (clock(0), clock(1), event(2, "anna", monday, monday + 5), event(4, "anna", monday + 13, monday + 17)):
        stream.take(text)
    for seconds in (90, 95):
        stream.take(clock(monday + seconds))
    assert ids(stream) == ["aa-3-dp"]
    assert list(stream.events.clocks.newest()) == [(0, (1487030400 + monday + 95) * SECOND)]


def test_a_tick_that_is_overtaken_lets_nothing_go() -> None:
    stream = Stream(settings(lateness=MINUTE), partitions=1)
    stream.take(event(2, "anna", 0, 5))
    stream.take(event(4, "anna", 13, 17))
    stream.settings, offsets = stream.settings, stream._offsets
    offsets[0] = 1  # the end, as it was when the tick was made
    stream.quiet()
    assert ids(stream) == []
    offsets[0] = 2
    stream.quiet()
    assert ids(stream) == ["aa-3-dp"]


def test_a_partition_that_is_read_again_has_a_new_clock() -> None:
    stream = Stream(settings(lateness=MINUTE), partitions=1)
    for offset in (0, 1):
        stream.take(clock(100 + offset), offset=offset)
    assert len(list(stream.events.clocks.newest())) == 1
    stream.take(clock(0), offset=0)
    assert list(stream.events.clocks.newest()) == []


def test_the_time_is_told_now_and_then() -> None:
    stream = Stream(settings(lateness=160 * SECOND), partitions=1)
    for second in range(101):
        stream.take(clock(second))
    assert len(stream.held) == 3 * 10  # each bucket, every ten seconds
    stream.take(clock(500))
    stream.now -= 10**9
    stream.take(clock(900))
    assert len(stream.held) == 3 * 11  # and not twice in half a second


# What is kept


def test_users_are_forgotten_after_the_horizon() -> None:
    stream = Stream(settings(lateness=0, rules=default_rules()), partitions=2)
    horizon = max(rule.horizon for rule in default_rules().values()) / SECOND
    for number in range(200):
        stream.take(event(2 * number, f"user{number % 100}", 10 * number, 10 * number + 5))
    assert len(stream.users) == 100
    at = 2000
    while at < 2000 + 2.5 * horizon:
        for partition in (0, 1):
            stream.take(clock(at), partition=partition)
        at += 100
    assert stream.users == []
    assert stream.counts.buckets.forgotten == 100
    assert all(key.startswith("l") for state in stream.states.values() for key in state.values)


def test_a_user_who_comes_again_is_not_forgotten() -> None:
    stream = Stream(settings(lateness=0, partitions=1), partitions=1)
    stream.take(clock(0))
    for number in range(400):
        stream.take(event(2 * number + 2, "anna", 100 * number, 100 * number + 5))
        assert len(stream.users) == 1
    (state,) = stream.states.values()
    assert max(map(len, state.values.values())) < 30_000  # two horizons of it


def largest(stream: Stream) -> int:
    """Bytes of the longest state of a user."""
    return max(len(text) for state in stream.states.values() for key, text in state.values.items() if key.startswith("u"))


def test_a_user_who_never_stops_signing_in_is_remembered_in_part() -> None:
    stream = Stream(settings(lateness=0, partitions=1), partitions=1)
    stream.take(clock(0))
    for second in range(1500):
        stream.take(event(2 * second + 2, "C\\probe", second, second + 0.5))
    assert largest(stream) < 1.3 * LONGEST_STATE  # the tests' JSON has blanks in it
    assert [finding["azure_mfa"]["double_prompt"]["count"] for finding in stream.found[-2:]] == [601, 601]
    assert len(stream.found) == 1499
    assert 300 < stream.counts.buckets.crowded_out < 1500
    assert stream.counts.buckets.crowded == "c\\probe"
    stream.take(event(2, "C\\probe", 0, 0.5))  # it comes again, and nobody knows it any more
    assert (stream.counts.buckets.repeated, len(stream.found)) == (1, 1499)
    stream.take(event(4002, "anna", 1500, 1501))
    stream.take(event(4004, "anna", 1505, 1510))
    assert ids(stream)[1499:] == ["aa-4003-dp"]


def test_a_thousand_sign_ins_at_once_are_within_the_limit_too() -> None:
    stream = Stream(settings(lateness=MINUTE, partitions=1), partitions=1)
    for number in range(1500):
        stream.take(event(2 * number + 2, "probe", 5, 5))
    stream.quiet()
    assert len(stream.found) == 1499
    assert largest(stream) < LONGEST_STATE // 2
    assert stream.counts.buckets.crowded_out > 1000
    stream.take(event(5000, "probe", 20, 25))
    stream.take(event(5002, "probe", 30, 35))
    stream.quiet()
    assert ids(stream)[1499:] == ["aa-5001-dp"]


def test_long_names_make_no_longer_a_state() -> None:
    stream = Stream(settings(lateness=0, partitions=1), partitions=1)
    stream.take(clock(0))
    for number in range(200):
        text = event(2 * number + 2, "probe", 10 * number, 10 * number + 5, host="h" * 4096)
        stream.take(text.replace(b'"aa-', b'"' + b"a" * 4000 + b"-"))
    assert largest(stream) <= 1.1 * LONGEST_STATE
    assert len(stream.found) == 199


def test_a_record_costs_the_same_however_many_wait() -> None:
    def cost(users: int) -> int:
        stream = Stream(settings(lateness=MINUTE, partitions=1), partitions=1)
        stream.take(clock(0))
        for number in range(users):
            stream.take(event(2 * number + 2, f"user{number}", 0, 5))
        (state,) = stream.states.values()
        before = state.asked
        stream.take(event(1, "anna", 0, 5))
        return state.asked - before

    assert cost(2000) == cost(10) <= 3


def test_without_detectors_nothing_is_found() -> None:
    stream = Stream(settings(rules={}))
    for text in (event(2, "anna", 0, 5), event(4, "anna", 13, 17)):
        stream.take(text)
    stream.quiet()
    assert stream.found == []


def test_the_nps_extension_is_one_component() -> None:
    stream = Stream(settings())
    for number, provider in ((2, b"AuthZ"), (4, b"AuthN")):
        text = event(number, "anna", 10 * number, 10 * number + 5)
        stream.take(text.replace(b'"pfrad"', b'"Microsoft-AzureMfa-' + provider + b'"'))
    stream.quiet()
    assert len(stream.users) == 1


# Dead letters


def test_what_is_none_of_ours_is_kept_with_its_reason() -> None:
    stream = Stream(settings())
    stream.take(b"\xff", partition=1)
    stream.take(b'{"a": 1}', partition=1)
    letters = [json.loads(message.value) for message in stream.dead]
    assert letters[0] == {"reason": "no JSON", "topic": EVENTS, "partition": 1, "offset": 0, "line_base64": "/w=="}
    assert (letters[1]["line"], letters[1]["offset"]) == ('{"a": 1}', 1)
    assert {message.key for message in stream.dead} == {DEAD_LETTER_KEY}
    assert stream.counts.dead_letters == 2


@pytest.mark.parametrize(
    "long", [b"\x01" * 900_000, "\U0001f642".encode() * 250_000 + b"x", b"\xff" * 1_000_000, b"x" + "é".encode() * 500_000]
)
def test_the_letter_of_a_long_record_is_one_that_kafka_takes(long: bytes) -> None:
    stream = Stream(settings())
    stream.take(long, partition=0)
    (message,) = stream.dead
    assert len(message.value) < 900_000
    assert json.loads(message.value)["bytes"] == len(long)


def test_a_name_of_a_megabyte_is_no_authentication() -> None:
    stream = Stream(settings())
    stream.take(event(2, "n" * 1_000_000, 0, 5))
    stream.take(event(4, "n" * 4096, 0, 5))
    (letter,) = stream.dead
    assert json.loads(letter.value)["reason"].endswith("length <= 4096 - at `$.user.name`")
    assert stream.counts.completions == 1


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff", b'{"p": "x"}', b'{"p": 1, "c": [1]}', b'{"p": 1, "c": 7}'])
def test_what_does_not_belong_between_the_stages_stops_nothing(value: bytes | None) -> None:
    stream = Stream(settings())
    (letter,) = stream.buckets(value, stream.states[b""], Place("held", 0, 0))
    assert json.loads(letter.value)["reason"].startswith("no record of detect: ")


def test_a_state_that_is_not_ours_stops_nothing() -> None:
    stream = Stream(settings(), partitions=1)
    for key in bucket_keys(3):
        stream.states[key].set("l0", {"of": "another version"})
    stream.take(event(2, "anna", 0, 5))
    stream.take(clock(6))
    assert {json.loads(letter.value)["reason"][:30] for letter in stream.dead} == {"a mistake in detect: KeyError:"}


def test_half_a_character_stops_nothing() -> None:
    stream = Stream(settings(), partitions=1)
    stream.take(event(2, "anna", 0, 5).replace(b'"anna"', b'"\\ud800"'), partition=0)
    assert len(stream.dead) == 1


def test_a_number_beyond_all_measure_stops_nothing() -> None:
    stream = Stream(settings(), partitions=1)
    stream.take(event(2, "anna", 0, 5).replace(b'"code": 21', b'"code": 1%s' % (b"0" * 30)))
    assert len(stream.dead) == 1


def test_an_alert_moves_no_clock() -> None:
    stream = Stream(settings(), partitions=1)
    stream.take(clock(0).replace(b'"kind": "event"', b'"kind": "alert"'))
    assert (list(stream.events.clocks.newest()), stream.dead, stream.counts.events) == ([], [], 1)


def test_the_names_of_topics() -> None:
    how = settings(kafka=KafkaOptions(("b:1",), "mfa"))
    assert (how.held_topic, how.changelog_topic) == ("group-held", "changelog__group--group-held--default")
    assert (how.alert_topic, how.dead_letter_topic) == ("mfa", "group-dead-letters")
    named = settings(kafka=KafkaOptions(("b:1",), "mfa", "alerts", "letters"))
    assert (named.alert_topic, named.dead_letter_topic) == ("alerts", "letters")


@pytest.mark.parametrize("partitions", [1, 3, 12, 100])
def test_each_bucket_has_a_partition_of_its_own(partitions: int) -> None:
    keys = bucket_keys(partitions)
    assert [(murmur2(key) & 0x7FFFFFFF) % partitions for key in keys] == list(range(partitions))


def test_an_event_without_a_user_is_counted() -> None:
    stream = Stream(settings())
    stream.take(event(2, "", 0, 5))
    assert (stream.counts.nobody, stream.counts.completions, stream.counts.events) == (1, 0, 1)


def test_what_a_transaction_did_is_added_once() -> None:
    shown, done = StreamCounts(), StreamCounts()
    for number in (1, 2):
        done.events += 3
        done.buckets.judged += 2
        done.buckets.detected["double_prompts"] += 1
        done.buckets.waiting[0, number] = number
        shown.take(done)
        shown.take(done)
        assert (shown.events, shown.buckets.judged, shown.buckets.detected["double_prompts"]) == (3 * number, 2 * number, number)
    done.buckets.crowded = "probe"
    shown.take(done)
    assert (shown.buckets.waiting, shown.buckets.crowded) == ({(0, 1): 1, (0, 2): 2}, "probe")
    assert done == StreamCounts(buckets=BucketCounts(crowded="probe"))
