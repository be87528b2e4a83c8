"""Where a warm start begins: nothing that can still matter lies before it, in the order in which files are read again."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from shipper.decode.library import load
from shipper.detect import DETECTORS
from shipper.model import Chunk, Counts, LogFile
from shipper.pipeline import Settings
from shipper.read.position import Position, Reading
from shipper.read.rotation import compared
from shipper.sidecar.checkpoint import Checkpoint
from shipper.sidecar.places import Advance, Span, WarmStart, by_present_names, read_records, records
from shipper.sidecar.warm_start import LivePipelines
from shipper.times import SECOND


def reading(key: str, first: str, offset: int, line: bytes) -> Reading:
    """A line of a file whose first line has the time `first`."""
    place = Position(key, "Mfa", f"{key}.log", 1, 1, offset + len(line), "", "utf-8", first)
    return Reading(key, LogFile(place.path, key, first), Chunk(line, offset), place)


def line(time: str, text: str = "text") -> bytes:
    return f"2017-02-14T{time}Z|0|1412|6452|pfrad|{text}\n".encode()


def test_an_older_file_that_is_read_late_is_not_skipped() -> None:
    live = LivePipelines(Settings(load()), Counts(), {}, {}, lambda *_: [])
    old, young = "2017-02-14T02:00:00Z", "2017-02-14T02:00:10Z"
    reads = [
        reading("young", young, 0, line("02:00:10")),
        reading("old", old, 0, line("02:00:00", "Calling pfAuthUser('a', '', 1)")),
        reading("young", young, 50, line("02:00:20")),
        reading("young", young, 100, line("02:30:00")),
        reading("young", young, 150, line("05:00:00")),
    ]
    begins = [live.process(one)[1].warm._replace(clocks={}) for one in reads]
    assert begins == [WarmStart("young", 0), *3 * [WarmStart("old", 0)], WarmStart("young", 150)]


def far_ahead(time: str) -> bytes:
    return line(time, "Calling pfAuthUser('a', '', 1)").replace(b"2017-", b"2099-", 1)


def test_a_warm_start_knows_the_time_and_begins_beside_no_line_that_waits_for_the_next_time() -> None:
    lines = [line("02:00:00"), line("02:01:00"), far_ahead("02:02:00"), line("02:03:00"), line("05:00:00"), line("05:00:01")]
    first = "2017-02-14T02:00:00Z"
    reads = [reading("a", first, 50 * number, text) for number, text in enumerate(lines)]
    live = LivePipelines(Settings(load()), Counts(), {}, {}, lambda *_: [])
    begins = [live.process(one)[1].warm for one in reads]
    assert [begin.offset for begin in begins] == [0, 0, 0, 0, 200, 200]
    assert begins[-1].clocks["pfrad"] == ((live.newest or 0) - (2 * 3600 + 57 * 60 + 1) * SECOND, None)

    def replay(source: str, key: str, offset: int) -> list[Reading]:
        return reads[offset // 50 :]

    warm = LivePipelines(Settings(load()), Counts(), {}, {"Mfa": begins[-1]}, replay)
    warm.process(reading("a", first, 300, line("05:00:02")))
    live.process(reading("a", first, 300, line("05:00:02")))
    assert warm.newest == live.newest


def at(path: str) -> str:
    """The path as the name of a log has it."""
    return compared(path)


def test_what_is_stored_of_a_warm_start() -> None:
    starts = (
        WarmStart("k.2", 3),
        WarmStart("k", 7, {"d": {"u": 1}}),
        WarmStart("k", 7, {}, {"pfrad": (253_402_300_799_999_999_999, None)}),
        WarmStart("k", 7, {"d": {"{ ": 1}}, {"pfrad": (-5, None), "": (-(10**30), [10**20, "pfrad|1|2", "f-0", None])}),
        WarmStart("k", 7, {}, {}, (Span("j", 1, {"pfsvc": (3, None)}, "k", 4), Span("k", 5, {}, "k", 6))),
    )
    for start in starts:
        stored = records([Advance("a", place(at("/l/X.log"), at("/l/X.log"), "1"), start)])
        assert read_records({key: value for key, value in stored.items() if value is not None})[1] == {at("/l/X.log"): start}


def test_what_earlier_versions_stored() -> None:
    placed = place(at("/l/X.log"), at("/l/X.log"), "1").to_json()
    for text in (b"k 7", b"k 7 1487041200000000000", b'k 7 1487041200000000000 {"mfa_fatigue": {"u": {}}}'):
        assert read_records({b"place:a": placed, b"warm:" + at("/l/X.log").encode(): text})[1] == {
            at("/l/X.log"): WarmStart("k", 7)
        }


def refusal(number: int, minute: int) -> bytes:
    return line(
        f"{minute // 60:02}:{minute % 60:02}:{number:02}",
        "Pfauth failed for user 'bob'. Call status: FAILED_PHONE_APP_DENIED - \"Mobile App Denied\".",
    )


def test_what_was_told_long_ago_is_known_after_a_restart(tmp_path: Path) -> None:
    """Five refusals, then one every six minutes for hours, then five again: told once, wherever the restart comes."""
    lines = [refusal(n, 0) for n in range(5)] + [refusal(0, minute) for minute in range(6, 360, 6)]
    lines += [refusal(n, 360) for n in range(5)]
    offsets = [sum(map(len, lines[:number])) for number in range(len(lines))]
    reads = [reading("k", "2017-02-14T00:00:00Z", at, line) for at, line in zip(offsets, lines, strict=True)]
    how = Settings(load(), detectors={"mfa_fatigue": DETECTORS["mfa_fatigue"].rule()})
    for restart in (1, 5, 40, len(reads) - 3):
        live = LivePipelines(how, Counts(), {}, {}, lambda *_: [])
        before = [live.process(one) for one in reads[:restart]]
        _, place, warm = before[-1][1]

        def replay(source: str, key: str, offset: int, until: int = restart) -> list[Reading]:
            return [one for one in reads[:until] if one.chunk.offset >= offset]

        checkpoint = Checkpoint(str(tmp_path))
        checkpoint.save({"k": place}, {"Mfa": warm})
        stored = checkpoint.load()
        records_of = {key: value for key, value in records([before[-1][1]]).items() if value is not None}
        [from_records], [from_checkpoint] = read_records(records_of)[1].values(), stored.warm.values()
        assert from_records == from_checkpoint == warm
        again = LivePipelines(how, Counts(), {"k": place}, {"Mfa": from_checkpoint}, replay)
        after = [again.process(one) for one in reads[restart:]]
        output = b"".join(block.data for block, _ in before + after)
        assert output.count(b'"action":"mfa_fatigue"') == 1
        assert bool(warm.lasting) == (restart >= 5)
        assert restart < 40 or warm.offset > 0


# Components that have gone quiet


def result(time: str, component: str) -> bytes:
    return line(
        time, "Pfauth succeeded for user 'bob'. Call status: SUCCESS_PHONE_APP_AUTHENTICATED - \"Mobile App Authenticated\"."
    ).replace(b"|pfrad|", f"|{component}|".encode())


def quiet_log() -> list[Reading]:
    """pfsvc at three, then pfrad from nine to half past eleven, and pfsvc goes on where it was; each line a reading."""
    lines = [result(f"03:{minute:02}:00", "pfsvc") for minute in range(3)]
    lines += [result(f"{minute // 60:02}:{minute % 60:02}:00", "pfrad") for minute in range(540, 1350, 2)]
    lines += [result("03:02:30", "pfsvc"), result("22:30:00", "pfrad"), result("22:30:10", "pfrad")]
    offsets = [sum(map(len, lines[:number])) for number in range(len(lines))]
    return [reading("k", "2017-02-14T03:00:00Z", at, text) for at, text in zip(offsets, lines, strict=True)]


def shipped(live: LivePipelines, reads: list[Reading]) -> tuple[bytes, WarmStart]:
    made = [live.process(one) for one in reads]
    return b"".join(block.data for block, _ in made), made[-1][1].warm


def test_of_a_quiet_component_no_more_is_read_than_its_own_past() -> None:
    reads, how = quiet_log(), Settings(load())
    whole, warm = shipped(LivePipelines(how, Counts(), {}, {}, lambda *_: []), reads[:-3])
    assert [(span.offset, span.until) for span in warm.earlier] == [(0, reads[3].chunk.offset)]
    assert reads[300].chunk.offset < warm.offset < reads[-3].chunk.offset
    replayed: list[int] = []

    def replay(source: str, key: str, offset: int) -> Iterable[Reading]:
        for one in reads[:-3]:
            if one.chunk.offset >= offset:
                replayed.append(one.chunk.offset)
                yield one

    again, _ = shipped(LivePipelines(how, Counts(), {}, {"Mfa": warm}, replay), reads[-3:])
    assert len(replayed) < 100
    straight, _ = shipped(LivePipelines(how, Counts(), {}, {}, lambda *_: []), reads)
    assert whole + again == straight
    assert [again.count(f'"id":"k-{one.chunk.offset}-dp"'.encode()) for one in reads[-3:]] == [1, 0, 1]


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_a_reading_that_goes_beyond_the_past_of_a_quiet_component_is_cut(size: int) -> None:
    reads, how = quiet_log(), Settings(load())
    whole, warm = shipped(LivePipelines(how, Counts(), {}, {}, lambda *_: []), reads[:-3])
    data = b"".join(one.chunk.data for one in reads[:-3])

    def replay(source: str, key: str, offset: int) -> Iterable[Reading]:
        while offset < len(data):
            end = data.find(b"\n", min(offset + size, len(data) - 1)) + 1
            yield reading("k", "2017-02-14T03:00:00Z", offset, data[offset:end])
            offset = end

    again, _ = shipped(LivePipelines(how, Counts(), {}, {"Mfa": warm}, replay), reads[-3:])
    assert again == shipped(LivePipelines(how, Counts(), {}, {}, lambda *_: []), reads)[0].removeprefix(whole)


def test_where_the_end_of_that_past_is_gone_nothing_is_read_twice() -> None:
    reads, how = quiet_log(), Settings(load())
    whole, warm = shipped(LivePipelines(how, Counts(), {}, {}, lambda *_: []), reads[:-3])
    lost = warm._replace(earlier=tuple(span._replace(until_key="gone") for span in warm.earlier))

    def replay(source: str, key: str, offset: int) -> list[Reading]:
        return [one for one in reads[:-3] if one.chunk.offset >= offset]

    again, _ = shipped(LivePipelines(how, Counts(), {}, {"Mfa": lost}, replay), reads[-3:])
    assert again == shipped(LivePipelines(how, Counts(), {}, {}, lambda *_: []), reads)[0].removeprefix(whole)


# Names of logs that earlier versions wrote


def place(path: str, source: str, time: str) -> Position:
    return Position("f", source, path, 1, 1, 5, "", "utf-8", time)


def test_names_of_today_stay() -> None:
    places = {"a": place(at("/l/X.log.1"), at("/l/X.log"), "1"), "b": place(at("/l/X (1).log"), at("/l/X.log b"), "2")}
    warm = {at("/l/X.log"): WarmStart("a", 7), at("/l/X.log b"): WarmStart("b", 8), at("/gone.log"): WarmStart("c", 9)}
    assert by_present_names(places, warm) == (places, warm)


def test_a_former_name_is_replaced() -> None:
    places = {"a": place(at("/l/X1.log.1"), at("/l/X"), "1"), "b": place(at("/l/X1.log"), at("/l/X"), "2")}
    renamed, warm = by_present_names(places, {at("/l/X"): WarmStart("a", 7)})
    assert {one.source for one in renamed.values()} == {at("/l/X1.log")}
    assert warm == {at("/l/X1.log"): WarmStart("a", 7)}


def test_a_log_that_was_a_part_of_another_begins_with_the_file_that_was_written_then() -> None:
    places = {
        "a1": place(at("/l/a1.log.1"), at("/l/a"), "1"), "a2": place(at("/l/a1.log"), at("/l/a"), "3"),
        "b1": place(at("/l/a2.log.2"), at("/l/a"), "0"), "b2": place(at("/l/a2.log.1"), at("/l/a"), "2"), "b3": place(at("/l/a2.log"), at("/l/a"), "4"),
        "c1": place(at("/l/a3.log.1"), at("/l/a"), "5"), "c2": place(at("/l/a3.log"), at("/l/a"), "6"),
    }  # fmt: skip
    _, warm = by_present_names(places, {at("/l/a"): WarmStart("a2", 7)})
    assert warm == {at("/l/a1.log"): WarmStart("a2", 7), at("/l/a2.log"): WarmStart("b2", 0), at("/l/a3.log"): WarmStart("c1", 0)}


def test_a_present_name_has_its_own_start_already() -> None:
    """A state topic keeps records under former names for ever."""
    places = {"a": place(at("/l/X.log.1"), at("/l/X"), "1"), "b": place(at("/l/X.log"), at("/l/X.log"), "2")}
    stored = records([Advance(key, one, WarmStart(key, 3)) for key, one in places.items()])
    renamed, warm = read_records({key: value for key, value in stored.items() if value is not None})
    assert {one.source for one in renamed.values()} == {at("/l/X.log")}
    assert warm == {at("/l/X.log"): WarmStart("b", 3)}


def test_a_start_in_a_file_whose_position_is_gone_stays() -> None:
    _, warm = by_present_names({"a": place(at("/l/X.log"), at("/l/X"), "1")}, {at("/l/X"): WarmStart("gone", 7)})
    assert warm == {at("/l/X.log"): WarmStart("gone", 7)}
