"""Replaces users and client addresses with pseudonyms before the summary is made. Pure."""

from collections.abc import Callable
from typing import Any

from shipper.report.figures import Client, Figures
from shipper.report.tables import OTHERS

Hide = Callable[[str], str]


def hide(figures: Figures, user: Hide, address: Hide) -> None:
    """Replace users and client addresses in the tables.

    Args:
        figures: the tables, changed in place.
        user: returns the pseudonym of a user's displayed name.
        address: returns the pseudonym of a client address.
    """
    for person in figures.people.values():
        person.name = user(person.name)
        person.pairs = person.pairs and [pair._replace(address=pair.address and address(pair.address)) for pair in person.pairs]
    clients: dict[str | None, Client] = {}
    for place, client in figures.clients.items():
        clients[place if place in (None, OTHERS) else address(str(place))] = client
    figures.clients = clients
    for latest in figures.listed.values():
        latest.entries = [(time, _hidden(entry, user, address)) for time, entry in latest.entries]


def _hidden(entry: dict[str, Any], user: Hide, address: Hide) -> dict[str, Any]:
    found = {"user": user, "address": address}
    return {name: found[name](value) if name in found and value is not None else value for name, value in entry.items()}
