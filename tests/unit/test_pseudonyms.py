"""Pseudonyms: the names are gone, all else is as it was."""

import hashlib
import hmac
import html
import ipaddress
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shipper.decode.principal import split_principal
from shipper.emit.mentions import mentions_of, replace_users
from shipper.emit.pseudonyms import Pseudonyms, hidden
from shipper.memo import Memo
from shipper.model import Chunk, Counts, Label
from shipper.pipeline import Pipeline, Settings
from tests.support.golden_cases import Case, cases
from tests.support.logs import library, log_file

KEY = b"0123456789abcdef0123456789abcdef"
Event = dict[str, Any]


def digest(identity: str) -> str:
    return hmac.new(KEY, identity.encode(), hashlib.sha256).hexdigest()


DIGESTS = Memo(digest, 10_000)
BOTH = Settings(library(), pseudonyms=Pseudonyms(KEY))


def shipped(log: bytes, how: Settings) -> tuple[list[Event], list[Label]]:
    pipeline = Pipeline(how, Counts())
    pipeline.open(log_file(log))
    blocks = [pipeline(Chunk(log, 0)), pipeline.close()]
    return [json.loads(line) for block in blocks for line in block.data.splitlines()], [
        label for block in blocks for label in block.labels
    ]


def events(text: str, how: Settings = BOTH) -> list[Event]:
    return shipped(text.encode(), how)[0]


REQUEST = "2017-02-14T02:57:19.000000Z|0|1412|6452|pfrad|Calling pfAuthUser('{}', '', 1)\n"


def test_a_pseudonym_is_the_hmac_of_the_identity() -> None:
    (event,) = events(REQUEST.format("Domain\\pnigam"))
    name, domain = digest("domain\\pnigam"), digest("domain")

    assert event["user"] == {"name": name, "domain": domain}
    assert event["related"]["user"] == [name]
    assert event["message"] == f"Calling pfAuthUser('{domain}\\{name}', '', 1)"
    assert event["event"]["original"] == REQUEST.format(f"{domain}\\{name}").rstrip()


@pytest.mark.parametrize("spelling", ["CONTOSO.example\\ANNA", "anna@contoso.EXAMPLE", "Contoso.Example\\anna"])
def test_one_person_has_one_pseudonym(spelling: str) -> None:
    (event,) = events(REQUEST.format(spelling))
    name, domain = digest("contoso.example\\anna"), digest("contoso.example")

    assert (event["user"]["name"], event["user"]["domain"]) == (name, domain)
    assert event["user"].get("email", f"{name}@{domain}") == f"{name}@{domain}"
    assert set(event["related"]["user"]) <= {name, f"{name}@{domain}"}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    else:
        yield path, value


CHANGED = (
    "user.",
    "related.",
    "source.",
    "message",
    "event.original",
    "error.message",
    "azure_mfa.change.",
    "azure_mfa.request.",
)
PLAIN = [pytest.param(case, id=case.name) for case in cases() if "--max-line" not in case.options]


def told(events: list[Event]) -> set[str]:
    """What events say of users, where it cannot mean anything else."""
    users = [part for event in events for part in (event.get("user", {}), event.get("user", {}).get("target", {}))]
    texts = {part.get(name, "").casefold() for part in users for name in ("name", "email")}
    return {text for text in texts if len(text) > 4 and not text.isdigit()}


@pytest.mark.parametrize("case", PLAIN)
@pytest.mark.parametrize("merged", [False, True])
def test_names_go_and_all_else_stays(case: Case, *, merged: bool) -> None:
    how = replace(BOTH, per_exchange=merged)
    for name in case.files:
        log = (case.directory / name).read_bytes()
        before, labels = shipped(log, replace(how, pseudonyms=None))
        after, hidden_labels = shipped(log, how)

        for old, new, (time, event_id, origin, key), label in zip(before, after, labels, hidden_labels, strict=True):
            one, other = dict(leaves(old)), dict(leaves(new))
            assert list(one) == list(other)
            assert {path for path in one if one[path] != other[path] and not path.startswith(CHANGED)} == set()
            assert label[:2] == (time, event_id)
            assert label[2].dataset == origin.dataset
            user = new.get("user", {})
            assert label[3] == (key and f"{user['domain']}\\{user['name']}" if "domain" in user else user.get("name"))
            said = str([value for path, value in other.items() if path.startswith(CHANGED)]).casefold()
            assert [text for text in told([old]) if text in said.replace("\\\\", "\\")] == [], new


def test_a_finding_says_the_same_of_a_pseudonym() -> None:
    log = (Case("dp-sequential").directory / "input.log").read_bytes()
    before, after = (
        shipped(log, replace(BOTH, only_findings=True, pseudonyms=None))[0],
        shipped(log, replace(BOTH, only_findings=True))[0],
    )
    assert len(after) == len(before) > 0
    for old, new in zip(before, after, strict=True):
        assert new["azure_mfa"] == old["azure_mfa"]
        assert new["event"] == old["event"]
        assert new["user"]["name"] in new["message"]
        assert new["message"].partition(" was asked")[2] == old["message"].partition(" was asked")[2]


LINES = [
    REQUEST.format(user)
    for user in ("bob", "1", "a", "O'Brien", "DOM\\anna.berg", "zoë@contoso.example", "DOM\\Straße", "a b", "x@y@z")
]


@pytest.mark.parametrize("line", LINES)
def test_what_is_written_in_the_original_is_what_the_fields_say(line: str) -> None:
    (event,) = events(line)
    (again,) = events(event["event"]["original"] + "\n", replace(BOTH, pseudonyms=None))
    assert again["user"] == event["user"]
    assert again["azure_mfa"].get("request") == event["azure_mfa"].get("request")


def test_two_of_one_name_are_two() -> None:
    line = '2019-04-23T17:00:00Z|i|1|2|pfsvc|User "ONE\\bob" changed user "TWO\\bob" value Phone from "+1 5550100" to "".\n'
    (event,) = events(line)
    one, two, phone = digest("one\\bob"), digest("two\\bob"), digest("+1 5550100")

    assert event["user"] == {"name": one, "domain": digest("one"), "target": {"name": two, "domain": digest("two")}}
    assert event["related"]["user"] == [one, two]
    assert event["azure_mfa"]["change"] == {"field": "Phone", "from": phone, "to": ""}
    wanted = f'User "{digest("one")}\\{one}" changed user "{digest("two")}\\{two}" value Phone from "{phone}" to "".'
    assert event["message"] == wanted
    assert event["event"]["original"].endswith(wanted)


RESULT = (
    "2019-04-23T17:00:00Z|i|1|2|pfsvc|Pfauth succeeded for user 'anna' from {}. "
    'Call status: SUCCESS_PHONE_APP_AUTHENTICATED - "Mobile App Authenticated".\n'
)


@pytest.mark.parametrize(
    ("before_it", "written", "behind_it"),
    [
        ("", "192.0.2.7", ":80"),
        ("", "FE80:0::7", ""),
        ("[", "fe80::7", "]:443"),
        ("[", "fe80::7", "%12]:443"),
        ("", "fe80::7", "%12"),
    ],
)
def test_an_address_becomes_an_address(before_it: str, written: str, behind_it: str) -> None:
    line = RESULT.format(f"{before_it}{written}{behind_it}")
    (before,), (event,) = events(line, replace(BOTH, pseudonyms=None)), events(line)
    address = event["source"]["ip"]

    assert ipaddress.ip_address(address) in ipaddress.ip_network("2001:db8::/32")
    assert int(ipaddress.ip_address(address)) & ((1 << 96) - 1) == int(digest(before["source"]["ip"])[:24], 16)
    assert event["related"]["ip"] == [address]
    assert event["source"].get("port") == before["source"].get("port")
    assert f"from {before_it}{address}{behind_it}. Call" in event["message"]
    assert event["message"] in event["event"]["original"]
    assert written not in json.dumps(event)


def test_fields_are_chosen() -> None:
    (users,) = events(RESULT.format("192.0.2.7"), replace(BOTH, pseudonyms=Pseudonyms(KEY, ("user",))))
    (addresses,) = events(RESULT.format("192.0.2.7"), replace(BOTH, pseudonyms=Pseudonyms(KEY, ("source.ip",))))

    assert (users["user"]["name"], users["source"]["ip"]) == (digest("anna"), "192.0.2.7")
    assert (addresses["user"]["name"], addresses["related"]["ip"]) == ("anna", [addresses["source"]["ip"]])
    assert "anna" not in users["message"]
    assert "192.0.2.7" in users["message"]
    assert "192.0.2.7" not in addresses["message"]


UNDERSTOOD_BY_NOBODY = [
    ("2017-02-30T02:57:19Z|0|1|2|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)", ["pnigam", "domain"]),
    ("Calling pfAuthUser('pnigam', '', 1)", ["pnigam"]),
    ("pnigam.log:2017-02-14T02:57:19Z|0|1|2|pfrad|authResult = 1", ["pnigam"]),
    ('{"pnigam": 1, "Time": "19:20"}', ["pnigam"]),
    ("2017-02-14T02:57:19Z|0|1|2|pfsvc|Mail to Anna.Berg@contoso.example. Sent to Anna", ["anna", "berg", "contoso"]),
    (
        "2017-02-14T02:57:19Z|0|1|2|pfsvc|unlocked CONTOSO\\anna (Anna Berg) from 10.0.0.7",
        ["contoso", "anna", "berg", "10.0.0.7"],
    ),
    ("2017-02-14T02:57:19Z|e|1|2|pfadssvc|***** ERROR ***** no CN=Zoë Berg here", ["zoë", "berg"]),
    ("2017-02-14T02:57:19Z|0|1|2|pfrad|Calling pfAuthUser('', 'anna', 1)", ["anna"]),
]


@pytest.mark.parametrize(("line", "gone"), UNDERSTOOD_BY_NOBODY)
def test_a_line_that_names_no_user_may_name_somebody_all_the_same(line: str, gone: list[str]) -> None:
    counts = Counts()
    pipeline = Pipeline(BOTH, counts)
    pipeline.open(log_file(line.encode()))
    block = pipeline(Chunk(line.encode(), 0))
    event = json.loads(block.data)
    said = block.data.decode().casefold()

    assert [text for text in gone if text in said] == []
    assert len(event["event"]["original"]) >= len(line)
    assert block.labels[0][3] is None
    assert (counts.masked, counts.shapes) == (1, {})


def test_what_is_masked_keeps_its_form() -> None:
    (event,) = events('2017-02-14T02:57:19Z|e|1|2|pfadssvc|***** ERROR ***** no "Zoë-1"\n')
    assert event["message"] == '***** ***** ***** ** "***-*"'
    assert event["event"]["original"] == f"2017-02-14T02:57:19Z|e|1|2|pfadssvc|{event['message']}"
    assert event["error"]["message"] == '** "***-*"'


def test_a_user_in_a_masked_line_is_the_one_of_other_lines() -> None:
    broken, whole = events(
        "2017-02-30T02:57:19Z|0|1|2|pfrad|Calling pfAuthUser('Domain\\pnigam', '', 1)\n" + REQUEST.format("DOMAIN\\PNigam")
    )
    user = whole["user"]
    assert f"('{user['domain']}\\{user['name']}', '', *)" in broken["event"]["original"]


@pytest.mark.parametrize("message", ["authResult = 1", "rawCallStatus = -104", ""])
def test_what_names_nobody_is_not_masked(message: str) -> None:
    line = f"2017-02-14T02:57:19Z|0|1|2|pfrad|{message}\n"
    assert events(line) == events(line, replace(BOTH, pseudonyms=None))


NPS = "NPS Extension for Azure MFA:  CID: 82a3db8d-3317-43f7-b203-6ba81cba93c9 : {}"
CHALLENGE = NPS.format("Challenge requested in Authentication Ext for User {} with state 92a3db8d-3317-43f7-b203-6ba81cba93c9")
ACCEPTED = NPS.format("Access Accepted for user {} with Azure MFA response: Success and message: session {}")


def test_a_result_may_call_its_user_otherwise_than_the_challenge() -> None:
    challenge, result = events(
        f"2020-06-17T19:39:15Z {CHALLENGE.format('CONTOSO' + chr(92) + 'aberg')}\n"
        f"2020-06-17T19:39:25Z {ACCEPTED.format('anna.berg@contoso.example', 'x')}\n"
    )
    name, domain = digest("contoso.example\\anna.berg"), digest("contoso.example")
    assert result["user"] == challenge["user"]
    assert f"for user {name}@{domain} with" in result["message"]
    assert "berg" not in json.dumps(result)


def escaped(text: str) -> list[str]:
    """A text as JSON and XML may hold it."""
    numbers = "".join(f"&#{ord(character)};" for character in text)
    units = "".join(f"\\u{unit:04x}" for unit in memoryview(text.encode("utf-16-le")).cast("H"))
    return [
        json.dumps(text)[1:-1],
        json.dumps(json.dumps(text))[3:-3],
        units,
        units.upper().replace("U", "u"),
        numbers,
        html.escape(text),
    ]


@pytest.mark.parametrize("name", ["anna", "Straße", "O'Brien", "zoë", "a b", "山田", "👤👤👤", "x<y&z", "İlker"])
def test_every_spelling_of_a_name_is_found(name: str) -> None:
    user = split_principal(f"Contoso.example\\{name}")
    assert user is not None
    mentions = mentions_of(user, hidden(user, DIGESTS))
    pseudonym = digest(user.key)
    for spelling in (name, name.upper(), name.lower(), name.casefold(), name.swapcase()):
        for text in (spelling, *escaped(spelling)):
            for before, behind in ("()", '""', " .", ("\\n", "\\t"), ("&quot;", "&quot;")):
                found = replace_users(f"<{before}{text}{behind}>", mentions, lambda user: hidden(user, DIGESTS))
                assert found == f"<{before}{pseudonym}{behind}>", (text, found)


def test_a_part_of_a_word_is_no_name() -> None:
    user = split_principal("anna")
    assert user is not None
    text = "annabel susanna ANNA-2 anna_b anna.b x1anna Größe"
    found = replace_users(text, mentions_of(user, hidden(user, DIGESTS)), lambda user: hidden(user, DIGESTS))
    assert found == text.replace("ANNA", digest("anna")).replace("anna.b", digest("anna") + ".b")


def test_a_name_that_may_mean_anything_is_one_in_quotes_or_behind_the_word_user() -> None:
    user = split_principal("al")
    assert user is not None
    found = replace_users(
        "al et al: user al, 'al', user also", mentions_of(user, hidden(user, DIGESTS)), lambda user: hidden(user, DIGESTS)
    )
    assert found == f"al et al: user {digest('al')}, '{digest('al')}', user also"


def test_a_name_that_ends_inside_a_character_takes_all_of_it() -> None:
    """`ß` is folded to two letters."""
    user = split_principal("x" * 64 + "s")
    assert user is not None
    found = replace_users("x" * 64 + "ß!", mentions_of(user, hidden(user, DIGESTS)), lambda user: hidden(user, DIGESTS))
    assert found == digest(user.key) + "!"


HOSTILE = ["x" * 100_000, "a@" * 50_000, "a.b\\" * 30_000, "user '" * 20_000, "1.2.3." * 20_000, ":" * 100_000, "\\" * 100_000]
HOSTILE += ["&" * 100_000, "anna" * 30_000, "user anna " * 10_000, "\\u0061" * 20_000, "ß" * 50_000]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["DOM\\anna", "aaaa", "x" * 50_000, "ss" * 40, "\\" * 1000])
def test_hostile_texts_take_linear_time(text: str, name: str) -> None:
    user = split_principal(name)
    assert user is not None
    assert replace_users(text + name, mentions_of(user, hidden(user, DIGESTS)), lambda user: hidden(user, DIGESTS))
    assert len(events(f"2017-02-14T02:57:19Z|0|1|2|pfsvc|{text}\n")) == 1


def test_the_key_is_not_shown() -> None:
    assert "0123456789" not in repr(BOTH)
