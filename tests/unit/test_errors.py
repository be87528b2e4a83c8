"""Errors as sentences."""

import errno

import pytest

from shipper.errors import of_system


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.EISDIR, "Is a directory", "logs"), "logs: Is a directory"),
        (OSError(errno.EISDIR, "Is a directory", b"logs"), "logs: Is a directory"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError("the port is in use"), "the port is in use"),
    ],
)
def test_an_error_of_the_system_names_its_file_and_no_number(error: OSError, sentence: str) -> None:
    assert of_system(error) == sentence
