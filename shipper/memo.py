"""A bounded dictionary that computes missing values. Pure."""

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memo(dict[Key, Value]):
    """Remembers `make(key)` for up to `limit` keys, then forgets them all and starts over.

    For a known key, `memo[key]` is a plain dictionary look-up. If `make` raises, nothing is stored; None is
    stored like any other value.

    `make` must not be a method of the object that holds the memo: that is a reference cycle, which leaks
    because `parse` disables the garbage collector.
    """

    __slots__ = ("_limit", "_make")

    def __init__(self, make: Callable[[Key], Value], limit: int) -> None:
        super().__init__()
        self._make = make
        self._limit = limit

    def __missing__(self, key: Key) -> Value:
        value = self._make(key)
        if len(self) >= self._limit:
            self.clear()
        self[key] = value
        return value
