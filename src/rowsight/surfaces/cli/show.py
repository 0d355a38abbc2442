"""What the command line prints: progress, results, reports, estimates. Nothing else in Rowsight prints."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Self

import click
import orjson

from rowsight.core.events import CurvePoint, Event, Progress, Warned
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
_LONGEST_FLOAT = 9
"""Characters of a number as it is; a longer one is rounded where rows are shown, never where they are written."""


class ProgressLine:
    """One line on stderr that is redrawn while a run goes on; ``quiet`` keeps warnings only."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._drawn = 0.0
        self._width = 0
        self._point: CurvePoint | None = None

    def __call__(self, event: Event) -> None:
        """Listen to a run."""
        match event:
            case Warned(message=message):
                self._clear()
                say(f"rowsight: {message}", err=True)
            case CurvePoint(stage=stage):
                self._point = None if stage == "done" else event  # what comes next may promise nothing
            case Progress() if not self._quiet and time.monotonic() - self._drawn >= _REDRAW_SECONDS:
                self._draw(progress_line(event, self._point, room=get_terminal_size().columns - 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def _draw(self, line: str) -> None:
        self._drawn = time.monotonic()
        click.echo("\r" + line.ljust(min(self._width, get_terminal_size().columns - 1)), err=True, nl=False)
        self._width = len(line)

    def _clear(self) -> None:
        if self._width:
            click.echo("\r" + " " * min(self._width, get_terminal_size().columns - 1) + "\r", err=True, nl=False)
            self._width = 0


def progress_line(event: Progress, point: CurvePoint | None, *, room: int) -> str:
    """Return progress in one line of at most ``room`` characters: rows, rate, calls, spent, and time left.

    Of a certified run it says what could be promised by now in place of the time left, since it asks as few rows as it can.
    What matters least goes first where the line is too long for the terminal; a longer line would be drawn over and over.
    """
    rate = event.rows_done / event.seconds if event.seconds > 0 else 0.0
    of = f" of {event.rows:,}" if event.rows is not None else ""
    parts = {
        "rows": f"{event.rows_done:,}{of} rows",
        "rate": f"{rate:,.0f}/s",
        "calls": f"{event.calls:,} calls",
        "in flight": f"{event.in_flight} in flight",
        "failed": f"{event.failed:,} failed" if event.failed else "",
        "spent": "" if event.cost is None else f"${event.cost:,.4f}",
        "left": f"{_duration((event.rows - event.rows_done) / rate)} left" if event.rows and rate > 0 else "",
    }
    if point is not None:
        parts["left"] = f"{point.stage}: {promised(point)}" if point.promise else point.stage
    for least in ("in flight", "rate", "failed", "rows", "calls"):
        line = ", ".join(part for part in parts.values() if part)
        if len(line) <= room:
            return line
        parts[least] = ""
    return ", ".join(part for part in parts.values() if part)[: max(room, 0)]


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
        found.save_curve(values["curve"])
    if values["certificate"] is not None and found.certificate is not None:
        found.certificate.save(values["certificate"])


def promised(point: CurvePoint) -> str:
    """Return what can be promised by now in a few words."""
    from rowsight.execution import curve_picture  # noqa: PLC0415 - certified runs only

    if point.figure is not None:
        return f"by now {curve_picture.interval(point)}"
    return "promises " + ", ".join(f"{metric} {level:.1%}" for metric, level in point.promise.items())


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
    if isinstance(value, float) and len(str(value)) > _LONGEST_FLOAT:
        return f"{value:.6g}" if abs(value) < 1 else f"{value:,.4f}".replace(",", "")
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
        lines.append(_spent(report))
    if report.stopped:
        lines.append("Stopped; every answer is kept. The same command goes on where it stopped.")
    return "\n".join(lines)


def _spent(report: Report) -> str:
    """Say that the budget is spent, and what is left to do."""
    said = ["The budget is spent" if report.proved else "The budget is spent before what was asked for is proved"]
    if skipped := report.total("skipped"):
        said.append(f"{skipped:,} rows were skipped")
    if (left := report.to_finish) is not None:
        tokens = "" if left["tokens"] is None else f", {left['tokens']:,} tokens"
        cost = "" if left["cost"] is None else f", ${left['cost']:,.4f}"
        said.append(f"to ask them all takes about {left['calls']:,} calls{tokens}{cost}")
    return "; ".join(said) + ". The same command goes on where it stopped."


def _ask_lines(ask: AskReport) -> list[str]:
    from rowsight.execution.explain import cascade_lines  # noqa: PLC0415 - commands load what they use

    if ask.operator == "estimate" and ask.cascade is not None:
        found = ask.cascade
        over = f"{found['rows']:,} rows that only the model can decide, {found['asked']:,} of them asked"
        return [
            f"estimate {ask.question!r}",
            f"  intervals over {over}; all hold at once with confidence {found['confidence']:g}",
        ]
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
    from rowsight.execution import curve_picture  # noqa: PLC0415 - commands load what they use

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
