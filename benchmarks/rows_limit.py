"""The limit for rows: what reading, scoring and writing a table takes with DuckDB and NumPy alone, in one thread.

    python benchmarks/rows_limit.py TABLE OUT

Every text of the column ``body`` is read by DuckDB, its byte trigrams are hashed into 2^18 buckets whose weights are added
up (NumPy, a batch at a time, no Python a row), and the rows above the median score are written as JSON lines. That
is the least that a light model over words can do; nothing is trained, asked or proved. Prints one JSON object: rows, CPU
and wall seconds without starting, peak memory.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

sys.path[:0] = [str(Path(__file__).resolve().parent / "rivals")]
from job import cpu_seconds, peak_megabytes  # noqa: E402 - the benchmarks are scripts, not a package

BUCKETS = 1 << 18
BATCH = 16_384


def scores(texts: pa.Array, weights: np.ndarray) -> np.ndarray:
    """Add up the weights of each text's byte trigrams; texts of fewer bytes score 0."""
    flat = texts.cast(pa.large_string())
    offsets = np.frombuffer(flat.buffers()[1], np.int64, len(flat) + 1, flat.offset * 8)
    data = np.frombuffer(flat.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].astype(np.uint32)
    offsets = offsets - offsets[0]
    if len(data) < 3:
        return np.zeros(len(flat))
    hashed = (data[:-2] * 0x9E3779B1 + data[1:-1] * 0x85EBCA6B + data[2:] * 0xC2B2AE35) >> np.uint32(32 - 18)
    sums = np.concatenate([[0.0], np.cumsum(weights[hashed])])
    ends = np.maximum(offsets[1:] - 2, offsets[:-1])
    return sums[np.minimum(ends, len(hashed))] - sums[np.minimum(offsets[:-1], len(hashed))]


def main() -> None:
    table, out = sys.argv[1:]
    weights = np.random.default_rng(0).normal(size=BUCKETS)
    cpu, wall = cpu_seconds(), time.perf_counter()
    connection = duckdb.connect(config={"threads": 1})
    reader = connection.execute("SELECT body FROM read_json_auto(?)", [table]).to_arrow_reader(BATCH)
    found = np.concatenate([scores(batch.column(0), weights) for batch in reader])
    kept = pa.table({"place": np.flatnonzero(found > np.median(found))})
    connection.register("kept", kept)
    connection.execute(
        "CREATE TEMP TABLE rows AS SELECT row_number() OVER () - 1 AS place, * FROM read_json_auto(?)", [table]
    )
    connection.execute(f"COPY (SELECT * EXCLUDE place FROM rows JOIN kept USING (place)) TO '{out}' (FORMAT json)")
    took = {"rows": len(found), "cpu": cpu_seconds() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({**took, "peak_mb": peak_megabytes()}))


if __name__ == "__main__":
    main()
