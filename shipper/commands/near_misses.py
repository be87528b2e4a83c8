"""Shows how far a pattern fits a text that it does not match, with a caret where it stops. Pure."""

import unicodedata

import regex

from shipper.decode.grok import Pattern
from shipper.printable import printable

LOOK_AT = 4096  # characters at the start of a line; a mismatch after them is not looked for
BEFORE, BEHIND = 90, 40  # characters shown on either side of a caret


def how_far(patterns: tuple[Pattern, ...], text: str) -> str:
    """How far the text fits each pattern, the best fit first."""
    note = f"Only the first {LOOK_AT} of {len(text)} characters were looked at.\n\n" if len(text) > LOOK_AT else ""
    text = text[:LOOK_AT]
    reached = sorted(((reach(pattern, text), pattern) for pattern in patterns), key=lambda pair: -pair[0])
    parts = [_stop(pattern, text, length) for length, pattern in reached if length]
    nowhere = [f"  {definition(pattern)}\n" for length, pattern in reached if not length]
    if nowhere:
        parts.append("Not even the first character fits:\n" + "".join(nowhere))
    return "".join(f"{part}\n" for part in parts) + note


def definition(pattern: Pattern) -> str:
    """`NAME (FILE:LINE)` of a pattern."""
    return f"{pattern.name} ({pattern.definition.file}:{pattern.definition.line})"


def reach(pattern: Pattern, text: str) -> int:
    """The length of the longest prefix of `text` that can begin a match.

    Every prefix of such a prefix can begin a match too, so a binary search finds it.
    """
    compiled = regex.compile(pattern.expression)
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if compiled.fullmatch(text[:middle], partial=True):
            low = middle
        else:
            high = middle - 1
    return low


def certain(pattern: Pattern, text: str) -> int:
    """How far the text fits the longest prefix of the pattern that matches it.

    Where a field takes any text, `reach` finds no fault. The fault then lies behind the last fixed part of the pattern
    that still matched.
    """
    for cut in range(len(pattern.expression), 0, -1):
        try:
            found = regex.compile(pattern.expression[:cut]).match(text)
        except regex.error:  # the cut went through a group or a class
            continue
        if found:
            return int(found.end())
    return 0


def _stop(pattern: Pattern, text: str, length: int) -> str:
    """The text as far as it fits, with a caret behind it."""
    if length < len(text):
        head = f"{definition(pattern)} fits {length} of {len(text)} characters:"
        why = f"no match can go on with {printable(short(text[length:], BEHIND))}"
    else:
        length = certain(pattern, text)
        head = (
            f"{definition(pattern)} finds no fault but wants more text; its fixed parts fit {length} of {len(text)} characters:"
        )
        rest = text[length:]
        why = f"then comes {printable(short(rest, BEHIND))}" if rest else "here it ends, and more was expected"
    left = ("…" if length > BEFORE else "") + printable(text[max(0, length - BEFORE) : length])
    return f"{head}\n  {left}\n  {' ' * _width(left)}^ {why}\n"


def short(text: str, length: int) -> str:
    """The first `length` characters of a text; if that cuts it, also its full length."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


def _width(text: str) -> int:
    """The columns that a text takes on a terminal; a wide letter takes two, a combining one none."""
    return sum((2 if unicodedata.east_asian_width(char) in "WF" else 1) for char in text if not unicodedata.combining(char))
