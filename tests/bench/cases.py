"""What is measured: the logs, the commands, what each is compared with, and the targets."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shipper.decode import compiled
from tests.bench.measure import FailedError, Sample, run
from tests.support.generate import Recipe

SHIPPER = (sys.executable, "-m", "shipper")
PARSE = (*SHIPPER, "parse", "--deterministic", "-q", "--no-progress")
REPORT = (*SHIPPER, "report", "--no-progress")
PLAIN_LOOP = (sys.executable, str(Path(__file__).with_name("plain_loop.py")))
RSYSLOGD = shutil.which("rsyslogd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
RSYSLOG = (sys.executable, "-I", "-S", str(Path(__file__).with_name("peers") / "rsyslog.py"), str(RSYSLOGD))
KERNEL = not compiled.WHY_NOT

MIB = 1 << 20
PEAK_TARGET = 64 * MIB  # a process
REPORT_PEAK_TARGET = 256 * MIB
GROWTH_TARGET = 1.10  # of the peak, from a log to one of three times its length
START_TARGET = 0.35  # seconds from nothing to the first event


@dataclass(frozen=True, slots=True)
class Case:
    """A command on a log.

    Attributes:
        name: its row in the table.
        log: a key of `recipes`.
        options: of `parse`; None is the plain loop.
        command: instead of `parse`.
        to_file: write a file instead of the null device.
        against: the case it is compared with, round by round.
        wall: compare wall-clock seconds, not CPU seconds.
        target: the ratio to reach.
        shown: False for a case that others are compared with and that has no row.
    """

    name: str
    log: str = "radius"
    options: tuple[str, ...] | None = ()
    command: tuple[str, ...] = PARSE
    to_file: bool = False
    against: str | None = None
    wall: bool = False
    target: float | None = None
    shown: bool = True

    def run(self, log: Path, out: Path) -> Sample:
        """Run the command once; with `to_file`, it writes `out`.

        Raises:
            FailedError: the command failed.
        """
        target = str(out) if self.to_file else os.devnull
        if self.options is not None:
            return run((*self.command, *self.options, str(log)), target)
        return run((*PLAIN_LOOP, str(log), target, self.log if self.log in ("results", "syslog", "nps") else "radius"))


def recipes(lines: int, seed: int) -> dict[str, Recipe]:
    """The logs that cases name, all of `lines` lines but for `long` and `tiny`."""
    return {
        "radius": Recipe(lines, seed),
        "distinct": Recipe(lines, seed, distinct=True),
        "curly": Recipe(lines, seed, curly=True),
        "seven": Recipe(lines, seed, seven_digits=True),
        "crlf": Recipe(lines, seed, crlf=True),
        "results": Recipe(lines, seed, results=True),
        "syslog": Recipe(lines, seed, results=True, syslog=True),
        "nps": Recipe(lines, seed, nps=True),
        "docker": Recipe(lines, seed, wrapped="docker"),
        "rsyslog": Recipe(lines, seed, wrapped="rsyslog"),
        "long": Recipe(3 * lines, seed),
        "tiny": Recipe(min(lines, 300), seed),
    }


PLAIN, PLAIN_TO_FILE, PARSE_ROW = "plain loop", "plain loop, to a file", "parse"
PEERS = (Case("rsyslog, to a file", command=RSYSLOG, to_file=True, against=PLAIN_TO_FILE),) if RSYSLOGD else ()
SOMEBODY = "user.name=ito0"  # one of the 20,000 users of a log


def _plain(log: str) -> Case:
    return Case(f"{PLAIN}, {log}", log, None, shown=False)


def _target(without: float | None, with_kernel: float) -> float | None:
    """What is to be reached without the kernel, or with it if it is in use."""
    return with_kernel if KERNEL else without


CASES = (
    Case(PLAIN, options=None),
    Case(PLAIN_TO_FILE, options=None, to_file=True),
    Case(PARSE_ROW, against=PLAIN, target=_target(1.9, 4.0)),
    Case("parse, to a file", to_file=True, against=PLAIN_TO_FILE, target=_target(1.6, 3.0)),
    *PEERS,
    Case("parse, two workers", options=("--workers", "2"), against=PARSE_ROW, wall=True, target=_target(1.8, 1.6)),
    _plain("distinct"),
    Case("parse, no user twice", "distinct", against=f"{PLAIN}, distinct", target=_target(1.5, 3.5)),
    _plain("seven"),
    Case("parse, general path only", "seven", against=f"{PLAIN}, seven", target=0.5),
    _plain("curly"),
    Case("parse, curly quotes", "curly", against=f"{PLAIN}, curly", target=_target(None, 3.0)),
    _plain("results"),
    Case("parse, pfsvc results", "results", against=f"{PLAIN}, results", target=_target(1.5, 3.5)),
    _plain("crlf"),
    Case("parse, CRLF", "crlf", against=f"{PLAIN}, crlf"),
    _plain("syslog"),
    Case("parse, syslog lines", "syslog", against=f"{PLAIN}, syslog", target=0.5),
    _plain("nps"),
    Case("parse, NPS lines", "nps", against=f"{PLAIN}, nps", target=0.5),
    Case("parse, in Docker's JSON", "docker", against=PARSE_ROW),
    Case("parse, behind rsyslog's head", "rsyslog", against=PARSE_ROW),
    Case("parse --format splunk-hec", options=("--format", "splunk-hec"), against=PLAIN, target=_target(None, 3.0)),
    Case("parse --format ocsf", options=("--format", "ocsf"), against=PLAIN, target=_target(None, 3.0)),
    Case("parse --format elastic-bulk", options=("--format", "elastic-bulk"), against=PLAIN, target=_target(None, 3.0)),
    Case("parse --no-original", options=("--no-original",), against=PLAIN),
    Case(
        "parse --events exchange",
        options=("--events", "exchange"),
        against=PLAIN if KERNEL else PARSE_ROW,
        target=_target(1.0, 3.5),
    ),
    Case("report", command=REPORT, against=PARSE_ROW, target=0.77),  # at most 1.3 times the time
    Case(f"parse --where {SOMEBODY}", options=("--where", SOMEBODY), against=PARSE_ROW),
)


def chosen(text: str) -> tuple[Case, ...]:
    """The cases that have the text in their names, and those that they are compared with."""
    names = {case.name for case in CASES if case.shown and text in case.name}
    for case in reversed(CASES):  # a case comes after the one it is compared with
        if case.name in names and case.against:
            names.add(case.against)
    return tuple(case for case in CASES if case.name in names)


class Measured:
    """The samples of all rounds by the name of their case, and what failed."""

    def __init__(self) -> None:
        self.samples: dict[str, list[Sample]] = {}
        self.failures: dict[str, str] = {}

    def round(self, cases: tuple[Case, ...], logs: dict[str, Path], lines: int, out: Path) -> Iterator[Case]:
        """Run each case once, yielding it before it runs; a case that has failed is not run again."""
        for case in cases:
            if case.name in self.failures:
                continue
            yield case
            out.unlink(missing_ok=True)  # so that no command spends time on emptying a big file
            try:
                sample = case.run(logs[case.log], out)
                if case.to_file and case.name not in self.samples:
                    _check(out, lines)
            except FailedError as error:
                self.failures[case.name] = str(error)
                self.samples.pop(case.name, None)
            else:
                self.samples.setdefault(case.name, []).append(sample)
        out.unlink(missing_ok=True)

    def failure(self, case: Case) -> str | None:
        """Why a case has no result; None if it has one."""
        if case.name in self.failures:
            return self.failures[case.name]
        if case.against in self.failures:
            return f"{case.against}: {self.failures[case.against]}"
        return None


def _check(out: Path, lines: int) -> None:
    """Fail unless at least one line was written for each line of the log: it is easy to be fast with nothing."""
    found = 0
    with open(out, "rb", buffering=0) as file:
        while block := file.read(MIB):
            found += block.count(b"\n")
    if not lines <= found <= 1.1 * lines:
        raise FailedError(f"{found} lines written for {lines}")
