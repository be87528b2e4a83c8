"""The packages that the container images pin are those that the project asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "deploy" / "docker" / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = {"fast": ["fast"], "detect": ["fast", "detect"], "report": ["fast", "report", "evtx"]}
IN_THE_IMAGE = {"sys_platform": "linux", "platform_system": "Linux", "python_version": "3.13", "python_full_version": "3.13.0"}


def pins(name: str) -> dict[str, str]:
    """The versions in a lock file, every one with its hashes."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", "")
    found: dict[str, str] = {}
    for line in text.splitlines():
        pinned = re.fullmatch(r"(\S+)==(\S+)( +--hash=sha256:[0-9a-f]{64})+", line.rstrip())
        assert pinned, line
        found[canonicalize_name(pinned[1])] = pinned[2]
    return found


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_has_what_the_project_asks_for(name: str) -> None:
    project, locked = PROJECT["project"], pins(name)
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS[name])]
    wanted = [Requirement(text) for requirements in lists for text in requirements]
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate(IN_THE_IMAGE):
            version = locked.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement}: make image-locks"
            assert requirement.specifier.contains(version), f"{requirement}: make image-locks"


def test_each_lock_of_extras_is_built_by_the_dockerfile() -> None:
    assert {path.stem for path in LOCKS.glob("*.txt")} == {*EXTRAS, "build"}


def test_the_image_has_the_client_that_the_tests_use() -> None:
    """The tests run against confluent-kafka of the extra `dev`."""
    dev = {requirement.name: requirement for requirement in map(Requirement, PROJECT["project"]["optional-dependencies"]["dev"])}
    assert {pins(name)["confluent-kafka"] for name in EXTRAS} == {str(dev["confluent-kafka"].specifier).lstrip("=")}


def test_the_wheel_is_built_with_the_tool_that_the_project_names() -> None:
    [hatchling] = PROJECT["build-system"]["requires"]
    assert hatchling in (LOCKS / "build.in").read_text(encoding="utf-8").splitlines()
    assert hatchling == f"hatchling=={pins('build')['hatchling']}"
