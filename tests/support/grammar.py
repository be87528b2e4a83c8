"""Lines of every form that the fast path takes, what nearly looks like them, and what is done to lines.

No randomness of its own: hypothesis or a fuzzer chooses, by bytes; `lines` reads eight a step. Zeros
choose what is plain, so that what a shrinker leaves over is what matters.
"""

# ruff: noqa: RUF001  the quotes and digits of other scripts are what this is about

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

BASE = datetime(2017, 2, 14, 2, 57, 19, 234778)
TIMEOUT = 600_000_000  # microseconds: exchange_timeout unless configured


class Values(NamedTuple):
    """What can stand in one place of a line: what the fast path takes, and all other."""

    plain: tuple[str, ...]
    other: tuple[str, ...]

    def one(self, byte: int, *, odd: bool) -> str:
        """A plain value for a byte below 200 (any byte unless `odd`), else any value."""
        if byte < 200 or not odd:
            return self.plain[byte % len(self.plain)]
        return (self.plain + self.other)[byte % (len(self.plain) + len(self.other))]


# fmt: off
LEVELS = Values(
    ("0", "i", "e", "Z"),
    ("9", "", "00", "é", "|"),
)
PIDS = Values(
    ("1412", "0", "9" * 18),
    ("01412", "1000000000000000000", "00", "", "-1", "1412 ", "x", "１"),
)
TIDS = Values(
    ("6452", "8", "7"),
    ("06452", "008", "18446744073709551616", "8a", "", "\u0668"),
)
COMPONENTS = Values(
    ("pfrad", "pfrad", "pfsvc"),
    ("PFRAD", "pfadssvc", "x" * 128, "x" * 129, "pf-rad", "pfräd", "", "ＰＦ"),
)
USERS = Values(
    ("DOM\\anna", "dom\\ANNA", "anna@example.com", "anna", "bob", "DOM\\Bob Smith, jr.", "a(b)|c = d",
     "@example.com", "anna@", "a@b@c", "D@M\\anna@x", "Pfauth succeeded for user bob", "{}%s</script>~"),
    ("", "\\anna", "DOM\\", "a\\b\\c", "\\\\anna", "\\", "O'Brien", '"anna"', "Größe", "Κόσμος\\山田", "👤", "straße@x", "a\x00b", "a\tb",
     "a\x7fb", "a\u2028b", "’", ", ", ")", ",", ",anna", ")anna", "@", "', '', 1", "x" * 300,
     "Calling pfAuthUser('anna', '', 1)", 'anna\'. Call status: SUCCESS_NO_PIN - "No PIN Entered".'),
)
TAILS = Values(
    ("', '', 1)", "')", "', 'a.b:c-d_e', -1, x)", "', '10.0.0.5')", "', '', 1, '', 1, '', 1, '', 1)"),
    ("', '', 1, '', 1, '', 1, '', 1, '')", "', 'a b', 1)", "','',1)", "',  '', 1)", "', '', 1) ", "', '', 1", "', '', 1))",
     "'', '', 1)", "'', '''', 1)", "\", '', 1)", "’, ”, 1)", "', 'ä', 1)", "', '\\', 1)", "', '\x01', 1)", "',)", "', )",
     "', ('a'), 1)", "", "'", "'(", "',"),
)
VERDICTS = Values(
    ("1", "0", "2", "-1"),
    ("999999999", "1000000000", "01", "-0", "+1", "", "1 ", "1.0", "9" * 18, "9" * 19, "１", "1\x00"),
)
CODES = Values(
    ("21", "6", "122", "101", "129", "20", "-104", "0", "999", "999999999"),
    ("1000000000", "021", "-021", "- 21", "9" * 18, "9" * 19, "", "21.", "0x15", "２１"),
)
WORDS = Values(
    ("succeeded", "failed"),
    ("succeeded", "denied", "Failed", "", "succeeded "),
)
RESULTS = Values(
    ('SUCCESS_PHONE_APP_AUTHENTICATED - "Mobile App Authenticated".',
     'SUCCESS_NO_PIN_BUT_TIMEOUT - "No Phone Input - Timed Out".', 'FAILED_FRAUD_REPORTED - "Fraud Reported".',
     'ANOTHER_CONSTANT - "Text Message Sent".', 'ANOTHER_CONSTANT - "Nobody knows".'),
    ('X - "".', 'SUCCESS_NO_PIN - "Größe".', 'SUCCESS_NO_PIN - "a|b".', "SUCCESS_NO_PIN - “No PIN Entered”.",
     'SUCCESS_NO_PIN - "No PIN Entered"', 'SUCCESS_NO_PIN - "No PIN Entered". ', 'success_no_pin - "No PIN Entered".',
     'SUCCESS_NO_PIN - "No \\PIN".', f'{"C" * 129} - "{"d" * 100}".', ""),
)
GUIDS = Values(
    ("82a3db8d-3317-43f7-b203-6ba81cba93c9", "82A3DB8D-3317-43F7-B203-6BA81CBA93C9"),
    ("82a3db8d-3317-43f7-b203-6ba81cba93cg", "82a3db8d331743f7b2036ba81cba93c9", "{82a3db8d-3317-43f7-b203-6ba81cba93c9}",
     "82a3db8d-3317-43f7-b203-6ba81cba93c９", "82a3db8d-3317-43f7-b203-6ba81cba93c9|82a3db8d-3317-43f7-b203-6ba81cba93c9", ""),
)
MESSAGES = Values(
    ("", "Reloading configuration", "***** ERROR ***** it broke"),
    ("82a3db8d-3317-43f7-b203-6ba81cba93c9", "82a3db8d-3317-43f7-b203-6ba81cba93c9|",
     "Pfauth not performed for user 'anna' from 10.0.0.5.",
     "Pfauth succeeded for user 'anna' from 10.0.0.5:1812. Call status: SUCCESS_NO_PIN - \"No PIN Entered\".",
     "authResult=1", "rawCallStatus=21", "Calling pfAuthUser", "Calling pfAuthUser()", "('anna', '', 1)",
     "Calling pfAuthUser(‘DOM\\anna’, ”, 1)", "\ufeff", "Primary auth type 'LDAP' requested for user 'anna'",
     "Failed RADIUS auth for user 'DOM\\anna'. Logon failure: no (5)", "Primary auth succeeded for user 'anna@example.com'",
     "validate_oath_code: user DOM\\anna updated authentication result. callStatus = OATH Code Verified",
     'User "bob" changed user "DOM\\anna" value Phone from "1" to "2".', 'User "bob" added new User Mobile App Device',
     "NPS Extension for Azure MFA:  CID: 82a3db8d-3317-43f7-b203-6ba81cba93c9 : Challenge requested in Authentication Ext "
     "for User DOM\\anna with state 92a3db8d-3317-43f7-b203-6ba81cba93c9",
     "NPS Extension for Azure MFA:  CID: 82a3db8d-3317-43f7-b203-6ba81cba93c9 : Access Rejected for user DOM\\anna "
     "with Azure MFA response: PhoneAppDenied and message: no"),
)
# fmt: on

_FRACTIONS = ("", ".", ".2", ".234", ".2347781", ".234778901", ".2347789012", ".23477 ", ".２34778", ",234778")
_BAD_TIMES = (
    "2017-02-30T02:57:19.234778Z",
    "2017-02-14T24:00:00.000000Z",
    "2017-02-14T02:57:60.000000Z",
    "0000-01-01T00:00:00.000000Z",
    "2017-02-14T02:57:19.234778z",
    "2017-02-14T02:57:19.234778+00:00",
    "2017-02-14 02:57:19.234778Z",
    "2017-02-14T02:57:19.23477²Z",
    "2017-02-14T02:57:1２.234778Z",
    "",
)
_FAR_TIMES = (
    "1970-01-01T00:00:00.000000Z",
    "1969-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59.999999Z",
    "2016-02-29T23:59:59.999999Z",
)


def stamp(microseconds: int, odd: int = 0) -> str:
    """A time stamp so long after `BASE`; `odd` above 0 chooses another form, a bad one, or one far away."""
    text = (BASE + timedelta(microseconds=microseconds)).isoformat(timespec="microseconds")
    if not odd:
        return text + "Z"
    others = (*(text[:19] + fraction + "Z" for fraction in _FRACTIONS), *_BAD_TIMES, *_FAR_TIMES)
    return others[odd % len(others)]


def request(head: str, user: str, tail: str) -> str:
    return f"{head}|Calling pfAuthUser('{user}{tail}"


def verdict(head: str, number: str) -> str:
    return f"{head}|authResult = {number}"


def status(head: str, code: str) -> str:
    return f"{head}|rawCallStatus = {code}"


def result(head: str, guid: str, word: str, user: str, tail: str) -> str:
    return f"{head}|{guid}|Pfauth {word} for user '{user}'. Call status: {tail}"


PIECES = (
    *(text.encode() for text in (
        "'", "''", "‘", "’", '"', "\\", "\\\\", "(", ")", "|", "||", " ", "  ", ",", ", ", "=", "0", "1", "9", "-", "Z", "T", ".",
        "\r", "\x00", "\t", "\x1f", "\x7f", "\x85", "é", "山", "👤", "\u2028", "\ufeff", "@", "('anna', '', 1)", "|authResult = 1",
        "|rawCallStatus = 21", "|Calling pfAuthUser", "|82a3db8d-3317-43f7-b203-6ba81cba93c9", "{", "}",
    )),
    b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x91", b"\x80",
)  # fmt: skip

_JOINTS = b"|('=., )Z-"
MUTATIONS = 8


def mutate(line: bytes, other: bytes, how: int, at: int, what: int) -> bytes:
    """A line that differs a little from `line`; `other` is one to take a part of. Never holds an LF."""
    at %= len(line) + 1
    kind = how % MUTATIONS
    piece = PIECES[what % len(PIECES)]
    if kind == 0:  # insert
        return line[:at] + piece + line[at:]
    if kind == 1:  # replace
        return line[:at] + piece + line[at + 1 :]
    if kind == 2:  # leave out
        return line[:at] + line[at + 1 + what % 3 :]
    if kind == 3:  # double
        return line[:at] + line[at : at + 1 + what % 3] + line[at:]
    if kind == 4:  # cut off
        return line[:at]
    if kind == 5:  # at the end
        return line + piece
    # The end of another line behind the beginning of this one, or all of it, cut where a part begins.
    joint = _JOINTS[what % len(_JOINTS)]
    behind = other.find(joint, at % (len(other) + 1)) if kind == 6 else other.rfind(joint)
    before = line.rfind(joint, 0, at) if kind == 6 else len(line)
    return line[: before if before >= 0 else at] + (other[behind:] if behind >= 0 else b"")


STEP = 8
EXCHANGES = (*("request",) * 4, *("pair",) * 5, "verdict", "status", "apart", "message", "raw")
RESULTS_ONLY = (*("result",) * 14, "message", "raw")
BOTH = EXCHANGES + ("result",) * 3
MIXTURES = (EXCHANGES, EXCHANGES, RESULTS_ONLY, BOTH)
_DAY = 86_400_000_000
_LEADS = (
    0, 0, 0, 1, 500, 1_000_000, 3_000_000, 20_000_000, 60_000_000, 60_000_001, TIMEOUT, TIMEOUT + 1, -1, -1_000_000, -2 * TIMEOUT,
    _DAY + 1, -_DAY,
)  # fmt: skip


def lines(choices: bytes, kinds: Sequence[str] = BOTH, *, odd: bool = True) -> list[bytes]:
    """A log, line by line; `odd` False: every value is plain, though the lines may not belong together."""
    found: list[bytes] = []
    now = 0
    for at in range(0, len(choices) - STEP + 1, STEP):
        step = choices[at : at + STEP]
        now = max(-(10**12), now + _LEADS[step[1] % len(_LEADS)])
        made = _step(step, kinds, now, odd=odd)
        if odd and step[6] >= 192:
            which = step[3] % len(made)
            other = made[0] if not found else found[-1 - step[4] % min(len(found), 16)]
            made[which] = mutate(made[which], other, step[6], step[7], step[5])
        found += made
    return found


def _step(step: bytes, kinds: Sequence[str], now: int, *, odd: bool) -> list[bytes]:
    kind, lead, which, _, first, second, how, more = step
    name = kinds[kind % len(kinds)]
    if name == "raw":
        return [step.replace(b"\n", b"\r")] if odd else []
    oddity = more if odd and lead >= 240 else 0
    time = stamp(now, oddity)
    # Few heads, most of them the first, so that lines meet on a thread; one part of a head is odd at a time.
    parts = [LEVELS.plain[0], PIDS.plain[0], TIDS.plain[which % 3], COMPONENTS.plain[0]]
    if which >= 144:
        part = which % 4
        parts[part] = (LEVELS, PIDS, TIDS, COMPONENTS)[part].one(more, odd=odd and which >= 176)
    head = time + "|" + "|".join(parts)
    user = USERS.one(step[3], odd=odd)
    if name == "request":
        texts = [request(head, user, TAILS.one(first, odd=odd))]
    elif name == "result":
        texts = [result(head, GUIDS.one(first, odd=odd), WORDS.one(how, odd=odd), user, RESULTS.one(second, odd=odd))]
    elif name == "message":
        texts = [f"{head}|{MESSAGES.one(first, odd=odd)}"]
    else:
        behind = head
        if name == "apart":  # another time, or the same and another thread
            time_2, tid = stamp(now + second % 4 - 1), TIDS.plain[first % 3]
            behind = time_2 + head.removeprefix(time) if second % 4 < 3 else f"{time}|{'|'.join((*parts[:2], tid, parts[3]))}"
        both = verdict(head, VERDICTS.one(first, odd=odd)), status(behind, CODES.one(second, odd=odd))
        texts = {"verdict": [both[0]], "status": [both[1]]}.get(name, list(both))
    return [text.encode() for text in texts]
