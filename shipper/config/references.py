"""`${...}` in a configuration: values from the environment and from files. I/O.

`${NAME}` is a variable, `${NAME:-default}` the default if the variable is unset or empty, `${file:/run/secrets/x}` the first
line of a file, and `$${` stands for `${`. Any other form is an error, because a shell or another shipper would give it a meaning.
"""

import os
import re
from collections.abc import Mapping
from itertools import count

LONGEST = 64 << 10
"""Most characters in the first line of a file."""

_REFERENCE = re.compile(r"""\$?\$\{(?:([^}\n]*)\}|[^}\s'"]*)""")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?")


class References:
    """The references of one text.

    Tokens replace them before YAML parses the text, since YAML would take the braces in `{a: ${B}}` for its own.
    The tokens in parsed values are then resolved.
    """

    def __init__(self, text: str, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._found: list[re.Match[str]] = []
        mark = next(mark for number in count() if (mark := f"\ue000{number}:") not in text)
        self._token = re.compile(f"{mark}([0-9]+)\ue001")

        def take(match: re.Match[str]) -> str:
            self._found.append(match)
            return f"{mark}{len(self._found) - 1}\ue001"

        self.text = _REFERENCE.sub(take, text)
        """The text for YAML, with tokens in place of references."""

    def written(self, text: str) -> str:
        """A parsed text with its references as they were written."""
        return self._token.sub(lambda token: self._found[int(token[1])][0], text)

    def resolve(self, text: str, secrets: set[str]) -> tuple[str, bool]:
        """A parsed text with its references resolved, and whether it has any; values from outside are added to `secrets`.

        Raises:
            ValueError: a variable is not set, a file cannot be read, or the form is unknown.
        """
        outside = False

        def fetch(token: re.Match[str]) -> str:
            nonlocal outside
            whole, inside = self._found[int(token[1])].group(0, 1)
            if whole.startswith("$$"):
                return whole[1:]
            outside = True
            if inside is None:
                raise ValueError(f"{whole} has no closing bracket; write $${{ for the text ${{")
            if inside.startswith("file:"):
                value = _first_line(inside.removeprefix("file:"))
            else:
                value, default = self._variable(whole, inside)
                if default:
                    return value
            secrets.add(value)
            return value

        return self._token.sub(fetch, text), outside

    def _variable(self, whole: str, inside: str) -> tuple[str, bool]:
        """The value of `NAME` or `NAME:-default`, and whether it is the default."""
        form = _VARIABLE.fullmatch(inside)
        if form is None:
            raise ValueError(f"{whole} is none of ${{NAME}}, ${{NAME:-default}} and ${{file:PATH}}; write $${{ for the text ${{")
        name, default = form.groups()
        value = self._environ.get(name)
        if default is not None and not value:
            return default, True
        if value is None:
            raise ValueError(f"the environment variable {name} is not set")
        return value, False


def _first_line(path: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            line = file.readline(LONGEST + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"cannot read {path}: not UTF-8") from None
    except ValueError:
        raise ValueError(f"cannot read {path!r}: there is no such path") from None
    if len(line) > LONGEST:
        raise ValueError(f"the first line of {path} has more than {LONGEST} characters, so it is no value")
    return line.rstrip("\r\n")
