"""Compiles grok expressions: pygrok expands them, this adapter adds ECS field names, checks and speed.

Pure, except that pygrok reads its own pattern files.

pygrok 1.0.0 turns `%{NAME:field:type}` into a regular expression, but its field names are `\\w+`,
each unnamed `%{NAME}` becomes a capturing group, it searches instead of matching the whole text,
and an unknown name is a bare KeyError. So the adapter

1. accepts the field syntax that Logstash and Elastic users write, `%{WORD:[user][name]}` and
   `%{INT:process.pid:int}`, by giving each reference its own group name;
2. checks names, types, fields and cycles first, so that each error names FILE:LINE;
3. lets pygrok expand, then makes the groups without a name non-capturing.
"""

import io
import re
import warnings
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, partial
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, Protocol, cast

import pygrok.pygrok as pygrok_module
import regex
from pygrok import Grok

from shipper.decode.expressions import beginning, without_unnamed_groups
from shipper.errors import PatternError

# pygrok opens its own pattern files, which are UTF-8, in the encoding of the locale: it fails where that is ASCII.
pygrok_module.open = partial(io.open, encoding="utf-8")
# It also compiles what it has expanded, here all patterns in one, which takes half of the start-up time. Only the text is needed.
pygrok_module.re = SimpleNamespace(
    findall=re.findall, sub=re.sub, search=re.search, compile=lambda expression: SimpleNamespace(pattern=expression)
)

Convert = Callable[[str], Any]

_REFERENCE = re.compile(r"%\{(\w+)(?::([^}:]*)(?::([^}:]*))?)?\}")
_FIELD = re.compile(r"@?\w+(?:\.\w+)*")
_BRACKETS = re.compile(r"(?:\[@?\w+\])+")
_NAMED_CLASS = re.compile(r"\[:\^?\w+:\]")  # [:alpha:]
_UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True)
class Definition:
    """One line `NAME expression` of a grok file, and its place."""

    name: str
    expression: str
    file: str
    line: int

    def error(self, fault: str) -> PatternError:
        """An error that names the file and line of this definition."""
        return PatternError(self.file, self.line, fault)


class _Regex(Protocol):
    @property
    def groupindex(self) -> Mapping[str, int]: ...

    def fullmatch(self, string: str, /) -> "re.Match[str] | None": ...


@dataclass(frozen=True)
class Pattern:
    """An expression, compiled on first use: most logs need few of them.

    Attributes:
        expression: the regular expression that grok expanded to.
        fields: for each named group: its name, the ECS field, and the conversion of its text (None: none).
    """

    definition: Definition
    expression: str
    fields: tuple[tuple[str, str, Convert | None], ...]

    def __reduce__(self) -> tuple[Any, ...]:  # for another process, which compiles what it needs
        return Pattern, (self.definition, self.expression, self.fields)

    @cached_property
    def regex(self) -> _Regex:
        """The compiled expression."""
        return _compile(self.expression)

    @cached_property
    def begins(self) -> str:
        """The literal text that every match begins with; it may be empty."""
        return beginning(self.expression)

    @cached_property
    def _pick(self) -> Callable[..., tuple[str | None, ...]]:
        """Selects the texts of the groups of `fields` from all groups of a match followed by a None."""
        indexes = [self.regex.groupindex[group] - 1 for group, _, _ in self.fields]
        if len(indexes) >= 2:  # for one index, itemgetter returns no tuple
            return itemgetter(*indexes)
        return lambda groups: tuple(groups[i] for i in indexes)

    @property
    def name(self) -> str:
        """Its name in the grok file, such as MESSAGE_PFRAD_STATUS."""
        return self.definition.name

    def match(self, text: str) -> dict[str, Any] | None:
        """The captured fields by dotted ECS name, or None if the text as a whole does not match.

        A field is left out if its group did not take part or its conversion returns None.
        """
        found = self.regex.fullmatch(text)
        return None if found is None else self.captured(found)

    def captured(self, found: "re.Match[str]") -> dict[str, Any]:
        """The fields of a match of `regex`."""
        captured = {}
        for (_, field, convert), value in zip(self.fields, self._pick((*found.groups(), None)), strict=True):
            converted = value if value is None or convert is None else convert(value)
            if converted is not None:
                captured[field] = converted
        return captured


def builtin_names() -> list[str]:
    """The names of the patterns that come with pygrok: WORD, INT, GREEDYDATA, ..."""
    return list(Grok("").predefined_patterns)


def read_definitions(text: str, file: str) -> list[Definition]:
    """The definitions of one grok file: a `NAME expression` per line; blank lines and `#` comments are skipped.

    Raises:
        PatternError: a line is not of that form, or a name is defined twice in the file.
    """
    definitions: dict[str, Definition] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, space, expression = line.partition(" ")
        if not space or not re.fullmatch(r"\w+", name):
            raise PatternError(file, number, f"expected `NAME expression`, found {line[:60]!r}")
        if name in definitions:
            raise PatternError(file, number, f"{name} is defined twice; first in line {definitions[name].line}")
        definitions[name] = Definition(name, expression.strip(), file, number)
    return list(definitions.values())


class Compiler:
    """Expands and compiles definitions.

    pygrok reads its pattern files again for every expression, so all expressions are expanded at once,
    joined by a character that none of them may contain.
    """

    SEPARATOR = "\x1e"

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
            definitions: by name, the patterns that an expression may refer to besides pygrok's own.
            known_fields: the fields that an event can carry; to capture any other is an error.
            field_names: names of known fields, to suggest the right spelling.
            types: the types that may follow the second colon, and the conversion of each (None: none).
            check_type: takes a field and a type (None: no type given); returns why the field cannot be
                captured that way, or None if it can.
        """
        self._definitions = definitions
        self._known_fields = known_fields
        self._field_names = field_names
        self._types = types
        self._check_type = check_type
        self._expansions: dict[str, str] = {}
        self._fields: list[tuple[str, str, Convert | None]] = []

    def __call__(self, definitions: Sequence[Definition], *, trusted: bool = False) -> list[Pattern]:
        """Compile definitions. The expressions of `trusted` definitions are known to be good, and compiled on first use.

        Raises:
            PatternError: unknown pattern name, type or field, a cycle, or a bad expression.
        """
        rewritten: list[str] = []
        spans: list[tuple[int, int]] = []
        for definition in definitions:
            before = len(self._fields)
            rewritten.append(self._rewrite(definition, (definition.name,)))
            spans.append((before, len(self._fields)))
        try:
            expanded = Grok(self.SEPARATOR.join(rewritten), custom_patterns=self._expansions).regex_obj.pattern
        except KeyError:
            raise self._unknown_name() from None
        expressions = expanded.replace(f"(?P<{_UNNAMED}>", "(?:").split(self.SEPARATOR)
        patterns = [
            Pattern(definition, without_unnamed_groups(expression), tuple(self._fields[start:end]))
            for definition, expression, (start, end) in zip(definitions, expressions, spans, strict=True)
        ]
        for pattern in () if trusted else patterns:
            try:
                _ = pattern.regex
            except (re.error, regex.error) as error:
                raise self._blame([pattern.definition], error) from None
        return patterns

    def _rewrite(self, part: Definition, chain: tuple[str, ...]) -> str:
        """The expression with a unique group name for each reference. `chain`: the patterns that led here, to find cycles."""

        def reference(match: re.Match[str]) -> str:
            name, field, kind = match.groups()
            if name in chain:
                raise part.error(f"%{{{name}}} refers to itself: {' -> '.join((*chain, name))}")
            alias = name
            if name in self._definitions:
                # Each reference gets a copy, so that a block with fields may be used twice.
                alias = f"{name}__{len(self._expansions)}"
                self._expansions[alias] = ""
                self._expansions[alias] = self._rewrite(self._definitions[name], (*chain, name))
            group = _UNNAMED if field is None else self._group(part, match[0], field, kind)
            return f"%{{{alias}:{group}}}"

        if self.SEPARATOR in part.expression:
            raise part.error(f"{part.name} contains the control character {self.SEPARATOR!r}; write \\x1e")
        if "%{" in _REFERENCE.sub("", part.expression):
            raise part.error("a reference is written %{NAME}, %{NAME:field} or %{NAME:field:type}")
        return _REFERENCE.sub(reference, part.expression)

    def _group(self, part: Definition, whole: str, field: str, kind: str | None) -> str:
        """Check a field and its type; returns the name of a new group for it. `whole` is the reference, for errors."""
        if _BRACKETS.fullmatch(field):
            field = field[1:-1].replace("][", ".")
        if not _FIELD.fullmatch(field):
            raise part.error(f"{whole}: {field!r} is not a field name; write [user][name] or user.name")
        if kind is not None and kind not in self._types:
            raise part.error(f"{whole}: unknown type {kind!r}; known types are {', '.join(sorted(self._types))}")
        if field not in self._known_fields:
            near = get_close_matches(field, self._field_names, 1)
            hint = f"did you mean {near[0]}?" if near else "put your own fields below azure_mfa. or labels."
            raise part.error(f"{whole}: there is no field {field}; {hint}")
        fault = self._check_type(field, kind)
        if fault:
            raise part.error(f"{whole}: {fault}")
        group = f"f{len(self._fields)}"
        self._fields.append((group, field, self._types[kind] if kind else None))
        return group

    def _unknown_name(self) -> PatternError:
        """The error for the first reference to a pattern that does not exist."""
        known = [*self._definitions, *builtin_names()]
        for part in self._definitions.values():
            for name, _, _ in _REFERENCE.findall(part.expression):
                if name not in known:
                    near = get_close_matches(name, known, 1)
                    hint = f"; did you mean %{{{near[0]}}}?" if near else ""
                    return part.error(f"unknown pattern %{{{name}}}{hint}")
        raise AssertionError("pygrok does not know a pattern that exists")

    def _blame(self, definitions: Sequence[Definition], error: Exception) -> PatternError:
        """The error for the definition at fault, which may be a block that the given ones refer to."""
        names = [definition.name for definition in definitions]
        for name in names:
            part = self._definitions.get(name)
            if part is None:
                continue
            names += [inner for inner, _, _ in _REFERENCE.findall(part.expression) if inner not in names]
            try:
                regex.compile(_REFERENCE.sub("x", part.expression))
            except regex.error as part_error:
                return part.error(f"bad expression of {name}: {part_error}")
        return definitions[0].error(f"bad expression of {definitions[0].name}: {error}")


def _compile(expression: str) -> _Regex:
    """Compile with the standard library, which is faster, or with `regex` what the standard library cannot compile.

    Only `regex` knows `[[:alpha:]]`. The standard library gives it another meaning, at best with a warning.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            if not _NAMED_CLASS.search(expression):
                return re.compile(expression)
    except (re.error, FutureWarning):
        pass
    return cast(_Regex, regex.compile(expression))
