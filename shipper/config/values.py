"""The types of values in the configuration file: how each is written, and how it is converted; and what all sections
have in common. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from shipper.config import addresses, units

Positive = Annotated[int, Meta(ge=1)]


class Section(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A section; an unknown key in it is an error."""


def hidden_default(value: int) -> Any:
    """A default that the schema leaves out, because it has another unit there."""
    return msgspec.field(default_factory=lambda: value)


class Secret:
    """A text that is never printed."""

    def __init__(self, value: str) -> None:
        """
        Raises:
            ValueError: the text is empty.
        """
        if not value:
            raise ValueError("it may not be empty")
        self.value = value

    def __repr__(self) -> str:
        return "'***'"


@dataclass(frozen=True, slots=True)
class Written:
    """How a value is written in the file.

    Attributes:
        read: converts the text to the value; a ValueError says what was expected.
        example: sample texts, for a value that may also be a number; None: only a text is valid.
    """

    read: Callable[[str], object]
    example: str | None = None


def _about(text: str, **schema: object) -> Meta:
    """Describe a type for the schema; `written`: its types in the file, if they differ."""
    return Meta(description=text, extra_json_schema=schema or None)


Duration = Annotated[  # in nanoseconds
    int,
    Written(units.duration, "a duration such as 60s or 500ms"),
    _about("`60s`, `500ms`, or a number of seconds.", written=["string", "number"], pattern=units.DURATION, minimum=0),
]
Size = Annotated[  # in bytes
    int,
    Written(units.size, "a size such as 1MiB or 65536"),
    _about("`1MiB`, or a number of bytes.", written=["string", "integer"], pattern=units.SIZE, minimum=1),
]
Name = Annotated[str, Written(units.name), Meta(min_length=1)]
SecretText = Annotated[Secret, Written(Secret), _about("A secret; better as ${NAME} or ${file:PATH} than in the file.")]
Namespace = Annotated[
    str,
    Written(units.namespace),
    _about('The namespace of a data stream: lower case, without -, spaces or any of \\/*?"<>|,#:', pattern=units.NAMESPACE),
]
FilePath = Annotated[str, Written(units.file_path), _about("A path; `~` is your home.")]
RotatedPath = Annotated[  # of a file that a sink writes; the names of rotated files and of the lock are longer by up to 25 bytes
    str, Written(partial(units.file_path, longest=230)), _about("A path; `~` is your home.")
]
ExistingFile = Annotated[
    str, Written(units.existing_file), _about("A path of a file that is there at the start; `~` is your home.")
]
ExistingFolder = Annotated[
    str, Written(units.existing_folder), _about("A path of a folder that is there at the start; `~` is your home.")
]
Glob = Annotated[
    str, Written(units.glob_path), _about("A path, or a glob with `*`, `?`, `[a-z]`, and `**` for folders; `~` is your home.")
]
IpAddress = Annotated[str, Written(addresses.ip), _about("An address of IPv4 or IPv6.", pattern=addresses.IP)]
Address = Annotated[str, Written(addresses.address), _about("`HOST:PORT`", pattern=addresses.ADDRESS)]
ListenAddress = Annotated[
    str,
    Written(addresses.listen_address),
    _about("`HOST:PORT`; port 0 lets the system choose.", pattern=addresses.ADDRESS),
]
Url = Annotated[
    str,
    Written(addresses.url),
    _about("`https://HOST:PORT`, perhaps with a path.", pattern=addresses.URL.replace("?P<host>", "").replace("?P<port>", "")),
]
Topic = Annotated[
    str, Written(units.topic), _about("The name of a topic: letters of ASCII, digits, `.`, `_` and `-`.", pattern=units.TOPIC)
]
Zone = Annotated[str, Written(units.zone), _about("A time zone: `Europe/Berlin`, or `+01:00`.")]
ChannelName = Annotated[
    str, Written(units.channel), _about("An event log channel of Windows, such as `Microsoft-AzureMfa-AuthZ/AuthZOptCh`.")
]
Query = Annotated[str, Written(units.xpath), _about("An XPath expression, such as `*[System[EventID=1]]`.")]
