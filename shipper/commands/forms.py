"""The form of an output, by option or by the name of its file, and what is said where a page cannot be made."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from shipper.errors import UsageError

ENDINGS = {".html": "html", ".htm": "html", ".json": "json", ".csv": "csv"}


def form_of(form: str | None, output: str | None, forms: Sequence[str]) -> str:
    """The form of an output: as asked for, else by the ending of the file's name; the first of `forms` for `.txt` or none.

    Raises:
        UsageError: nobody asked for a form, and the ending is that of none.
    """
    ending = Path(output or "").suffix
    known = {name: of for name, of in ENDINGS.items() if of in forms} | {".txt": forms[0], "": forms[0]}
    if form is None and ending.lower() not in known:
        raise UsageError(f"--output {output}: there is no form for {ending}; end its name in {_listed(known)}, or give --format")
    return form or known[ending.lower()]


def _listed(endings: Iterable[str]) -> str:
    *most, last = filter(None, endings)
    return f"{', '.join(most)} or {last}"


def without_extra(error: ModuleNotFoundError, others: str) -> UsageError:
    """What a page says that lacks the extra `report`; `others` are the forms that can be made all the same."""
    return UsageError(
        f"the page needs the extra report ({error.name} is missing): in a checkout, pip install '.[report]'; "
        f"--format {others} do without"
    )
