"""What accuracy costs: calls of Rowsight, BARGAIN-A and the omniscient threshold, over labelled tables.

    python benchmarks/accuracy_cost.py --seeds 20 [--rival PYTHON] [--only NAME,...] [--budget-seconds S]
    python benchmarks/accuracy_cost.py --table

The truth column is the oracle; calls include training. Rowsight trains its own proxy. BARGAIN-A (``bargain==0.1.3`` in the
environment of PYTHON, defaults) and the omniscient threshold get one trained on 500 uniform rows (a tenth of small tables),
which count as calls and as right. The omniscient threshold asks every row beyond the largest prefix that keeps the level: it
proves nothing and knows the truth. Results are kept one a run, so an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from documented import put
from replayed import Rows, decided, featurize
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import Ask
from rowsight.guarantees.certify import allowed_errors
from rowsight.plan.guarantee import Guarantee
from rowsight.proxies import ridge

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).parent / "results" / "accuracy_cost.json"
DOCS = Path(__file__).resolve().parents[1] / "docs" / "guarantees.md"
LEVELS = (0.9, 0.95)
FAILURE = 0.05
BOUGHT = 500
FRESH = 100
"""Seeds from here on chose no setting of Rowsight's."""
LARGE = 100_000
MANY = 20_000


def _archive(values: list[Any]) -> list[Any]:
    names, counts = np.unique(np.array(values), return_counts=True)
    rare = set(names[counts < 1000].tolist())
    return ["other" if value in rare else value for value in values]


def _same(values: list[Any]) -> list[Any]:
    return values


PREDICATES: dict[str, tuple[str, str, Callable[[list[Any]], list[Any]]]] = {
    "sms_spam is_spam": ("sms_spam", "is_spam", _same),
    "goemotions gratitude": ("goemotions", "labels", lambda v: ["gratitude" in x for x in v]),
    "snips intent (7)": ("snips_slots", "intent", _same),
    "hate_offensive not neither": ("hate_offensive", "label", lambda v: [x != "neither" for x in v]),
    "hate_offensive is_hate": ("hate_offensive", "is_hate", _same),
    "banking77 (77)": ("banking77", "label", _same),
    "sembench is_positive": ("sembench_movie_reviews", "is_positive", _same),
    "hotel_reviews_zh is_positive": ("hotel_reviews_zh", "is_positive", _same),
    "rt_polarity is_positive": ("rt_polarity", "is_positive", _same),
    "cold_zh is_offensive": ("cold_zh", "is_offensive", _same),
    "arxiv_titles is_cs (50k)": ("arxiv_titles", "is_cs", _same),
    "arxiv_titles archive (50k)": ("arxiv_titles", "archive", _archive),
    "arxiv_abstracts archive": ("arxiv_abstracts", "archive", _same),
}


def load(name: str) -> tuple[Any, np.ndarray]:
    """Features and class codes."""
    file, column, coded = PREDICATES[name]
    table = pq.read_table(DATA / f"{file}.parquet", columns=["text", column])
    texts, values = table["text"].to_pylist(), coded(table[column].to_pylist())
    if len(texts) > LARGE:
        rows = np.sort(np.random.default_rng(0).permutation(len(texts))[:50_000])
        texts, values = [texts[i] for i in rows], [values[i] for i in rows]
    _, codes = np.unique(np.array([str(value) for value in values]), return_inverse=True)
    return featurize(texts), codes.astype(np.int64)


def ours(features: Any, truth: np.ndarray, level: float, seed: int) -> dict[str, Any]:
    start = time.process_time()
    guarantee = Guarantee(accuracy=level, confidence=1 - FAILURE)
    steps = cascade_for(Rows(features), guarantee, classes=int(truth.max()) + 1, seed=seed)
    decision = decided(steps, lambda request: truth[request.rows] if isinstance(request, Ask) else None)
    body = decision.certificate
    seconds = round(time.process_time() - start, 1)
    stages = {"training": body["training"], "certifying": body["certifying"], "seconds": seconds}
    return {"calls": int(decision.asked.sum()), **missed(decision.answers, truth, level), **stages}


def missed(answers: np.ndarray, truth: np.ndarray, level: float) -> dict[str, Any]:
    wrong = int(np.sum(answers != truth))
    return {"accuracy": round(1 - wrong / len(truth), 4), "missed": wrong > allowed_errors(level, len(truth))}


def bought(features: Any, truth: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The proxy of those that train none: rows not bought, its answers to them, and its confidence."""
    order = np.random.default_rng(seed).permutation(len(truth))
    count = min(BOUGHT, len(truth) // 10)
    chances = ridge.fit(features[order[:count]], truth[order[:count]], int(truth.max()) + 1).predict_proba(features)
    rest = np.sort(order[count:])
    return rest, chances[rest].argmax(axis=1), chances[rest].max(axis=1)


def omniscient(features: Any, truth: np.ndarray, level: float, seed: int) -> dict[str, Any]:
    rest, guess, score = bought(features, truth, seed)
    order = np.argsort(-score, kind="stable")
    wrong = np.cumsum((guess != truth[rest])[order])
    proxied = int(np.searchsorted(wrong, allowed_errors(level, len(truth)), side="right"))
    return {"calls": len(truth) - proxied}


def bargain(features: Any, truth: np.ndarray, level: float, seed: int, *, python: str) -> dict[str, Any]:
    rest, guess, score = bought(features, truth, seed)
    target = 1 - allowed_errors(level, len(truth)) / len(rest)
    with tempfile.TemporaryDirectory() as folder:
        source, goal = Path(folder, "in.npz"), Path(folder, "out.npz")
        case = {"guess0": guess, "score0": score, "truth0": truth[rest]}
        np.savez(source, target=[target], failure=[FAILURE], seed=[seed], **case)
        rivals = Path(__file__).with_name("validity") / "rivals.py"
        subprocess.run([python, rivals, "bargain", source, goal], check=True)
        got = np.load(goal)
    answers = truth.copy()
    answers[rest] = got["answers0"]
    return {"calls": len(truth) - len(rest) + int(got["calls0"]), **missed(answers, truth, level)}


def run(options: argparse.Namespace) -> None:
    names = [n for n in PREDICATES if not options.only or any(o in n for o in options.only.split(","))]
    for name in names:
        results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        features, truth = load(name)
        start = time.process_time()
        for seed in range(options.first, options.first + options.seeds):
            for level in LEVELS:
                done = results.setdefault(name, {"rows": len(truth)}).setdefault(str(level), {})
                systems = {"ours": ours, "omniscient": omniscient}
                if options.rival and seed < options.first + options.rival_seeds:
                    systems["bargain"] = partial(bargain, python=options.rival)
                for system, measure in systems.items():
                    if str(seed) not in done.setdefault(system, {}):
                        done[system][str(seed)] = measure(features, truth, level, seed)
            RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True))
            if time.process_time() - start > options.budget_seconds:
                break
        print(
            name,
            {lv: {s: mean(results, name, lv, s) for s in ("ours", "bargain", "omniscient")} for lv in LEVELS},
            flush=True,
        )


def mean(results: dict[str, Any], name: str, level: float, system: str, field: str = "calls") -> float | None:
    runs = results.get(name, {}).get(str(level), {}).get(system, {})
    return float(np.mean([run[field] for run in runs.values()])) if runs else None


def table() -> str:
    """The table for the docs, in % of the rows."""
    results = json.loads(RESULTS.read_text())
    lines = [
        "| predicate | rows | level | ours | BARGAIN-A | omniscient | ours: training / certifying | true | missed (ours; BARGAIN) | seeds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ratios: dict[str, list[float]] = {"bargain": [], "omniscient": [], "omniscient, 20,000 rows or more": []}
    for name in [n for n in PREDICATES if n in results]:
        for level in LEVELS:
            rows = results[name]["rows"]
            cost = {s: mean(results, name, level, s) for s in ("ours", "bargain", "omniscient")}
            for against, values in ratios.items():
                rival, _, large = against.partition(", ")
                if cost[rival] and cost["ours"] and not (large and rows < MANY):
                    values.append(cost["ours"] / cost[rival])
            runs = results[name][str(level)]
            share = {s: "" if c is None else f"{100 * c / rows:.1f}" for s, c in cost.items()}
            stages = " / ".join(
                f"{mean(results, name, level, 'ours', part):.0f}" for part in ("training", "certifying")
            )
            misses = "; ".join(str(sum(r["missed"] for r in runs.get(s, {}).values())) for s in ("ours", "bargain"))
            true = f"{mean(results, name, level, 'ours', 'accuracy'):.3f}"
            seeds = "; ".join(str(len(runs.get(s, {}))) for s in ("ours", "bargain"))
            lines.append(
                f"| {name} | {rows:,} | {level} | **{share['ours']}** | {share['bargain']} | {share['omniscient']} "
                f"| {stages} | {true} | {misses} | {seeds} |"
            )
    for rival, values in ratios.items():
        if values:
            lines += ["", f"Geometric mean of ours / {rival}: {np.exp(np.mean(np.log(values))):.2f}."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=FRESH, help="the first seed; those below 100 served for tuning")
    parser.add_argument("--rival", help="the interpreter of an environment that has bargain==0.1.3")
    parser.add_argument("--rival-seeds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--budget-seconds", type=float, default=1e9, help="CPU seconds a predicate may take")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        print(table())
        put(DOCS, "accuracy cost", table())
    else:
        run(options)


if __name__ == "__main__":
    main()
