"""Replaces users and addresses inside messages and original lines by their pseudonyms. Pure.

A text may spell a name in any case, and escape it as JSON or XML does. So the search covers the text as it is and after
removing each layer of escapes, casefolded each time; the replacements are made in the original text.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from shipper.decode.facts import TYPES
from shipper.decode.principal import split_principal
from shipper.model import User

Hide = Callable[[str], str]  # from an identity to its pseudonym
FieldsOf = Callable[[User], Mapping[str, str]]  # from a user to the fields below `user` with pseudonyms
Span = tuple[int, int, int, str]  # start and end of a replacement in a text, its rank, and the new text

MASK = "*"
PART, LIKELY, USER = 1, 2, 3  # ranks: a part of a name, what looks like a user, a whole user
_LAYERS = 3  # of escapes at most: a line inside JSON inside JSON
_LONG = 64  # characters; a longer name need not stand alone, so that the time stays linear
_QUOTES = "'\"`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f"
_QUOTATION = frozenset(_QUOTES)
_CHARACTER, _WORD = re.compile(r".", re.DOTALL), re.compile(r"\w+")
_ESCAPE = re.compile(
    r"\\u[Dd][89ABab][0-9A-Fa-f]{2}\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\[\"\\/bfnrt]"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos);"
)
_JSON = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_TELLING = re.compile(r"[^\x00-/:-@\[-`{-\x7f]")  # whatever is not ASCII punctuation or a control character

_ADDRESS = re.compile(
    r"(?<![\w.:])(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?[0-9])"
    r"|(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{2,39}(?:\.[0-9]{1,3}){0,3})(?!\w)"
)
_LIKE_A_USER = re.compile(
    rf"(?<=pfAuthUser\()[{_QUOTES}]{{1,2}}+(?P<called>.{{1,256}}?)(?=[{_QUOTES}]{{1,2}}[,)])"
    rf"|(?<=[Uu]ser )(?:[{_QUOTES}]{{1,2}}+(?P<quoted>.{{1,256}}?)(?=[{_QUOTES}]{{1,2}}(?:[ .]|$))"
    r"|(?P<bare>\S.{0,255}?)(?= with | updated authentication| ?::))"
    r"|(?<![\w.@+-])(?P<email>[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8})"
    r"|(?<![\w.:\\-])(?P<account>[\w.-]{1,64}\\{1,2}[\w.$-]{1,64})(?!\\)"
)


class Mention(NamedTuple):
    """A name to look for, and its replacement.

    Attributes:
        name: the name, casefolded.
        pseudonym: the replacement.
        rank: `USER` or `PART`.
        ambiguous: the text may mean something else, so it counts only in quotes or after the word `user`.
    """

    name: str
    pseudonym: str
    rank: int
    ambiguous: bool


def principal(user: Mapping[str, str]) -> str:
    """A user as a log writes one, from the fields below `user`."""
    if "email" in user:
        return user["email"]
    return f"{user['domain']}\\{user['name']}" if "domain" in user else user["name"]


def mentions_of(user: User, fields: Mapping[str, str]) -> list[Mention]:
    """The names that a text may use for a user: e-mail address, `domain\\name`, the name alone and the domain alone.

    A name of one or two letters, or of up to four digits, is ambiguous. `fields` are the fields below `user` with pseudonyms.
    """
    name, domain = fields["name"], fields.get("domain")
    whole = USER if domain is None else PART
    found = [Mention(user.name.casefold(), name, whole, _is_ambiguous(user.name))]
    if user.email is not None:
        found.append(Mention(user.email.casefold(), fields["email"], USER, ambiguous=False))
    if user.domain is not None and domain is not None:
        found.append(Mention(f"{user.domain}\\{user.name}".casefold(), f"{domain}\\{name}", USER, ambiguous=False))
        found.append(Mention(f"{user.name}@{user.domain}".casefold(), f"{name}@{domain}", USER, ambiguous=False))
        found.append(Mention(user.domain.casefold(), domain, PART, _is_ambiguous(user.domain)))
    return found


def _is_ambiguous(name: str) -> bool:
    return len(name) < (5 if name.isdigit() else 3 if name.isascii() else 2)


def replace_users(text: str, mentions: Sequence[Mention], fields_of: FieldsOf) -> str:
    """Replace mentions, and every mention of whatever else looks like a user, by pseudonyms."""
    likely = likely_users(text, fields_of)
    spans = [span for span, _ in likely]
    known = {mention.name for mention in mentions}
    others = {mention for _, user in likely for mention in mentions_of(user, fields_of(user)) if mention.name not in known}
    folded = text.casefold()
    if others or "\\" in text or "&" in text or any(name in folded for name in known):
        for view in map(_folded, _views(text)):
            for mention in (*mentions, *others):
                spans += _found(view, mention)
    return "".join(_replaced(text, spans, lambda between: between)) if spans else text


def mask(text: str, fields_of: FieldsOf) -> str:
    """Mask every letter and digit of a text that no pattern matched; what looks like a user gets a pseudonym."""
    spans = [span for span, _ in likely_users(text, fields_of)]
    return "".join(_replaced(text, spans, lambda between: _TELLING.sub(MASK, between)))


def mask_quotations(text: str, quoted: str) -> str:
    """Mask the words of a text that are words of `quoted`, or the beginning of such a word."""
    words = "\n".join(["", *set(_WORD.findall(quoted.casefold()))])
    return _WORD.sub(lambda word: MASK * len(word[0]) if f"\n{word[0].casefold()}" in words else word[0], text)


def likely_users(text: str, fields_of: FieldsOf) -> list[tuple[Span, User]]:
    """What looks like a user, with its span: an e-mail address, `domain\\name`, a name after `user` or `pfAuthUser(`."""
    if "@" not in text and "\\" not in text and "user" not in text.lower():
        return []
    view = _whole(text)
    if text.startswith(("{", "[", "<")):
        *_, view = _views(text)
    likely: list[tuple[Span, User]] = []
    for found in _LIKE_A_USER.finditer(view.text):
        group = found.lastgroup or ""
        user = split_principal(found[group].replace("\\\\", "\\"))
        if user is not None:
            likely.append(((*view.place(*found.span(group)), LIKELY, principal(fields_of(user))), user))
    return likely


class _View(NamedTuple):
    """A text without some layers of escapes, and where each of its characters starts in the original text."""

    text: str
    starts: Sequence[int]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original text of a span in this view."""
        first, last = self.starts[start], self.starts[end - 1]
        while self.starts[end] == last:
            end += 1
        return first, self.starts[end]

    def changed(self, change: Callable[[str], str], parts: "re.Pattern[str]") -> "_View":
        """The view with each match of `parts` changed."""
        pieces: list[str] = []
        starts: list[int] = []
        at = 0
        for part in parts.finditer(self.text):
            piece = change(part[0])
            pieces += self.text[at : part.start()], piece
            starts += self.starts[at : part.start()]
            starts += [self.starts[part.start()]] * len(piece)
            at = part.end()
        return _View("".join([*pieces, self.text[at:]]), [*starts, *self.starts[at:]])


def _whole(text: str) -> _View:
    return _View(text, range(len(text) + 1))


def _views(text: str) -> Iterator[_View]:
    """Yield a text as it is, then without its escapes, layer by layer."""
    view = _whole(text)
    yield view
    for _ in range(_LAYERS):
        if _ESCAPE.search(view.text) is None:
            return
        view = view.changed(_unescaped, _ESCAPE)
        yield view


def _unescaped(escape: str) -> str:
    if escape.startswith("&"):
        return html.unescape(escape)
    if escape.startswith("\\u"):
        return bytes.fromhex(escape.replace("\\u", "")).decode("utf-16-be", "surrogatepass")
    return _JSON.get(escape[1], escape[1])


def _folded(view: _View) -> _View:
    text = view.text.casefold()
    return _View(text, view.starts) if len(text) == len(view.text) else view.changed(str.casefold, _CHARACTER)


def _found(folded: _View, mention: Mention) -> Iterator[Span]:
    """Yield the spans where a view has the name of a mention as a word of its own."""
    text, (name, pseudonym, rank, ambiguous) = folded.text, mention
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        alone = _is_quoted(text, at, end) if ambiguous else len(name) > _LONG or _stands_alone(text, at, end)
        if alone:
            yield (*folded.place(at, end), rank, pseudonym)
        at = text.find(name, end if alone else at + 1)


def _is_quoted(text: str, start: int, end: int) -> bool:
    if text.endswith("user ", 0, start):
        return _stands_alone(text, start, end)
    return text[start - 1 : start] in _QUOTATION and text[end : end + 1] in _QUOTATION


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, behind = start > 0 and _joins(text[start - 1]), end < len(text) and _joins(text[end])
    return not (before and _joins(text[start])) and not (behind and _joins(text[end - 1]))


def _joins(character: str) -> bool:
    """True for a character that forms a word with a letter beside it. A script without case may not separate words."""
    return character == "_" or character.isdecimal() or character.upper() != character.lower()


def _replaced(text: str, spans: Iterable[Span], between: Callable[[str], str]) -> Iterator[str]:
    """Yield the pieces of a text, with spans replaced and the rest changed by `between`. Of overlapping spans, the one of
    the highest rank wins, then the longest."""
    at = 0
    for start, end, pseudonym in _joined(sorted(spans)):
        yield between(text[at:start])
        yield pseudonym
        at = end
    yield between(text[at:])


def _joined(spans: Iterable[Span]) -> Iterator[tuple[int, int, str]]:
    start, end, best = 0, 0, (0, 0, "")
    for span_start, span_end, rank, pseudonym in spans:
        if span_start >= end:
            if end:
                yield start, end, best[2]
            start, best = span_start, (0, 0, "")
        end = max(end, span_end)
        best = max(best, (rank, span_end - span_start, pseudonym))
    if end:
        yield start, end, best[2]


def replace_addresses(text: str, hide: Hide) -> str:
    """Replace each IP address, whoever has it, by its pseudonym; `hide` receives the canonical spelling."""
    return _ADDRESS.sub(lambda found: replaced_address(found[0], hide), text)


def replaced_address(text: str, hide: Hide) -> str:
    """The pseudonym of an IP address; any other text unchanged."""
    usual = TYPES["ip"]
    assert usual is not None
    address = usual(text)
    return text if address is None else hide(address)
