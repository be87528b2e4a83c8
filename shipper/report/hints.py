"""Hints at what probably went wrong with the lines on their way here, for `parse` and `report`. Pure."""

from shipper.decode.unparsed import HINTS
from shipper.model import Counts

SOME = 5  # answers without a request; a log that begins in the middle of sign-ins has a few

_SINGULAR = {"are": "is", "have": "has"}


def hints(c: Counts) -> list[str]:
    """Return a sentence for each thing that an administrator should look at; none if all is well."""
    if not c.lines:
        return ["there was nothing to read: no file holds a line"]
    said = [_lines(number, HINTS[cause]) for cause, number in c.causes.most_common()]
    understood = c.lines - c.unparsed - c.unknown_messages
    if understood * 2 < c.lines:
        said.insert(
            0, f"less than half of the lines were understood: {understood:,} of {c.lines:,}; mfa-shipper explain LINE says why"
        )
    if c.repeated:
        twice = _lines(c.repeated, "stand twice, with the same user and times", "sign-in")
        said.append(
            f"at least {twice}: was it delivered twice? Each counts, so that double prompts are found where nobody was asked twice"
        )
    return said + _order(c)


def _order(c: Counts) -> list[str]:
    """Return a hint if lines are out of order, or lost the threads that tie them together."""
    if c.backwards * 2 > c.lines:
        return [
            "the export is newest first, so results stand before their requests: make it oldest first"
            " (Get-WinEvent -Oldest; wevtutil qe without /rd:true; in Splunk: reverse at the end of the search)"
        ]
    answers = c.verdicts + c.statuses
    if c.requests and not c.repeated and c.orphans >= SOME and c.orphans * 10 > answers * 9:
        alone = f"{c.orphans:,} of {answers:,} verdicts and statuses have no request before them, so hardly any authentication is known"
        if (c.given_up + c.open_at_end) * 2 > c.requests:
            return [
                f"{alone}: if the log is newest first, make it oldest first (tac FILE; in Splunk: reverse at the end of the search)"
            ]
        return [
            f"{alone}: the lines name no thread; if a forwarder puts a syslog head in place of theirs, let it send the whole line"
        ]
    disordered = c.late + c.out_of_order
    if not disordered and not c.behind:
        return []
    if disordered:
        older = _lines(disordered, "are much older than lines before")
    else:
        older = _lines(c.behind, "end more than a minute before lines that stand above", "sign-in")
    return [f"{older}, so the log is not in the order of time; if several logs were joined, give the parts as files of their own"]


def _lines(number: int, does: str, noun: str = "line") -> str:
    """Return a sentence such as `3 lines begin with >` or `1 line begins with >`; `does` begins with the plural verb."""
    if number != 1:
        return f"{number:,} {noun}s {does}"
    verb, _, rest = does.partition(" ")
    return f"1 {noun} {_SINGULAR.get(verb, f'{verb}s')} {rest}"
