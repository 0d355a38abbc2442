"""What a middle model saves: the money of a certified run with one and without, over hard labelled tables.

    python benchmarks/middle_cost.py [--seeds 3] [--only NAME,...]
    python benchmarks/middle_cost.py --table

The truth column is the oracle. The middle model answers as it does on 85, 90 or 95% of the rows, drawn at random, and
otherwise another answer, drawn evenly; it gives no log-probabilities. Its call costs a tenth or a twenty-fifth of one of
the oracle's. All calls count, those of a pilot that led to nothing, too. Results are kept one a run.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from documented import put
from replayed import Rows, decided, featurize
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import Ask, AskMiddle, Prices
from rowsight.guarantees.certify import allowed_errors
from rowsight.plan.guarantee import Guarantee

if TYPE_CHECKING:
    from rowsight.execution.cascade.protocol import Request

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
RESULTS = ROOT / "benchmarks" / "results" / "middle_cost.json"
DOCS = ROOT / "docs" / "middle-models.md"
ACCURACY, BOTH = "accuracy .95", "P=R .9"
PREDICATES = {
    "rt_polarity is_positive": ("rt_polarity", "is_positive", ACCURACY),
    "hotel_reviews_zh is_positive": ("hotel_reviews_zh", "is_positive", ACCURACY),
    "banking77 (77)": ("banking77", "label", ACCURACY),
    "hate_offensive is_hate": ("hate_offensive", "is_hate", BOTH),
    "arxiv_titles is_cs (20k)": ("arxiv_titles", "is_cs", BOTH),
    "sms_spam is_spam": ("sms_spam", "is_spam", ACCURACY),
}
DEMANDS = {
    ACCURACY: Guarantee(accuracy=0.95),
    BOTH: Guarantee(precision=0.9, recall=0.9),
}
RIGHT = (0.85, 0.9, 0.95)
PRICES = (0.1, 0.04)
FRESH = 100
"""Seeds from here on chose no setting of Rowsight's."""
MOST = 20_000


def load(name: str) -> tuple[Any, np.ndarray]:
    """Features and class codes of at most 20,000 rows (of a table below 30,000 rows: all)."""
    file, column, _ = PREDICATES[name]
    table = pq.read_table(DATA / f"{file}.parquet", columns=["text", column])
    if table.num_rows > 30_000:
        table = table.take(np.sort(np.random.default_rng(0).permutation(table.num_rows)[:MOST]))
    texts = table["text"].to_pylist()
    _, codes = np.unique(np.array([str(value) for value in table[column].to_pylist()]), return_inverse=True)
    return featurize(texts), codes.astype(np.int64)


def said(truth: np.ndarray, right: float, seed: int) -> np.ndarray:
    """What a middle model says that is right on a share of the rows, drawn at random."""
    rng = np.random.default_rng([seed, round(1000 * right)])
    classes, wrong = int(truth.max()) + 1, rng.random(len(truth)) >= right
    return np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)


def run(
    features: Any, truth: np.ndarray, demand: Guarantee, seed: int, middle: tuple[float, float] | None
) -> dict[str, Any]:
    """One run, with a middle model that is right on a share of the rows, at a price, or without one."""
    start, calls = time.process_time(), [0, 0]
    answers = None if middle is None else said(truth, middle[0], seed)
    steps = cascade_for(
        Rows(features),
        demand,
        classes=int(truth.max()) + 1,
        seed=seed,
        known=None,
        groups=None,
        attempt=1,
        middle=middle is not None,
    )

    def answer(request: Request) -> np.ndarray | None:
        if isinstance(request, Ask):
            calls[0] += len(request.rows)
            return truth[request.rows]
        if isinstance(request, AskMiddle):
            calls[1] += len(request.rows)
            return np.column_stack([answers[request.rows], np.full(len(request.rows), np.nan)])
        return np.array([1.0, middle[1]]) if isinstance(request, Prices) else None

    decision = decided(steps, answer)
    summary = decision.summary.get("middle", {})
    return {
        "oracle": calls[0],
        "middle": calls[1],
        "money": calls[0] + (calls[1] * middle[1] if middle else 0),
        "adopted": summary.get("adopted"),
        "window": summary.get("window"),
        "missed": missed(decision.answers, truth, demand),
        "certified": decision.certificate["certified"],
        "seconds": round(time.process_time() - start, 1),
    }


def missed(answers: np.ndarray, truth: np.ndarray, demand: Guarantee) -> bool:
    """Whether a level that was promised is not met."""
    if demand.accuracy is not None:
        return int(np.sum(answers != truth)) > allowed_errors(demand.accuracy, len(truth))
    kept, hits = int(np.sum(answers == 1)), int(np.sum((answers == 1) & (truth == 1)))
    lost = int(np.sum(truth == 1)) - hits
    return bool(
        kept - hits > allowed_errors(demand.precision, kept)
        or lost > allowed_errors(demand.recall, int(np.sum(truth == 1)))
    )


def measure(options: argparse.Namespace) -> None:
    for name in [n for n in PREDICATES if not options.only or any(o in n for o in options.only.split(","))]:
        features, truth = load(name)
        label = PREDICATES[name][2]
        for seed in range(FRESH, FRESH + options.seeds):
            for middle in (None, *((right, price) for right in RIGHT for price in PRICES)):
                results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
                runs = results.setdefault(name, {"rows": len(truth)}).setdefault(label, {})
                done = runs.setdefault(_key(middle), {})
                if str(seed) not in done:
                    dearer = middle and runs.get(_key((middle[0], PRICES[0])), {}).get(str(seed))
                    same = dearer and dearer["adopted"] and dearer["window"] == 1.0
                    done[str(seed)] = (
                        cheaper(dearer, middle[1]) if same else run(features, truth, DEMANDS[label], seed, middle)
                    )
                    print(name, label, seed, _key(middle), done[str(seed)], flush=True)
                    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True))


def _key(middle: tuple[float, float] | None) -> str:
    return "without" if middle is None else f"{middle[0]:g} at {middle[1]:g}"


def cheaper(found: dict[str, Any], price: float) -> dict[str, Any]:
    """The same run at a lower price: where the widest window was bought already, a lower price decides nothing else."""
    return found | {"money": found["oracle"] + price * found["middle"]}


def table() -> str:
    """The table for the docs: money as a share of that without a middle model."""
    results = json.loads(RESULTS.read_text())
    columns = [(right, price) for price in PRICES for right in RIGHT]
    heads = " | ".join(f"{right:.0%} right, 1/{round(1 / price)}" for right, price in columns)
    lines = [
        f"| predicate | rows | demand | calls without | {heads} | seeds | missed |",
        f"|---|---:|---|---:|{'---:|' * len(columns)}---:|---:|",
    ]
    for name in [n for n in PREDICATES if n in results]:
        label = PREDICATES[name][2]
        found = results[name][label]
        every = [found.get(_key(middle), {}) for middle in (None, *columns)]
        seeds = sorted(set.intersection(*map(set, every)))  # the others are under way
        if not seeds:
            continue
        without = found["without"]
        cells, misses = [], 0
        for right, price in columns:
            mine = [found[_key((right, price))][seed] for seed in seeds]
            ratio = np.mean([run["money"] / without[seed]["money"] for run, seed in zip(mine, seeds, strict=True)])
            adopted = sum(run["adopted"] for run in mine)
            note = "" if adopted == len(mine) else " (not taken)" if not adopted else f" (taken {adopted}/{len(mine)})"
            cells.append(f"{ratio:.2f}{note}")
            misses += sum(run["missed"] and run["certified"] for run in mine)
        calls = np.mean([without[seed]["oracle"] for seed in seeds])
        counts = f"{len(seeds)} | {misses}/{len(columns) * len(seeds)}"
        lines.append(
            f"| {name} | {results[name]['rows']:,} | {label} | {calls:,.0f} | {' | '.join(cells)} | {counts} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="parts of predicates' names, by commas")
    parser.add_argument("--table", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    if options.table:
        put(DOCS, "middle cost", table())
    else:
        measure(options)


if __name__ == "__main__":
    main()
