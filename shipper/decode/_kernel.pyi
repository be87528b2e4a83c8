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
    """An ordered dictionary of open exchanges that Python and the kernel share."""

    def __getitem__(self, thread: str) -> ExchangeFields: ...
    def __setitem__(self, thread: str, exchange: ExchangeFields) -> None: ...
    def __delitem__(self, thread: str) -> None: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

class HeldEvents(MutableMapping[str, Held]):
    """An ordered dictionary of events held for merging that Python and the kernel share."""

    def __new__(cls, make: Callable[[int, Sequence[tuple[str, Label]]], Held]) -> HeldEvents:
        """`make` returns a `Held`, given the start of an exchange, and the texts and labels of its events."""

    def __getitem__(self, exchange: str) -> Held: ...
    def __setitem__(self, exchange: str, held: Held) -> None: ...
    def __delitem__(self, exchange: str) -> None: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def oldest(self) -> int | None:
        """Returns the start of the first exchange; None if there is none."""

class Texts(Sequence[str]):
    """The texts of the events of a chunk."""

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __len__(self) -> int: ...
    def block(self, findings: Sequence[tuple[int, bytes]]) -> tuple[bytes, bytes]:
        """Returns the bytes of all events, each finding after the event at its position, and the end of each, as eight bytes in
        native order."""

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
        """Returns a tuple for each event of a block: the route's first part, key, text without line end, the route's second part.

        Args:
            data: the bytes of the block.
            ends: the ends of the block, an array of eight bytes for each.
            route: returns the route of an origin; its answers are cached by identity, for up to 64 origins.
            length: an event without a user has that many characters of its id for a key.
        """

    def with_findings(self, findings: Sequence[tuple[int, Label]]) -> Labels:
        """Returns these labels, with the label of each finding after that of the event at its position."""

class Completions(Sequence[CompletionFields]):
    """The authentications that a chunk completes; also a `Waiting` of them.

    Attributes:
        component: the component of all of them; None if they have several.
        tidy: each has a user with a key of ordinary length, and ended at the newest time.
    """

    component: str | None
    tidy: bool

    @overload
    def __getitem__(self, index: int) -> CompletionFields: ...
    @overload
    def __getitem__(self, index: slice) -> list[CompletionFields]: ...
    def __len__(self) -> int: ...
    def extremes(self) -> tuple[int, int] | None:
        """Returns the places of the earliest start and latest end (first of equals); None if empty or a time exceeds 64 bits."""

    def behind(self, position: int) -> int:
        """Returns the place of the first completion whose event is after this position; their number if there is none."""

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
        """Takes authentications from `at` on that have nothing to do with earlier ones into `young`, as `LocalDetector` does.

        Args:
            at: the place of the first.
            young, old: the generations of the detector, each a `Generation`.
            turn: the last time of the younger generation.
            horizon: of the rule, in nanoseconds.
            room: how many authentications the younger generation may still take.
            durations: of the detector.
            classes: the status classes that matter, the same in all calls; None if all do.

        Returns:
            The place of the first authentication that Python must look at, or their number; how many were taken; and the memory
            of its user, if the authentication has to do with that memory, or None if Python must look at it for another reason.
        """

class Generation(MutableMapping[str, Any]):
    """A dictionary of memories that stores waiting authentications in little room; also a `Waiting` of those it stores."""

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
    """How long after its end an authentication matters to those that start then, by its code (`Lull.of_code`)."""

    def __new__(cls, of_code: Callable[[Code], int | None]) -> Durations: ...

class Runs(Generic[_Person, _Kind]):
    """The current run of prompts of each user of one component (prompts that a cache may tie together), as in `Service` of
    `shipper/report/service.py`, but only of users with nothing but plain prompts. The entries of these users count `prompts`,
    `others` and refusals."""

    def __new__(
        cls, people: dict[str, _Person], nothing: int, apart: int, most: int, idle: int, steps: Sequence[int] | None
    ) -> Runs[_Person, _Kind]:
        """
        Args:
            people: the entries of users, a `People`; its `newcomer` makes new ones.
            nothing: the `latest` of an entry without a run.
            apart: nanoseconds after the latest end until a run is over.
            most: number of prompts at which a run is no longer kept here.
            idle: most users to keep without a run, since most users have another one later.
            steps: how many nanoseconds each cache holds; None if there are no caches.
        """

    def __len__(self) -> int: ...
    def take(
        self, completions: Completions, labels: Labels, kinds: dict[Any, _Kind], at: int, stop: int, turn: int
    ) -> tuple[int, list[tuple[_Kind, int]]]:
        """Takes completions of a chunk from `at` on, up to one that is not plain, or whose run is not or cannot be kept here.

        Args:
            completions, labels: of the chunk.
            kinds: a `Kind` for each origin.
            at, stop: the range of completions.
            turn: a completion that ended after this time is not taken.

        Returns:
            The place of the first completion not taken, or `stop`; and the kind and place of each taken one that is to be listed.
        """

    def counted(self) -> list[tuple[_Kind, int, int]]:
        """Returns and resets the number of completions taken of each kind in each hour since 1970, in order of appearance.
        `kinds` may change only after this call."""

    def second(self, key: str, prompt_id: str) -> _Prompt | None:
        """Marks a prompt of a user as the second of a double prompt and returns it; None if it is not here."""

    def put(self, key: str, person: _Person, prompts: list[_Prompt], latest: int, seconds: set[str] | None) -> bool:
        """Takes over the run of a user, with the ids of second prompts in `seconds`. Returns False if it cannot be kept here."""

    def pop(self, key: str) -> tuple[_Person, list[_Prompt], int, set[str] | None] | None:
        """Gives the run of a user back; None if there is none."""

    def users(self) -> list[str]:
        """Returns the keys of the users kept here."""

    def sweep(self, newest: int | None = None) -> None:
        """Counts the runs that are over at the time `newest`, or all of them."""

    def settle(self) -> tuple[int, list[list[tuple[int, int, int, int, int]]]]:
        """Adds the durations of answers to the kinds. Returns and resets the cache sums: the number of prompts; and what caches
        would have spared, in three lists: where both readings agree, and of each where they differ. An item: first step, step
        after the last, number of prompts, of second ones among them, and the longest time since an answer."""

class Kernel:
    """Makes the events of the plain lines of one file. The kernel calls nothing: `go` returns when Python must act.

    In an `add` method, `pieces` are the texts around the gaps of an event, and `gaps` has a letter for each gap: t time stamp,
    e and k the same as seconds and milliseconds since 1970, i id of the event, l original line, h the same up to the message,
    m message, u user and process, o offset, r id of the request, s its time stamp, K the same as milliseconds, d and D the
    nanoseconds and milliseconds since then, q and v the lines of request and verdict in a merged event, - nothing; for OCSF,
    U the members of the user object, n the user's name, x the process and an e-mail address that OCSF has no place for.

    A template with U or n refuses lines of exchanges without a user. Without pieces no event is made; events that complete an
    authentication need them. `adds` are the counters that each line increments, by numbers that the caller gives them.
    """

    def __new__(cls, timeout: int, prefix: str, users: Sequence[Sequence[bytes]]) -> Kernel:
        """
        Args:
            timeout: of exchanges, in nanoseconds.
            prefix: of the ids of events, before the offset.
            users: the JSON pieces of a bare user, of a user with a domain, and of a user with an e-mail address.
        """

    def add_component(self, name: str, state: Any, exchanges: OpenExchanges, held: HeldEvents | None) -> int:
        """Registers a component: its name in completions, its `ComponentState`. Returns its number. With `held`, requests and
        verdicts wait there for their status, and the questions for templates are "request", "verdict" and "merged"."""

    def add_context(self) -> int:
        """Registers a level and component, whose lines share templates; returns its number."""

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
        """Answers the question for the template of requests with this text after the user, and this quote before it."""

    def add_verdict(
        self, context: int, number: int, outcome: str, pieces: Sequence[bytes], gaps: str, origin: Origin, adds: Sequence[int]
    ) -> None:
        """Answers the question for the template of verdicts with this number, which set the outcome of their exchange."""

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
        """Answers the question for the template of statuses with this number after a verdict with this outcome, or none."""

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
        """Answers the question for the template of statuses with this number, merged with a request that has these texts around
        the user, and with the verdict of number `verdict`, if any."""

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
        """Answers the question for the template of one-line results with this word and this ASCII text after `Call status: `. The
        gaps for line and message end before that text, and the id of the request is the GUID in the line."""

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
        """Answers the question for the template of a message outside exchanges, or of an `orphan`: a verdict or status of a
        thread without a request. `key` is the key of the user named in the message, or empty."""

    def add_line(self, line: bytes, pieces: Sequence[bytes], gaps: str, origin: Origin, adds: Sequence[int]) -> None:
        """Answers the question for the template of a line that is not understood."""

    def begin(self, data: bytes, offset: int, repeats: bool) -> None:
        """Begins a chunk. `repeats`: messages and lines outside exchanges may have templates; `go` asks for one at the second
        occurrence."""

    def go(self, general: Any) -> tuple[Any, ...] | None:
        """Takes lines until Python must act, and sets the times of the states and the general parser. Returns None at the end.

        Otherwise returns `("line",)` if the general path must take the next line, or a question that an `add` method answers.
        """

    def skip(self) -> tuple[bytes, int, bool]:
        """Skips the line that stopped `go`. Returns its bytes without LF, its offset, and whether it had an LF."""

    def take(self, texts: list[str], labels: list[Label], completions: list[CompletionFields]) -> None:
        """Adds the events that the general path made of the skipped line."""

    def finish(self) -> tuple[Texts, Labels, Completions, list[tuple[int, int]]]:
        """Returns the output of the chunk, and the increment of each counter that changed."""
