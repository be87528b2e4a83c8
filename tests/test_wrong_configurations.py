"""Several hundred configurations that cannot work: each is refused with status 2, its place and what was expected, by `check`
and by `run`, and nothing is made on disk. And whatever is written into one, nobody sees a traceback."""

import contextlib
import copy
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper import cli
from shipper.commands.check import plan
from shipper.config.load import load_config
from shipper.errors import UsageError

GOOD: dict[str, Any] = {
    "state_dir": "state",
    "inputs": [{"path": "logs/*.log*", "exclude": ["logs/old*"], "host": {"name": "mfa01"}}],
    "pipeline": {
        "double_prompt": {"window": "60s"},
        "mfa_fatigue": {"window": "10m"},
        "syslog": {"year": "2019"},
        "pseudonyms": {"key": "0123456789abcdef"},
        "data_stream": {"namespace": "default"},
        "host": {"name": "mfa01", "ip": ["10.0.0.5"]},
        "observer": {"name": "collector01"},
    },
    "output": {
        "type": "kafka",
        "batch": {"max_events": 2000},
        "file": {"path": "events.ndjson"},
        "kafka": {"bootstrap_servers": ["kafka:9092"], "topic": "mfa-events", "security": {"protocol": "PLAINTEXT"}},
        "elasticsearch": {"urls": ["https://es1:9200"]},
        "splunk_hec": {"url": "https://splunk:8088", "token": "a token"},
    },
    "detect": {"group": "mfa-detect"},
    "tail": {"poll_interval": "250ms"},
    "metrics": {"listen": "127.0.0.1:0"},
    "log": {"level": "info"},
}

NO_JSON = [float("inf"), 1 << 64, -(1 << 63) - 1]
NO_TEXT: list[Any] = [7, True, ["a"], {"a": "b"}, *NO_JSON]
NO_NAME: list[Any] = [*NO_TEXT, None, "", " ", "a\nb", "a\0b", "a\x7f"]
NO_IP: list[Any] = [7, True, {"a": "b"}, *NO_JSON, None, "", "zzz", "999.1.1.1", "10.0.0.5/24", "fe80::1%eth0", " 10.0.0.5"]
NO_LABELS = [{name: 1} for name in ("", " ", "a..b", ".a", "a.", "a\nb")] + [{"a": "b\n"}, {"a": "\x1b[2J"}]
NO_PATH = [*NO_TEXT, "", " ", "a\0b", "~nobody-has-this-name/x", "x" * 256, "ä" * 128, "x/" * 2001]
NO_DURATION = ["1x", "-1s", "soon", "", "1_0s", "٣s", "1 s", "1e3s", "9" * 30 + "d", True, ["1s"], {"s": 1}, -1, *NO_JSON]
NO_SIZE = ["1PiB", "-1", "big", "", "0", "1.5MiB", "٣MiB", True, [1], {"b": 1}, -1, *NO_JSON]
NO_COUNT = [0, -1, "many", 1.5, True, [1], {"n": 1}, *NO_JSON]
NO_SWITCH = ["perhaps", 2, [True], {"on": True}, *NO_JSON]
NO_CHOICE = [*NO_TEXT, "none-of-these", ""]
NO_TOPIC = [*NO_TEXT, "", "a b", "a/b", "é", ".", "..", "x" * 250]
NO_ADDRESS = [
    *NO_TEXT,
    "",
    "kafka",
    "kafka:",
    ":9092",
    "kafka:99999",
    "kafka:port",
    "http://kafka:9092",
    "a:1,b:2",
    "a b:1",
    "a..b:1",
    f"{'a' * 64}:1",
    "[::z]:1",
    "[:::::]:1",
    "10.0.0.999:1",
]
NO_LIST = ["", "a", 7, True, {"a": 1}, [7], [["a"]], [{"a": 1}]]
NO_SECTION = ["a", 7, True, ["a"], {"no such key": 1}]

WRONG: dict[str, list[Any]] = {
    "state_dir": NO_PATH,
    "inputs": [*NO_LIST, [], [{}], None],
    "inputs[0].path": [*NO_PATH, "logs/{a,b}.log"],
    "inputs[0].start": NO_CHOICE,
    "inputs[0].encoding": NO_CHOICE,
    "inputs[0].exclude": [*NO_LIST[1:], [""], ["{a,b}"]],
    "inputs[0].host": [*NO_SECTION, {"name": ""}, {"name": 7}],
    "pipeline": NO_SECTION,
    "pipeline.patterns": [*NO_LIST[1:], ["no-such-folder"]],
    "pipeline.status_codes": [*NO_TEXT, "no-such-file.csv"],
    "pipeline.keep_original": NO_SWITCH,
    "pipeline.detectors": [*NO_LIST[1:], ["no_such_detector"]],
    "pipeline.double_prompt": NO_SECTION,
    "pipeline.double_prompt.window": [*NO_DURATION, "25h", "36500d"],
    "pipeline.double_prompt.exchange_timeout": [*NO_DURATION, "25h"],
    "pipeline.double_prompt.include_retries": NO_SWITCH,
    "pipeline.mfa_fatigue.window": [*NO_DURATION, "25h"],
    "pipeline.mfa_fatigue.count": NO_COUNT,
    "pipeline.syslog.year": [*NO_TEXT, "19", "2019-13", "MMXIX"],
    "pipeline.syslog.zone": [*NO_TEXT, "Mars/Olympus", ""],
    "pipeline.local_zone": [*NO_TEXT, "Mars/Olympus", ""],
    "pipeline.pseudonyms": [*NO_SECTION, {"fields": ["user"]}],
    "pipeline.pseudonyms.key": [*NO_TEXT, "short", ""],
    "pipeline.pseudonyms.fields": [*NO_LIST, [], ["user.name"]],
    "pipeline.host": [*NO_SECTION, {"a": float("nan")}, {"a": 1 << 64}, {"a": {"b": float("inf")}}, {"@timestamp": "x"}],
    "pipeline.host.name": NO_NAME,
    "pipeline.host.hostname": NO_NAME,
    "pipeline.host.ip": [*NO_IP, ["10.0.0.5", "10.0.0.256"], [[]], [None]],
    "pipeline.observer": [*NO_SECTION, {"ip": "zzz"}],
    "pipeline.observer.name": NO_NAME,
    "pipeline.observer.type": NO_NAME,
    "pipeline.observer.vendor": NO_NAME,
    "pipeline.observer.product": NO_NAME,
    "pipeline.labels": ["a", 7, ["a"], {"a": ["b"]}, {"a": {"b": 1}}, {"a": None}, {"a": 1 << 64}, *NO_LABELS],
    "pipeline.tags": [*NO_LIST[1:], [""], [" "], ["a\tb"], [None]],
    "pipeline.data_stream.namespace": [*NO_TEXT, "", "A", "a b", "a-b", "x" * 101],
    "output": [*NO_SECTION, {}, {"type": "file"}],
    "output.type": NO_CHOICE,
    "output.format": [*NO_CHOICE, "elastic-bulk"],
    "output.events": NO_CHOICE,
    "output.batch": NO_SECTION,
    "output.batch.max_events": [*NO_COUNT, 1_000_000_000],
    "output.batch.max_bytes": [*NO_SIZE, "1GiB"],
    "output.batch.max_age": [*NO_DURATION, "36500d"],
    "output.file.path": [*NO_PATH, "x" * 231],
    "output.file.rotate_size": [*NO_SIZE, "1023"],
    "output.file.rotate_every": [*NO_DURATION, "0s", "36500d"],
    "output.file.keep": NO_COUNT,
    "output.kafka": NO_SECTION,
    "output.kafka.bootstrap_servers": [*NO_LIST, []],
    "output.kafka.bootstrap_servers[0]": [*NO_ADDRESS, "kafka:0"],
    "output.kafka.topic": NO_TOPIC,
    "output.kafka.alert_topic": NO_TOPIC,
    "output.kafka.dead_letter_topic": [*NO_TOPIC, "mfa-events"],
    "output.kafka.state_topic": NO_TOPIC,
    "output.kafka.exactly_once": NO_SWITCH,
    "output.kafka.transactional_id": [*NO_TEXT, "", " ", "a\0b"],
    "output.kafka.client_id": [*NO_TEXT, "", " ", "a\x7fb"],
    "output.kafka.client": NO_CHOICE,
    "output.kafka.compression": NO_CHOICE,
    "output.kafka.security.protocol": [*NO_CHOICE, "SASL_SSL"],
    "output.kafka.security.username": [*NO_TEXT, "without a password"],
    "output.kafka.security.password": [*NO_TEXT, "", "without a user"],
    "output.kafka.security.ca_file": [*NO_PATH, "without-tls.pem"],
    "output.elasticsearch": NO_SECTION,
    "output.elasticsearch.timeout": [*NO_DURATION, "0s", "999ms", "2h"],
    "output.splunk_hec": NO_SECTION,
    "output.splunk_hec.timeout": [*NO_DURATION, "0s", "999ms", "2h"],
    "detect": NO_SECTION,
    "detect.group": [*NO_TOPIC, "x" * 101],
    "detect.lateness": [*NO_DURATION, "25h"],
    "detect.idle_timeout": [*NO_DURATION, "0s", "999ms", "2h"],
    "detect.partitions": [*NO_COUNT, 1001],
    "tail.poll_interval": [*NO_DURATION, "0s", "9ms", "2h"],
    "tail.rotate_wait": [*NO_DURATION, "2h"],
    "tail.max_line": [*NO_SIZE, "1023", "65MiB"],
    "tail.read_size": [*NO_SIZE, "1023", "2MiB"],
    "shutdown_timeout": [*NO_DURATION, "2h"],
    "metrics.listen": NO_ADDRESS,
    "metrics.username": [*NO_TEXT, "", "a\nb", "without a password"],
    "metrics.password": [*NO_TEXT, "", "without a user"],
    "log.level": NO_CHOICE,
    "log.format": NO_CHOICE,
}

TEXTS = {
    "a path of Windows in double quotes": (r'state_dir: "C:\Program Files\temp"' + "\n", "put a path in single quotes"),
    "a glob of Windows in double quotes": (
        r'inputs: [{path: "D:\new\Logs"}]' + "\n",
        "'D:\\new\\u2028ogs' holds control characters",
    ),
    "an unknown form": ("state_dir: ${a-b}\n", "${a-b} is none of ${NAME}, ${NAME:-default} and ${file:PATH}"),
    "a form of another shipper": ("state_dir: ${env:HOME}\n", "${env:HOME} is none of"),
    "blanks in a reference": ("state_dir: ${ HOME }\n", "${ HOME } is none of"),
    "an open reference": ("state_dir: '${HOME'\n", "${HOME has no closing bracket"),
    "a reference to nothing": ("state_dir: ${}\n", "${} is none of"),
    "an unset variable": ("state_dir: ${NOT_SET}\n", "the environment variable NOT_SET is not set"),
    "a file without end": ("state_dir: ${file:/dev/zero}\n", "the first line of /dev/zero has more than 65536 characters"),
    "a colon in a name": (
        "state_dir: s\ninputs: [{path: x}]\noutput: {type: stdout}\nmetrics: {username: 'a:b', password: c}\n",
        "metrics.username: it may not hold a colon",
    ),
    "positions among dead letters": (
        "state_dir: s\ninputs: [{path: x}]\noutput: {type: kafka, kafka: {bootstrap_servers: ['a:1'], topic: t, exactly_once: true, "
        "dead_letter_topic: d, state_topic: d}}\n",
        "output.kafka.state_topic: the positions need a topic of their own",
    ),
    "a file that is not there": ("state_dir: ${file:/no/such/file}\n", "cannot read /no/such/file: No such file"),
    "a set": ("pipeline: {host: {s: !!set {x}}}\n", "YAML reads this as a set"),
    "a date": ("pipeline: {labels: {since: 2017-01-01}}\n", "YAML reads this as a date; put it in quotes"),
    "bytes": ("pipeline: {host: {b: !!binary aGFsbG8=}}\n", "YAML reads this as a bytes"),
    "half a pair": ('pipeline: {labels: {a: "\\ud800"}}\n', "half of a surrogate pair"),
    "a list as key": ("? [a, b]\n: c\n", "a key must be a text"),
    "a mapping as key": ("{a: b}: c\n", "a key must be a text"),
    "deep": ("pipeline: {host: " + "{a: " * 400 + "1" + "}" * 401 + "\n", "nested more than 16 deep"),
    "very deep": ("a: " + "[" * 50_000 + "\n", "nested deeper"),
    "an alias of itself": ("a: &a [*a]\n", "nested more than 16 deep"),
    "a bomb": (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
        "it has more than 10000 values",
    ),
    "too large": ("#" * (128 << 10) + "\n", "larger than 128 KiB"),
    "twice": ("state_dir: a\nstate_dir: b\n", "this key stands twice"),
    "no mapping": ("- a\n", "a mapping was expected"),
    "a tab": ("a:\n\t- b\n", "this is not YAML"),
    "a tag": ("a: !!python/object:os.system b\n", "this is not YAML"),
    "a private mark": ("state_dir: \ue0000:5\ue001\ninputs: 7\n", "inputs: expected a list"),
}


def keys(path: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]


def with_value(path: str, value: Any) -> dict[str, Any]:
    """The good configuration with another value at a key path."""
    config = copy.deepcopy(GOOD)
    *parents, last = keys(path)
    parent: Any = config
    for key in parents:
        parent = parent[key]
    parent[last] = value
    return config


def refusal(
    command: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """What the command says of a configuration, which it must refuse without touching the folder."""
    (folder / "c.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["mfa-shipper", command, "--config", "c.yaml"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, error = capsys.readouterr()
    assert (ended.value.code, out) == (2, ""), error
    assert "Traceback" not in error
    assert error.startswith("mfa-shipper: c.yaml"), error
    assert os.listdir(folder) == ["c.yaml"]
    return error.removeprefix("mfa-shipper: ").splitlines()


CASES = [(path, value) for path, values in WRONG.items() for value in values]


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("path", WRONG)
def test_a_value_that_cannot_work(
    command: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in WRONG[path]:
        said = refusal(command, yaml.safe_dump(with_value(path, value)), tmp_path, monkeypatch, capsys)
        place = re.escape(path.partition("[")[0].rpartition(".")[0] or path.partition("[")[0])
        assert any(re.match(rf"c\.yaml:\d+: {place}", line) for line in said), (value, said)
        assert all(re.match(r"c\.yaml:\d+: [^:]+: \S", line) for line in said), (value, said)


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 300


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_cannot_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, wanted = TEXTS[name]
    for command in ("check", "run"):
        assert any(wanted in line for line in refusal(command, text, tmp_path, monkeypatch, capsys))


@pytest.mark.parametrize("command", ["check", "run", "detect"])
def test_a_command_that_ends_holds_no_file_open(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = os.listdir("/dev/fd")
    refusal(command, "state_dir: 7\n", tmp_path, monkeypatch, capsys)
    assert os.listdir("/dev/fd") == before


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["${A}", "$${A}", "${A:-b}", "${a b}", "~", "*"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)


def paths(value: Any, at: str = "") -> Iterator[str]:
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, f"{at}.{key}" if at else key)
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from paths(inner, f"{at}[{number}]")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(path=st.sampled_from(sorted({*paths(GOOD), *WRONG})), value=values, environ=st.dictionaries(st.just("A"), st.text()))
def test_whatever_stands_there_is_used_or_refused(path: str, value: Any, environ: dict[str, str], tmp_path: Path) -> None:
    """No other exception than ours, and what is accepted can be planned with."""
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(with_value(path, value), allow_unicode=True), encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(UsageError):
        config, _ = load_config(str(file), environ)
        assert plan(config)
