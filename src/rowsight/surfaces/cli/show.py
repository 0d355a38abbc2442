"""What the command line prints: progress, results, reports, estimates. Nothing else in Rowsight prints."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
import orjson

from rowsight.core.events import CascadeNote, CurvePoint, Event, Progress, Warned
from rowsight.core.replacing import replacing
from rowsight.engines.arrow import jsonable, python_rows
from rowsight.surfaces.cli.terminal import plain, say

if TYPE_CHECKING:
    from rowsight.execution.estimate import Estimate
    from rowsight.execution.preview import Difference, Preview
    from rowsight.execution.report import AskReport, Report
    from rowsight.execution.result import Result

SHOWN_ROWS = 10
WIDEST_COLUMN = 48
NARROWEST_COLUMN = 4
SHOWN_COLUMNS = 6
_REDRAW_SECONDS = 0.2


class ProgressLine:
    """One line on stderr that is redrawn while a run goes on; ``quiet`` keeps warnings only."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._drawn = 0.0
        self._width = 0
        self._stage = self._promise = ""

    def __call__(self, event: Event) -> None:
        """Listen to a run."""
        match event:
            case Warned(message=message):
                self._clear()
                say(f"rowsight: {message}", err=True)
            case CascadeNote(kind=kind):
                self._stage = f" [{kind}]"
            case CurvePoint(promise=promise):
                self._promise = f" [{promised(promise)}]" if promise else ""
            case Progress() if not self._quiet and time.monotonic() - self._drawn >= _REDRAW_SECONDS:
                self._draw(progress_line(event) + self._stage + self._promise)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def _draw(self, line: str) -> None:
        self._drawn = time.monotonic()
        click.echo("\r" + line.ljust(self._width), err=True, nl=False)
        self._width = len(line)

    def _clear(self) -> None:
        if self._width:
            click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
            self._width = 0


def progress_line(event: Progress) -> str:
    """Return progress in one line: rows, rate, calls, in flight, spent, time left."""
    rate = event.rows_done / event.seconds if event.seconds > 0 else 0.0
    of = f" of {event.rows:,}" if event.rows is not None else ""
    spent = "" if event.cost is None else f", ${event.cost:,.4f}"
    failed = f", {event.failed:,} failed" if event.failed else ""
    left = ""
    if event.rows and rate > 0:
        left = f", {_duration((event.rows - event.rows_done) / rate)} left"
    return f"{event.rows_done:,}{of} rows, {rate:,.0f}/s, {event.calls:,} calls, {event.in_flight} in flight{failed}{spent}{left}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def json_object(value: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    option = orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    sys.stdout.write(orjson.dumps(value, option=option, default=jsonable).decode())


def estimate(found: Estimate, *, as_json: bool) -> None:
    """Print an estimate."""
    if as_json:
        json_object({"estimate": found.as_dict()})
    else:
        say(found.text())


def check_output(path: Path | None) -> None:
    """Raise ``OutputError`` where a file can't be written, before anything is paid."""
    from rowsight.engines.writers import writer_for  # noqa: PLC0415 - commands load what they use

    if path is not None:
        writer_for(path)


def side_outputs(found: Result, values: dict[str, Any]) -> None:
    """Write the files beside the result that were asked for."""
    if values["unjudged"] is not None:
        found.write_unjudged(values["unjudged"])
    if values["provenance"] is not None:
        found.write_provenance(values["provenance"])
    if values["curve"] is not None:
        save_curve(found, values["curve"])
    if values["certificate"] is not None and found.certificate is not None:
        found.certificate.save(values["certificate"])


def promised(promise: dict[str, float]) -> str:
    """Return what can be promised by now in a few words."""
    return "promised by now: " + ", ".join(f"{metric} {level:.1%}" for metric, level in promise.items())


def save_curve(found: Result, path: Path) -> None:
    """Write the curve of the last certified question as a picture (.svg) or as its points (.json)."""
    from rowsight.surfaces import curve_picture  # noqa: PLC0415 - commands load what they use

    curves = [ask.curve for ask in found.report.asks if ask.certificate is not None]
    if path.suffix == ".svg":
        content = curve_picture.svg(curves[-1] if curves else [], "Spent against promised").encode()
    else:
        content = orjson.dumps(found.report.curves[-1] if curves else [], option=orjson.OPT_INDENT_2)
    with replacing(path) as file:
        file.write(content)


def result(found: Result, *, as_json: bool, out: Path | None) -> None:
    """Print a result: one JSON object, or its first rows and the report."""
    if as_json:
        json_object(found.report.as_dict())
        return
    head = found.head(SHOWN_ROWS)
    answers = [n for ask in found.report.asks for n in (ask.into, f"{ask.into}_status") if n in head.column_names]
    rows(head.select([*answers, *(n for n in head.column_names if n not in answers)]), len(found))
    say(report_text(found.report))
    for line in failure_lines(found):
        say(line)
    if out is not None:
        say(f"Written to {out}")


def failure_lines(found: Result) -> list[str]:
    """Return for each reason of failure what was said of one row."""
    if not found.report.total("failed"):
        return []
    first = {row["reason"]: row for row in reversed(found.failures.to_pylist()) if row["status"] == "failed"}
    return [f"{reason}, such as row {row['row']:,}: {row['detail']}" for reason, row in first.items()]


def rows(table: Any, total: int) -> None:
    """Print the first rows of a table."""
    from rich.console import Console  # noqa: PLC0415 - only where a table is drawn
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=sys.stdout)
    names = table.column_names[:SHOWN_COLUMNS]
    shown = [[_cell(value) for value in row[:SHOWN_COLUMNS]] for row in python_rows(table)]
    drawn = Table(show_lines=False)
    for name, width in zip(names, _widths([names, *shown], console.width), strict=True):
        drawn.add_column(Text(plain(name)), overflow="ellipsis", no_wrap=True, width=width)
    for row in shown:
        drawn.add_row(*(Text(cell) for cell in row))
    console.print(drawn, highlight=False)
    say(f"{min(len(table), total):,} of {total:,} rows")


def _widths(cells: list[list[str]], room: int) -> list[int]:
    """Return the columns' widths in characters: what each needs, the widest narrowed until all fit into ``room``."""
    from rich.cells import cell_len  # noqa: PLC0415 - only where a table is drawn

    widths = [min(max(map(cell_len, column)), WIDEST_COLUMN) for column in zip(*cells, strict=True)]
    spare = room - 3 * len(widths) - 1
    while sum(widths) > spare and max(widths) > NARROWEST_COLUMN:
        widths[widths.index(max(widths))] -= 1
    return widths


def _cell(value: Any) -> str:
    return "" if value is None else plain(" ".join(str(value).split())[:200])


def report_text(report: Report) -> str:
    """Return the report as lines for people."""
    lines: list[str] = []
    for ask in report.asks:
        lines += _ask_lines(ask)
    cached = f", {report.cached_tokens:,} cached" if report.cached_tokens else ""
    cost = "unknown (give --price-in and --price-out)" if report.cost is None else f"${report.cost:,.4f}"
    lines.append(
        f"Calls {report.calls:,}; tokens {report.prompt_tokens:,} in{cached}, {report.completion_tokens:,} out"
    )
    for name, part in report.models.items():
        spent = "" if part.cost is None else f", ${part.cost:,.4f}"
        did = "answered by it" if name == report.model else "answered by the proxy with its help"
        lines.append(f"  {name}: {part.calls:,} calls{spent}; {part.rows:,} rows {did}")
    lines.append(f"Cost {cost}; {report.seconds:,.1f} s; run {report.run}")
    lines += [f"Note: {note}" for note in report.notes]
    if report.budget_spent:
        unproved = "" if report.proved else "before the promise was proved; "
        lines.append(
            f"The budget is spent: {unproved}{report.total('skipped'):,} rows were skipped; to finish: {report.to_finish}"
        )
    if report.stopped:
        lines.append("Stopped; every answer is kept. The same command goes on where it stopped.")
    return "\n".join(lines)


def _ask_lines(ask: AskReport) -> list[str]:
    from rowsight.execution.explain import cascade_lines  # noqa: PLC0415 - commands load what they use

    parts = [f"{getattr(ask, n):,} {n}" for n in ("asked", "proxied", "null", "failed", "skipped") if getattr(ask, n)]
    kept = "" if ask.kept is None else f"; kept {ask.kept:,}"
    reused = f"; {ask.from_ledger:,} from the ledger" if ask.from_ledger else ""
    lines = [f"{ask.operator} {ask.question!r}", f"  {ask.rows:,} rows: {', '.join(parts) or 'none'}{kept}{reused}"]
    if ask.failures:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in ask.failures.most_common())
        judged = " could not be judged" if ask.operator == "filter" else " have no answer"
        lines.append(f"  {ask.failed:,} rows{judged}: {reasons}; run again to retry them")
    if ask.certificate is not None:
        lines.append(f"  {ask.certificate.statement}")
        lines += [f"  {line}" for line in cascade_lines(ask)[1:]]
        lines += [f"  {line}" for line in curve_lines(ask)]
    return lines


def curve_lines(ask: AskReport) -> list[str]:
    """Return the curve of a certified question as a small picture."""
    from rowsight.surfaces import curve_picture  # noqa: PLC0415 - commands load what they use

    return curve_picture.terminal(ask.curve)


def preview(found: Preview, *, as_json: bool) -> None:
    """Print a preview: its rows, the answers, the share of yes."""
    said = None if found.yes is None else round(found.yes, 4)
    if as_json:
        json_object({**found.report.as_dict(), "yes": said, "sample": _plain_rows(found.rows)})
        return
    rows(_answers_first(found.rows, [found.into]), len(found.rows))
    say(f"{'No row was judged' if said is None else f'{said:.0%} of the judged rows are yes'}")
    say(report_text(found.report))


def difference(found: Difference, *, as_json: bool) -> None:
    """Print the rows on which two wordings disagree."""
    differing, judged = found.rows, found.judged
    if as_json:
        counts = {"rows": len(found.first.rows), "judged": judged, "differing": len(differing)}
        json_object({**counts, "sample": _plain_rows(differing)})
        return
    rows(_answers_first(differing, [*found.into]), len(differing))
    say(f"The two wordings are answered differently on {len(differing):,} of {judged:,} rows with both answers")


def _answers_first(table: Any, names: list[str]) -> Any:
    return table.select([*names, *(n for n in table.column_names if n not in {*names, f"{names[0]}_status"})])


def _plain_rows(table: Any) -> list[dict[str, Any]]:
    plain = (str, int, float, bool, type(None))
    return [
        {n: v if isinstance(v, plain) else str(v) for n, v in zip(table.column_names, row, strict=True)}
        for row in python_rows(table)
    ]
