"""The hints that `parse` and `report` give."""

import json
import re

import pytest

from shipper.decode.unparsed import HINTS, own_event
from shipper.detect import rules_for
from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from shipper.report.hints import hints
from shipper.times import SECOND
from tests.support.logs import library, log_file


def test_nothing_is_said_where_nothing_is_odd() -> None:
    assert hints(Counts(lines=5)) == []


def test_an_empty_file_was_not_understood() -> None:
    assert hints(Counts()) == ["there was nothing to read: no file holds a line"]


def test_less_than_half_understood_is_said_first() -> None:
    half = Counts(lines=4, unparsed=1)
    half.unknown("x")
    half.causes["mail"] = 1
    assert len(hints(half)) == 1

    half.lines += 1
    half.unparsed += 1
    assert hints(half)[0].startswith("less than half of the lines were understood: 2 of 5;")


def test_causes_the_commonest_first() -> None:
    counts = Counts(lines=5000)
    counts.causes.update({"mail": 3, "local_time": 1200})

    first, second = hints(counts)

    assert first.startswith("1,200 lines have a time that is not UTC")
    assert second.startswith("3 lines begin with >")


@pytest.mark.parametrize("cause", HINTS)
def test_a_line_by_itself_has_the_singular(cause: str) -> None:
    counts = Counts(lines=5)
    counts.causes[cause] = 1

    [hint] = hints(counts)

    assert hint.startswith("1 line ")
    assert not re.search(r"^1 line is \w+s\b|, but hold ", hint)
    assert hint.split()[2].endswith("s")


def test_a_log_out_of_order_is_told_from_prompts_and_orphans() -> None:
    [hint] = hints(Counts(lines=5, late=2, out_of_order=4))

    assert hint.startswith("6 lines are much older than lines before")
    assert "give the parts as files of their own" in hint


def test_an_export_that_is_newest_first_is_told() -> None:
    assert "newest first" in hints(Counts(lines=7, backwards=4))[0]
    assert hints(Counts(lines=8, backwards=4)) == []


@pytest.mark.parametrize("short", [True, False])
def test_a_log_that_is_newest_first_is_told(short: bool) -> None:
    lines = "".join(exchange(minute) for minute in range(9 if short else 50)).splitlines(keepends=True)

    [hint] = hints(counts_of("".join(reversed(lines))))

    assert hint.startswith(f"{len(lines) // 3 * 2} of {len(lines) // 3 * 2} verdicts and statuses have no request before them")
    assert "if the log is newest first, make it oldest first (tac FILE;" in hint
    assert hints(counts_of("".join(lines))) == []


def test_lines_that_name_no_thread_are_told() -> None:
    heads = "<134>1 2017-02-14T02:{:02}:00Z mfa01 pfrad 1 - - {}\n"
    messages = [line.rpartition("|")[2] for line in exchange(0).splitlines()]

    [hint] = hints(counts_of("".join(heads.format(minute, message) for minute in range(9) for message in messages)))

    assert hint.startswith("18 of 18 verdicts and statuses have no request before them")
    assert "the lines name no thread" in hint


def test_a_log_that_begins_in_the_middle_or_stands_twice_is_not_newest_first() -> None:
    assert hints(Counts(lines=8, requests=4, verdicts=2, statuses=2, orphans=4, open_at_end=4)) == []
    [hint] = hints(Counts(lines=80, requests=20, statuses=20, orphans=20, given_up=20, repeated=20))
    assert "stand twice" in hint


def test_events_of_ours_are_no_log() -> None:
    pipeline = Pipeline(Settings(library()), Counts())
    pipeline.open(log_file(exchange(0).encode()))
    (texts, _, _), _ = pipeline.decode(Chunk(exchange(0).encode(), 0))
    [*_, hint] = hints(counts_of("\n".join(texts)))

    assert hint == "3 lines hold events that mfa-shipper wrote: give the logs that they were made of"
    assert all(own_event(json.dumps(json.loads(text), indent=2)) for text in texts)


def test_parts_too_short_to_lose_anything_are_told_too() -> None:
    [hint] = hints(Counts(lines=5, behind=1))
    assert hint.startswith(
        "1 sign-in ends more than a minute before lines that stand above, so the log is not in the order of time"
    )

    assert len(hints(Counts(lines=5, behind=1, late=1))) == 1


def test_what_stands_twice() -> None:
    [hint] = hints(Counts(lines=5, repeated=2))

    assert hint.startswith("at least 2 sign-ins stand twice, with the same user and times: was it delivered twice?")


EXCHANGE = "{0}Z|0|1|2|pfrad|Calling pfAuthUser('DOM\\anna', '', 1)\n{0}Z|0|1|2|pfrad|authResult = 1\n{1}Z|0|1|2|pfrad|rawCallStatus = 21\n"


def exchange(minute: int, second: int = 0) -> str:
    begin = f"2017-02-14T02:{minute:02}:{second:02}.000000"
    return EXCHANGE.format(begin, begin.replace(".000000", ".500000"))


def counts_of(text: str, **choices: object) -> Counts:
    counts = Counts()
    pipeline = Pipeline(Settings(library(), **choices), counts)  # type: ignore[arg-type]
    pipeline.open(log_file(text.encode()))
    pipeline(Chunk(text.encode(), 0))
    pipeline.close()
    return counts


RESULT = (
    "2017-02-14T02:57:20.000000Z|i|1|2|pfsvc|0a0a0a0a-0000-4000-8000-000000000003|Pfauth failed for user 'anna'. "
    'Call status: FAILED_PHONE_INPUT - "Denied".\n'
)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        (exchange(1) * 2, 1),  # a batch that was sent again
        (exchange(1) * 3, 2),
        ("".join(line * 2 for line in exchange(1).splitlines(keepends=True)), 1),  # each line twice
        (exchange(1) + exchange(1, 30), 0),
        (exchange(1) + exchange(1).replace("anna", "carl"), 0),
        (exchange(1).replace("= 21", "= 20") + exchange(1), 0),
    ],
)
def test_a_sign_in_that_was_delivered_twice_is_seen(text: str, repeated: int, fast: bool) -> None:
    assert counts_of(text, fast=fast).repeated == repeated


def test_refusals_that_were_delivered_twice_are_seen() -> None:
    table = library().codes.codes
    denied = next(code for code in table.values() if code.status_class == "denied" and code.prompted)
    lines = [exchange(minute).replace("= 21", f"= {denied.number}").replace("t = 1", "t = 0") for minute in range(3)]
    rules = {"mfa_fatigue": rules_for(["mfa_fatigue"], 600 * SECOND, {})["mfa_fatigue"]}

    twice = counts_of("".join(text * 2 for text in lines), detectors=rules)
    assert (twice.detected["mfa_fatigue"], twice.repeated) == (1, 1)
    assert counts_of("".join(lines), detectors=rules).repeated == 0


@pytest.mark.parametrize(("before", "behind"), [(1, 0), (2, 1)])
def test_a_short_part_that_stands_before_an_earlier_one(before: int, behind: int) -> None:
    """Nothing is lost where so little is out of order, but the log is not what it was."""
    text = exchange(10, 1) + exchange(10 - before, 1).replace("anna", "carl")

    assert counts_of(text).behind == behind
    assert counts_of(text.replace("anna", "carl")).behind == behind
