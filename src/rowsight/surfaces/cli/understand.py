"""``rowsight understand``: a table as a whole, in one report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsight.surfaces.cli.asks import agreed, source, watched
from rowsight.surfaces.cli.options import (
    JOB_OPTIONS,
    MODEL_OPTIONS,
    Decorator,
    checked_options,
    run_options,
    with_options,
)
from rowsight.surfaces.cli.terminal import say

if TYPE_CHECKING:
    from rowsight.execution.understand.understood import Understanding
    from rowsight.surfaces.understanding import UnderstandQuery

_OPTIONS: tuple[Decorator, ...] = (
    click.option("--text", metavar="COLUMN", help="The column of texts [default: the one with the longest]."),
    click.option(
        "--time", metavar="COLUMN", help="Tell change over a column of dates or timestamps [default: the first]."
    ),
    click.option(
        "--by", metavar="COLUMN", help="Tell the groups of a column apart [default: the first with few values]."
    ),
    click.option("--k", type=int, metavar="N", help="Themes to find [default: as many as the texts show]."),
    click.option("--question", metavar="TEXT", help="What the themes and the summary are to be about."),
    click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of the report [default: the texts' own]."),
    click.option(
        "--out", type=click.Path(path_type=Path), metavar="FILE", help="A report: .html to look at, .json to read."
    ),
    *JOB_OPTIONS,
)


@click.command("understand")
@click.argument("table")
@with_options((*_OPTIONS, *MODEL_OPTIONS))
def understand(table: str, **values: Any) -> int:
    """Look at TABLE as a whole: columns, themes, anomalies, a summary that cites rows, what it cost and what is certain.

    Example: rowsight understand tickets.parquet --model NAME --out report.html
    """
    from rowsight.execution.understand.budgets import DEFAULT  # noqa: PLC0415 - commands load what they use
    from rowsight.surfaces.cli import show  # noqa: PLC0415
    from rowsight.surfaces.report import check_report  # noqa: PLC0415

    values["budget"] = values["budget"] or DEFAULT
    checked_options(values)
    if values["out"] is not None:
        check_report(values["out"])
    session, progress = watched(values)
    query = _query(table, values, session)
    if values["dry_run"]:
        show.estimate(query.estimate(**run_options(values)), as_json=values["as_json"])
        return 0
    _tell(query, values)
    if not agreed(query, values):
        raise click.Abort
    with progress:
        found = query.run(**run_options(values), out=values["out"])
    _show(found, values)
    return 3 if found.budget_spent else 0


def _query(table: str, values: dict[str, Any], session: Any) -> UnderstandQuery:
    read = source({**values, "table": table}, session)
    return read.understand(**{name: values[name] for name in ("text", "time", "by", "k", "question", "lang")})


def _tell(query: UnderstandQuery, values: dict[str, Any]) -> None:
    """Say what is looked at and what it costs at most, before anything is spent."""
    if values["as_json"]:
        return
    estimate = query.estimate(**run_options(values))
    columns = query.columns
    used = [("text", columns.text), ("time", columns.time), ("by", columns.by)]
    say(f"Looks at {', '.join(f'{use} {name}' for use, name in used if name is not None)}")
    say(estimate.text())


def _show(found: Understanding, values: dict[str, Any]) -> None:
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use

    if values["as_json"]:
        show.json_object(found.as_dict())
        return
    for line in _lines(found):
        say(line)
    if values["out"] is not None:
        say(f"Written to {values['out']}")


def _lines(found: Understanding) -> list[str]:
    from rowsight.execution.themes.result import theme_line  # noqa: PLC0415 - commands load what they use

    lines = [found.summary.text] if found.summary is not None and found.summary.text else []
    if found.themes is not None:
        lines += [theme_line(t) for t in (*found.themes.themes, found.themes.unassigned)]
    lines.append(f"{len(found.anomalies)} rows stand out")
    lines += [f"Note: {note}" for note in found.notes]
    cost = "unknown (give --price-in and --price-out)" if found.cost is None else f"${found.cost:,.4f}"
    return [*lines, f"Calls {found.calls:,} of {found.budget}; cost {cost}"]


COMMANDS = {"understand": understand}
