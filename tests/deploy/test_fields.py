"""The field reference is that of the schema, and deploy/README.md names what is there."""

import re

from tests.deploy.fields import TARGET, reference
from tests.deploy.tools import DEPLOY


def test_reference_is_that_of_the_schema() -> None:
    assert TARGET.read_text(encoding="utf-8") == reference()


def test_every_file_of_the_table_is_there() -> None:
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)#]+)", text)

    assert len(named) >= 10
    assert [name for name in named if "://" not in name and not (DEPLOY / name).exists()] == []
