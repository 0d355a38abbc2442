"""``rowsight preview``: a question tried on a small random sample, or two wordings compared."""

from __future__ import annotations

from typing import Any

import click

from rowsight.surfaces.cli.asks import source, watched
from rowsight.surfaces.cli.options import MODEL_OPTIONS, checked_options, run_options, with_options


@click.command("preview")
@click.argument("table")
@click.argument("question")
@click.argument("other", required=False)
@click.option("-n", "--rows", "n", type=int, default=50, show_default=True, help="Rows drawn at random.")
@click.option("--where", metavar="SQL", help="Only the rows for which a SQL predicate holds.")
@with_options(MODEL_OPTIONS)
def preview(table: str, question: str, other: str | None, n: int, where: str | None, **values: Any) -> int:
    """Ask QUESTION of a small random sample of TABLE; with OTHER, show the rows on which the two wordings disagree."""
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use

    checked_options(values)
    session, progress = watched(values)
    read = source({"table": table, "where": where}, session)
    with progress:
        if other is None:
            one = read.preview(question, n, **run_options(values))
            show.preview(one, as_json=values["as_json"])
            return 3 if one.report.budget_spent else 0
        two = read.diff(question, other, n, **run_options(values))
        show.difference(two, as_json=values["as_json"])
        return 3 if two.first.report.budget_spent or two.second.report.budget_spent else 0


COMMANDS = {"preview": preview}
