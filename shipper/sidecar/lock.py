"""The lock of a state directory, which allows one shipper at a time. I/O."""

import os

from shipper import lock
from shipper.errors import UsageError

NAME = "lock"


def lock_state(state_dir: str) -> lock.Lock:
    """Lock a state directory.

    Raises:
        UsageError: another shipper holds the lock, or the lock file cannot be created.
    """
    path = os.path.join(state_dir, NAME)
    try:
        return lock.Lock(path, f"state_dir {state_dir}", "stop that one, or give another state_dir")
    except OSError as error:
        raise UsageError(f"{path} cannot be created: {error.strerror}") from None


def lock_holder(state_dir: str) -> int | None:
    """The pid of the shipper that holds a state directory, 0 if unknown; None if no shipper runs.

    Raises:
        OSError: the lock file exists and cannot be read.
    """
    return lock.holder(os.path.join(state_dir, NAME))
