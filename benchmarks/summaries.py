"""Summaries by a model that lies now and then: what is dropped, what is kept, calls and CPU by rows.

Writes results/summaries.json. Rows state facts; the model repeats them, invents a sentence in a share of the leaves,
cites rows that don't exist in another, and misjudges a share of the checks. All of it is the same each time.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "gathers"))
from lying_model import LyingModel

from rowsight.calls.simulated import SimulatedServer, SimulationConfig
from rowsight.session import Session
from rowsight.surfaces.table import read

RESULTS = Path(__file__).with_name("results") / "summaries.json"
KINDS = 6
WORDS = "the courier left the parcel at the door of the neighbour who was away for the week and nobody rang"


def facts(rows: int) -> pa.Table:
    """Return rows of about thirty tokens, one of a few facts each, all different."""
    return pa.table({"text": [f"{n}: fact-{n % KINDS} {WORDS} ({n * 7919 % 100_003})" for n in range(rows)]})


def measured(rows: int, model: LyingModel, table: pa.Table | None = None) -> dict[str, Any]:
    table = facts(rows) if table is None else table
    config = SimulationConfig(text="text", hook=model)
    with SimulatedServer(config, {"text": ["a"], "truth": ["b"]}) as server, tempfile.TemporaryDirectory() as state:
        asked = read(table, session=Session(state=Path(state))).summarize("Which facts does {text} state?")
        told = asked.estimate()
        started, before = time.thread_time(), resource.getrusage(resource.RUSAGE_SELF)
        found = asked.run("sim", base_url=server.base_url)
        own, ended = time.thread_time() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = ended.ru_utime + ended.ru_stime - before.ru_utime - before.ru_stime
    texts = table.column("text").to_pylist()
    true = [s for s in found.sentences if all(s.text in texts[row] for row in s.rows)]
    return {
        "rows": rows,
        "calls": found.report.calls,
        "estimated_calls": told.calls_high,
        "invented": model.invented,
        "unsupported_dropped": found.summary.dropped.unsupported,
        "false_ids": model.faked,
        "false_ids_dropped": found.summary.dropped.citations,
        "facts_kept": len({s.text for s in true}),
        "facts": KINDS,
        "invented_kept": sum(s.text.startswith("invented") for s in found.sentences),
        "unsupported_citations_kept": len(found.sentences) - len(true),
        "cpu_ms_per_row": 1000 * own / rows,
        "cpu_ms_per_row_with_server": 1000 * cpu / rows,
    }


def main() -> None:
    lies = {"invents": 0.3, "false_ids": 0.3}
    found: dict[str, Any] = {"lies": [], "sizes": []}
    for misjudges in (0.0, 0.05, 0.2):
        line = measured(20_000, LyingModel(**lies, misjudges=misjudges))
        found["lies"].append({"misjudges": misjudges, **line})
        print(json.dumps(found["lies"][-1]), flush=True)
    for rows in (1000, 10_000, 100_000):
        found["sizes"].append(measured(rows, LyingModel(**lies)))
        print(json.dumps(found["sizes"][-1]), flush=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
