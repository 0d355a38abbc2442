"""``rowsight profile``: what a table is made of, without a model."""

from __future__ import annotations

from pathlib import Path

import click
from click import Path as PathType


@click.command("profile")
@click.argument("table")
@click.option("--where", metavar="SQL", help="Only the rows for which a SQL predicate holds.")
@click.option("--limit", type=int, metavar="N", help="Only the first N rows.")
@click.option("--out", type=PathType(path_type=Path), metavar="FILE", help="The same as a .json file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def profile(table: str, where: str | None, limit: int | None, out: Path | None, *, as_json: bool) -> None:
    """Say what each column of TABLE is: types, ranges, languages, near-duplicates, personal data. No model is asked.

    Example: rowsight profile tickets.parquet --json
    """
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use
    from rowsight.surfaces.report import check_report, write_report  # noqa: PLC0415
    from rowsight.surfaces.table import read  # noqa: PLC0415

    if out is not None:
        check_report(out)
    source = read(table)
    source = source.where(where) if where else source
    source = source.limit(limit) if limit is not None else source
    found = source.profile()
    if out is not None:
        write_report(found, out)
    if as_json:
        show.json_object(found.as_dict())
        return
    click.echo(repr(found))
    if out is not None:
        click.echo(f"Written to {out}")


COMMANDS = {"profile": profile}
