"""Events whose text is cut from others of their shape are those that documents say, in any log."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.decode.documents import Documents
from tests.property.test_fast_equals_general import SETTINGS, made, shipped
from tests.support.logs import logs
from tests.unit.test_documents import whole


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(logs(), SETTINGS, st.integers(1, 700), st.sampled_from((2, 1024)))
def test_the_same_bytes_and_counts(data: bytes, options: dict[str, Any], size: int, limit: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Documents, "LIMIT", limit)
        cut = shipped(made(fast=False, **options), data * 3, [size], 1 << 20)
        patch.setattr(Documents, "text", whole)
        assert cut == shipped(made(fast=False, **options), data * 3, [size], 1 << 20)
