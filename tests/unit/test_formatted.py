"""Templates as a format writes them: cut where its values are put as they are, and not at all where it does more."""

from hashlib import sha256

import pytest

from shipper.decode.formatted import Wrap, formatted
from shipper.emit.formats import FORMATS
from shipper.model import Label, Origin

ORIGIN = Origin("mfa.log", "azure_mfa.radius", "event", None, None)
PIECES, GAPS = ['{"@timestamp":"', '","event":{"id":"', '"},', '"log":{"offset":', "}}\n"], "tiuo"


def around(text: str, label: Label) -> tuple[str, str, str]:
    return f"{label[1]} ", text, "."


def twice(text: str, label: Label) -> tuple[str, str, str]:
    return "", f"{text[:-1]} {label[0]}\n", ""


def test_text_around_an_event() -> None:
    assert formatted(FORMATS["ecs"](host=None, namespace="", index=None), PIECES, GAPS, ORIGIN) == (PIECES, GAPS)
    assert formatted(around, PIECES, GAPS, ORIGIN) == (["", f" {PIECES[0]}", *PIECES[1:-1], "}}\n."], f"i{GAPS}")


def test_another_document() -> None:
    assert formatted(twice, PIECES, GAPS, ORIGIN) == ([*PIECES[:-1], "}} ", "\n"], f"{GAPS}t")
    assert formatted(lambda _, label: ("", f"{label[0][19:26]}\n", ""), PIECES, GAPS, ORIGIN) is None  # a part of a time
    assert formatted(lambda text, _: ("", "x\n", ""), PIECES, GAPS, ORIGIN) == (["x\n"], "")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text, label: (f"{len(text)} ", text, ""),
        lambda text, label: ("", text.upper(), ""),
        lambda text, label: (label[1][::-1], text, ""),
        lambda text, label: (f"{label[3]} ", text, ""),  # the user in the label may be another than in the text
        lambda text, label: (label[3] or "-", text, ""),
        lambda text, label: (sha256(text.encode()).hexdigest(), text, ""),
    ],
)
def test_no_template_of_what_else_a_format_makes(wrap: Wrap) -> None:
    assert formatted(wrap, PIECES, GAPS, ORIGIN) is None


def test_no_template_where_a_constant_looks_like_a_mark() -> None:
    assert formatted(around, ["mark-3-id-3-mark", *PIECES[1:]], GAPS, ORIGIN) is None
