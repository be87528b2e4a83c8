"""Lines of a log as other programs pass them on."""

import json
from collections.abc import Callable

HOST = "mfa01"
_UTC, _ZONED = "2017-02-14T03:00:00.{:06d}Z", "2017-02-14T04:00:00.{:06d}+01:00"


def _json(**fields: object) -> str:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def docker(line: str, number: int) -> str:
    return _json(log=f"{line}\n", stream="stdout", time=_UTC.format(number))


def cri(line: str, number: int) -> str:
    return f"{_ZONED.format(number)} stdout F {line}"


def filebeat(line: str, number: int) -> str:
    time = {"@timestamp": _UTC.format(number), "@metadata": {"beat": "filebeat", "type": "_doc", "version": "8.17.0"}}
    log = {"offset": 80 * number, "file": {"path": 'C:\\Logs\\"MFA".log'}}
    return _json(**time, log=log, message=line, input={"type": "filestream"}, ecs={"version": "8.0.0"}, host={"name": HOST})


def vector(line: str, number: int) -> str:
    return _json(file="/logs/mfa.log", host=HOST, message=line, source_type="file", timestamp=_UTC.format(number))


def fluent_bit(line: str, number: int) -> str:
    return json.dumps({"date": 1487041200 + number / 1e6, "log": line})


def rsyslog(line: str, number: int) -> str:
    return f"{_ZONED.format(number)} {HOST} mfa: {line}"


def rsyslog_forwarded(line: str, number: int) -> str:
    return f"<134>{_ZONED.format(number)} {HOST} mfa[7]: {line}"


def rfc_3164(line: str, number: int) -> str:
    return f"<134>Feb 14 04:00:{number % 60:02d} {HOST} mfa: {line}"


def rfc_3164_in_a_file(line: str, number: int) -> str:
    return f"Feb 14 04:00:{number % 60:02d} {HOST} mfa: {line}"


def rfc_5424(line: str, number: int) -> str:
    return f"<134>1 {_UTC.format(number)} {HOST} mfa 7 - - {line}"


def rfc_5424_in_nanoseconds(line: str, number: int) -> str:
    return f'<134>1 2017-02-14T03:00:00.{number:09d}Z {HOST} mfa 7 ID47 [origin ip="10.0.0.7"][x y="a\\"]b"] \ufeff{line}'


def counted(line: str, number: int) -> str:
    text = rfc_5424(line, number)
    return f"{len(text.encode('utf-8', 'replace'))} {text}"


def docker_around_syslog(line: str, number: int) -> str:
    return docker(rfc_5424(line, number), number)


def filebeat_around_syslog(line: str, number: int) -> str:
    return filebeat(rfc_3164(line, number), number)


Wrap = Callable[[str, int], str]
RECORDS: tuple[Wrap, ...] = (docker, cri, filebeat, vector, fluent_bit)  # whatever stands inside
SYSLOG: tuple[Wrap, ...] = (  # a text that is no line of a log is a message of its own here
    *(rsyslog, rsyslog_forwarded, rfc_3164, rfc_3164_in_a_file, rfc_5424, rfc_5424_in_nanoseconds, counted),
    *(docker_around_syslog, filebeat_around_syslog),
)
WRAPPERS = RECORDS + SYSLOG


def docker_in_parts(line: str, number: int, piece: int, stream: str = "stdout") -> list[str]:
    """A line as Docker writes a long one; the pieces have 16 KiB there."""
    text = f"{line}\n"
    pieces = [text[at : at + piece] for at in range(0, len(text), piece)]
    return [_json(log=part, stream=stream, time=_UTC.format(number)) for part in pieces]


def cri_in_parts(line: str, number: int, piece: int, stream: str = "stdout") -> list[str]:
    """A line as containerd and CRI-O write a long one."""
    pieces = [line[at : at + piece] for at in range(0, max(1, len(line)), piece)]
    tags = ["P"] * (len(pieces) - 1) + ["F"]
    return [f"{_ZONED.format(number)} {stream} {tag} {part}" for tag, part in zip(tags, pieces, strict=True)]
