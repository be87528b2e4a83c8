"""Makes untrusted texts, such as log lines and file names, safe to print on a terminal. Pure."""


def printable(text: str) -> str:
    """The text with its control characters escaped, so that it can neither command the terminal nor start a new line."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
