"""Folds the completed authentications and the findings of one log into the tables of a report. Pure."""

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Literal, NamedTuple

from shipper.decode.ecs import dataset
from shipper.detect.finding import Found, shown
from shipper.detect.prompts import NO_METHOD, code_text
from shipper.model import CompletionFields, Label, User, is_withdrawal
from shipper.report import found
from shipper.report.durations import TENTH, in_tenths
from shipper.report.figures import LISTED, Figures
from shipper.report.kinds import HOUR, NO_CACHE, Kind, Kinds, Shape, count_by_hour
from shipper.report.people import REFUSALS, Person
from shipper.report.service import EVERYTHING_MISSED, PIECE, Service
from shipper.report.tables import OTHERS
from shipper.times import AFTER_ALL, StampReader

MOST_SERVICES = 64
_COMPONENT, _START, _END = itemgetter(3), itemgetter(4), itemgetter(6)
_CEILING = TENTH - 1
_STAMPS = StampReader()


Ahead = dict[str, tuple[str, Label, CompletionFields]]
"""By component, the completion that is ahead of the clock, its label and the text of its event."""


class Authentications(NamedTuple):
    """Completed authentications, on their way to the tables of their users.

    Attributes:
        kinds: of each the kind.
        completions: of each what completed it, in order.
        addresses: of the clients, by the position of the completion, where they are known.
        findings: to which they led.
    """

    kinds: Sequence[Kind]
    completions: Sequence[CompletionFields]
    addresses: Mapping[int, str]
    findings: Sequence[Found]


class Aside(NamedTuple):
    """An authentication that may have to do with earlier ones of its user, which another process knows."""

    shape: Shape
    completion: CompletionFields
    address: str | None
    findings: tuple[Found, ...]


class Part(NamedTuple):
    """What was folded of a part of a log, on its way to another process.

    Attributes:
        figures: all that is counted.
        services: what is not yet counted, by component.
        aside: what can only be counted once the part before is known, in order.
        withdraws: by component, if the first that the part says of it is that the completion ahead of its clock is withdrawn.
        ahead: the completions whose time is ahead of the clock at the end of the part.
    """

    figures: Figures
    services: dict[str, Service]
    aside: Sequence[Aside]
    withdraws: Mapping[str, bool]
    ahead: Ahead


class Fold:
    """Takes a log, or one half of what is counted: its rows, or what the authentications of several logs tell of their users."""

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
            exchange_timeout, window: of the log and of double prompts, in nanoseconds.
            host: the name of the server that wrote the log, where its lines do not say; None if not known.
            since, until: as for `selection`: only what completed within is counted.
            half: None for both.
        """
        self._has_users, self._in_rows = half != "rows", half != "users"
        self.figures = Figures()
        self._timeout, self._window, self._host = exchange_timeout, window, host
        self._span = None if since is None and until is None else (since or "", until or ":")
        self._services: dict[str, Service] = {}
        self._kinds = Kinds(self.figures, host)
        self._ahead: Ahead = {}

    def __call__(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Found]
    ) -> None:
        """Take what a pipeline made of a chunk: its events, what they completed, and what was found."""
        if self._span is not None:
            since, until = self._span
            completions = [one for one in completions if since <= one[7][:-1] < until or is_withdrawal(one)]
            findings = [finding for finding in findings if since <= finding[2][0][:-1] < until]
        else:
            completions = [*completions]  # the kernel makes one anew each time that somebody asks for it
        self._chunk(texts, labels, completions, findings)

    def _chunk(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Found]
    ) -> None:
        if completions:
            first, last = min(completions, key=_START), max(completions, key=_END)
            if is_withdrawal(first) or self._ahead or last[6] > last[10] or _is_ahead(completions):
                self._settle(texts, labels, completions, findings)
            else:
                self.figures.stretch(first[4], first[5], last[6], last[7])
                self._take(texts, labels, completions, findings)

    def _settle(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Found]
    ) -> None:
        """Take completions of which one has a time ahead of the clock: it counts once the next one of its component comes, and not at
        all if it is withdrawn."""
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
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Found]
    ) -> None:
        if completions:
            first, last = min(completions, key=_START), max(completions, key=_END)
            self.figures.stretch(first[4], first[5], last[6], last[7])
            self._take(texts, labels, completions, findings)

    def _confirm(self, component: str) -> None:
        """What was ahead of the clock of a component counts."""
        if component in self._ahead:
            text, label, completion = self._ahead.pop(component)
            self._take_settled([text], [label], [completion], [])

    def _take(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Found]
    ) -> None:
        if self._kinds.are_many:
            self._kinds.spread()
        kinds, addresses = self._kinds.of(texts, labels, completions)
        if self._in_rows:
            count_by_hour(kinds, [completion[6] for completion in completions])
        if self._has_users:
            self._take_users(Authentications(kinds, completions, addresses, findings))

    def _take_users(self, new: Authentications) -> None:
        """What authentications tell of their users."""
        kinds, completions, addresses, findings = new
        name, service, turn, address = None, None, AFTER_ALL, None
        behind: dict[int, list[Found]] = {}
        for finding in findings:
            behind.setdefault(finding[0], []).append(finding)
        for kind, completion in zip(kinds, completions, strict=True):
            position, user, event_id, component, start, _, end, _, _, success, newest = completion
            if user is None:
                continue
            if component is not name or service is None:
                name, service = component, self._services.get(component) or self._begin(component)
                people, apart, turn = service.people, service.apart, service.turn
            if newest > turn:
                turn = service.sweep(newest)
            person = people.get(user[3]) or people.new(user)
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
                self._find(finding, completion, service, person)

    def _other(self, completion: CompletionFields, kind: Kind, service: Service, person: Person, address: str | None) -> None:
        """Take an authentication that is not just a prompt, or may be the second step of one."""
        if kind.silent and not person.waiting:
            person.others += 1
            return
        _, user, event_id, _, start, _, end, end_text, code, success, newest = completion
        assert user is not None
        is_over = newest > person.latest + service.apart
        prompt = None if is_over else service.answered(person, completion, address)
        if prompt is not None:
            person.others += 1
            kind.second_steps += 1
            self._kinds.second_steps[end // HOUR] += bool(code.prompted)
        elif not code.prompted:
            person.others += 1
        else:
            prompt = start, event_id, end, success, address
            if is_over:
                service.begin(person)
            person.latest = max(person.latest, end)
            person.run.append(prompt)
            if not len(person.run) % PIECE:
                service.shorten(person, newest)
        if code.status_class == "pending":
            person.first_steps += 1
            if prompt is not None:
                person.waiting = {**(person.waiting or {}), code.method or NO_METHOD: prompt}
        elif prompt is not None and kind.answered:
            kind.answers[in_tenths(prompt[2] - prompt[0])] += 1
        if code.status_class in REFUSALS and code.prompted:
            person.count(code.status_class)
        if code.status_class in LISTED:
            entry: dict[str, str | None] = {
                "time": end_text,
                "user": shown(User(*user)),  # whatever spelling other lines have
                "code": code_text(code),
                "description": code.description,
            }
            entry |= {"method": code.method, "component": kind.component, "host": kind.host, "address": address}
            self.figures.listed[code.status_class].add(end_text, entry)

    def _begin(self, component: str) -> Service:
        """The tables of a component; past `MOST_SERVICES`, further ones share those of one."""
        name = component if len(self._services) < MOST_SERVICES else OTHERS
        if name not in self._services:
            advice = None if dataset(component) == NO_CACHE else self.figures.advice
            self._services[name] = Service(self._timeout, self._window, advice)
        return self._services[name]

    def _find(self, finding: Found, completion: CompletionFields, service: Service, person: Person) -> None:
        """Count a finding about a person, to which a completion led."""
        _, text, (time, _, origin, _) = finding
        about, told = found.event(text)
        component, host, double, fatigue = completion[3], origin.host or self._host, told.double_prompt, told.mfa_fatigue
        self.figures.findings[about.action] += 1
        if double is not None:
            address = self._double(double, service, person, has_cache=origin.dataset != NO_CACHE)
            service.people.pair(person, (time, text, host, address))
            # The second prompt may have ended before the first one, which completed it.
            end = completion[6] if time == completion[7] else _STAMPS.read(time) or 0
            self._kinds.doubles[double.second.method, component, host, end // HOUR] += 1
        if fatigue is not None:
            person.count("fatigue")
            numbers = {field: value for field, value in fatigue.items() if isinstance(value, bool | int)}
            assert completion[1] is not None
            entry = {"time": time, "user": shown(User(*completion[1])), "start": about.start, "end": about.end}
            self.figures.listed["fatigue"].add(time, {**entry, "component": component, "host": host, **numbers})

    def _double(self, about: found.DoublePrompt, service: Service, person: Person, *, has_cache: bool) -> str | None:
        """Count a double prompt; returns the client address of the second prompt, if it is known."""
        pattern = about.pattern
        prompt = service.second(person, about.second.id)
        address = prompt[4] if prompt else None
        person.count(pattern)
        if not has_cache:
            self.figures.doubles_without_cache += 1
        else:
            person.count("cacheable")
            if prompt is None:  # it came too late to be compared
                person.miss(0, EVERYTHING_MISSED)
                person.miss(1, EVERYTHING_MISSED)
        self.figures.gaps[pattern][-(-about.gap_ms // 100)] += 1
        client = self.figures.client(address)
        client.patterns[pattern] += 1
        if pattern == "concurrent":
            began, again = (_STAMPS.read(side.start) or 0 for side in (about.first, about.second))
            client.repeats[in_tenths(again - began)] += 1
        return address

    def part(self) -> Part:
        """What was folded, to be joined to what comes before it; the end of this fold."""
        self._kinds.spread()
        return Part(self.figures, self._services, (), {}, self._ahead)

    def join(self, part: Part) -> None:
        """Take the next part of the log. The figures are the same wherever a log is cut, as long as no table is full."""
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
        findings = [(at, *finding[1:]) for at, aside in enumerate(part.aside) for finding in aside.findings]
        self._take_users(Authentications(kinds, completions, addresses, findings))
        for component, service in part.services.items():
            (self._services.get(component) or self._begin(component)).join(service)
        self._ahead.update(part.ahead)

    def close(self) -> Figures:
        """The end of the log: all that was counted."""
        for component in list(self._ahead):
            self._confirm(component)
        self._kinds.spread()
        for _, service in sorted(self._services.items()):  # so that a user has the same spelling wherever a log is cut
            service.close()
            self.figures.people.add(service.people)
        self._services.clear()
        return self.figures


def _is_ahead(completions: Sequence[CompletionFields]) -> bool:
    """True if one of several components has a time ahead of its clock. (Of one component that would be the latest.)"""
    return len(set(map(_COMPONENT, completions))) > 1 and any(completion[6] > completion[10] for completion in completions)
