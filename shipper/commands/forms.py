"""The form of an output, the refusal to overwrite an input, and the error for a page without its extra. I/O."""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from shipper.errors import UsageError
from shipper.read.files import STDIN
from shipper.read.inputs import FileId, file_id

ENDINGS = {".html": "html", ".htm": "html", ".json": "json", ".csv": "csv"}


def form_of(form: str | None, output: str | None, forms: Sequence[str]) -> str:
    """The form of an output: `form`, else by the file's extension; the first of `forms` for `.txt` or no extension.

    Raises:
        UsageError: `form` is None, and no form has this extension.
    """
    ending = Path(output or "").suffix
    known = {name: of for name, of in ENDINGS.items() if of in forms} | {".txt": forms[0], "": forms[0]}
    if form is None and ending.lower() not in known:
        raise UsageError(f"--output {output}: there is no form for {ending}; end its name in {_listed(known)}, or give --format")
    return form or known[ending.lower()]


def _listed(endings: Iterable[str]) -> str:
    *most, last = filter(None, endings)
    return f"{', '.join(most)} or {last}"


def refuse_input(output: str | None, logs: Iterable[str], *others: Path | None, option: str = "--output") -> None:
    """Refuse an output that is one of the files to read, under whatever name.

    An output that is appended to its own input would never end.

    Args:
        output: as for `open_output`.
        logs: paths; `-` is standard input.
        others: other files to read; None for an option that was not given.
        option: the option that names the output.

    Raises:
        UsageError: the output is one of these files.
    """
    to_stdout = output is None or output == STDIN
    target = _regular(1 if to_stdout else output)
    if target is None:
        return
    name = "standard output" if to_stdout else f"{option} {output}"
    if target in [_regular(0 if path == STDIN else path) for path in logs]:
        raise UsageError(f"{name} is one of the logs to read; give another name")
    if target in [_regular(path) for path in others]:
        raise UsageError(f"{name} is a file that an option reads; give another name")


def _regular(file: int | str | Path | None) -> FileId | None:
    """The identity of a regular file, by descriptor or path; None for anything else, or if there is no such file."""
    with suppress(OSError):
        status = os.stat(file) if file is not None else None
        if status is not None and stat.S_ISREG(status.st_mode):
            return file_id(status)
    return None


def without_extra(error: ModuleNotFoundError, others: str) -> UsageError:
    """The error for a page without the extra `report`; `others` are the forms that need no extra."""
    return UsageError(
        f"the page needs the extra report ({error.name} is missing): in a checkout, pip install '.[report]'; "
        f"--format {others} do without"
    )
