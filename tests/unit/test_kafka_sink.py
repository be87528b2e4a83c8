"""The Kafka sink over a client in memory: what real brokers cannot be made to do on command."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from shipper.deliver.dead_letters import DeadLetterFile
from shipper.deliver.kafka.causes import cause, lacking
from shipper.deliver.kafka.client import Fenced, KafkaOptions, Part, Pending
from shipper.deliver.kafka.dead_letter_topic import DeadLetterTopic
from shipper.deliver.kafka.records import Record
from shipper.deliver.kafka.sink import KafkaSink
from shipper.deliver.sink import Batch, Receipt, SinkDown, TransactionRefused
from shipper.errors import UsageError
from shipper.testing import block


class Topics:
    """A client whose broker takes all values but b"bad", because of which it rejects the whole request.

    Several may share `state`, the content of the state topic, and `values`, the content of the others.
    """

    def __init__(self, state: dict[bytes, bytes], values: list[bytes] | None = None) -> None:
        self.state = state
        self.values = [] if values is None else values
        self._transaction: list[Record] = []
        self._whole = True

    def connect(self) -> None:
        pass

    def take_over(self) -> None:
        pass

    def read(self, topic: str, begin: Mapping[int, int], *, committed: bool) -> Part:
        return Part({0: list(self.state.items()) if committed else []}, {0: len(self.state)})

    def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
        return {}

    def cleanup_policy(self, topic: str) -> str | None:
        return "compact"

    def send(self, pending: Pending, records: list[Record]) -> None:
        pending.left -= len(records)
        if any(record[2] == b"bad" for record in records):
            pending.rejected, self._whole = "too large", False
        else:
            self._transaction += records
            self.values += [value or b"" for topic, _, value, _ in records if topic != "state"]

    def collect(self, first: Pending | None, timeout: float) -> None:
        pass

    def begin(self) -> None:
        self._transaction, self._whole = [], True

    def commit(self) -> None:
        self.state.update({key: value or b"" for topic, key, value, _ in self._transaction if topic == "state"})

    def committed(self, timeout: float) -> bool:
        return self._whole

    def close(self, timeout: float) -> None:
        pass


OPTIONS_OF_ME = KafkaOptions(("x:1",), "events", exactly_once=True, state_topic="state", transactional_id="me")


def sink(state: dict[bytes, bytes], name: str, run: str = "run") -> KafkaSink:
    options = KafkaOptions(("x:1",), "events", exactly_once=True, state_topic="state", transactional_id=name)
    return KafkaSink(options, lambda _: Topics(state), run=run)


def test_shippers_that_share_a_state_topic_keep_apart() -> None:
    state: dict[bytes, bytes] = {}
    for name in ("mfa01", "mfa02"):
        kafka = sink(state, name)
        kafka.open()
        kafka.send(Batch(1, (block(b"1"),), ((b"batch", b"run:1"), (b"place", name.encode()))))
        kafka.flush()
        kafka.poll(0.0)
        assert kafka.poll(0.0)

    assert sink(state, "mfa01").open() == {b"batch": b"run:1", b"place": b"mfa01"}
    assert sink(state, "mfa02").open() == {b"batch": b"run:1", b"place": b"mfa02"}
    assert sink(state, "mfa03").open() == {}


def test_a_batch_that_comes_during_a_commit_waits_for_the_next_transaction() -> None:
    state: dict[bytes, bytes] = {}
    kafka = sink(state, "me")
    kafka.open()
    for number in (1, 2):
        kafka.send(Batch(number, (block(b"1"),), ((b"batch", b"run:%d" % number),)))
        kafka.flush()
        if number == 1:
            assert kafka.poll(0.0) == []  # the commit begins

    assert state[b"me/batch"] == b"run:1"
    assert kafka.poll(0.0) == [Receipt(1)]
    assert kafka.poll(0.0) == []
    assert kafka.poll(0.0) == [Receipt(2)]
    assert state[b"me/batch"] == b"run:2"


def test_a_transaction_of_which_the_broker_forgot_to_say_that_it_ended_counts() -> None:
    """Seen with a broker that was killed while it committed: it wrote no marker, and readers of what is committed wait."""
    state = {b"me/batch": b"before:1", b"me/place": b"1", b"other/place": b"5"}

    class Hanging(Topics):
        def read(self, topic: str, begin: Mapping[int, int], *, committed: bool) -> Part:
            behind: list[tuple[bytes | None, bytes | None]] = [
                (b"me/place", b"2"),
                (b"other/x", b"1"),
                (b"me/batch", b"before:2"),
            ]
            part = super().read(topic, begin, committed=committed)
            return part if committed else Part({0: behind}, part.ends)

    kafka = KafkaSink(OPTIONS_OF_ME, lambda _: Hanging(state), run="run")

    assert kafka.open() == {b"batch": b"before:2", b"place": b"2"}


def test_positions_behind_the_open_transaction_of_another_shipper_are_waited_for() -> None:
    reads = 0

    class Shared(Topics):
        def read(self, topic: str, begin: Mapping[int, int], *, committed: bool) -> Part:
            nonlocal reads
            reads += committed
            late = {b"me/place": b"2"}
            if committed:
                return Part({0: [*self.state.items(), *(late.items() if reads > 2 else ())]}, {0: 1})
            return Part({0: [(b"other/place", b"1"), *late.items()] if reads <= 2 else []}, {0: 1})

    kafka = KafkaSink(OPTIONS_OF_ME, lambda _: Shared({b"me/place": b"1"}), run="run")

    assert kafka.open() == {b"place": b"2"}
    assert reads == 3


def test_a_shipper_whose_id_was_taken_over_ends_and_leaves_the_other_in_peace() -> None:
    taken: list[str] = []

    class Topic(Topics):
        def take_over(self) -> None:
            taken.append("me")

    state: dict[bytes, bytes] = {}
    first = KafkaSink(OPTIONS_OF_ME, lambda _: Topic(state), run="first")
    first.open()
    first.abandon()
    assert first.open() == {b"batch": b"first:0"}  # its own mark
    second = KafkaSink(OPTIONS_OF_ME, lambda _: Topic(state), run="second")
    second.open()
    assert len(taken) == 3

    first.abandon()
    with pytest.raises(Fenced, match="the transactional id me has taken over"):
        first.open()

    assert len(taken) == 3
    second.abandon()
    assert second.open() == {b"batch": b"second:0"}


def test_a_shipper_that_is_fenced_as_it_starts_does_not_take_the_id_again() -> None:
    """Two start at the same instant, and the other one was later."""

    class Topic(Topics):
        def send(self, pending: Pending, records: list[Record]) -> None:
            pending.fail(Fenced("me"))

        def committed(self, timeout: float) -> bool:
            return False

    with pytest.raises(Fenced, match="the transactional id me has taken over"):
        KafkaSink(OPTIONS_OF_ME, lambda _: Topic({}), run="first").open()


def test_a_shipper_that_could_not_leave_its_mark_looks_for_those_of_others() -> None:
    state: dict[bytes, bytes] = {}
    taken: list[str] = []

    class Topic(Topics):
        def take_over(self) -> None:
            taken.append("me")

        def committed(self, timeout: float) -> bool:
            if len(taken) == 1:
                raise SinkDown("the broker is away")
            return super().committed(timeout)

        def commit(self) -> None:
            if len(taken) > 1:
                super().commit()

    first = KafkaSink(OPTIONS_OF_ME, lambda _: Topic(state), run="first")
    with pytest.raises(SinkDown, match="the broker is away"):
        first.open()
    first.abandon()
    KafkaSink(OPTIONS_OF_ME, lambda _: Topic(state), run="second").open()

    with pytest.raises(Fenced, match="the transactional id me has taken over"):
        first.open()

    assert len(taken) == 2


@pytest.mark.parametrize("stale", [b"run:0", b"before:7"])
def test_a_state_topic_that_does_not_show_what_was_committed_is_read_again(stale: bytes) -> None:
    state = {b"me/batch": b"before:7"}
    kafka = KafkaSink(OPTIONS_OF_ME, lambda _: Topics(state), run="run")
    kafka.open()
    kafka.send(Batch(1, (block(b"1"),), ((b"batch", b"run:1"),)))
    kafka.flush()
    kafka.poll(0.0)
    assert kafka.poll(0.0) == [Receipt(1)]
    kafka.abandon()
    state[b"me/batch"] = stale

    with pytest.raises(SinkDown, match="state does not show what was committed"):
        kafka.open()

    state[b"me/batch"] = b"run:1"
    assert kafka.open()[b"batch"] == b"run:1"


OPTIONS = KafkaOptions(("x:1",), "events", alert_topic="alerts", exactly_once=True, username="anna", ca_file="ca.pem")


@pytest.mark.parametrize(
    ("complaint", "sentence"),
    [
        ("Connection lost: SSL: CERTIFICATE_VERIFY_FAILED; socket disconnected", "unknown CA: ca_file (ca.pem)"),
        ("socket disconnected\n[Error 58] SaslAuthenticationFailedError: invalid credentials", "the user or the password"),
        ("Connect failed: Connection refused", "nobody listens there"),
        ("Unknown topic or partition", "create events and alerts and mfa-shipper-state"),
    ],
)
def test_the_cause_and_not_its_effects(complaint: str, sentence: str) -> None:
    assert sentence in (cause([complaint], OPTIONS) or "")


def test_what_no_phrase_explains() -> None:
    assert cause(["the moon is full"], OPTIONS) is None


def test_rights() -> None:
    everything: dict[str, set[str] | None] = {
        "events": {"WRITE"},
        "alerts": {"WRITE"},
        "mfa-shipper-state": {"READ", "WRITE", "DESCRIBE_CONFIGS"},
    }
    assert lacking(OPTIONS, everything) is None
    assert "missing topic: alerts" in (lacking(OPTIONS, everything | {"alerts": None}) or "")
    assert "create it (mfa-shipper-state with cleanup.policy=compact)" in (
        lacking(OPTIONS, everything | {"mfa-shipper-state": None}) or ""
    )
    assert "does not give anna DESCRIBE_CONFIGS and READ on the topic mfa-shipper-state" in (
        lacking(OPTIONS, everything | {"mfa-shipper-state": {"WRITE"}}) or ""
    )
    assert lacking(OPTIONS, {"mfa-shipper-state": {"READ", "WRITE", "DESCRIBE_CONFIGS"}}) is None  # only what was asked for


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_state_topic_that_is_not_compacted_is_refused(policy: str) -> None:
    class Expires(Topics):
        def cleanup_policy(self, topic: str) -> str | None:
            return policy

        def take_over(self) -> None:
            raise AssertionError("nothing is taken over")

        def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
            return {topic: {"READ", "WRITE", "DESCRIBE_CONFIGS"} for topic in topics}

    kafka = KafkaSink(OPTIONS_OF_ME, lambda _: Expires({}), run="run")

    with pytest.raises(UsageError, match=f"state has cleanup.policy={policy}, .*set cleanup.policy=compact"):
        kafka.open()
    assert "set cleanup.policy=compact" in (kafka.verify() or "")


@pytest.mark.parametrize(
    ("rights", "sentence"),
    [
        ({"state": None}, r"missing topic: state; create it \(state with cleanup.policy=compact\)"),
        ({"state": {"READ", "WRITE"}}, "does not give this client DESCRIBE_CONFIGS on the topic state"),
        ({"state": {"READ", "WRITE", "DESCRIBE_CONFIGS"}}, "the configuration of state cannot be seen"),
    ],
)
def test_a_state_topic_whose_configuration_cannot_be_seen_is_waited_for(
    rights: dict[str, set[str] | None], sentence: str
) -> None:
    class Hidden(Topics):
        def cleanup_policy(self, topic: str) -> str | None:
            return None

        def rights(self, topics: Iterable[str]) -> dict[str, set[str] | None]:
            return rights

    with pytest.raises(SinkDown, match=sentence):
        KafkaSink(OPTIONS_OF_ME, lambda _: Hidden({}), run="run").open()


BATCHES = [Batch(1, (block(b"1"), block(b"bad", b"2"))), Batch(2, (block(b"3"),))]


def sent_anew(kafka: KafkaSink, *batches: Batch) -> None:
    kafka.abandon()
    kafka.open()
    for batch in batches:
        kafka.send(batch)


def test_after_a_rejected_request_only_the_record_that_it_was_about_is_refused() -> None:
    values: list[bytes] = []
    kafka = KafkaSink(KafkaOptions(("x:1",), "events"), lambda _: Topics({}, values), run="run")
    sent_anew(kafka, *BATCHES)
    with pytest.raises(SinkDown, match="refuses a request; its records are sent one at a time"):
        kafka.poll(0.0)
    values.clear()
    sent_anew(kafka, *BATCHES)
    assert kafka.poll(1.0) == [Receipt(1, BATCHES[0].refusals({1: "too large"})), Receipt(2)]
    assert values == [b"1", b"2", b"3"]
    kafka.send(Batch(3, (block(b"4", b"5"),)))
    assert kafka.poll(0.0) == [Receipt(3)]  # no more one at a time


def test_a_transaction_names_the_record_that_is_refused() -> None:
    state: dict[bytes, bytes] = {}
    kafka = sink(state, "me")
    sent_anew(kafka, *BATCHES)
    with pytest.raises(SinkDown, match="refuses a request"):
        kafka.poll(0.0)
    sent_anew(kafka, *BATCHES)
    with pytest.raises(TransactionRefused) as refused:
        kafka.poll(1.0)
    assert refused.value.refused == {1: BATCHES[0].refusals({1: "too large"})}
    sent_anew(kafka, BATCHES[0].without({1})._replace(places=((b"place", b"9"),)), BATCHES[1])
    kafka.flush()
    assert kafka.poll(1.0) == []
    assert kafka.poll(1.0) == [Receipt(1), Receipt(2)]
    assert state == {b"me/batch": b"run:0", b"me/place": b"9"}


def test_a_commit_without_an_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipper.deliver.kafka.sink.COMMIT_SECONDS", -1.0)
    answers = True

    class Silent(Topics):
        def committed(self, timeout: float) -> bool:
            return answers and super().committed(timeout)

    state: dict[bytes, bytes] = {}
    kafka = KafkaSink(OPTIONS_OF_ME, lambda _: Silent(state), run="run")
    kafka.open()
    answers = False
    kafka.send(Batch(1, (block(b"1"),), ((b"batch", b"run:1"),)))
    kafka.flush()
    assert kafka.poll(0.0) == []
    with pytest.raises(SinkDown, match="no answer to a commit"):
        kafka.poll(0.0)

    answers = True
    kafka.abandon()
    assert kafka.open()[b"batch"] == b"run:1"  # it was committed all the same, as the state topic shows


def test_positions_that_the_state_topic_rejects_are_told_apart_from_events() -> None:
    kafka = sink({}, "me")
    batch = Batch(1, (block(b"1"),), ((b"place", b"bad"),))
    for sentence in ("refuses a request", "state does not take the positions: too large"):
        sent_anew(kafka, batch)
        kafka.flush()
        kafka.poll(1.0)
        with pytest.raises(SinkDown, match=sentence):
            kafka.poll(1.0)


def test_a_dead_letter_that_its_topic_rejects_goes_to_the_file(tmp_path: Path) -> None:
    class Small(Topics):
        """Takes no letter of the event b"large"."""

        def send(self, pending: Pending, records: list[Record]) -> None:
            if b'"line":"large"' in (records[0][2] or b""):
                pending.left, pending.rejected = 0, "too large"
            else:
                super().send(pending, records)

    values: list[bytes] = []
    file = DeadLetterFile(str(tmp_path / "letters"))
    topic = DeadLetterTopic("dead", lambda: Small({}, values), file)
    topic.add(Batch(1, (block(b"first", b"large", b"last"),)).refusals(dict.fromkeys(range(3), "odd")))
    assert [line for line, _ in file.read()] == [b"large"]
    assert [b'"line":"first"' in values[0], b'"line":"last"' in values[1], len(values)] == [True, True, 2]


def test_a_commit_that_never_ends_does_not_keep_the_process() -> None:
    program = "import threading; from shipper.deliver.kafka.closing import Commit; Commit(threading.Event().wait).start()"

    subprocess.run([sys.executable, "-W", "ignore", "-c", program], timeout=60, check=True)
