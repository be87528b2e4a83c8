"""`--events exchange` says the same as `--events line`, in fewer events."""

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.model import Chunk, Counts
from shipper.pipeline import Pipeline, Settings
from tests.support.logs import library, log_file, logs, mark_length


def events(log: bytes, how: Settings) -> tuple[list[dict[str, Any]], Counts]:
    counts = Counts()
    pipeline = Pipeline(how, counts)
    pipeline.open(log_file(log))
    at = mark_length(log)
    output = pipeline(Chunk(log[at:], at)).data + pipeline.close().data
    return [orjson.loads(line) for line in output.splitlines()], counts


@settings(max_examples=200, deadline=None)
@given(log=logs(), fast=st.booleans())
def test_both_modes_contain_the_same_facts(log: bytes, fast: bool) -> None:
    by_line, _ = events(log, Settings(library(), fast=fast))
    by_exchange, counts = events(log, Settings(library(), fast=fast, per_exchange=True))

    whole = {e["event"]["id"]: e for e in by_exchange}
    merged = {e["azure_mfa"]["exchange"]["id"]: e for e in by_exchange if isinstance(e["event"].get("original"), list)}
    parts = 0
    for one in by_line:
        same = whole.get(one["event"]["id"])
        if same == one:
            continue
        together = merged[one["azure_mfa"]["exchange"]["id"]]
        assert one["event"]["original"] in together["event"]["original"]
        assert _contains(together["azure_mfa"], one["azure_mfa"])
        assert together.get("user") == one.get("user")
        parts += same is None
    assert len(by_line) == len(by_exchange) + parts
    assert parts == counts.merged == sum(len(e["event"]["original"]) - 1 for e in merged.values())
    assert counts.lines == counts.events + counts.filtered + counts.merged


@settings(max_examples=50, deadline=None)
@given(log=logs())
def test_without_the_lines_only_they_are_missing(log: bytes) -> None:
    plain = Settings(library(), per_exchange=True)
    bare = replace(plain, options=replace(plain.options, keep_original=False))
    with_lines, _ = events(log, plain)
    without, _ = events(log, bare)

    for one in with_lines:
        if one["event"]["kind"] != "pipeline_error":
            one["event"].pop("original", None)
    assert with_lines == without


def _contains(whole: Any, part: Any) -> bool:
    """All that `part` says, `whole` says too; where lines repeat a field (a second verdict), the later one is right."""
    if isinstance(part, dict):
        return all(key in whole and (key == "auth_result" or _contains(whole[key], value)) for key, value in part.items())
    return bool(whole == part)
