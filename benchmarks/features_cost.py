"""What better features save: calls with words alone, beside static vectors, and beside a transformer's, and their seconds.

    python benchmarks/features_cost.py --embeddings DIR --seeds 5
    python benchmarks/features_cost.py --table

DIR holds ``static-TABLE.npz`` and ``minilm-TABLE.npz``, made by ``embed.py`` in an environment of its own. Vectors stand
beside the words, as ``features=`` puts them. The truth column is the oracle; calls include training.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix, hstack

import accuracy_cost
import zones_cost
from documented import put
from replayed import featurize
from rowsight.proxies.features import dense_rows

RESULTS = Path(__file__).parent / "results" / "features_cost.json"
DOCS = Path(__file__).resolve().parents[1] / "docs" / "guarantees.md"
KINDS = ("words", "static", "minilm")
PREDICATES = (
    "sms_spam is_spam",
    "sembench is_positive",
    "rt_polarity is_positive",
    "hate_offensive not neither",
    "hate_offensive is_hate",
    "goemotions gratitude",
)
DEMANDS = {"P=R .9": ("zones", 0.9), "P=R .95": ("zones", 0.95), "accuracy .95": ("accuracy", 0.95)}


def features(name: str, kind: str, folder: Path) -> tuple[Any, np.ndarray, float]:
    """Features of all rows, the truth, and the CPU seconds that the features took."""
    file, positive, column = zones_cost.PREDICATES[name]
    table = pq.read_table(zones_cost.DATA / f"{file}.parquet", columns=["text", column])
    truth = np.array([positive(v) for v in table[column].to_pylist()], dtype=bool)
    start = time.process_time()
    words = featurize(table["text"].to_pylist())
    seconds = time.process_time() - start
    if kind == "words":
        return words, truth, seconds
    held = np.load(folder / f"{kind}-{file}.npz")
    vectors = csr_matrix(dense_rows(held["vectors"], len(truth)))
    return csr_matrix(hstack([words, vectors], format="csr")), truth, seconds + float(held["seconds"])


def run(options: argparse.Namespace) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in PREDICATES:
        for kind in KINDS:
            if kind != "words" and not list(options.embeddings.glob(f"{kind}-{zones_cost.PREDICATES[name][0]}.npz")):
                continue
            matrix, truth, seconds = features(name, kind, options.embeddings)
            for demand, (metric, level) in DEMANDS.items():
                for seed in range(zones_cost.FRESH, zones_cost.FRESH + options.seeds):
                    key = f"{name}|{kind}|{demand}|{seed}"
                    if key in results:
                        continue
                    start = time.process_time()
                    if metric == "zones":
                        found = zones_cost.ours(matrix, truth, level, seed, None)
                    else:
                        found = accuracy_cost.ours(matrix, truth.astype(np.int64), level, seed)
                    spent = round(time.process_time() - start, 2)
                    results[key] = {
                        "calls": found["calls"],
                        "missed": found["missed"],
                        "rows": len(truth),
                        "feature_seconds": round(seconds, 1),
                        "run_seconds": spent,
                    }
                    RESULTS.write_text(json.dumps(results, indent=0, sort_keys=True))
            print(name, kind, flush=True)


def table() -> str:
    """The Markdown table of everything measured."""
    results = json.loads(RESULTS.read_text())
    lines = [
        "| predicate | rows | features | CPU s | P=R .9 | P=R .95 | accuracy .95 | missed |",
        "|---|---:|---|---:|---:|---:|---:|---:|",
    ]
    for name in PREDICATES:
        for kind in KINDS:
            runs = {d: [v for k, v in results.items() if k.startswith(f"{name}|{kind}|{d}|")] for d in DEMANDS}
            if not all(runs.values()):
                continue
            every = [run for some in runs.values() for run in some]
            cells = [_calls(runs[d], results, name, d) for d in DEMANDS]
            missed = f"{sum(r['missed'] for r in every)}/{len(every)}"
            lines.append(
                f"| {name} | {every[0]['rows']:,} | {kind} | {np.median([r['feature_seconds'] for r in every]):.1f} "
                f"| {' | '.join(cells)} | {missed} |"
            )
    return "\n".join(lines)


def _calls(runs: list[dict[str, Any]], results: dict[str, Any], name: str, demand: str) -> str:
    """Mean calls, and beside those of words alone."""
    words = np.mean([v["calls"] for k, v in results.items() if k.startswith(f"{name}|words|{demand}|")])
    mean = np.mean([run["calls"] for run in runs])
    return f"{mean:,.0f} ({mean / words:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--table", action="store_true", help="put the table of what is kept into the docs")
    options = parser.parse_args()
    if options.table:
        print(table())
        put(DOCS, "features cost", table())
    else:
        run(options)


if __name__ == "__main__":
    main()
