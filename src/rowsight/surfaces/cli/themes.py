"""``rowsight themes``: find what the rows of a table speak of, and what has changed since an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsight.core.errors import OutputError
from rowsight.surfaces.cli.asks import only_estimated, source, watched
from rowsight.surfaces.cli.options import JOB_OPTIONS, MODEL_OPTIONS, checked_options, label_list, with_options
from rowsight.surfaces.cli.terminal import say

if TYPE_CHECKING:
    from rowsight.execution.themes.changes import Changes
    from rowsight.execution.themes.found import Cell, Theme, Themes
    from rowsight.execution.themes.result import ThemesResult
    from rowsight.surfaces.themes import ThemesQuery

_FILE = click.Path(path_type=Path)
_OPTIONS = (
    click.option("--k", type=int, metavar="N", help="Themes to find [default: as many as the texts show]."),
    click.option("--labels", metavar="A,B,C", help="Known themes, as one CSV record."),
    click.option("--label", multiple=True, metavar="NAME", help="One more known theme; repeatable."),
    click.option("--by", metavar="COLUMN", help="Tell the groups of a column apart."),
    click.option("--time", metavar="COLUMN", help="Tell spans of time apart, by a column of dates or timestamps."),
    click.option("--sample", type=int, default=600, show_default=True, metavar="N", help="Rows drawn and asked about."),
    click.option(
        "--min-share", type=float, default=0.01, show_default=True, metavar="X", help="Smaller groups stay unnamed."
    ),
    click.option("--accuracy", type=float, metavar="X", help="Certify the share of rows whose themes are the model's."),
    click.option("--confidence", type=float, metavar="X", help="Of the shares and of the certificate [default: 0.95]."),
    click.option("--lang", metavar="LANG", help="The language of the names [default: the texts' own]."),
    click.option("--save", type=_FILE, metavar="FILE", help="Write the themes (JSON), to compare a later run with."),
    click.option("--against", type=_FILE, metavar="FILE", help="Say what has changed since these saved themes."),
    click.option(
        "--out", type=_FILE, metavar="FILE", help="Every row with its themes: CSV, JSON Lines, Parquet or Arrow."
    ),
    click.option("--into", default="themes", show_default=True, metavar="NAME", help="The column for the themes."),
    *JOB_OPTIONS,
)


@click.command("themes")
@click.argument("table")
@click.argument("question")
@with_options((*_OPTIONS, *MODEL_OPTIONS))
def themes(table: str, question: str, **values: Any) -> int:
    """Find what the rows of TABLE speak of: themes with names, shares, examples, and what fits none.

    QUESTION is a column, or a question over columns.

    Example: rowsight themes tickets.parquet '{body}' --model NAME --by region --time created_at --save may.json
    """
    from rowsight.execution.themes.found import load_themes  # noqa: PLC0415 - commands load what they use
    from rowsight.execution.themes.result import ThemesResult  # noqa: PLC0415
    from rowsight.surfaces.cli import show  # noqa: PLC0415

    options = checked_options(values)
    session, progress = watched(values)
    query = _query(table, question, values, session)
    before = None if values["against"] is None else load_themes(values["against"])
    if only_estimated(query, values):
        return 0
    show.check_output(values["out"])
    _check_folder(values["save"])
    with progress:
        found = ThemesResult(session.run(query.plan, options, out=values["out"], spec={"command": "themes"}))
    changes = None if before is None else found.diff(before)
    if values["save"] is not None:
        found.save(values["save"])
    _show(found, changes, as_json=values["as_json"])
    return 3 if found.report.budget_spent else 0


def _query(table: str, question: str, values: dict[str, Any], session: Any) -> ThemesQuery:
    read = source({**values, "table": table}, session)
    names = ("k", "by", "time", "min_share", "sample", "accuracy", "confidence", "lang", "into")
    return read.themes(question, labels=_labels(values), **{name: values[name] for name in names})


def _labels(values: dict[str, Any]) -> list[str] | None:
    """Return the known themes, ``None`` where the option isn't given at all."""
    if values["labels"] is None and not values["label"]:
        return None
    return label_list(values["labels"], values["label"])


def _check_folder(path: Path | None) -> None:
    if path is not None and not path.absolute().parent.is_dir():
        raise OutputError(f"--save {path} can't be written: the folder {path.parent} doesn't exist; make it first")


def _show(found: ThemesResult, changes: Changes | None, *, as_json: bool) -> None:
    from rowsight.surfaces.cli import show  # noqa: PLC0415 - commands load what they use

    if as_json:
        more = {} if changes is None else {"changes": changes.as_dict()}
        show.json_object({**found.as_dict(), **more})
        return
    for line in _lines(found.found):
        say(line)
    if changes is not None:
        say(f"\nSince the earlier themes (with probability {changes.confidence:g} no change called sure is wrong):")
        for line in changes.lines():
            say(f"  {line}")
    say("")
    say(show.report_text(found.report))
    if found.report.output:
        say(f"Written to {found.report.output}")


def _lines(found: Themes) -> list[str]:
    from rowsight.execution.themes.result import theme_line  # noqa: PLC0415 - commands load what they use

    lines = []
    for theme in (*found.themes, found.unassigned):
        lines.append(theme_line(theme))
        lines += [f"    row {e.row}: {_cut(e.text)}" for e in theme.examples[:2]]
        lines += _split(theme, "by_group", found.by)
        lines += _split(theme, "by_time", found.span)
    return [*lines, found.statement, *(f"Note: {note}" for note in found.notes)]


def _split(theme: Theme, name: str, shown: str | None) -> list[str]:
    cells: tuple[Cell, ...] = getattr(theme, name)
    if not cells:
        return []
    parts = [f"{c.name if c.name is not None else '(none)'} {_share(c)}" for c in cells]
    return [f"    by {shown}: {', '.join(parts)}"]


def _share(cell: Cell) -> str:
    return "?" if cell.share is None else f"{cell.share:.0%}"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WIDEST else line[: _WIDEST - 1] + "…"


_WIDEST = 90

COMMANDS = {"themes": themes}
