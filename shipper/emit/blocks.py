"""Assembles events into a block of output. Pure."""

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import cast

from shipper.decode import compiled
from shipper.detect.finding import Entry
from shipper.emit.formats import Format
from shipper.model import Block, Label


def block(texts: Sequence[str], labels: Sequence[Label], wrap: Format | None) -> Block:
    """The block of these events, each formatted by `wrap`, if any."""
    if wrap is None:
        return Block("".join(texts).encode("latin-1"), list(accumulate(map(len, texts))), labels)
    parts: list[str] = []
    for text, label in zip(texts, labels, strict=True):
        parts += wrap(text, label)
    return Block("".join(parts).encode("latin-1"), list(accumulate(map(len, parts)))[2::3], labels)


def compiled_block(texts: "compiled.Texts", labels: Sequence[Label], findings: Sequence[Entry], wrap: Format | None) -> Block:
    """The block of events that the kernel made and formatted, with each finding after its event."""
    if wrap is not None:
        findings = [(at, "".join(wrap(text, label)), label) for at, text, label in findings]
    data, ends = texts.block([(at, text.encode("latin-1")) for at, text, _ in findings])
    if findings:
        labels = cast("compiled.Labels", labels).with_findings([(at, label) for at, _, label in findings])
    return Block(data, array("Q", ends), labels)
