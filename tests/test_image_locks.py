"""What the container images pin is what the project asks for, and the kernel can be built there."""

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


def test_the_kernel_keeps_to_the_rust_of_the_base() -> None:
    """Debian 13 has 1.85, which the manifest names and clippy heeds; but clippy lets a `let` within a condition pass, which wants 1.88."""
    crate = ROOT / "shipper" / "decode" / "kernel"
    assert tomllib.loads((crate / "Cargo.toml").read_text(encoding="utf-8"))["package"]["rust-version"] == "1.85"
    within = re.compile(r"(&&|\|\|)\s*let\b|\b(if|while)\s+let\b[^{;]*?&&")
    sources = {path.name: path.read_text(encoding="utf-8") for path in (crate / "src").glob("*.rs")}
    assert len(sources) > 3
    assert {name: found[0] for name, text in sources.items() if (found := within.search(text))} == {}
