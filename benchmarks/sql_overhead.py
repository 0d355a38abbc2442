"""CPU per row of the SQL path beside the Python path: ``python benchmarks/sql_overhead.py [rows] [rounds]``.

Both ask the same questions about the same file through the same simulated server (a process of its own), keep a ledger
and write a file. The order alternates from round to round; ratios within a round are what counts. A last line says what
planning a query takes: everything from the text to the first question, tables of DuckDB's registered.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chaos import Server
from rowsight.session import Session
from rowsight.surfaces.sql import connect
from rowsight.surfaces.table import read
from throughput import QUESTION, write_table

SQL = "SELECT *, AI_FILTER(PROMPT('{}', body)) AS answer FROM '{}'"
PLANNED = (
    "WITH k AS (SELECT *, AI_CLASSIFY(body, ['courier', 'refund']) AS kind FROM '{0}') "
    "SELECT kind, count(*) AS n, avg(AI.SCORE(('How angry? ', body))) AS anger FROM k JOIN '{0}' AS u USING (id) "
    "WHERE (AI_FILTER('Is it late?', k.body) AND id < 10) OR AI_FILTER('Is it angry?', k.body) GROUP BY 1 "
    "HAVING count(*) > 1 ORDER BY n DESC LIMIT 5"
)
IN_FLIGHT = 64


def python_path(table: Path, url: str, state: Path) -> None:
    asked = read(table, session=Session(state=state, environment={})).filter(QUESTION, keep_all=True)
    asked.run("sim", base_url=url, concurrency=IN_FLIGHT, out=state / "out.parquet")


def sql_path(table: Path, url: str, state: Path) -> None:
    session = Session(state=state, environment={})
    con = connect(model="sim", base_url=url, concurrency=IN_FLIGHT, session=session)
    con.sql(SQL.format(QUESTION.replace("{body}", "{0}"), table)).write(state / "out.parquet")


def cpu(run: Callable[[Path, str, Path], None], table: Path, url: str) -> float:
    """Return CPU seconds of this process."""
    with tempfile.TemporaryDirectory() as state:
        started = time.process_time()
        run(table, url, Path(state))
        return time.process_time() - started


def planning(table: Path, repeats: int = 20) -> float:
    """Return the median wall milliseconds of planning a query of several clauses, by EXPLAIN's own means."""
    from rowsight.plan.sql.planner import plan
    from rowsight.plan.sql.spellings import canonical
    from rowsight.plan.sql.text import parse

    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        tree, calls = canonical(parse(PLANNED.format(table)))
        steps = plan(tree, calls)
        reply: object = None
        try:
            while True:
                request = steps.send(reply)
                reply = REPLIES.get(type(request).__name__)
        except StopIteration:
            taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


REPLIES = {"Columns": ("id", "body", "late"), "Measure": (10, 100), "Ask": 0}


def main(rows: int, rounds: int) -> None:
    ratios: list[float] = []
    with tempfile.TemporaryDirectory(prefix="rowsight-sql-") as folder:
        table = write_table(Path(folder) / "table.jsonl", rows)
        server = Server(table)
        for run in (python_path, sql_path):
            cpu(run, table, server.url)
        for number in range(rounds):
            order = (python_path, sql_path) if number % 2 else (sql_path, python_path)
            seconds = {run.__name__: cpu(run, table, server.url) for run in order}
            ratios.append(seconds["sql_path"] / seconds["python_path"])
            shown = ", ".join(f"{name} {1e6 * s / rows:.0f} us a row" for name, s in sorted(seconds.items()))
            print(f"{shown}: ratio {ratios[-1]:.3f}", flush=True)
        server.stop()
        low, high = min(ratios), max(ratios)
        print(f"{rows:,} rows, SQL / Python: median {statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})")
        print(f"planning a query of seven clauses: {planning(table):.1f} ms")


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:3]]
    main(*(numbers + [10_000, 6][len(numbers) :]))
