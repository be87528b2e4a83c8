"""Texts of others, such as log lines and file names, on somebody's terminal. Pure."""


def printable(text: str) -> str:
    """The text with its control characters escaped, so that it cannot send commands to the terminal, nor begin a line."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
