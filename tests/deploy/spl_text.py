"""Texts of SPL cut apart, with a regard for quotes and brackets."""

import re

from tests.deploy.spl_eval import SplError

WORD = re.compile(r'"([^"]*)"|([^\s,"]+)')
CLOSING = {"(": ")", "[": "]"}


def pieces(text: str, separator: str) -> list[str]:
    """Split at a separator that stands in no quotes and no brackets."""
    found, waiting, start, at = [], [], 0, 0
    while at < len(text):
        letter = text[at]
        if letter == '"':
            at += 1
            while at < len(text) and text[at] != '"':
                at += 2 if text[at] == "\\" else 1
            if at >= len(text):
                raise SplError(f"a quote without end: {text}")
        elif letter in CLOSING:
            waiting.append(CLOSING[letter])
        elif letter in ")]":
            if not waiting or waiting.pop() != letter:
                raise SplError(f"a bracket too many: {text}")
        elif letter == separator and not waiting:
            found.append(text[start:at])
            start = at + 1
        at += 1
    if waiting:
        raise SplError(f"a bracket without end: {text}")
    return [*found, text[start:]]


def subsearches(text: str) -> tuple[list[str], str]:
    """The searches in square brackets, and the text without them. Brackets in quotes are text."""
    found, outside, depth, quoted, start = [], "", 0, False, 0
    for at, letter in enumerate(text):
        if letter == '"' and text[at - 1 : at] != "\\":
            quoted = not quoted
        if letter == "[" and not quoted:
            depth += 1
            start = at + 1 if depth == 1 else start
        elif letter == "]" and not quoted:
            depth -= 1
            if depth == 0:
                found.append(text[start:at])
        elif depth == 0:
            outside += letter
    return found, outside


def words(text: str) -> list[str]:
    """Names between spaces and commas, without their quotes."""
    return [quoted or plain for quoted, plain in WORD.findall(text)]


def options(text: str) -> dict[str, str]:
    """What is written as name=value."""
    return {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|(\S+))', text)}
