"""Logs of several servers, written at one time: people sign in, their RADIUS clients fail over, and some are asked again elsewhere.

The same seed gives the same bytes. Stamps are often whole seconds, so that lines of different servers tie; gaps often stand on the
boundaries of the rules.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from operator import itemgetter
from typing import NamedTuple

SECOND = 1_000_000  # times are whole microseconds
START = datetime(2017, 2, 14, 2, 57, 19, tzinfo=UTC)
PEOPLE = ("CONTOSO\\anna{}", "contoso\\Anna{}", "FABRIKAM\\O'Brien{}", "jürgen.weiß{}@contoso.com", "bare{}", "TAILSPIN\\岡{}")
SUCCESSES, REFUSALS, OTHERS = ((21, 1), (2, 1), (23, 1)), ((129, 0), (133, 0), (112, 0)), ((122, 0), (6, 1), (101, 0), (7, 1))
RESULTS = {
    21: "SUCCESS_PHONE_APP_AUTHENTICATED", 2: "SUCCESS_NO_PIN", 23: "SUCCESS_OATH_CODE_VERIFIED", 4: "SUCCESS_NO_PIN_BUT_TIMEOUT",
    112: "FAILED_FRAUD_CODE_ENTERED", 6: "SUCCESS_USED_CACHE",
}  # fmt: skip


class Line(NamedTuple):
    """A line of a log: when it is written, by which server, and its text with its end."""

    time: int
    server: int
    text: str


@dataclass(frozen=True)
class Fleet:
    """What the logs are like. `rate`: sign-ins a second, over all servers."""

    seed: int
    servers: int
    sign_ins: int
    rate: float = 1.0

    def lines(self) -> list[Line]:
        """The lines of all servers in the order of time."""
        return _Writer(self).write()


class _Writer:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._random = random.Random(fleet.seed)
        self._thread = count(4, 4)
        self._lines: list[Line] = []
        self._sign_ins = 0
        episodes: dict[Callable[[int, str], None], float] = {
            self._alone: 40, self._failover: 25, self._again: 17, self._fatigue: 5, self._two_steps: 8, self._cached: 5
        }  # fmt: skip
        self._episodes, self._weights = list(episodes), list(episodes.values())

    def write(self) -> list[Line]:
        rnd, fleet = self._random, self._fleet
        for server in range(fleet.servers):  # no two logs begin alike
            self._line(0, server, "pfsvc", f"Server {server} has started")
        users = max(5, fleet.sign_ins // 12)
        at = 0
        while self._sign_ins < fleet.sign_ins:
            at += round(rnd.expovariate(fleet.rate) * SECOND)
            (episode,) = rnd.choices(self._episodes, self._weights)
            episode(self._rounded(at), PEOPLE[rnd.randrange(len(PEOPLE))].format(rnd.randrange(users)))
            if rnd.random() < 0.03:
                self._line(at, self._any(), "pfrad", "Configuration was read again")
        return sorted(self._lines, key=itemgetter(0))

    def _any(self) -> int:
        return self._random.randrange(self._fleet.servers)

    def _other(self, server: int) -> int:
        """Another server, if there is one; now and then the same."""
        return server if self._random.random() < 0.2 else (server + self._random.randint(1, 7)) % self._fleet.servers

    def _rounded(self, at: int) -> int:
        return at // SECOND * SECOND if self._random.random() < 0.5 else at

    def _lasts(self) -> int:
        return self._rounded(round(self._random.uniform(1, 50) * SECOND))

    def _gap(self) -> int:
        """Between a success and the next request: often on or beside a boundary."""
        if self._random.random() < 0.3:
            return self._random.choice((0, 1, 59_999_999, 60 * SECOND, 60 * SECOND + 1))
        return self._rounded(round(self._random.uniform(0, 75) * SECOND))

    def _line(self, at: int, server: int, component: str, message: str, thread: int = 2) -> None:
        moment = START + timedelta(microseconds=at)
        text = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}Z|0|{1000 + server}|{thread}|{component}|{message}\n"
        self._lines.append(Line(at, server, text))

    def _exchange(self, at: int, server: int, user: str, ending: tuple[int, int], lasts: int | None = None) -> int:
        """Three lines, or now and then only some of them, or the result of one line; when it ended."""
        self._sign_ins += 1
        code, verdict = ending
        chance = self._random.random()
        end = at + (self._lasts() if lasts is None else lasts)
        if chance < 0.08 and code in RESULTS:
            word = "succeeded" if verdict else "failed"
            result = f"Pfauth {word} for user '{user}'. Call status: {RESULTS[code]} - \"As the table says\"."
            self._line(
                end, server, "pfsvc", f"{self._random.getrandbits(32):08x}-0000-4000-8000-{next(self._thread):012x}|{result}"
            )
            return end
        thread = next(self._thread)
        self._line(at, server, "pfrad", f"Calling pfAuthUser('{user}', '', 1)", thread)
        if chance > 0.05:
            self._line(end, server, "pfrad", f"authResult = {verdict}", thread)
        if chance > 0.03:
            self._line(end, server, "pfrad", f"rawCallStatus = {code}", thread)
        return end

    def _ending(self) -> tuple[int, int]:
        return self._random.choice((*SUCCESSES, *SUCCESSES, *REFUSALS, *OTHERS))

    def _alone(self, at: int, user: str) -> None:
        self._exchange(at, self._any(), user, self._ending())

    def _failover(self, at: int, user: str) -> None:
        """The client waits for some seconds and asks the next server, and perhaps one more."""
        server = self._any()
        lasts = self._random.randint(5, 60) * SECOND
        for attempt in range(self._random.choice((2, 2, 3))):
            self._exchange(at + attempt * 8 * SECOND, server, user, self._ending(), lasts)
            server = self._other(server)

    def _again(self, at: int, user: str) -> None:
        server = self._any()
        end = self._exchange(at, server, user, self._random.choice(SUCCESSES))
        self._exchange(end + self._gap(), self._other(server), user, self._ending())

    def _fatigue(self, at: int, user: str) -> None:
        for _ in range(self._random.randint(4, 8)):
            at = self._exchange(at, self._any(), user, self._random.choice(REFUSALS)) + self._random.randint(0, 40) * SECOND
        if self._random.random() < 0.6:
            self._exchange(at, self._any(), user, self._random.choice(SUCCESSES))

    def _two_steps(self, at: int, user: str) -> None:
        """A text message is sent by one server, and its code taken by another."""
        server = self._any()
        end = self._exchange(at, server, user, (20, 0), 2 * SECOND)
        self._exchange(end + self._gap(), self._other(server), user, self._random.choice(((19, 1), (122, 0))))

    def _cached(self, at: int, user: str) -> None:
        server = self._any()
        end = self._exchange(at, server, user, self._random.choice(SUCCESSES))
        self._exchange(end + self._gap(), self._other(server), user, (6, 1), SECOND // 10)
