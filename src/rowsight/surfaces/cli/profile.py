"""``rowsight profile``: what a table is made of, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click import Path as PathType

from rowsight.surfaces.cli.asks import source
from rowsight.surfaces.cli.terminal import say


@click.command("profile")
@click.argument("table")
@click.option("--where", metavar="SQL", help="Only the rows for which a SQL predicate holds.")
@click.option("--limit", type=int, metavar="N", help="Only the first N rows.")
@click.option("--out", type=PathType(path_type=Path), metavar="FILE", help="A report: .html to look at, .json to read.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of the report [default: the texts' own].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def profile(table: str, out: Path | None, lang: str | None, *, as_json: bool, **values: Any) -> None:
    """Say what each column of TABLE is: types, ranges, languages, near-duplicates, personal data. No model is asked.

    Example: rowsight profile tickets.parquet --out profile.html
    """
    from rowsight.session import Session  # noqa: PLC0415 - commands load what they use
    from rowsight.surfaces.cli import show  # noqa: PLC0415

    found = source({**values, "table": table}, Session()).profile(out=out, lang=lang)
    if as_json:
        show.json_object(found.as_dict())
        return
    say(repr(found))
    if out is not None:
        say(f"Written to {out}")


COMMANDS = {"profile": profile}
