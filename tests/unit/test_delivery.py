"""Delivery: until the sink has it, whatever happens there."""

import random

import pytest

from shipper.deliver.delivery import LONGEST_PAUSE, MOST_UNKEPT, Delivery
from shipper.deliver.sink import Batch, Receipt, Refusal, SinkDown, TransactionRefused
from shipper.testing import FakeClock, FlakySink, MemorySink, block


class Letters:
    """Dead letters in memory; the disk is full while `full`."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.full = False

    def add(self, refusals: tuple[Refusal, ...]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.kept += [refusal.line for refusal in refusals]


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def down(self, reason: str) -> None:
        self.said.append(f"down: {reason}")

    def up(self) -> None:
        self.said.append("up")

    def refused(self, refusals: tuple[Refusal, ...]) -> None:
        self.said += [f"refused: {refusal.reason}" for refusal in refusals]

    def unkept(self, reason: str | None) -> None:
        self.said.append(f"unkept: {reason}")


class Case:
    def __init__(self, sink: MemorySink, run: str = "me", letters: Letters | None = None) -> None:
        self.sink, self.clock, self.letters, self.log = sink, FakeClock(), letters or Letters(), Log()
        chance = random.Random(1).random
        self.delivery = Delivery(sink, self.letters, self.log, run=run, now=self.clock, random=chance)

    def give(self, *batches: tuple[bytes, ...]) -> list[int]:
        """Hand over batches of lines."""
        return [self.delivery.hand_over([block(*lines)], {b"place:x": lines[-1]}) for lines in batches]

    def until_done(self, turns: int = 500) -> list[int]:
        done: list[int] = []
        for _ in range(turns):
            done += self.delivery.turn(0)
            if not self.delivery.outstanding:
                return done
            self.clock.wait(1)
        raise AssertionError(f"not done after {turns} turns: {self.log.said[-3:]}")


class Scripted(MemorySink):
    """Fails where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.closed_door: str | None = None
        self.no_send: str | None = None
        self.opened = 0

    def open(self) -> dict[bytes, bytes]:
        self.opened += 1
        if self.closed_door:
            raise SinkDown(self.closed_door)
        return dict(super().open())

    def send(self, batch: Batch) -> None:
        if self.no_send:
            raise SinkDown(self.no_send)
        super().send(batch)


def test_batches_are_delivered_in_order() -> None:
    case = Case(MemorySink())
    assert case.give((b"a",), (b"b", b"c")) == [1, 2]
    assert case.until_done() == [1, 2]
    assert case.sink.lines == [b"a", b"b", b"c"]
    assert case.log.said == ["up"]


def test_at_most_in_flight() -> None:
    case = Case(MemorySink(in_flight=2))
    case.give((b"a",), (b"b",))
    assert not case.delivery.accepts
    case.until_done()
    assert case.delivery.accepts


@pytest.mark.parametrize("stores", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_lost_on_a_flaky_sink(seed: int, stores: bool) -> None:
    sink = FlakySink(seed, stores_places=stores, trouble=0.3, refuse=0.1)
    case = Case(sink)
    wanted, given = [b"%d" % n for n in range(60)], 0
    for _ in range(3000):
        if given < len(wanted) and case.delivery.accepts:
            case.give((wanted[given],))
            given += 1
        case.delivery.turn(0)
        case.clock.wait(1)
        if given == len(wanted) and not case.delivery.outstanding:
            break
    else:
        raise AssertionError("not done")
    assert set(sink.lines) | set(case.letters.kept) == set(wanted)
    assert list(dict.fromkeys(sink.lines)) == sorted(set(sink.lines), key=int)  # first arrivals in order
    if stores:
        assert len(sink.lines) == len(set(sink.lines))  # a commit whose end was not seen is not repeated


def test_a_change_of_state_is_told_once() -> None:
    sink = Scripted()
    case = Case(sink)
    sink.closed_door = "no broker"
    case.give((b"a",))
    for _ in range(20):
        case.delivery.turn(0)
        case.clock.wait(60)
    sink.closed_door, sink.no_send = None, "no topic"
    for _ in range(20):
        case.delivery.turn(0)
        case.clock.wait(60)
    sink.no_send = None
    case.until_done()
    assert case.log.said == ["down: no broker", "down: no topic", "up"]
    assert case.delivery.retries == 40


def test_pauses_double_up_to_a_limit_and_begin_anew_after_a_success() -> None:
    sink = Scripted()
    case = Case(sink)
    sink.closed_door = "gone"
    pauses = []
    for _ in range(12):
        case.delivery.turn(0)
        assert case.delivery.wake is not None
        pauses.append(case.delivery.wake - case.clock())
        case.clock.time = case.delivery.wake
    assert all(LONGEST_PAUSE / 2 <= pause <= LONGEST_PAUSE for pause in pauses[-3:])
    assert pauses[0] < pauses[3] < pauses[6]
    sink.closed_door = None
    case.give((b"a",))
    case.until_done()
    sink.no_send = "gone again"
    case.give((b"b",))
    assert case.delivery.wake is not None
    assert case.delivery.wake - case.clock() <= pauses[0] * 2


def test_a_sink_that_is_down_is_not_asked_before_its_time() -> None:
    sink = Scripted()
    case = Case(sink)
    sink.closed_door = "gone"
    for _ in range(50):
        case.delivery.turn(0)
    assert sink.opened == 1


class Refusing(MemorySink):
    """Delivers batches, but for lines that are bad."""

    def poll(self, timeout: float) -> list[Receipt]:
        taken = list(self._taken)
        self._taken.clear()
        receipts = []
        for batch in taken:
            bad = {index: "too large" for index, line in enumerate(batch.lines()) if line == b"bad"}
            self.lines += batch.without(bad).lines()
            receipts.append(Receipt(batch.number, batch.refusals(bad)))
        return receipts


def test_refused_records_are_kept_before_they_count() -> None:
    case = Case(Refusing())
    case.letters.full = True
    case.give((b"bad",))
    assert case.delivery.turn(0) == []
    assert case.delivery.outstanding == 1
    assert case.log.said == ["up", "unkept: cannot keep dead letters: No space left on device"]
    case.letters.full = False
    assert case.until_done() == [1]
    assert case.letters.kept == [b"bad"]
    assert case.log.said[2:] == ["refused: too large", "unkept: None"]


def test_letters_that_cannot_be_kept_stop_nothing_else_and_repeat_nothing() -> None:
    sink = Refusing(in_flight=2)
    case = Case(sink)
    case.letters.full = True
    case.give((b"1", b"bad", b"2"), (b"3",))
    done = []
    for number in range(4, 40):
        done += case.delivery.turn(0)
        assert case.delivery.accepts
        case.give((b"%d" % number, b"bad") if number % 9 == 0 else (b"%d" % number,))
        case.clock.wait(1)
    done += case.delivery.turn(0)
    refused = [1, *(number - 1 for number in range(9, 40, 9))]
    assert sorted(done) == [number for number in range(1, 39) if number not in refused]
    assert sink.lines == [b"%d" % number for number in range(1, 40)]
    assert case.delivery.outstanding == len(refused)
    assert case.delivery.is_up
    case.letters.full = False
    assert case.until_done() == refused
    assert case.letters.kept == [b"bad"] * len(refused)
    assert [said for said in case.log.said if said.startswith("unkept")] == [
        "unkept: cannot keep dead letters: No space left on device",
        "unkept: None",
    ]


def test_letters_that_cannot_be_kept_are_not_tried_all_the_time() -> None:
    case = Case(Refusing())
    case.letters.full = True
    case.give((b"bad",))
    case.delivery.turn(0)
    pauses = []
    for _ in range(12):
        assert case.delivery.wake is not None
        pauses.append(case.delivery.wake - case.clock())
        assert case.delivery.turn(0) == []
        case.clock.time = case.delivery.wake
        case.delivery.turn(0)
    assert pauses[0] < pauses[3] < pauses[6] <= LONGEST_PAUSE


def test_what_waits_for_letters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(Refusing())
    case.letters.full = True
    for _ in range(MOST_UNKEPT):
        assert case.delivery.accepts
        case.give((b"bad",))
        case.delivery.turn(0)
    assert not case.delivery.accepts
    case.letters.full = False
    case.until_done()
    case.letters.full = True
    monkeypatch.setattr("shipper.deliver.delivery.MOST_BEHIND", 5)
    case.give((b"bad",))
    for _ in range(5):
        case.delivery.turn(0)
        assert case.delivery.accepts
        case.give((b"good",))
    case.delivery.turn(0)
    assert not case.delivery.accepts


def test_a_topic_of_dead_letters_that_is_away() -> None:
    class Away(Letters):
        def add(self, refusals: tuple[Refusal, ...]) -> None:
            if self.full:
                raise SinkDown("the dead letter topic cannot be reached")
            super().add(refusals)

    case = Case(Refusing(), letters=Away())
    case.letters.full = True
    case.give((b"1", b"bad"))
    case.delivery.turn(0)
    assert case.log.said == ["up", "unkept: the dead letter topic cannot be reached"]
    case.letters.full = False
    assert case.until_done() == [1]
    assert case.sink.lines == [b"1"]


def test_a_commit_of_another_run_says_nothing_about_ours() -> None:
    sink = MemorySink(stores_places=True)
    sink.places[b"batch"] = b"another:9"
    case = Case(sink)
    case.give((b"a",))
    case.until_done()
    assert sink.lines == [b"a"]


class Picky(MemorySink):
    """Takes no transaction with a bad line."""

    def __init__(self) -> None:
        super().__init__(stores_places=True)

    def poll(self, timeout: float) -> list[Receipt]:
        refused = {
            batch.number: batch.refusals({index: "odd" for index, line in enumerate(batch.lines()) if line == b"bad"})
            for batch in self._taken
        }
        if any(refused.values()):
            raise TransactionRefused(refused)
        return super().poll(timeout)


def test_a_transaction_waits_until_what_was_refused_can_be_kept() -> None:
    case = Case(Picky())
    case.letters.full = True
    case.give((b"1", b"bad"))
    assert case.delivery.turn(0) == []
    assert case.log.said[-1] == "down: cannot keep dead letters: No space left on device"
    assert (case.sink.lines, case.delivery.refused, case.delivery.connected) == ([], 0, False)
    case.letters.full = False
    assert case.until_done() == [1]
    assert (case.sink.lines, case.letters.kept, case.delivery.connected) == ([b"1"], [b"bad"], True)


def test_a_transaction_goes_on_without_what_was_refused() -> None:
    case = Case(Picky())
    case.give((b"1", b"bad", b"2", b"bad"), (b"3",), (b"bad",))
    assert case.until_done() == [1, 2, 3]
    assert case.sink.lines == [b"1", b"2", b"3"]
    assert case.letters.kept == [b"bad", b"bad", b"bad"]
    assert case.delivery.refused == 3
