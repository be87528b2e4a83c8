"""The identity and rights of the service: its name, its account, its access to the state directory. I/O on Windows."""

import hashlib
import os
import struct

from shipper.errors import RunError, UsageError

NAME = "mfa-shipper"
ACCOUNT = rf"NT SERVICE\{NAME}"  # managed by Windows: no password, and only the rights granted to it
MODIFY = "0x1301bf"  # read, write, create, rename and delete, but not change rights


def service_sid(name: str) -> str:
    """The SID of the account `NT SERVICE\\name`, which Windows computes from the name; it need not be installed."""
    digest = hashlib.sha1(name.upper().encode("utf-16-le"), usedforsecurity=False).digest()
    return "S-1-5-80-" + "-".join(map(str, struct.unpack("<5I", digest)))


def access_list(name: str) -> str:
    """Rights in SDDL: all for the system and administrators, `MODIFY` for the service, none for others; files inherit them."""
    return f"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;{MODIFY};;;{service_sid(name)})"


def make_state_dir(path: str) -> None:
    """Create the state directory, and give it the rights of `access_list`.

    Raises:
        UsageError: it holds files that are not a shipper's, whose rights must not change.
        RunError: it cannot be created, or its rights cannot be changed.
    """
    import pywintypes
    import win32security

    from shipper.sidecar.checkpoint import NAME as CHECKPOINT
    from shipper.sidecar.lock import NAME as LOCK

    try:
        os.makedirs(path, exist_ok=True)
        names = os.listdir(path)
    except OSError as error:
        raise RunError(f"state_dir {path} cannot be made: {error.strerror}") from None
    if names and not {CHECKPOINT, LOCK} & set(names):
        raise UsageError(f"state_dir {path} holds files that are not a shipper's; give the service a folder of its own")
    rights = win32security.ConvertStringSecurityDescriptorToSecurityDescriptor(access_list(NAME), win32security.SDDL_REVISION_1)
    what = win32security.DACL_SECURITY_INFORMATION | win32security.PROTECTED_DACL_SECURITY_INFORMATION
    try:
        win32security.SetNamedSecurityInfo(
            path, win32security.SE_FILE_OBJECT, what, None, None, rights.GetSecurityDescriptorDacl(), None
        )
    except pywintypes.error as error:
        raise RunError(f"the rights of state_dir {path} cannot be set: {error.strerror}") from None
