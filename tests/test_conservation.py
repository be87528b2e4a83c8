"""The conservation equation on the metrics page of a real process, after kill -9 and in each life anew."""

from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

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
        of_lines = sum(number for kind, number in self.events.items() if kind != "double_prompt")
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


def test_every_line_is_accounted_for(tmp_path: Path) -> None:
    port = free_port()
    out = tmp_path / "out.ndjson"
    output = {"type": "file", "file": {"path": str(out)}, "batch": {"max_age": "50ms", "max_events": 100}}
    shipper = Shipper(tmp_path, configuration(tmp_path, output, metrics={"listen": f"127.0.0.1:{port}"}))
    log = tmp_path / "logs" / "Mfa.log"
    log.write_bytes(LOG + b"no log line\n" + NUMBERED)
    shipper.start()
    until(lambda: out.exists() and out.stat().st_size > 1 << 20, "it is in the middle of it")
    shipper.kill()
    before = out.read_bytes().count(b"\n")
    assert before < 15_000, "it was too quick to be killed in the middle"

    shipper.start()
    page = rest(port)
    page.check()
    # It counts what it read itself; what the first life had delivered is at most read again to start warm.
    assert 15_024 - before <= page.values["lines_read_total"] < 15_024
    with open(log, "ab") as file:
        file.write(LOG)
    until(lambda: rest(port).values["lines_read_total"] == page.values["lines_read_total"] + 23, "23 lines more")
    rest(port).check()

    shipper.kill()
    with open(log, "ab") as file:
        file.write(b"one more line\n")
    shipper.start()
    page = rest(port)
    page.check()
    assert 1 <= page.values["lines_read_total"] <= 24
    assert page.events["unparsed"] == 1
    assert shipper.terminate() == 0
    verdict = Verdict(out.read_bytes().splitlines(), expected([bytearray(log.read_bytes())], tmp_path))
    assert (verdict.lost, verdict.wrong) == (0, 0), verdict
