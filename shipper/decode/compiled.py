"""The compiled kernel where it was built, and otherwise why there is none. The one module that imports it.

`MFA_SHIPPER_KERNEL=off` switches it off. Everything works without it, and gives the same bytes.
"""

import os
from collections.abc import Callable

INTERFACE = 1  # a kernel that was built for other code than this has another one, in src/lib.rs


def trouble() -> str:
    """Why no kernel is to be used; nothing if one is."""
    wanted = os.environ.get("MFA_SHIPPER_KERNEL", "on")
    if wanted != "on":
        return f"MFA_SHIPPER_KERNEL={wanted}"
    try:
        import shipper.decode._kernel as kernel
    except ModuleNotFoundError:
        return "not built"
    except ImportError as error:
        return f"it does not load: {error}"
    return "" if kernel.INTERFACE == INTERFACE else "built for another version"


WHY_NOT = trouble()
count_lines: Callable[[bytes], int] | None = None
if not WHY_NOT:
    import shipper.decode._kernel as kernel

    count_lines = kernel.count_lines


def in_use() -> str:
    """Which of the two decodes, for a person: `compiled`, or `none` and why."""
    return f"none ({WHY_NOT})" if WHY_NOT else "compiled"
