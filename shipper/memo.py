"""A bounded dictionary that computes missing values. Pure."""

from collections.abc import Callable
from typing import Any, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


LONGEST = 1024  # characters


class Memo(dict[Key, Value]):
    """Remembers `make(key)` for up to `limit` keys, then forgets them all and starts over. A key or value with more than
    `LONGEST` characters is not remembered: such texts hardly ever repeat, and a log may be full of them.

    For a known key, `memo[key]` is a plain dictionary look-up. If `make` raises, nothing is stored; None is
    stored like any other value.

    `make` must not be a method of the object that holds the memo: that would be a reference cycle, which leaks
    because `parse` disables the garbage collector.
    """

    __slots__ = ("_limit", "_make")

    def __init__(self, make: Callable[[Key], Value], limit: int) -> None:
        super().__init__()
        self._make = make
        self._limit = limit

    def __missing__(self, key: Key) -> Value:
        value = self._make(key)
        if length(key) > LONGEST or length(value) > LONGEST:
            return value
        if len(self) >= self._limit:
            self.clear()
        self[key] = value
        return value


def length(value: Any) -> int:
    """The number of characters or bytes in the texts of a value."""
    if isinstance(value, str | bytes):
        return len(value)
    return sum(map(length, value)) if isinstance(value, tuple | list) else 0


class Texts(dict[str, Value]):
    """Values by text, for up to `limit` texts of `characters` characters in all; one more, and all are forgotten."""

    __slots__ = ("_characters", "_left", "_limit")

    def __init__(self, limit: int, characters: int) -> None:
        super().__init__()
        self._limit = limit
        self._characters = self._left = characters

    def remember(self, text: str, value: Value) -> None:
        """Store the value of a new text."""
        self._left -= len(text)
        if len(self) >= self._limit or self._left < 0:
            self.clear()
            self._left = self._characters - len(text)
        self[text] = value
