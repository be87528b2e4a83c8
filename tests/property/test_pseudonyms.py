"""Pseudonyms: no name of a log is left anywhere in the output, in capitals or not, and the findings are the same but for names."""

import hashlib
import hmac
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.decode.principal import split_principal
from shipper.emit.pseudonyms import Pseudonyms
from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from tests.support.generate import Recipe, generate
from tests.support.grammar import mutate, stamp
from tests.support.logs import library, log_file

KEY = b"0123456789abcdef"
CLEAR = Settings(library())
HIDDEN = Settings(library(), pseudonyms=Pseudonyms(KEY))
NAMES = ("Wolfram", "straßburg", "zoë.quark", "O'Xylo", "ijsbrand-2", "Jørn Vik", "山田太郎", "Κόσμος", "4711234")
DOMAINS = ("QUUX", "quux.example", "Größe")
CASES: tuple[Callable[[str], str], ...] = (str, str.upper, str.lower, str.swapcase, str.casefold)
CID, STATE = "82a3db8d-3317-43f7-b203-6ba81cba93c9", "92a3db8d-3317-43f7-b203-6ba81cba93c9"
NPS = "NPS Extension for Azure MFA:  CID: {cid} : "
GUID = "82a3db8d-3317-43f7-b203-6ba81cba93c9"
MFA = (
    "|0|1|{tid}|pfrad|Calling pfAuthUser('{user}', '', 1)",
    "|0|1|{tid}|pfrad|Calling pfAuthUser(‘{user}’, ”, 1)",  # noqa: RUF001
    "|0|1|{tid}|pfrad|authResult = 1\n{stamp}|0|1|{tid}|pfrad|rawCallStatus = 21",
    "|0|1|{tid}|pfrad|authResult = 1\n{stamp}|0|1|{tid}|pfrad|rawCallStatus = 21",
    f"|i|1|2|pfsvc|{GUID}|Pfauth succeeded for user '{{user}}'. Call status: SUCCESS_NO_PIN - \"No PIN Entered\".",
    "|i|1|2|pfsvc|Pfauth not performed for user '{user}' from 10.0.0.5. {again} is exempt",
    "|i|1|2|pfsvc|validate_oath_code: user {user} updated authentication result. callStatus = OATH Code Verified",
    '|i|1|2|pfsvc|User "{user}" changed user "{again}" value Phone from "+1 555 0100" to "{again}".',
    "|i|1|2|pfsvc|unlocked {user} again",
    "|e|1|2|pfadssvc|***** ERROR ***** CN={user} is gone",
)
NPS_FORMS = (
    f"Challenge requested in Authentication Ext for User {{user}} with state {STATE}",
    "Access Accepted for user {user} with Azure MFA response: Success and message: session {again}",
    "Access Rejected for user {user} with Azure MFA response: PhoneAppDenied and message: no",
    "Exception in Authentication Ext for User {user} :: ErrorCode:: CID :{cid} ESTS_TOKEN_ERROR Msg:: {again}?",
)


USER_ENDS = re.compile("(?:'|\"|`|´|‘|’|“|”)[,)]".encode())  # noqa: RUF001  as copies have them


@st.composite
def named_logs(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """A log, and the names in it."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    lines: list[bytes] = []
    now = 0
    for _ in range(draw(st.integers(1, 12))):
        now += draw(st.sampled_from((0, 1_000_000, 9_000_000, 70_000_000)))
        lines += _lines(draw, names, now)
    return names, b"\n".join(lines)


def _lines(draw: st.DrawFn, names: list[str], now: int) -> Iterator[bytes]:
    name = draw(st.sampled_from(names))
    user, again = (_spelled(draw, name) for _ in range(2))
    time, form = stamp(now), draw(st.sampled_from(MFA + NPS_FORMS))
    values = {"user": user, "again": again, "tid": draw(st.integers(1, 3)), "stamp": time, "cid": CID}
    text = form.format(**values)
    if form in MFA:
        text = time + text
    else:
        text = NPS.format(cid=CID) + text
        event = {"TimeCreated": time, "ProviderName": "Microsoft-AzureMfa-AuthZ", "Message": text, "Extra": user}
        text = draw(st.sampled_from((f"{time} {text}", json.dumps(event), json.dumps(event, ensure_ascii=False))))
    for line in text.encode().split(b"\n"):
        twice = any(read.count(name.casefold()) > 1 for read in spellings(text))  # a change to one of them would make two names
        odd = not twice and draw(st.integers(0, 3)) == 0
        changed = mutate(line, line, *draw(st.tuples(*[st.integers(0, 255)] * 3))) if odd else line
        # Not if the name ends earlier by it: what is behind its end is no name any more.
        yield changed if len(USER_ENDS.findall(changed)) <= len(USER_ENDS.findall(line)) else line


def _spelled(draw: st.DrawFn, name: str) -> str:
    domain = draw(st.sampled_from(DOMAINS))
    text = draw(st.sampled_from((name, f"{domain}\\{name}", f"{name}@{domain}")))
    return draw(st.sampled_from(CASES))(text)


def shipped(log: bytes, how: Settings, size: int = 1 << 20) -> bytes:
    pipeline = Pipeline(how, Counts())
    pipeline.open(log_file(log))
    lines = re.findall(rb"[^\n]*\n|[^\n]+$", log) if size == 1 else [log]
    at, data = 0, b""
    for part in lines:
        data += pipeline(Chunk(part, at)).data
        at += len(part)
    return data + pipeline.close().data


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def spellings(text: str) -> list[str]:
    """A text, and what a reader of JSON and XML sees in it."""
    read = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda unit: chr(int(unit[1], 16)), text)
    return [text.casefold(), html.unescape(read).casefold(), read.replace("\\\\", "\\").casefold()]


@settings(max_examples=400, deadline=None)
@given(named_logs(), st.booleans())
def test_no_name_is_left(made: tuple[list[str], bytes], merged: bool) -> None:
    names, log = made
    for line in shipped(log, replace(HIDDEN, per_exchange=merged)).splitlines():
        for said in (said for text in strings(orjson.loads(line)) for said in spellings(text)):
            assert [name for name in names if name.casefold() in said] == [], line


def digest(identity: str) -> str:
    return hmac.new(KEY, identity.encode(), hashlib.sha256).hexdigest()


def without_names(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding with the pseudonyms that it should have."""
    user = finding["user"]
    key = split_principal(f"{user.get('domain', '')}\\{user['name']}" if "domain" in user else user["name"])
    assert key is not None
    hidden = {"name": digest(key.key), **({"domain": digest(user["domain"].casefold())} if "domain" in user else {})}
    written = user.get("email") or (f"{user['domain']}\\{user['name']}" if "domain" in user else user["name"])
    spelled = f"{hidden['domain']}\\{hidden['name']}" if "domain" in user else hidden["name"]
    if "email" in user:
        hidden["email"] = spelled = f"{hidden['name']}@{hidden['domain']}"
    finding["user"], finding["related"] = hidden, {"user": [hidden[name] for name in ("name", "email") if name in hidden]}
    finding["message"] = spelled + finding["message"].removeprefix(written)
    return finding


@settings(max_examples=300, deadline=None)
@given(named_logs(), st.booleans())
def test_findings_are_the_same_but_for_names(made: tuple[list[str], bytes], fast: bool) -> None:
    _, log = made
    clear, hidden = (
        list(map(orjson.loads, shipped(log, replace(how, only_findings=True, fast=fast)).splitlines())) for how in (CLEAR, HIDDEN)
    )
    assert hidden == list(map(without_names, clear))


@settings(max_examples=200, deadline=None)
@given(named_logs(), st.booleans())
def test_reads_and_paths_change_nothing(made: tuple[list[str], bytes], merged: bool) -> None:
    _, log = made
    how = replace(HIDDEN, per_exchange=merged)
    assert shipped(log, how, size=1) == shipped(log, replace(how, fast=False))


@pytest.mark.parametrize("recipe", [Recipe(4000), Recipe(3000, curly=True), Recipe(3000, results=True), Recipe(2000, nps=True)])
def test_of_generated_logs(recipe: Recipe, tmp_path: Any) -> None:
    generate(recipe, tmp_path / "log")
    log = (tmp_path / "log").read_bytes()
    clear, hidden = (shipped(log, how) for how in (CLEAR, HIDDEN))
    users = {
        text.casefold() for line in clear.splitlines() for text in strings(orjson.loads(line).get("user", {})) if len(text) > 3
    }
    said = {text.casefold() for line in hidden.splitlines() for text in strings(orjson.loads(line))}

    assert len(users) > 100
    everything = "\n".join(said)
    assert [user for user in users if user in everything] == []
    alerts = [line for line in clear.splitlines() if orjson.loads(line)["event"]["kind"] == "alert"]
    found = [orjson.loads(line) for line in hidden.splitlines() if orjson.loads(line)["event"]["kind"] == "alert"]
    assert found == [without_names(orjson.loads(line)) for line in alerts]
    assert len(found) > 5
