"""What a detector remembers, where the kernel keeps it: a dictionary like any other, in which those that wait take little room."""

import random
import sys
from collections.abc import MutableMapping
from copy import deepcopy
from typing import Any

import pytest

from shipper.decode import compiled
from shipper.decode.compiled import generation
from shipper.detect import DETECTORS
from shipper.detect.double_prompt import Rule as DoublePrompt
from shipper.detect.local import LocalDetector
from shipper.detect.mfa_fatigue import Rule as FatigueRule
from shipper.detect.remembered import Known, alone, waits
from shipper.detect.waiting import CompiledArrived
from shipper.model import Chunk, Code, CompletionFields, Counts, UserFields
from shipper.pipeline import Pipeline, Settings
from shipper.times import SECOND
from tests.support.burst import BURST
from tests.support.burst import Rule as BurstRule
from tests.support.logs import library, log_file
from tests.unit.test_plain import exchange

pytestmark = pytest.mark.skipif(bool(compiled.WHY_NOT), reason=f"no kernel: {compiled.WHY_NOT}")

CODE = Code(21, "Mobile App Authenticated", "authenticated", "success", True, "mobile_app", "informational", "SUCCESS")
USER: UserFields = ("anna", "DOM", None, "dom\\anna")
KEYS = ["anna", "dom\\anna", "Größe", "\ud800", "", "x" * 200]


def completion(number: int) -> CompletionFields:
    return 0, USER, f"f-{number}", "pfrad", number, f"from {number}", number + 7, f"to {number}", CODE, True, number + 7


def completions() -> "compiled.Completions":
    """Those that the kernel makes of a log."""
    pipeline = Pipeline(Settings(library(), detectors={}), Counts())
    pipeline.open(log_file(b""))
    pipeline(Chunk("".join(f"{line}\n" for line in exchange(0)).encode(), 0))
    events = pipeline.parser(Chunk("".join(f"{line}\n" for second in (9, 12, 15) for line in exchange(second)).encode(), 300))
    assert compiled.are_completions(events.completions)
    return events.completions


def told(memory: Any) -> Any:
    """A memory as what its user has done."""
    state = memory
    while isinstance(state, tuple):
        state = state[2]
    return [waiting[2:10] for waiting in waits(memory)], state


def test_it_is_a_dictionary() -> None:
    rnd = random.Random(7)
    made, states = completions(), [Known(number, {"state": number}) for number in range(3)]
    kept: MutableMapping[str, Any] = generation({}, compiled=True)
    other: MutableMapping[str, Any] = generation({"anna": alone(completion(1), None)}, compiled=True)
    plain: MutableMapping[str, Any] = generation({}, compiled=False)
    assert isinstance(plain, dict)
    for number in range(3000):
        key = rnd.choice([*KEYS, str(number % 97)])
        older = rnd.choice([None, states[number % 3], plain.get(key), kept.get(key), other["anna"], (made, 0, None)])
        memory = rnd.choice([states[number % 3], (made, number % 3, older), alone(completion(number), older), older or states[0]])
        what = number % 8
        if what == 7:
            assert told(kept.pop(key, None)) == told(plain.pop(key, None))
        elif what == 6 and key in plain:
            del kept[key], plain[key]
        elif len(waits(memory)) < 20:
            kept[key], plain[key] = memory, memory
        assert (key in kept, len(kept), bool(kept)) == (key in plain, len(plain), bool(plain))
        assert told(deepcopy(kept.get(key)) if what else kept.get(key))[0] == told(plain.get(key))[0]
    assert {key: told(memory) for key, memory in kept.items()} == {key: told(memory) for key, memory in plain.items()}
    assert {*kept} == {*plain} == {**kept}.keys()
    again = generation({**plain}, compiled=True)
    assert {key: told(memory) for key, memory in again.items()} == {key: told(memory) for key, memory in plain.items()}
    for missing in ("nobody", "\udfff"):
        assert kept.get(missing) is None
        assert kept.get(missing, 1) == 1
        with pytest.raises(KeyError):
            kept[missing]
        with pytest.raises(KeyError):
            del kept[missing]


def test_one_that_waits_says_what_it_is() -> None:
    made = completions()
    kept: Any = generation({"anna": (made, 1, None)}, compiled=True)
    waiting, at, older = kept["anna"]
    assert waiting is kept
    assert older is None
    assert waiting.completion(at) == made.completion(1)
    assert (waiting.end(at), waiting.code(at)) == (made.end(1), made.code(1))
    for ask in (waiting.completion, waiting.end, waiting.code):
        with pytest.raises(IndexError):
            ask(9)
    with pytest.raises(IndexError):
        kept["anna"] = (kept, 9, None)


def test_nothing_holds_itself() -> None:
    """`parse` runs without a collector of cycles."""
    state = Known(1, {})
    before = sys.getrefcount(state)
    kept = generation({}, compiled=True)
    for _ in range(3):
        kept["anna"] = alone(completion(1), (completions(), 1, kept.get("anna", state)))
    assert sys.getrefcount(state) > before
    del kept
    assert sys.getrefcount(state) == before


def test_what_begins_nothing_takes_no_memory() -> None:
    """MFA fatigue begins with a refusal: of a million who sign in and refuse nothing, none is kept."""
    pipeline = Pipeline(Settings(library(), detectors={"mfa_fatigue": FatigueRule()}), Counts())
    pipeline.open(log_file(b""))
    calls = [f"Calling pfAuthUser('user{number}', '', 1)" for number in range(10)]
    quiet = [exchange(5 * number, call=call) for number, call in enumerate(calls[:8])]
    refused = [exchange(41 + 5 * number, call=call, status="129") for number, call in enumerate(calls[8:])]
    for lines, users in ((quiet, 0), (refused, 2)):
        pipeline(Chunk("".join(f"{line}\n" for one in lines for line in one).encode(), 0))
        assert pipeline.sizes[1] == users


def made_by_the_kernel(lines: list[str]) -> list["compiled.Completions"]:
    """The completions of chunks of three lines."""
    pipeline = Pipeline(Settings(library(), detectors={}), Counts())
    pipeline.open(log_file(b""))
    made = []
    for number in range(0, len(lines), 3):
        data = "".join(f"{line}\n" for line in lines[number : number + 3]).encode()
        events = pipeline.parser(Chunk(data, 1000 * number))
        assert compiled.are_completions(events.completions)
        made.append(events.completions)
    return made


def host_of(name: str, rule: Any, counts: Counts) -> LocalDetector:
    return LocalDetector(DETECTORS[name], rule, counts, 1000, kernel=True)


def test_what_is_older_than_the_horizon_does_not_wait_on() -> None:
    """Somebody who signs in once a minute for years is one sign-in in memory, where the horizon is 50 seconds."""
    host = host_of("double_prompt", DoublePrompt(10 * SECOND, 10 * SECOND), Counts())
    others = [exchange(60 * minute - 5, call=f"Calling pfAuthUser('user{minute}', '', 1)") for minute in range(1, 30)]
    lines = [line for minute, other in enumerate(others, 1) for line in (*other, *exchange(60 * minute))]
    for completions in made_by_the_kernel(lines):
        assert host(CompiledArrived(completions)) == []
        assert {len(waits(host._young[user])) for user in host._young} == {1}


def test_what_begins_nothing_may_be_late_all_the_same() -> None:
    counts = Counts()
    host = host_of("mfa_fatigue", FatigueRule(10 * SECOND, 3, 10 * SECOND), counts)
    for completions in made_by_the_kernel([*exchange(1000), *exchange(1001), *exchange(100), *exchange(999)]):
        host(CompiledArrived(completions))
    assert (host.late, host.entries) == (1, 0)


def test_a_detector_that_cannot_wait_takes_each_completion() -> None:
    """No step of it is put off, and so the kernel takes none, wherever the completions come from."""
    calls = [f"Calling pfAuthUser('user{number}', '', 1)" for number in range(4)]
    made = made_by_the_kernel([line for number, call in enumerate(calls) for line in exchange(9 * number, call=call)])
    found = []
    for kernel in (True, False):
        host = LocalDetector(BURST, BurstRule(60 * SECOND, 1), Counts(), 1000, kernel=kernel)
        found.append([finding.alert.id for completions in made for finding in host(CompiledArrived(completions))])
    assert found[0] == found[1]
    assert len(found[0]) == 4
