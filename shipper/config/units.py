"""Values as people write them, in the configuration and on the command line: `60s`, `1MiB`, a namespace. Pure.

Each rule is checked here and nowhere else; the ValueError says what was expected.
"""

from shipper.detect import DETECTORS
from shipper.times import SECOND

_TIMES = {"us": 1000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": 86_400 * SECOND}
_SIZES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1000, "mb": 1000_000, "gb": 1000_000_000}

DURATION = "^[0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d)?$"
"""A regular expression of durations, for schemas."""

SIZE = "^[0-9]{1,12} ?([kKmMgG][iI]?)?[bB]?$"
"""A regular expression of sizes, for schemas."""

NAMESPACE = '^[^A-Z\\\\/*?"<>| ,#:\\-]{1,100}$'
"""A regular expression of namespaces, for schemas; it lets capitals pass that are not ASCII."""


def duration(text: str) -> int:
    """Nanoseconds of `60s`, `10m`, `500ms`; a bare number is seconds.

    Raises:
        ValueError: not a duration.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _TIMES.get(text[len(number) :] or "s")
    try:
        value = round(float(number) * unit) if unit else -1
    except (ValueError, OverflowError):
        value = -1
    if not 0 <= value < 1 << 62:
        raise ValueError(f"{text!r} is not a duration; write 60s, 10m, 500ms or 1h")
    return value


def size(text: str, least: int = 16, most: int = 1 << 30) -> int:
    """Bytes of `1MiB`, `64KiB`; a bare number is bytes.

    Raises:
        ValueError: not a size from `least` to `most`.
    """
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    unit = _SIZES.get(text[len(number) :].strip().lower())
    number = number.strip()
    if (
        not (number.isascii() and number.isdecimal())
        or len(number) > 12
        or unit is None
        or not least <= int(number) * unit <= most
    ):
        raise ValueError(f"{text!r} is not a size from {least} to {_size_text(most)}; write 1MiB or 65536")
    return int(number) * unit


def _size_text(value: int) -> str:
    return f"{value >> 30}GiB" if value % (1 << 30) == 0 else str(value)


def namespace(text: str) -> str:
    """The namespace of a data stream, as Elasticsearch accepts it.

    Raises:
        ValueError: not a namespace.
    """
    if text != text.lower() or not 1 <= len(text) <= 100 or set(text) & set('\\/*?"<>| ,#:-'):
        raise ValueError(
            f"{text!r} is not a data stream namespace; write up to 100 lower-case characters, "
            'without spaces or any of -\\/*?"<>|,#:'
        )
    return text


def detectors(text: str) -> tuple[str, ...]:
    """The detectors that `double_prompt,NAME` lists.

    Raises:
        ValueError: one of them does not exist.
    """
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in DETECTORS:
            raise ValueError(f"there is no detector {name!r}; there are: {', '.join(DETECTORS)}")
    return names
