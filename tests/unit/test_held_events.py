"""What the kernel holds of exchanges whose events are merged: to Python a dictionary, in order, and the same as the general path holds."""

from typing import Any

import pytest

from shipper.decode import compiled
from shipper.decode.merging import Event, Held, HeldEvents
from shipper.decode.parser import Options
from shipper.deliver.kafka.records import Records
from shipper.emit.formats import FORMATS
from shipper.model import Chunk, Counts, Label, LogFile, Origin
from shipper.pipeline import Pipeline, Settings
from shipper.times import EPOCH, SECOND
from tests.support.logs import entries, library
from tests.unit.test_plain import CALL, at, exchange, result

pytestmark = pytest.mark.skipif(bool(compiled.WHY_NOT), reason=f"no kernel: {compiled.WHY_NOT}")

LABEL: Label = ("2017-02-14T02:00:00.000000Z", "f-1", Origin("Mfa.log", "azure_mfa.radius", "event"), "anna")
BEGIN = [*exchange(0, head="|0|1|1|pfrad|"), at(1, CALL, "|0|1|7|pfrad|")]  # the first times are for the general path
OTHER = "|0|1412|5|pfrad|"
CASES: dict[str, list[str]] = {
    "an exchange": exchange(2),
    "no verdict": exchange(2)[::2],
    "two verdicts": [*exchange(2)[:2], at(3, "authResult = 0"), at(3, "rawCallStatus = 21")],
    "a verdict of no exchange": [*exchange(2)[1:], *exchange(4)],
    "more verdicts than are held back": [at(2, CALL), *[at(3, "authResult = 1")] * 20, at(3, "rawCallStatus = 21")],
    "two levels": [at(2, CALL), at(3, "authResult = 1", "|i|1412|4|pfrad|"), at(3, "rawCallStatus = 21", "|e|1412|4|pfrad|")],
    "a thread begins another": [at(2, CALL), at(3, "authResult = 1"), *exchange(4)],
    "too late": [at(2, CALL), *exchange(603)[1:]],
    "too late for others": [at(2, CALL), at(3, "authResult = 1"), at(2, CALL, OTHER), at(603, "Reloading"), *exchange(604, head=OTHER)],
    "too late for a result": [at(2, CALL), at(3, CALL, OTHER), result(603, head="|i|1|9|pfrad|"), *exchange(604)],
    "the time went back": [at(2, CALL), at(603, "Reloading", OTHER), *exchange(3)[1:]],
    "a verdict that is odd": [at(2, CALL), at(3, "authResult = 01"), at(3, "rawCallStatus = 21")],
    "a status that is odd": [*exchange(2)[:2], at(3, "rawCallStatus = 021"), *exchange(4)],
    "a code that nobody knows": exchange(2, status="998"),
    "a conflict": exchange(2, verdict="0"),
    "users of any form": [
        line
        for n, user in enumerate(("anna", "anna@b.example", "KÖLN\\Zoë", "DOM\\a'b", "", "山田"))
        for line in exchange(4 + n, call=f"Calling pfAuthUser('{user}', '', 1)")
    ],
    "curly quotes": exchange(2, call="Calling pfAuthUser(‘DOM\\anna’, ”, 1)") + exchange(4, call="Calling pfAuthUser(‘bob’, ”, 1)")[::2],  # noqa: RUF001
    "arguments": exchange(2, call="Calling pfAuthUser('anna', 'x', 2)") + exchange(4, call="Calling pfAuthUser('anna', 'x y', 2)"),
    "two components": [at(2, CALL), at(2, CALL, "|0|1412|4|pfsvc|"), *exchange(2)[1:], *exchange(2, head="|0|1412|4|pfsvc|")[1:]],
    "it does not end": [at(2, CALL), at(3, "authResult = 1"), at(3, CALL, OTHER)],
}  # fmt: skip


def shipped(lines: list[str], size: int, *, kernel: bool, middle: int = 1 << 10, **choices: Any) -> list[Any]:
    """Events, and the state after each chunk of `size` lines, of a log; from its line number `middle` on it is another file."""
    pipeline = Pipeline(Settings(library(), kernel=kernel, fast=kernel, per_exchange=True, **choices), Counts())
    seen = list[Any]()
    for name, part in (("first", lines[:middle]), ("second", lines[middle:])):
        pipeline.open(LogFile(f"{name}.log", f"{name:0>16}", EPOCH))
        offset = 0
        for start in range(0, len(part), size):
            data = "".join(f"{line}\n" for line in part[start : start + size]).encode()
            seen += [entries(pipeline(Chunk(data, offset))), pipeline.snapshot()]
            offset += len(data)
    return [*seen, entries(pipeline.close()), pipeline.counts]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("case", CASES)
def test_the_general_path_would_say_the_same(case: str, size: int, form: str) -> None:
    lines = [*BEGIN, *CASES[case], *exchange(10, head="|0|1|3|pfrad|"), *CASES[case]]
    for choices in ({"host": "mfa01", "middle": len(BEGIN) + 2}, {"options": Options(keep_original=False)}):
        made = shipped(lines, size, kernel=True, format=form, **choices)
        assert made == shipped(lines, size, kernel=False, format=form, **choices)


@pytest.mark.parametrize("memory", [1 << 15, 1 << 16])
def test_there_may_be_too_many(memory: int) -> None:
    lines = [at(2 + n // 4, CALL, f"|0|1|{n}|pfrad|") for n in range(60)] + exchange(20, head="|0|1|58|pfrad|")[1:]
    made = shipped(lines, 7, kernel=True, memory=memory)
    assert made == shipped(lines, 7, kernel=False, memory=memory)
    assert made[-1].crowded_out
    assert made[-1].merged


def test_the_same_id_twice() -> None:
    """Of two files that begin alike, which have the same name in ids."""
    made = []
    for kernel in (True, False):
        pipeline = Pipeline(Settings(library(), kernel=kernel, fast=kernel, per_exchange=True), Counts())
        data = [f"{line}\n".encode() for line in (*BEGIN, at(2, CALL), at(2, CALL, OTHER), at(3, CALL, "|0|1|9|pfrad|"))]
        pipeline.open(LogFile("Mfa.log", "0123456789abcdef", EPOCH))
        seen = list[Any](entries(pipeline(Chunk(b"".join(data), 0))))
        pipeline.open(LogFile("Mfa.log", "0123456789abcdef", EPOCH))
        again = b"".join(data).replace(b"|1412|", b"|1413|")
        seen += [entries(pipeline(Chunk(again + f"{exchange(4)[2]}\n".encode(), 0))), pipeline.snapshot()]
        made.append([*seen, entries(pipeline.close()), pipeline.counts])
    assert made[0] == made[1]


def held(number: int) -> Held:
    return Held(number * SECOND, Event(None, f'{{"n":{number}}}\n', LABEL))


@pytest.mark.parametrize("kind", [compiled.HeldEvents, HeldEvents] if not compiled.WHY_NOT else [])
def test_a_dictionary_in_order(kind: Any) -> None:
    some: Any = kind(Held.of) if kind is compiled.HeldEvents else kind()
    first, second, third, fourth = map(held, range(4))
    assert some.oldest() is None
    some["b"], some["a"], some["ü"] = first, second, third
    some["b"] = fourth  # keeps its place
    assert [*some] == ["b", "a", "ü"]
    assert [*some.items()] == [("b", fourth), ("a", second), ("ü", third)]
    assert some.oldest() == 3 * SECOND
    assert some.pop("b", None) is fourth
    assert some.pop("b", None) is None
    some["b"] = first  # has the last one now
    assert [*some.values()] == [second, third, first]
    del some["ü"]
    assert len(some) == 2
    assert "ü" not in some
    assert some.get("ü") is None
    assert some.get("ü", third) is third
    assert some["a"] is second
    for wrong in (some.__getitem__, some.__delitem__):
        with pytest.raises(KeyError):
            wrong("ü")
    some.clear()
    assert not some
    assert [*some] == []
    some["c"] = held(1 << 40)  # a time that takes more than 64 bits
    assert some.oldest() == (1 << 40) * SECOND


def test_many_that_wait_no_longer_are_forgotten() -> None:
    some, plain = compiled.HeldEvents(Held.of), HeldEvents()
    for number in range(10_000):
        one = held(number)
        for each in (some, plain):
            each[str(number)] = one
            if number % 97:
                del each[str(number)]
    assert [*some.items()] == [*plain.items()]
    told = iter(some)
    assert next(told) == "0"
    for number in range(0, 970, 97):
        del some[str(number)]
    assert next(told) == "970"


def test_a_chunk_of_which_all_is_held_back() -> None:
    """It comes to no event, and that to no record."""
    pipeline = Pipeline(Settings(library(), per_exchange=True), Counts())
    pipeline.open(LogFile("Mfa.log", "0123456789abcdef", EPOCH))
    blocks = [pipeline(Chunk(f"{at(0, CALL, f'|0|1|{thread}|pfrad|')}\n".encode(), 100 * thread)) for thread in range(4)]
    assert all(compiled.are_labels(block.labels) for block in blocks)
    records = Records("events", "alerts")
    assert records.of(blocks) == []
    assert len(records.of([pipeline.close()])) == 4
