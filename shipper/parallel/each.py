"""Do the same work for each of several items, in several processes; the results come in order. I/O."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from shipper.errors import RunError
from shipper.model import Counts
from shipper.parallel import starting

R = TypeVar("R")


class Told(Protocol):
    """Receives progress: the bytes read, and the counters so far."""

    def advance(self, bytes_read: int, counts: Counts) -> None:
        """Another `bytes_read` bytes are done."""


class Unheard:
    """Drops progress: another process draws the bar."""

    def advance(self, bytes_read: int, counts: Counts) -> None:
        """Do nothing."""


_work: Callable[[int, Told], Any]


def for_each(work: Callable[[int, Told], R], number: int, workers: int, told: Told) -> Iterator[R]:
    """Yield the results of `work` for 0, 1, ... `number - 1`. `told` receives progress only if one process does all the work.

    Raises:
        RunError: a worker was lost.
    """
    workers = min(workers, number)
    if workers < 2:
        yield from (work(at, told) for at in range(number))
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    context: Any = get_context(starting.METHOD)
    with ProcessPoolExecutor(workers, context, _begin, (work,)) as pool:
        try:
            yield from pool.map(_do, range(number))
        except BrokenProcessPool:
            raise RunError("a worker was lost") from None


def _begin(work: Callable[[int, Told], Any]) -> None:
    global _work
    starting.settle()
    _work = work


def _do(at: int) -> Any:
    return _work(at, Unheard())
