"""The images, built once for all tests of a run. In CI, what they need must be there."""

import os
from pathlib import Path

import pytest

from deploy.docker.build import build, unpacked
from tests.container.sandbox import Image
from tests.support.jars import Unavailable
from tests.support.tools import missing


def built(extras: str, folder: Path) -> Image:
    if os.geteuid():
        missing("only root may make namespaces and change the root folder")
    try:
        name = build(extras)
    except Unavailable as error:
        missing(str(error))
    return Image(name, unpacked(name, folder))


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of the sidecar."""
    return built("fast", tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def detect_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of `detect`."""
    return built("detect", tmp_path_factory.mktemp("detect-image"))
