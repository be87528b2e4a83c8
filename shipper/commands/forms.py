"""The form of an output, by option or by the name of its file, and what is said where a page cannot be made."""

from collections.abc import Sequence
from pathlib import Path

from shipper.errors import UsageError

ENDINGS = {".html": "html", ".htm": "html", ".json": "json", ".csv": "csv"}


def form_of(form: str | None, output: str | None, forms: Sequence[str]) -> str:
    """The form of an output: as asked for, else by the ending of the file's name, else the first of `forms`."""
    by_name = ENDINGS.get(Path(output or "").suffix.lower(), forms[0])
    return form or (by_name if by_name in forms else forms[0])


def without_extra(error: ModuleNotFoundError, others: str) -> UsageError:
    """What a page says that lacks the extra `report`; `others` are the forms that can be made all the same."""
    return UsageError(
        f"the page needs the extra report ({error.name} is missing): in a checkout, pip install '.[report]'; "
        f"--format {others} do without"
    )
