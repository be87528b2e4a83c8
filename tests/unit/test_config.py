"""The configuration file: strict, every mistake in one sentence with its place, secrets printed nowhere."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator

from shipper.config import addresses
from shipper.config.load import load_config
from shipper.config.outputs import OutputSection
from shipper.config.rules import contradictions, warnings
from shipper.config.schema import schema
from shipper.config.sections import Input, config_type, options_of
from shipper.config.values import Duration, Section, Size
from shipper.config.yaml_file import dotted, read_settings
from shipper.detect import DETECTORS
from shipper.detect.double_prompt import Rule
from shipper.emit.formats import FORMATS
from shipper.errors import UsageError
from shipper.read.channel import ChannelInput
from shipper.sidecar.assemble import settings_of
from shipper.sidecar.following import channels_of
from shipper.sidecar.sinks import SINKS
from shipper.stream.assemble import detect_settings
from shipper.times import SECOND
from tests.support.said import ABSENT, FOLDER

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "deploy" / "examples").glob("*.yaml"))
GOOD = "state_dir: /tmp/s\ninputs: [{path: /tmp/x.log}]\noutput: {type: stdout}\n"


def errors(text: str, tmp_path: Path, **environ: str) -> list[str]:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        load_config(str(path), environ)
    return str(caught.value).replace(f"{path}:", "").replace(str(path), "").splitlines()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_valid(path: Path) -> None:
    environ = dict.fromkeys(("KAFKA_PASSWORD", "ES_API_KEY", "SPLUNK_HEC_TOKEN"), "geheim")
    config, secrets = load_config(str(path), environ)
    assert secrets <= {"geheim"}
    assert "geheim" not in repr(config)
    Draft202012Validator(schema()).validate(read_settings(str(path), environ).values)


def test_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD)
    config, _ = load_config(str(tmp_path / "c.yaml"), {})
    batch = config.output.batch
    assert (batch.max_events, batch.max_bytes, batch.max_age) == (2000, 1 << 20, SECOND)
    assert options_of(config.pipeline)["double_prompt"]["window"] == 60 * SECOND
    assert config.pipeline.detectors == list(DETECTORS)
    assert config.shutdown_timeout == 10 * SECOND


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "metrcs: {}\n", "4: metrcs: there is no such key; did you mean metrics?"),
        (GOOD.replace("path:", "pfad:"), "2: inputs[0]"),
        (GOOD.replace("stdout", "kafak"), "3: output.type: 'kafak' is none of stdout, file, kafka"),
        (
            GOOD.replace("stdout", "kafka"),
            "3: output.kafka: output.type is kafka, so this section is needed, with bootstrap_servers and topic",
        ),
        (GOOD.replace("stdout", "file"), "3: output.file: output.type is file, so this section is needed, with path"),
        (
            GOOD.replace("stdout", "elasticsearch"),
            "3: output.elasticsearch: output.type is elasticsearch, so this section is needed, with urls",
        ),
        (
            GOOD.replace("stdout", "splunk_hec"),
            "3: output.splunk_hec: output.type is splunk_hec, so this section is needed, with url and token",
        ),
        (GOOD + "pipeline: {pseudonyms: {key: geheim}}\n", "4: pipeline.pseudonyms.key: it must have 16 bytes or more"),
        (GOOD + "pipeline: {pseudonyms: {fields: [user]}}\n", "4: pipeline.pseudonyms: the key key is missing"),
        (GOOD + "pipeline: {pseudonyms: {key: null, fields: [name]}}\n", "4: pipeline.pseudonyms.fields[0]: 'name' is none of"),
        (GOOD + "shutdown_timeout: 1x\n", "4: shutdown_timeout: '1x' is not a duration"),
        ("inputs: [{path: a}]\noutput: {type: stdout}\n", "state_dir: this key is missing"),
        (GOOD + "state_dir: b\n", "4: state_dir: this key stands twice"),
        (GOOD + "log: {level: ${NOPE}}\n", "4: log.level: the environment variable NOPE is not set"),
        (
            GOOD + "pipeline: {data_stream: {namespace: É}}\n",
            "4: pipeline.data_stream.namespace: 'É' is not a data stream namespace",
        ),
        (
            GOOD + "pipeline: {data_stream: {namespace: a b}}\n",
            "'a b' is not a data stream namespace; write up to 100 lower-case",
        ),
        (GOOD + f"pipeline: {{data_stream: {{namespace: {'n' * 101}}}}}\n", "is not a data stream namespace"),
        (GOOD + "pipeline: {data_stream: {namespace: 7}}\n", "namespace: expected a text; put it in quotes"),
        (GOOD + "tail: {read_size: 2MiB}\n", "4: tail.read_size: it must be from 1KiB to max_line"),
        ("a: [", "this is not YAML"),
        ("a: !!python/none b\n", "1: this is not YAML: could not determine a constructor"),
        ("", "a mapping was expected"),
        ("- a\n", "a mapping was expected"),
    ],
)
def test_mistakes(text: str, said: str, tmp_path: Path) -> None:
    assert any(said in error for error in errors(text, tmp_path)), errors(text, tmp_path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{}", ["inputs[0]: the key path is missing"]),
        ("{path: a, channel: C}", ["inputs[0].channel: it goes with type: windows_event_log"]),
        ("{path: a, query: '*'}", ["inputs[0].query: it goes with type: windows_event_log"]),
        ("{type: windows_event_log}", ["inputs[0]: the key channel is missing"]),
        ("{type: windows_event_log, channel: []}", ["inputs[0]: the key channel is missing"]),
        (
            "{type: windows_event_log, channel: C, path: a, encoding: utf-8, exclude: [b]}",
            [f"inputs[0].{key}: an event log has none; leave it out" for key in ("path", "encoding", "exclude")],
        ),
        ("{type: windows_event_log, channel: [A/b, a/B]}", ["inputs[0].channel: inputs[0] follows a/B already"]),
        (
            "{type: windows_event_log, channel: C}, {type: windows_event_log, channel: [D, c]}",
            ["inputs[1].channel: inputs[0] follows c already"],
        ),
        (
            "{type: windows_event_log, channel: ['C:x']}",
            [
                "inputs[0].channel[0]: 'C:x' is no name of an event log channel; write it as in Microsoft-AzureMfa-AuthZ/AuthZOptCh"
            ],
        ),
        (
            "{type: windows_event_log, channel: C, query: EventID=1}",
            ["inputs[0].query: 'EventID=1' is no query for records; write it as in *[System[EventID=1]]"],
        ),
        (
            "{type: windows_event_log, channel: C, query: <QueryList/>}",
            [
                "inputs[0].query: an XPath expression was expected, such as *[System[EventID=1]]: what stands between <Select> and "
                "</Select>"
            ],
        ),
        ("{type: eventlog, channel: C}", ["inputs[0].type: 'eventlog' is none of file, windows_event_log"]),
    ],
)
def test_mistakes_in_inputs(given: str, said: list[str], tmp_path: Path) -> None:
    text = f"state_dir: /tmp/s\noutput: {{type: stdout}}\ninputs: [{given}]\n"
    assert errors(text, tmp_path) == [f"3: {sentence}" for sentence in said]


def test_channels_of_an_event_log(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "state_dir: /tmp/s\noutput: {type: stdout}\ninputs:\n"
        "  - {type: windows_event_log, channel: ' A/b ', query: ' *[System[EventID=1]] ', host: {name: nps01}}\n"
        "  - {path: /tmp/x.log}\n  - {type: windows_event_log, channel: '${CHANNELS}', start: end}\n",
        encoding="utf-8",
    )
    config, _ = load_config(str(file), {"CHANNELS": "C, D"})
    assert [section.names for section in config.inputs] == [["A/b"], ["/tmp/x.log"], ["C", "D"]]
    assert channels_of(config) == [
        ChannelInput("A/b", "*[System[EventID=1]]", "beginning", "nps01"),
        ChannelInput("C", "*", "end"),
        ChannelInput("D", "*", "end"),
    ]


KAFKA = "state_dir: /tmp/s\noutput: {type: kafka, kafka: {bootstrap_servers: [b:1], topic: ev}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (KAFKA, "1: inputs: this key is missing"),
        (KAFKA + "detect: {lateness: soon}\n", "3: detect.lateness: 'soon' is not a duration"),
        (KAFKA + "detect: {latenes: 5m}\n", "3: detect.latenes: there is no such key; did you mean lateness?"),
        (KAFKA + "detect: {lateness: 2d}\n", "3: detect.lateness: it must be from 0s to 24h"),
        (KAFKA + "detect: {idle_timeout: 10ms}\n", "3: detect.idle_timeout: it must be from 1s to 1h"),
        (KAFKA + "detect: {partitions: 0}\n", "3: detect.partitions: expected a whole number >= 1"),
        (KAFKA + "detect: {partitions: 5000}\n", "3: detect.partitions: it must be from 1 to 1000"),
        (KAFKA + f"detect: {{group: {'g' * 101}}}\n", "3: detect.group: it may not be longer than 100"),
        (KAFKA.replace("type: kafka", "type: stdout") + "detect: {}\n", "2: output.type: detect reads the events of sidecars"),
        (KAFKA.replace("type: kafka", "type: kafka, format: splunk-hec") + "detect: {}\n", "output.format: detect cannot read"),
        (KAFKA + "pipeline: {detectors: []}\ndetect: {}\n", "pipeline.detectors: detect has nothing to look for"),
        (KAFKA.replace("ev}", "mfa-detect-held}") + "detect: {}\n", "output.kafka.topic: detect keeps records of its own in"),
        (KAFKA.replace("ev}", "ev, alert_topic: g-held}") + "detect: {group: g}\n", "output.kafka.alert_topic: detect keeps"),
        (KAFKA.replace("ev}", "ev, alert_topic: g-dead-letters}") + "detect: {group: g}\n", "output.kafka.alert_topic: detect"),
        (
            KAFKA.replace("ev}", "ev, dead_letter_topic: changelog__g--g-held--default}") + "detect: {group: g}\n",
            "output.kafka.dead_letter_topic: detect keeps",
        ),
        (
            KAFKA.replace("ev}", "ev, alert_topic: al, dead_letter_topic: al}") + "detect: {group: g}\n",
            "output.kafka.dead_letter_topic: records that are no events need another topic, or null for g-dead-letters",
        ),
    ],
)
def test_mistakes_of_detect(text: str, said: str, tmp_path: Path) -> None:
    assert any(said in error for error in errors(text, tmp_path)), errors(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "needed", "said"),
    [
        (KAFKA + "detect: {}\n", "detect", None),
        (
            KAFKA.replace("ev}", "ev, alert_topic: mfa-detect-dead-letters, dead_letter_topic: d}") + "detect: {}\n",
            "detect",
            None,
        ),
        (GOOD + "pipeline: {detectors: []}\ndetect: {}\n", "inputs", None),
        (KAFKA + "detect: {}\n", "", None),
        (KAFKA + "detect: {}\n", "inputs", "inputs: this key is missing"),
        (GOOD, "inputs", None),
        (GOOD, "detect", "detect: this section is needed; {} takes its defaults"),
        (GOOD + "detect: {}\n", "inputs", None),
        (GOOD + "detect: {}\n", "detect", "3: output.type: detect reads"),
    ],
)
def test_commands_need_their_sections(text: str, needed: str, said: str | None, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    if said is None:
        load_config(str(path), {}, needed)
    else:
        with pytest.raises(UsageError, match=re.escape(said)):
            load_config(str(path), {}, needed)


def test_settings_of_detect_are_those_of_the_file(tmp_path: Path) -> None:
    text = KAFKA.replace("topic: ev", "topic: ev, alert_topic: found") + (
        "detect: {group: g, lateness: 2m, idle_timeout: 5s, partitions: 3}\nshutdown_timeout: 3s\nmetrics: {listen: '127.0.0.1:0'}\n"
        "pipeline: {detectors: [double_prompt], double_prompt: {window: 90s, include_retries: true}}\n"
    )
    (tmp_path / "c.yaml").write_text(text)
    config, _ = load_config(str(tmp_path / "c.yaml"), {}, "detect")
    settings = detect_settings(config)
    assert (settings.group, settings.held_topic, settings.partitions) == ("g", "g-held", 3)
    assert (settings.lateness, settings.idle_timeout, settings.shutdown_timeout) == (120 * SECOND, 5 * SECOND, 3 * SECOND)
    assert (settings.kafka.topic, settings.alert_topic, settings.state_dir) == ("ev", "found", "/tmp/s")
    assert settings.rules == {"double_prompt": Rule(90 * SECOND, 600 * SECOND, include_retries=True)}
    assert settings.listen is not None


def test_mistakes_of_all_sections_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    said = errors(GOOD.replace("stdout", "x") + "log: {level: loud}\ntail: {rotate_wait: soon}\n", tmp_path)
    assert [one.split(": ")[1] for one in said] == ["output.type", "log.level", "tail.rotate_wait"]


def test_a_secret_in_the_wrong_place_is_not_printed(tmp_path: Path) -> None:
    said = errors(GOOD + "log: {level: ${TOKEN}}\n", tmp_path, TOKEN="hunter2-hunter2")
    assert "hunter2" not in " ".join(said)
    assert "'***'" in said[0]


def test_values_from_outside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    text = GOOD.replace("/tmp/s", "${DIR}") + f"pipeline: {{labels: {{a: '${{file:{tmp_path}/secret}}', b: $${{X}}}}}}\n"
    (tmp_path / "c.yaml").write_text(text)
    config, secrets = load_config(str(tmp_path / "c.yaml"), {"DIR": "/state"})
    assert (config.state_dir, config.pipeline.labels) == ("/state", {"a": "from a file", "b": "${X}"})
    assert secrets == {"/state", "from a file"}


OUTSIDE = """\
state_dir: ${STATE:-/var/lib/x}
inputs: [{path: "${FOLDER:-/logs}/*.log"}]
output:
  type: kafka
  batch: {max_events: ${EVENTS}, max_age: ${AGE}}
  kafka: {bootstrap_servers: ${BROKERS}, topic: "${SITE}-mfa", security: {protocol: SASL_SSL, sasl_mechanism: PLAIN,
    username: u, password: ${PASSWORD}}}
pipeline: {keep_original: ${KEEP}, labels: {n: ${EVENTS}}}
"""


def test_values_from_outside_have_the_types_of_their_keys(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(OUTSIDE)
    environ = {
        "EVENTS": "500",
        "AGE": "2s",
        "BROKERS": "a:9092, b:9092",
        "SITE": "berlin",
        "NONE": "null",
        "PASSWORD": "null",
        "KEEP": "no",
    }
    config, secrets = load_config(str(tmp_path / "c.yaml"), {**environ, "STATE": ""})
    kafka, batch = config.output.kafka, config.output.batch
    assert kafka is not None
    assert (config.state_dir, config.inputs[0].path) == ("/var/lib/x", "/logs/*.log")  # defaults: one is empty, one not set
    assert (batch.max_events, batch.max_age, config.pipeline.keep_original) == (500, 2 * SECOND, False)
    assert (kafka.bootstrap_servers, kafka.topic) == (["a:9092", "b:9092"], "berlin-mfa")
    assert kafka.security.password is not None
    assert kafka.security.password.value == "null"  # a text is not read as YAML
    assert config.pipeline.labels == {"n": "500"}
    assert {"a:9092", "b:9092", "berlin", "null"} <= secrets
    assert "no" not in secrets


def test_what_is_null_from_outside(tmp_path: Path) -> None:
    output = "output: {type: file, file: {path: o, rotate_every: ${EVERY}, rotate_size: ${SIZE}, keep: '${KEEP:-null}'}}\n"
    (tmp_path / "c.yaml").write_text(GOOD.replace("output: {type: stdout}\n", output))
    file = load_config(str(tmp_path / "c.yaml"), {"EVERY": "null", "SIZE": "1MiB"})[0].output.file
    assert file is not None
    assert (file.rotate_every, file.rotate_size, file.keep) == (None, 1 << 20, None)


@pytest.mark.parametrize(
    ("password", "said"),
    [("''", "4: metrics.password: it may not be empty"), ("'${P:-}'", "4: metrics: username and password go together")],
)
def test_an_empty_password_opens_nothing(password: str, said: str, tmp_path: Path) -> None:
    assert errors(GOOD + f"metrics: {{username: u, password: {password}}}\n", tmp_path) == [said]


def test_a_number_from_outside_that_is_none(tmp_path: Path) -> None:
    said = errors(GOOD.replace("stdout", "stdout, batch: {max_events: ${N}}"), tmp_path, N="many")
    assert said == ["3: output.batch.max_events: expected a whole number, got a text"]


def test_home_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    text = "state_dir: ~/s\ninputs: [{path: ~/logs/*.log, exclude: [~/logs/x*]}]\noutput: {type: file, file: {path: ~/o}}\n"
    (tmp_path / "c.yaml").write_text(text)
    config, _ = load_config(str(tmp_path / "c.yaml"), {})
    assert config.output.file is not None
    found = [config.state_dir, config.inputs[0].path, *config.inputs[0].exclude, config.output.file.path]
    assert found == [f"{tmp_path}/{name}" for name in ("s", "logs/*.log", "logs/x*", "o")]


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ("listen: '127.0.0.1:9108'", ""),
        ("listen: 'localhost:9108'", ""),
        ("listen: '[::1]:0'", ""),
        ("listen: '0.0.0.0:9108'", "and asks for no password"),
        ("listen: '[::]:9108'", "and asks for no password"),
        ("listen: '127.example.com:9108'", "and asks for no password"),
        ("listen: '0.0.0.0:9108', username: u, password: p", "and the password goes there in plain text"),
        ("listen: '0.0.0.0:9108', cert_file: c, key_file: k", "and asks for no password"),
        ("listen: '0.0.0.0:9108', username: u, password: p, cert_file: c, key_file: k", ""),
    ],
)
def test_a_page_for_other_machines_is_warned_of(metrics: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(GOOD + f"metrics: {{{metrics}}}\n")
    found = warnings(load_config(str(tmp_path / "c.yaml"), {})[0])
    assert [said in warning for warning in found] == ([True] if said else [])


def test_a_config_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"#" * 200_000)
    for path, said in (
        (tmp_path, "|".join(FOLDER)),
        (tmp_path / "no", "|".join(ABSENT)),
        (tmp_path / "large", "larger than 128 KiB"),
    ):
        with pytest.raises(UsageError, match=said):
            load_config(str(path), {})


@pytest.mark.parametrize("path", ["/services/collector", "/services/collector/event", "/services/collector/raw/", "/_bulk"])
@pytest.mark.parametrize("below", ["", "/siem"])
def test_the_path_of_a_request_is_no_part_of_a_url(below: str, path: str) -> None:
    """Other shippers, and Splunk's own pages, want it there."""
    given = f"https://splunk:8088{below}"
    said = f"'{given}{path}': leave {path.rstrip('/')} out, which is added where it is needed; write {given}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        addresses.url(given + path)
    assert addresses.url(f"{given}/") == given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("host: {nmae: x}", "host.nmae: there is no such key; did you mean name?"),
        (
            'host: {"@timestamp": x}',
            "host.@timestamp: there is no such key; there are name, hostname, ip, type, os, id, architecture",
        ),
        ("host: {os: {nmae: x}}", "host.os.nmae: there is no such key; did you mean name?"),
        ("host: {os: Debian}", "host.os: expected keys with values, got a text"),
        ("host: {name: 5}", "host.name: expected a text; put it in quotes"),
        ("host: {name: [a]}", "host.name: expected a text, got a list"),
        ("host: {name: null}", "host.name: expected a text, got null"),
        ('host: {name: ""}', "host.name: it may not be empty"),
        ('host: {name: "a\\nb"}', "host.name: 'a\\nb' holds control characters"),
        ("host: {ip: 999.1.1.1}", "host.ip: '999.1.1.1' is no address; write 10.0.0.5 or 2001:db8::5"),
        ("host: {ip: [10.0.0.5, x]}", "host.ip[1]: 'x' is no address; write 10.0.0.5 or 2001:db8::5"),
        ("observer: {naem: x}", "observer.naem: there is no such key; did you mean name?"),
        ("observer: {ip: zzz}", "observer.ip: 'zzz' is no address; write 10.0.0.5 or 2001:db8::5"),
        ('labels: {"": x}', "labels.'': the name of a label may not be empty, nor a part of it between dots: no index takes it"),
        ('labels: {"a\\nb": x}', "labels.'a\\nb': the name of a label may not hold control characters"),
        ('labels: {site: "a\\nb"}', "labels.site: 'a\\nb' holds control characters"),
        ('tags: ["a\\nb"]', "tags[0]: 'a\\nb' holds control characters"),
    ],
)
def test_mistakes_in_the_fields_that_every_event_gets(given: str, said: str, tmp_path: Path) -> None:
    assert errors(f"{GOOD}pipeline: {{{given}}}\n", tmp_path) == [f"4: pipeline.{said}"]


def test_the_fields_that_every_event_gets(tmp_path: Path) -> None:
    fields = (
        "host: {ip: '${IP}', name: mfa01, os: {type: windows}}, observer: {vendor: Contoso}, labels: {site.floor: 4, known: true}"
    )
    (tmp_path / "c.yaml").write_text(f"{GOOD}pipeline: {{{fields}}}\n")
    for given, ips in (("10.0.0.5", ["10.0.0.5"]), ("10.0.0.5, 2001:db8::5", ["10.0.0.5", "2001:db8::5"])):
        constants = settings_of(load_config(str(tmp_path / "c.yaml"), {"IP": given})[0]).options.constants
        assert constants["host"] == {"name": "mfa01", "ip": ips, "os": {"type": "windows"}}
        assert constants["observer"] == {"vendor": "Contoso"}
        assert constants["labels"] == {"site.floor": 4, "known": True}
        assert "tags" not in constants
    (tmp_path / "c.yaml").write_text(f"{GOOD}pipeline: {{host: {{ip: []}}, observer: {{}}}}\n")
    assert settings_of(load_config(str(tmp_path / "c.yaml"), {})[0]).options.constants.keys() == {"agent"}


def test_every_event_gets_only_fields_that_are_known() -> None:
    """What a configuration may put into `host` and `observer` has a place in the schema of events, and so in every index."""
    event = json.loads((ROOT / "schemas" / "event.schema.json").read_text(encoding="utf-8"))["properties"]
    for name in ("host", "observer"):
        assert set(schema()["$defs"][f"{name.capitalize()}Section"]["properties"]) == set(event[name]["properties"])


class Mail(Section, frozen=True):
    """A section of which all keys have defaults."""

    to: str = "postmaster"


class Pager(Section, frozen=True):
    """A section that has to say something."""

    number: str
    volume: int = 11


class MoreOutputs(OutputSection, frozen=True):
    """The outputs, with two that a contributor has added."""

    type: Literal["mail", "pager"]  # type: ignore[assignment]
    mail: Mail | None = None
    pager: Pager | None = None


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (MoreOutputs(type="mail"), "output.type is mail, so this section is needed; {} takes its defaults"),
        (MoreOutputs(type="pager", mail=Mail()), "output.type is pager, so this section is needed, with number"),
        (MoreOutputs(type="mail", mail=Mail()), None),
    ],
)
def test_a_new_output_needs_its_section(output: MoreOutputs, said: str | None) -> None:
    """A sink relies on its section; who adds one writes no check."""
    config = config_type()(state_dir="s", inputs=[Input(path="p")], output=output)
    assert contradictions(config) == ([(("output", output.type), said)] if said else [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tail: {max_line: 16}", "tail.max_line: it must be from 1KiB to 64MiB: a line is kept in memory"),
        ("tail: {max_line: 5}", "tail.max_line: it must be from 1KiB to 64MiB: a line is kept in memory"),
        ("tail: {max_line: 2GiB}", "tail.max_line: it must be from 1KiB to 64MiB: a line is kept in memory"),
        ("tail: {max_line: 1MiB, read_size: 2MiB}", "tail.read_size: it must be from 1KiB to max_line"),
        ("tail: {max_line: [1MiB]}", "tail.max_line: expected a size such as 1MiB or 65536, got a list"),
        ("tail: {max_line: true}", "tail.max_line: expected a size such as 1MiB or 65536"),
        (
            "metrics: {listen: '9108'}",
            "metrics.listen: '9108' is not HOST:PORT; write 127.0.0.1:9108, 0.0.0.0:9108 or [::1]:9108",
        ),
        ("metrics: {listen: 'http://'}", "metrics.listen: 'http://' has a scheme; write 127.0.0.1:9108 without it"),
        ("metrics: {listen: 'a:99999'}", "metrics.listen: 'a:99999': ports go from 0 to 65535"),
        ("shutdown_timeout: [1]", "shutdown_timeout: expected a duration such as 60s or 500ms, got a list"),
        (
            "pipeline: {double_prompt: {window: [1]}}",
            "pipeline.double_prompt.window: expected a duration such as 60s or 500ms, got a list",
        ),
        ("pipeline: {mfa_fatigue: {count: [1]}}", "pipeline.mfa_fatigue.count: expected a whole number, got a list"),
    ],
)
def test_what_is_expected_is_what_the_key_takes(text: str, said: str, tmp_path: Path) -> None:
    assert errors(f"{GOOD}{text}\n", tmp_path) == [f"4: {said}"]


@pytest.mark.parametrize("size", ["0", "16", "2GiB"])
def test_the_size_at_which_a_file_is_renamed(size: str, tmp_path: Path) -> None:
    text = GOOD.replace("type: stdout", f"type: file, file: {{path: /tmp/y, rotate_size: {size}}}")
    assert errors(text, tmp_path) == ["3: output.file.rotate_size: it must be from 1KiB to 1GiB"]


def test_a_null_is_allowed_where_the_key_takes_one(tmp_path: Path) -> None:
    text = GOOD.replace("type: stdout", "type: file, file: {path: /tmp/y, rotate_every: [1d]}")
    said = "3: output.file.rotate_every: expected a duration such as 60s or 500ms or null, got a list"
    assert errors(text, tmp_path) == [said]


def test_short_lines_need_no_smaller_reads(tmp_path: Path) -> None:
    """A read is never longer than a line may be, so `read_size` need not be set as well."""
    (tmp_path / "c.yaml").write_text(GOOD + "tail: {max_line: 1KiB}\n")
    assert load_config(str(tmp_path / "c.yaml"), {})[0].tail.max_line == 1 << 10


def keys_of(kind: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The key paths below a section, each with its type."""
    for inner in (kind, *get_args(kind)):
        if isinstance(inner, type) and issubclass(inner, Section):
            for field in msgspec.structs.fields(inner):
                yield (*path, field.name), field.type
                yield from keys_of(field.type, (*path, field.name))


def test_every_duration_and_size_has_a_range(tmp_path: Path) -> None:
    annotated = read_settings(str(ROOT / "deploy" / "docs" / "mfa-shipper.yaml"), {}).values
    far = {Duration: "50000d", Size: "999999999999GiB"}
    wanted = {path: far[part] for path, kind in keys_of(config_type()) for part in (kind, *get_args(kind)) if part in far}
    assert len(wanted) >= 17
    for path, value in wanted.items():
        values = copy.deepcopy(annotated)
        section = values
        for key in path[:-1]:
            section = section[key]
        section[path[-1]] = value
        assert any(f" {dotted(path)}: it must be from " in said for said in errors(yaml.safe_dump(values), tmp_path)), path


def test_every_format_and_sink_can_be_chosen() -> None:
    output = schema()["$defs"]["OutputSection"]["properties"]
    (formats,) = (kind["enum"] for kind in output["format"]["anyOf"] if "enum" in kind)
    assert set(formats) == set(FORMATS)
    (types,) = (kind["enum"] for kind in output["type"]["anyOf"] if "enum" in kind)
    assert set(types) == set(SINKS)


def from_outside(value: Any, environ: dict[str, str]) -> Any:
    """A configuration with a reference in place of each value and each list of values; what they stand for goes to `environ`."""
    if isinstance(value, dict):
        return {key: from_outside(item, environ) for key, item in value.items()}
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [from_outside(item, environ) for item in value]
    if value is None or value == []:
        return value
    name = f"V{len(environ)}"
    environ[name] = ", ".join(value) if isinstance(value, list) else json.dumps(value).strip('"')
    return f"${{{name}}}"


def test_the_schema_takes_a_reference_wherever_the_program_does(tmp_path: Path) -> None:
    """In every setting: lists, numbers, switches, choices, durations, addresses."""
    annotated, file = ROOT / "deploy" / "docs" / "mfa-shipper.yaml", tmp_path / "c.yaml"
    environ: dict[str, str] = {}
    written = from_outside(read_settings(str(annotated), {}).values, environ)
    file.write_text(yaml.safe_dump(written), encoding="utf-8")
    loaded, wanted = (msgspec.to_builtins(load_config(str(path), environ)[0], enc_hook=str) for path in (file, annotated))
    assert len(environ) > 50
    assert loaded == wanted
    validator = Draft202012Validator(schema())
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(written)] == []
    written["log"]["level"] = "$${LEVEL}"
    assert [error.json_path for error in validator.iter_errors(written)] == ["$.log.level"]


def test_the_schema_refuses_what_the_program_refuses() -> None:
    value = {"state_dir": "a", "inputs": [{"path": "a", "strat": "end"}], "output": {"type": "stdout"}}
    assert list(Draft202012Validator(schema()).iter_errors(value))
    assert msgspec.json.encode(schema())
