"""Grok expressions: pygrok expands them, this adapter makes them fit for ECS and for speed. Pure.

pygrok 1.0.0 turns `%{NAME:field:type}` into a regular expression, but its field names are `\\w+`,
each unnamed `%{NAME}` becomes a capturing group, it searches instead of matching the whole text,
and an unknown name is a bare KeyError. So the adapter

1. accepts the field syntax that Logstash and Elastic users write, `%{WORD:[user][name]}` and
   `%{INT:process.pid:int}`, by giving every occurrence a group name of its own;
2. checks names, types, fields and cycles first, so that each error names FILE:LINE;
3. lets pygrok expand, then anchors the result and drops the groups that nobody named.
"""

import re
import warnings
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import itemgetter
from typing import Any, Protocol

import pygrok.pygrok as pygrok_module
from pygrok import Grok

from shipper.errors import PatternError

Convert = Callable[[str], Any]

_REFERENCE = re.compile(r"%\{(\w+)(?::([^}:]*)(?::([^}:]*))?)?\}")
_FIELD = re.compile(r"@?\w+(?:\.\w+)*")
_BRACKETS = re.compile(r"(?:\[@?\w+\])+")
_NAMED_CLASS = re.compile(r"\[:\^?\w+:\]")  # [:alpha:]
_UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True)
class Definition:
    """One line `NAME expression` of a grok file, and where it stands."""

    name: str
    expression: str
    file: str
    line: int

    def error(self, what: str) -> PatternError:
        """The error for this line."""
        return PatternError(self.file, self.line, what)


class _Regex(Protocol):
    @property
    def groupindex(self) -> Mapping[str, int]: ...

    def fullmatch(self, string: str, /) -> "re.Match[str] | None": ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression that matches a whole text.

    `fields` holds, for each group, the ECS field and the conversion of its text; `pick` chooses the
    texts of these groups.
    """

    definition: Definition
    source: str
    regex: _Regex
    fields: tuple[tuple[str, str, Convert | None], ...]
    pick: Callable[..., tuple[str | None, ...]]

    @property
    def name(self) -> str:
        """The name in the grok file, such as MESSAGE_PFRAD_STATUS."""
        return self.definition.name

    def match(self, text: str) -> dict[str, Any] | None:
        """Captured fields by ECS name (dotted), or None if the text does not match as a whole.

        A group that took no part, or whose conversion says None, is left out.
        """
        found = self.regex.fullmatch(text)
        return None if found is None else self.captured(found)

    def captured(self, found: "re.Match[str]") -> dict[str, Any]:
        """The fields of a match of `regex`."""
        captured = {}
        for (_, field, convert), value in zip(self.fields, self.pick((*found.groups(), None)), strict=True):
            converted = value if value is None or convert is None else convert(value)
            if converted is not None:
                captured[field] = converted
        return captured


def _pick(regex: _Regex, fields: tuple[tuple[str, str, Convert | None], ...]) -> Callable[..., tuple[str | None, ...]]:
    """Chooses the groups of `fields` out of all groups of a match (and a None behind them)."""
    indexes = [regex.groupindex[group] - 1 for group, _, _ in fields]
    if len(indexes) >= 2:
        return itemgetter(*indexes)
    return lambda groups: tuple(groups[i] for i in indexes)


def builtin_names() -> list[str]:
    """The patterns that pygrok brings: WORD, INT, GREEDYDATA, ..."""
    return list(Grok("").predefined_patterns)


def read_definitions(text: str, file: str) -> list[Definition]:
    """The definitions of one grok file: `NAME expression` a line, `#` comments, blank lines.

    Raises:
        PatternError: a line is not of that form, or a name is defined twice in the file.
    """
    found: dict[str, Definition] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, space, expression = line.partition(" ")
        if not space or not re.fullmatch(r"\w+", name):
            raise PatternError(file, number, f"expected `NAME expression`, found {line[:60]!r}")
        if name in found:
            raise PatternError(file, number, f"{name} is defined twice; first in line {found[name].line}")
        found[name] = Definition(name, expression.strip(), file, number)
    return list(found.values())


class Compiler:
    """Expands and compiles definitions.

    pygrok reads its own pattern files anew for every expression, so all are expanded in one go,
    joined by a text that no expression holds.
    """

    JOINT = "\x1e"

    def __init__(
        self,
        definitions: Mapping[str, Definition],
        known_fields: Container[str],
        field_names: list[str],
        types: Mapping[str, Convert | None],
        check_type: Callable[[str, str | None], str | None] = lambda field, kind: None,
    ) -> None:
        """
        Args:
            definitions: all patterns by name that may be referred to, besides pygrok's own.
            known_fields: fields that an event can carry; another one is an error, since nobody would see it.
            field_names: examples of known fields, for a hint at a misspelt one.
            types: the names after the second colon, and what they do with the text.
            check_type: says why a field cannot be captured with a type (None: without one), or None if it can.
        """
        self._definitions = definitions
        self._known_fields = known_fields
        self._field_names = field_names
        self._types = types
        self._check_type = check_type
        self._expansions: dict[str, str] = {}
        self._fields: list[tuple[str, str, Convert | None]] = []

    def __call__(self, definitions: Sequence[Definition]) -> list[Pattern]:
        """The patterns of these definitions.

        Raises:
            PatternError: unknown pattern name, type or field, a cycle, or a bad expression.
        """
        tops: list[str] = []
        spans: list[tuple[int, int]] = []
        for definition in definitions:
            before = len(self._fields)
            tops.append(self._rewrite(definition, (definition.name,)))
            spans.append((before, len(self._fields)))
        try:
            expanded = Grok(self.JOINT.join(tops), custom_patterns=self._expansions).regex_obj.pattern
        except KeyError:
            raise self._unknown_name() from None
        except pygrok_module.re.error as error:
            raise self._blame(definitions, error) from None
        patterns = []
        for definition, source, (start, end) in zip(definitions, expanded.split(self.JOINT), spans, strict=True):
            try:
                source = _without_idle_groups(source)
                regex, fields = _compile(source), tuple(self._fields[start:end])
                patterns.append(Pattern(definition, source, regex, fields, _pick(regex, fields)))
            except (re.error, pygrok_module.re.error) as error:
                raise self._blame([definition], error) from None
        return patterns

    def _rewrite(self, part: Definition, chain: tuple[str, ...]) -> str:
        """The expression with every reference under a group name of its own."""

        def reference(match: re.Match[str]) -> str:
            name, field, kind = match.groups()
            if name in chain:
                raise part.error(f"%{{{name}}} refers to itself: {' -> '.join((*chain, name))}")
            alias = name
            if name in self._definitions:
                # Each use gets a copy, so that one block may be used twice with fields in it.
                alias = f"{name}__{len(self._expansions)}"
                self._expansions[alias] = ""
                self._expansions[alias] = self._rewrite(self._definitions[name], (*chain, name))
            group = _UNNAMED if field is None else self._group(part, match[0], field, kind)
            return f"%{{{alias}:{group}}}"

        if self.JOINT in part.expression:
            raise part.error(f"{part.name} holds the control character {self.JOINT!r}; write \\x1e")
        if "%{" in _REFERENCE.sub("", part.expression):
            raise part.error("a reference is written %{NAME}, %{NAME:field} or %{NAME:field:type}")
        return _REFERENCE.sub(reference, part.expression)

    def _group(self, part: Definition, whole: str, field: str, kind: str | None) -> str:
        """A new group for a field, whose name is checked."""
        if _BRACKETS.fullmatch(field):
            field = field[1:-1].replace("][", ".")
        if not _FIELD.fullmatch(field):
            raise part.error(f"{whole}: {field!r} is no field name; write [user][name] or user.name")
        if kind is not None and kind not in self._types:
            raise part.error(f"{whole}: unknown type {kind!r}; known are {', '.join(sorted(self._types))}")
        if field not in self._known_fields:
            near = get_close_matches(field, self._field_names, 1)
            hint = f"did you mean {near[0]}?" if near else "fields of your own go below azure_mfa. or labels."
            raise part.error(f"{whole}: no event has a field {field}; {hint}")
        fault = self._check_type(field, kind)
        if fault:
            raise part.error(f"{whole}: {fault}")
        group = f"f{len(self._fields)}"
        self._fields.append((group, field, self._types[kind] if kind else None))
        return group

    def _unknown_name(self) -> PatternError:
        """The error for a reference that leads nowhere."""
        known = [*self._definitions, *builtin_names()]
        for part in self._definitions.values():
            for name, _, _ in _REFERENCE.findall(part.expression):
                if name not in known:
                    near = get_close_matches(name, known, 1)
                    hint = f"; did you mean %{{{near[0]}}}?" if near else ""
                    return part.error(f"unknown pattern %{{{name}}}{hint}")
        raise AssertionError("pygrok missed a pattern that is known")

    def _blame(self, definitions: Sequence[Definition], error: Exception) -> PatternError:
        """The error for the building block that is bad, which need not be the pattern that uses it."""
        names = [definition.name for definition in definitions]
        for name in names:
            part = self._definitions.get(name)
            if part is None:
                continue
            names += [n for n, _, _ in _REFERENCE.findall(part.expression) if n not in names]
            try:
                pygrok_module.re.compile(_REFERENCE.sub("x", part.expression))
            except pygrok_module.re.error as own:
                return part.error(f"bad expression of {name}: {own}")
        return definitions[0].error(f"bad expression of {definitions[0].name}: {error}")


def _compile(source: str) -> _Regex:
    """With the standard library, which is the faster; with `regex` where only that can.

    Only `regex` knows `[[:alpha:]]`; the standard library takes it for something else, at best with a warning.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            if not _NAMED_CLASS.search(source):
                return re.compile(source)
    except (re.error, FutureWarning):
        pass
    compiled: _Regex = pygrok_module.re.compile(source)
    return compiled


def _without_idle_groups(source: str) -> str:
    """The expression with groups that capture for nobody made non-capturing.

    Numbers of groups change by that, so an expression with a back reference stays as it is.
    """
    if re.search(r"(?<!\\)(?:\\\\)*\\[1-9]", source):
        return source.replace(f"(?P<{_UNNAMED}>", "(?:")
    parts: list[str] = []
    at, in_class = 0, False
    while at < len(source):
        piece = source[at]
        if piece == "\\":
            piece = source[at : at + 2]
        elif in_class and (named := _NAMED_CLASS.match(source, at)):
            piece = named[0]
        elif in_class:
            in_class = piece != "]"
        elif piece == "[":
            in_class = True
            start = at + 1 + source.startswith("^", at + 1)
            if source.startswith("]", start):  # a bracket that stands first is a member, not the end
                piece = source[at : start + 1]
        opens = piece == "(" and not in_class and not source.startswith("?", at + 1)
        parts.append("(?:" if opens else piece)
        at += len(piece)
    return "".join(parts).replace(f"(?P<{_UNNAMED}>", "(?:")
