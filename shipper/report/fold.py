"""Folds the completed authentications and the findings of one log into the tables of a report. Pure."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Literal

from shipper.decode import compiled
from shipper.decode.ecs import dataset
from shipper.detect.finding import Found, shown
from shipper.detect.prompts import NO_METHOD, code_text
from shipper.model import CompletionFields, Label, User, is_withdrawal
from shipper.report.durations import TENTH, in_tenths
from shipper.report.figures import Figures
from shipper.report.findings import Findings
from shipper.report.found import Told, told
from shipper.report.kinds import HOUR, NO_CACHE, Kind, Kinds, count_all, count_by_hour
from shipper.report.parts import Ahead, Authentications, Part
from shipper.report.people import Person
from shipper.report.service import PIECE, Service
from shipper.report.tables import OTHERS
from shipper.times import AFTER_ALL

MOST_SERVICES = 64
_COMPONENT, _START, _END = itemgetter(3), itemgetter(4), itemgetter(6)
_CEILING = TENTH - 1


class Fold:
    """Folds a log into tables, or into half of them: the rows, or the users, whose sign-ins may come from several logs."""

    def __init__(
        self,
        exchange_timeout: int,
        window: int,
        host: str | None = None,
        since: str | None = None,
        until: str | None = None,
        half: Literal["rows", "users"] | None = None,
    ) -> None:
        """
        Args:
            exchange_timeout, window: timeout of exchanges and window of double prompts, in nanoseconds.
            host: the server that wrote the log, for lines that do not name it; None if unknown.
            since, until: see `selection`; only authentications and findings that ended in between count.
            half: the half to count; None for both.
        """
        self._has_users, self._in_rows, self._is_whole = half != "rows", half != "users", half is None
        self.figures = Figures()
        self._timeout, self._window = exchange_timeout, window
        self._span = None if since is None and until is None else (since or "", until or ":")
        self._services: dict[str, Service] = {}
        self._kinds = Kinds(self.figures, host)
        self._findings = Findings(self.figures, self._kinds, host)
        self._ahead: Ahead = {}

    def __call__(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], found: Sequence[Found]
    ) -> None:
        """Take a pipeline's results for a chunk: the events, the completions and the findings."""
        findings = [told(finding) for finding in found]
        if self._span is not None:
            since, until = self._span
            completions = [one for one in completions if since <= one[7][:-1] < until or is_withdrawal(one)]
            findings = [finding for finding in findings if since <= finding.time[:-1] < until]
        self._chunk(texts, labels, completions, findings)

    def _chunk(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Told]
    ) -> None:
        if completions:
            first, last = _extremes(completions)
            if is_withdrawal(first) or self._ahead or last[6] > last[10] or _is_ahead(completions):
                self._settle(texts, labels, [*completions], findings)
            else:
                self.figures.stretch(first[4], first[5], last[6], last[7])
                self._take(texts, labels, completions, findings)

    def _settle(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Told]
    ) -> None:
        """Take completions of which some may be ahead of the clock: such a completion counts when the next one of its component
        arrives, and not at all if it is withdrawn."""
        found = {finding[0] for finding in findings}
        settled: list[CompletionFields] = []
        for completion in completions:
            component, position = completion[3], completion[0]
            if is_withdrawal(completion):
                self._ahead.pop(component, None)
                continue
            if component in self._ahead:
                self._take_settled(texts, labels, settled, findings)
                settled = []
                self._confirm(component)
            if completion[6] > completion[10] and position not in found:
                self._ahead[component] = texts[position], labels[position], (0, *completion[1:])
            else:
                settled.append(completion)
        self._take_settled(texts, labels, settled, findings)

    def _take_settled(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Told]
    ) -> None:
        if completions:
            first, last = min(completions, key=_START), max(completions, key=_END)
            self.figures.stretch(first[4], first[5], last[6], last[7])
            self._take(texts, labels, completions, findings)

    def _confirm(self, component: str) -> None:
        """Count the completion that was ahead of the clock of a component."""
        if component in self._ahead:
            text, label, completion = self._ahead.pop(component)
            self._take_settled([text], [label], [completion], [])

    def _take(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Told]
    ) -> None:
        if self._kinds.are_many:
            self._kinds.spread()
        if self._is_whole and compiled.are_completions(completions) and compiled.are_labels(labels) and completions.component:
            self._take_compiled(texts, labels, completions, findings)
        else:
            self._look_at(texts, labels, [*completions], findings)

    def _take_compiled(
        self, texts: Sequence[str], labels: "compiled.Labels", completions: "compiled.Completions", findings: Sequence[Told]
    ) -> None:
        """Do what `_look_at` does, most of it in the kernel."""
        assert completions.component
        service = self._services.get(completions.component) or self._begin(completions.component)
        assert service.runs is not None
        runs, behind, at = service.runs, _by_position(findings), 0
        for position in (*sorted(behind), len(texts)):
            stop = completions.behind(position)
            while at < stop:
                at, listed = runs.take(completions, labels, self._kinds, at, stop, service.turn)
                for kind, place in listed:
                    self._list(kind, completions[place], None)
                if at < stop:
                    self._look_at_one(texts, labels, completions[at], service)
                    at += 1
            for finding in behind.get(position, ()):
                self._findings.count(finding, service)
        count_all(runs.counted())

    def _look_at_one(self, texts: Sequence[str], labels: Sequence[Label], completion: CompletionFields, service: Service) -> None:
        """Take a completion that the kernel left to Python."""
        assert service.runs is not None
        count_all(service.runs.counted())
        self._look_at(texts, labels, [completion], ())
        if completion[1] is not None:
            service.hand_over(completion[1][3])

    def _look_at(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Told]
    ) -> None:
        """Take completions one by one."""
        kinds, addresses = self._kinds.of(texts, labels, completions)
        if self._in_rows:
            count_by_hour(kinds, [completion[6] for completion in completions])
        if self._has_users:
            self._take_users(Authentications(kinds, completions, addresses, findings))

    def _take_users(self, new: Authentications) -> None:
        """Count authentications in the tables of their users."""
        kinds, completions, addresses, findings = new
        name, service, turn, runs, address = None, None, AFTER_ALL, None, None
        behind = _by_position(findings)
        for kind, completion in zip(kinds, completions, strict=True):
            position, user, event_id, component, start, _, end, _, _, success, newest = completion
            if user is None:
                self._of_nobody(completion, kind, addresses.get(position))
                continue
            if component is not name or service is None:
                name, service = component, self._services.get(component) or self._begin(component)
                people, apart, turn, runs = service.people, service.apart, service.turn, service.runs
            if newest > turn:
                turn = service.sweep(newest)
            if runs:
                service.recall(user[3])
            person = people.get(user[3]) or service.newcomer(user)
            if addresses:
                address = addresses.get(position)
            if person.waiting or not kind.plain:
                self._other(completion, kind, service, person, address)
            else:
                if newest > person.latest + apart:
                    service.begin(person)
                if end > person.latest:
                    person.latest = end
                run = person.run
                run.append((start, event_id, end, success, address))
                kind.answers[(end - start + _CEILING) // TENTH] += 1
                if not len(run) % PIECE:
                    service.shorten(person, newest)
            for finding in behind.get(position, ()) if behind else ():
                self._findings.count(finding, service)

    def _of_nobody(self, completion: CompletionFields, kind: Kind, address: str | None) -> None:
        """List an authentication without a user, if it is to be listed: a fraud report counts whoever made it."""
        if kind.listed:
            self._list(kind, completion, address)

    def _other(self, completion: CompletionFields, kind: Kind, service: Service, person: Person, address: str | None) -> None:
        """Count an authentication that is not a plain prompt, or may be the second step of a prompt."""
        if kind.silent and not person.waiting:
            person.others += 1
            return
        _, _, event_id, _, start, _, end, _, code, success, newest = completion
        is_over = newest > person.latest + service.apart
        prompt = None if is_over else service.answered(person, completion, address)
        if prompt is not None:
            person.others += 1
            kind.second_steps += 1
            self._kinds.second_steps[end // HOUR] += bool(code.prompted)
        elif not kind.prompted:
            person.others += 1
        else:
            prompt = start, event_id, end, success, address
            if is_over:
                service.begin(person)
            person.latest = max(person.latest, end)
            person.run.append(prompt)
            if not len(person.run) % PIECE:
                service.shorten(person, newest)
        if kind.pending:
            person.first_steps += 1
            if prompt is not None:
                person.waiting = {**(person.waiting or {}), code.method or NO_METHOD: prompt}
        elif prompt is not None and kind.answered:
            kind.answers[in_tenths(prompt[2] - prompt[0])] += 1
        if kind.refusal is not None:
            person.count(kind.refusal)
        if kind.listed:
            self._list(kind, completion, address)

    def _list(self, kind: Kind, completion: CompletionFields, address: str | None) -> None:
        user, end_text, code = completion[1], completion[7], kind.code
        entry: dict[str, str | None] = {
            "time": end_text,
            "user": None if user is None else shown(User(*user)),  # in the spelling of this line, not of others
            "code": code_text(code),
            "description": code.description,
        }
        entry |= {"method": code.method, "component": kind.component, "host": kind.host, "address": address}
        self.figures.listed[code.status_class].add(end_text, entry)

    def _begin(self, component: str) -> Service:
        """Create the tables of a component; past `MOST_SERVICES`, further components share one."""
        name = component if len(self._services) < MOST_SERVICES else OTHERS
        if name not in self._services:
            advice = None if dataset(component) == NO_CACHE else self.figures.advice
            self._services[name] = Service(self._timeout, self._window, advice)
        return self._services[name]

    def part(self) -> Part:
        """End the fold, and return its content, to be joined to the fold of the part before."""
        self._kinds.spread()
        for service in self._services.values():
            service.part()
        return Part(self.figures, self._services, (), {}, self._ahead)

    def join(self, part: Part) -> None:
        """Add the next part of the log. The figures do not depend on where the log is cut, as long as no table is full."""
        for component, withdraws in part.withdraws.items():
            if withdraws:
                self._ahead.pop(component, None)
            else:
                self._confirm(component)
        self.figures.add(part.figures)
        if self._kinds.are_many:
            self._kinds.spread()
        kinds = [self._kinds.of_shape(aside.shape) for aside in part.aside]
        addresses = {at: aside.address for at, aside in enumerate(part.aside) if aside.address is not None}
        completions: list[CompletionFields] = [(at, *aside.completion[1:]) for at, aside in enumerate(part.aside)]
        findings = [finding._replace(position=at) for at, aside in enumerate(part.aside) for finding in aside.findings]
        self._take_users(Authentications(kinds, completions, addresses, findings))
        for component, service in part.services.items():
            (self._services.get(component) or self._begin(component)).join(service)
        self._ahead.update(part.ahead)

    def close(self) -> Figures:
        """End the log, and return all counts."""
        for component in list(self._ahead):
            self._confirm(component)
        self._kinds.spread()
        for _, service in sorted(self._services.items()):  # so the spelling of a user does not depend on the cuts
            service.close()
            self.figures.people.add(service.people)
        self._services.clear()
        return self.figures


def _by_position(findings: Sequence[Told]) -> dict[int, list[Told]]:
    behind: dict[int, list[Told]] = {}
    for finding in findings:
        behind.setdefault(finding[0], []).append(finding)
    return behind


def _extremes(completions: Sequence[CompletionFields]) -> tuple[CompletionFields, CompletionFields]:
    """Return the completion that began first and the one that ended last."""
    places = completions.extremes() if compiled.are_completions(completions) else None
    if places is not None:
        return completions[places[0]], completions[places[1]]
    return min(completions, key=_START), max(completions, key=_END)


def _is_ahead(completions: Sequence[CompletionFields]) -> bool:
    """Return True if one of several components has a completion ahead of its clock. (`_chunk` checks the case of one.)"""
    if compiled.are_completions(completions) and completions.component is not None:
        return False
    return len(set(map(_COMPONENT, completions))) > 1 and any(completion[6] > completion[10] for completion in completions)
