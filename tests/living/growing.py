"""A labelled table that grows, a simulated model that knows it, and runs that follow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

import rowsight
from rowsight import worlds
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth

TABLE = worlds.generate("retail", "en", 850, seed=5)
ASKED = worlds.questions("retail", "en")
TRUTHS = (
    Truth(ASKED.classify.truth, "- " + ASKED.labels[0]),
    Truth(ASKED.score.truth, "number from"),
    Truth(ASKED.filter.truth),
)


class Growing:
    """One state directory and one model; every call is a run over the rows that stand in the table."""

    def __init__(self, state: Path, server: SimulatedServer) -> None:
        self.state, self.server = state, server

    def read(self, rows: pa.Table) -> rowsight.Table:
        return rowsight.read(rows, session=rowsight.Session(state=self.state))

    def filter(
        self, rows: pa.Table, *, options: dict[str, Any] | None = None, follow: str = "late", **demand: Any
    ) -> Any:
        levels = demand or {"precision": 0.9, "recall": 0.9}
        asked = self.read(rows).filter(ASKED.filter.prompt, keep_all=True, follow=follow, **levels)
        return self.run(asked, **(options or {}))

    def run(self, asked: rowsight.Table, **options: Any) -> Any:
        return asked.run("sim", **{"base_url": self.server.base_url, **options})


def serve(table: pa.Table = TABLE, **config: Any) -> SimulatedServer:
    return SimulatedServer(SimulationConfig(text="text", truths=TRUTHS, **config), table.to_batches())


def told(result: Any) -> list[tuple[Any, str]]:
    rows = result.to_arrow()
    return list(zip(rows.column("answer").to_pylist(), rows.column("answer_status").to_pylist(), strict=True))


def figures(result: Any, truth: str = ASKED.filter.truth) -> tuple[float, float]:
    """Precision and recall of the rows that have something to be asked about."""
    rows = [r for r in result.to_arrow().to_pylist() if r["answer_status"] != "null"]
    both = sum(r["answer"] is True and r[truth] for r in rows)
    return both / max(sum(r["answer"] is True for r in rows), 1), both / max(sum(r[truth] for r in rows), 1)
