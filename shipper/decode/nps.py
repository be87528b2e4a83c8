"""The tables of the NPS extension: what its result names and its error codes mean. Pure.

Source: Microsoft's page on error messages of the NPS extension, and messages seen in public threads; class, severity,
level, outcome, prompted, method and fault are this project's reading.
"""

import csv
import io
from collections.abc import Mapping
from typing import NamedTuple

from shipper.model import Code


class Meaning(NamedTuple):
    """What a name means to an administrator: a sentence, whose fault it is (see `FAULTS`), what to check."""

    text: str
    fault: str
    check: str


FAULTS = {
    "nobody": "nobody's: this is how it should be",
    "user": "the user's",
    "attacker": "somebody else's, who has the user's password",
    "account": "the administrator's: the user's account or methods",
    "credentials": "the user's password, or the policies of NPS",
    "configuration": "the administrator's: extension, NPS server or tenant",
    "client": "that of the RADIUS client, mostly a VPN",
    "network": "that of the network between the NPS server and Microsoft",
    "service": "Microsoft's",
}


class NpsError(NamedTuple):
    """An error code whose text contains `about`; an empty `about` is in any text.

    `severity` and `level` are None if the name does not stand for an error.
    """

    code: str
    about: str
    severity: str | None
    level: str | None
    meaning: Meaning


class NpsTables:
    """Result names and error codes, by name."""

    def __init__(
        self,
        results: Mapping[str, Code] | None = None,
        meanings: Mapping[str, Meaning] | None = None,
        errors: Mapping[str, list[NpsError]] | None = None,
    ) -> None:
        """`results` and `meanings` by result name; `errors` by code, those about a certain text first."""
        self.results = dict(results or {})
        self.meanings = dict(meanings or {})
        self.errors = dict(errors or {})

    def error(self, code: str, text: str) -> NpsError | None:
        """The row of an error code that came with a text; None for a code that the table lacks."""
        folded = text.casefold()
        return next((row for row in self.errors.get(code, ()) if row.about.casefold() in folded), None)


def read_nps_tables(results: str, errors: str, codes: Mapping[int, Code]) -> NpsTables:
    """The two tables from their CSV texts; a result name refers to a row of the code table or defines a row of its own."""
    by_name: dict[str, Code] = {}
    meanings: dict[str, Meaning] = {}
    for row in csv.DictReader(io.StringIO(results, newline="")):
        number, name = row["code"], row["result"]
        by_name[name] = codes[int(number)] if number else Code(
            None, row["description"], row["class"], row["outcome"], row["prompted"] == "true", row["method"] or None,
            row["severity"], None,
        )  # fmt: skip
        meanings[name] = _meaning(row)
    by_code: dict[str, list[NpsError]] = {}
    for row in csv.DictReader(io.StringIO(errors, newline="")):
        error = NpsError(row["code"], row["message"], row["severity"] or None, row["level"] or None, _meaning(row))
        by_code.setdefault(error.code, []).append(error)
    return NpsTables(by_name, meanings, by_code)


def _meaning(row: Mapping[str, str]) -> Meaning:
    return Meaning(row["meaning"], row["fault"], row["check"])
