"""Counts the findings of a log in the tables of a report. Pure."""

from shipper.detect.finding import Found, shown
from shipper.model import CompletionFields, User
from shipper.report import found
from shipper.report.durations import in_tenths
from shipper.report.figures import Figures
from shipper.report.kinds import HOUR, NO_CACHE, Kinds
from shipper.report.service import EVERYTHING_MISSED, Service
from shipper.times import StampReader

_STAMPS = StampReader()


class Findings:
    """Counts them."""

    def __init__(self, figures: Figures, kinds: Kinds, host: str | None) -> None:
        """
        Args:
            figures, kinds: take the counts.
            host: the name of the server that wrote the log, where its lines do not say.
        """
        self._figures, self._kinds, self._host = figures, kinds, host

    def count(self, finding: Found, completion: CompletionFields, service: Service) -> None:
        """Count a finding about the user of a completion, which led to it."""
        user, (_, text, (time, _, origin, _)) = completion[1], finding
        assert user is not None
        person = service.people[user[3]]
        about, told = found.event(text)
        component, host, double, fatigue = completion[3], origin.host or self._host, told.double_prompt, told.mfa_fatigue
        self._figures.findings[about.action] += 1
        if double is not None:
            address = self._double(double, service, user[3], has_cache=origin.dataset != NO_CACHE)
            service.people.pair(person, (time, text, host, address))
            # The second prompt may have ended before the first one, which completed it.
            end = completion[6] if time == completion[7] else _STAMPS.read(time) or 0
            self._kinds.doubles[double.second.method, component, host, end // HOUR] += 1
        if fatigue is not None:
            person.count("fatigue")
            numbers = {field: value for field, value in fatigue.items() if isinstance(value, bool | int)}
            entry = {"time": time, "user": shown(User(*user)), "start": about.start, "end": about.end}
            self._figures.listed["fatigue"].add(time, {**entry, "component": component, "host": host, **numbers})

    def _double(self, about: found.DoublePrompt, service: Service, key: str, *, has_cache: bool) -> str | None:
        """Count a double prompt of a user; returns the client address of the second prompt, if it is known."""
        pattern, person = about.pattern, service.people[key]
        prompt = service.second(key, about.second.id)
        address = prompt[4] if prompt else None
        person.count(pattern)
        if not has_cache:
            self._figures.doubles_without_cache += 1
        else:
            person.count("cacheable")
            if prompt is None:  # it came too late to be compared
                person.miss(0, EVERYTHING_MISSED)
                person.miss(1, EVERYTHING_MISSED)
        self._figures.gaps[pattern][-(-about.gap_ms // 100)] += 1
        client = self._figures.client(address)
        client.patterns[pattern] += 1
        if pattern == "concurrent":
            began, again = (_STAMPS.read(side.start) or 0 for side in (about.first, about.second))
            client.repeats[in_tenths(again - began)] += 1
        return address
