"""How fields find their place in an event."""

from typing import Any

import pytest

from shipper.decode.ecs import put


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        ({}, "message", {"message": 1}),
        ({}, "user.name", {"user": {"name": 1}}),
        ({"user": {"id": 2}}, "user.name", {"user": {"id": 2, "name": 1}}),
        ({"labels": {"site": "b"}}, "labels.site", {"labels": {"site": 1}}),
        ({"labels": {"site": "b"}}, "labels.site.floor", {"labels": {"site": {"floor": 1}}}),
    ],
)
def test_a_dotted_name_is_a_place(before: dict[str, Any], name: str, after: dict[str, Any]) -> None:
    put(before, name, 1)
    assert before == after
