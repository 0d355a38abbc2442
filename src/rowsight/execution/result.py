"""The result of a run: rows on disk, what failed and why, the report, the certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from rowsight.core.errors import ColumnError, nearest
from rowsight.core.replacing import replacing
from rowsight.core.scratch import Scratch
from rowsight.engines.sources import arrow_table_to
from rowsight.engines.writers import OutputFile
from rowsight.execution.asking import Trace, Unjudged
from rowsight.execution.explain import cascade_lines
from rowsight.execution.rendering import as_html
from rowsight.execution.report import Report

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from rowsight.calls.request import Answer
    from rowsight.execution.audit import Audit
    from rowsight.execution.review import Review
    from rowsight.guarantees.certificate import Certificate

ROWS_FILE = "rows.arrow"
Provenance = Callable[[list[bytes]], dict[bytes, "Answer"]]


class Result:
    """Rows in input order with their answers, kept on disk until this object is gone.

    ``report`` holds the figures, ``certificates`` one certificate for each question with a guarantee.
    """

    def __init__(
        self,
        report: Report,
        directory: Scratch,
        trace: Trace,
        unjudged: dict[str, Unjudged],
        lookup: Provenance,
        state: Path,
    ) -> None:
        self.report = report
        self._state = state
        self._directory, self._trace, self._unjudged, self._lookup = directory, trace, unjudged, lookup
        self._rows = Path(directory.name) / ROWS_FILE

    @property
    def certificates(self) -> list[Certificate]:
        """The certificates of the questions that had a guarantee, in the order of the plan."""
        return self.report.certificates

    @property
    def certificate(self) -> Certificate | None:
        """The only certificate of the run, ``None`` when there is none."""
        return self.certificates[-1] if self.certificates else None

    def to_arrow(self) -> pa.Table:
        """Return all rows as an Arrow table, memory-mapped from disk."""
        return pa.ipc.open_file(pa.memory_map(str(self._rows))).read_all()

    def to_pandas(self) -> pd.DataFrame:
        """Return all rows as a pandas data frame."""
        frame: pd.DataFrame = arrow_table_to(self.to_arrow(), "pandas")
        return frame

    def to_polars(self) -> pl.DataFrame:
        """Return all rows as a Polars data frame."""
        frame: pl.DataFrame = arrow_table_to(self.to_arrow(), "polars")
        return frame

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows batch by batch."""
        file = pa.ipc.open_file(pa.memory_map(str(self._rows)))
        for number in range(file.num_record_batches):
            yield file.get_batch(number)

    def write(self, path: str | Path) -> None:
        """Write the rows to a file whose ending says the format; it appears whole or not at all."""
        file = pa.ipc.open_file(pa.memory_map(str(self._rows)))
        with OutputFile(Path(path), file.schema) as output:
            for batch in self.batches():
                output.write(batch)

    def head(self, count: int) -> pa.Table:
        """Return the first ``count`` rows."""
        return self.to_arrow().slice(0, count)

    def explain(self) -> str:
        """Return how the certified questions went: the plan as labels came in, the zones, where the calls went."""
        lines = [line for ask in self.report.asks for line in cascade_lines(ask)]
        return "\n".join([*lines, *self.report.notes]) or summary(self.report)

    @property
    def failures(self) -> pa.Table:
        """Rows without an answer (columns row, column, status, reason, detail): failed and skipped ones.

        ``row`` is the row's position in the input, from 0.
        """
        wanted = pa.array(["failed", "skipped"])
        table = self._trace.read(lambda t: t.filter(pc.is_in(t.column("status").cast(pa.string()), wanted)))
        return table.drop_columns(["key"]).sort_by("row")

    def unjudged(self, into: str | None = None) -> pa.Table:
        """Return the rows that a question left without an answer, in full, with ``<into>_status`` and ``<into>_reason``.

        ``into`` names the question by its column; it may be left out where the plan has one question.
        """
        name = into if into is not None else next(iter(self._unjudged), "")
        if name not in self._unjudged:
            raise ColumnError(f"no question of this run answers into {name!r}{nearest(name, self._unjudged)}")
        found = self._unjudged[name].read()
        return self.to_arrow().slice(0, 0) if found is None else found

    def provenance(self) -> pa.Table:
        """Return where each row's answer comes from, one line per row and question.

        Columns: row, column, status, reason, request_key (hex), model, endpoint, at (UTC), prompt_tokens,
        completion_tokens, cost (US dollars, NULL when a price is unknown).
        """
        traced = self._trace.read(lambda t: t).sort_by("row")
        keys = traced.column("key").to_pylist()
        answers = self._lookup(list({k for k in keys if k is not None}))
        found = [answers.get(k) if k is not None else None for k in keys]
        columns: dict[str, Any] = {
            "row": traced.column("row"),
            "column": traced.column("column"),
            "status": traced.column("status"),
            "reason": traced.column("reason"),
            "request_key": pa.array([None if k is None else k.hex() for k in keys], pa.string()),
            "model": pa.array([a and a.model for a in found], pa.string()),
            "endpoint": pa.array([a and a.endpoint for a in found], pa.string()),
            "at": pa.array([a and int(a.at * 1e6) for a in found], pa.timestamp("us", "UTC")),
            "prompt_tokens": pa.array([a and a.usage.prompt_tokens for a in found], pa.int64()),
            "completion_tokens": pa.array([a and a.usage.completion_tokens for a in found], pa.int64()),
            "cost": pa.array([a and a.cost for a in found], pa.float64()),
        }
        return pa.table(columns)

    def sample_for_review(
        self,
        count: int,
        path: str | Path,
        *,
        into: str | None = None,
        seed: int = 0,
        within: float = 0.0,
        confidence: float = 0.95,
        show_answers: bool = False,
    ) -> Review:
        """Draw ``count`` answered rows at random and write them to a sheet that people fill in (CSV, Parquet or Excel).

        ``into`` names the question by its column (default: the last). What is drawn, and the answers as they are now,
        are frozen in the state directory. The sheet shows the answers only with ``show_answers``; scores agree when
        they differ by no more than ``within``. ``audit`` says what the filled sheet proves, with ``confidence``.
        """
        from rowsight.execution.review import ReviewOptions, drawn_for_review, question_of  # noqa: PLC0415 - loads on use

        options = ReviewOptions(count, seed, within, confidence, show_answers)
        return drawn_for_review(self.to_arrow(), question_of(self.report, into), Path(path), self._state, options)

    def audit(self, path: str | Path) -> Audit:
        """Say how many of the answers people agree with, from a sheet of ``sample_for_review`` that was filled in."""
        from rowsight.execution.audit import audited  # noqa: PLC0415 - loads on use

        return audited(Path(path), self._state)

    def save_curve(self, path: str | Path) -> None:
        """Draw what was spent against what could be promised of the last certified question (.svg), or write it (.json)."""
        from rowsight.execution.curve_picture import check_curve, svg  # noqa: PLC0415 - pictures only

        path = Path(path)
        check_curve(path)
        certified = [ask for ask in self.report.asks if ask.certificate is not None]
        ask = certified[-1] if certified else None
        if path.suffix == ".json":
            content = orjson.dumps(self.report.curves[-1] if certified else [], option=orjson.OPT_INDENT_2)
        else:
            content = (svg([], "No rows") if ask is None else svg(ask.curve, ask.question, ask.demanded)).encode()
        with replacing(path) as file:
            file.write(content)

    def write_provenance(self, path: str | Path) -> None:
        """Write ``provenance()`` to a file whose ending says the format."""
        _write_table(self.provenance(), Path(path))

    def write_unjudged(self, path: str | Path) -> None:
        """Write ``unjudged()`` to a file whose ending says the format."""
        _write_table(self.unjudged(), Path(path))

    def __len__(self) -> int:
        return self.report.output_rows

    def __repr__(self) -> str:
        return f"<Result: {len(self):,} rows; {summary(self.report)}>"

    def _repr_html_(self) -> str:
        return as_html(self.head(10), f"{len(self):,} rows; {summary(self.report)}")


def _write_table(table: pa.Table, path: Path) -> None:
    with OutputFile(path, table.schema) as output:
        for batch in table.to_batches():
            output.write(batch)


def summary(report: Report) -> str:
    """Return the run in one line."""
    parts = [f"{report.total(n):,} {n}" for n in ("asked", "proxied", "null", "failed", "skipped") if report.total(n)]
    cost = "" if report.cost is None else f", ${report.cost:,.4f}"
    tokens = report.prompt_tokens + report.completion_tokens
    return f"{', '.join(parts) or 'nothing asked'}; {report.calls:,} calls, {tokens:,} tokens{cost}"
