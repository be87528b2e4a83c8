"""The values that folds pass to their tables, or to another process. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shipper.model import CompletionFields, Label
from shipper.report.figures import Figures
from shipper.report.found import Told
from shipper.report.kinds import Kind, Shape
from shipper.report.service import Service

Ahead = dict[str, tuple[str, Label, CompletionFields]]
"""By component, the completion that is ahead of the clock, preceded by the text and the label of its event."""


class Authentications(NamedTuple):
    """Completed authentications to add to the tables of their users.

    Attributes:
        kinds: the kind of each authentication.
        completions: the authentications, in order.
        addresses: the known client addresses, by position of the completion.
        findings: the findings that the authentications triggered.
    """

    kinds: Sequence[Kind]
    completions: Sequence[CompletionFields]
    addresses: Mapping[int, str]
    findings: Sequence[Told]


class Aside(NamedTuple):
    """An authentication that may depend on earlier ones of its user, which only another process knows."""

    shape: Shape
    completion: CompletionFields
    address: str | None
    findings: tuple[Told, ...]


class Part(NamedTuple):
    """A folded part of a log, to pass to another process.

    Attributes:
        figures: all counts.
        services: the users and their prompts that are not yet counted, by component.
        aside: authentications that can only be counted once the part before is known, in order.
        withdraws: by component, True if its first completion here is a withdrawal, of the one that is ahead in the part before.
        ahead: the completions that are still ahead of the clock at the end of the part.
    """

    figures: Figures
    services: dict[str, Service]
    aside: Sequence[Aside]
    withdraws: Mapping[str, bool]
    ahead: Ahead
