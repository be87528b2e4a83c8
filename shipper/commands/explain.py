"""`explain`: what a status code or a line of the log means, in plain words. Pure.

A text is taken as the first of these that fits: a code (`21`), a result name or an error code of the
NPS extension (`PhoneAppDenied`, `ESTS_TOKEN_ERROR`), a constant (`SUCCESS_PHONE_APP_AUTHENTICATED`), words
of the code table (`no response`), a line, or a line's message. The events are those that `parse` makes of these lines alone.
"""

import io
import json
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import orjson

from shipper.commands.codes import describe, describe_error, describe_result, table, wrap
from shipper.commands.near_misses import definition, how_far, short
from shipper.commands.screen import ENDLESS, Screen
from shipper.decode.clock import LogState
from shipper.decode.ecs import is_known
from shipper.decode.facts import Facts, Library, interpret
from shipper.decode.grok import Pattern
from shipper.decode.line_patterns import Stamps, inner_line
from shipper.decode.parser import Options, Parser
from shipper.decode.status_codes import StatusCodes
from shipper.errors import RunError, UsageError
from shipper.model import Code, Counts, Document, User
from shipper.printable import printable
from shipper.read import identity
from shipper.read.files import STDIN, UNMARKED_HEAD, encoding_of, open_bytes, read_chunks
from shipper.times import EPOCH

MOST = 20  # lines or records to explain
MOST_READ = 1 << 20  # bytes of standard input
SHOWN = 300  # characters of a captured value

_QUOTES = {"'": "'", '"': '"', "`": "`", "‘": "’", "“": "”", "„": "“", "«": "»"}  # noqa: RUF001  as blogs and chats write them
_SPACE = " \t\r\n\ufeff\u00a0\u200b"  # characters that copying leaves at the ends; the second half are invisible spaces
_CODE = re.compile(r"(?:(?:status|code|rawCallStatus)\s*[:=]?\s*|#)?([-\u2212\u2013]?[0-9]{1,18})", re.I)
_CONSTANT = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_MAIL = re.compile(r"(?:>[ \t]?)+")
_ERROR_CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:ERROR|WARNING)")
_LIKE_A_LINE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|\{|<Event|.*\|", re.S)

TAGS = {
    "mfa_orphan": "A line by itself is an orphan: who signs in, and since when, stands in the request line of the same thread, which is not here. In a log that holds that line, parse adds user and exchange, gives a status the outcome of its verdict, and there is no such tag.",
    "mfa_outcome_conflict": "The verdict and the code disagree; the event follows the verdict and is tagged, for somebody to look.",
    "mfa_decode_error": "Some bytes are no UTF-8 and were replaced by U+FFFD.",
}
KINDS = {
    "request": "A sign-in begins, and the user is to be asked. The verdict (authResult) and the status (rawCallStatus) follow on the same thread.",
    "verdict": "event.outcome is unknown here: the status behind it says the outcome, so that a sign-in counts once.",
    "log": "A well-formed line that is not an authentication. It is shipped with event.action log.",
}
UNKNOWN = "An unknown message: the line is one of a known service, but says nothing that a pattern knows. It is counted: in the sums of parse, and as mfa_shipper_unknown_messages_total."
VERDICTS = {
    "success": "The verdict: the sign-in succeeded.",
    "failure": "The verdict: the sign-in failed.",
    "unknown": "A verdict that is neither 1 (succeeded) nor 0 (failed).",
}


def explained(words: Sequence[str], library: Library, screen: Screen) -> Iterator[str]:
    """Explain the words of a command line; for `-`, what stands on standard input, decompressed if necessary.

    Raises:
        UsageError: see `explain`.
        RunError: standard input cannot be read to its end; the whole lines that can be read have been explained.
    """
    if tuple(words) != ("-",):
        yield explain(" ".join(words), library, screen)
        return
    data, failure = b"", None
    try:
        with open_bytes(STDIN) as read:
            while len(data) < MOST_READ and (block := read(MOST_READ - len(data))):
                data += block
    except RunError as error:
        data, failure = data[: data.rfind(b"\n") + 1], error
    if data or failure is None:
        yield explain(text_of(data), library, screen)
    if failure is not None:
        raise failure


def text_of(data: bytes) -> str:
    """Decode bytes from standard input; bytes that are not UTF-8 become surrogates."""
    encoding, start = encoding_of(data[:UNMARKED_HEAD])
    return data[start:].decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")


def explain(text: str, library: Library, screen: Screen = ENDLESS) -> str:
    """Explain a code, a constant, words of a description, or lines or records of a log.

    Args:
        text: as typed or pasted; spaces and quotes around it are ignored.
        library: the patterns and codes to explain it with.
        screen: the screen on which tables are shown.

    Raises:
        UsageError: the text is none of these.
    """
    pasted = _unwrap(text)
    if _describe(pasted, library).export is not None:
        return _of_lines([pasted], library, trimmed=False)
    lines = [_unwrap(line) for line in pasted.split("\n") if line.strip(_SPACE)]
    if not lines:
        raise UsageError(
            "there is nothing to explain; give a line of the log in quotes, a status code such as 21, or a word such as fraud"
        )
    trimmed = lines != [line.removesuffix("\r") for line in text.rstrip("\r\n").split("\n")]
    if len(lines) > 1:
        if any(_LIKE_A_LINE.match(line) or _first_match(library.lines, line) for line in lines):
            return _of_lines(lines, library, trimmed)
        return "\n".join(explain(line, library, screen) for line in lines)
    [line] = lines
    answer = _of_codes(line, library.codes, screen)
    if answer:
        return answer
    if not _first_match(library.lines, line):
        found = _first_match(library.messages, line)
        if found:
            note = "This is the message of a line, without the line's head; there is no event without one.\n\n"
            return note + _matched("message", *found) + _meaning(interpret(line, *found, library.codes), library.codes)
        if _CONSTANT.fullmatch(line):
            return _unknown(line, library.codes.result(line, None))
        if not _LIKE_A_LINE.match(line):
            raise UsageError(_nothing(line, library.codes))
    return _of_lines(lines, library, trimmed)


def _unwrap(text: str) -> str:
    """The text without surrounding spaces, the > of a quoted mail, and quotes that enclose all of it."""
    text = _MAIL.sub("", text.strip(_SPACE), count=1) if text.lstrip(_SPACE).startswith(">") else text.strip(_SPACE)
    while len(text) > 1 and (text[-1] == _QUOTES.get(text[0]) or (text[0] in "“”" and text[-1] in "“”")):
        text = text[1:-1].strip(_SPACE)
    return text


def _of_codes(text: str, codes: StatusCodes, screen: Screen) -> str | None:
    """The answer if the text is a code, a constant or words of the code table, else None."""
    number = _CODE.fullmatch(text)
    if number:
        code = codes.number(int(number[1].replace("\u2212", "-").replace("\u2013", "-")))
        return describe(code) if code.known else _unknown(number[1], code)
    named = _of_nps_name(text, codes)
    if named:
        return named
    folded = text.casefold()
    rows = [code for code in codes.codes.values() if folded in ((code.constant or "").casefold(), code.description.casefold())]
    rows = rows or codes.search(text) or codes.search(text.replace("-", " "))
    if len(rows) == 1:
        return describe(rows[0])
    if not rows:
        return next(
            (answer for name in _nps_names(codes) if name.casefold() == folded and (answer := _of_nps_name(name, codes))), None
        )
    listed = table(rows, screen, ("code", "description", "class", "outcome", "prompted", "method"))
    return f"{len(rows)} codes for {printable(text)}:\n\n{listed}\nAll about one of them: mfa-shipper explain {rows[-1].number}\n"


def _nps_names(codes: StatusCodes) -> list[str]:
    return [*codes.nps_tables.results, *codes.nps_tables.errors]


def _of_nps_name(name: str, codes: StatusCodes) -> str | None:
    """The answer if this is a name of the NPS extension in its exact spelling, else None."""
    tables = codes.nps_tables
    if name in tables.results:
        return describe_result(name, tables.results[name], tables.meanings[name])
    return describe_error(name, tables.errors[name]) if name in tables.errors else None


def _unknown(name: str, code: Code) -> str:
    if _ERROR_CODE.fullmatch(name):
        sentence = f"{name} is in no table. Where the NPS extension writes it about a sign-in, the event is an mfa-error with it in error.code, severity medium."
        return f"{wrap(sentence)}\n"
    sentence = f"{name} is not in the code table. It is shipped as class unknown, severity medium, and counted; the outcome is that of the verdict."
    return f"{wrap(sentence)}\n\n{describe(code)}"


def _nothing(text: str, codes: StatusCodes) -> str:
    known = {
        word
        for code in codes.codes.values()
        for word in re.findall(r"[a-z]{3,}", f"{code.description} {code.status_class}".casefold())
    }
    names = {name.casefold(): name for name in _nps_names(codes)}
    candidates = sorted({*known, *names})
    near = [match for word in text.casefold().split()[:8] for match in get_close_matches(word, candidates, 1, cutoff=0.65)]
    near = [names.get(match, match) for match in near]
    hint = (
        f"did you mean {' '.join(near)}?"
        if near
        else "try 21, fraud, or a whole line in quotes; mfa-shipper codes lists all codes"
    )
    return f"{short(text, 60)!r} is no status code, no words of one and no line of the log; {hint}"


def _of_lines(lines: list[str], library: Library, trimmed: bool) -> str:
    """The answer for lines of a log or records of an export, parsed together so that the lines of an exchange are correlated."""
    text = "\n".join(lines)
    data, about = f"{text}\n".encode("utf-8", "surrogateescape"), _describe(text, library)
    record = about.export is not None
    state = LogState(Options().exchange_timeout)
    parser = Parser(library, Options(), about.log_file(None, EPOCH), state, Counts())
    parts = []
    for chunk in read_chunks(io.BytesIO(data[about.start :]).read, about.start, export=about.export, parts=about.parts):
        raws = [record for record, *_ in chunk.pieces()] or chunk.data.split(b"\n")
        parts += list(zip(raws, parser(chunk).texts, strict=False))
    if not parts:
        what = "no record stands behind the header" if about.start else "it holds no record"
        raise UsageError(f"there is nothing to explain: {what}")
    answers = [
        _of_line(raw.decode("utf-8", "replace"), orjson.loads(event.encode("latin-1")), library, record=record)
        for raw, event in parts[:MOST]
    ]
    if len(answers) > 1:
        what = "Record" if record else "Line"
        answers = [f"{what} {number} of {len(parts)}\n\n{answer}" for number, answer in enumerate(answers, 1)]
    if len(parts) > MOST:
        answers.append(f"Only the first {MOST} are explained.\n")
    note = "Spaces, quotes, the > of a mail or empty lines around the text were left out; a line that really has them is another line.\n\n"
    return note * trimmed + "\n".join(answers)


def _describe(text: str, library: Library) -> identity.Description:
    """How `parse` would identify a file that holds this text."""
    return identity.describe(io.BytesIO(f"{text}\n".encode("utf-8", "surrogateescape")).read, stamp_of=Stamps(library))


def _of_line(line: str, document: Document, library: Library, *, record: bool) -> str:
    inside = inner_line(library, line)
    line = inside.text if inside else line
    note = f"Patterns are tried on what stands {inside.place}:\n\n  {printable(short(line, SHOWN))}\n\n" if inside else ""
    found = _first_match(library.lines, line)
    if document["event"]["kind"] == "pipeline_error":
        text = f"{'This record is not understood' if record else 'No pattern matches this line'}: {document['error']['message']}.\n\n"
        if not record:
            text += _matched("line", *found) if found else how_far(library.lines, line)
        text += "It is shipped all the same, as a pipeline_error with the tag _grokparsefailure.\n"
    else:
        text = (
            _matched("line", *found)
            if found
            else f"The {'record' if record else 'line'} is a Windows event; patterns are tried on its message.\n\n"
        )
        message = document["message"]
        inner = _first_match(library.messages, message)
        if inner:
            text += _matched("message", *inner)
        elif message:
            if is_known(document["event"].get("provider")):
                text += f"{wrap(UNKNOWN)}\n\n"
            text += "No MESSAGE_ pattern matches the message. How far each of them fits:\n\n" + how_far(library.messages, message)
        pattern, captured = inner or (None, {})
        text += _meaning(interpret(message, pattern, captured, library.codes), library.codes)
    text += "".join(f"\n{wrap(TAGS[tag])}\n" for tag in document.get("tags", ()) if tag in TAGS)
    return f"{note}{text}\nThe event:\n\n{_json(document)}\n"


def _meaning(facts: Facts, codes: StatusCodes) -> str:
    """The facts of a message in words."""
    extra = dict(facts.extra)
    words = [VERDICTS[facts.verdict or "unknown"]] if facts.kind in ("verdict", "result") else []
    if facts.action is not None:
        words.append(f"It is shipped with event.action {facts.action}.")
    elif facts.kind in KINDS:
        words.append(KINDS[facts.kind])
    text = "".join(f"{wrap(sentence)}\n" for sentence in words)
    result, state = str(extra.get("azure_mfa.nps.result", "")), str(extra.get("azure_mfa.nps.response_state", ""))
    error = codes.nps_tables.error(str(extra.get("error.code", state)), str(extra.get("error.message", "")))
    if error is not None:
        text += ("\n" if text else "") + describe_error(error.code, [error])
    if result in codes.nps_tables.results:
        text += ("\n" if text else "") + (_of_nps_name(result, codes) or "")
    elif facts.code is not None:
        name = str(facts.code.number if facts.code.number is not None else facts.code.constant or facts.code.description)
        text += ("\n" if text else "") + (describe(facts.code) if facts.code.known else _unknown(name, facts.code))
    return text


def _first_match(patterns: tuple[Pattern, ...], text: str) -> tuple[Pattern, Document] | None:
    for pattern in patterns:
        captured = pattern.match(text)
        if captured is not None:
            return pattern, captured
    return None


def _matched(part: str, pattern: Pattern, captured: Document) -> str:
    """Which pattern matches `line` or `message`, and what it captures."""
    fields: dict[str, Any] = {}
    for field, value in captured.items():
        if isinstance(value, User):
            fields |= {f"{field}.{part}": text for part in ("name", "domain", "email") if (text := getattr(value, part))}
        else:
            fields[field] = value
    width = max(map(len, fields), default=0)
    lines = [f"  {field:<{width}} = {_value(value)}\n" for field, value in fields.items()]
    return f"{definition(pattern)} matches the {part}:\n\n" + "".join(lines or ["  (it captures nothing)\n"]) + "\n"


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return printable(short(text, SHOWN)) or "(empty)"


def _json(document: Document) -> str:
    """Indented JSON; control characters that JSON allows are escaped too, which changes no value."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    return "".join(char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text)
