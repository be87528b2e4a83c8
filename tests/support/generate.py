"""Makes the logs that are measured: the same recipe and seed give the same bytes.

    python -m tests.support.generate mfa.log --lines 3000000

Authentications arrive as a Poisson process, `RATE` a second. In a RADIUS log (`pfrad`) each takes a
thread of a pool, writes its request at once and its verdict and status when the user has answered,
so exchanges interleave. In a log of results (`pfsvc`) each is one line, in a log of the NPS extension
a challenge and a result. Some users come again, during the first authentication or soon after it;
some lines belong to no authentication.

Speed comes from sorting big batches of finished text: the time stamp stands at the same place of each
line and has a fixed width, so the order of the strings is the order in time.
"""

import argparse
import random
import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate, count
from pathlib import Path
from typing import NamedTuple

from tests.support import wrapping

SECOND = 1_000_000  # times are whole microseconds
RATE = 3.0  # authentications a second
AGAIN = 0.04  # authentications that are followed by another of the same user
DURING = 0.3  # of these, the share that begins while the first is still open
ODD = 0.01  # lines that belong to no authentication, or to no format at all
THREADS = 800
BATCH = 20_000  # authentications
START = datetime(2017, 2, 14, 2, 57, 19, tzinfo=UTC)
DOMAINS = ("CONTOSO", "FABRIKAM", "TAILSPIN")
SURNAMES = ("ito", "kaur", "meyer", "silva", "novak", "lee", "haddad", "olsen", "diaz", "weber", "okafor", "smith", "roux")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a log is like.

    Attributes:
        users: how many there are to choose from.
        distinct: nobody signs in twice; `users` does not matter then.
        curly: typographic quotes in requests, as in a copy from a web page.
        seven_digits: fractions of a second have seven digits instead of six.
        crlf: lines end with CR LF.
        results: one-line results of `pfsvc` instead of exchanges of `pfrad`.
        nps: events of the NPS extension instead, in the JSON of `Get-WinEvent`, one a line; other choices do not matter then.
        wrapped: the function of `tests.support.wrapping` that each line is passed on by; empty for none.
        syslog: lines have a head of RFC 5424 instead of their own. It names no thread, so the lines of `pfrad` lack exchanges.
    """

    lines: int
    seed: int = 1
    users: int = 20_000
    distinct: bool = False
    curly: bool = False
    seven_digits: bool = False
    crlf: bool = False
    results: bool = False
    nps: bool = False
    syslog: bool = False
    wrapped: str = ""


class Outcome(NamedTuple):
    """How an authentication can end: its share, the verdict, seconds it takes, how the services name it."""

    weight: float
    code: int
    verdict: int
    least: float
    most: float
    constant: str
    text: str


OUTCOMES = (
    Outcome(55, 21, 1, 2, 28, "SUCCESS_PHONE_APP_AUTHENTICATED", "Mobile App Authenticated"),
    Outcome(8, 19, 1, 9, 45, "SUCCESS_SMS_AUTHENTICATED", "Text Message Authenticated"),
    Outcome(7, 2, 1, 6, 25, "SUCCESS_NO_PIN", "No PIN Entered"),
    Outcome(5, 23, 1, 4, 20, "SUCCESS_OATH_CODE_VERIFIED", "OATH Code Verified"),
    Outcome(4, 1, 1, 8, 32, "SUCCESS_WITH_PIN", "PIN Entered"),
    Outcome(6, 6, 1, 0.04, 0.5, "SUCCESS_USED_CACHE", "Used Cache"),
    Outcome(0.4, 7, 1, 0.04, 0.3, "SUCCESS_BYPASSED_AUTH", "Bypassed Auth"),
    Outcome(4, 4, 0, 45, 60, "SUCCESS_NO_PIN_BUT_TIMEOUT", "No Phone Input - Timed Out"),
    Outcome(2.5, 12, 0, 5, 30, "SUCCESS_INVALID_INPUT", "Invalid Phone Input"),
    Outcome(2, 108, 0, 4, 16, "FAILED_USER_HUNGUP_ON_US", "User Hung Up the Phone"),
    Outcome(1.5, 122, 0, 10, 40, "FAILED_SMS_OTP_INCORRECT", "Text Message OTP Incorrect"),
    Outcome(0.7, 14, 0, 0.04, 0.3, "SUCCESS_USER_BLOCKED", "User is Blocked"),
    Outcome(0.5, 101, 0, 0.04, 0.3, "FAILED_PHONE_BUSY", "Auth Already In Progress"),
    Outcome(0.2, 112, 0, 5, 15, "FAILED_FRAUD_CODE_ENTERED", "Fraud Code Entered"),
)
RADIUS_ONLY = (  # the table of codes has no constant for them
    Outcome(2.5, 129, 0, 2, 20, "", "Mobile App Denied"),
    Outcome(3, 133, 0, 50, 62, "", "Mobile App No Response"),
    Outcome(1, 138, 0, 5, 30, "", ""),
    Outcome(1.5, -104, 1, 0.02, 0.2, "", ""),
    Outcome(0.7, -101, 0, 0.02, 0.2, "", ""),
)
NPS_OUTCOMES = (  # the extension names results and has no codes
    Outcome(78, 0, 1, 2, 28, "Success", "session"),
    Outcome(6, 0, 0, 2, 20, "PhoneAppDenied", "Mobile App Denied"),
    Outcome(5, 0, 0, 50, 62, "PhoneAppNoResponse", "Mobile App No Response"),
    Outcome(4, 0, 0, 5, 30, "OathCodeIncorrect", "OATH Code Incorrect"),
    Outcome(3, 0, 0, 10, 40, "SMSAuthFailedWrongCodeEntered", "Text Message OTP Incorrect"),
    Outcome(2, 0, 0, 0.04, 0.3, "UserIsBlocked", "User is Blocked"),
    Outcome(1, 0, 0, 0.04, 0.3, "AuthenticationThrottled", "Too Many Attempts"),
)
NPS_ODDITIES = (
    "Exception in Authentication Ext for User anna :: ErrorCode:: CID :{} ESTS_TOKEN_ERROR Msg:: Verify the client certificate",
    "CID: {} : Challenge requested for a service that is not known",
    "",
)
ODDITIES = (  # behind a time stamp; without the first `|` it is a line of its own without a time stamp
    "|0|1412|2236|{}|Configuration was read again\n",
    "|e|1412|2236|{}|***** ERROR ***** No client is defined for 10.20.30.40 | packet dropped\n",
    "|i|1412|2236|{}|\n",
    "|e|1412|2236|{}|Dienst „PhoneFactor“ ist nicht verfügbar\n",
    "|0|1412|2236|{}|rawCallStatus = 777\n",
    "   at PfSvc.Worker.Run(Object state)\n",
)

OWN_HEAD = re.compile(r"^([^|\n]+)\|[^|\n]*\|([0-9]+)\|[0-9]+\|([^|\n]+)\|", re.MULTILINE)
SYSLOG_HEAD = r"<134>1 \1 mfa01 \3 \2 - - "

Again = list[tuple[int, str]]


def generate(recipe: Recipe, path: Path) -> int:
    """Write the log that the recipe describes; returns its size in bytes."""
    remaining, number = recipe.lines, count()
    wrap = getattr(wrapping, recipe.wrapped) if recipe.wrapped else None
    batches = nps_events if recipe.nps else results if recipe.results else exchanges
    with open(path, "wb", buffering=1 << 20) as log:
        for batch in batches(recipe):
            text = "".join(batch)
            lines = text.count("\n")
            if lines > remaining:
                text, lines = "".join(text.splitlines(keepends=True)[:remaining]), remaining
            remaining -= lines
            if recipe.syslog:
                text = OWN_HEAD.sub(SYSLOG_HEAD, text)
            if wrap is not None:
                text = "".join([f"{wrap(line, next(number))}\n" for line in text.splitlines()])
            log.write((text.replace("\n", "\r\n") if recipe.crlf else text).encode())
            if not remaining:
                break
    return path.stat().st_size


def exchanges(recipe: Recipe) -> Iterator[list[str]]:
    """Batches of a RADIUS log, without end: strings of one or more whole lines, in order."""
    rnd = random.Random(recipe.seed)
    outcomes = OUTCOMES + RADIUS_ONLY
    weights = list(accumulate(outcome.weight for outcome in outcomes))
    before, after, nothing = ("\u2018", "\u2019", "\u201d") if recipe.curly else ("'", "'", "''")
    chance, stamp = rnd.random, stamps(recipe)
    threads = [1000 + 4 * n for n in range(THREADS)]
    rnd.shuffle(threads)
    idle, newest_thread = deque(threads), max(threads)
    busy: list[tuple[int, int]] = []
    again: Again = []
    arriving = arrivals(recipe, rnd, again)
    waiting: list[str] = []
    add = waiting.append
    while True:
        now = 0
        for outcome, (now, user) in zip(rnd.choices(outcomes, cum_weights=weights, k=BATCH), arriving, strict=False):
            while busy and busy[0][0] < now:
                idle.append(heappop(busy)[1])
            if idle:
                thread = idle.popleft()
            else:
                newest_thread = thread = newest_thread + 4
            _, code, verdict, least, most, _, _ = outcome
            done = now + int((least + chance() * (most - least)) * SECOND)
            heappush(busy, (done, thread))
            head = f"|0|1412|{thread}|pfrad|"
            began, ended = stamp(now), stamp(done)
            request = f"{began}{head}Calling pfAuthUser({before}{user}{after}, {nothing}, 1)\n"
            add(request + oddity(rnd, began, "pfrad") if chance() < 3 * ODD else request)
            add(f"{ended}{head}authResult = {verdict}\n{ended}{head}rawCallStatus = {code}\n")
            if chance() < AGAIN and not recipe.distinct:
                heappush(again, (comes_again(rnd, now, done), user))
        waiting.sort()
        ready = bisect_left(waiting, stamp(now))  # nothing to come is older than now
        yield waiting[:ready]
        del waiting[:ready]


def results(recipe: Recipe) -> Iterator[list[str]]:
    """Batches of a log of one-line results, without end."""
    rnd = random.Random(recipe.seed)
    weights = list(accumulate(outcome.weight for outcome in OUTCOMES))
    chance, stamp = rnd.random, stamps(recipe)
    again: Again = []
    arriving = arrivals(recipe, rnd, again)
    while True:
        lines = []
        for outcome, (now, user) in zip(rnd.choices(OUTCOMES, cum_weights=weights, k=BATCH), arriving, strict=False):
            _, _, verdict, _, _, constant, text = outcome
            request = guid(rnd)
            began, thread = stamp(now), 2000 + 4 * int(chance() * 100)
            lines.append(
                f"{began}|i|18288|{thread}|pfsvc|{request}|"
                f"Pfauth {'succeeded' if verdict else 'failed'} for user '{user}'. Call status: {constant} - \"{text}\".\n"
            )
            if chance() < ODD:
                lines.append(oddity(rnd, began, "pfsvc"))
            if chance() < AGAIN and not recipe.distinct:
                heappush(again, (comes_again(rnd, now, now), user))
        yield lines


def nps_events(recipe: Recipe) -> Iterator[list[str]]:
    """Batches of a log of the NPS extension, without end: a challenge and a result for each authentication, in order."""
    rnd = random.Random(recipe.seed)
    weights = list(accumulate(outcome.weight for outcome in NPS_OUTCOMES))
    chance, stamp = rnd.random, stamps(replace(recipe, seven_digits=True))
    again: Again = []
    arriving = arrivals(recipe, rnd, again)
    waiting: list[str] = []

    def event(at: int, message: str) -> str:
        thread = 40 + 4 * int(chance() * 100)
        return (
            f'{{"TimeCreated":"{stamp(at)}","ProviderName":"Microsoft-AzureMfa-AuthZ","Id":1,"ProcessId":3120,"ThreadId":{thread},'
            '"LevelDisplayName":"Information","MachineName":"nps01.example.com",'
            f'"Message":"NPS Extension for Azure MFA:  {message}"}}\n'
        )

    while True:
        now = 0
        for outcome, (now, name) in zip(rnd.choices(NPS_OUTCOMES, cum_weights=weights, k=BATCH), arriving, strict=False):
            done = now + int((outcome.least + chance() * (outcome.most - outcome.least)) * SECOND)
            request, user = guid(rnd), name.replace("\\", "\\\\")
            challenge = f"CID: {request} : Challenge requested in Authentication Ext for User {user} with state {guid(rnd)}"
            waiting.append(event(now, challenge))
            verdict = "Accepted" if outcome.verdict else "Rejected"
            result = f"with Azure MFA response: {outcome.constant} and message: {outcome.text} {rnd.getrandbits(32)}"
            waiting.append(event(done, f"CID: {request} : Access {verdict} for user {user} {result}"))
            if chance() < 2 * ODD:
                waiting.append(event(now, rnd.choice(NPS_ODDITIES).format(request)))
            if chance() < AGAIN and not recipe.distinct:
                heappush(again, (comes_again(rnd, now, done), name))
        waiting.sort()
        ready = bisect_left(waiting, f'{{"TimeCreated":"{stamp(now)}')  # nothing to come is older than now
        yield waiting[:ready]
        del waiting[:ready]


def guid(rnd: random.Random) -> str:
    """A GUID as the services write them."""
    digits = f"{rnd.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def arrivals(recipe: Recipe, rnd: random.Random, again: Again) -> Iterator[tuple[int, str]]:
    """When somebody signs in and who, in order of time; takes those who come again from the heap `again`."""
    chance, gap = rnd.random, rnd.expovariate
    everybody = [] if recipe.distinct else [user_name(n) for n in range(recipe.users)]
    newcomers = map(user_name, count())
    at = 0
    while True:
        at += int(gap(RATE) * SECOND)
        user = everybody[int(chance() * recipe.users)] if everybody else next(newcomers)
        while again and again[0][0] <= at:
            yield heappop(again)
        yield at, user


def user_name(number: int) -> str:
    """The user of that number, as the log writes users."""
    return f"{DOMAINS[number % len(DOMAINS)]}\\{SURNAMES[number % len(SURNAMES)]}{number}"


def comes_again(rnd: random.Random, began: int, ended: int) -> int:
    """When a user asks once more."""
    if rnd.random() < DURING and ended - began > SECOND:
        return began + int(rnd.uniform(0.4 * SECOND, ended - began))
    return ended + int(rnd.uniform(0.2, 110) * SECOND)


def oddity(rnd: random.Random, stamp: str, component: str) -> str:
    """A line of another kind."""
    line = rnd.choice(ODDITIES)
    return stamp + line.format(component) if line.startswith("|") else line


def stamps(recipe: Recipe) -> Callable[[int], str]:
    """A function from microseconds since the beginning of the log to a time stamp."""
    seconds: dict[int, str] = {}

    def stamp(at: int) -> str:
        second, micro = divmod(at, SECOND)
        text = seconds.get(second)
        if text is None:
            if len(seconds) > 10_000:
                seconds.clear()
            text = seconds[second] = f"{START + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S}."
        return f"{text}{micro:06d}{micro % 7}Z" if recipe.seven_digits else f"{text}{micro:06d}Z"

    return stamp


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a log to measure with; the same options give the same bytes.")
    parser.add_argument("log", type=Path)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--wrapped", default="", help="a function of tests.support.wrapping")
    for flag in ("distinct", "curly", "seven-digits", "crlf", "results", "nps", "syslog"):
        parser.add_argument(f"--{flag}", action="store_true")
    options = vars(parser.parse_args())
    generate(path=options.pop("log"), recipe=Recipe(**options))


if __name__ == "__main__":
    main()


def closing(log: Path) -> bytes:
    """A line two hours after the last one of a log: whatever exchange is open is given up then."""
    last = log.read_bytes().splitlines()[-1]
    later = datetime.fromisoformat(last[:19].decode()) + timedelta(hours=2)
    return f"{later.isoformat()}.000000Z|0|1|1|pfrad|the end\n".encode()
