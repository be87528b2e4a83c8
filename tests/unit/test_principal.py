"""Who signs in: DOMAIN\\name, name@domain or a bare name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.decode.principal import split_principal, user_key
from shipper.model import User

NAMES = st.text(st.characters(exclude_characters="\\@", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("text", "name", "domain", "email"),
    [
        ("Domain\\pnigam", "pnigam", "Domain", None),
        ("DOM\\O'Brien", "O'Brien", "DOM", None),
        ("DOM\\Pat van der Berg, Jr.", "Pat van der Berg, Jr.", "DOM", None),
        ("Россия\\Иван", "Иван", "Россия", None),
        ("A\\B\\C", "B\\C", "A", None),
        ("DOM\\anna@example.com", "anna@example.com", "DOM", None),
        ("NT AUTHORITY\\SYSTEM", "SYSTEM", "NT AUTHORITY", None),
        ("DOM\\\\anna", "anna", "DOM", None),
        ("DOM\\\\A\\\\B", "A\\\\B", "DOM", None),
        ("\\\\anna", "\\anna", None, None),
        ("anna@example.com", "anna", "example.com", "anna@example.com"),
        ("a@b@example.com", "a@b", "example.com", "a@b@example.com"),
        ("田中@例え.jp", "田中", "例え.jp", "田中@例え.jp"),
        ("anna", "anna", None, None),
        (" ", " ", None, None),
        ("\\anna", "anna", None, None),
        ("anna@", "anna", None, None),
        ("\\@", "@", None, None),
    ],
)
def test_forms(text: str, name: str, domain: str | None, email: str | None) -> None:
    assert split_principal(text) == User(name, domain, email, user_key(name, domain))


@pytest.mark.parametrize("text", ["", "DOM\\", "DOM\\\\", "\\", "@example.com", "@"])
def test_empty_user_is_no_user(text: str) -> None:
    assert split_principal(text) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("DOM\\Anna", "dom\\ANNA"),
        ("DOM\\Straße", "dom\\STRASSE"),
        ("Anna@Example.COM", "example.com\\anna"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("\\Anna", "anna"),
    ],
)
def test_spellings_of_one_person_have_one_key(one: str, other: str) -> None:
    first, second = split_principal(one), split_principal(other)

    assert first is not None
    assert second is not None
    assert first.key == second.key


@pytest.mark.parametrize(("one", "other"), [("A\\anna", "B\\anna"), ("anna", "A\\anna"), ("anna@a", "anna@b"), ("anna ", "anna")])
def test_different_people_have_different_keys(one: str, other: str) -> None:
    first, second = split_principal(one), split_principal(other)

    assert first is not None
    assert second is not None
    assert first.key != second.key


@given(NAMES, NAMES)
def test_domain_and_name_come_back_whatever_the_script(domain: str, name: str) -> None:
    assert split_principal(f"{domain}\\{name}") == User(name, domain, None, f"{domain}\\{name}".casefold())
    assert split_principal(f"{name}@{domain}") == User(name, domain, f"{name}@{domain}", f"{domain}\\{name}".casefold())
    assert split_principal(name) == User(name, None, None, name.casefold())


@given(st.text())
def test_any_text_has_a_user_with_a_name_or_none(text: str) -> None:
    user = split_principal(text)

    assert user is None or (user.name and user.name in text and (user.domain is None or user.domain in text))
    assert user is None or user.domain != ""
    assert user is None or user.email in (None, text)
