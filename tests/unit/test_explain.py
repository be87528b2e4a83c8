"""What `mfa-shipper explain` says to a code, to words and to a line."""

import io
import json
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper import pipeline
from shipper.commands.explain import explain, text_of
from shipper.commands.near_misses import certain, reach
from shipper.decode.facts import Library
from shipper.decode.grok import Pattern
from shipper.decode.library import load, zone_of
from shipper.decode.line_patterns import Stamps
from shipper.errors import UsageError
from shipper.model import Chunk, Counts
from shipper.read.files import read_chunks
from shipper.read.identity import describe, identify
from shipper.times import EPOCH
from tests.support.exports import EVENTS, EXPORTS, content, powershell_7

HEAD = "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|"
REQUEST = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)"
VERDICT = HEAD + "authResult = 1"
STATUS = HEAD + "rawCallStatus = 21"
RESULT = "2019-04-23T17:22:14.516730Z|i|18288|26784|pfsvc|82a3db8d-0000-1111-2222-333344445555|Pfauth {} for user 'ann@example.com'. Call status: {} - \"{}\"."


@pytest.fixture(scope="module")
def library() -> Library:
    return load()


def events(answer: str) -> list[Any]:
    """The documents in an answer."""
    return [orjson.loads(text) for text in re.findall(r"^The event:\n\n(\{\n.*?\n\})\n", answer, re.M | re.S)]


def piped(text: str, library: Library) -> list[Any]:
    """What `parse --deterministic` makes of the text on standard input."""
    data = text.encode()
    flow = pipeline.Pipeline(pipeline.Settings(library), Counts())
    flow.open(identify("-", io.BytesIO(data).read, EPOCH))
    return [orjson.loads(line) for line in flow(Chunk(data, 0)).data.splitlines()]


def exported(data: bytes, library: Library) -> list[Any]:
    """What `parse` makes of an export."""
    about = describe(io.BytesIO(data).read, stamp_of=Stamps(library))
    flow = pipeline.Pipeline(pipeline.Settings(library), Counts())
    flow.open(about.log_file(None, EPOCH))
    chunks = read_chunks(io.BytesIO(data[about.start :]).read, about.start, about.encoding, export=about.export)
    return [orjson.loads(line) for chunk in chunks for line in flow(chunk).data.splitlines()]


def told(documents: list[Any]) -> list[tuple[Any, ...]]:
    """What events say; their ids depend on marks and line ends, which are not explained."""
    return [(event["@timestamp"], event["event"]["action"], event.get("user"), event["message"]) for event in documents]


def pattern_called(name: str, library: Library) -> Pattern:
    return next(p for p in (*library.lines, *library.messages) if p.name == name)


def caret(answer: str, name: str) -> tuple[str, str]:
    """The text that a pattern fits by an answer, up to the caret, and what stands behind the caret."""
    match = re.search(rf"^{name} \(.*\n  (.*)\n  ( *)\^ (.*)$", answer, re.M)
    assert match, answer
    assert len(match[1]) == len(match[2])
    return match[1], match[3]


# Codes and words


@pytest.mark.parametrize(
    "text",
    [
        "21",
        " 21\n",
        '"21"',
        "status 21",
        "code: 21",
        "#21",
        "SUCCESS_PHONE_APP_AUTHENTICATED",
        "success_phone_app_authenticated",
        "Mobile App Authenticated",
        "“mobile app authenticated”",
    ],
)
def test_one_code_in_full(library: Library, text: str) -> None:
    answer = explain(text, library)

    assert answer.startswith("21: Mobile App Authenticated (SUCCESS_PHONE_APP_AUTHENTICATED)\n")
    assert "the user proved who they are" in answer
    assert "double" in answer


@pytest.mark.parametrize("text", ["-104", "\u2212104", "\u2013104", "Trusted IP", "trusted"])
def test_a_negative_code_also_with_a_dash_of_a_word_processor(library: Library, text: str) -> None:
    assert explain(text, library).startswith("-104: Trusted IP\n")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("fraud", [112, 132]),
        ("used cache", [6, 8, 9]),
        ("no response", [3, 4, 10, 11, 13, 121, 133]),
        ("no-response", [3, 4, 10, 11, 13, 121, 133]),
    ],
)
def test_words_of_several_rows_list_them_all(library: Library, text: str, numbers: list[int]) -> None:
    answer = explain(text, library)

    assert answer.startswith(f"{len(numbers)} codes for {text}:")
    assert [int(n) for n in re.findall(r"(?m)^ *(\d+)  ", answer)] == numbers
    assert f"mfa-shipper explain {numbers[-1]}\n" in answer
    assert "to check" not in answer


@pytest.mark.parametrize("text", ["PhoneAppDenied", "phoneappdenied", "'PhoneAppDenied'"])
def test_a_result_name_of_the_nps_extension(library: Library, text: str) -> None:
    answer = explain(text, library)

    assert answer.startswith("PhoneAppDenied: a result of the NPS extension\n")
    assert "pressed Deny in the app" in answer
    assert "  fault     the user's\n" in answer
    assert "129: Mobile App Denied" in answer
    assert "  to check  Ask whether" in answer


@pytest.mark.parametrize(
    ("text", "kind", "fault"),
    [
        ("ESTS_TOKEN_ERROR", "an error code", "the administrator's"),
        ("HTTP_CONNECT_ERROR", "an error code", "the network"),
        ("AccessReject", "a response state", "the user's password"),
    ],
)
def test_an_error_code_of_the_nps_extension(library: Library, text: str, kind: str, fault: str) -> None:
    answer = explain(text, library)

    assert answer.startswith(f"{text}: {kind} of the NPS extension\n")
    assert fault in answer
    assert "to check" in answer
    assert "class unknown" not in answer


def test_every_name_of_the_nps_extension_is_explained_in_full(library: Library) -> None:
    tables = library.codes.nps_tables
    for name in (*tables.results, *tables.errors):
        answer = explain(name, library)
        assert answer.startswith(f"{name}: "), name
        assert len(re.findall(r"(?m)^  (?:means|fault|to check)  +\S", answer)) % 3 == 0, name


def test_an_error_code_with_several_cases_tells_them_apart(library: Library) -> None:
    answer = explain("REGISTRY_CONFIG_ERROR", library)

    assert answer.index("Where its text holds IP_WHITELIST:") < answer.index("severity  low") < answer.index("  Else:")
    assert answer.index("  Else:") < answer.index("severity  high")


def test_an_error_code_that_no_table_has_is_not_called_a_status(library: Library) -> None:
    answer = explain("BRAND_NEW_ERROR", library)

    assert answer.startswith("BRAND_NEW_ERROR is in no table.")
    assert "class unknown" not in answer


def test_lines_of_the_nps_extension(library: Library) -> None:
    head, guid = "2020-06-17T19:39:15Z NPS Extension for Azure MFA: ", "82a3db8d-3317-43f7-b203-6ba81cba93c9"
    result = explain(
        f"{head}CID: {guid} : Access Rejected for user a with Azure MFA response: UserNotFound and message: x", library
    )
    error = explain(f"{head}Exception in Authentication Ext for User a :: ErrorCode:: ESTS_TOKEN_ERROR Msg:: x", library)
    note = explain(f"{head}IP Whitelist not intialized::  ErrorCode:: REGISTRY_CONFIG_ERROR Msg:: key: IP_WHITELIST", library)

    assert "UserNotFound: a result of the NPS extension" in result
    assert "orphan" not in result
    assert "It is shipped with event.action mfa-error.\n\nESTS_TOKEN_ERROR: an error code" in error
    assert events(error)[0]["event"]["severity"] == 73
    assert "Where its text holds IP_WHITELIST" in note
    assert "Else:" not in note


def test_a_whole_description_beats_words_that_more_rows_hold(library: Library) -> None:
    assert len(library.codes.search("Call Timed Out")) > 1
    assert explain("Call Timed Out", library).startswith("11: Call Timed Out\n")


@pytest.mark.parametrize("text", ["999", "-999", "FAILED_BRAND_NEW"])
def test_an_unknown_code_is_called_unknown(library: Library, text: str) -> None:
    answer = explain(text, library)

    assert answer.startswith(f"{text} is not in the code table. It is shipped as class unknown, severity medium")
    assert f"Unknown status {text}" in answer


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("frod", "did you mean fraud?"),
        ("PhoneAppDenyed", "did you mean PhoneAppDenied?"),
        ("zzz zzz", "try 21, fraud"),
        ("9" * 5000, "try 21"),
        ("", "nothing to explain"),
        (" \n\u00a0", "nothing to explain"),
        ("''", "nothing to explain"),
    ],
)
def test_what_is_nothing_of_the_kind_is_refused_in_a_sentence(library: Library, text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(hint)) as caught:
        explain(text, library)

    assert len(str(caught.value)) < 250
    assert "\n" not in str(caught.value)


def test_several_codes_one_after_the_other(library: Library) -> None:
    answer = explain("21\nauthResult = 0\n133", library)

    assert [answer.find(text) for text in ("21: Mobile", "The verdict: the sign-in failed.", "133: Mobile")] == sorted(
        answer.index(text) for text in ("21: Mobile", "The verdict: the sign-in failed.", "133: Mobile")
    )


# Lines that are understood


def test_a_status_line(library: Library) -> None:
    answer = explain(STATUS + "\n", library)
    line, message = (pattern_called(name, library).definition for name in ("LINE_MFA", "MESSAGE_PFRAD_STATUS"))

    assert answer.startswith(f"LINE_MFA ({line.file}:{line.line}) matches the line:\n")
    assert "  process.thread.id = 6452\n" in answer
    assert "  message           = rawCallStatus = 21\n" in answer
    assert (
        f"MESSAGE_PFRAD_STATUS ({message.file}:{message.line}) matches the message:\n\n  azure_mfa.status.code = 21\n" in answer
    )
    assert "21: Mobile App Authenticated" in answer
    assert "A line by itself is an orphan" in answer
    assert Path(message.file).read_text(encoding="utf-8").splitlines()[message.line - 1].startswith("MESSAGE_PFRAD_STATUS ")


@pytest.mark.parametrize(
    "line",
    [
        REQUEST,
        VERDICT,
        STATUS,
        HEAD,
        HEAD + "Service started",
        RESULT.format("succeeded", "X", "Y"),
        "2017-02-30T00:00:00Z|0|1|2|pfrad|x",
        "no|line",
    ],
)
def test_the_event_is_the_one_of_parse(library: Library, line: str) -> None:
    assert events(explain(line, library)) == piped(line + "\n", library)


def test_lines_of_one_exchange_are_put_together(library: Library) -> None:
    pasted = f"{REQUEST}\r\n{VERDICT}\r\n{STATUS}\r\n"
    answer = explain(pasted, library)
    request, verdict, status = events(answer)

    assert "Line 3 of 3\n" in answer
    assert "orphan" not in answer
    assert "left out" not in answer
    assert verdict["user"] == status["user"] == {"name": "pnigam", "domain": "Domain"}
    assert status["azure_mfa"]["exchange"]["id"] == request["event"]["id"]
    assert events(answer) == piped(pasted.replace("\r", ""), library)


def test_a_request_line_and_who_it_is_about(library: Library) -> None:
    answer = explain(REQUEST, library)

    assert "  user.name                   = pnigam\n  user.domain                 = Domain\n" in answer
    assert '  azure_mfa.request.arguments = ["","1"]\n' in answer
    assert "A sign-in begins" in answer
    assert "orphan" not in answer


@pytest.mark.parametrize(
    ("result", "sentence"),
    [("1", "the sign-in succeeded"), ("0", "the sign-in failed"), ("7", "neither 1 (succeeded) nor 0 (failed)")],
)
def test_a_verdict_line(library: Library, result: str, sentence: str) -> None:
    answer = explain(f"{HEAD}authResult = {result}", library)

    assert sentence in answer
    assert "A line by itself is an orphan" in answer


def test_a_one_line_result_has_verdict_and_code(library: Library) -> None:
    answer = explain(RESULT.format("failed", "FAILED_PHONE_APP_DENIED", "Mobile App Denied"), library)

    assert "  user.email                   = ann@example.com\n" in answer
    assert "The verdict: the sign-in failed.\n\n129: Mobile App Denied" in answer
    assert "disagree" not in answer


def test_a_verdict_that_the_code_contradicts(library: Library) -> None:
    answer = explain(RESULT.format("succeeded", "FAILED_PHONE_APP_DENIED", "Mobile App Denied"), library)

    assert "The verdict: the sign-in succeeded.\n" in answer
    assert "The verdict and the code disagree" in answer


def test_a_line_with_an_unknown_code(library: Library) -> None:
    answer = explain(HEAD + "rawCallStatus = 999", library)

    assert "\n999 is not in the code table." in answer
    assert events(answer)[0]["azure_mfa"]["status"]["class"] == "unknown"


def test_the_message_alone(library: Library) -> None:
    answer = explain("Calling pfAuthUser(‘Domain\\pnigam’, ”, 1)", library)  # noqa: RUF001  as a blog prints it

    assert answer.startswith("This is the message of a line")
    assert "MESSAGE_PFRAD_REQUEST" in answer
    assert "= pnigam\n" in answer
    assert events(answer) == []


@pytest.mark.parametrize(
    "around", ["  {}  ", "'{}'", "“{}”", "”{}”", "\u2018{}\u2019\n", "\ufeff{}", "` {} `", "> {}", ">> > {} "]
)
def test_what_pasting_puts_around_a_line_is_left_out_and_said(library: Library, around: str) -> None:
    answer = explain(around.format(STATUS), library)

    assert answer.startswith("Spaces, quotes, the > of a mail or empty lines around the text were left out")
    assert answer.endswith(explain(STATUS, library))


def test_a_quote_at_one_end_belongs_to_the_line(library: Library) -> None:
    line = HEAD + 'said "no"'

    assert events(explain(line, library))[0]["message"] == 'said "no"'


def test_bytes_that_are_no_text(library: Library) -> None:
    answer = explain((HEAD.encode() + b"caf\xe9").decode("utf-8", "surrogateescape"), library)

    assert events(answer)[0]["message"] == "caf\ufffd"
    assert "no UTF-8" in answer


def test_a_log_does_not_command_the_terminal(library: Library) -> None:
    line = HEAD + "x\x1b[2J\x9b31m\u202eend"
    answer = explain(line, library)

    assert [char for char in answer if not char.isprintable() and char != "\n"] == []
    assert "x\\x1b[2J\\x9b31m\\u202eend" in answer
    assert events(answer)[0]["event"]["original"] == line


def test_a_long_value_is_cut_in_the_list_and_whole_in_the_event(library: Library) -> None:
    answer = explain(HEAD + "y" * 5000, library)

    assert f"= {'y' * 300}… (5000 characters)\n" in answer
    assert events(answer)[0]["message"] == "y" * 5000


# Lines that are not


@pytest.mark.parametrize(
    ("line", "fits", "rest"),
    [
        (
            "2017-02-14T02:57:24.6Z|0|1412|x6452|pfrad|hello",
            "2017-02-14T02:57:24.6Z|0|1412|",
            "no match can go on with x6452|pfrad|hello",
        ),
        ("2017-02-14 02:57:24|0|1|2|pfrad|hello", "2017-02-14", "no match can go on with  02:57:24|0|1|2|pfrad|hello"),
        ("2017-02-14T02:57:24Z|0|1412|64", "2017-02-14T02:57:24Z|0|1412|64", "here it ends, and more was expected"),
    ],
)
def test_how_far_a_line_fits(library: Library, line: str, fits: str, rest: str) -> None:
    answer = explain(line, library)

    assert answer.startswith("No pattern matches this line: ")
    assert caret(answer, "LINE_MFA") == (fits, rest)
    assert events(answer)[0]["event"]["kind"] == "pipeline_error"
    assert events(answer)[0]["error"]["message"] in answer.splitlines()[0]


def test_a_line_that_does_not_fit_at_all(library: Library) -> None:
    assert re.search(r"Not even the first character fits:\n  LINE_MFA \(.*azure_mfa.grok:\d+\)\n", explain("x|y", library))


def test_a_time_that_no_clock_shows(library: Library) -> None:
    answer = explain("2017-02-30T02:57:24Z|0|1|2|pfrad|rawCallStatus = 21", library)

    assert answer.startswith("No pattern matches this line: the time stamp 2017-02-30T02:57:24Z names no real instant.\n")
    assert "  @timestamp        = 2017-02-30T02:57:24Z\n" in answer


def test_a_message_that_stops_in_the_midst(library: Library) -> None:
    answer = explain(HEAD + "Calling pfAuthUser(Domain\\pnigam, '', 1)", library)

    assert caret(answer, "MESSAGE_PFRAD_REQUEST") == ("Calling pfAuthUser(", "no match can go on with Domain\\pnigam, '', 1)")
    assert "shipped with event.action log" in answer


def test_a_fault_behind_a_field_that_takes_any_text(library: Library) -> None:
    message = "Pfauth failed for user 'ann'. Call status: denied - \"Mobile App Denied\"."
    answer = explain(HEAD + message, library)

    assert reach(pattern_called("MESSAGE_PFSVC_RESULT", library), message) == len(message)
    assert caret(answer, "MESSAGE_PFSVC_RESULT") == (
        "Pfauth failed for user 'ann'. Call status: ",
        'then comes denied - "Mobile App Denied".',
    )


def test_a_message_cut_short(library: Library) -> None:
    message = "Calling pfAuthUser('Domain\\pnigam', '', 1"
    answer = explain(HEAD + message, library)

    assert certain(pattern_called("MESSAGE_PFRAD_REQUEST", library), message) == len(message)
    assert caret(answer, "MESSAGE_PFRAD_REQUEST") == (message, "here it ends, and more was expected")


def test_the_nearest_pattern_stands_first(library: Library) -> None:
    answer = explain(HEAD + "authResult = yes", library)

    behind = answer[answer.index("How far each of them fits") :]
    assert caret(answer, "MESSAGE_PFRAD_VERDICT") == ("authResult = ", "no match can go on with yes")
    assert re.findall(r"MESSAGE_\w+", behind)[0] == "MESSAGE_PFRAD_VERDICT"
    assert sorted(re.findall(r"MESSAGE_[A-Z]+_\w+", behind)) == sorted(p.name for p in library.messages)


def test_the_caret_stands_below_wide_letters(library: Library) -> None:
    answer = explain(HEAD + "Pfauth succeeded for user '名前'. Call: 1", library)

    shown, below = re.search(r"\n  (Pfauth .*)\n( *)\^", answer).groups()  # type: ignore[union-attr]
    assert len(below) - 2 == len(shown) + len("名前" if "名" in shown else "")
    assert "名前" in shown


def test_only_the_beginning_of_a_long_line_is_looked_at(library: Library) -> None:
    message = "Pfauth failed for user '" + "n" * 50_000
    answer = explain(HEAD + message, library)
    shown, _ = caret(answer, "MESSAGE_PFSVC_RESULT")

    assert shown.startswith("Pfauth failed for user ")
    assert f"fit {len(shown)} of 4096 characters" in answer
    assert f"Only the first 4096 of {len(message)} characters were looked at." in answer


def test_patterns_of_a_user_take_part(tmp_path: Path) -> None:
    (tmp_path / "syslog.grok").write_text(
        "LINE_SYSLOG %{MFA_TIMESTAMP:@timestamp} pfsvc: (?s:%{GREEDYDATA:message})\nMESSAGE_HELLO hello %{WORD:azure_mfa.greeted}\n",
        encoding="utf-8",
    )
    own = load((tmp_path,))
    answer = explain("2017-02-14T02:57:24Z pfsvc: hello world", own)

    assert answer.startswith(f"LINE_SYSLOG ({tmp_path / 'syslog.grok'}:1) matches the line:")
    assert f"MESSAGE_HELLO ({tmp_path / 'syslog.grok'}:2) matches the message:\n\n  azure_mfa.greeted = world\n" in answer
    far = explain("2017-02-14T02:57:24Z|0|x", own)
    assert far.index("LINE_MFA") < far.index("LINE_SYSLOG")  # by how far they fit, not by which is tried first


def test_a_windows_event_is_a_line() -> None:
    line = '{"TimeCreated":"2024-10-01T08:00:00Z","Message":"Primary auth succeeded for user \'anna\'"}'

    answer = explain(line, load())

    assert "The line is a Windows event" in answer
    assert '"action": "primary-auth-result"' in answer


def test_a_line_inside_another_programs_line_is_taken_out(library: Library) -> None:
    line = "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21"

    answer = explain(orjson.dumps({"log": line}).decode(), library)

    assert answer.startswith(f"Patterns are tried on what stands in log of the JSON object:\n\n  {line}\n\nLINE_MFA (")


@pytest.mark.parametrize("name", EXPORTS)
def test_every_export_is_explained_as_parse_reads_it(name: str) -> None:
    options, _, _ = EXPORTS[name]
    zone = zone_of(options[1], options[0]) if options else None
    own = load(local_zone=zone)

    answer = explain(text_of(content(name)), own)

    parsed = exported(content(name), own)
    assert told(events(answer)) == told([event for event in parsed if event["event"]["kind"] == "event"])
    assert f"{len(EVENTS)} of {len(EVENTS)}\n" in answer


def test_one_record_of_an_export(library: Library) -> None:
    record = explain(json.dumps(powershell_7(EVENTS[5]), indent=4), library)

    assert record.startswith("The record is a Windows event")
    assert "Record 1" not in record
    assert explain(json.dumps([powershell_7(EVENTS[5])]), library).startswith("The record is a Windows event")


def test_a_record_that_is_not_understood_has_its_reason(library: Library) -> None:
    answer = explain('[{"when": 1, "what": "x"}]', library)

    assert answer.startswith("This record is not understood: ")
    assert "fits" not in answer


def test_a_header_alone_is_no_record(library: Library) -> None:
    header = "\n".join(content("export-csv").decode().splitlines()[:2])
    with pytest.raises(UsageError, match="no record stands behind the header"):
        explain(header, library)


@pytest.mark.parametrize("text", ["[]", "[ ]\n", "<Events></Events>", '<?xml version="1.0"?>\n<Events/>'])
def test_an_export_without_records(library: Library, text: str) -> None:
    with pytest.raises(UsageError, match=r"^there is nothing to explain: it holds no record$"):
        explain(text, library)


def test_the_first_of_many_are_explained(library: Library) -> None:
    answer = explain("\n".join([VERDICT] * 30), library)

    assert "Line 20 of 30\n" in answer
    assert "Line 21" not in answer
    assert answer.endswith("Only the first 20 are explained.\n")
