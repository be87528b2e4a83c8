"""What a shipper writes must not be what it reads."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from shipper.config.load import load_config
from shipper.config.outputs import OutputSection
from shipper.config.sections import Input, config_type
from shipper.config.values import FilePath, RotatedPath, Section
from shipper.errors import UsageError
from shipper.sidecar.following import inputs_of
from shipper.sidecar.own_paths import refuse_own


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., list[str]]:
    """The keys that are refused, of a configuration whose paths are below the folder of the test."""
    (tmp_path / "logs" / "deep").mkdir(parents=True)

    def keys(reads: str | dict[str, Any], writes: str = "out/events.ndjson", state: str = "state") -> list[str]:
        given = {"path": reads} if isinstance(reads, str) else reads
        given = {
            key: [f"{tmp_path}/{item}" for item in value] if key == "exclude" else f"{tmp_path}/{value}"
            for key, value in given.items()
        }
        text = (
            f"state_dir: {tmp_path}/{state}\ninputs: [{given}]\noutput: {{type: file, file: {{path: '{tmp_path}/{writes}'}}}}\n"
        )
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        config, _ = load_config(str(tmp_path / "c.yaml"), {})
        try:
            refuse_own(config, inputs_of(config))
        except UsageError as error:
            return [line.partition(":")[0] for line in str(error).splitlines()]
        return []

    return keys


FILE, STATE = ["output.file.path"], ["state_dir"]
LOGGED = STATE if sys.platform == "win32" else []  # where a service has its own log


@pytest.mark.parametrize(
    ("reads", "writes", "wanted"),
    [
        ("logs/*.log", "logs/events.log", FILE),
        ("logs/*.log*", "logs/events.log", FILE),
        ("logs/*.log*", "logs/events.ndjson", []),
        ("logs/*", "logs/events.ndjson", FILE),
        ("logs/*.log*", "logs/deep/events.log", []),
        ("logs/**", "logs/deep/events.log", FILE),
        ("logs/**/*.log", "logs/events.log", FILE),
        ("logs/**/*.log", "logs/deep/er/events.log", FILE),
        ("logs/**/*.log", "logs/.hidden/events.log", []),
        ("logs/*Z", "logs/events", FILE),  # only what was rotated
        ("logs/.*", "logs/events", FILE),  # the lock
        ("logs", "logs/events.log", FILE),
        ("logs", "logs/events.ndjson", []),
        ("logs", "logs/deep/events.log", []),
        ("*/events.log", "logs/events.log", FILE),
        ("l*/../logs/./e*.log", "logs/events.log", FILE),
        ("logs/events.log", "logs/events.log", FILE),
        ("logs/ev[e]nts.log", "logs/events.log", FILE),
        ("logs/e?.log", "logs/events.log", []),
        ("x/*.log", "logs/events.log", []),
        ("LOGS/*.LOG", "logs/Events.log", FILE if sys.platform == "win32" else []),
        ("logs/EVENTS.log", "logs/events.log", FILE if sys.platform == "win32" else []),
        ({"path": "logs/*.log", "exclude": ["logs/events.log"]}, "logs/events.log", []),
        ({"path": "logs/*.log*", "exclude": ["logs/events.log"]}, "logs/events.log", FILE),
        ({"path": "logs/*.log*", "exclude": ["logs/events.*"]}, "logs/events.log", []),
    ],
)  # fmt: skip
def test_an_output_that_an_input_matches(reads: str, writes: str, wanted: list[str], refused: Callable[..., list[str]]) -> None:
    assert refused(reads, writes) == wanted


@pytest.mark.parametrize(
    ("reads", "wanted"),
    [("state/*", STATE), ("**/*.ndjson*", [*FILE, *STATE]), ("state/*.log", LOGGED), ("state/checkpoint.json", STATE)],
)
def test_state_that_an_input_matches(reads: str, wanted: list[str], refused: Callable[..., list[str]]) -> None:
    assert refused(reads) == wanted


@pytest.mark.parametrize("name", ["dead_letters.ndjson", "checkpoint.json", "checkpoint.json.1", "lock", "transactional_id"])
def test_an_output_in_place_of_state(name: str, refused: Callable[..., list[str]]) -> None:
    assert refused("logs/*.log", f"state/{name}") == FILE
    assert refused("logs/*.log", f"state/{name}.mine") == []


class Archive(Section, frozen=True):
    """A section with two files that are written, and one that is read."""

    events: RotatedPath
    findings: RotatedPath | None = None
    key_file: FilePath | None = None


class MoreOutputs(OutputSection, frozen=True):
    """The outputs, with one that a contributor has added."""

    type: Literal["archive"]  # type: ignore[assignment]
    archive: Archive | None = None


def test_the_files_of_a_new_output(tmp_path: Path) -> None:
    def refused(**paths: str) -> list[str]:
        output = MoreOutputs(type="archive", archive=Archive(**{key: f"{tmp_path}/{path}" for key, path in paths.items()}))
        config = config_type()(state_dir=f"{tmp_path}/state", inputs=[Input(path=f"{tmp_path}/logs/*.log*")], output=output)
        try:
            refuse_own(config, inputs_of(config))
        except UsageError as error:
            return [line.partition(":")[0] for line in str(error).splitlines()]
        return []

    assert refused(events="out/events.log", key_file="logs/key.log") == []
    assert refused(events="logs/events.log") == ["output.archive.events"]
    assert refused(events="out/events.log", findings="logs/findings.log") == ["output.archive.findings"]
    assert refused(events="state/lock") == ["output.archive.events"]


@pytest.mark.posix("Wine makes no symbolic links")
def test_an_output_behind_a_link(refused: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to("logs")
    assert refused("elsewhere/*.log", "logs/events.log") == FILE
    assert refused("logs/*.log", "elsewhere/events.log") == FILE


def test_an_output_that_is_there_under_another_name(refused: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "events.ndjson").touch()
    os.link(tmp_path / "out" / "events.ndjson", tmp_path / "logs" / "hard.log")
    assert refused("logs/*.log") == FILE
    assert refused("logs/*.txt") == []


def test_standard_output_that_is_redirected_into_a_log(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        f"state_dir: {tmp_path}/s\ninputs: [{{path: '{tmp_path}/*.log'}}]\noutput: {{type: stdout}}\n", encoding="utf-8"
    )
    config, _ = load_config(str(tmp_path / "c.yaml"), {})
    with open(tmp_path / "a.log", "wb") as file, pytest.raises(UsageError, match=r"^output\.type: standard output is written by"):
        refuse_own(config, inputs_of(config), file.fileno())
    with open(tmp_path / "a.txt", "wb") as file:
        refuse_own(config, inputs_of(config), file.fileno())
    with open(os.devnull, "wb") as file:
        refuse_own(config, inputs_of(config), file.fileno())


def test_the_input_is_named_by_its_place_among_all(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        f"state_dir: {tmp_path}/s\ninputs: [{{type: windows_event_log, channel: C}}, {{path: '{tmp_path}/*.log'}}]\n"
        f"output: {{type: file, file: {{path: '{tmp_path}/events.log'}}}}\n",
        encoding="utf-8",
    )
    config, _ = load_config(str(tmp_path / "c.yaml"), {})
    with pytest.raises(UsageError, match=r"and inputs\[1\]\.path .* name it in inputs\[1\]\.exclude"):
        refuse_own(config, inputs_of(config))
