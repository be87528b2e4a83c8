"""Counts the findings of a log in the tables of a report. Pure."""

from shipper.decode.ecs import dataset
from shipper.detect.double_prompt import MS
from shipper.detect.finding import shown
from shipper.detect.prompts import END, ID, METHOD, START
from shipper.report.durations import in_tenths
from shipper.report.figures import Figures
from shipper.report.found import DoublePrompt, Told
from shipper.report.kinds import HOUR, NO_CACHE, Kinds
from shipper.report.people import Person, Shown
from shipper.report.service import EVERYTHING_MISSED, Service


class Findings:
    """Counts findings."""

    def __init__(self, figures: Figures, kinds: Kinds, host: str | None) -> None:
        """
        Args:
            figures, kinds: receive the counts.
            host: the server that wrote the log, for lines that do not name it.
        """
        self._figures, self._kinds, self._host = figures, kinds, host

    def count(self, finding: Told, service: Service) -> None:
        """Count a finding about a user of the component that `service` holds."""
        _, detector, time, user, component, host, double, fatigue = finding
        host = host or self._host
        self._figures.findings[detector] += 1
        if double is not None:
            person = service.people[user.key]
            address = self._double(double, service, person, user.key)
            service.people.pair(person, Shown(double.order, double, host, address))
            # By the second prompt's own end: it may have ended before the first prompt, whose end then completed the finding.
            method, hour = double.second[METHOD], double.second[END] // HOUR
            self._kinds.doubles[method, component, host, hour] += 1
        if fatigue is not None:
            service.people[user.key].count("fatigue")
            entry = {"time": time, "user": shown(user), "component": component, "host": host}
            self._figures.listed["fatigue"].add(time, {**entry, **fatigue})

    def _double(self, double: DoublePrompt, service: Service, person: Person, key: str) -> str | None:
        """Count a double prompt of a user; return the client address of the second prompt, None if unknown."""
        pattern, second = double.pattern, double.second
        prompt = service.second(key, second[ID])
        address = prompt[4] if prompt else None
        person.count(pattern)
        if dataset(double.component) == NO_CACHE:
            self._figures.doubles_without_cache += 1
        else:
            person.count("cacheable")
            if prompt is None:  # no longer in memory: counts as missed by all caches
                person.miss(0, EVERYTHING_MISSED)
                person.miss(1, EVERYTHING_MISSED)
        self._figures.gaps[pattern][-(-(double.gap // MS) // 100)] += 1
        client = self._figures.client(address)
        client.patterns[pattern] += 1
        if pattern == "concurrent":
            client.repeats[in_tenths(second[START] - double.first[START])] += 1
        return address
