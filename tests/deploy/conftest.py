"""A real OpenSearch for all tests of a worker. In CI one that cannot be started is a failure."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.tools import missing
from tests.real.jars import Unavailable
from tests.real.opensearch import OpenSearch


@pytest.fixture(scope="session")
def opensearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    node = OpenSearch(Path(tmp_path_factory.mktemp("opensearch")))
    try:
        node.start()
    except Unavailable as error:
        missing(str(error))
    yield node
    node.stop()
