"""Texts of a log on somebody's terminal. Pure."""


def printable(text: str) -> str:
    """The text with its control characters escaped, so that a log cannot send commands to the terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
