"""Replaces users and addresses in events by pseudonyms, which show that events are of one person but not of whom. Pure.

A pseudonym is the HMAC-SHA-256 of the casefolded identity. A user's identity is `domain\\name` or the bare name, as the
detectors compare it, so a person has the same pseudonym in every field, event and log. An address becomes one of
2001:db8::/32, which no machine has and every data store accepts as an address.

Events are rewritten last, after detectors and filters have seen the names. An event that names no user may still have
names in its texts, so every letter and digit there is masked. `deploy/docs/pseudonyms.md` lists what is left as it is.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from shipper.decode.principal import split_principal, user_key
from shipper.emit.mentions import (
    PART,
    FieldsOf,
    Mention,
    mask,
    mask_quotations,
    mentions_of,
    replace_addresses,
    replace_users,
    replaced_address,
)
from shipper.memo import Memo
from shipper.model import Document, Label, User

USERS, ADDRESSES = "user", "source.ip"
FIELDS = (USERS, ADDRESSES)
SHORTEST_KEY = 16  # bytes

_NETWORK = int(ipaddress.IPv6Address("2001:db8::"))
_NOBODY = re.compile(r"-?[0-9]{0,3}|true|false|yes|no", re.IGNORECASE)  # values that identify nobody
_NAMELESS_FIELDS = {"exchange", "status", "nps"}  # below `azure_mfa`: no names
_HEAD = re.compile(
    r"[0-9T:.Z-]{1,40}\|\w?\|[0-9]*\|[0-9]*\|\w{1,128}\|(?:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\|)?"
)
_NAMELESS_MESSAGE = re.compile(r"(?:(?:authResult|rawCallStatus) ?= ?-?[0-9]+)?")

Rewrite = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Which fields to hide, and the key. Whoever has the key can test whether a pseudonym belongs to a name.

    Attributes:
        key: at least `SHORTEST_KEY` bytes.
        fields: `user`, `source.ip`, or both.
    """

    key: bytes = field(repr=False)
    fields: tuple[str, ...] = FIELDS


class Pseudonymizer:
    """Rewrites events and their labels; `event.id` and everything else that identifies the event stays.

    `masked` counts the events whose texts were masked.
    """

    REMEMBERED = 8192

    def __init__(self, chosen: Pseudonyms) -> None:
        self.masked = 0
        self.users = USERS in chosen.fields
        self._addresses = ADDRESSES in chosen.fields
        self._digests = digests = Memo(_digest(chosen.key), self.REMEMBERED)
        self._fields_of = fields_of = _fields_with(digests)
        self._mentions = Memo(_mentions_with(fields_of), self.REMEMBERED)

    def __call__(self, texts: list[str], labels: list[Label]) -> tuple[list[str], list[Label]]:
        """The events and their labels, with pseudonyms instead of names."""
        rewritten = [self._rewrite(text, label) for text, label in zip(texts, labels, strict=True)]
        return [text for text, _ in rewritten], [label for _, label in rewritten]

    def name(self, text: str) -> str:
        """The `user.name` that replaces a user as people write one."""
        user = split_principal(text) if self.users else None
        return text if user is None else self._fields_of(user)["name"]

    def address(self, text: str) -> str:
        """The `source.ip` that replaces an address."""
        return replaced_address(text, self._address) if self._addresses else text

    def _rewrite(self, text: str, label: Label) -> tuple[str, Label]:
        document: Document = orjson.loads(text.encode("latin-1"))
        time, event_id, origin, key = label
        if self.users:
            self._hide_users(document)
            user = document.get("user", {})
            key = user_key(user["name"], user.get("domain")) if key is not None and "name" in user else None
        if self._addresses:
            self._hide_addresses(document)
        return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE).decode("latin-1"), (time, event_id, origin, key)

    def _hide_users(self, document: Document) -> None:
        fields: Document = document.get("user", {})
        named = [part for part in (fields, fields.get("target", {})) if "name" in part]
        users = tuple(map(_user, named))
        if not users:
            self._mask(document)
            return
        for part, user in zip(named, users, strict=True):
            part.update({name: self._digests[value.casefold()] for name, value in part.items() if isinstance(value, str)})
            part.update(self._fields_of(user))
        together = [part[name] for part in named for name in ("name", "email") if name in part]
        document["related"]["user"] = list(dict.fromkeys(together))
        mentions = self._mentions[users] + self._hide_values(document.get("azure_mfa", {}))
        _rewrite_texts(document, lambda text: replace_users(text, mentions, self._fields_of))

    def _hide_values(self, own: Document) -> list[Mention]:
        """Hide what an administrator changed in a user's record, such as a telephone number, and what a request names
        besides the user; return these values as mentions to replace elsewhere in the event."""
        places = [(own.get("change", {}), "from"), (own.get("change", {}), "to"), (own.get("request", {}), "arguments")]
        pseudonyms: dict[str, str] = {}

        def hide(value: str) -> str:
            if not _NOBODY.fullmatch(value):
                pseudonyms[value.casefold()] = self._digests[value.casefold()]
            return pseudonyms.get(value.casefold(), value)

        for part, name in places:
            if name in part:
                part[name] = _rewritten(part[name], hide)
        return [Mention(value, pseudonym, PART, ambiguous=True) for value, pseudonym in pseudonyms.items()]

    def _mask(self, document: Document) -> None:
        """Mask the texts of an event that names no user."""
        event, error = document["event"], document.get("error", {})
        message, original = document.get("message", ""), event.get("original", "")
        masked = {"message": self._masked(message), "original": _rewritten(original, self._masked_line)}
        if (message, original) == tuple(masked.values()) and not error:
            return
        self.masked += 1
        self._hide_values(document.get("azure_mfa", {}))
        for part, name in ((document, "message"), (event, "original")):
            if name in part:
                part[name] = masked[name]
        if "message" in error:
            error["message"] = mask_quotations(error["message"], str(_rewritten(original, _behind_head)) or message)

    def _masked(self, message: str) -> str:
        return message if _NAMELESS_MESSAGE.fullmatch(message) else mask(message, self._fields_of)

    def _masked_line(self, line: str) -> str:
        message = _behind_head(line)
        return line.removesuffix(message) + self._masked(message)

    def _hide_addresses(self, document: Document) -> None:
        source, related = document.get("source", {}), document.get("related", {})
        if "ip" in source:
            source["ip"] = replaced_address(source["ip"], self._address)
        if "ip" in related:
            related["ip"] = [replaced_address(address, self._address) for address in related["ip"]]
        _rewrite_texts(document, lambda text: replace_addresses(text, self._address))

    def _address(self, usual: str) -> str:
        return str(ipaddress.IPv6Address(_NETWORK | int(self._digests[usual][:24], 16)))


def hidden(user: User, digests: Memo[str, str]) -> dict[str, str]:
    """The fields below `user` with pseudonyms: the person's stands for the name and the local part of the e-mail address."""
    fields = {"name": digests[user.key]}
    if user.domain is not None:
        fields["domain"] = digests[user.domain.casefold()]
    if user.email is not None:
        fields["email"] = f"{fields['name']}@{fields['domain']}" if "domain" in fields else fields["name"]
    return fields


# The functions that a memo calls must not refer to the pseudonymizer: see `Memo`.


def _digest(key: bytes) -> Callable[[str], str]:
    return lambda identity: hmac.new(key, identity.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _fields_with(digests: Memo[str, str]) -> FieldsOf:
    return lambda user: hidden(user, digests)


def _mentions_with(fields_of: FieldsOf) -> Callable[[tuple[User, ...]], list[Mention]]:
    return lambda users: [mention for user in users for mention in mentions_of(user, fields_of(user))]


def _user(fields: Document) -> User:
    name, domain = fields["name"], fields.get("domain")
    return User(name, domain, fields.get("email"), user_key(name, domain))


def _behind_head(line: str) -> str:
    """The text of a line after its time stamp, level, process and component; the whole line if it has no such head."""
    found = _HEAD.match(line)
    return line[found.end() :] if found else line


def _rewrite_texts(document: Document, rewrite: Rewrite) -> None:
    """Rewrite the free texts of an event, which may contain anything."""
    event, own = document["event"], document.get("azure_mfa", {})
    if "original" in event:
        event["original"] = _rewritten(event["original"], rewrite)
    for name in document.keys() & {"message", "error"}:
        document[name] = _rewritten(document[name], rewrite)
    if event["kind"] == "event":  # the only text of a finding is its message
        for name in own.keys() - _NAMELESS_FIELDS:
            own[name] = _rewritten(own[name], rewrite)


def _rewritten(value: Any, rewrite: Rewrite) -> Any:
    if isinstance(value, str):
        return rewrite(value)
    if isinstance(value, list):
        return [_rewritten(inner, rewrite) for inner in value]
    if isinstance(value, dict):
        return {name: _rewritten(inner, rewrite) for name, inner in value.items()}
    return value
