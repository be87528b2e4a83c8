"""What is seen of an expression without compiling it holds for everything that it matches."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.decode.expressions import beginning, without_unnamed_groups

BEGINNINGS = {
    "": "",
    "abc": "abc",
    r"User \[a\]\.\w": "User [a].",
    r"\*\*\* (?s:.*)": "*** ",
    "auth ?= ?1": "auth",
    "ab+": "ab",
    "ab*": "a",
    "ab{0,2}": "a",
    r"a\.?": "a",
    "a": "a",
    "a?": "",
    "[ab]c": "",
    ".a": "",
    "(ab)c": "",
    "(?:ab)c": "ab",
    "(?P<x>(?:ab)c)d": "ab",
    "(?>(?s:ab)c|d)": "",
    "(?:ab)?c": "",
    "(?:(?:ab)c)*d": "",
    "(?:ab){0}c": "",
    "(?:ab)+": "ab",
    "ab|c": "",
    "a(?:b|c)": "a",
    "(?:ab|c)d": "",
    "(?:(?:ab)c|d)": "",
    "(?:ab)(?:c|d)?": "ab",
    "(?:ab)c|d": "",
    "(?P<x>ab)[|)(]c": "ab",
    r"(?:a[]|(]b)\|\)": "a",
    r"(?:a[^]\]|]b)": "a",
    "a[[:alpha:]|]": "a",
    "(?i:ab)": "",
    "ab(?i:c)": "",
    "(?i)ab": "",
    "ab(?#|)": "",
    "(?=ab)a": "",
    "ab(?=c|d)(?<!x)(?!y)": "ab",
}


@pytest.mark.parametrize("expression", BEGINNINGS)
def test_beginning(expression: str) -> None:
    assert beginning(expression) == BEGINNINGS[expression]


ATOMS = st.sampled_from(["a", "b", " ", r"\.", r"\|", r"\w", "[ab|]", "[^)a]", "."])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.builds("(?:{}){}".format, inner, st.sampled_from(["", "?", "*", "+", "{0,2}"])),
        st.builds("({})".format, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, st.data())
def test_all_that_an_expression_matches_begins_so(expression: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(expression, fullmatch=True))
    assert text.startswith(beginning(expression))
    without = re.compile(without_unnamed_groups(expression))
    assert without.groups == 0
    assert without.fullmatch(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(EXPRESSIONS, min_size=2, max_size=3).map("|".join), st.data())
def test_an_alternative_has_no_beginning_of_its_own(expression: str, data: st.DataObject) -> None:
    assert data.draw(st.from_regex(expression, fullmatch=True)).startswith(beginning(expression))


@pytest.mark.parametrize(
    ("expression", "changed"),
    [
        (r"(a)(?:b)\((?P<x>c)", r"(?:a)(?:b)\((?P<x>c)"),
        ("[(](a)[](][^](](b)", "[(](?:a)[](][^](](?:b)"),
        (r"[\](]([[:alpha:](]+)", r"[\](](?:[[:alpha:](]+)"),
        (r"(a)\1", r"(a)\1"),
        (r"(a)\\1", r"(?:a)\\1"),
    ],
)
def test_unnamed_groups_capture_nothing(expression: str, changed: str) -> None:
    assert without_unnamed_groups(expression) == changed
