"""A seeded life of the sidecar: a writer, a rotator, a sink that fails, crashes between any two steps. In some lives also
operators who stop, reload and freeze it, a disk that is full, hostile files among the logs, and an output file that others touch.

Everything but the clock is real: files, tail, pipelines, checkpoint, and the sink where it is a file. The verdict is
against `parse` of all that was ever written:

- nothing is lost, but what a truncation or deletion destroyed before anybody could read it, and what others destroyed in the
  output file after it was delivered; the sink counts that the file was touched;
- nothing is invented: every event that came is one of `parse`'s, findings included;
- what came more than once has the same id and the same content (exactly once, which may be switched off and on: nothing does);
- of a log that was cut back to its beginning and written on, no id has two lines, and what is in it in the end has come;
- the numbers add up between any two turns, and at rest every line that was read is accounted for.

`python -m tests.chaos.model SEED` shows one life.
"""

import itertools
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from shipper.decode.facts import Library
from shipper.decode.library import load
from shipper.decode.parser import Options
from shipper.deliver.batch import Limits
from shipper.deliver.delivery import Delivery
from shipper.deliver.file import FileOptions
from shipper.errors import UsageError
from shipper.model import Counts
from shipper.pipeline import Settings, run_source
from shipper.read.inputs import TailInput, TailOptions, open_inputs
from shipper.read.tail import Tail
from shipper.sidecar.checkpoint import Checkpoint, Stored, farther
from shipper.sidecar.loop import Sidecar
from shipper.sidecar.places import read_records
from shipper.sidecar.vitals import Vitals, conservation
from shipper.testing import FakeClock, LogWriter
from shipper.times import SECOND
from tests.chaos.frail import Crash, Frail, Letters, Silent, Steps
from tests.chaos.hostile import HostileFiles
from tests.chaos.neighbours import Neighbours, NeighboursSink
from tests.support.generate import Recipe, generate
from tests.support.process import room

ROTATE_WAIT = 1.0
HARMLESS = ("append", "append", "append", "append", "partial", "rename", "rename", "copytruncate", "compress", "turns", "turns")
HARMFUL = ("truncate", "delete")
OPERATORS = ("stop", "stop", "freeze", "freeze", "fill the disk")
LONGEST_FREEZE = 7200  # seconds
ROOM = 100  # bytes that are left on a full disk, for what neighbours write
CRASH_AFTER = 60  # steps at most


@cache
def library() -> Library:
    return load()


@cache
def text(seed: int) -> list[bytes]:
    recipe = Recipe(lines=1200, seed=seed, users=25, crlf=seed % 5 == 0, results=seed % 7 == 0)
    path = Path(tempfile.mkstemp()[1])
    generate(recipe, path)
    data = path.read_bytes()
    path.unlink()
    return data.splitlines(keepends=True)


class Life:
    """One run of the model."""

    def __init__(self, seed: int, folder: Path, log: Callable[[str], None] = lambda _: None) -> None:
        self.random = random.Random(seed)
        self.log = log
        self.folder = folder
        (folder / "logs").mkdir()
        self.settings = Settings(library(), Options(), read_size=self.random.choice((512, 2048, 16384)))
        self.limits = Limits(self.random.choice((1, 7, 50, 2000)), self.random.choice((900, 20_000, 1 << 20)), SECOND)
        self.exactly_once = self.random.random() < 0.4
        self.switches = self.exactly_once and self.random.random() < 0.5  # exactly once is switched off and on
        self.harmful = self.random.random() < 0.3
        self.operators = self.random.random() < 0.5
        self.hostile = HostileFiles(folder / "logs", self.random) if self.random.random() < 0.2 else None
        self.to_file = not self.exactly_once and self.random.random() < 0.6
        self.cutter = random.Random(f"cut {seed}")
        self.cuts = self.cutter.random() < 0.3 and not (self.harmful or self.hostile or self.to_file or self.switches)
        self.steps = Steps()
        trouble, refuse = self.random.choice((0.0, 0.05, 0.3)), self.random.choice((0.0, 0.0, 0.02))
        self.broker = Frail(seed, self.random.randint(1, 5), stores_places=self.exactly_once, trouble=trouble, refuse=refuse)
        self.broker.steps = self.steps
        self.letters = Letters(self.steps)
        self.neighbours = Neighbours(folder / "out", self.random)
        size, age = self.random.choice((None, 30_000)), self.random.choice((None, None, 20 * SECOND))
        self.file_options = FileOptions(str(self.neighbours.path), size, age)
        self.sink: Frail | NeighboursSink = self.broker
        self.room: int | None = None  # bytes to which a file may grow
        self.clock = FakeClock()
        self.writer = LogWriter(str(folder / "logs" / "Mfa.log"))
        self.source: Iterator[bytes] = iter(text(self.random.randrange(12)))
        self.rest = b""
        self.sidecar: Sidecar | None = None
        self.tail: Tail | None = None
        self.number = 0

    def disk(self) -> AbstractContextManager[None]:
        """The disk of state directory and output, which may be full."""
        return nullcontext() if self.room is None else room(self.room)

    def start(self) -> None:
        """A new process; it may die while it starts."""
        self.number += 1
        if self.to_file:
            self.sink = NeighboursSink(
                self.file_options,
                self.neighbours,
                self.steps,
                lambda: self.steps.is_last,
                self.random,
                lambda: self.clock() / SECOND,
            )
        checkpoint = Checkpoint(str(self.folder / "state"), step=self.steps)
        stored = checkpoint.load()
        delivery = Delivery(self.sink, self.letters, Silent(), run=f"run{self.number}", now=self.clock, random=self.random.random)
        if self.switches:
            self.broker.stores_places = self.random.random() < 0.5
        if self.broker.stores_places:
            while not delivery.connected:
                delivery.turn(0)
                self.clock.wait(1)
            stored = farther(stored, Stored(*read_records(delivery.stored)))
        self.tail = Tail(
            [TailInput(str(self.folder / "logs" / "Mfa*.log*"))],
            stored.places,
            TailOptions(read_size=self.settings.read_size, rotate_wait=ROTATE_WAIT),
            now=lambda: self.clock() / SECOND,
        )
        self.sidecar = Sidecar(
            self.tail,
            delivery,
            checkpoint,
            self.settings,
            stored,
            limits=self.limits,
            vitals=Vitals(),
            now=self.clock,
            wait=self.clock.wait,
        )

    def live(self, turns: int) -> None:
        """Some turns, with a process that is started where there is none."""
        try:
            with self.disk():
                if self.sidecar is None:
                    self.start()
                for _ in range(turns):
                    assert self.sidecar is not None
                    self.sidecar.turn()
                    told = conservation(self.sidecar.vitals)
                    assert told is None, told
                    self.clock.wait(0.1)
        except Crash as crash:
            self.log(f"  crash {crash}")
            self.die()
        except UsageError:
            assert self.neighbours.path.is_dir()  # it does not start then
            self.log("  not started")
            self.die()

    def die(self) -> None:
        if self.tail is not None:
            self.tail.close()
        self.sink.abandon()
        if self.to_file:
            self.sink.close(0.0)  # as the system does: the lock is free
        self.sidecar = self.tail = None

    def stop(self) -> None:
        """SIGTERM, or SIGHUP if it is started again."""
        if self.sidecar is not None:
            try:
                with self.disk():
                    self.sidecar.stop(self.random.choice((0, SECOND)))
            except Crash as crash:
                self.log(f"  crash {crash}")
            self.tail = None  # is closed, unless it crashed
            self.die()

    def operate(self, action: str) -> None:
        if action == "stop":
            self.stop()
        elif action == "freeze":
            if self.random.random() < 0.5:
                self.act(frozen=True)
            self.clock.wait(self.random.random() * self.random.choice((1, 30, LONGEST_FREEZE)))
        elif self.room is None:
            path = self.neighbours.path
            self.room = max(ROOM, path.stat().st_size if path.is_file() else 0) + self.random.choice((0, 200, 3000, 50_000))
            self.letters.disk_is_full = True
        else:
            self.room, self.letters.disk_is_full = None, False

    def act(self, *, frozen: bool = False) -> None:
        """One thing that happens in the world, and mostly some turns of the sidecar; none while it is `frozen`."""
        chance = self.random.random()
        if self.operators and chance < 0.2:
            action = self.random.choice(OPERATORS)
            self.log(action)
            self.operate(action)
        elif self.to_file and chance < 0.5:
            self.log(f"output: {self.neighbours.act()}")
        elif self.hostile and chance < 0.7:
            rotated = Path(f"{self.writer.path}.1")
            if self.random.random() < 0.3 and rotated.exists():
                self.log("copy")
                self.hostile.copy(rotated)
            else:
                self.log(f"hostile: {self.hostile.act()}")
        else:
            self.change_the_log()
        if frozen:
            return
        if self.random.random() < 0.25:
            self.steps.left = self.random.randint(0, CRASH_AFTER)
        if self.random.random() < 0.15:
            self.log("  down")
            self.die()
        elif self.random.random() < 0.7:
            self.live(self.random.randint(1, 6))

    def change_the_log(self) -> None:
        """The writer or the rotator of the log does something."""
        action = self.random.choice(HARMLESS + HARMFUL * self.harmful)
        if self.cuts and self.cutter.random() < 0.3:
            self.cut_back()
        self.log(action)
        writer = self.writer
        if action == "append":
            writer.write(self.rest + b"".join(itertools.islice(self.source, self.random.randint(1, 40))))
            self.rest = b""
        elif action == "partial":
            line = self.rest or next(self.source, b"")
            cut = self.random.randint(0, len(line))
            writer.write(line[:cut])
            self.rest = line[cut:]
        elif action == "rename":
            self.finish_line()
            writer.rename()
        elif action == "copytruncate":
            self.finish_line()
            writer.copytruncate()
        elif action == "compress":
            writer.compress()
        elif action == "truncate":
            self.finish_line()
            writer.copytruncate(keep_copy=False)
        elif action == "delete":
            self.finish_line()
            writer.delete()

    def cut_back(self) -> None:
        """The log is cut back to some of its lines. At least once, what a crash makes come again must not have been cut away: its ids
        would be those of other lines, as nobody knows what came of it. So that only happens while nothing is on its way."""
        if not self.exactly_once and not (self.sidecar and self.sidecar.at_rest and self.tail and self.tail.levels[1] == 0):
            return
        self.finish_line()
        lines = bytes(self.writer.generations[-1]).splitlines(keepends=True)
        keep = self.cutter.randint(1, max(1, len(lines) - 1))
        if keep < len(lines):
            self.log(f"cut back to {keep} of {len(lines)} lines")
            self.writer.cut_back(sum(map(len, lines[:keep])))

    def finish_line(self) -> None:
        """A server whose log is rotated finishes its line first, as a rule; a rest that was never written is no line."""
        if self.rest and self.random.random() < 0.8:
            self.writer.write(self.rest)
        self.rest = b""
        # Two files that begin at the same instant have no order but that of their names; no file begins with
        # the second line of an instant here.
        lines = bytes(self.writer.generations[-1]).splitlines(keepends=True)
        following = next(self.source, b"")
        while following and lines and following[:27] == lines[-1][:27]:
            if lines[-1].endswith(b"\n"):  # else that instant has no other line
                self.writer.write(following)
            following = next(self.source, b"")
        self.source = itertools.chain([following] if following else [], self.source)

    def settle(self) -> None:
        """The world comes to rest, and the sidecar to the end of the log."""
        self.steps.left = self.room = None
        self.letters.disk_is_full = False
        self.broker.calm()
        self.neighbours.calm()
        if self.hostile:
            self.hostile.finish()
        self.writer.write(self.rest + b"".join(itertools.islice(self.source, 3)))
        self.writer.close()
        still = 0
        for _ in range(4000):
            self.live(1)
            assert self.sidecar is not None
            before = self.sidecar.vitals.counts.lines
            self.live(1)
            quiet = self.sidecar.at_rest and self.sidecar.vitals.counts.lines == before
            still = still + 1 if quiet else 0
            if still * 0.2 > 15 * ROTATE_WAIT:
                break
        else:
            raise AssertionError("the sidecar does not come to rest")
        assert self.sidecar.stop(SECOND)
        vitals = self.sidecar.vitals
        assert vitals.counts.lines == vitals.counts.events  # nothing filters and nothing merges here
        assert vitals.events_waiting == 0
        assert vitals.events_delivered == vitals.counts.events + vitals.counts.findings
        assert vitals.delivery is not None
        assert vitals.delivery.refused <= vitals.events_delivered

    def verdict(self) -> str:
        """Raises AssertionError where the promise is broken; a line of numbers otherwise."""
        if self.writer.cut:
            return self.verdict_after_cuts()
        came = [json.loads(line) for line in (self.neighbours.lines() if self.to_file else self.broker.lines)]
        dead = [json.loads(line) for line in self.letters.kept]
        wanted = self.parsed()
        unseen = (
            {one["event"]["id"] for one in wanted} - {one["event"]["id"] for one in (*came, *dead)} - self.neighbours.destroyed
        )
        by_id = {one["event"]["id"]: one for one in wanted}
        destroyed = bool(self.writer.destroyed)
        for one in (*came, *dead):
            identity = one["event"]["id"]
            if destroyed:
                if one["event"]["kind"] == "alert":
                    continue
                assert identity in by_id, f"invented: {one}"
                assert one["event"]["original"] == by_id[identity]["event"]["original"]
            else:
                assert identity in by_id, f"invented: {one}"
                assert without_path(one) == without_path(by_id[identity])
        if not destroyed:
            assert not unseen, f"lost: {len(unseen)} of {len(wanted)}, first {min(unseen)}"
        else:
            # A finding may need a line that was destroyed.
            prints = {identity.split("-")[0] for identity in unseen if by_id[identity]["event"]["kind"] != "alert"}
            allowed = {self.fingerprint(number) for number in self.writer.destroyed}
            assert prints <= allowed, f"lost from files that nobody destroyed: {prints - allowed}"
        ids = [one["event"]["id"] for one in came]
        once = [json.loads(line)["event"]["id"] for line in self.broker.once]
        if not destroyed:
            assert len(once) == len(set(once)), f"twice: {len(once) - len(set(once))}"
            assert self.switches or not self.exactly_once or len(ids) == len(once)
        return (
            f"{len(wanted)} wanted, {len(ids)} came, {len(ids) - len(set(ids))} repeats, {len(dead)} dead, {self.number} starts"
        )

    def verdict_after_cuts(self) -> str:
        """As `verdict`, of a log whose bytes changed. Lines that stayed come again, and findings may be of lines that are gone, or be
        found again with those that came again."""
        came, dead = (
            [one for one in map(json.loads, lines) if one["event"]["kind"] != "alert"]
            for lines in (self.broker.lines, self.letters.kept)
        )
        by_id: dict[str, str] = {}
        # A dead letter is kept before the transaction around it ends, and a crash may end that.
        for one in came if self.exactly_once else (*came, *dead):
            assert by_id.setdefault(one["event"]["id"], original(one)) == original(one), f"an id of two lines: {one}"
        wanted = {original(one) for one in self.parsed() if one["event"]["kind"] != "alert"}
        cut = {text for _, content in self.writer.cut for text in content.decode().splitlines()}
        texts = {*by_id.values(), *map(original, dead)}
        assert texts <= wanted | cut, f"invented: {min(texts - wanted - cut)}"
        assert wanted <= texts, f"lost: {len(wanted - texts)} of {len(wanted)}, first {min(wanted - texts)}"
        documents = map(json.loads, self.broker.once)
        once = [one["event"]["id"] for one in documents if one["event"]["kind"] != "alert"]
        assert len(once) == len(set(once)), f"twice: {len(once) - len(set(once))}"
        return f"{len(wanted)} wanted, {len(came)} came, {len(by_id)} ids, {len(self.writer.cut)} cuts, {self.number} starts"

    def parsed(self) -> list[dict[str, Any]]:
        """What `parse` makes of all that was ever written, and not cut back since."""
        folder = self.folder / "all"
        folder.mkdir()
        for number, content in enumerate(self.writer.generations):
            if content:
                (folder / f"Mfa.log.{number}").write_bytes(content)
        out = []
        hostile = [str(path) for path in self.hostile.paths] if self.hostile else []
        with open_inputs([str(folder / "*"), *hostile]) as (sources, stdin):
            for source in sources:
                for part, _ in run_source(self.settings, source, stdin, Counts()):
                    out += [json.loads(line) for line in part.data.split(b"\n")[:-1]]
        return out

    def fingerprint(self, number: int) -> str:
        path = self.folder / "all" / f"Mfa.log.{number}"
        if not path.exists():
            return ""
        with open_inputs([str(path)]) as (sources, _):
            return sources[0].inputs[0].file.fingerprint


def original(document: dict[str, Any]) -> str:
    return str(document["event"]["original"])


def without_path(document: dict[str, Any]) -> dict[str, Any]:
    """The same event, wherever its file was when it was read."""
    log = {key: value for key, value in document.get("log", {}).items() if key != "file"}
    same = {**document, "log": log}
    if not same["@timestamp"].startswith("2017-") or "|pf" not in same["event"].get("original", "|pf"):
        same["@timestamp"] = "the file's modification time"  # of a file without any time stamp
    return same


def run(seed: int, log: Callable[[str], None] = lambda _: None) -> str:
    """One life from beginning to end; the verdict."""
    folder = Path(tempfile.mkdtemp(prefix="mfa-model-"))
    try:
        life = Life(seed, folder, log)
        for _ in range(life.random.randint(5, 40)):
            life.act()
        life.settle()
        return life.verdict()
    except BaseException as error:
        error.add_note(f"python -m tests.chaos.model {seed}")
        raise
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        begin, _, end = argument.partition("-")
        for number in range(int(begin), int(end or begin) + 1):
            print(number, run(number, print if not end else lambda _: None), flush=True)
