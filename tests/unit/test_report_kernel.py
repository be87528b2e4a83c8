"""Most of a report is counted by the kernel: what it takes, and that the report is that of Python alone."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from shipper.decode import compiled
from shipper.model import Chunk, CompletionFields, Counts, Label
from shipper.pipeline import Pipeline, Settings
from shipper.report import kinds, people, service
from shipper.report.fold import Fold
from shipper.report.found import Told
from shipper.times import SECOND
from tests.property.test_report_parts import PAIR, TWO_STEPS, Asked, data_of
from tests.support.generate import Recipe, generate
from tests.support.logs import library, log_file
from tests.support.reports import TIMEOUT, same_without_kernel

LOGS = (Recipe(6000, users=60), Recipe(6000, distinct=True), Recipe(3000, users=9), Recipe(3000, users=60, results=True))
ASKED = {
    "a long run": [PAIR] * 80,
    "two steps": [PAIR, *TWO_STEPS, PAIR, *TWO_STEPS[:1], PAIR, PAIR],
    "an address": [PAIR, (3.0, 5.0, "ann", 112, "radius"), (3.0, 0.5, "ann", 21, "10.0.0.1"), PAIR],
    "an answer that takes long": [
        (3.0, 102.3, "ann", 21, "radius"),
        (3.0, 102.4, "bob", 21, "radius"),
        (3.0, 240.0, "ann", 21, "radius"),
    ],
    "nearly an hour later": [PAIR, (3590.0, 5.0, "ann", 21, "radius"), (3604.0, 5.0, "ann", 21, "radius")],
    "over before it is looked for": [
        (3.0, 5.0, "bob", 21, "radius"),
        (100.0, 5.0, "ann", 21, "radius"),
        (6000.0, 5.0, "eve", 21, "radius"),
        (100.0, 5.0, "ann", 21, "radius"),
    ],
    "nobody": [PAIR, (3.0, 5.0, "", 21, "radius"), PAIR],
    "users who come again": [PAIR, PAIR, (20_000.0, 5.0, "bob", 6, "radius"), PAIR, (20_000.0, 5.0, "ann", 6, "radius"), PAIR],
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("size", [300, 1 << 18])
@pytest.mark.parametrize("idle", [0, 50_000])
def test_few_authentications(asked: Asked, size: int, idle: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST_IDLE", idle)
    same_without_kernel(data_of(asked, sorted_by_time=True), size)


@pytest.mark.parametrize("recipe", LOGS, ids=lambda recipe: f"{recipe.users}-{recipe.distinct}-{recipe.results}")
@pytest.mark.parametrize("most", [250_000, 40])
def test_a_usual_log(recipe: Recipe, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "MOST_PEOPLE", most)
    monkeypatch.setattr(service, "MOST_IDLE", most // 4)
    monkeypatch.setattr(kinds, "MOST_KINDS", 10 if most == 40 else 4096)
    generate(recipe, tmp_path / "mfa.log")
    data = (tmp_path / "mfa.log").read_bytes()

    for size in (5000, 1 << 18):
        same_without_kernel(data, size)


class Watched(Fold):
    """Counts the authentications that Python looks at."""

    looked_at = 0

    def _look_at(
        self, texts: Sequence[str], labels: Sequence[Label], completions: Sequence[CompletionFields], findings: Sequence[Told]
    ) -> None:
        self.looked_at += len(completions)
        super()._look_at(texts, labels, completions, findings)


@pytest.mark.skipif(bool(compiled.WHY_NOT), reason="there is no kernel")
def test_the_kernel_takes_nearly_all(tmp_path: Path) -> None:
    generate(Recipe(6000, users=600), tmp_path / "mfa.log")
    data = (tmp_path / "mfa.log").read_bytes()
    pipeline = Pipeline(Settings(library(), completions_only=True), Counts())
    pipeline.open(log_file(data))
    fold = Watched(TIMEOUT, 60 * SECOND)
    (texts, labels, completions), findings = pipeline.decode(Chunk(data, 0))
    fold(texts, labels, completions, findings)

    assert findings
    assert fold.looked_at < len(completions) / 40
