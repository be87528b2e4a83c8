"""The report as a screen."""

import msgspec
import pytest

from shipper.commands.report_screen import report_screen
from shipper.commands.screen import Screen
from shipper.report.summary import Summary
from tests.support.tools import ROOT

EXAMPLE = (ROOT / "deploy" / "examples" / "report.json").read_bytes()


@pytest.fixture(scope="module")
def example() -> Summary:
    return msgspec.json.decode(EXAMPLE, type=Summary)


def test_it_begins_with_the_answer(example: Summary) -> None:
    lines = report_screen(example, Screen(100)).splitlines()

    assert lines[0] == "MFA report: 12,362 lines of 4 logs"
    assert lines[2] == f"  {example.answer[0]}"


def test_it_is_plain_without_colours_and_fits_the_width(example: Summary) -> None:
    text = report_screen(example, Screen(80))

    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_terminal_gets_colours(example: Summary) -> None:
    assert "\x1b[1m" in report_screen(example, Screen(100, color=True))


def test_the_recommended_cache_and_its_numbers_are_shown(example: Summary) -> None:
    assert example.cache is not None
    seconds = example.cache.recommendation.seconds
    [step] = [step for step in example.cache.types[0].not_renewed if step.seconds == seconds]
    [line] = [line for line in report_screen(example, Screen(140)).splitlines() if line.strip().startswith(f"{seconds} s")]

    assert f" {step.spared_double_prompts} " in line
    assert f"{step.users_spared_all} of {example.cache.users}" in line


def test_a_name_cannot_command_the_terminal_or_rich(example: Summary) -> None:
    user = msgspec.structs.replace(example.double_prompts.top[0], user="[red]\x1b[2J<script>")
    doubles = msgspec.structs.replace(example.double_prompts, top=[user])
    text = report_screen(msgspec.structs.replace(example, double_prompts=doubles), Screen(140))

    assert "[red]\\x1b[2J<script>" in text
    assert "and 45 more" in text


def test_nothing_to_say_is_said(example: Summary) -> None:
    total = msgspec.structs.replace(example.authentications.total, authentications=0, first_steps=0)
    empty = msgspec.structs.replace(
        example,
        answer=["No authentication was found."],
        authentications=msgspec.structs.replace(example.authentications, total=total),
    )

    text = report_screen(empty, Screen(100))

    assert "No authentication was found." in text
    assert "When" not in text
    assert "Data quality" in text


def test_what_does_not_add_up_is_said(example: Summary) -> None:
    wrong = [msgspec.structs.replace(total, holds=False) for total in example.quality.sums[:1]]
    quality = msgspec.structs.replace(example.quality, sums=wrong, notes=["x.log is read as a log of its own"])

    text = report_screen(msgspec.structs.replace(example, quality=quality), Screen(100))

    assert "does not add up: lines = requests" in text
    assert "All sums add up." not in text
    assert "x.log is read as a log of its own" in text
