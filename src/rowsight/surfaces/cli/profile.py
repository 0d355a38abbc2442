"""``rowsight profile``: what a table is made of, without a model."""

from __future__ import annotations

from pathlib import Path

import click
from click import Path as PathType


@click.command("profile")
@click.argument("table")
@click.option("--where", metavar="SQL", help="Only the rows for which a SQL predicate holds.")
@click.option("--limit", type=int, metavar="N", help="Only the first N rows.")
@click.option("--out", type=PathType(path_type=Path), metavar="FILE", help="A report: .html to look at, .json to read.")
@click.option("--lang", type=click.Choice(["en", "zh"]), help="Language of the report [default: the texts' own].")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def profile(
    table: str, where: str | None, limit: int | None, out: Path | None, lang: str | None, *, as_json: bool
) -> None:
    """Say what each column of TABLE is: types, ranges, languages, near-duplicates, personal data. No model is asked.

    Example: rowsight profile tickets.parquet --out profile.html
    """
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use
    from rowsight.surfaces.table import read  # noqa: PLC0415

    source = read(table)
    source = source.where(where) if where else source
    source = source.limit(limit) if limit is not None else source
    found = source.profile(out=out, lang=lang)
    if as_json:
        show.json_object(found.as_dict())
        return
    click.echo(repr(found))
    if out is not None:
        click.echo(f"Written to {out}")


COMMANDS = {"profile": profile}
