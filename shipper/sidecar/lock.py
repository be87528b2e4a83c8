"""The lock of a state directory: one shipper at a time. I/O."""

import os

from shipper import lock
from shipper.errors import UsageError

NAME = "lock"


def lock_state(state_dir: str) -> lock.Lock:
    """Hold a state directory.

    Raises:
        UsageError: another shipper holds it, or the lock cannot be made.
    """
    path = os.path.join(state_dir, NAME)
    try:
        return lock.Lock(path, f"state_dir {state_dir}", "stop that one, or give another state_dir")
    except OSError as error:
        raise UsageError(f"{path} cannot be created: {error.strerror}") from None


def lock_holder(state_dir: str) -> int | None:
    """The pid of the shipper that runs on a state directory, 0 if it is not known; None if none runs.

    Raises:
        OSError: the lock is there and cannot be read.
    """
    return lock.holder(os.path.join(state_dir, NAME))
