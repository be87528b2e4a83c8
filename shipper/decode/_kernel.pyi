"""The compiled kernel; its source is in `kernel/`."""

from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Any, Generic, TypeVar, overload

from shipper.decode.merging import Held
from shipper.model import Code, CompletionFields, ExchangeFields, Label, Origin

_First = TypeVar("_First")
_Second = TypeVar("_Second")
_Person = TypeVar("_Person")
_Kind = TypeVar("_Kind")
_Prompt = tuple[int, str, int, bool, str | None]

INTERFACE: int

class OpenExchanges(MutableMapping[str, ExchangeFields]):
    """A dictionary, in order, in which the kernel has its exchanges too."""

    def __getitem__(self, thread: str) -> ExchangeFields: ...
    def __setitem__(self, thread: str, exchange: ExchangeFields) -> None: ...
    def __delitem__(self, thread: str) -> None: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

class HeldEvents(MutableMapping[str, Held]):
    """A dictionary, in order, in which the kernel has what waits to be merged too."""

    def __new__(cls, make: Callable[[int, Sequence[tuple[str, Label]]], Held]) -> HeldEvents:
        """`make` gives a `Held` of the start of an exchange, and the texts and labels of its events."""

    def __getitem__(self, exchange: str) -> Held: ...
    def __setitem__(self, exchange: str, held: Held) -> None: ...
    def __delitem__(self, exchange: str) -> None: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def oldest(self) -> int | None:
        """The start of the first exchange; None if there is none."""

class Texts(Sequence[str]):
    """The texts of the events of a chunk."""

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __len__(self) -> int: ...
    def block(self, findings: Sequence[tuple[int, bytes]]) -> tuple[bytes, bytes]:
        """The bytes of the events with those of findings behind the events at these positions, and the end of each: eight bytes
        in native order."""

class Labels(Sequence[Label]):
    """The labels of the events of a chunk."""

    @overload
    def __getitem__(self, index: int) -> Label: ...
    @overload
    def __getitem__(self, index: slice) -> list[Label]: ...
    def __len__(self) -> int: ...
    def records(
        self, data: bytes, ends: Sequence[int], route: Callable[[Origin], tuple[_First, _Second]], length: int
    ) -> list[tuple[_First, bytes, bytes, _Second]]:
        """A tuple for each event of a block: what `route` gives for its origin first, a key, the text without its line end, and
        what `route` gives second.

        Args:
            data: of the block.
            ends: of the block, an array of eight bytes for each.
            route: is asked once for the same object.
            length: the key of an event without a user is that many characters of its id.
        """

    def with_findings(self, findings: Sequence[tuple[int, Label]]) -> Labels:
        """These with the labels of findings behind the events at these positions."""

class Completions(Sequence[CompletionFields]):
    """The authentications that a chunk completes; as a `Waiting` too.

    Attributes:
        component: of all of them; None if they have several.
        tidy: each has a user and ended at the newest time, and not even a key is long.
    """

    component: str | None
    tidy: bool

    @overload
    def __getitem__(self, index: int) -> CompletionFields: ...
    @overload
    def __getitem__(self, index: slice) -> list[CompletionFields]: ...
    def __len__(self) -> int: ...
    def extremes(self) -> tuple[int, int] | None:
        """Which of them began first and which ended last, of equal ones the first; None if there are none, or a time needs more than
        64 bits."""

    def behind(self, position: int) -> int:
        """Which is the first with an event behind this position; their number if there is none."""

    def completion(self, at: int) -> CompletionFields: ...
    def end(self, at: int) -> int: ...
    def code(self, at: int) -> Code: ...
    def pass_over(
        self,
        at: int,
        young: MutableMapping[str, Any],
        old: MutableMapping[str, Any],
        turn: int,
        horizon: int,
        room: int,
        durations: Durations,
        classes: frozenset[str] | None,
    ) -> tuple[int, int, Any]:
        """Takes those from `at` on that have nothing to do with any before them into `young`, as `LocalDetector` does.

        Args:
            at: the first of them.
            young, old: the generations of the detector, each a `Generation`.
            turn: the last time of the younger one.
            horizon: of the rule, in nanoseconds.
            room: how many the younger one takes.
            durations: of the detector.
            classes: of status that matter, always the same ones; None if all do.

        Returns:
            The first one that has to be looked at, or their number; how many were taken; and what is in memory of the user of that one,
            if it has to do with that, or None if it has to be looked at for something else.
        """

class Generation(MutableMapping[str, Any]):
    """A dictionary of memories, in which those that wait take little room. It is a `Waiting` of those that it has itself."""

    def __new__(cls) -> Generation: ...
    @staticmethod
    def of(memories: dict[str, Any], /) -> Generation: ...
    def __getitem__(self, key: str) -> Any: ...
    def __setitem__(self, key: str, memory: Any) -> None: ...
    def __delitem__(self, key: str) -> None: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def completion(self, at: int) -> CompletionFields: ...
    def end(self, at: int) -> int: ...
    def code(self, at: int) -> Code: ...

class Durations:
    """For how long after its end an authentication matters to those that start, by its code."""

    def __new__(cls, of_code: Callable[[Code], int | None]) -> Durations: ...

class Runs(Generic[_Person, _Kind]):
    """The latest prompts of the users of one component, as far as a cache may tie them together: what `Service` of
    `shipper/report/service.py` keeps, of users of whom there are only plain prompts. Of a user who has some it has the entry, on
    which it counts `prompts`, `others` and refusals."""

    def __new__(
        cls, people: dict[str, _Person], nothing: int, apart: int, most: int, idle: int, steps: Sequence[int] | None
    ) -> Runs[_Person, _Kind]:
        """
        Args:
            people: the entries of users; a `People`, whose `newcomer` makes one.
            nothing: the `latest` of an entry without a run.
            apart: nanoseconds after the latest end until a run is over.
            most: prompts of a run that is no more kept here.
            idle: users who are kept without a run, since most have another one later.
            steps: how many nanoseconds the caches hold; None if there are no caches.
        """

    def __len__(self) -> int: ...
    def take(
        self, completions: Completions, labels: Labels, kinds: dict[Any, _Kind], at: int, stop: int, turn: int
    ) -> tuple[int, list[tuple[_Kind, int]]]:
        """Takes completions of a chunk from `at` on, up to one that is not plain, or belongs to a run that is not or cannot be kept here.

        Args:
            completions, labels: of the chunk.
            kinds: by origin, each a `Kind`.
            at, stop: which of them.
            turn: one that ended after this time is not taken.

        Returns:
            That one, or `stop`; and of those that were taken, which are to be listed, with their kinds.
        """

    def counted(self) -> list[tuple[_Kind, int, int]]:
        """How many were taken of each kind in each hour since 1970, since this was asked, in the order in which they came. `kinds` may
        only change after this."""

    def second(self, key: str, prompt_id: str) -> _Prompt | None:
        """A prompt of a user is the second one of two; returns it, or None if it is not here."""

    def put(self, key: str, person: _Person, prompts: list[_Prompt], latest: int, seconds: set[str] | None) -> bool:
        """Takes the run of a user: the entry, the prompts, the latest end, the ids of second ones. False if it cannot be kept here."""

    def pop(self, key: str) -> tuple[_Person, list[_Prompt], int, set[str] | None] | None:
        """Gives it back."""

    def users(self) -> list[str]:
        """The keys of those who are here."""

    def sweep(self, newest: int | None = None) -> None:
        """Counts the runs that are over at this time, or all of them."""

    def settle(self) -> tuple[int, list[list[tuple[int, int, int, int, int]]]]:
        """Adds to the kinds how long answers took, and returns what else was counted here since the last call: the number of prompts; and what caches would have spared of them, where both readings
        say the same, and in each where they do not. That is a list of the first step, the one behind the last, how many prompts and second
        ones, and the longest time since an answer."""

class Kernel:
    """Makes the events of the plain lines of one file. It calls nothing: `go` stops where Python must do something.

    In an `add` method, `pieces` are the texts between the gaps of an event, and `gaps` has a letter for each gap: t time stamp,
    e the same as seconds since 1970, k as milliseconds, i id of the event, l original line, h the same up to the message, m message, u user and process, o offset, r id of the
    request, s its time stamp, K the same as milliseconds, d nanoseconds since then, D milliseconds, q and v the lines of request and verdict in a merged event, - nothing; for OCSF, U the members of
    its user object, n the user's name, x the process and an e-mail address that has no place there. A line of an exchange without a user
    is refused where the template has U or n. Without pieces there is no event, which a request or
    a verdict can do without. `adds` are the counters that go up by one with each line, by numbers that the caller gives them.
    """

    def __new__(cls, timeout: int, prefix: str, users: Sequence[Sequence[bytes]]) -> Kernel:
        """
        Args:
            timeout: of exchanges, in nanoseconds.
            prefix: of the ids of events, before the offset.
            users: the pieces of the JSON of a bare user, of one with a domain, and of one with an e-mail address.
        """

    def add_component(self, name: str, state: Any, exchanges: OpenExchanges, held: HeldEvents | None) -> int:
        """A component that completions name so, with its `ComponentState`; returns its number. With `held`, requests and verdicts wait
        there for their status: their templates, and those of statuses, are asked for with "request", "verdict" and "merged"."""

    def add_context(self) -> int:
        """A level and component, whose lines share templates; returns its number."""

    def add_head(self, head: str, context: int, component: int, thread: str, process: bytes) -> None:
        """Answers the question for a head; `thread` is the key of its exchanges, `process` is JSON."""

    def add_request(
        self,
        context: int,
        tail: str,
        opening: str,
        pieces: Sequence[bytes],
        gaps: str,
        origin: Origin,
        adds: Sequence[int],
    ) -> None:
        """Answers the question for the template of requests with this text behind the user, and this quote before it."""

    def add_verdict(
        self, context: int, number: int, outcome: str, pieces: Sequence[bytes], gaps: str, origin: Origin, adds: Sequence[int]
    ) -> None:
        """Answers the question for the template of verdicts with this number, which give an exchange this outcome."""

    def add_status(
        self,
        context: int,
        outcome: str | None,
        number: int,
        code: Code,
        success: bool,
        pieces: Sequence[bytes],
        gaps: str,
        origin: Origin,
        adds: Sequence[int],
    ) -> None:
        """Answers the question for the template of statuses with this number in an exchange with this outcome."""

    def add_merged(
        self,
        context: int,
        tail: str,
        opening: str,
        verdict: int | None,
        number: int,
        code: Code,
        success: bool,
        pieces: Sequence[bytes],
        gaps: str,
        origin: Origin,
        adds: Sequence[int],
    ) -> None:
        """Answers the question for the template of statuses with this number, merged with a request with these texts around the user,
        and a verdict with this number if there was one."""

    def add_result(
        self,
        context: int,
        word: str,
        tail: str,
        code: Code,
        success: bool,
        pieces: Sequence[bytes],
        gaps: str,
        origin: Origin,
        adds: Sequence[int],
    ) -> None:
        """Answers the question for the template of one-line results with this word and this text, of ASCII, behind `Call status: `.
        There, the gaps for line and message end before that text, and the id of the request is the one that the line names."""

    def add_message(
        self,
        context: int,
        message: bytes,
        orphan: bool,
        key: str,
        pieces: Sequence[bytes],
        gaps: str,
        origin: Origin,
        adds: Sequence[int],
    ) -> None:
        """Answers the question for the template of a message that is none of an exchange, or of an `orphan`: a verdict or status of a
        thread without a request. `key` is that of the user whom it names, if it does."""

    def add_line(self, line: bytes, pieces: Sequence[bytes], gaps: str, origin: Origin, adds: Sequence[int]) -> None:
        """Answers the question for the template of a line that is not understood."""

    def begin(self, data: bytes, offset: int, repeats: bool) -> None:
        """Begins a chunk. `repeats`: messages and lines that are none of exchanges may have templates, for which `go` asks when they come
        for the second time."""

    def go(self, general: Any) -> tuple[Any, ...] | None:
        """Takes lines until Python must do something, and tells the states and the general parser the times; None at the end.

        A tuple is `("line",)` if the general path must take the next line; or else a question, which an `add` method answers.
        """

    def skip(self) -> tuple[bytes, int, bool]:
        """Passes over the line that stopped `go`: its bytes without LF, its offset, and whether it has an end."""

    def take(self, texts: list[str], labels: list[Label], completions: list[CompletionFields]) -> None:
        """Takes the events that the general path has made of that line."""

    def finish(self) -> tuple[Texts, Labels, Completions, list[tuple[int, int]]]:
        """What the chunk has come to, and by how much each counter went up."""
