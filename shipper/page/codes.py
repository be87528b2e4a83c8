"""The reference page of all status codes, NPS results and NPS error codes, for a help desk. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from shipper.decode.nps import FAULTS, NpsTables
from shipper.model import Code
from shipper.page.document import document


def codes_page(
    codes: Sequence[Code], nps: NpsTables, facts: Callable[[Code], Mapping[str, str]], advice: Callable[[Code], str]
) -> bytes:
    """The tables as one HTML document in UTF-8, the same bytes for the same tables.

    Args:
        codes: the status codes in their order.
        nps: the names of the NPS extension.
        facts: returns `class`, `severity` and `prompted` of a code in words.
        advice: returns what to check for a code.
    """
    errors = [row for rows in nps.errors.values() for row in rows]
    filters = {"breakable": _breakable}
    return document("codes.html", filters, codes=codes, nps=nps, errors=errors, facts=facts, advice=advice, faults=FAULTS)


def _breakable(name: str) -> Markup:
    """A name that a narrow column may break between words: `NPS_ERROR`, `NoPhone`."""
    return Markup("<wbr>").join(re.split(r"(?<=_)(?=.)|(?<=[a-z])(?=[A-Z])", name))
