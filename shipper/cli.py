"""The command `mfa-shipper`: options in, exit status out. What a command does is in `commands/`.

Exit status: 0 done, 1 failed while running, 2 wrong usage, 130 after SIGINT.
"""

import contextlib
import gc
import os
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click

from shipper import __version__
from shipper.commands.ending import exit_status
from shipper.commands.options import (
    CODES,
    CONFIG,
    DETECTION,
    MAX_LINE,
    NAMESPACE,
    OUTPUT,
    PROGRESS,
    PSEUDONYMS,
    SPAN,
    TABLES,
    TO_A_SERVER,
    TOP,
    WHERE,
    WORKERS,
    ZONES,
    Converted,
    Named,
    goes_only_with,
    refuse_without_to,
)
from shipper.commands.screen import screen_in_front
from shipper.config.units import detectors
from shipper.consoles import set_up
from shipper.decode.compiled import in_use
from shipper.detect import DETECTORS
from shipper.emit.formats import FORMATS
from shipper.emit.output import ClosedPipe, open_output
from shipper.errors import MfaShipperError, RunError, UsageError, of_system
from shipper.model import Counts
from shipper.secrets import hide, hide_in
from shipper.service.commands import service


@click.group(commands=[service], context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mfa-shipper", message=f"%(prog)s, version %(version)s\nkernel: {in_use()}")
def command() -> None:
    """Azure MFA Server logs as decoded, correlated ECS events, with the double prompts found."""


@command.command(short_help="Turn logs into events.")
@click.argument("files", nargs=-1, required=True, metavar="[FILE...] [-]")
@click.option("--format", type=click.Choice(list(FORMATS)), help="Form of the output. By default ecs.")
@OUTPUT
@TO_A_SERVER
@click.option("--no-original", is_flag=True, help="Leave out event.original where the line was understood.")
@DETECTION
@click.option("--deterministic", is_flag=True, help="Leave out what depends on this machine: host and agent.")
@WORKERS
@click.option("--only", type=click.Choice(["findings", *DETECTORS]), help="Only findings: all of them, or those of a detector.")
@click.option(
    "--detect", type=Converted("names", detectors), metavar="NAME[,NAME]", help="The detectors to run. By default all of them."
)
@WHERE
@SPAN
@PSEUDONYMS
@click.option("--pretty", is_flag=True, help="Indented, for reading.")
@click.option(
    "--events",
    type=click.Choice(["line", "exchange"]),
    help="One event per line, or one per complete exchange. By default line, with --to exchange.",
)
@ZONES
@NAMESPACE
@MAX_LINE
@PROGRESS
@click.option("--quiet", "-q", is_flag=True, help="No summary on standard error.")
@click.option("--plan", "plan_only", is_flag=True, help="Print which files make which log, and read no further.")
@TABLES
def parse(*, plan_only: bool, **options: Any) -> Counts | None:
    """Turn log FILEs (plain or compressed, archives, globs, folders, - for standard input) into events on standard output."""
    from shipper.commands.parse import PLANNED, ParseOptions, import_logs, plan

    if plan_only:
        goes_only_with("--plan", *PLANNED)
        _print(plan(ParseOptions(**options)) + "\n")
        return None
    if options["to"] is not None:
        from shipper.commands.upload import send_logs

        return send_logs(ParseOptions(**options))
    refuse_without_to(options)
    return import_logs(ParseOptions(**options))


@command.command(
    short_help="Explain a line, a code or a name; tell a user's story.", context_settings={"ignore_unknown_options": True}
)  # -104 is a code
@click.argument("words", nargs=-1, required=True, metavar="LINE-or-CODE-or-USER...")
@click.option(
    "--in",
    "files",
    multiple=True,
    metavar="FILE",
    help="Tell what happened to a user, or in the exchange of an id, in FILEs.",
)
@ZONES
@TABLES
def explain(words: tuple[str, ...], files: tuple[str, ...], **read_with: Any) -> None:
    """Explain a log line or record, a status code, a constant, a name from the NPS extension or words of a description; with
    --in the story of a user, or of an exchange or event by its id.

    \b
      mfa-shipper explain 21
      mfa-shipper explain ESTS_TOKEN_ERROR
      mfa-shipper explain no response
      mfa-shipper explain "2017-02-14T02:57:24.600871Z|0|1412|6452|pfrad|rawCallStatus = 21"
      tail -3 MultiFactorAuthRadiusSvc.log | mfa-shipper explain -
      mfa-shipper explain - < export.json
      mfa-shipper explain 'CONTOSO\\pnigam' --in 'logs/*.log*'

    For a line: the patterns that match, the fields they capture, the meaning, the event; if none
    matches, how far each of them fits. Put a line in quotes, or give - and lines or an export on standard input.
    """
    from shipper.commands.explain import explained
    from shipper.commands.library import library_of

    library = library_of(**read_with)
    if files:
        from shipper.commands.story import split_files, story

        for told in story(*split_files(words, files), library):
            _print(told)
        return
    for told in explained(words, library, screen_in_front()):
        _print(told)


@command.command(short_help="Print the table of status codes.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv", "html"]),
    help="By default that of FILE's ending, else table. The csv can be passed to --status-codes; html is a page for a help desk.",
)  # fmt: skip
@OUTPUT
@CODES
def codes(form: str | None, output: str | None, status_codes: Path | None) -> None:
    """Print the status code table: what each code means, and whether the phone rang."""
    from shipper.commands.codes import FORMS, render
    from shipper.commands.forms import form_of, refuse_input
    from shipper.decode.library import load_codes

    refuse_input(output, [], status_codes)
    _print(render(load_codes(status_codes), form_of(form, output, FORMS), screen_in_front(output)), output)


@command.command(short_help="Say who is asked twice, why, and what to change.")
@click.argument("files", nargs=-1, required=True, metavar="[FILE...] [-]")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "html"]),
    help="Form of the report: by default that of FILE's ending (.html, .json, .txt), else text.",
)  # fmt: skip
@OUTPUT
@click.option("--open", "open_it", is_flag=True, help="Show the page FILE.html in the browser.")
@TOP
@DETECTION
@WORKERS
@SPAN
@PSEUDONYMS
@ZONES
@MAX_LINE
@PROGRESS
@TABLES
def report(form: str | None, output: str | None, **options: Any) -> None:
    """Say who is asked twice in log FILEs, why, and what to change: a screen, a page, or JSON."""
    from shipper.commands.forms import form_of
    from shipper.commands.report import FORMS, ReportOptions, write_report

    with contextlib.suppress(ClosedPipe):
        write_report(ReportOptions(form=form_of(form, output, FORMS), output=output, **options))


@command.command(short_help="Follow logs and deliver their events: the sidecar.")
@CONFIG
def run(config_file: str) -> int:
    """Run as a sidecar: follow the logs and deliver their events until SIGTERM or SIGINT."""
    from shipper.commands.signals import Stop, catch

    with contextlib.closing(Stop()) as stop:
        catch(stop)  # first, so that no signal is lost during the imports below
        from shipper.commands.run import run as follow
        from shipper.config.load import load_config
        from shipper.sidecar.log import set_up

        gc.enable()  # the Kafka clients make reference cycles, and this process lives for years
        config, secrets = load_config(config_file, os.environ, "inputs")
        set_up(config.log.level, config.log.format, secrets)
        with _hiding(secrets):
            return follow(config, secrets, lambda: load_config(config_file, os.environ, "inputs"), stop)


@command.command(short_help="Detect across servers what no log shows alone.")
@CONFIG
def detect(config_file: str) -> int:
    """Run the detectors over a Kafka topic that the sidecars of many servers fill, until SIGTERM or SIGINT."""
    from shipper.commands.detect import detect as follow
    from shipper.config.load import load_config
    from shipper.sidecar.log import set_up

    gc.enable()
    config, secrets = load_config(config_file, os.environ, "detect")
    set_up(config.log.level, config.log.format, secrets)
    with _hiding(secrets):
        return follow(config, secrets, lambda: load_config(config_file, os.environ, "detect"))


@command.command(short_help="Validate patterns, tables and a configuration.")
@click.option(
    "--config", "config_file", type=Named(), metavar="FILE", help="Check this configuration, with its patterns and codes."
)
@click.option("--connect", "reach", is_flag=True, help="Also reach the output of the configuration.")
@TABLES
def check(pattern_dirs: tuple[Path, ...], status_codes: Path | None, config_file: str | None, reach: bool) -> None:
    """Validate patterns and the code table, your own and the built-in ones; with --config show what run or detect would do."""
    from shipper.commands.check import check_tables, connect, plan
    from shipper.config.load import load_config

    if config_file is not None:
        goes_only_with("--config", "reach")
        config, secrets = load_config(config_file, os.environ)
        with _hiding(secrets):
            _print(hide(plan(config), secrets) + "\n")
            if reach:
                connect(config)
        _print("output reachable\nconfiguration OK\n" if reach else "configuration OK\n")
    elif reach:
        raise UsageError("--connect needs --config FILE")
    else:
        _print(check_tables(pattern_dirs, status_codes) + "\npatterns and status codes OK\n")


@command.command(short_help="Show how far the sidecar is.")
@CONFIG
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the output."
)
def status(config_file: str, form: str) -> None:
    """Show the progress of a sidecar: running or not, files, positions, lag, files that wait, dead letters."""
    import json

    from shipper.commands.status import state, state_text
    from shipper.config.load import load_config

    config, secrets = load_config(config_file, os.environ, "inputs")
    with _hiding(secrets):
        value = hide_in(state(config), secrets)
    _print((json.dumps(value, indent=2) if form == "json" else state_text(value)) + "\n")


@command.command(short_help="Send dead letters again.")
@CONFIG
@click.argument("letters", type=Named(), required=False, metavar="[DEAD_LETTERS]")
def replay(config_file: str, letters: str | None) -> int:
    """Send dead letters again (those of state_dir, or of a file), and remove those that are delivered."""
    from shipper.commands.replay import replay as send
    from shipper.config.load import load_config

    gc.enable()
    config, secrets = load_config(config_file, os.environ)
    if letters and not os.path.isfile(letters):
        raise UsageError(f"there is no file {letters}")
    try:
        with _hiding(secrets):
            delivered, kept = send(config, letters)
    except ClosedPipe:
        return 0  # the reader has gone; the letters that it did not take are kept
    _print(f"{delivered} delivered, {kept} refused again and kept\n")
    return 1 if kept else 0


@contextlib.contextmanager
def _hiding(secrets: Collection[str]) -> Iterator[None]:
    """Hide the secrets in every error that is raised inside."""
    try:
        yield
    except MfaShipperError as error:
        error.args = (hide(str(error), secrets),)
        raise
    except OSError as error:
        raise RunError(hide(of_system(error), secrets)) from None


def _print(text: str, output: str | None = None) -> None:
    """Print as UTF-8 in any locale, or write to a file; a closed pipe is no error."""
    with contextlib.suppress(ClosedPipe), open_output(output) as out:
        out.write(text.encode("utf-8", "replace"))


def main() -> None:
    """Run the command; an error is shown as one sentence and sets the exit status."""
    # Parsing creates many short-lived objects but no cycles: the garbage collector would only cost time.
    gc.disable()
    if sys.stderr is None:  # closed by the caller; print would fall back to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    set_up()
    # Windows shells leave `*.log` to the program, and click must too: only `expand` knows every form of a path.
    sys.exit(exit_status(lambda: command.main(standalone_mode=False, windows_expand_args=False)))
