"""A query from its text to its result."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from rowsight.engines.sources import Source, arrow_table_to
from rowsight.engines.workspace import QueryError, Workspace
from rowsight.engines.writers import OutputFile
from rowsight.execution.composite import Composite, Forgetful, Records
from rowsight.execution.queries import Answers, Oracle, QueryRun, Stage
from rowsight.execution.report import AskReport, Report
from rowsight.guarantees.certificate import Certificate
from rowsight.guarantees.columns import Standing, standings
from rowsight.plan.sql.place import SqlError
from rowsight.plan.sql.planner import plan
from rowsight.plan.sql.reach import demands
from rowsight.plan.sql.spellings import canonical
from rowsight.plan.sql.text import Parsed

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@dataclass
class QueryResult:
    """The rows of a query, what was asked for them, and how the plan went.

    ``report`` counts distinct argument tuples where a run over a table counts rows. ``stages`` are the plan's, in order.
    """

    rows: pa.Table
    report: Report
    stages: list[Stage] = field(default_factory=list)
    sql: str = ""
    standings: tuple[Standing, ...] = ()
    """How each column stands: asked, certified, certified for one table only, or not certified, and why."""

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table."""
        return self.rows

    def to_pandas(self) -> pd.DataFrame:
        """Return the rows as a pandas data frame."""
        frame: pd.DataFrame = arrow_table_to(self.rows, "pandas")
        return frame

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a Polars data frame."""
        frame: pl.DataFrame = arrow_table_to(self.rows, "polars")
        return frame

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows as tuples."""
        columns = [column.to_pylist() for column in self.rows.columns]
        return list(zip(*columns, strict=True)) if columns else []

    def write(self, path: str | Path) -> None:
        """Write the rows to a file whose ending says the format; it appears whole or not at all."""
        with OutputFile(Path(path), self.rows.schema) as output:
            for batch in self.rows.to_batches():
                output.write(batch)

    @property
    def certificates(self) -> list[Any]:
        """The certificates that the query earned."""
        return self.report.certificates

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def __repr__(self) -> str:
        return f"<{len(self):,} rows of {', '.join(self.rows.column_names)}>"


@dataclass
class Tables:
    """What a query may read: sources by name, DuckDB files by the name they are attached under."""

    sources: Mapping[str, Source]
    databases: Mapping[str, Path] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    """Statements that were allowed, to be run first."""


async def queried(
    parsed: Parsed,
    tables: Tables,
    oracle: Oracle,
    *,
    model: str = "",
    locked: bool = True,
    records: Records | None = None,
    seed: int = 0,
    shares: bool = False,
) -> QueryResult:
    """Run a query and return its result; ``SqlError`` where it can't be run.

    ``shares``: the oracle puts several rows into a request, so that no answer of a guarantee may come from it.
    """
    started = time.perf_counter()
    tree, calls = canonical(parsed)
    if shares and (parsed.guarantee is not None or calls.figures or any(call.levels for call in calls.listed)):
        raise SqlError(
            "a query with a guarantee or an estimate asks each row in a request of its own; leave rows_per_call out"
        )
    demanded = demands(tree, parsed.guarantee)
    columns = standings(tree, calls, demanded) if calls.listed else ()
    answers = [Answers.of(c) for c in calls.listed]
    workspace = Workspace(tables.sources, tables.databases, locked=locked)
    run = QueryRun(workspace, oracle, answers, records=records or Forgetful(), seed=seed, model=model)
    try:
        for statement in tables.before:
            workspace.run(statement)
        run.open()
        if calls.listed:
            sql = await run.follow(plan(tree, calls, demanded))
        else:
            sql = tree.sql("duckdb", normalize_functions=False)
        rows = workspace.table(sql)
    except QueryError as error:
        raise placed(error, parsed) from error
    finally:
        workspace.close()
    report = reported(run, model)
    report.output_rows, report.seconds = rows.num_rows, time.perf_counter() - started
    return QueryResult(rows, report, run.stages, sql, columns)


def ran(statement: str, tables: Tables) -> QueryResult:
    """Run one statement that isn't a query, where that was allowed."""
    workspace = Workspace(tables.sources, tables.databases, locked=False)
    try:
        for one in tables.before:
            workspace.run(one)
        rows = workspace.run(statement)
    except QueryError as error:
        raise SqlError(str(error)) from error
    finally:
        workspace.close()
    return QueryResult(rows, Report("", "", cost=0.0), [], statement)


def placed(error: QueryError, parsed: Parsed) -> SqlError:
    """Return DuckDB's complaint with the place of the first name in it that stands in the query."""
    message = str(error)
    for piece in message.split('"')[1::2] + message.replace("!", " ").replace("(", " ").split():
        place = parsed.place_of(piece) if len(piece) > 1 else None
        if place is not None:
            return SqlError(message, place)
    return SqlError(message, parsed.words[0][1] if parsed.words else None)


def _composite_report(driver: Composite, certificate: Certificate | None) -> AskReport:
    """Return the figures of a certified WHERE: the rows that the proxy answered; those asked count with their calls."""
    ask = AskReport("where", " / ".join(c.template for c in driver.calls), "where")
    ask.rows = ask.proxied = driver.rows - driver.asked_rows
    ask.certificate, ask.cascade = certificate, {"rows": driver.rows, "asked": driver.asked_rows}
    return ask


def reported(run: QueryRun, model: str) -> Report:
    """Return the figures of a query: each call's distinct argument tuples by status."""
    report = Report("", model, cost=0.0)
    for one in run.answers:
        told = list(one.told.values())
        ask = AskReport(one.call.operator, one.call.template, one.call.operator)
        ask.count([t.status for t in told])
        ask.from_ledger = sum(t.from_ledger for t in told)
        ask.failures.update(Counter(t.reason for t in told if t.reason is not None))
        if one.call.operator == "filter":
            ask.kept = sum(t.value is True for t in told)
        report.asks.append(ask)
    for driver, certificate in run.cascades:
        if isinstance(driver, Composite):
            report.asks.append(_composite_report(driver, certificate))
        else:
            ask = report.asks[run.answers.index(driver.answers)]
            ask.certificate, ask.cascade = certificate, {"rows": driver.rows, "asked": driver.asked_rows}
    for totalled in run.totals:
        ask = AskReport("estimate", " / ".join(c.template for c in totalled.calls), "estimate")
        ask.cascade = totalled.summary()
        report.asks.append(ask)
        if not totalled.reached:
            report.notes.append(
                "the budget was spent before the intervals were as narrow as wanted; they hold as they are"
            )
    report.budget_spent = report.total("skipped") > 0
    lost = report.total("failed") + report.total("skipped")
    if lost:
        report.notes.append(f"{lost:,} answers are missing; they are NULL in the result")
    return report
