"""``rowsight summarize|rank``: questions about all rows of a table together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsight.operators import rank, summarize
from rowsight.plan.gathers import CHUNK_TOKENS
from rowsight.surfaces.cli.asks import only_estimated, plain_values, source, watched
from rowsight.surfaces.cli.options import (
    JOB_OPTIONS,
    MODEL_OPTIONS,
    ON_FAILURE_OPTION,
    OUT_OPTION,
    Decorator,
    checked_options,
    with_options,
)
from rowsight.surfaces.cli.terminal import say

if TYPE_CHECKING:
    from rowsight.surfaces.gathering import Ranking, Summarizing
    from rowsight.surfaces.table import Table

_READ_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--chunk-tokens",
        type=int,
        default=CHUNK_TOKENS,
        show_default=True,
        metavar="N",
        help="Tokens of rows in one call.",
    ),
    OUT_OPTION,
    *JOB_OPTIONS,
    ON_FAILURE_OPTION,
)
_SUMMARIZE_OPTIONS: tuple[Decorator, ...] = (
    click.option("--by", metavar="COLUMN", help="One summary for each value of a column."),
    click.option("--key", metavar="COLUMN", help="The column that rows are cited by [default: their position]."),
    click.option(
        "--sentences", type=int, default=8, show_default=True, metavar="N", help="Most sentences of a summary."
    ),
)
_RANK_OPTIONS: tuple[Decorator, ...] = (
    click.option("-k", "--k", "k", type=int, default=10, show_default=True, metavar="N", help="How many rows."),
    click.option(
        "--outside",
        type=float,
        metavar="X",
        help="Certify that at most this share of the others scores above the last.",
    ),
    click.option("--confidence", type=float, default=0.95, show_default=True, metavar="X", help="Of that certificate."),
    click.option("--into", default="rank", show_default=True, metavar="NAME", help="The column for the ranks."),
)


@dataclass(frozen=True)
class Command:
    """What a command does with a table: the lazy question it makes of its options, and how its result is printed."""

    made: Callable[[Table, dict[str, Any]], Summarizing | Ranking]
    shown: Callable[..., None]


def gather(name: str, values: dict[str, Any], *, resuming: str | None = None) -> int:
    """Run the command ``name`` with these values; ``resuming`` names the run to go on with."""
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use

    options = checked_options(values)
    session, progress = watched(values)
    asked = GATHERS[name].made(source(values, session), values)
    if only_estimated(asked, values):
        return 0
    show.check_output(values["out"])
    with progress:
        found = asked.made(
            options, out=values["out"], spec={"command": name, "values": plain_values(values)}, resuming=resuming
        )
    GATHERS[name].shown(found, as_json=values["as_json"], out=values["out"])
    return 3 if found.report.budget_spent else 0


def _summarizing(table: Table, values: dict[str, Any]) -> Summarizing:
    names = ("by", "key", "sentences", "chunk_tokens")
    return table.summarize(values["question"], **{name: values[name] for name in names})


def _show_summary(found: Any, *, as_json: bool, out: Path | None) -> None:
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use

    if as_json:
        show.json_object(found.as_dict())
        return
    say(found.summary.text or "Nothing that rows support was said.")
    say(show.report_text(found.report))
    if out is not None:
        say(f"Written to {out}")


def _ranking(table: Table, values: dict[str, Any]) -> Ranking:
    names = ("outside", "confidence", "into", "chunk_tokens")
    return table.rank(values["question"], values["k"], **{name: values[name] for name in names})


def _show_ranking(found: Any, *, as_json: bool, out: Path | None) -> None:
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use

    if as_json:
        show.json_object(found.as_dict())
    else:
        show.result(found.result, as_json=False, out=out)


def _command(name: str, summary: str, example: str, own: tuple[Decorator, ...]) -> click.Command:
    def callback(table: str, question: str, **values: Any) -> int:
        return gather(name, {"table": table, "question": question, **values})

    options: tuple[Decorator, ...] = (
        click.argument("table"),
        click.argument("question"),
        *own,
        *_READ_OPTIONS,
        *MODEL_OPTIONS,
    )
    shown = f"Example: rowsight {name} tickets.parquet '{example}' --model NAME"
    return click.command(name, help=f"{summary}\n\n{shown}")(with_options(options)(callback))


GATHERS = {"summarize": Command(_summarizing, _show_summary), "rank": Command(_ranking, _show_ranking)}
COMMANDS = {
    "summarize": _command("summarize", summarize.SUMMARY, summarize.EXAMPLE, _SUMMARIZE_OPTIONS),
    "rank": _command("rank", rank.SUMMARY, rank.EXAMPLE, _RANK_OPTIONS),
}
