"""Numbers, times and names of a summary as the page shows them. Pure."""

import re

from shipper.report.advice import counted, spoken
from shipper.report.sections import Pair, UserRow
from shipper.times import SECOND, StampReader

UNKNOWN = "not known"
CACHELESS = "NPS"  # component prefix of services without a cache
NAMES = {"none": "no method", "oath_token": "OATH token"}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# Control characters, marks that change the direction of text, surrogates, and noncharacters.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_read = StampReader().read


def shown(text: str | None) -> str:
    """A text of a log with invisible and direction-changing characters escaped."""
    if text is None:
        return UNKNOWN
    return _UNSEEN.sub(lambda match: match[0].encode("unicode_escape", "surrogatepass").decode("ascii"), text)


def plain(name: str | None) -> str:
    """A method or class as words: `mobile_app` is `mobile app`."""
    return UNKNOWN if name is None else NAMES.get(name) or shown(name.replace("_", " "))


def seconds_of(stamp: str) -> float:
    """A time stamp of the log in seconds since 1970."""
    read = _read(stamp)
    assert read is not None, "a completed prompt has times"
    return read / SECOND


def clock(stamp: str) -> str:
    """`2017-02-14T02:57:19.234778Z` as `02:57:19`."""
    return stamp[11:19]


def moment(stamp: str) -> str:
    """`2017-02-14T02:57:19.234778Z` as `2017-02-14 02:57:19`."""
    return stamp[:19].replace("T", " ")


def told(pair: Pair) -> str:
    """What happened in a double prompt, in a sentence."""
    took = spoken(round(seconds_of(pair.first.end) - seconds_of(pair.first.start), 1))
    if pair.pattern == "concurrent":
        after = spoken(round(seconds_of(pair.second.start) - seconds_of(pair.first.start), 1))
        return f"The second prompt came {after} after the first, which was still open: it ended after {took}."
    ended = "was answered" if pair.pattern == "sequential" else "failed"
    return f"The first prompt {ended} after {took}; the second came {spoken(round(pair.gap_seconds, 1))} later."


def to_do(user: UserRow, timeout: int | None) -> list[str]:
    """What to change so that the user is asked once.

    Args:
        user: the user who was asked twice.
        timeout: seconds to set on the RADIUS clients; None if no double prompt of the report needs it.
    """
    said = []
    if user.spared_from_seconds is not None:
        all_of_them = "this double prompt" if user.total == 1 else f"all {user.total:,} double prompts"
        said.append(f"A cache of {spoken(user.spared_from_seconds)} by user would have spared {all_of_them}.")
    elif any(pair.component.startswith(CACHELESS) for pair in user.pairs):
        said.append("The NPS extension asked, and it has no cache.")
    else:
        said.append("No cache of up to an hour would have spared all of them.")
    if user.concurrent:
        said.append(
            f"{counted(user.concurrent, 'second prompt')} came while the first was open: set the RADIUS timeout of the client to "
            f"{spoken(timeout or 60)} or more, and switch its retries off."
        )
    if user.retry:
        said.append(
            f"{counted(user.retry, 'second prompt')} followed one that failed: ask whether the user reached the phone in time."
        )
    if user.sequential and user.spared_from_seconds is None:
        said.append(
            f"{counted(user.sequential, 'second prompt')} came after the first was answered: look for two sign-ins behind one, "
            "such as a portal and a gateway that both ask."
        )
    return said


class Timeline:
    """Two prompts on one axis, in percent of its width."""

    def __init__(self, pair: Pair) -> None:
        times = [seconds_of(stamp) for side in (pair.first, pair.second) for stamp in (side.start, side.end)]
        begin, span = min(times), (max(times) - min(times)) or 1
        places = [round(100 * (time - begin) / span, 1) for time in times]
        self.first = (places[0], max(0.8, round(places[1] - places[0], 1)))
        self.second = (min(places[2], 99.2), max(0.8, round(places[3] - places[2], 1)))
        self.seconds = span
