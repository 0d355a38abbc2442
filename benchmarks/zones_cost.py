"""What precision and recall together cost: calls of Rowsight, its rivals, and the yardsticks, over labelled tables.

    python benchmarks/zones_cost.py --seeds 20 --systems ours,limit
    python benchmarks/zones_cost.py --seeds 3 --systems bargain,lotus --rivals DIR
    python benchmarks/zones_cost.py --table

The truth column is the oracle. Calls include training. All systems that need scores get the same features; BARGAIN and
LOTUS get a logistic regression trained on 500 uniform rows, which count as calls; LOTUS runs with its defaults for sampling
and with a sample from all rows (``rival_cascades`` says what DIR holds). Results are kept one a run, so that an interrupted
benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.special import expit

import rival_cascades
from documented import put
from informed_limit import informed_limit
from replayed import Rows, decided, featurize
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import Ask
from rowsight.plan.guarantee import Guarantee
from rowsight.proxies import linear

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "zones_cost.json"
DOCS = Path(__file__).resolve().parents[1] / "docs" / "guarantees.md"
LEVELS = (0.9, 0.95)
FAILURE = 0.05
BOUGHT = 500
FRESH = 100
"""Seeds from here on chose no setting of Rowsight's."""
PREDICATES: dict[str, tuple[str, Callable[[Any], bool], str]] = {
    "sms_spam is_spam": ("sms_spam", bool, "is_spam"),
    "hate_offensive not neither": ("hate_offensive", lambda v: v != "neither", "label"),
    "goemotions gratitude": ("goemotions", lambda v: "gratitude" in v, "labels"),
    "hotel_reviews_zh is_positive": ("hotel_reviews_zh", bool, "is_positive"),
    "cold_zh is_offensive": ("cold_zh", bool, "is_offensive"),
    "arxiv_titles is_cs (50k)": ("arxiv_titles", bool, "is_cs"),
    "sembench is_positive": ("sembench_movie_reviews", bool, "is_positive"),
    "rt_polarity is_positive": ("rt_polarity", bool, "is_positive"),
    "hate_offensive is_hate": ("hate_offensive", bool, "is_hate"),
}


def load(name: str) -> tuple[list[str], np.ndarray]:
    file, positive, column = PREDICATES[name]
    table = pq.read_table(DATA / f"{file}.parquet", columns=["text", column])
    texts = table["text"].to_pylist()
    truth = np.array([positive(v) for v in table[column].to_pylist()], dtype=bool)
    if len(truth) > 100_000:
        rows = np.sort(np.random.default_rng(0).permutation(len(truth))[:50_000])
        return [texts[i] for i in rows], truth[rows]
    return texts, truth


def ours(features: Any, truth: np.ndarray, level: float, seed: int, _rivals: Path | None) -> dict[str, Any]:
    answers = truth.astype(np.int64)
    steps = cascade_for(Rows(features), Guarantee(precision=level, recall=level, confidence=1 - FAILURE), seed=seed)
    decision = decided(steps, lambda request: answers[request.rows] if isinstance(request, Ask) else None)
    body = decision.certificate
    stages = {"training": body["training"], "certifying": body["certifying"], "certified": body["certified"]}
    return {"calls": int(decision.asked.sum()), **figures(decision.answers == 1, truth, level), **stages}


def limit(features: Any, truth: np.ndarray, level: float, seed: int, _rivals: Path | None) -> dict[str, Any]:
    found = informed_limit(features, truth, precision=level, recall=level, failure=FAILURE, seed=seed)
    return {"calls": round(found.calls), "omniscient": int(found.omniscient)}


def figures(kept: np.ndarray, truth: np.ndarray, level: float) -> dict[str, Any]:
    hits = int(np.sum(kept & truth))
    precision = hits / int(kept.sum()) if kept.any() else 1.0
    recall = hits / int(truth.sum()) if truth.any() else 1.0
    return {"precision": precision, "recall": recall, "missed": bool(min(precision, recall) < level)}


def _frozen(features: Any, truth: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores in 0..1 of the rivals' proxy, and the rows that trained it."""
    rows = np.random.default_rng(seed).permutation(len(truth))[:BOUGHT]
    strength, _ = linear.choose_strength(features[rows], truth[rows])
    return expit(linear.fit(features[rows], truth[rows], strength).scores(features)), rows


def bargain(features: Any, truth: np.ndarray, level: float, seed: int, rivals: Path | None) -> dict[str, Any]:
    assert rivals is not None
    scores, bought = _frozen(features, truth, seed)
    kept, asked = rival_cascades.bargain_pr(scores, truth, level, FAILURE, seed, rivals)
    asked[bought] = True
    return {"calls": int(asked.sum()), **figures(kept, truth, level)}


def lotus(
    features: Any,
    truth: np.ndarray,
    level: float,
    seed: int,
    rivals: Path | None,
    reach: int = rival_cascades.LOTUS_REACH,
) -> dict[str, Any]:
    assert rivals is not None
    scores, bought = _frozen(features, truth, seed)
    kept, asked = rival_cascades.lotus(scores, truth, level, FAILURE, seed, rivals, reach)
    asked[bought] = True
    return {"calls": int(asked.sum()), **figures(kept, truth, level)}


def lotus_all(features: Any, truth: np.ndarray, level: float, seed: int, rivals: Path | None) -> dict[str, Any]:
    return lotus(features, truth, level, seed, rivals, reach=len(truth))


SYSTEMS = {"ours": ours, "limit": limit, "bargain": bargain, "lotus": lotus, "lotus_all": lotus_all}


def run(options: argparse.Namespace) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    names = [n for n in PREDICATES if not options.only or any(word in n for word in options.only.split(","))]
    for name in names:
        texts, truth = load(name)
        started = time.process_time()
        features = featurize(texts)
        results.setdefault("tables", {})[name] = {
            "rows": len(truth),
            "positives": int(truth.sum()),
            "feature_seconds": round(time.process_time() - started, 2),
        }
        for level in LEVELS:
            for system in options.systems.split(","):
                for seed in range(options.first, options.first + options.seeds):
                    key = f"{system}|{name}|{level}|{seed}"
                    if key in results and not options.again:
                        continue
                    started = time.process_time()
                    found = SYSTEMS[system](features, truth, level, seed, options.rivals)
                    results[key] = {**found, "cpu_seconds": round(time.process_time() - started, 2)}
                    _merge(results, key)
            print(name, level, {s: _mean(results, s, name, level) for s in SYSTEMS}, flush=True)


def _merge(results: dict[str, Any], key: str) -> None:
    """Save one result beside those that other processes saved meanwhile."""
    RESULTS.parent.mkdir(exist_ok=True)
    held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    held.setdefault("tables", {}).update(results["tables"])
    held[key] = results[key]
    scratch = RESULTS.with_suffix(f".{key.split('|', maxsplit=1)[0]}.tmp")
    scratch.write_text(json.dumps(held, indent=0, sort_keys=True))
    scratch.replace(RESULTS)


def _runs(results: dict[str, Any], system: str, name: str, level: float) -> list[dict[str, Any]]:
    return [v for k, v in results.items() if k.startswith(f"{system}|{name}|{level}|")]


def _mean(results: dict[str, Any], system: str, name: str, level: float) -> int | None:
    runs = _runs(results, system, name, level)
    return round(float(np.mean([r["calls"] for r in runs]))) if runs else None


def table() -> str:
    """Return the Markdown table of everything measured."""
    results = json.loads(RESULTS.read_text())
    lines = [
        "| predicate | rows | level | Rowsight | / limit | informed limit | omniscient | BARGAIN-PR | LOTUS | LOTUS, all rows |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    ratios = []
    for name in PREDICATES:
        for level in LEVELS:
            own, bound = _mean(results, "ours", name, level), _mean(results, "limit", name, level)
            if own is None or bound is None:
                continue
            ratios.append(own / bound)
            free = round(float(np.mean([r["omniscient"] for r in _runs(results, "limit", name, level)])))
            rows = results["tables"][name]["rows"]
            cells = [name, f"{rows:,}", f"{level:g}", _cell(results, "ours", name, level), f"{ratios[-1]:.2f}"]
            cells += [
                f"{bound:,}",
                f"{free:,}",
                *(_cell(results, s, name, level) for s in ("bargain", "lotus", "lotus_all")),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    geometric = float(np.exp(np.mean(np.log(ratios))))
    lines.append(f"\nGeometric mean of Rowsight / informed limit: {geometric:.2f}; largest {max(ratios):.2f}.")
    return "\n".join(lines)


def _cell(results: dict[str, Any], system: str, name: str, level: float) -> str:
    """Mean calls (share of the rows), and runs that missed a target among all runs."""
    runs = _runs(results, system, name, level)
    if not runs:
        return "–"
    calls, rows = float(np.mean([r["calls"] for r in runs])), results["tables"][name]["rows"]
    return f"{calls:,.0f} ({100 * calls / rows:.1f}%), {sum(r['missed'] for r in runs)}/{len(runs)} missed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=FRESH, help="the first seed; those below 100 served for tuning")
    parser.add_argument("--systems", default="ours,limit", help=", ".join(SYSTEMS))
    parser.add_argument("--only", default="", help="words that choose predicates, separated by commas")
    parser.add_argument("--rivals", type=Path, help="directory of unpacked wheels")
    parser.add_argument("--again", action="store_true", help="repeat runs that are kept")
    parser.add_argument(
        "--table", action="store_true", help="print the table of what is kept, and put it into the docs"
    )
    options = parser.parse_args()
    if options.table:
        print(table())
        put(DOCS, "zones cost", table())
    else:
        run(options)


if __name__ == "__main__":
    main()
