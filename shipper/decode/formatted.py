"""Converts templates of the kernel from ECS to an output format. Pure.

The template of an ECS event is filled with marks, formatted like any event, and the result is cut at the marks. So a format
may put text around an event or turn it into another document. A second set of marks verifies the cut: text that only looks
like a mark does not change with it, and then there is no template.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from shipper.decode.ecs import shared_json
from shipper.decode.pieces import weave
from shipper.model import Label, Origin, User
from shipper.times import SECOND, StampReader

Wrap = Callable[[str, Label], tuple[str, str, str]]
"""A format: takes an event's text and label; returns the text before the event, the event, the text after it."""

_LINES = "lhmqv"  # gaps for lines and parts of lines


class _Marks(NamedTuple):
    """Values that appear nowhere else, by gap (see `_kernel.pyi`): `filled` in ECS events, `found` in the output of a format."""

    filled: dict[str, str]
    found: dict[str, str]

    @classmethod
    def of(cls, digit: int, stamp: str, start: str, user: User) -> "_Marks":
        """Marks that contain `digit`, for an event with time stamp `stamp` whose request has `start`."""
        duration, offset, pid, tid = (f"{digit}{number}0000000000{digit}" for number in range(4, 8))
        process = f'"process":{{"pid":{pid},"thread":{{"id":{tid}}}}},'
        named = {"i": "id", "r": "request", **{gap: f"line-{gap}" for gap in _LINES}}
        filled = {
            "t": stamp,
            "s": start,
            "d": f"{duration}000007",
            "o": offset,
            "u": shared_json(user, None) + process,
            "x": process,
            **{gap: f"mark-{digit}-{name}-{digit}-mark" for gap, name in named.items()},
        }
        email = "" if user.email is None else f',"domain":"{user.domain}","email_addr":"{user.email}"'
        seconds = StampReader().seconds
        second, began = ((seconds[of[:19]] or 0) // SECOND for of in (stamp, start))
        times = {"e": f"{second}{stamp[19:26]}", "k": f"{second}{stamp[20:23]}", "K": f"{began}{start[20:23]}", "D": duration}
        members = f'"name":"{user.name}"{email}'
        return cls({**filled, "-": ""}, {**filled, **times, "U": members, "n": user.name})


_ONE = _Marks.of(
    3,
    "1987-06-05T04:03:03.223344Z",
    "1987-06-05T04:03:02.100000Z",
    User("mark-3-user", "mark-3.example", "mark-3-user@mark-3.example", ""),
)
_OTHER = _Marks.of(8, "1991-02-03T04:05:06.778899Z", "1991-02-03T04:05:01.455667Z", User("mark-8-user", None, None, ""))
_GAP_OF = {mark: gap for gap, mark in _ONE.found.items()}
_AT_MARKS = re.compile("(" + "|".join(map(re.escape, sorted(_GAP_OF, key=len, reverse=True))) + ")")


def formatted(wrap: Wrap, pieces: Sequence[str], gaps: str, origin: Origin) -> tuple[list[str], str] | None:
    """The pieces and gaps of a template's events in a format; None if the marks do not show them."""
    one, other = (_written(wrap, pieces, gaps, origin, marks.filled) for marks in (_ONE, _OTHER))
    cut = _AT_MARKS.split(one)
    texts, found = cut[::2], [_GAP_OF[mark] for mark in cut[1::2]]
    return (texts, "".join(found)) if weave(tuple(texts), [_OTHER.found[gap] for gap in found]) == other else None


def _written(wrap: Wrap, pieces: Sequence[str], gaps: str, origin: Origin, filled: dict[str, str]) -> str:
    text = weave(tuple(pieces), [filled[gap] for gap in gaps])
    # The user of a label has no gap: another one for each set of marks prevents a template that would repeat the first.
    return "".join(wrap(text, (filled["t"], filled["i"], origin, f"user {filled['t'][:4]}")))
