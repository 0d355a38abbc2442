"""The informed limit: what a cascade would cost that froze one proxy early and knew every number it plans with.

A proxy is trained on 500 uniform and 500 active rows with the default features, then frozen. Knowing the truth, both
thresholds are chosen so that rows asked + band + certification is least; a zone's certification is the smallest number of
draws at which the test fires if the sample holds the expected number of that zone's true errors. Half of the failure
probability goes to each side. It is a yardstick, not a bound: a run whose proxy goes on learning in the band can beat it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rowsight.guarantees.certify import labels_needed
from rowsight.proxies import linear

UNIFORM, ACTIVE, ROUNDS = 500, 500, 5
_GRID = 400


@dataclass(frozen=True)
class Limit:
    """calls: the informed limit; omniscient: rows asked if both thresholds were known and nothing had to be proved."""

    calls: float
    omniscient: float
    band: int
    reject: int
    accept: int
    certify_recall: float
    certify_precision: float


def informed_limit(
    features: Any, truth: np.ndarray, *, precision: float, recall: float, failure: float = 0.05, seed: int = 0
) -> Limit:
    """Return the limit for one table (features: all rows; truth: bool) and one seed of the training sample."""
    truth = np.asarray(truth, dtype=bool)
    order = np.random.default_rng(seed).permutation(len(truth))
    asked = np.zeros(len(truth), dtype=bool)
    asked[order[:UNIFORM]] = True
    for _ in range(ROUNDS):
        scores = _scores(features, truth, asked)
        _, thresholds = _best(scores, truth, asked, precision, recall, failure)
        for threshold in thresholds:
            distance = np.where(asked, np.inf, np.abs(scores - threshold))
            asked[np.argsort(distance, kind="stable")[: ACTIVE // ROUNDS // 2]] = True
    return _best(_scores(features, truth, asked), truth, asked, precision, recall, failure)[0]


def _scores(features: Any, truth: np.ndarray, asked: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(asked)
    strength, _ = linear.choose_strength(features[rows], truth[rows])
    return linear.fit(features[rows], truth[rows], strength).scores(features)


def _best(
    scores: np.ndarray, truth: np.ndarray, asked: np.ndarray, precision: float, recall: float, failure: float
) -> tuple[Limit, tuple[float, float]]:
    rows = np.flatnonzero(~asked)
    rows = rows[np.argsort(scores[rows], kind="stable")]
    count, positives = len(rows), int(truth.sum())
    missed = np.concatenate([[0], np.cumsum(truth[rows])])
    false = np.concatenate([[0], np.cumsum(~truth[rows[::-1]])])
    sizes = np.unique(np.linspace(0, count, _GRID).astype(np.int64))
    miss_budget = int((1 - recall) * positives)
    false_budget = int((1 - precision) * positives)
    cost_low = _certify(sizes, missed[sizes], miss_budget, failure / 2)
    cost_high = _certify(sizes, false[sizes], false_budget, failure / 2)
    u, v = _pair(sizes, cost_low, cost_high, count)
    low, high = int(sizes[u]), int(sizes[v])
    free_low = int(np.searchsorted(missed, miss_budget, side="right") - 1)
    free_high = int(np.searchsorted(false, false_budget, side="right") - 1)
    base = int(asked.sum())
    calls = base + count - low - high + float(cost_low[u] + cost_high[v])
    limit = Limit(
        calls,
        base + max(count - free_low - free_high, 0),
        count - low - high,
        low,
        high,
        float(cost_low[u]),
        float(cost_high[v]),
    )
    edges = np.append(scores[rows], scores.max() + 1)
    return limit, (float(edges[low]), float(edges[count - high]))


def _certify(sizes: np.ndarray, errors: np.ndarray, budget: int, level: float) -> np.ndarray:
    needed = np.zeros(len(sizes))
    some = sizes > 0
    needed[some] = labels_needed(sizes[some], np.full(some.sum(), budget), errors[some] / sizes[some], level)
    return np.minimum(needed, sizes)


def _pair(sizes: np.ndarray, cost_low: np.ndarray, cost_high: np.ndarray, count: int) -> tuple[int, int]:
    """Return the indices of both zones' sizes that cost least, the zones being disjoint."""
    gain = cost_high - sizes
    best = np.minimum.accumulate(gain)
    reach = np.searchsorted(sizes, count - sizes, side="right") - 1
    u = int(np.argmin(cost_low - sizes + best[reach]))
    v = int(np.argmin(gain[: reach[u] + 1]))
    return u, v
