"""Folds a later part of a log, while another process folds the part before. Pure.

Row counts do not depend on earlier lines. Counts of a user do, until the user has been silent for so long that earlier
authentications no longer matter (`Service.apart`). The authentications up to that point are set aside, and `Fold.join` counts
them once it knows the part before. So the counts are the same as in one process, wherever the log is cut.
"""

from collections.abc import Sequence
from itertools import compress
from typing import Any

from shipper.model import CompletionFields, Label, is_withdrawal
from shipper.report.fold import Fold
from shipper.report.found import Told
from shipper.report.parts import Aside, Authentications, Part
from shipper.report.service import reach

_Ends = dict[str, int | None]  # by user, the latest end; None once the part before no longer matters


class LaterFold(Fold):
    """A `Fold` that does not know the part before, to whose fold its own `part` must be joined."""

    def __init__(self, exchange_timeout: int, window: int, *others: Any) -> None:
        """See `Fold`."""
        super().__init__(exchange_timeout, window, *others)
        self._apart = reach(exchange_timeout, window)
        self._aside: list[Aside] = []
        self._withdraws: dict[str, bool] = {}
        self._ends: dict[str, tuple[int, _Ends]] = {}  # by component, with its event time at the first authentication

    def _chunk(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Told]
    ) -> None:
        completions = [*completions]  # a list, so Python takes them one by one, not the kernel
        for completion in completions:
            self._withdraws.setdefault(completion[3], is_withdrawal(completion))
        super()._chunk(texts, labels, completions, findings)

    def _take_users(self, new: Authentications) -> None:
        kinds, completions, addresses, findings = new
        known = [self._is_known(completion) for completion in completions]
        here = {completion[0] for completion in compress(completions, known)}
        for kind, completion, is_known in zip(kinds, completions, known, strict=True):
            position = completion[0]
            if not is_known:
                found = tuple(finding for finding in findings if finding[0] == position) if findings else ()
                self._aside.append(Aside(kind.key, completion, addresses.get(position), found))
        super()._take_users(
            Authentications(
                list(compress(kinds, known)),
                list(compress(completions, known)),
                addresses,
                [finding for finding in findings if finding[0] in here],
            )
        )

    def _is_known(self, completion: CompletionFields) -> bool:
        """Return True if an authentication depends on nothing before this part; always True if it has no user."""
        _, user, _, component, _, _, end, _, _, _, newest = completion
        if user is None:
            return True
        if component not in self._ends:
            self._ends[component] = newest, {}
        begin, ends = self._ends[component]
        latest = ends.get(user[3], begin)  # all authentications before the part ended by then
        if latest is None or newest > latest + self._apart:
            ends[user[3]] = None
            return True
        ends[user[3]] = max(latest, end)
        return False

    def part(self) -> Part:
        """See `Fold.part`."""
        return super().part()._replace(aside=self._aside, withdraws=self._withdraws)
