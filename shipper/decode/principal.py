"""Splits `DOMAIN\\name`, `name@domain` or a bare name into the parts of a user. Pure."""

from shipper.model import User


def user_key(name: str, domain: str | None) -> str:
    """The key that is the same for all spellings of a user: `domain\\name`, or the bare name, casefolded."""
    return f"{domain}\\{name}".casefold() if domain else name.casefold()


def split_principal(text: str) -> User | None:
    """The user that a line names as `text`; None if the name is empty.

    The domain ends at the first `\\`, or at several in a row: copies out of Markdown or JSON double it. Without a `\\`, the
    name ends at the last `@`; if name and domain are both there (a user principal name), the text is also the e-mail address.
    """
    domain: str | None
    email = None
    domain, backslash, name = text.partition("\\")
    if not backslash:
        name, at, domain = text.rpartition("@")
        if not at:
            name, domain = text, None
        elif name and domain:
            email = text
    elif domain:
        name = name.lstrip("\\")
    if not name:
        return None
    domain = domain or None
    return User(name, domain, email, user_key(name, domain))
