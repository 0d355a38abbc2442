"""The command line: the only part that prints.

``main`` loads a command's module when the command is named, so that ``--help`` is quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from rowsight.core.errors import RowsightError, nearest
from rowsight.core.replacing import FULL
from rowsight.surfaces.cli.terminal import say

_COMMANDS = {
    "filter": ("asks", "Keep the rows for which the answer is yes."),
    "classify": ("asks", "Give every row one label of a list, or every label that fits."),
    "extract": ("asks", "Read typed fields out of every row."),
    "score": ("asks", "Give every row a number in a range."),
    "complete": ("asks", "Write a text about every row."),
    "summarize": ("gathers", "Say in a few sentences what all rows say, with the rows that say it."),
    "understand": ("understand", "Look at a table as a whole, in one report."),
    "profile": ("profile", "Say what each column of a table is; no model is asked."),
    "rank": ("gathers", "Find the rows that come first by a question, in order."),
    "themes": ("themes", "Find what the rows speak of, and what has changed since."),
    "count": ("figures", "Estimate how many rows are answered yes, with an interval."),
    "share": ("figures", "Estimate the share of rows answered yes, with an interval."),
    "mean": ("figures", "Estimate the mean of a score, with an interval."),
    "preview": ("preview", "Ask a small random sample, or compare two wordings on it."),
    "sql": ("sql", "Run a SQL query with AI functions."),
    "simulate": ("simulate", "Serve a simulated model that answers from a table's truth."),
    "demo": ("demo", "Run the main job on a generated table and a simulated model."),
    "runs": ("runs", "List the runs of the ledger."),
    "show": ("runs", "Show one run."),
    "resume": ("runs", "Go on with a run that was stopped."),
    "follows": ("follows", "List the questions that are followed as their tables grow."),
    "ledger": ("runs", "Look after the ledger: stats, verify, forget, export."),
    "review": ("review", "Draw a random sample of answers for people to review."),
    "audit": ("review", "Say how many answers people agree with, from a filled sheet."),
    "verify": ("verify", "Check a saved certificate offline."),
}


class _Commands(click.Group):
    """A group that imports the module of a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"rowsight.surfaces.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            raise click.UsageError(f"there is no command {args[0]!r}{nearest(args[0], _COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rowsight", prog_name="rowsight")
def cli() -> None:
    """Ask a large model about every row of a table, and know how right the answer is."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 bad input, 3 budget spent, 130 interrupted."""
    _open_streams()
    try:
        status = cli.main(args=list(arguments) if arguments is not None else None, standalone_mode=False)
        code = status if isinstance(status, int) else 0
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.exceptions.NoArgsIsHelpError as asked:
        click.echo(asked.ctx.get_help() if asked.ctx else asked.format_message())
        code = 0
    except click.ClickException as error:
        code = _say(_with_usage(error), 2)
    except RowsightError as error:
        code = _say(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        code = _say("stopped; every answer is kept. The same command goes on where it stopped.", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:
        code = _say(_with_remedy(error), 2)
    sys.exit(code)


def _open_streams() -> None:
    """Let a standard stream that is closed lead nowhere: its number must not go to a file or a socket of the run."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, the stream's own
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _with_remedy(error: OSError) -> str:
    """Return what the system refused; a full disk is most often that of the temporary files."""
    if error.errno not in FULL:
        return str(error)
    import tempfile  # noqa: PLC0415 - slow to load, seldom needed

    return (
        f"the disk is full: free some space there, or let TMPDIR name another place than {tempfile.gettempdir()} for "
        "temporary files, and run the same command again; every answer is kept"
    )


def _with_usage(error: click.ClickException) -> str:
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "rowsight"
    return f"{error.format_message()} (see {command} --help)".replace("\n", " ")


def _say(message: str, code: int) -> int:
    say(f"rowsight: {' '.join(message.split())}", err=True)
    return code
