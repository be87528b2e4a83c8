"""The fast path with the compiled kernel. Pure.

The kernel parses the lines that `plain.py` parses (requests, verdicts, statuses and one-line results), one at a time. It keeps
the open exchanges, makes the events, and asks Python for what it does not know: the values shared by the lines with one head,
and templates (`templates.py`; for lines that repeat, `repeated.py`). A line that it is not sure of goes to the general path as
its original bytes, and the events made there join the kernel's.
"""

from collections.abc import Callable
from typing import Any

from shipper.decode import compiled
from shipper.decode.clock import ComponentState
from shipper.decode.formatted import Wrap, formatted
from shipper.decode.parser import Events
from shipper.decode.plain import BEGINS, FEW, PASS_OVER, FastParser
from shipper.decode.repeated import RepeatedLines
from shipper.decode.templates import Template, Templates, count
from shipper.model import MOST_SHAPES, TALLIES, Chunk, Counts, Origin

REQUEST, VERDICT, STATUS = "tilmuor", "tiluor", "tistdluor"  # the gaps of each kind of template: see `_kernel.pyi`
MERGED, MERGED_WITH_VERDICT = "tistdqluor", "tistdqvluor"
RESULT = REQUEST
MESSAGE, LINE = "tihxo", "tio"
_LONGEST = 1 << 62  # nanoseconds; a longer timeout makes no difference
_WITHOUT_ORIGINAL = str.maketrans("lhqv", "----")


class KernelParser:
    """A `FastParser` for one file that leaves the lines of exchanges to the kernel: same results, faster.

    With a `wrap`, the texts of its events are already formatted.
    """

    def __init__(self, fast: FastParser, wrap: Wrap | None = None, *, completions_only: bool = False) -> None:
        """
        Args:
            fast: parses the chunks that the kernel cannot take.
            wrap: the output format; None: events stay as they are.
            completions_only: as for `FastParser`, but for every line that the kernel takes.
        """
        self._tells = not completions_only
        self._merges = fast.general.state.merges
        self.fast = fast
        self.general = fast.general
        general, threads = fast.general, fast.threads
        users = [[piece.encode("latin-1") for piece in pieces if self._tells] for pieces in threads.users]
        timeout = min(general.options.exchange_timeout, _LONGEST)
        self._kernel = compiled.Kernel(timeout, f"{general.file.fingerprint}-", users)
        self._wrap = wrap
        self._contexts: list[Templates] = []
        self._repeated = RepeatedLines(threads.scratch, general.file)
        self._numbers: dict[Templates, int] = {}
        self._components: dict[str, int] = {}
        self._counters: dict[tuple[str, str], int] = {}  # the kernel's number, by name and key (or "") of a counter
        self._names: list[tuple[str, str]] = []  # name and key, by the kernel's number

    def __call__(self, chunk: Chunk) -> Events:
        """The events of a chunk."""
        general, data = self.general, chunk.data
        are_lines, lines = not (chunk.cut or chunk.records is not None or general.file.encoding != "utf-8"), data.count(b"\n")
        if not are_lines or not BEGINS(data) or general.state.crowded_by(lines):
            return self.fast(chunk)
        if self.fast.pass_over:
            self.fast.pass_over -= 1
            return general(chunk)
        general.begin()
        kernel = self._kernel
        # Messages get templates only while no shape can be dropped: which one is dropped depends on their order.
        kernel.begin(data, chunk.offset, len(general.counts.shapes) + lines < MOST_SHAPES)
        while (stop := kernel.go(general)) is not None:
            if stop[0] == "line" or not self._answer(*stop):
                self._leave()
        texts, labels, completions, counted = kernel.finish()
        self._count(counted)
        self.fast.pass_over = 0 if counted or lines < FEW else PASS_OVER
        general.end()
        return Events(texts, labels, completions)

    def _leave(self) -> None:
        """Pass the line at which the kernel stopped to the general path."""
        general, kernel = self.general, self._kernel
        line, offset, ended = kernel.skip()
        general.raw(line, offset, ended=ended)
        texts, labels, wrap = general.texts, general.labels, self._wrap
        if wrap is not None:
            texts = ["".join(wrap(text, label)) for text, label in zip(texts, labels, strict=True)]
        kernel.take(texts, labels, general.completions)
        general.begin()

    def _answer(self, asked: str, *about: Any) -> bool:
        """Give the kernel what it asks for; return False if there is none."""
        if asked == "head":
            return self._head(*about)
        if asked == "other":
            return self._line(*about)
        if asked in ("message", "orphan"):
            return self._message(*about, orphan=asked == "orphan")
        context, *key = about
        answers: dict[str, Callable[..., bool]] = {
            "request": self._request,
            "verdict": self._verdict,
            "status": self._status,
            "merged": self._merged,
            "result": self._result,
        }
        return answers[asked](context, self._contexts[context], *key)

    def _head(self, head: str) -> bool:
        thread = self.fast.threads.find(head)
        if thread is None:
            return False
        context = self._numbers.get(thread.templates)
        if context is None:
            context = self._numbers[thread.templates] = self._kernel.add_context()
            self._contexts.append(thread.templates)
        component = self._components.get(thread.component)
        if component is None:
            component = self._components[thread.component] = self._add_component(thread.component, thread.state)
        self._kernel.add_head(head, context, component, thread.key, thread.process.encode("latin-1"))
        return True

    def _add_component(self, name: str, state: ComponentState) -> int:
        return self._kernel.add_component(name, state, *state.for_kernel())

    def _request(self, context: int, templates: Templates, tail: str, opening: str) -> bool:
        template = templates.request(tail, opening)
        shown = template and self._shown(template, REQUEST, waits=self._merges)
        if not shown:
            return False
        self._kernel.add_request(context, tail, opening, *shown, self._adds(Counts(requests=1, lines=1)))
        return True

    def _verdict(self, context: int, templates: Templates, number: int) -> bool:
        half = templates.verdict(str(number))
        shown = half and self._shown(half.event, VERDICT, waits=self._merges)
        if not half or not shown or half.outcome is None:
            return False
        self._kernel.add_verdict(context, number, half.outcome, *shown, self._adds(half.counts))
        return True

    def _status(self, context: int, templates: Templates, outcome: str | None, number: int) -> bool:
        half = templates.status(outcome, str(number))
        shown = half and self._shown(half.event, STATUS, completes=True)
        if not half or not shown or half.code is None:
            return False
        self._kernel.add_status(context, outcome, number, half.code, half.success, *shown, self._adds(half.counts))
        return True

    def _merged(self, context: int, templates: Templates, tail: str, opening: str, verdict: int | None, number: int) -> bool:
        half = templates.merged_status(tail, None if verdict is None else str(verdict), str(number), opening)
        shown = half and self._shown(half.event, MERGED if verdict is None else MERGED_WITH_VERDICT, completes=True)
        if not half or not shown or half.code is None:
            return False
        about = (tail, opening, verdict, number, half.code, half.success)
        self._kernel.add_merged(context, *about, *shown, self._adds(half.counts))
        return True

    def _result(self, context: int, templates: Templates, word: str, tail: str) -> bool:
        result = templates.result(word, tail)
        if result is None:
            return False
        pieces, origin, code, success, tally, behind = result
        kept = behind if self.general.options.keep_original else ""
        texts = (*pieces[:3], f"{kept}{pieces[3]}", f"{behind}{pieces[4]}", *pieces[5:])
        shown, counts = self._shown((texts, origin), RESULT, completes=True), Counts()
        if not shown:
            return False
        count(counts, [tally])
        self._kernel.add_result(context, word, tail, code, success, *shown, self._adds(counts))
        return True

    def _message(self, context: int, message: bytes, *, orphan: bool) -> bool:
        templates = self._contexts[context]
        found = self._repeated.message(templates.level, templates.component, message, orphan=orphan)
        shown = found and self._shown(found.event, MESSAGE)
        if not found or not shown:
            return False
        self._kernel.add_message(context, message, orphan, found.key, *shown, self._adds(found.counts))
        return True

    def _line(self, line: bytes) -> bool:
        found = self._repeated.line(line)
        shown = found and self._shown(found.event, LINE)
        if not found or not shown:
            return False
        self._kernel.add_line(line, *shown, self._adds(found.counts))
        return True

    def _shown(
        self, template: Template, gaps: str, *, completes: bool = False, waits: bool = False
    ) -> tuple[list[bytes], str, Origin] | None:
        """The pieces, gaps and origin of a template, formatted unless it `waits` to be merged; None if it cannot be cut."""
        texts, origin = template
        if not self._tells:
            return [b""] if completes else [], "", origin
        pieces = [*texts]
        if not self.general.options.keep_original:
            gaps = gaps.translate(_WITHOUT_ORIGINAL)
        if self._wrap is not None and not waits:
            made = formatted(self._wrap, pieces, gaps, origin)
            if made is None:
                return None
            pieces, gaps = made
        return [piece.encode("latin-1") for piece in pieces], gaps, origin

    def _adds(self, counts: Counts) -> list[int]:
        """The kernel's numbers of the counters in `counts`, each as often as it is incremented."""
        numbers: list[int] = []
        for name in Counts.__slots__:
            value = getattr(counts, name)
            if value:
                for key, times in value.items() if name in TALLIES else [("", value)]:
                    number = self._counters.get((name, key))
                    if number is None:
                        number = self._counters[name, key] = len(self._names)
                        self._names.append((name, key))
                    numbers += [number] * times
        return numbers

    def _count(self, counted: list[tuple[int, int]]) -> None:
        """Add the kernel's counts to those of the parser."""
        names, counts = self._names, self.general.counts
        for counter, number in counted:
            name, key = names[counter]
            if key:
                getattr(counts, name)[key] += number
            else:
                setattr(counts, name, getattr(counts, name) + number)
