"""Texts that are cut at marks, and joined again with other values. Part of the fast path, see `templates.py`. Pure."""

from collections.abc import Sequence

import orjson

from shipper.decode.ecs import shared_json
from shipper.model import User

Pieces = tuple[str, ...]


def user_pieces(name: str, domain: str | None, email: str | None) -> Pieces:
    """The JSON text of a user's fields, cut at name, domain and e-mail address; None for a part that the user lacks."""
    values = [value and f"mark-{value}" for value in (name, domain, email)]
    text = shared_json(User(values[0] or "", values[1], values[2], ""), None)
    marks = [value for value in values if value]
    pieces = cut(text, [*marks, marks[0], *marks[2:]])
    assert pieces is not None
    return pieces


def cut(text: str, marks: Sequence[str]) -> Pieces | None:
    """The text before, between and after the marks, which must appear in this order; None if a mark is missing."""
    pieces = []
    for mark in marks:
        piece, found, text = text.partition(mark)
        if not found:
            return None
        pieces.append(piece)
    return (*pieces, text)


def weave(pieces: Pieces, values: Sequence[str]) -> str:
    """Join the pieces, with a value in each gap."""
    parts = [""] * (len(pieces) + len(values))
    parts[::2], parts[1::2] = pieces, values
    return "".join(parts)


def process_json(pid: str, tid: str | None) -> str:
    """The process fields of an event as JSON members with a trailing comma."""
    thread = {} if tid is None else {"thread": {"id": int(tid)}}
    return orjson.dumps({"process": {"pid": int(pid), **thread}})[1:-1].decode() + ","


def text_of(latin_1: str) -> str:
    """Decode UTF-8 that was read as latin-1; return an empty text for anything else."""
    try:
        return latin_1.encode("latin-1").decode()
    except UnicodeError:
        return ""


def json_inside(text: str) -> str:
    """A text as JSON without its quotes, one character for each byte."""
    return orjson.dumps(text).decode("latin-1")[1:-1]
