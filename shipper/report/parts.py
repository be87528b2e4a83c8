"""What is folded of a log, on its way to its tables or to another process. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shipper.model import CompletionFields, Label
from shipper.report.figures import Figures
from shipper.report.found import Told
from shipper.report.kinds import Kind, Shape
from shipper.report.service import Service

Ahead = dict[str, tuple[str, Label, CompletionFields]]
"""By component, the completion that is ahead of the clock, its label and the text of its event."""


class Authentications(NamedTuple):
    """Completed authentications, on their way to the tables of their users.

    Attributes:
        kinds: of each the kind.
        completions: of each what completed it, in order.
        addresses: of the clients, by the position of the completion, where they are known.
        findings: to which they led.
    """

    kinds: Sequence[Kind]
    completions: Sequence[CompletionFields]
    addresses: Mapping[int, str]
    findings: Sequence[Told]


class Aside(NamedTuple):
    """An authentication that may have to do with earlier ones of its user, which another process knows."""

    shape: Shape
    completion: CompletionFields
    address: str | None
    findings: tuple[Told, ...]


class Part(NamedTuple):
    """What was folded of a part of a log, on its way to another process.

    Attributes:
        figures: all that is counted.
        services: what is not yet counted, by component.
        aside: what can only be counted once the part before is known, in order.
        withdraws: by component, if the first that the part says of it is that the completion ahead of its clock is withdrawn.
        ahead: the completions whose time is ahead of the clock at the end of the part.
    """

    figures: Figures
    services: dict[str, Service]
    aside: Sequence[Aside]
    withdraws: Mapping[str, bool]
    ahead: Ahead
