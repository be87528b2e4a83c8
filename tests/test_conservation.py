"""The conservation equation on the metrics page of a real process, after kill -9 and in each life anew."""

import subprocess
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from shipper.detect import DETECTORS
from shipper.sidecar.checkpoint import read_checkpoint
from tests.support.kafka import free_port
from tests.support.process import Shipper, Verdict, configuration, expected, until

LOG = (Path(__file__).parents[1] / "deploy" / "examples" / "MultiFactorAuthRadiusSvc.log").read_bytes()
NUMBERED = b"".join(b"2017-02-14T03:57:19.234778Z|0|1412|6452|pfrad|line %d\n" % n for n in range(15_000))


class Page:
    """One scrape."""

    def __init__(self, port: int) -> None:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        self.events = {one.labels["kind"]: one.value for one in samples if one.name == "mfa_shipper_events_total"}
        self.values = {one.name.removeprefix("mfa_shipper_"): one.value for one in samples if not one.labels}

    def at_rest(self) -> bool:
        v = self.values
        return v["lag_bytes"] == v["events_waiting"] == 0 and v["lines_read_total"] > 0

    def counted(self) -> tuple[float, ...]:
        return tuple(self.values[name] for name in ("lines_read_total", "events_delivered_total", "events_waiting"))

    def check(self) -> None:
        """What the contract promises: no line disappears, and no event."""
        v = self.values
        of_lines = sum(number for kind, number in self.events.items() if kind not in DETECTORS)
        assert v["lines_read_total"] == of_lines + v["events_filtered_total"] + v["lines_merged_total"]
        assert sum(self.events.values()) == v["events_delivered_total"] + v["events_waiting"]
        assert v["dead_letters_total"] <= v["events_delivered_total"]
        assert v["lines_unparsed_total"] == self.events["unparsed"]
        assert v["lost_bytes_total"] == 0


def rest(port: int) -> Page:
    """The first scrape at rest."""
    found: list[Page] = []

    def looks() -> bool:
        try:
            page = Page(port)
        except OSError:
            return False  # it does not listen yet
        found.append(page)
        # In the middle of a turn some numbers are newer than others: at rest two scrapes are alike.
        return page.at_rest() and len(found) > 1 and page.counted() == found[-2].counted()

    until(looks, "all that is there is delivered", every=0.3)
    return found[-1]


def delivered_before(folder: Path, log: bytes) -> bytes:
    """The part of the log that the next life begins behind: what was delivered when places were written down last."""
    try:
        places, _ = read_checkpoint(str(folder / "state" / "checkpoint.json"))
    except FileNotFoundError:
        return b""
    return log[: sum(place.offset for place in places.values())]


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    port = free_port()
    output = {"type": "stdout", "batch": {"max_age": "50ms", "max_events": 100}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output, metrics={"listen": f"127.0.0.1:{port}"}))
    log = tmp_path / "logs" / "Mfa.log"
    log.write_bytes(LOG + b"no log line\n" + NUMBERED)

    # Nobody takes more than a MiB from it, so it is killed in the middle, however quick it is.
    pipe = shipper.start(stdout=subprocess.PIPE).stdout
    assert pipe is not None
    came = pipe.read(1 << 20)
    shipper.kill()
    came += pipe.read()
    pipe.close()
    first_life = came[: came.rindex(b"\n") + 1]  # the last line may be torn
    delivered = delivered_before(tmp_path, log.read_bytes())
    assert delivered.count(b"\n") <= first_life.count(b"\n") < 15_000

    with open(tmp_path / "out.ndjson", "ab") as out:
        shipper.start(stdout=out.fileno())
        page = rest(port)
        page.check()
        # It counts what it reads itself, and not what it reads again only to start warm.
        assert page.values["lines_read_total"] == 15_024 - delivered.count(b"\n")
        with open(log, "ab") as file:
            file.write(LOG)
        until(lambda: rest(port).values["lines_read_total"] == page.values["lines_read_total"] + 23, "23 lines more")
        rest(port).check()
        shipper.kill()

        with open(log, "ab") as file:
            file.write(b"one more line\n")
        # What was delivered in its last second may be read again: at least once.
        again = log.read_bytes().removeprefix(delivered_before(tmp_path, log.read_bytes())).splitlines()
        shipper.start(stdout=out.fileno())
        page = rest(port)
        page.check()
        assert page.values["lines_read_total"] == len(again)
        events = expected([bytearray(log.read_bytes())], tmp_path).values()
        unparsed = {event["event"]["original"].encode() for event in events if event["event"]["kind"] == "pipeline_error"}
        assert page.events["unparsed"] == sum(line in unparsed for line in again)
        assert shipper.terminate() == 0
    lines = first_life.splitlines() + (tmp_path / "out.ndjson").read_bytes().splitlines()
    verdict = Verdict(lines, expected([bytearray(log.read_bytes())], tmp_path))
    assert (verdict.lost, verdict.wrong) == (0, 0), verdict
