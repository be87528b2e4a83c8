"""The files that a shipper writes. No input may match one, or the shipper would read its own output endlessly. I/O."""

import glob
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from shipper.config.sections import Config
from shipper.deliver.dead_letters import NAME as DEAD_LETTERS
from shipper.errors import UsageError
from shipper.lock import lock_beside
from shipper.read.inputs import FileId, TailInput, file_id, find
from shipper.read.rotation import compared, is_log
from shipper.sidecar.checkpoint import NAME as CHECKPOINT
from shipper.sidecar.following import number_of
from shipper.sidecar.lock import NAME as LOCK
from shipper.sidecar.log import SERVICE_LOG
from shipper.sidecar.transactional_id import NAME as TRANSACTIONAL_ID

STATE = (
    DEAD_LETTERS,
    f"{DEAD_LETTERS}.new",
    CHECKPOINT,
    f"{CHECKPOINT}.1",
    f"{CHECKPOINT}.new",
    f"{CHECKPOINT}.damaged-1",
    LOCK,
    TRANSACTIONAL_ID,
    f"{TRANSACTIONAL_ID}.new",
)
ROTATED = ".20170214T025719Z"  # the suffix that rotation appends, with an arbitrary time


def refuse_own(config: Config, inputs: Sequence[TailInput], stdout: int | None = None) -> None:
    """Refuse inputs that match a file that the shipper writes, now or later, and an output file among the state files.

    Args:
        config: the configuration, which names the files written.
        inputs: the file inputs of the configuration.
        stdout: the descriptor of standard output, if events go there.

    Raises:
        UsageError: one line for each key and input that lead to the same file.
    """
    first: dict[tuple[str, int], str] = {}  # one sentence per key and input, for all paths of the key
    for key, path in _own(config):
        for number, given in _reading(path, inputs):
            first.setdefault((key, number), _sentence(key, path, number_of(config, number), given))
    faults = list(first.values())
    state = [_real(os.path.join(config.state_dir, name)) for name in STATE]
    faults += [
        f"{key}: {path} is a file of state_dir that the shipper needs itself; give another path"
        for key, path in _outputs(config)
        if path in state
    ]
    if not faults:
        faults += _same_files(config, inputs, stdout)
    if faults:
        raise UsageError("\n".join(dict.fromkeys(faults)))


def _own(config: Config) -> Iterator[tuple[str, str]]:
    """Yield keys of the configuration, each with a resolved path that is written because of it."""
    for key, path in _outputs(config):
        yield from ((key, own) for own in (path, path + ROTATED, lock_beside(path)))
    for name in (*STATE, SERVICE_LOG) if sys.platform == "win32" else STATE:
        yield "state_dir", _real(os.path.join(config.state_dir, name))


def _outputs(config: Config) -> list[tuple[str, str]]:
    """Keys of the output, each with the resolved path of a file that the sink writes."""
    return [(f"output.{config.output.type}.{key}", _real(path)) for key, path in config.output.files]


def _reading(path: str, inputs: Sequence[TailInput]) -> Iterator[tuple[int, TailInput]]:
    for number, given in enumerate(inputs):
        if _matches(given.path, path) and not any(_matches(pattern, path) for pattern in given.exclude):
            yield number, given


def _same_files(config: Config, inputs: Sequence[TailInput], stdout: int | None) -> list[str]:
    """Faults of existing files that have two names: hard links, links to folders, standard output."""
    found = find(inputs).files
    faults = []
    for key, identity, path in [*_identities(config), *_redirected(stdout)]:
        match = found.get(identity)
        if match is not None:
            faults.append(_sentence(key, path, number_of(config, inputs.index(match.given)), match.given))
    return faults


def _identities(config: Config) -> Iterator[tuple[str, FileId, str]]:
    for key, path in _own(config):
        try:
            yield key, file_id(os.stat(path)), path
        except OSError:
            continue


def _redirected(stdout: int | None) -> Iterator[tuple[str, FileId, str]]:
    if stdout is not None:
        status = os.fstat(stdout)
        if stat.S_ISREG(status.st_mode):
            yield "output.type", file_id(status), "standard output"


def _sentence(key: str, path: str, number: int, given: TailInput) -> str:
    return (
        f"{key}: {path} is written by the shipper, and inputs[{number}].path ({given.path}) matches it, so it would read what it "
        f"writes, without end; write to another folder, or name it in inputs[{number}].exclude"
    )


def _real(path: str) -> str:
    return os.path.realpath(os.path.expanduser(path))


def _matches(pattern: str, path: str) -> bool:
    """True if the `path` of an input matches a resolved path, whether or not the file exists; see `inputs.matches`."""
    if os.path.isdir(pattern):
        return compared(os.path.dirname(path)) == compared(_real(pattern)) and is_log(os.path.basename(path))
    given = compared(pattern)
    if os.path.lexists(pattern) or not glob.has_magic(given):
        return compared(_real(pattern)) == compared(path)
    parts = given.split(os.sep)
    plain = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    base = compared(_real(os.sep.join(parts[:plain]) + os.sep))
    names = compared(path).split(os.sep)
    head = [] if base == os.sep else base.split(os.sep)[1:]
    return names[1 : len(head) + 1] == head and _matches_parts(parts[plain:], names[len(head) + 1 :])


def _matches_parts(patterns: Sequence[str], names: Sequence[str]) -> bool:
    if not patterns:
        return not names
    if patterns[0] == "**":
        if _matches_parts(patterns[1:], names):
            return True
        return bool(names) and not names[0].startswith(".") and _matches_parts(patterns, names[1:])
    if not names or (names[0].startswith(".") and not patterns[0].startswith(".")):
        return False
    return fnmatchcase(names[0], patterns[0]) and _matches_parts(patterns[1:], names[1:])
