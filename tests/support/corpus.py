"""A week of MFA Server logs and one of the NPS extension, made up: the same seed gives the same bytes.

    python -m tests.support.corpus FOLDER

Five working days of a company whose people sign in to a VPN (`pfrad`) and to web sites (`pfsvc`). What dashboards
are for happens in it: a VPN client with a short timeout asks twice, people reconnect at once, a cache
rule spares some of them, two accounts are attacked until one user reports fraud and the other gives in, accounts get
locked, a bypass is used, lines are broken. Every status code of the table occurs.
"""

import argparse
import csv
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from tests.support.tools import ROOT

START = datetime(2017, 2, 13, tzinfo=UTC)
DAYS = 5
SECOND, MINUTE, HOUR = 1.0, 60.0, 3600.0
FIRST = (
    "anna", "bob", "carl", "dora", "emil", "fatima", "george", "hanna", "ivan", "julia", "karim", "lena",
)  # fmt: skip
LAST = ("ito", "kaur", "meyer", "silva", "novak", "lee", "haddad", "olsen", "diaz")
PEOPLE = tuple(f"{first}.{last}" for last in LAST for first in FIRST)
RADIUS, SERVER, ADSYNC = "MultiFactorAuthRadiusSvc.log", "MultiFactorAuthSvc.log", "MultiFactorAuthAdSyncSvc.log"
NPS = "NpsExtension.log"
USUAL = {  # code: weight, verdict, least and most seconds
    21: (60, 1, 3, 20), 2: (9, 1, 8, 25), 23: (6, 1, 5, 20), 1: (4, 1, 10, 30), 16: (1, 1, 9, 15), 24: (1, 1, 9, 30),
    133: (4, 0, 55, 60), 4: (3, 0, 45, 60), 12: (2, 0, 9, 30), 108: (2, 0, 5, 15), 129: (2, 0, 3, 15), 138: (2, 0, 6, 25),
    102: (1, 0, 1, 4), 136: (1, 0, 1, 3), -101: (1, 0, 0.05, 0.2), 7: (0.5, 1, 0.05, 0.2), -104: (2, 1, 0.05, 0.2),
}  # fmt: skip
SITES = ("SUCCESS_PHONE_APP_AUTHENTICATED",) * 14 + (
    "SUCCESS_NO_PIN", "SUCCESS_NO_PIN", "SUCCESS_OATH_CODE_VERIFIED", "SUCCESS_USED_APP_BASED_CACHE", "FAILED_PHONE_APP_DENIED",
    "FAILED_PHONE_APP_NO_RESPONSE", "FAILED_OATH_CODE_INCORRECT", "SUCCESS_NO_PIN_BUT_TIMEOUT", "SUCCESS_USER_BLOCKED",
)  # fmt: skip
BROKEN = (
    "   at PfSvc.Worker.Run(Object state)",
    "System.Net.WebException: The remote name could not be resolved",
    "2017-02-14T02:57",
    "{stamp}|0|1412|",
    "{stamp}|0|1412|2236|pf-rad|no component has such a name",
)
OTHER = (
    "Configuration was read again",
    "No client is defined for 10.20.30.40 | packet dropped",
    "Dienst „PhoneFactor“ gestartet",
)


@dataclass
class Week:
    """What was written so far: (seconds since the beginning, line) for each log."""

    rnd: random.Random
    lines: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: {RADIUS: [], SERVER: [], ADSYNC: [], NPS: []})
    free: dict[int, float] = field(default_factory=lambda: {6400 + 4 * n: -1.0 for n in range(60)})

    def exchange(self, at: float, user: str, code: int, verdict: int | None, seconds: float) -> float:
        """Three lines of a thread that is free; returns when it ended."""
        thread = self.rnd.choice([thread for thread, busy in self.free.items() if busy < at])
        end = at + seconds
        self.free[thread] = end
        lines = self.lines[RADIUS]
        lines.append((at, f"|0|1412|{thread}|pfrad|Calling pfAuthUser('{user}', '', 1)"))
        if verdict is not None:
            lines.append((end, f"|0|1412|{thread}|pfrad|authResult = {verdict}"))
        lines.append((end, f"|0|1412|{thread}|pfrad|rawCallStatus = {code}"))
        return end

    def usual(self, at: float, user: str) -> float:
        """Somebody signs in to the VPN."""
        code = self.rnd.choices(list(USUAL), [usual[0] for usual in USUAL.values()])[0]
        _, verdict, least, most = USUAL[code]
        return self.exchange(at, user, code, verdict, self.rnd.uniform(least, most))

    def text_message(self, at: float, user: str) -> float:
        """A text message is sent, then its code is entered."""
        sent = self.exchange(at, user, 20, 0, self.rnd.uniform(1, 3))
        good = self.rnd.random() < 0.9
        return self.exchange(sent + self.rnd.uniform(8, 40), user, 19 if good else 122, int(good), 0.4)

    def site(self, at: float, user: str, constant: str) -> None:
        """A one-line result of a web site's sign-in."""
        code = next(row for row in table() if row["constant"] == constant)
        guid = f"{self.rnd.getrandbits(128):032x}"
        word = "succeeded" if code["outcome"] == "success" else "failed"
        place = f" from 10.1.{self.rnd.randrange(4)}.{self.rnd.randrange(1, 40)}" if self.rnd.random() < 0.8 else ""
        self.lines[SERVER].append((
            at,
            f"|i|18288|{2000 + 4 * self.rnd.randrange(60)}|pfsvc|{guid[:8]}-{guid[8:12]}-{guid[12:16]}-{guid[16:20]}-{guid[20:]}|"
            f"Pfauth {word} for user '{user}'{place}. Call status: {constant} - \"{code['description']}\".",
        ))  # fmt: skip

    def server(self, at: float, text: str) -> None:
        """Another line of the server's log."""
        self.lines[SERVER].append((at, f"|i|18288|{2000 + 4 * self.rnd.randrange(60)}|pfsvc|{text}"))

    def extension(self, at: float, user: str, result: str, seconds: float) -> float:
        """A challenge of the NPS extension and what became of it; returns when it ended."""
        guid = f"{self.rnd.getrandbits(128):032x}"
        call, state = (f"{half[:8]}-{half[8:12]}-{half[12:16]}-{half[16:20]}-{half[20:]}" for half in (guid, guid[::-1]))
        head = f"{{stamp}} NPS Extension for Azure MFA:  CID: {call} :"
        self.lines[NPS].append((at, f"{head} Challenge requested in Authentication Ext for User {user} with state {state}"))
        word = "Accepted" if result == "Success" else "Rejected"
        ended = f"{head} Access {word} for user {user} with Azure MFA response: {result} and message: session {call[:4]}"
        self.lines[NPS].append((at + seconds, ended))
        return at + seconds

    def texts(self) -> Iterator[tuple[str, str]]:
        """Name and content of each log."""
        for name, lines in self.lines.items():
            lines.sort(key=lambda item: item[0])
            whole = []
            for at, text in lines:
                stamp = f"{START + timedelta(microseconds=round(at * 1e6)):%Y-%m-%dT%H:%M:%S.%fZ}"
                whole.append(stamp + text if text.startswith("|") else text.format(stamp=stamp))
            yield name, "".join(f"{line}\n" for line in whole)


@cache
def table() -> list[dict[str, str]]:
    """The rows of the code table."""
    with open(ROOT / "schemas" / "status_codes.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def principal(person: int) -> str:
    """How the log writes that person."""
    name = PEOPLE[person]
    return f"{name}@example.com" if person % 9 == 0 else f"{('CONTOSO', 'FABRIKAM')[person % 2]}\\{name}"


def moments(rnd: random.Random, day: int) -> list[float]:
    """When one person signs in on a day: in the morning, after lunch, now and then in the evening."""
    found = [rnd.gauss(8.6, 0.7), rnd.gauss(13.2, 0.6)]
    found += [rnd.uniform(7, 19) for _ in range(rnd.choice((1, 2, 2, 3)))]
    found += [rnd.gauss(20.5, 0.8)] if rnd.random() < 0.15 else []
    return sorted((day * 24 + min(max(hour, 5), 23)) * HOUR for hour in found)


def everyday(week: Week, day: int, person: int) -> None:
    """A person's day."""
    rnd, user, before = week.rnd, principal(person), -1.0
    for at in moments(rnd, day):
        at = max(at, before + 5 * MINUTE)
        if person % 8 == 3 and rnd.random() < 0.35:  # a client with a timeout of 10 s
            end = week.exchange(at, user, 21, 1, rnd.uniform(14, 24))
            before = max(end, week.exchange(at + 10, user, 21, 1, rnd.uniform(6, 20)))
            if rnd.random() < 0.5:
                before = max(before, week.exchange(at + 12, user, 101, 0, 0.1))
        elif person % 7 == 2 and rnd.random() < 0.3:  # reconnects at once
            end = week.exchange(at, user, 21, 1, rnd.uniform(4, 12))
            before = week.exchange(end + rnd.uniform(2, 75), user, 21, 1, rnd.uniform(4, 12))
        elif person % 5 == 4:  # has a cache rule
            end = week.usual(at, user)
            before = week.exchange(end + rnd.uniform(3, 200), user, rnd.choice((6, 6, 8)), 1, 0.1)
        elif person % 6 == 1 and rnd.random() < 0.6:
            before = week.text_message(at, user)
        else:
            before = week.usual(at, user)
        if rnd.random() < 0.55:
            week.site(before + rnd.uniform(60, 3000), user, rnd.choice(SITES))


def attacks(week: Week) -> None:
    """Push bombing of two people on Tuesday night, lockouts and a bypass on Wednesday."""
    rnd, at = week.rnd, (24 + 22.4) * HOUR
    for person, last in ((17, 132), (40, 21)):
        for _ in range(9):
            at = week.exchange(at + rnd.uniform(5, 40), principal(person), *rnd.choice(((129, 0, 6.0), (133, 0, 30.0))))
        at = week.exchange(at + 20, principal(person), last, int(last == 21), 7.0)
    for _ in range(6):
        at = week.exchange(at + rnd.uniform(60, 900), principal(17), 14, 0, 0.1)
    at = (48 + 9.5) * HOUR
    for person in (5, 61, 61, 74):
        for _ in range(rnd.choice((2, 3))):
            at = week.exchange(at + rnd.uniform(20, 400), principal(person), 105, 0, 0.2)
    week.exchange((48 + 10.5) * HOUR, principal(5), 7, 1, 0.1)
    week.exchange((72 + 6.7) * HOUR, principal(33), 112, 0, 12.0)


def oddities(week: Week) -> None:
    """One of every code, orphans, verdicts that disagree, lines of no format, the log of the directory synchronisation."""
    rnd = week.rnd
    for number, code in enumerate(table()):
        at = 96 * HOUR + (3 + number / 60) * HOUR
        week.exchange(at, principal(number % len(PEOPLE)), int(code["code"]), int(code["outcome"] == "success"), 3.0)
    for number in range(12):
        at = rnd.uniform(0, DAYS * 24) * HOUR
        week.lines[RADIUS].append((at, f"|0|1412|{9000 + 4 * number}|pfrad|rawCallStatus = {rnd.choice((21, 133, 999))}"))
        week.exchange(at + MINUTE, principal(number), 129, 1, 5.0)
        week.exchange(at + 5 * MINUTE, principal(number), 777, None, 5.0)
    for _ in range(160):
        name = rnd.choice((RADIUS, RADIUS, SERVER))
        week.lines[name].append((rnd.uniform(6, DAYS * 24) * HOUR, rnd.choice(BROKEN)))
    for _ in range(260):
        name, component = rnd.choice(((RADIUS, "pfrad"), (SERVER, "pfsvc")))
        week.lines[name].append((rnd.uniform(0, DAYS * 24) * HOUR, f"|0|1412|2236|{component}|{rnd.choice(OTHER)}"))
    for hour in range(0, DAYS * 24, 2):
        text = (
            "Directory was read" if hour % 6 else "***** ERROR ***** Error sending email to NewUser@example.com: no route to host"
        )
        week.lines[ADSYNC].append((hour * HOUR + 11, f"|{'i' if hour % 6 else 'e'}|2960|4036|pfadssvc|{text}"))


def administration(week: Week) -> None:
    """First factors, changes of user records, and a second VPN behind the NPS extension."""
    rnd = week.rnd
    for _ in range(180):
        at, user = rnd.uniform(7, DAYS * 24 - 4) * HOUR, principal(rnd.randrange(len(PEOPLE)))
        week.server(at, f"Primary auth type 'LDAP' requested for user '{user}'")
        week.server(at + 1, f"Primary auth {rnd.choice(('succeeded', 'succeeded', 'failed'))} for user '{user}'")
    for number in range(40):
        at, user = (number % DAYS * 24 + rnd.uniform(9, 17)) * HOUR, principal(rnd.randrange(len(PEOPLE)))
        actor = rnd.choice(("CONTOSO\\admin.anna", "CONTOSO\\admin.bob", user))
        texts = (
            f'User "{actor}" changed user "{user}" value Phone from "+1 5550100" to "+1 55501{number:02d}".',
            f'User "{actor}" added new user "{user}"',
            f'User "{actor}" added new User Mobile App Device for user "{user}".',
            f'User "{actor}" changed OATH Token "GALT1040{number:04d}" value Enabled from "0" to "1".',
        )
        week.server(at, rnd.choice(texts))
        if number % 4 == 0:
            week.server(at + MINUTE, f"Pfauth not performed for user '{user}' from 10.1.0.7. User is disabled.")
    results = ("Success",) * 12 + ("PhoneAppDenied", "PhoneAppNoResponse", "OathCodeIncorrect", "UserNotFound")
    for number in range(260):
        at, user = (number % DAYS * 24 + rnd.gauss(9, 1)) * HOUR, principal(rnd.randrange(60, len(PEOPLE)))
        end = week.extension(at, user, rnd.choice(results), rnd.uniform(4, 20))
        if number % 9 == 0:  # the VPN asks again
            week.extension(rnd.choice((at + 3, end + rnd.uniform(2, 50))), user, "Success", rnd.uniform(4, 20))
    errors = ("REQUEST_MISSING_CODE", "ESTS_TOKEN_ERROR", "ESTS_TOKEN_ERROR", "HTTPS_COMMUNICATION_ERROR")
    for number in range(30):
        call = f"{number:08x}-0d0b-4b53-9a3e-6f0b7a3f1d01"
        text = f"Exception in Authentication Ext for User {principal(number)} :: ErrorCode:: CID :{call} {rnd.choice(errors)} Msg:: try again"
        week.lines[NPS].append((rnd.uniform(50, 75) * HOUR, f"{{stamp}} NPS Extension for Azure MFA:  CID: {call} :{text}"))


def write(folder: Path, seed: int = 1) -> list[str]:
    """Write the logs into a folder; returns their names."""
    week = Week(random.Random(seed))
    days = [(day, person) for day in range(DAYS) for person in range(len(PEOPLE))]
    for day, person in days:
        week.free = {6400 + 4 * (person * 3 + n): -1.0 for n in range(3)}  # people of one moment do not share threads
        everyday(week, day, person)
    week.free = {8000 + 4 * n: -1.0 for n in range(60)}
    attacks(week)
    oddities(week)
    administration(week)
    for name, text in week.texts():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return list(week.lines)


def parse(folder: Path, *options: str) -> bytes:
    """What the shipper makes of the logs of a folder; paths in the events are relative to it."""
    names = sorted(path.name for path in folder.glob("*.log"))
    command = [sys.executable, "-m", "shipper", "parse", "--deterministic", "--no-progress", *options, *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, env={"PYTHONPATH": str(ROOT)}, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def main() -> None:
    """Write the logs."""
    arguments = argparse.ArgumentParser(description=main.__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(*write(given.folder, given.seed))


if __name__ == "__main__":
    main()
