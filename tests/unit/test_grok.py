"""The grok adapter: what a pattern file may say, what it captures, and what the errors say."""

from pathlib import Path
from typing import Any

import pytest

from shipper.decode.facts import TYPES
from shipper.decode.grok import Compiler, Definition, Pattern, builtin_names, read_definitions
from shipper.decode.library import KnownFields, load, load_definitions, read_schema
from shipper.errors import PatternError, UsageError
from shipper.model import User
from tests.support.said import FOLDER

KNOWN = KnownFields(read_schema("event.schema.json"))


def compile_text(text: str, name: str = "MESSAGE_X") -> Pattern:
    """The pattern `name` of a grok file with this text."""
    definitions = {d.name: d for d in read_definitions(text, "own.grok")}
    (pattern,) = Compiler(definitions, KNOWN, KNOWN.names, TYPES, KNOWN.check_type)([definitions[name]])
    return pattern


def match(expression: str, text: str) -> dict[str, Any] | None:
    return compile_text(f"MESSAGE_X {expression}").match(text)


def fault(text: str, name: str = "MESSAGE_X") -> str:
    with pytest.raises(PatternError) as caught:
        compile_text(text, name)
    return str(caught.value)


def write(directory: Path, **files: str) -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / f"{name}.grok").write_text(text, encoding="utf-8")
    return directory


# What is captured


@pytest.mark.parametrize("field", ["[azure_mfa][step]", "azure_mfa.step"])
def test_both_field_syntaxes_name_the_same_field(field: str) -> None:
    assert match(f"step %{{WORD:{field}}}", "step one") == {"azure_mfa.step": "one"}


def test_time_stamp_is_a_field_in_both_syntaxes() -> None:
    assert match("%{WORD:@timestamp} %{WORD:[@timestamp]}", "a b") == {"@timestamp": "b"}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (":int", "42", 42),
        (":int", "-042", -42),
        (":float", "1.5", 1.5),
        (":float", "-2", -2.0),
        (":string", "42", "42"),
        ("", "42", "42"),
        (":ip", "10.0.0.5", "10.0.0.5"),
        (":ip", "2001:DB8:0::1", "2001:db8::1"),
        (":ip", "::FFFF:10.0.0.5", "::ffff:10.0.0.5"),
        (":outcome", "succeeded", "success"),
        (":outcome", "failed", "failure"),
    ],
)
def test_type_converts_the_text(kind: str, text: str, value: object) -> None:
    captured = match(f"%{{NOTSPACE:azure_mfa.x{kind}}}", text)

    assert captured == {"azure_mfa.x": value}
    assert captured is not None
    assert type(captured["azure_mfa.x"]) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "x"),
        ("int", ""),
        ("int", "1.5"),
        ("int", "9223372036854775808"),
        ("int", "-9223372036854775809"),
        ("int", "9" * 100_000),
        ("float", "x"),
        ("float", "nan"),
        ("float", "1e999"),
        ("ip", "10.0.0.256"),
        ("ip", "host"),
        ("outcome", "maybe"),
    ],
)
def test_text_that_its_type_does_not_know_is_left_out(kind: str, text: str) -> None:
    """An event has no null, no infinity, and no number that JSON readers cannot hold; and a log cannot stop the shipper."""
    assert match(f"a%{{GREEDYDATA:azure_mfa.x:{kind}}}b", f"a{text}b") == {}


def test_largest_whole_numbers_are_kept() -> None:
    assert match("%{INT:azure_mfa.x:int} %{INT:azure_mfa.y:int}", "9223372036854775807 -9223372036854775808") == {
        "azure_mfa.x": 2**63 - 1,
        "azure_mfa.y": -(2**63),
    }


def test_user_and_arguments_have_types_of_their_own() -> None:
    assert match("%{NOTSPACE:user:principal}%{GREEDYDATA:azure_mfa.request.arguments:arguments}", "DOM\\anna , 'x', 1") == {
        "user": User("anna", "DOM", None, "dom\\anna"),
        "azure_mfa.request.arguments": ("x", "1"),
    }


def test_pattern_matches_the_whole_text_only() -> None:
    pattern = compile_text("MESSAGE_X %{INT:azure_mfa.x:int}")

    assert pattern.match("42") == {"azure_mfa.x": 42}
    assert [pattern.match(text) for text in (" 42", "42 ", "x42", "42x", "42\n", "\n42", "")] == [None] * 7


def test_alternatives_are_anchored_together() -> None:
    pattern = compile_text("MESSAGE_X one|two %{INT:azure_mfa.x:int}")

    assert pattern.match("one") == {}
    assert pattern.match("two 2") == {"azure_mfa.x": 2}
    assert pattern.match("one 2") is None


def test_only_what_has_a_field_is_captured() -> None:
    """Neither references without a field, nor groups, nor the fields that pygrok's own patterns name."""
    pattern = compile_text("MESSAGE_X (a)(?:b)(?P<c>c) %{WORD} %{SYSLOGBASE} ((%{INT:azure_mfa.x:int}))")

    assert pattern.match("abc d Feb 14 02:57:19 host prog[7]: 42") == {"azure_mfa.x": 42}
    assert [field for _, field, _ in pattern.fields] == ["azure_mfa.x"]


def test_plain_groups_cost_nothing() -> None:
    assert compile_text("MESSAGE_X (a(b)(?:c))\\(%{WORD}").regex.groupindex == {}
    assert compile_text("MESSAGE_X (a(b)(?:c))\\(%{WORD}").expression == "(?:a(?:b)(?:c))\\((?:\\b\\w+\\b)"


def test_group_that_took_no_part_leaves_its_field_out() -> None:
    pattern = compile_text("MESSAGE_X a(?: %{INT:azure_mfa.x:int})?(?: %{WORD:azure_mfa.y})?")

    assert pattern.match("a") == {}
    assert pattern.match("a 1") == {"azure_mfa.x": 1}
    assert pattern.match("a b") == {"azure_mfa.y": "b"}


def test_alternatives_may_capture_the_same_field() -> None:
    pattern = compile_text("MESSAGE_X (?:a %{INT:azure_mfa.x:int}|b %{WORD:azure_mfa.x})")

    assert pattern.match("a 1") == {"azure_mfa.x": 1}
    assert pattern.match("b one") == {"azure_mfa.x": "one"}


@pytest.mark.parametrize(
    ("expression", "yes", "no"),
    [
        (r"[(]x[)]", "(x)", "x"),
        (r"[^(]", "x", "("),
        (r"[]()]+", "](", "x"),
        (r"[^]()]+", "x", "]"),
        (r"[\]()]+", ")]", "\\"),
        (r"\[(a)", "[a", "(a"),
        (r"\\[(]", "\\(", "\\["),
        (r"[[(]+", "[(", "x"),
        (r"[[:alpha:]()]+", "é(", "a?"),
        (r"[()[:^alpha:]]+", "(?", "a"),
        (r"[a\-(]+(b)", "-(b", "b"),
    ],
)
def test_brackets_within_a_character_class_are_members_of_it(expression: str, yes: str, no: str) -> None:
    pattern = compile_text(f"MESSAGE_X {expression}%{{INT:azure_mfa.x:int}}")

    assert pattern.match(yes + "7") == {"azure_mfa.x": 7}
    assert pattern.match(no + "7") is None


def test_block_may_be_used_twice_with_fields_in_it() -> None:
    text = "PAIR %{WORD}=%{INT:azure_mfa.x:int}\nMESSAGE_X %{PAIR}, %{PAIR}(?:, %{PAIR})?"

    assert compile_text(text).match("a=1, b=2") == {"azure_mfa.x": 2}
    assert compile_text(text).match("a=1, b=2, c=3") == {"azure_mfa.x": 3}


def test_block_with_a_field_captures_within_a_reference_with_one() -> None:
    text = "INNER id %{INT:azure_mfa.x:int}\nMESSAGE_X <%{INNER:azure_mfa.y}>"

    assert compile_text(text).match("<id 7>") == {"azure_mfa.y": "id 7", "azure_mfa.x": 7}


def test_block_hides_the_pattern_of_pygrok_with_its_name() -> None:
    assert compile_text("INT [a-z]+\nMESSAGE_X %{INT:azure_mfa.x}").match("abc") == {"azure_mfa.x": "abc"}


def test_blocks_may_stand_in_any_order() -> None:
    assert compile_text("MESSAGE_X %{LATER:azure_mfa.x}\nLATER %{LAST}+\nLAST [ab]").match("abba") == {"azure_mfa.x": "abba"}


@pytest.mark.parametrize(
    "expression",
    [
        r"(['\"])%{WORD:azure_mfa.x}\1",
        r"(?P<quote>['\"])%{WORD:azure_mfa.x}(?P=quote)",
        r"(?<quote>['\"])%{WORD:azure_mfa.x}\g<quote>",
    ],
)
def test_back_reference_means_its_group(expression: str) -> None:
    pattern = compile_text(f"MESSAGE_X {expression}")

    assert pattern.match("'a'") == {"azure_mfa.x": "a"}
    assert pattern.match('"a"') == {"azure_mfa.x": "a"}
    assert pattern.match("'a\"") is None


def test_escaped_backslash_before_a_digit_is_no_back_reference() -> None:
    assert compile_text("MESSAGE_X (a)\\\\1").expression == "(?:a)\\\\1"
    assert match("(a)\\\\1", "a\\1") == {}


def test_expression_that_only_regex_understands_works_as_well() -> None:
    assert match(r"(?<year>[0-9]{4})\p{Lu}%{INT:azure_mfa.x:int}", "2017É5") == {"azure_mfa.x": 5}


def test_every_pattern_of_pygrok_can_be_used() -> None:
    """Save SHOREWALL, whose expression is wrong in pygrok 1.0.0."""
    for name in builtin_names():
        if name != "SHOREWALL":
            assert compile_text(f"MESSAGE_X %{{{name}:message}}").fields[-1][1] == "message"


# Files


def test_comments_blank_lines_and_windows_line_ends_are_skipped() -> None:
    text = "\ufeff# first\r\n\r\nA  x y \r\n  # third\n\n   B %{A}\n"

    assert read_definitions(text, "own.grok") == [Definition("A", "x y", "own.grok", 3), Definition("B", "%{A}", "own.grok", 6)]


@pytest.mark.parametrize("line", ["ALONE", "BAD-NAME x", "%{NAME} x", "ALONE   "])
def test_line_that_defines_nothing_is_an_error(line: str) -> None:
    with pytest.raises(PatternError) as caught:
        read_definitions(f"GOOD x\n\n{line}\n", "own.grok")

    assert str(caught.value) == f"own.grok:3: expected `NAME expression`, found {line.strip()!r}"


def test_duplicate_definition_names_both_lines() -> None:
    with pytest.raises(PatternError) as caught:
        read_definitions("A x\n# no\nA y\n", "own.grok")

    assert str(caught.value) == "own.grok:3: A is defined twice; first in line 1"


# Errors name FILE:LINE


def test_unknown_pattern_name_has_a_hint() -> None:
    assert fault("MESSAGE_X %{GREEDYDAT:message}") == "own.grok:1: unknown pattern %{GREEDYDAT}; did you mean %{GREEDYDATA}?"


def test_unknown_pattern_name_is_found_in_the_block_that_has_it() -> None:
    assert (
        fault("MESSAGE_X %{A}\nA b\nB %{A}%{qqqqqqqq}\n".replace("X %{A}", "X %{B}")) == "own.grok:3: unknown pattern %{qqqqqqqq}"
    )


@pytest.mark.parametrize("expression", ["(a", "[a", "a)", "a{2,1}", "*a", "(?P<x", "a\\"])
def test_bad_expression_is_blamed_on_the_block_that_is_bad(expression: str) -> None:
    message = fault(f"MESSAGE_X %{{OUTER}}\nOUTER %{{GOOD}}%{{BAD:message}}\nGOOD a\nBAD {expression}\n")

    assert message.startswith("own.grok:4: bad expression of BAD: ")


def test_bad_expression_of_one_pattern_is_not_blamed_on_another() -> None:
    definitions = {d.name: d for d in read_definitions("MESSAGE_A (a)\nMESSAGE_B b)(\nMESSAGE_C c", "own.grok")}

    with pytest.raises(PatternError, match=r"^own\.grok:2: bad expression of MESSAGE_B: "):
        Compiler(definitions, KNOWN, KNOWN.names, TYPES)(list(definitions.values()))


def test_bad_expressions_that_only_together_make_a_good_one_are_bad() -> None:
    definitions = {d.name: d for d in read_definitions("MESSAGE_A (a\nMESSAGE_B b)", "own.grok")}

    with pytest.raises(PatternError, match=r"^own\.grok:1: bad expression of MESSAGE_A: "):
        Compiler(definitions, KNOWN, KNOWN.names, TYPES)(list(definitions.values()))


def test_bad_expression_of_pygrok_is_blamed_on_the_pattern_that_uses_it() -> None:
    assert fault("MESSAGE_X %{WORD:message} %{SHOREWALL}").startswith("own.grok:1: bad expression of MESSAGE_X: ")


def test_misspelt_field_has_a_hint() -> None:
    assert fault("\nMESSAGE_X %{INT:[process][pidd]:int}") == (
        "own.grok:2: %{INT:[process][pidd]:int}: there is no field process.pidd; did you mean process.pid?"
    )


def test_field_of_ones_own_is_told_where_it_may_go() -> None:
    assert fault("MESSAGE_X %{INT:zzz}") == (
        "own.grok:1: %{INT:zzz}: there is no field zzz; put your own fields below azure_mfa. or labels."
    )


def test_fields_of_ones_own_below_azure_mfa_and_labels_are_known() -> None:
    assert match("%{WORD:azure_mfa.my.own} %{WORD:[labels][site]}", "a b") == {"azure_mfa.my.own": "a", "labels.site": "b"}


def test_unknown_type_lists_the_known_ones() -> None:
    assert fault("MESSAGE_X %{INT:azure_mfa.x:long}") == (
        "own.grok:1: %{INT:azure_mfa.x:long}: unknown type 'long'; known types are action, arguments, float, int, ip, outcome, principal, string, utc"
    )


@pytest.mark.parametrize("field", ["", "user-name", "user..name", ".user", "user.", "[user", "user]", "[user]name", "a b", "[]"])
def test_bad_field_name_is_told_how_to_write_one(field: str) -> None:
    assert fault(f"MESSAGE_X %{{WORD:{field}}}") == (
        f"own.grok:1: %{{WORD:{field}}}: {field!r} is not a field name; write [user][name] or user.name"
    )


@pytest.mark.parametrize("reference", ["%{WORD", "%{}", "%{ WORD }", "%{WORD:a:int:b}", "%{WORD-X}", "%{%{WORD}}"])
def test_malformed_reference_is_told_how_to_write_one(reference: str) -> None:
    assert fault(f"A %{{WORD}}\nMESSAGE_X {reference}") == (
        "own.grok:2: a reference is written %{NAME}, %{NAME:field} or %{NAME:field:type}"
    )


def test_cycle_shows_its_way() -> None:
    assert fault("MESSAGE_X %{A}\nA x%{B}\nB y%{A}") == "own.grok:3: %{A} refers to itself: MESSAGE_X -> A -> B -> A"


def test_pattern_that_refers_to_itself_is_a_cycle() -> None:
    assert fault("MESSAGE_X a%{MESSAGE_X}") == "own.grok:1: %{MESSAGE_X} refers to itself: MESSAGE_X -> MESSAGE_X"


def test_control_character_that_joins_expressions_is_refused() -> None:
    assert fault("MESSAGE_X a\x1eb") == "own.grok:1: MESSAGE_X contains the control character '\\x1e'; write \\x1e"


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("%{WORD:user}", "user needs the type principal"),
        ("%{WORD:user:string}", "user needs the type principal"),
        ("%{WORD:user.name:principal}", "the type principal is for user"),
        ("%{DATA:azure_mfa.request.arguments}", "azure_mfa.request.arguments needs the type arguments"),
        ("%{DATA:message:arguments}", "the type arguments is for azure_mfa.request.arguments"),
        ("%{INT:process.pid}", "process.pid needs the type int"),
        ("%{INT:[azure_mfa][status][code]}", "azure_mfa.status.code needs the type int"),
        ("%{INT:event.code:int}", "event.code is a string; leave out :int"),
        ("%{WORD:tags}", "tags is a list, which a pattern cannot capture"),
        ("%{WORD:labels}", "labels is an object; capture a field below it"),
        ("%{WORD:azure_mfa.status}", "azure_mfa.status is an object; capture a field below it"),
        ("%{WORD:event.id}", "event.id is set by the shipper; capture another field"),
        ("%{WORD:event.dataset}", "event.dataset is set by the shipper; capture another field"),
    ],
)
def test_field_must_get_a_value_that_an_event_can_hold(reference: str, what: str) -> None:
    """Found at the start, by `check` too, and not at the first line that matches."""
    assert fault(f"MESSAGE_X {reference}") == f"own.grok:1: {reference}: {what}"


# Directories


def test_patterns_of_a_directory_are_added_and_tried_first(tmp_path: Path) -> None:
    library = load(
        (write(tmp_path, own="MESSAGE_OWN own %{INT:azure_mfa.x:int}\nLINE_OWN %{NOTSPACE:@timestamp} %{GREEDYDATA:message}\n"),)
    )
    builtin = load()

    assert [p.name for p in library.messages] == ["MESSAGE_OWN", *(p.name for p in builtin.messages)]
    assert [p.name for p in library.lines] == ["LINE_OWN", *(p.name for p in builtin.lines)]
    assert library.messages[0].match("own 7") == {"azure_mfa.x": 7}
    assert builtin.builtin
    assert not library.builtin


def test_pattern_of_a_directory_replaces_the_builtin_of_its_name(tmp_path: Path) -> None:
    library = load((write(tmp_path, own="MESSAGE_PFRAD_VERDICT result: %{INT:azure_mfa.auth_result:int}\n"),))

    assert [p.name for p in library.messages].count("MESSAGE_PFRAD_VERDICT") == 1
    assert library.messages[0].match("result: 1") == {"azure_mfa.auth_result": 1}
    assert not any(p.match("authResult = 1") for p in library.messages)


def test_block_of_a_directory_changes_the_builtin_patterns_that_use_it(tmp_path: Path) -> None:
    line = load((write(tmp_path, own="MFA_LEVEL (?:info|error)\n"),)).lines[0]

    captured = line.match("2017-02-14T02:57:19.234778Z|error|1|2|pfrad|m")
    assert captured is not None
    assert captured["log.level"] == "error"


def test_first_directory_wins_over_the_second_and_a_file_over_those_behind_it(tmp_path: Path) -> None:
    first = write(tmp_path / "1", b="MESSAGE_OWN 1b\n", a="MESSAGE_OWN 1a\nMESSAGE_A x\n")
    second = write(tmp_path / "2", a="MESSAGE_OWN 2\nMESSAGE_B x\n")

    messages = load((first, second)).messages
    assert [p.name for p in messages][:3] == ["MESSAGE_OWN", "MESSAGE_A", "MESSAGE_B"]
    assert messages[0].match("1a") == {}


def test_line_must_have_a_time_stamp(tmp_path: Path) -> None:
    with pytest.raises(PatternError) as caught:
        load((write(tmp_path, own="LINE_OWN own %{GREEDYDATA:message}\n"),))

    what = "LINE_OWN does not capture @timestamp; a LINE_ pattern must"
    assert str(caught.value) == f"{tmp_path / 'own.grok'}:1: {what}"


@pytest.mark.parametrize(
    "reference", ["WORD:user:principal", "WORD:user.name", "INT:azure_mfa.auth_result:int", "WORD:event.outcome"]
)
def test_what_is_decoded_comes_from_the_message(tmp_path: Path, reference: str) -> None:
    """Captured from the line, it would be shown without being understood."""
    name = reference.split(":")[1]
    with pytest.raises(PatternError) as caught:
        load((write(tmp_path, own=f"LINE_OWN %{{NOTSPACE:@timestamp}} %{{{reference}}}\n"),))

    what = f"LINE_OWN captures {name}; capture the message here, and {name} in a MESSAGE_ pattern"
    assert str(caught.value) == f"{tmp_path / 'own.grok'}:1: {what}"


def test_time_stamp_comes_from_the_line(tmp_path: Path) -> None:
    with pytest.raises(PatternError) as caught:
        load((write(tmp_path, own="MESSAGE_OWN at %{GREEDYDATA:@timestamp}\n"),))

    what = "MESSAGE_OWN captures @timestamp; only a LINE_ pattern can"
    assert str(caught.value) == f"{tmp_path / 'own.grok'}:1: {what}"


def test_error_of_a_file_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(PatternError) as caught:
        load((write(tmp_path, own="# mine\nMESSAGE_OWN %{INT:event.codee}\n"),))

    assert str(caught.value).startswith(f"{tmp_path / 'own.grok'}:2: ")
    assert caught.value.exit_status == 2


def test_every_block_of_a_directory_can_be_tried(tmp_path: Path) -> None:
    directory = write(tmp_path / "own", mine="UNUSED (a\n")

    assert load((directory,)).lines
    with pytest.raises(PatternError, match=r"mine\.grok:1: bad expression of UNUSED: "):
        load((directory,), every_block=True)
    assert load(every_block=True).builtin


def test_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load((tmp_path / "no",))

    assert str(caught.value) == f"pattern directory {tmp_path / 'no'} does not exist"


def test_file_in_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "a.grok").write_text("A x\n", encoding="utf-8")

    with pytest.raises(UsageError, match="is no directory"):
        load_definitions(tmp_path / "a.grok")


def test_directory_without_grok_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A x\n", encoding="utf-8")

    with pytest.raises(UsageError) as caught:
        load((tmp_path,))

    assert str(caught.value) == f"pattern directory {tmp_path} contains no *.grok file"


def test_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.grok").write_bytes(b"A x\xff\n")

    with pytest.raises(UsageError) as caught:
        load((tmp_path,))

    assert str(caught.value) == f"{tmp_path / 'a.grok'}: the pattern file must be UTF-8; byte 3 is not"


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.grok").mkdir()

    with pytest.raises(UsageError) as caught:
        load((tmp_path,))

    assert str(caught.value) in [f"cannot read the pattern file {tmp_path / 'a.grok'}: {said}" for said in FOLDER]
