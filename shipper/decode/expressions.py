"""Inspects regular expressions as text, without compiling them. Pure."""

import re

_CLASS = r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*+\]"
_GROUP = re.compile(rf"\\.|{_CLASS}|\((?!\?)", re.S)
_STRUCTURE = re.compile(rf"\\.|{_CLASS}|[()|?*{{]|[^()|?*{{\\[]+", re.S)
_OPENING = re.compile(r"(?:\(\?(?::|>|s:|P<\w+>))*")
_LITERAL = re.compile(r"(?:[\w ]|\\[^\w])*")
_STRANGE = re.compile(r"\(\?(?![:=!<>P]|s:)")  # flags, conditions, comments


def without_unnamed_groups(expression: str) -> str:
    """The expression with its unnamed groups made non-capturing.

    This renumbers the groups, so an expression with a back reference is left unchanged.
    """
    if re.search(r"(?<!\\)(?:\\\\)*\\[1-9]", expression):
        return expression
    return _GROUP.sub(lambda part: "(?:" if part[0] == "(" else part[0], expression)


def beginning(expression: str) -> str:
    """The literal text that every match begins with, as far as that is easy to see; it may be empty."""
    opening = _OPENING.match(expression)
    assert opening is not None  # it may be empty
    literal = _LITERAL.match(expression, opening.end())
    assert literal is not None
    if not literal[0] or _STRANGE.search(expression):
        return ""
    text = re.sub(r"\\(.)", r"\1", literal[0], flags=re.S)
    depth = entered = opening[0].count("(")  # the groups around the text that are still open
    may_lack, closed = expression[literal.end() : literal.end() + 1] in ("?", "*", "{"), False
    for part in _STRUCTURE.findall(expression, literal.end()):
        if (closed and part in ("?", "*", "{")) or (part == "|" and depth <= entered):
            return ""
        depth += (part == "(") - (part == ")")
        closed = depth < entered
        entered = min(entered, depth)
    return text[:-1] if may_lack else text
