"""Tables made of numbers, and a driver that answers a cascade from the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import UNANSWERED, Ask, Decision, Freeze
from rowsight.plan.guarantee import Guarantee


class Numbers:
    """Rows whose features are given."""

    def __init__(self, features: np.ndarray) -> None:
        self._features = features.astype(np.float32)

    @property
    def count(self) -> int:
        return len(self._features)

    def features(self, rows: np.ndarray) -> np.ndarray:
        return self._features[rows]

    def chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        for first in range(0, self.count, 1000):
            yield first, self._features[first : first + 1000]


def noisy(rows: int, share: float, seed: int, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """A truth with ``share`` positives and one informative feature among four."""
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < share
    features = rng.normal(size=(rows, 4)) * noise
    features[:, 0] += 2.0 * truth
    return features, truth


def drive(
    features: np.ndarray, truth: np.ndarray, **options: Any
) -> tuple[Decision, list[np.ndarray], list[dict[str, Any]]]:
    """Run a cascade to its end: the decision, the batches asked, the records frozen. ``refused``: rows without an answer."""
    levels = {k: options.pop(k) for k in ("precision", "recall", "confidence", "by") if k in options}
    refused = options.pop("refused", np.zeros(len(truth), dtype=bool))
    replies = np.where(refused, UNANSWERED, truth.astype(np.int64))
    steps = cascade_for(Numbers(features), Guarantee(**levels), **options)
    asked, frozen, reply = [], [], None
    while True:
        try:
            request = steps.send(reply)
        except StopIteration as done:
            return done.value, asked, frozen
        reply = None
        if isinstance(request, Ask):
            asked.append(request.rows)
            reply = replies[request.rows]
        elif isinstance(request, Freeze):
            frozen.append(request.record)


def figures(answers: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Precision and recall; 1 where nothing is kept, or nothing is to be found."""
    hits = np.sum((answers == 1) & truth)
    kept, positives = np.sum(answers == 1), np.sum(truth)
    return (hits / kept if kept else 1.0, hits / positives if positives else 1.0)
