"""A dictionary that computes missing values and stays bounded. Pure."""

from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memo(dict[Key, Value]):
    """Remembers `make(key)` for up to `limit` keys, then forgets them all and starts over.

    `memo[key]` of a known key is a plain dictionary look-up. An exception of `make` is passed on and
    nothing is stored; None is stored like any other value.

    `make` should not be a method of the object that holds the memo: that would be a reference cycle,
    and `parse` runs with the garbage collector off.
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
