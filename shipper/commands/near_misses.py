"""How far a pattern fits a text that it does not match, with a caret where it stops. Pure."""

import unicodedata

import regex

from shipper.decode.grok import Pattern
from shipper.printable import printable

LOOK_AT = 4096  # characters of a line that are searched for its fault
BEFORE, BEHIND = 90, 40  # characters around a caret


def how_far(patterns: tuple[Pattern, ...], text: str) -> str:
    """For each pattern how far the text fits, the nearest pattern first."""
    note = f"Only the first {LOOK_AT} of {len(text)} characters were looked at.\n\n" if len(text) > LOOK_AT else ""
    text = text[:LOOK_AT]
    reached = sorted(((reach(pattern, text), pattern) for pattern in patterns), key=lambda pair: -pair[0])
    parts = [_stop(pattern, text, length) for length, pattern in reached if length]
    nowhere = [f"  {definition(pattern)}\n" for length, pattern in reached if not length]
    if nowhere:
        parts.append("Not even the first character fits:\n" + "".join(nowhere))
    return "".join(f"{part}\n" for part in parts) + note


def definition(pattern: Pattern) -> str:
    """The name of a pattern, and where it is defined."""
    return f"{pattern.name} ({pattern.definition.file}:{pattern.definition.line})"


def reach(pattern: Pattern, text: str) -> int:
    """The length of the longest beginning of `text` that could begin a match.

    If some text can begin a match, so can every shorter beginning of it: hence a binary search.
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
    """How far the text fits the longest beginning of the pattern that matches at all.

    For texts where `reach` finds no fault because a field takes any text: the fault is then behind
    the last fixed part of the pattern that matched.
    """
    for cut in range(len(pattern.expression), 0, -1):
        try:
            found = regex.compile(pattern.expression[:cut]).match(text)
        except regex.error:  # cut within a group or a class
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
    """A text, cut behind so many characters; then it says how many there are."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


def _width(text: str) -> int:
    """Columns that the text takes on a terminal, where wide letters take two."""
    return sum((2 if unicodedata.east_asian_width(char) in "WF" else 1) for char in text if not unicodedata.combining(char))
