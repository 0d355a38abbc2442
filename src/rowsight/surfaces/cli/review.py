"""``rowsight review`` and ``rowsight audit``: answers sampled for people, and what the filled sheet proves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rowsight.core.errors import ColumnError, InputError, nearest
from rowsight.surfaces.cli.options import STATE_OPTION
from rowsight.surfaces.cli.terminal import say

if TYPE_CHECKING:
    import pyarrow as pa

    from rowsight.execution.review import Asked

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command("review")
@click.argument("answers", metavar="RUN|FILE")
@click.option("-n", "--rows", "count", type=int, default=200, show_default=True, help="Rows drawn at random.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="SHEET", help="The sheet: .csv, .parquet or .xlsx."
)
@click.option("--answer", metavar="COLUMN", help="The column of the answers [default: the run's].")
@click.option("--question", metavar="TEXT", help="What people are asked [default: the run's question].")
@click.option("--within", type=float, default=0.0, show_default=True, metavar="X", help="Scores so near agree.")
@click.option("--confidence", type=float, default=0.95, show_default=True, metavar="X", help="Of what the audit says.")
@click.option("--show-answers", is_flag=True, help="Show the answers beside the rows.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seeds the draw.")
@STATE_OPTION
@_JSON
def review(
    answers: str, count: int, out: Path, answer: str | None, question: str | None, state: Path | None, **values: Any
) -> None:
    """Draw a random sample of the final answers for people to review, freeze it, and write it to a sheet.

    RUN is the name of a run that wrote its answers with --out; FILE is such a file.
    Example: rowsight review answers.parquet --answer topic --question 'What is it about?' --out review.csv
    """
    from rowsight.execution.review import ReviewOptions, drawn_for_review  # noqa: PLC0415 - commands load what they use
    from rowsight.session import Session  # noqa: PLC0415
    from rowsight.surfaces.cli import show  # noqa: PLC0415

    as_json = values.pop("as_json")
    folder = Session(state=state).state_directory
    table, asked = (
        _of_file(Path(answers), answer, question) if Path(answers).is_file() else _of_run(answers, answer, folder)
    )
    drawn = drawn_for_review(table, asked, out, folder, ReviewOptions(count=count, **values))
    if as_json:
        show.json_object({"review": drawn.id, "rows": drawn.rows, "drawn": len(drawn.positions), "output": str(out)})
        return
    say(f"{len(drawn.positions):,} of {drawn.rows:,} answers drawn for review {drawn.id}, written to {out}")
    say(f"Fill in the column your_answer; then: rowsight audit {out}")


@click.command("audit")
@click.argument("sheet", type=click.Path(path_type=Path))
@STATE_OPTION
@_JSON
def audit(sheet: Path, state: Path | None, *, as_json: bool) -> None:
    """Say how many of the final answers people agree with, from a SHEET of ``rowsight review`` that was filled in."""
    from rowsight.execution.audit import audited  # noqa: PLC0415 - commands load what they use
    from rowsight.session import Session  # noqa: PLC0415
    from rowsight.surfaces.cli import show  # noqa: PLC0415

    found = audited(sheet, Session(state=state).state_directory)
    if as_json:
        show.json_object(found.as_dict())
        return
    for line in found.lines():
        say(line)


def _of_file(path: Path, answer: str | None, question: str | None) -> tuple[pa.Table, Asked]:
    from rowsight.execution.review import Asked  # noqa: PLC0415 - commands load what they use

    if answer is None:
        raise InputError("name the column of the answers with --answer, or a run in place of the file")
    table = _read(path)
    if answer not in table.column_names:
        raise ColumnError(f"{path} has no column {answer!r} for --answer{nearest(answer, table.column_names)}")
    return table, Asked(str(path.absolute()), question or f"What is {answer}?", "classify", answer)


def _of_run(run: str, answer: str | None, folder: Path) -> tuple[pa.Table, Asked]:
    from rowsight.calls.ledger.admin import LedgerAdmin  # noqa: PLC0415 - commands load what they use
    from rowsight.execution.review import Asked  # noqa: PLC0415

    found = LedgerAdmin(folder).run(run)
    values = found.spec.get("values", {})
    output = values.get("out") or (found.report or {}).get("output")  # the first is found from any folder
    if output is None:
        raise InputError(f"run {run} wrote no file of answers; run it again with --out, which asks nothing twice")
    into = answer or values.get("into") or "answer"
    question = values.get("question") or f"What is {into}?"
    return _read(Path(output)), Asked(run, question, found.spec.get("command", "classify"), into)


def _read(path: Path) -> pa.Table:
    """Return the rows of a file of answers."""
    import pyarrow as pa  # noqa: PLC0415 - commands load what they use

    from rowsight.session import Session  # noqa: PLC0415

    session = Session()
    scan = session.scan(str(path))
    with session.opened(scan) as relations:
        return pa.Table.from_batches(list(relations.stream(scan, (), 8192)), relations.schema(scan))


COMMANDS = {"review": review, "audit": audit}
