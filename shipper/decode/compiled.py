"""Imports the compiled kernel, or records why it cannot be used. No other module imports it.

`MFA_SHIPPER_KERNEL=off` disables it. Everything works without it, with the same bytes of output.
"""

import os
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, TypeGuard, TypeVar

from shipper.model import Code, CompletionFields, ExchangeFields, Label

_Person = TypeVar("_Person")
INTERFACE = 11  # also in kernel/src/lib.rs; differs in a kernel built for other code


def trouble() -> str:
    """The reason not to use the kernel; empty if it is used."""
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
if not WHY_NOT:
    from shipper.decode._kernel import Completions as Completions
    from shipper.decode._kernel import Durations as Durations
    from shipper.decode._kernel import Generation as Generation
    from shipper.decode._kernel import HeldEvents as HeldEvents
    from shipper.decode._kernel import Kernel as Kernel
    from shipper.decode._kernel import Labels as Labels
    from shipper.decode._kernel import OpenExchanges as OpenExchanges
    from shipper.decode._kernel import Runs as Runs
    from shipper.decode._kernel import Texts as Texts


def in_use() -> str:
    """Whether the kernel is in use, for people: `compiled`, or `none` and why."""
    return f"none ({WHY_NOT})" if WHY_NOT else "compiled"


def are_open_exchanges(exchanges: MutableMapping[str, ExchangeFields]) -> "TypeGuard[OpenExchanges]":
    """True for open exchanges in a container of the kernel."""
    return not WHY_NOT and isinstance(exchanges, OpenExchanges)


def are_held_events(held: MutableMapping[str, Any]) -> "TypeGuard[HeldEvents]":
    """True for events, held back for merging, in a container of the kernel."""
    return not WHY_NOT and isinstance(held, HeldEvents)


def are_compiled(texts: Sequence[str]) -> "TypeGuard[Texts]":
    """True for the texts of events that the kernel made."""
    return not WHY_NOT and isinstance(texts, Texts)


def are_labels(labels: Sequence[Label]) -> "TypeGuard[Labels]":
    """True for the labels of events that the kernel made."""
    return not WHY_NOT and isinstance(labels, Labels)


def are_completions(completions: Sequence[CompletionFields]) -> "TypeGuard[Completions]":
    """True for authentications that the kernel recorded."""
    return not WHY_NOT and isinstance(completions, Completions)


def durations(of_code: Callable[[Code], int | None]) -> "Durations | None":
    """The `durations` of `Completions.pass_over`; None without the kernel."""
    return None if WHY_NOT else Durations(of_code)


def runs(
    people: dict[str, _Person], nothing: int, apart: int, most: int, idle: int, steps: Sequence[int] | None
) -> "Runs[_Person, Any] | None":
    """A store of users' latest prompts for a report; None without the kernel. For the arguments, see `_kernel.pyi`."""
    return None if WHY_NOT else Runs(people, nothing, apart, most, idle, steps)


def generation(memories: dict[str, Any], *, compiled: bool) -> MutableMapping[str, Any]:
    """A dictionary with these memories of a detector; `compiled`: in a container of the kernel."""
    return Generation.of(memories) if compiled else memories
