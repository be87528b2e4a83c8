"""What to follow, and what is said of it. No behaviour."""

from dataclasses import dataclass

CROWDED = "there are more logs than may be open at once: some wait until others are read; raise the limit of open files"


@dataclass(frozen=True, slots=True)
class TailInput:
    """One glob to follow.

    Attributes:
        path: the glob; it may match nothing yet.
        start: `beginning` or `end`, for files without a place that are there at the first look.
        encoding: `auto`, or that of a log without a byte order mark.
        exclude: globs of files that are not read although `path` matches them.
    """

    path: str
    start: str = "beginning"
    encoding: str = "auto"
    exclude: tuple[str, ...] = ()
