"""Puts pseudonyms in place of users and client addresses, before a summary is made. Pure."""

from collections.abc import Callable
from typing import Any

from shipper.report.figures import Client, Figures
from shipper.report.tables import OTHERS

Hide = Callable[[str], str]


def hide(figures: Figures, user: Hide, address: Hide) -> None:
    """Replace names and addresses in the tables.

    Args:
        figures: is changed.
        user: the pseudonym of a user as people write one.
        address: that of a client address.
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
