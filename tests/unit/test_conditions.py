"""What `--where`, `--since` and `--until` let through, and what they refuse."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config.units import moment
from shipper.decode.library import event_fields, load
from shipper.emit.filters import Keep, checked, selection
from shipper.errors import UsageError
from shipper.model import VARIES, Label, Origin
from shipper.times import SECOND, StampReader, from_seconds

ORIGIN = Origin("a.log", "azure_mfa.radius", "event")
STAMP = "2017-02-14T02:57:19.234778Z"
EVENT = {
    "event": {"code": "21", "original": ["Calling pfAuthUser('Straße', '', 1)", "rawCallStatus = 21"], "duration": 5366093000},
    "message": "a*b\nc",
    "user": {"name": "Straße", "domain": "CONTOSO", "target": {"name": "Ann"}},
    "related": {"user": ["Straße", "x@Contoso.example"]},
    "azure_mfa": {"status": {"prompted": True}},
}


def kept(condition: str) -> bool:
    keep = selection([condition])
    assert keep is not None
    return keep(json.dumps(EVENT), (STAMP, "id", ORIGIN, None))


@pytest.mark.parametrize(
    "condition",
    [
        "event.code=21",
        "event.code=2*",
        "event.code=?1",
        "event.code=*",
        "event.code=**1*",
        "event.original=Calling*",
        "event.original=*Status = 21",
        "event.duration=5366*000",
        "message=a*b?c",
        "message=*\n*",
        "user.name=strasse",
        "user.name=STRASSE",
        "user.name=STRA*",
        "user.domain=contoso",
        "user.target.name=ANN",
        "related.user=*@contoso.EXAMPLE",
        "azure_mfa.status.prompted=true",
    ],
)
def test_what_is_kept(condition: str) -> None:
    assert kept(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "event.code=2",
        "event.code=2?1",
        "event.code=1*",
        "event.code=",
        "event.code=2.",
        "event.code=[2]1",
        "event.original=CALLING*",
        "message=a*c*b",
        "user.name=stras",
        "user.email=*",
        "azure_mfa.status.prompted=True",
    ],
)
def test_what_is_not_kept(condition: str) -> None:
    assert not kept(condition)


def slow(glob: str, text: str) -> bool:
    """A glob by its definition."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(slow(glob[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and glob[0] in ("?", text[0]) and slow(glob[1:], text[1:])


@given(st.text("ab*?.[", max_size=7), st.text("ab.[\n", max_size=9))
def test_globs_are_those_of_the_definition(glob: str, text: str) -> None:
    keep = selection([f"message={glob}"])
    assert keep is not None
    assert keep(json.dumps({"message": text}), (STAMP, "id", ORIGIN, None)) == slow(glob, text)


def test_a_glob_takes_linear_time() -> None:
    keep = selection(["message=" + "*a" * 40 + "*b"])
    assert keep is not None
    assert not keep(json.dumps({"message": "a" * 200_000}), (STAMP, "id", ORIGIN, None))


def test_a_sample_decides_without_the_event() -> None:
    sample = {"event": {"code": "21", "id": VARIES}, "user": VARIES}
    label: Label = (STAMP, "id", Origin(None, "azure_mfa.radius", "event", sample), None)
    keep: Keep | None = selection(["event.code=2?"])
    assert keep is not None
    assert keep("no JSON", label)
    other = selection(["event.code=1*", "user.name=ann"])
    assert other is not None
    assert not other("no JSON", label)


@cache
def fields() -> dict[str, dict[str, Any]]:
    return event_fields(load())


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("event.outcom=success", "event.outcom; did you mean event.outcome?"),
        ("code=21", "code; did you mean event.code?"),
        ("user=bob", "user; did you mean user.name?"),
        ("User.Name=bob", "User.Name; did you mean user.name?"),
        ("username=bob", "username; did you mean user.name?"),
        ("user.name.first=bob", "user.name.first; did you mean user.name?"),
        ("azure_mfa.staus.code=21", "azure_mfa.staus.code; did you mean azure_mfa.status.code?"),
        ("host.nmae=x", "host.nmae; did you mean host.name?"),
        ("observer.naem=x", "observer.naem; did you mean observer.name?"),
        ("labels.=x", "labels.; parse --pretty shows the fields of an event"),
        ("foo=1", "foo; parse --pretty shows the fields of an event"),
        ("nobody=", "nobody; parse --pretty shows the fields of an event"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_name(condition: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        checked(condition, fields())
    assert f"--where {condition}: there is no field {said}" in str(raised.value)


@pytest.mark.parametrize(
    "field", ["@timestamp", "user.target.email", "labels.site", "host.ip", "host.os.name", "log.syslog.hostname"]
)
def test_known_fields(field: str) -> None:
    assert checked(f"{field}=x*", fields()) == f"{field}=x*"


@pytest.mark.parametrize(
    ("condition", "meant"),
    [
        ("azure_mfa.status.prompted=True", "azure_mfa.status.prompted=true"),
        ("azure_mfa.mfa_fatigue.gave_in=FALSE", "azure_mfa.mfa_fatigue.gave_in=false"),
        ("azure_mfa.status.prompted=t*", "azure_mfa.status.prompted=t*"),
        ("event.outcome=Success", "event.outcome=success"),
        ("event.category=IAM", "event.category=iam"),
        ("threat.framework=mitre att&ck", "threat.framework=MITRE ATT&CK"),
        ("event.severity=21", "event.severity=21"),
        ("azure_mfa.status.code=-104", "azure_mfa.status.code=-104"),
        ("azure_mfa.status.code=1?", "azure_mfa.status.code=1?"),
        ("log.offset=*", "log.offset=*"),
        ("user.name=", "user.name="),
        ("@timestamp=2017-02-14*", "@timestamp=2017-02-14*"),
        ("event.end=2017-02-14T02:57:19.5Z", "event.end=2017-02-14T02:57:19.5Z"),
        ("event.id=46d6be51c79ccc24-151-dp", "event.id=46d6be51c79ccc24-151-dp"),
    ],
)
def test_a_value_is_spelled_as_its_field_spells_it(condition: str, meant: str) -> None:
    assert checked(condition, fields()) == meant


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("azure_mfa.status.prompted=yes", "azure_mfa.status.prompted is one of true, false"),
        ("azure_mfa.status.prompted=", "azure_mfa.status.prompted is one of true, false"),
        ("azure_mfa.status.prompted=T*", "azure_mfa.status.prompted is one of true, false"),
        ("event.outcome=ok", "event.outcome is one of success, failure, unknown"),
        ("event.severity=22", "event.severity is one of 10, 21, 47, 73, 99"),
        ("azure_mfa.status.code=21.0", "azure_mfa.status.code is a whole number, such as 21"),
        ("azure_mfa.status.code=021", "azure_mfa.status.code is a whole number, such as 21"),
        ("azure_mfa.status.code=denied", "azure_mfa.status.code is a whole number, such as 21"),
        ("log.offset=a*", "log.offset is a whole number, such as 21"),
        ("log.offset=", "log.offset is a whole number, such as 21"),
        (
            "@timestamp=2017-02-14",
            "@timestamp is a time, such as 2017-02-14T02:57:19Z; for a day write @timestamp=2017-02-14*, or --since and --until",
        ),
        ("azure_mfa.exchange.id=151", "azure_mfa.exchange.id is an id, such as 46d6be51c79ccc24-151"),
    ],
)
def test_a_value_that_a_field_never_has_is_refused(condition: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        checked(condition, fields())
    assert str(raised.value) == f"--where {condition}: {said}"


def test_not_a_condition() -> None:
    with pytest.raises(UsageError, match="expected FIELD=VALUE"):
        checked("user.name", fields())


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2017-02-14", "2017-02-14T00:00:00"),
        ("2017-02-14T02:57", "2017-02-14T02:57:00"),
        ("2017-02-14 02:57:19", "2017-02-14T02:57:19"),
        ("2017-02-14T02:57:19.500Z", "2017-02-14T02:57:19.5"),
        ("2017-02-14T02:57:19.000Z", "2017-02-14T02:57:19"),
        ("2017-02-14T02:57:19.123456789+01:00", "2017-02-14T01:57:19.123456789"),
        ("2017-02-14T00:30+0100", "2017-02-13T23:30:00"),
        ("2017-02-14T02:57 -05:30", "2017-02-14T08:27:00"),
    ],
)
def test_moments(text: str, written: str) -> None:
    assert moment(text) == written


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2017-02-30", "2017-02-14T25:00", "14.02.2017", "2017-02-14T02", "0001-01-01T00:00+01:00"]
)
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match="is no date or time; write"):
        moment(text)


TIMES = st.builds(
    lambda second, fraction: from_seconds(1487041039 + second)[:19] + (f".{fraction}" if fraction else "") + "Z",
    st.integers(0, 2),
    st.text("05", max_size=9),
)


@given(TIMES, TIMES, TIMES)
def test_a_span_holds_its_beginning_and_not_its_end(since: str, time: str, until: str) -> None:
    keep = selection([], moment(since), moment(until))
    assert keep is not None
    read = StampReader().read
    begin, now, end = read(since), read(time), read(until)
    assert begin is not None
    assert now is not None
    assert end is not None
    assert keep("", (time, "id", ORIGIN, None)) == (begin <= now < end)
    assert end - begin <= 3 * SECOND


def test_either_end_may_be_open() -> None:
    begins, ends = selection([], since="2017-02-14T00:00:00"), selection([], until="2017-02-15T00:00:00")
    assert begins is not None
    assert ends is not None
    for time, after, before in (
        ("0001-01-01T00:00:00Z", False, True),
        (STAMP, True, True),
        ("9999-12-31T23:59:59.9Z", True, False),
    ):
        label: Label = (time, "id", ORIGIN, None)
        assert (begins("", label), ends("", label)) == (after, before)


def test_all_is_wanted() -> None:
    assert selection([]) is None
