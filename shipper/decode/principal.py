"""Who `DOMAIN\\name`, `name@domain` or a bare name means. Pure."""

from shipper.model import User


def user_key(name: str, domain: str | None) -> str:
    """The identity of a person across spellings: Unicode casefold of `domain\\name`, or of the bare name."""
    return f"{domain}\\{name}".casefold() if domain else name.casefold()


def split_principal(text: str) -> User | None:
    """The user of a request line; None for an empty one.

    The domain ends at the first `\\`; without one, the name ends at the last `@`. A user principal
    name (both parts of `name@domain` there) also gives the e-mail address.
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
    if not name:
        return None
    domain = domain or None
    return User(name, domain, email, user_key(name, domain))
