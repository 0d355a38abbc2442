"""Calls that a growing table costs, version by version: followed, and in the other ways to keep answers and a guarantee.

``python -m benchmarks.living_cost`` cuts shuffled tables of ``../shared/data`` into ten versions (the first holds three tenths
of the rows, the others the rest in equal parts) and prints one line a table and demand: the calls of the first version,
and of a later one by each way (mean), with the runs in which any certificate was false.

- *followed*: what ``follow=`` does.
- *versions alone*: each version's new rows certified by themselves at its share of d, nothing learnt before.
- *anew, with the ledger*: the whole table certified again at each version, answers of earlier runs known. Each such
  certificate stands for itself at d: over the versions the chances of a false one add up. Old rows' answers change.
- *anew*: the same, nothing known.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from benchmarks.validity.engines import ArrayRows, drive
from benchmarks.validity.living import FAILURE, Life

from rowsight.execution.cascade import cascade_for
from rowsight.guarantees.certify import allowed_errors
from rowsight.guarantees.living import version_confidence
from rowsight.plan.guarantee import Guarantee
from rowsight.proxies.features import Featurizer

DATA = Path(__file__).parents[2] / "shared" / "data"
VERSIONS, FIRST = 10, 0.3
TABLES = {
    "sms_spam is_spam": ("sms_spam", "is_spam"),
    "hate_offensive not neither": ("hate_offensive", "label"),
    "hotel_reviews_zh is_positive": ("hotel_reviews_zh", "is_positive"),
}
DEMANDS: dict[str, dict[str, float]] = {
    "P=R .9": {"precision": 0.9, "recall": 0.9},
    "accuracy .95": {"accuracy": 0.95},
}
WAYS = ("followed", "versions alone", "anew, with the ledger", "anew")


def loaded(name: str, seed: int, most: int) -> tuple[object, np.ndarray]:
    """Features and truth of a table's rows, shuffled, and of so many at most."""
    file, column = TABLES[name]
    table = pq.read_table(DATA / f"{file}.parquet", columns=["text", column])
    table = table.take(np.random.default_rng(seed).permutation(len(table))[:most])
    values = table.column(column).to_pylist()
    truth = np.array([v != "neither" if isinstance(v, str) else bool(v) for v in values]).astype(np.int64)
    texts = table.column("text").to_pylist()
    return Featurizer.fit(texts[: int(FIRST * len(texts))]).transform(texts), truth


class Way:
    """One way to keep a growing table certified: calls of each version, false certificates so far."""

    def __init__(self, features: object, truth: np.ndarray, levels: dict[str, float]) -> None:
        self.features, self.truth, self.levels = features, truth, levels
        self.calls: list[int] = []
        self.false = self.index = 0
        self.asked = np.zeros(len(truth), dtype=bool)

    def version(self, rows: np.ndarray, confidence: float, seed: int, *, known: bool) -> None:
        """Certify these rows by themselves; answers of earlier versions are known, or not."""
        places = np.flatnonzero(self.asked[rows]) if known else np.empty(0, np.int64)
        given = (places, self.truth[rows[places]]) if len(places) else None
        asked = np.zeros(len(rows), dtype=bool)

        def ask(wanted: np.ndarray) -> np.ndarray:
            asked[wanted] = True
            return self.truth[rows[wanted]]

        demand = Guarantee(confidence=confidence, **self.levels)
        cascade = cascade_for(
            ArrayRows(self.features[rows]), demand, classes=2, seed=seed, known=given, groups=None, attempt=1
        )
        decision = drive(cascade, ask)
        self.index += decision.certificate["certifying"] > 0
        self.calls.append(int(np.sum(asked & ~self.asked[rows])) if known else int(asked.sum()))
        self.asked[rows[asked]] = True
        self.false += decision.certificate["certified"] and self._missed(decision.answers, self.truth[rows])

    def _missed(self, answers: np.ndarray, truth: np.ndarray) -> bool:
        kept, hits, positives = (int(np.sum(m)) for m in (answers == 1, (answers == 1) & (truth == 1), truth == 1))
        wrong = {"accuracy": (int(np.sum(answers != truth)), len(truth)), "precision": (kept - hits, kept)}
        wrong["recall"] = (positives - hits, positives)
        return any(wrong[m][0] > allowed_errors(level, wrong[m][1]) for m, level in self.levels.items())


def measured(name: str, levels: dict[str, float], seed: int, most: int) -> dict[str, tuple[list[int], int]]:
    """Calls of each version, and false certificates, by way."""
    features, truth = loaded(name, seed, most)
    ends = np.linspace(FIRST * len(truth), len(truth), VERSIONS).astype(int)
    life = Life(features, truth, levels)
    alone, ledger, anew = (Way(features, truth, levels) for _ in range(3))
    followed, before = [], 0
    for end in ends:
        calls = life.calls
        life.version(np.arange(end), seed)
        followed.append(life.calls - calls)
        alone.version(np.arange(before, end), version_confidence(1 - FAILURE, alone.index + 1), seed, known=False)
        ledger.version(np.arange(end), 1 - FAILURE, seed, known=True)
        anew.version(np.arange(end), 1 - FAILURE, seed, known=False)
        before = end
    found = {"followed": (followed, int(life.false))}
    return found | {w: (way.calls, way.false) for w, way in zip(WAYS[1:], (alone, ledger, anew), strict=True)}


def line(name: str, demand: str, runs: list[dict[str, tuple[list[int], int]]], most: int) -> str:
    """One line of the table in the docs: the first version, then the mean of the others, by way."""
    rows = min(pq.read_metadata(DATA / f"{TABLES[name][0]}.parquet").num_rows, most)
    new = (1 - FIRST) * rows / (VERSIONS - 1)
    cells = []
    for way in WAYS:
        later = np.mean([run[way][0][1:] for run in runs])
        false = sum(run[way][1] > 0 for run in runs)
        cells.append(f"{later:,.0f} ({false}/{len(runs)})")
    first = np.mean([run["followed"][0][0] for run in runs])
    return f"| {name} | {demand} | {rows:,} | {first:,.0f} | {new:,.0f} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=10**9, help="most rows of a table")
    options = parser.parse_args()
    print("| predicate | demand | rows | first version | new rows a version | " + " | ".join(WAYS) + " |")
    print("|---|---|" + "---:|" * (3 + len(WAYS)))
    for name in TABLES:
        for demand, levels in DEMANDS.items():
            runs = [measured(name, levels, 100 + seed, options.rows) for seed in range(options.seeds)]
            print(line(name, demand, runs, options.rows), flush=True)


if __name__ == "__main__":
    main()
