"""Parse values as people write them, in the configuration and on the command line: `60s`, `1MiB`, a name, a path.

All rules for such values are here, or in `addresses.py`; a ValueError says what was expected.
"""

import os
import re

from shipper.decode.library import zone_of
from shipper.detect import DETECTORS
from shipper.errors import UsageError
from shipper.times import SECOND, to_utc

_TIMES = {"us": 1000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_SIZES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1000, "mb": 1000_000, "gb": 1000_000_000}

DURATION = "^[0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d)?$"
"""A regular expression of durations, for schemas."""

SIZE = "^[0-9]{1,12} ?([kKmMgG][iI]?)?[bB]?$"
"""A regular expression of sizes, for schemas."""

NAMESPACE = '^[^A-Z\\\\/*?"<>| ,#:\\-]{1,100}$'
"""A regular expression of namespaces, for schemas; it accepts capitals that are not ASCII."""

TOPIC = "^[A-Za-z0-9._-]{1,249}$"
"""A regular expression of the names of topics, for schemas."""

LONGEST_PATH = 4000
"""Bytes. Linux allows 4,095, including the names of files created in a folder."""

HOUR = 3600 * SECOND


def duration(text: str) -> int:
    """Nanoseconds of `60s`, `10m`, `500ms`; a bare number is seconds.

    Raises:
        ValueError: not a duration.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    value = round(float(number) * _TIMES[text[len(number) :] or "s"]) if re.fullmatch(DURATION, text, re.ASCII) else -1
    if not 0 <= value < 1 << 62:
        raise ValueError(f"{text!r} is not a duration; write 60s, 10m, 500ms or 1h")
    return value


def size(text: str) -> int:
    """Bytes of `1MiB`, `64KiB`; a bare number is bytes.

    Raises:
        ValueError: not a size.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = _SIZES.get(text[len(number) :].strip().lower())
    number = number.strip()
    if not (number.isascii() and number.isdecimal()) or len(number) > 12 or unit is None:
        raise ValueError(f"{text!r} is not a size; write 1MiB or 65536")
    return int(number) * unit


def line_limit(text: str) -> int:
    """The size at which a line is cut.

    Raises:
        ValueError: not a size from 16 bytes to 1 GiB.
    """
    value = size(text)
    if not 16 <= value <= 1 << 30:
        raise ValueError(f"{text!r} is not from 16 bytes to 1GiB; write 1MiB or 65536")
    return value


_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2})(?:(:[0-9]{2})(\.[0-9]{1,9})?)? ?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def moment(text: str) -> str:
    """An ISO 8601 date or time as a text that sorts by time: in UTC, without Z and without trailing zeros in its fraction.
    A date means its first moment; a time without a zone is UTC.

    Raises:
        ValueError: not a date or time.
    """
    match = _MOMENT.fullmatch(text.strip())
    day, minute, second, fraction, zone = match.groups() if match else ("", "", "", "", "")
    if zone and len(zone) == 5:
        zone = f"{zone[:3]}:{zone[3:]}"
    stamp = to_utc(f"{day}T{minute or '00:00'}{second or ':00'}{fraction or ''}{zone or 'Z'}")
    if stamp is None:
        raise ValueError(
            f"{text!r} is no date or time; write 2017-02-14, 2017-02-14T02:57 or 2017-02-14T02:57:19.5+01:00 (without a zone: UTC)"
        )
    whole, _, digits = stamp[:-1].partition(".")
    return f"{whole}.{digits}".rstrip("0").rstrip(".") if digits else whole


def name(text: str) -> str:
    """A name.

    Raises:
        ValueError: it is blank, or holds control characters or bytes that are not UTF-8.
    """
    if not text.strip():
        raise ValueError("it may not be empty")
    if has_control(text):
        raise ValueError(f"{text!r} holds control characters")
    if not _is_text(text):
        raise ValueError(f"{text!r} is not UTF-8")
    return text


def has_control(text: str) -> bool:
    """True if a text holds control characters, such as the end of a line."""
    return any(sign < " " or sign == "\x7f" for sign in text)


def _is_text(text: str) -> bool:
    """False if a text holds bytes that are not UTF-8, as a command line may."""
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def channel(text: str) -> str:
    """The name of a Windows event log channel.

    Raises:
        ValueError: no channel can have this name.
    """
    if not text.strip() or len(text) > 255 or any(sign < " " or sign in '<>&"|\\:`?*' for sign in text):
        raise ValueError(f"{text!r} is no name of an event log channel; write it as in Microsoft-AzureMfa-AuthZ/AuthZOptCh")
    return text.strip()


def xpath(text: str) -> str:
    """An XPath expression for records of an event log. Only its beginning is checked; Windows checks the rest.

    Raises:
        ValueError: not such an expression.
    """
    if text.lstrip().startswith("<"):
        raise ValueError(
            "an XPath expression was expected, such as *[System[EventID=1]]: what stands between <Select> and </Select>"
        )
    if not text.lstrip().startswith("*"):
        raise ValueError(f"{text!r} is no query for records; write it as in *[System[EventID=1]]")
    return text.strip()


def topic(text: str) -> str:
    """The name of a topic, as Kafka accepts it.

    Raises:
        ValueError: not a name of a topic.
    """
    if not re.fullmatch(TOPIC, text, re.ASCII) or text in (".", ".."):
        raise ValueError(f"{text!r} is no name of a topic; Kafka takes up to 249 of A-Z, a-z, 0-9, '.', '_' and '-'")
    return text


def file_path(text: str, longest: int = 255) -> str:
    """A path with `~` expanded. Reads the environment.

    Args:
        text: the path as written.
        longest: the most bytes in each name of the path.

    Raises:
        ValueError: not a path, or too long.
    """
    if not text.strip() or "\0" in text:
        raise ValueError("a path was expected")
    if any(sign < " " or sign in "\x7f\x85\u2028\u2029" for sign in text):
        raise ValueError(
            f"{text!r} holds control characters; in double quotes a backslash and a letter stand for one: put a path in single quotes"
        )
    expanded = os.path.expanduser(text)
    if expanded.startswith("~"):
        raise ValueError(
            f"there is no user {text.partition('/')[0].removeprefix('~')!r} whose home it could be; write ./{text} for such a name"
        )
    names = [len(name.encode("utf-8", "replace")) for name in expanded.split(os.sep)]
    if max(names) > longest or sum(names) + len(names) > LONGEST_PATH:
        raise ValueError(f"it is too long: each name in it may have {longest} bytes, and the whole {LONGEST_PATH}")
    return expanded


def existing_file(text: str) -> str:
    """The path of a readable file, with `~` expanded. Looks at the disk.

    Raises:
        ValueError: there is no such file, or it cannot be read.
    """
    path = file_path(text)
    if not os.path.isfile(path):
        raise ValueError(f"there is no file {text}")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{text} cannot be read: permission denied")
    return path


def existing_folder(text: str) -> str:
    """The path of a folder, with `~` expanded. Looks at the disk.

    Raises:
        ValueError: there is no such folder.
    """
    path = file_path(text)
    if not os.path.isdir(path):
        raise ValueError(f"there is no folder {text}")
    return path


def zone(text: str) -> str:
    """A time zone that this machine knows: `Europe/Berlin`, or `+01:00`.

    Raises:
        ValueError: it is malformed or unknown.
    """
    try:
        zone_of(text, "")
    except UsageError as error:
        raise ValueError(str(error).removeprefix(": ")) from None
    return text


def glob_path(text: str) -> str:
    """A path or a glob, with `~` expanded. Reads the environment, and for braces looks at the disk.

    Raises:
        ValueError: not a path, or a glob with braces.
    """
    expanded = file_path(text)
    if re.search(r"\{[^{}]*,[^{}]*\}", expanded) and not os.path.lexists(expanded):
        raise ValueError(f"{text!r}: braces mean nothing in a glob here; write an entry for each of the names")
    return expanded


def most_listed(text: str) -> int:
    """How many rows a report lists at most.

    Raises:
        ValueError: not a number from 1 to 100,000.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and 1 <= int(text) <= 100_000):
        raise ValueError(f"{text!r} is not a number from 1 to 100,000")
    return int(text)


def namespace(text: str) -> str:
    """The namespace of a data stream, as Elasticsearch accepts it.

    Raises:
        ValueError: not a namespace.
    """
    if text != text.lower() or not 1 <= len(text) <= 100 or set(text) & set('\\/*?"<>| ,#:-') or not _is_text(text):
        raise ValueError(
            f"{text!r} is not a data stream namespace; write up to 100 lower-case characters, "
            'without spaces or any of -\\/*?"<>|,#:'
        )
    return text


def detectors(text: str) -> tuple[str, ...]:
    """The detectors in a list such as `double_prompt,NAME`.

    Raises:
        ValueError: a detector does not exist.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in DETECTORS:
            raise ValueError(f"there is no detector {name!r}; there are: {', '.join(DETECTORS)}")
    return names
