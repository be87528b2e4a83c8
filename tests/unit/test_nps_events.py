"""Sign-ins through the NPS extension as JSON: which lines the fast path takes, and that it changes no byte of any."""

import sys
from functools import partial

import pytest

from shipper.decode import nps_events
from shipper.decode.parser import Options, Parser
from shipper.decode.plain import FastParser
from shipper.decode.windows_event import LONGEST
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Pipeline, Settings, _scratch
from shipper.times import EPOCH
from tests.support.logs import library, log_file, started
from tests.unit.test_plain import parsed

CID, STATE = "82a3db8d-3317-43f7-b203-6ba81cba93c9", "92a3db8d-3317-43f7-b203-6ba81cba93c9"
HEAD = '{"TimeCreated":"2017-02-14T02:57:19.3193746Z","ProviderName":"Microsoft-AzureMfa-AuthZ","ProcessId":3120,"ThreadId":136,'
SAID = '"LevelDisplayName":"Information","MachineName":"nps01","Message":"NPS Extension for Azure MFA:  CID: '
ASKED, ANSWERED = (
    "Challenge requested in Authentication Ext for User DOM\\\\anna with state",
    "Access Accepted for user DOM\\\\anna",
)
CHALLENGE = f'{HEAD}{SAID}{CID} : {ASKED} {STATE}"}}'
ENDED = f'{HEAD}{SAID}{CID} : {ANSWERED} with Azure MFA response: Success and message: session 1"}}'.replace("57:19", "57:30")
ALONE = ENDED.replace(CID, STATE)


takes_possessive = pytest.mark.skipif(
    sys.version_info < (3, 11, 5),
    reason="possessive quantifiers match less there (CPython issue 106052): the general path takes all",
)


def left(lines: list[str]) -> tuple[list[str], Counts]:
    """The lines that the general path takes, and what is counted for the others."""
    data = "".join(f"{line}\n" for line in lines).encode()
    how = Settings(library())
    general = Parser(how.library, how.options, log_file(data), started(how.options.exchange_timeout), Counts())
    taken: list[str] = []
    general.line = lambda text, offset, tags, *, half=False: taken.append(text)  # type: ignore[method-assign]
    texts = FastParser(general, partial(_scratch, how))(Chunk(data, 0)).texts
    assert len(texts) == general.counts.lines == len(lines) - len(taken)
    return taken, general.counts


def both(lines: list[str], options: Options | None = None, *, per_exchange: bool = False) -> None:
    fast, general = (parsed(lines, options or Options(), fast=fast, per_exchange=per_exchange) for fast in (True, False))
    assert fast == general


@takes_possessive
@pytest.mark.parametrize("user", ["DOM\\\\anna", "anna@example.com", "anna", "Pat O'Brien", "a b  c", "%s {}", "@"])
@pytest.mark.parametrize("zone", ["Z", "+00:00"])
@pytest.mark.parametrize("spaced", [False, True])
def test_plain_events_take_the_fast_path(user: str, zone: str, spaced: bool) -> None:
    lines = [line.replace("DOM\\\\anna", user).replace("6Z", f"6{zone}") for line in (CHALLENGE, ENDED, ALONE, CHALLENGE)]
    lines = [line.replace('":', '": ') for line in lines] if spaced else lines

    taken, counts = left(lines)

    assert taken == []
    assert (counts.requests, counts.statuses, counts.results) == (2, 1, 1)
    both(lines)


@takes_possessive
@pytest.mark.parametrize(
    "line",
    [
        CHALLENGE.replace('"ThreadId"', '"XThreadId"'),
        CHALLENGE.replace('"Message"', '"ThreadId":7,"Message"'),  # the last one counts
        CHALLENGE.replace(":136", ":0136"),
        CHALLENGE.replace("02-14", "02-30"),
        CHALLENGE.replace("02-14", "02-20"),  # more than a day ahead
        CHALLENGE.replace("nps01", "mark-7-user-7-mark"),
        CHALLENGE.replace("anna", "an\\\\na"),
        CHALLENGE.replace("anna", "änna"),
        CHALLENGE.replace("anna", "\\u0061nna"),
        CHALLENGE.replace("nps01", "\\ud800"),
        CHALLENGE.replace("Id", "I\t"),
        CHALLENGE.replace("nps01", "x" * nps_events.FRAME),
        CHALLENGE.replace("Azure MFA", "Other MFA"),
        ENDED.replace("DOM", "dom"),
        "{}",
        "",
    ],
)
def test_other_events_take_the_general_path(line: str) -> None:
    lines = [CHALLENGE.replace("{", '{"Id":1,'), line, ENDED]

    assert left(lines)[0] == [line]
    both(lines)


@takes_possessive
def test_a_challenge_whose_id_is_open_takes_the_general_path() -> None:
    lines = [CHALLENGE, CHALLENGE.replace("anna", "bob"), ENDED, ENDED]

    assert left(lines)[0][:1] == lines[1:2]
    both(lines)


@pytest.mark.parametrize("later", ["03:07:19", "03:07:20", "03:17:20"])
def test_a_challenge_counts_so_long(later: str) -> None:
    other = CHALLENGE.replace(CID, STATE)

    both([CHALLENGE, other, ENDED.replace("02:57:30", later), ENDED, CHALLENGE, ENDED])
    both([CHALLENGE, other.replace("02:57:19", later), ENDED])


@pytest.mark.parametrize("per_exchange", [False, True])
@pytest.mark.parametrize("keep_original", [False, True])
@pytest.mark.parametrize("limit", [0, 1, 2, nps_events.LIMIT])
def test_both_paths_agree(limit: int, keep_original: bool, per_exchange: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nps_events, "LIMIT", limit)
    lines = [line.replace("Information", "Información, 100 %") for line in (CHALLENGE, ENDED, ALONE)]

    both(
        [*lines, "no event", *lines, ENDED.replace("Success", "Unheard"), ENDED.replace("Accepted", "Rejected")],
        Options(keep_original),
        per_exchange=per_exchange,
    )


@takes_possessive
def test_there_are_so_many_templates_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nps_events, "LIMIT", 3)
    numbered = [CHALLENGE.replace("{", f'{{"RecordId":{number},').replace("82a3", f"{number:04x}") for number in range(10)]

    assert left(numbered)[0] == numbered[3:]


@takes_possessive
def test_an_event_may_be_so_long() -> None:
    size = LONGEST - len(ENDED) + len("session 1")
    fits, longer = (ENDED.replace("session 1", "x" * length) for length in (size, size + 1))

    assert left([CHALLENGE, fits, longer])[0] == [longer]
    both([CHALLENGE, fits, longer])


def test_a_hostile_line_takes_linear_time() -> None:
    parts = ('"', '":"2017-02-14T02:57:19Z', '"ThreadId":1', '": "NPS Extension for Azure MFA: ', " with state ", "\\\\")
    lines = [CHALLENGE.replace(place, place + part * 20_000) for place in ("{", "136,", "User ", "nps01") for part in parts]

    both([CHALLENGE, *lines, ENDED])


def test_messages_with_a_correlation_id_are_not_remembered() -> None:
    pipeline = Pipeline(Settings(library(), fast=False), Counts())
    pipeline.open(LogFile(None, "0" * 16, EPOCH))
    head = "2019-10-17T20:48:35Z NPS Extension for Azure MFA: "
    result = (
        " CID: 0c7a1c52-0d0b-4b53-9a3e-6f0b7a3f1d01 : Access Accepted for user a with Azure MFA response: Success and message: s"
    )
    pipeline(Chunk(f"{head}{result}\n{head} hello\n{head} hello\n".encode(), 0))
    assert pipeline.sizes[0] == 1
