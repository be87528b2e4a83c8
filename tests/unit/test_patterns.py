"""The built-in patterns: their examples, and that no line can make them slow.

A pattern must be linear: twice the line, at most about twice the work. Clocks in tests lie on a busy
machine, so nothing is timed here. Instead a child process matches hostile lines of 256 KiB, many of
them, within `DEADLINE`. All of them together take a linear pattern some seconds; a single one would
take a quadratic pattern minutes, since 256 Ki squared is 7 * 10**10 steps.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.decode.facts import interpret, split_arguments
from shipper.decode.grok import Pattern
from shipper.decode.library import data_dir, load
from shipper.model import User

DEADLINE = 150  # seconds
LENGTH = 256 * 1024

FILES = sorted(data_dir("patterns").glob("*.grok"))
EXAMPLES: dict[str, dict[str, Any]] = {
    name: examples | {"file": file.name}
    for file in sorted(data_dir("patterns").glob("*.examples.yaml"))
    for name, examples in yaml.safe_load(file.read_text(encoding="utf-8")).items()
}
LIBRARY = load()
PATTERNS: dict[str, Pattern] = {pattern.name: pattern for pattern in (*LIBRARY.lines, *LIBRARY.messages)}

HEAD = "2017-02-14T02:57:19.234778Z|0|1412|6452|pfrad|"
GUID = "82a3db8d-35f4-4e7a-9a62-0c0d3c1b9f10|"
NPS = "NPS Extension for Azure MFA:  "
CID = f"CID: {GUID[:-1]} : "
RESPONSE = "Access Rejected for user a with Azure MFA response: "
ALONE = "Challenge requested in Authentication Ext for User "
EXCEPTION = "Exception in Authentication Ext for User "
ONLY = (
    "NPS Extension for Azure MFA only performs Secondary Auth for Radius requests in AccessAccept State. "
    "Request received for User "
)
CHANGED = 'User "a" changed user "a" value b from "c" to "'
DEVICE = 'User "a" added new User Mobile App Device for user "'
TOKEN = 'User "a" changed OATH Token value b from "'
RFC_5424 = "<13>1 2019-04-23T17:22:14Z "
# Beginnings of valid texts; what follows makes them hostile. A pattern without an entry takes those of its examples.
SNARE = "a MSWinEventLog\t1\tA\t1\tTue Feb 14 02:57:19 2017\t1\t"
KIWI = "2017-02-14 03:00:00\tLocal0.Info\t"
BEGINNINGS = {
    "LINE_MFA": ["", HEAD, HEAD + GUID, HEAD[:20], HEAD[:28], HEAD[:30], HEAD[:35], HEAD[:40]],
    "MESSAGE_PFADSSVC_ERROR": ["", "***** ERROR ***** "],
    "MESSAGE_PFRAD_REQUEST": [
        "",
        "Calling pfAuthUser(",
        "Calling pfAuthUser('",
        "Calling pfAuthUser('a', ",
        "Calling pfAuthUser('', '",
    ],
    "MESSAGE_PFRAD_VERDICT": ["", "authResult = "],
    "MESSAGE_PFRAD_STATUS": ["", "rawCallStatus = -"],
    "MESSAGE_PFSVC_RESULT": [
        "",
        "Pfauth succeeded for user ",
        "Pfauth succeeded for user 'a",
        "Pfauth succeeded for user 'a' from ",
        "Pfauth succeeded for user 'a'. Call status: A",
        "Pfauth succeeded for user 'a'. Call status: A - \"",
    ],
    "MESSAGE_PFSVC_NOT_PERFORMED": ["", "Pfauth not performed for user 'a", "Pfauth not performed for user 'a' from "],
    "MESSAGE_PFSVC_PRIMARY_REQUEST": ["", "Primary auth type '", "Primary auth type 'a' requested for user 'a"],
    "MESSAGE_PFSVC_PRIMARY_RESULT": ["", "Primary auth failed for user 'a"],
    "MESSAGE_PFSVC_PRIMARY_FAILED": ["", "Failed ", "Failed a auth for user 'a", "Failed a auth for user 'a' Logon failure: "],
    "MESSAGE_PFSVC_VALIDATE": ["", "validate_a: user ", "validate_a: user a updated authentication result. "],
    "MESSAGE_PFSVC_USER_CHANGED": ["", 'User "', 'User "a" changed user "', 'User "a" changed user "a" value ', CHANGED],
    "MESSAGE_PFSVC_USER_MADE": ["", 'User "a', 'User "a" added new user "'],
    "MESSAGE_PFSVC_DEVICE": ["", 'User "a', 'User "a" added new User Mobile App Device', DEVICE],
    "MESSAGE_PFSVC_TOKEN": ["", 'User "a" changed OATH Token "', 'User "a" changed OATH Token value ', TOKEN],
    "LINE_NPS": ["", "2019-04-23T17:22:14Z", "2019-04-23T17:22:14Z " + NPS],
    "MESSAGE_NPS_CHALLENGE": ["", NPS, NPS + CID, NPS + CID + "Challenge requested in Authentication Ext for User "],
    "MESSAGE_NPS_RESULT": ["", NPS + CID + "Access Rejected for user ", NPS + CID + RESPONSE, NPS + CID + RESPONSE + "A"],
    "MESSAGE_NPS_EXCEPTION": ["", NPS + CID + EXCEPTION, NPS + EXCEPTION, NPS + EXCEPTION + "a :: ErrorCode:: "],
    "MESSAGE_NPS_CHALLENGE_ALONE": ["", NPS + CID, NPS + ALONE, NPS + ALONE + "a with stat", NPS + ALONE + "a."],
    "MESSAGE_NPS_ERROR": ["", NPS, NPS + CID, NPS + "a:: ErrorCode:: ", NPS + "a:: ErrorCode:: A Msg:: "],
    "MESSAGE_NPS_WARNING": ["", NPS, NPS + "A_", NPS + "A_B_C:: "],
    "MESSAGE_NPS_ATTRIBUTES": ["", NPS + "Radius request is missing "],
    "MESSAGE_NPS_IGNORED": ["", NPS + ONLY, NPS + CID + ONLY + "a with response state "],
    "LINE_SYSLOG_3164": [
        "",
        "<13>Apr 23 19:22:14 ",
        "Apr 23 19:22:14 a b",
        "Apr 23 19:22:14 a b[1]: ",
        "Apr 23 19:22:14 a b: " + GUID,
    ],
    "LINE_SYSLOG_5424": [
        "",
        RFC_5424,
        RFC_5424 + "a b - - ",
        RFC_5424 + "a b - - [",
        RFC_5424 + 'a b - - [a b="',
        RFC_5424 + "a b - - - ",
    ],
    "LINE_SNARE": ["", "<13>", "<13>1 2019-04-23T17:22:14Z a - - - [", "a ", "a MSWinEventLog\t1\t", SNARE, SNARE + "a\t" * 6],
    "LINE_KIWI": ["", "2017-02-14 03:00:00\t", KIWI, KIWI + "a\t", KIWI + "a\tFeb 14 04:00:00 b ", KIWI + "a\tb[1]: "],
    "LINE_SYSLOG_ISO": [
        "",
        "<134>2019-04-23T17:22:14Z",
        "2019-04-23T17:22:14.",
        "2019-04-23T17:22:14Z ",
        "2019-04-23T17:22:14Z mfa01 ",
        "2019-04-23T17:22:14Z mfa01 pfsvc[1",
        "2019-04-23T17:22:14Z mfa01 pfsvc: ",
    ],
}
END_FREELY = {  # patterns whose last part is a free text
    *("LINE_MFA", "LINE_NPS", "LINE_SYSLOG_3164", "LINE_SYSLOG_5424", "LINE_SYSLOG_ISO", "LINE_KIWI", "LINE_SNARE"),
    *("MESSAGE_PFADSSVC_ERROR", "MESSAGE_PFSVC_NOT_PERFORMED", "MESSAGE_PFSVC_PRIMARY_FAILED", "MESSAGE_PFSVC_VALIDATE"),
    *("MESSAGE_PFSVC_TOKEN", "MESSAGE_PFSVC_DEVICE", "MESSAGE_NPS_RESULT", "MESSAGE_NPS_EXCEPTION", "MESSAGE_NPS_IGNORED"),
    *("MESSAGE_NPS_CHALLENGE_ALONE", "MESSAGE_NPS_ERROR", "MESSAGE_NPS_WARNING", "MESSAGE_NPS_ATTRIBUTES"),
}
REPEATED = [
    *(
        "'",
        "''",
        '"',
        "\u2018",
        "\u2018\u2019",
        "\u2019,",
        "',",
        ",'",
        "', ",
        ",",
        ", ",
        "'x",
        ",x",
        "')",
        "('",
        "(",
        ")",
        "|",
        "|'",
        '",',
    ),
    *("9", "0", "-", "A", "A_", "a", "x ", " ", "\r", "\\", "@", "é", "👤", ".", "1.", ":", "0a:", "=", "*", "* "),
    *("'. Call status: A - \"", '\'. Call status: A - "x".', "'. Call status: ", "' from 1.1.1.1:1", "' from ::1", "' from ["),
    *("' (distinguishedName format)", "' (distinguishedName format) from ", "Pfauth failed for user 'a'", HEAD, GUID),
    *(
        '" value ',
        '" from "',
        '" to "',
        " with state ",
        " with Azure MFA response: ",
        ":: ErrorCode:: ",
        " updated authentication result.",
    ),
    *(
        "Logon failure: ",
        "callStatus = ",
        '[a b="c"]',
        "[",
        '\\"',
        "auth ",
        " auth for user 'a' ",
        NPS,
        CID,
        " with response state ",
    ),
    *(
        "Calling pfAuthUser('a', ",
        "***** ERROR ***** ",
        "authResult = 1",
        "' from " + "a:" * 22,
        "' from [::1%" + "a." * 22,
        "' from " + "1" * 44,
    ),
    *("'. Call status: " + "A" * 140, "'. Call status: A - \"" + "x" * 250, "x" * 128 + "|", "9" * 18 + "|"),
]
ENDINGS = ["", ")", "!", '".', "',", "')"]

MATCH = """
import json, sys
from shipper.decode.library import load
library = load()
name, texts = json.load(sys.stdin)
pattern, = (p for p in (*library.lines, *library.messages) if p.name == name)
for beginning, repeated, times, ending in texts:
    print(repr(beginning), repr(repeated), repr(ending), flush=True)
    pattern.match(beginning + repeated * times + ending)
print("done")
"""

SPLIT = """
import json, sys
from shipper.decode.facts import interpret, split_arguments
for beginning, repeated, times, ending in json.load(sys.stdin):
    print(repr(beginning), repr(repeated), repr(ending), flush=True)
    split_arguments(beginning + repeated * times + ending)
print("done")
"""

UNWRAP = """
import json, sys
from shipper.decode.library import load_envelopes
unwrap = load_envelopes().wrappers.unwrap
for beginning, repeated, times, ending in json.load(sys.stdin):
    print(repr(beginning), repr(repeated), repr(ending), flush=True)
    for strictly in (True, False):
        unwrap(beginning + repeated * times + ending, strictly=strictly)
print("done")
"""

PARSE = """
import json, sys
from shipper.decode.library import load
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Settings, Pipeline
encoding, texts = json.load(sys.stdin)
counts = Counts()
pipeline = Pipeline(Settings(load(), fast=True), counts)
pipeline.open(LogFile("x.log", "0" * 16, "1970-01-01T00:00:00.000000Z", encoding))
for beginning, repeated, times, ending in texts:
    print(repr(beginning), repr(repeated), repr(ending), flush=True)
    pipeline(Chunk((beginning + repeated * times + ending + "\\n").encode(encoding), 0))
assert counts.lines == len(texts), counts
print("done")
"""


def hostile(beginnings: list[str], length: int = LENGTH) -> list[tuple[str, str, int, str]]:
    """Every beginning with every repetition: beginning, what is repeated, how often, ending."""
    texts = []
    for number, beginning in enumerate(beginnings):
        for at, repeated in enumerate(REPEATED):
            texts.append((beginning, repeated, length // len(repeated), ENDINGS[(number + at) % len(ENDINGS)]))
    return texts


def beginnings(name: str) -> list[str]:
    """Beginnings of texts of a pattern: chosen by hand, or some of those that end between two parts of its longest example."""
    return BEGINNINGS.get(name) or from_examples(name)


def from_examples(name: str, most: int = 6) -> list[str]:
    text = max((example["text"] for example in EXAMPLES[name]["match"]), key=len)
    ends = [found.end() for found in re.finditer(r"[\W_]+", text)] or [len(text)]
    return ["", *(text[:end] for end in ends[:: 1 + len(ends) // most])]


def finishes(program: str, work: object) -> bool:
    """True if a child process gets through the work in time; the last thing it printed was too slow otherwise."""
    child = [sys.executable, "-X", "utf8", "-c", program]
    done = subprocess.run(child, input=json.dumps(work), capture_output=True, text=True, encoding="utf-8", timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return done.stdout.endswith("done\n")


def plain(value: Any) -> Any:
    """A captured value as YAML can write it."""
    if isinstance(value, User):
        return {part: text for part, text in zip(("name", "domain", "email"), value, strict=False) if text is not None}
    return list(value) if isinstance(value, tuple) else value


def examples(kind: str) -> list[Any]:
    cases = []
    for name, both in EXAMPLES.items():
        for number, example in enumerate(both[kind], 1):
            text = example["text"] if kind == "match" else example
            cases.append(pytest.param(name, example, id=f"{name} {number} {text[-50:]!a}"))
    return cases


@pytest.mark.parametrize(("name", "example"), examples("match"))
def test_pattern_captures_exactly_the_fields_of_its_example(name: str, example: dict[str, Any]) -> None:
    captured = PATTERNS[name].match(example["text"])

    assert captured is not None
    assert {field: plain(value) for field, value in captured.items()} == example["fields"]


@pytest.mark.parametrize(("name", "text"), examples("no_match"))
def test_pattern_does_not_match_its_counterexample(name: str, text: str) -> None:
    assert PATTERNS[name].match(text) is None


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_has_examples_of_both_kinds_in_the_file_beside_it(name: str) -> None:
    both = EXAMPLES[name]

    assert both["match"]
    assert both["no_match"]
    assert both["file"] == Path(PATTERNS[name].definition.file).stem + ".examples.yaml"


def test_no_example_is_left_of_a_pattern_that_is_gone() -> None:
    assert EXAMPLES.keys() == PATTERNS.keys()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_message_belongs_to_one_pattern(name: str) -> None:
    """So the order of the files decides nothing."""
    if name.startswith("MESSAGE_"):
        for example in EXAMPLES[name]["match"]:
            assert [p.name for p in LIBRARY.messages if p.match(example["text"]) is not None] == [name]


@pytest.mark.parametrize("name", PATTERNS)
def test_an_example_with_anything_in_front_or_behind_is_another_line(name: str) -> None:
    """Patterns match the whole text; only a free text at the end takes more."""
    matched = {PATTERNS[name].match(example["text"] + "x") is not None for example in EXAMPLES[name]["match"]}

    assert all(PATTERNS[name].match("x" + example["text"]) is None for example in EXAMPLES[name]["match"])
    wrong = "ends with a free text, and is not in END_FREELY" if True in matched else "is in END_FREELY, and takes no more text"
    assert (True in matched) is (name in END_FREELY), f"{name} {wrong}"


@pytest.fixture
def portal(tmp_path: Path) -> Path:
    """The directory that the README tells to make."""
    readme = (data_dir("patterns") / "README.md").read_text(encoding="utf-8")
    (tmp_path / "portal.grok").write_text(readme.split("```grok\n")[1].split("```")[0], encoding="utf-8")
    return tmp_path


def test_example_of_the_readme_works(portal: Path) -> None:
    readme = (data_dir("patterns") / "README.md").read_text(encoding="utf-8")
    text = next(line.strip() for line in readme.splitlines() if line.startswith("    bypass granted"))
    library = load((portal,))

    captured = library.messages[0].match(text)
    assert captured is not None
    facts = interpret(text, library.messages[0], captured, library.codes)
    assert facts.kind == "result"
    assert facts.user == User("anna", "EXAMPLE", None, "example\\anna")
    assert facts.code is not None
    assert (facts.code.number, facts.code.outcome) == (7, "success")


@pytest.mark.slow
def test_example_of_the_readme_is_linear(portal: Path) -> None:
    beginnings = ["bypass", "bypass granted: user ", "bypass granted: user a by b"]
    repeated = [" by ", ", callStatus = ", ", callStatus = x", " by a, callStatus = "]
    texts = [*hostile(beginnings), *((b, r, LENGTH // len(r), '"') for b in beginnings for r in repeated)]

    assert finishes(
        MATCH.replace("load()", f"load((__import__('pathlib').Path({str(portal)!r}),))"), ("MESSAGE_PORTAL_BYPASS", texts)
    )


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_without_beginnings_of_its_own_takes_those_of_its_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(BEGINNINGS, name, raising=False)

    found = beginnings(name)
    assert found[0] == ""
    assert 2 <= len(found) <= 8
    texts = [example["text"] for example in EXAMPLES[name]["match"]]
    assert all(any(text.startswith(one) for text in texts) for one in found)


def test_no_beginnings_are_left_of_a_pattern_that_is_gone() -> None:
    assert BEGINNINGS.keys() | END_FREELY <= PATTERNS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_is_linear(name: str) -> None:
    assert finishes(MATCH, (name, hostile(beginnings(name))))


@pytest.mark.slow
def test_unwrapping_is_linear() -> None:
    line = "2017-02-14T02:57:19Z|0|1|2|pfrad|x"
    beginnings = [
        *(
            "",
            "{",
            '{"log":"',
            '{"message" ',
            '{"message":"2017-',
            '{"message":"' * 3,
            "83 ",
            "<134>",
            "<134>1 2017-02-14T02:57:19Z ",
        ),
        *("<134>1 2017-02-14T02:57:19Z mfa01 a - - ", '<134>1 2017-02-14T02:57:19Z mfa01 a - - [a b="', "Feb 14 02:57:19 mfa01 "),
        *(
            "2017-02-14T02:57:19Z stdout F:",
            "2017-02-14T02:57:19Z mfa01 ",
            "2017-02-14T02:57:19Z stdout F 83 <1>Feb 14 02:57:19 h ",
        ),
    ]
    repeated = ["Feb 14 02:57:19 h ", "2017-02-14T02:57:19Z stdout F ", "83 <1>", '{"log":"', '\\"', '[a b="c"]', f"{line} "]
    beginnings += [
        "Feb 14 02:57:19 h pfsvc: Pfauth failed for user '",
        "<1>1 2017-02-14T02:57:19Z h a 1 - - Pfauth failed for user 'a'. Call status: ",
    ]
    texts = [*hostile(beginnings), *((b, r, LENGTH // 2 // len(r), line) for b in beginnings for r in repeated)]

    assert finishes(UNWRAP, texts)
    assert finishes(PARSE, ("utf-8", texts))


def test_splitting_arguments_is_linear() -> None:
    assert finishes(SPLIT, hostile(["", ",", ", '", ", '', ", ", 1, '"]))


def test_splitting_arguments_stops_at_32() -> None:
    assert split_arguments(", 1" * 40) == ("1",) * 32


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_parser_is_linear(encoding: str) -> None:
    """From the bytes of a line to its event; in UTF-16, characters that look like line ends to a byte search included."""
    beginnings = ["", HEAD, HEAD + "Calling pfAuthUser('a\\", HEAD + GUID + "Pfauth failed for user '"]
    texts = hostile(beginnings if encoding == "utf-8" else beginnings[:2], LENGTH if encoding == "utf-8" else LENGTH // 2)
    if encoding != "utf-8":
        texts += [("", "\u0a00", LENGTH // 2, ""), (HEAD, "\r\u0a00", LENGTH // 4, ""), ("", "\u0d00", LENGTH // 2, "")]

    assert finishes(PARSE, (encoding, texts))
