"""The path for completed authentications alone makes the same of any log as the one that makes all events."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.decode import compiled
from shipper.detect.finding import event_of
from shipper.model import Chunk, Counts, is_withdrawal
from shipper.pipeline import Pipeline, Settings
from shipper.read.files import read_chunks
from tests.support.generate import Recipe, generate
from tests.support.logs import library, log_file, logs, mark_length


def folded(data: bytes, size: int, *, completions_only: bool, **choices: Any) -> tuple[list[Any], list[Any], Counts]:
    """Completions with what their events' labels say, findings, counts."""
    counts = Counts()
    pipeline = Pipeline(Settings(library(), completions_only=completions_only, **choices), counts)
    file = log_file(data)
    pipeline.open(file)
    completions: list[Any] = []
    found: list[Any] = []
    for chunk in read_chunks(BytesIO(data[mark_length(data) :]).read, mark_length(data), file.encoding, size, 1 << 20):
        (texts, labels, completed), findings = pipeline.decode(chunk)
        assert len(texts) == len(labels)
        told = [completion for completion in completed if not is_withdrawal(completion)]  # whose position says nothing
        completions += [(*completion[1:], *about(labels[completion[0]], texts[completion[0]])) for completion in told]
        found += [
            (text, *about(label, text)) for _, text, label in (event_of(finding, pipeline.envelope) for finding in findings)
        ]
        assert {finding.position for finding in findings} <= {completion[0] for completion in completed}
    pipeline.close()
    return completions, found, counts


def about(label: tuple[Any, ...], text: str) -> Sequence[Any]:
    """What a label says, and the outcome of its event: that of the sample of its origin, or if there is none that in its text."""
    time, event_id, origin, key = label
    document = orjson.loads(text.encode("latin-1")) if origin.sample is None else origin.sample
    outcome = document["event"].get("outcome")
    return time, event_id, origin.dataset, origin.kind, origin.host, outcome, key


@settings(deadline=None)
@given(logs(), st.sampled_from((64, 300, 1 << 18)))
def test_any_log(data: bytes, size: int) -> None:
    told = folded(data, size, completions_only=False)
    assert folded(data, size, completions_only=True) == told
    assert folded(data, size, completions_only=True, kernel=False) == told


@pytest.mark.parametrize("kernel", [not compiled.WHY_NOT, False])
def test_a_usual_log_takes_that_path(tmp_path: Path, *, kernel: bool) -> None:
    generate(Recipe(3000, users=50), tmp_path / "mfa.log")
    data = (tmp_path / "mfa.log").read_bytes()
    pipeline = Pipeline(Settings(library(), completions_only=True, kernel=kernel), Counts())
    pipeline.open(log_file(data))
    (texts, _, completions), _ = pipeline.decode(Chunk(data, 0))

    assert folded(data, 4096, completions_only=True, kernel=kernel) == folded(data, 4096, completions_only=False)
    assert compiled.are_compiled(texts) == kernel
    assert len(texts) < 1.2 * len(completions)
    assert sum(not texts[completion[0]] for completion in completions) > 0.9 * len(completions)
