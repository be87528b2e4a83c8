"""What a message means that a pattern of one's own has matched."""

from pathlib import Path

import pytest

from shipper.decode.facts import Facts, interpret
from shipper.decode.library import load

PATTERNS = r"""
MESSAGE_MINE_CALL my call of %{DATA:user:principal} \(%{DATA:azure_mfa.request.arguments:arguments}\) at %{WORD:labels.site}
MESSAGE_MINE_STATUS my status %{INT:azure_mfa.status.code:int} at %{WORD:labels.site}
MESSAGE_MINE_RESULT my result %{WORD:azure_mfa.status.constant} of %{DATA:user:principal}
MESSAGE_MINE_NOTE my note at %{WORD:labels.site}
"""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Facts]:
    """By message."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.grok").write_text(PATTERNS, encoding="utf-8")
    library = load((Path(folder),))
    found = {}
    for message in (
        "my call of CONTOSO\\bob (, '10.1.2.3', 7) at north",
        "my status 21 at north",
        "my result SUCCESS_NO_PIN of bob",
        "my note at north",
    ):
        pattern = next(pattern for pattern in library.messages if pattern.match(message))
        found[message.split()[1]] = interpret(message, pattern, pattern.match(message) or {}, library.codes)
    return found


def test_arguments_make_a_request(facts: dict[str, Facts]) -> None:
    call = facts["call"]
    assert (call.kind, call.user and call.user.key, call.arguments) == ("request", "contoso\\bob", ("10.1.2.3", "7"))
    assert call.extra == (("labels.site", "north"),)


def test_a_code_makes_a_status(facts: dict[str, Facts]) -> None:
    status = facts["status"]
    assert (status.kind, status.code and status.code.number, status.extra) == ("status", 21, (("labels.site", "north"),))


def test_a_constant_makes_a_result(facts: dict[str, Facts]) -> None:
    result = facts["result"]
    assert (result.kind, result.code and result.code.number, result.user and result.user.name) == ("result", 2, "bob")


def test_anything_else_is_a_log(facts: dict[str, Facts]) -> None:
    assert (facts["note"].kind, facts["note"].extra) == ("log", (("labels.site", "north"),))
