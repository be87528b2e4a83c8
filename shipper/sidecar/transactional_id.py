"""The transactional id of a state directory: made once and kept there, even if host name or path change. I/O."""

import hashlib
import os
import re
import socket
from secrets import token_hex

from shipper.durable import write_durably
from shipper.errors import RunError, UsageError
from shipper.shared_files import open_shared
from shipper.sidecar import checkpoint

NAME = "transactional_id"
_ID = re.compile(r"[!-~]{1,249}")


def kept(state_dir: str) -> str | None:
    """The id of a state directory; None if it has none yet.

    Raises:
        UsageError: the id cannot be read.
    """
    path = os.path.join(state_dir, NAME)
    try:
        with open(path, "rb", opener=open_shared) as file:
            text = file.read().decode("latin-1").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if not _ID.fullmatch(text):
        raise UsageError(
            f"{path} holds no transactional id; put the old one back, or delete the file: then there is a new one, and what was "
            "delivered since the last checkpoint is sent again"
        )
    return text


def keep(state_dir: str) -> None:
    """Make the id of a state directory unless it has one. The caller holds the lock of the directory.

    Earlier versions derived the id from host name and path at every start. If there is a checkpoint, one of them may have
    run and stored positions under that id, so that id is kept.

    Raises:
        UsageError: there is an id that cannot be read.
        RunError: the id cannot be written, so the next start would make another one.
    """
    if kept(state_dir) is not None:
        return
    was_used = any(os.path.exists(os.path.join(state_dir, f"{checkpoint.NAME}{end}")) for end in ("", ".1"))
    made = former(state_dir) if was_used else f"mfa-shipper-{token_hex(8)}"
    try:
        write_durably(os.path.join(state_dir, NAME), f"{made}\n".encode())
    except OSError as error:
        raise RunError(f"the transactional id cannot be written to {state_dir}: {error.strerror or error}") from None


def former(state_dir: str) -> str:
    """The id that earlier versions derived from the host name and `state_dir` as written in the configuration."""
    return f"mfa-shipper-{hashlib.sha256(f'{socket.gethostname()}:{state_dir}'.encode()).hexdigest()[:16]}"
