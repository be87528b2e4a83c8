"""The Sigma rules of deploy/sigma as they are written, and the conditions of their parts in each language."""

import importlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.generate.places import DEPLOY
from deploy.generate.sigma.triage import Triage, entries, seconds

SIGMA = DEPLOY / "sigma"
FOLDERS = ("rules", "correlations")  # about single events, and about several
LANGUAGES = {  # of pySigma: module and class
    "eql": ("elasticsearch.elasticsearch_eql", "EqlBackend"),
    "esql": ("elasticsearch.elasticsearch_esql", "ESQLBackend"),
    "lucene": ("elasticsearch.elasticsearch_lucene", "LuceneBackend"),
    "splunk": ("splunk", "SplunkBackend"),
}
NUMBERS, NUMBER = re.compile(r"like~ \((-?\d+(?:, -?\d+)*)\)"), re.compile(r"([\w.]+):(-?\d+|true|false)\b")


def library(name: str) -> Any:
    """A module of the extra `deploy`; imported by name, so that types are checked where it is not installed too.

    Raises:
        ImportError: It is not installed; the text says how to get it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed: pip install '.[deploy]'") from error


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule file: the rule that alerts, and before it the rules that a correlation counts.

    Attributes:
        stem: the file's name without its ending, and so the name of the rule's other files.
        main: the last document, which alerts.
        parts: the others by their names.
    """

    stem: str
    main: dict[str, Any]
    parts: dict[str, dict[str, Any]]

    @property
    def correlation(self) -> dict[str, Any]:
        """How the parts are counted; empty for a rule about single events."""
        return dict(self.main.get("correlation", {}))

    @property
    def kind(self) -> str:
        """`single`, or the type of the correlation."""
        return str(self.correlation.get("type", "single"))

    @property
    def group(self) -> list[str]:
        """The fields that events are grouped by; none where each part has its own."""
        return [] if "aliases" in self.correlation else list(self.correlation.get("group-by", []))

    @property
    def timespan(self) -> str:
        """Such as `10m`; five minutes for a rule about single events."""
        return str(self.correlation.get("timespan", "5m"))

    @property
    def seconds(self) -> int:
        """The timespan in seconds."""
        return seconds(self.timespan)

    @property
    def triage(self) -> Triage:
        """What stands beside it: quiet time, schedule, steps."""
        return entries()[self.stem]

    @property
    def at_least(self) -> int | None:
        """How many are enough, where the rule counts up."""
        number = self.correlation.get("condition", {}).get("gte")
        return None if number is None else int(number)

    @property
    def events(self) -> list[str]:
        """The names of the parts that select events, in their order; a rule about single events is its own part."""
        return [name for name, part in self.parts.items() if "detection" in part] or [""]

    @property
    def fields(self) -> set[str]:
        """The fields that it asks for, groups by and counts."""
        found = {"@timestamp"}
        for document in (self.main, *self.parts.values()):
            searches = [part for name, part in document.get("detection", {}).items() if name != "condition"]
            found |= {field.split("|")[0] for search in searches for field in search}
            correlation = document.get("correlation", {})
            aliases = correlation.get("aliases", {})
            found |= {name for name in correlation.get("group-by", ()) if name not in aliases}
            found |= {name for names in aliases.values() for name in names.values()}
            found |= {correlation["condition"]["field"]} if "field" in correlation.get("condition", {}) else set()
        return found

    def condition(self, language: str, part: str) -> str:
        """The condition of a part, without index and without `where`. The empty name is a rule about single events itself."""
        text = yaml.safe_dump(self.parts[part] if part else self.main, sort_keys=False)
        query = _backend(language).convert(library("sigma.collection").SigmaCollection.from_yaml(text))[0]
        query = re.sub(r"^(any where|from \* metadata _id, _index, _version \| where) ", "", str(query))
        # Elasticsearch refuses a number, true and false behind `like~` or `:`, which are for texts
        return NUMBER.sub(r"\1 == \2", NUMBERS.sub(r"in (\1)", query)) if language == "eql" else query


@cache
def _backend(language: str) -> Any:
    module, name = LANGUAGES[language]
    return getattr(library(f"sigma.backends.{module}"), name)()


def load(path: Path) -> Rule:
    """Read a rule file."""
    *parts, main = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return Rule(path.stem, main, {part["name"]: part for part in parts})


def rules() -> list[Rule]:
    """All rules, by name."""
    paths = [path for folder in FOLDERS for path in (SIGMA / folder).glob("*.yml")]
    return [load(path) for path in sorted(paths, key=lambda path: path.stem)]
