"""Options that several commands share. I/O."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from shipper.config.units import duration, line_limit, moment, most_listed, name, namespace
from shipper.errors import UsageError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Converted(click.ParamType[Any]):
    """The type of an option whose text a function converts; the message of the function's ValueError is shown."""

    def __init__(self, name: str, function: Callable[[str], Any]) -> None:
        """`name` stands for the value in the help."""
        self.name = name
        self._function = function

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._function(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Named(click.Path):
    """The type of an option or argument that names a file or folder; an empty name is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it may not be empty", param, ctx)
        return super().convert(value, param, ctx)


def goes_only_with(option: str, *others: str) -> None:
    """Refuse every option on the command line but `option` and those whose parameters `others` names.

    Raises:
        UsageError: another option is given.
    """
    context = click.get_current_context()
    for param in context.command.params:
        given = context.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE
        if given and isinstance(param, click.Option) and option not in param.opts and param.name not in others:
            raise UsageError(f"{param.opts[0]} does not go with {option}")


def near_options(error: click.NoSuchOption) -> list[str]:
    """The options spelled much like the unknown one; the leading dashes are not compared."""
    name = error.option_name.lstrip("-")
    return [option for option in error.possibilities or () if get_close_matches(name, [option.lstrip("-")])]


def together(*options: Decorator) -> Decorator:
    """Options that several commands have one after the other, as one."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


PATTERNS = click.option(
    "--patterns", "pattern_dirs", multiple=True, type=Named(path_type=Path), metavar="DIR",
    help="Directory of further *.grok files; they win over the built-in ones. Repeatable.",
)  # fmt: skip
NAME = Converted("name", name)
DURATION = Converted("duration", duration)
MOMENT = Converted("time", moment)
CODES = click.option(
    "--status-codes", type=Named(path_type=Path), metavar="FILE", help="CSV that adds to or replaces rows of the code table."
)

WINDOW = click.option(
    "--window", type=DURATION, default="60s", show_default=True, help="How soon a second prompt is a double prompt."
)
EXCHANGE_TIMEOUT = click.option(
    "--exchange-timeout", type=DURATION, default="10m", show_default=True, help="How long a request waits for its status."
)
RETRIES = click.option("--include-retries", is_flag=True, help="Also find prompts repeated after one that failed.")
HOST = click.option("--host", type=NAME, help="Name of the server that wrote the logs, for host.name.")
WORKERS = click.option(
    "--workers", default="1", metavar="N|auto", show_default=True, help="Processes to use; the output stays the same."
)
SINCE = click.option(
    "--since", type=MOMENT, metavar="TIME", help="Only events of this time or later (UTC without a zone; a date is its start)."
)
UNTIL = click.option("--until", type=MOMENT, metavar="TIME", help="Only events before this time.")
SYSLOG_YEAR = click.option(
    "--syslog-year", metavar="YYYY[-MM]", help="Year of RFC 3164 time stamps: the twelve months from there."
)
SYSLOG_ZONE = click.option(
    "--syslog-zone",
    default="UTC",
    show_default=True,
    metavar="ZONE",
    help="Zone of syslog times that name none: Europe/Berlin or +01:00.",
)
MAX_LINE = click.option(
    "--max-line", type=Converted("size", line_limit), default="1MiB", show_default=True, help="A longer line is cut there."
)
PROGRESS = click.option(
    "--progress/--no-progress", "show_progress", default=None, help="A bar on standard error; by default when it is a terminal."
)
ACROSS = click.option("--across", is_flag=True, help="Run the detectors over all logs at once: several servers ask one person.")
PSEUDONYMS = click.option(
    "--pseudonyms",
    type=Named(path_type=Path),
    metavar="KEYFILE",
    help="Users and addresses as pseudonyms, made with the key in the first line of KEYFILE.",
)
LOCAL_ZONE = click.option(
    "--local-zone", metavar="ZONE", help="Zone of times in exports that name none, such as Event Viewer's CSV."
)
OUTPUT = click.option("--output", type=Named(), metavar="FILE", help="Write to FILE, which appears when it is complete.")
CONFIG = click.option("--config", "config_file", required=True, type=Named(), metavar="FILE", help="The configuration (YAML).")
NAMESPACE = click.option(
    "--namespace",
    type=Converted("name", namespace),
    help="Data stream namespace of elastic-bulk.  [default: default]",
)
TOP = click.option(
    "--top",
    type=Converted("number", most_listed),
    metavar="N",
    help="How many users and addresses are listed, up to 100,000. By default 20, in JSON and on the page 500.",
)
WHERE = click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Only events with this field; * and ? stand for any characters and for one. Repeatable: all must hold.",
)

TABLES = together(PATTERNS, CODES)
ZONES = together(SYSLOG_YEAR, SYSLOG_ZONE, LOCAL_ZONE)
DETECTION = together(WINDOW, EXCHANGE_TIMEOUT, RETRIES, HOST, ACROSS)
SPAN = together(SINCE, UNTIL)

_KEPT = Named(dir_okay=False, path_type=Path)
TO_A_SERVER = together(  # `--to`, and the options that go with it
    click.option("--to", metavar="URL", help="Send the events to Elasticsearch, OpenSearch or Splunk's HTTP Event Collector."),
    click.option("--to-key", type=_KEPT, metavar="FILE", help="Its first line is an API key, NAME:PASSWORD, or a token."),
    click.option(
        "--to-ca", type=Named(), metavar="FILE", help="The authority that signed the server's certificate, in PEM form."
    ),
    click.option("--to-index", type=NAME, help="The index in Splunk. By default the token's own."),
    click.option("--refused", type=_KEPT, metavar="FILE", help="Keep what the server refuses, with its reasons."),
)


def refuse_without_to(options: Mapping[str, Any]) -> None:
    """Refuse the options that need `--to` if it is missing.

    Raises:
        UsageError: such an option is given.
    """
    for key in ("to_key", "to_ca", "to_index", "refused"):
        if options[key] is not None:
            raise UsageError(f"--{key.replace('_', '-')} goes with --to URL")
