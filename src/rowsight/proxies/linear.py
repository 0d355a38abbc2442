"""A linear proxy for yes/no questions: L2-regularised logistic regression on sparse or dense features.

Only the columns that occur among the labelled rows take part, and the dual is solved by coordinate descent (Yu, Huang and
Lin, "Dual coordinate descent methods for logistic regression and maximum entropy models", 2011), so that a refit on a few
thousand labels takes tens of milliseconds and can follow every batch of answers.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from rowsight.proxies.calibration import platt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.proxies.features import Matrix

STRENGTHS = (3.0, 10.0, 30.0)
"""Inverse penalties that are tried."""
_TOLERANCE = 5e-2


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted proxy. ``scores`` are log-odds of yes, not yet calibrated."""

    columns: NDArray[np.int64]
    weights: NDArray[np.float32]
    offset: float
    dimensions: int

    def dense(self) -> NDArray[np.float32]:
        """Return the weight of every column, shape (dimensions,)."""
        full = np.zeros(self.dimensions, dtype=np.float32)
        full[self.columns] = self.weights
        return full

    def scores(self, features: Matrix) -> NDArray[np.float64]:
        """Return one log-odds a row of ``features``."""
        return np.asarray(features @ self.dense(), dtype=np.float64) + self.offset


def fit(features: Matrix, labels: NDArray[np.bool_], strength: float = 10.0) -> Linear:
    """Fit on rows (n, dimensions) with yes/no labels. With one class alone the scores are constant. Deterministic."""
    present, packed = _packed(features)
    weights, offset = _solve(packed, labels, strength)
    return Linear(present, weights.astype(np.float32), offset, features.shape[1])


def left_out(features: Matrix, labels: NDArray[np.bool_], strength: float, folds: int = 5) -> NDArray[np.float64]:
    """Return every labelled row's score by a proxy that was fitted without the row's fold, shape (n,)."""
    _, packed = _packed(features)
    fold = np.random.default_rng(0).permutation(len(labels)) % folds
    scores = np.empty(len(labels))
    for k in range(folds):
        held = fold == k
        if held.any():
            weights, offset = _solve(packed[~held], labels[~held], strength)
            scores[held] = packed[held] @ weights + offset
    return scores


def choose_strength(features: Matrix, labels: NDArray[np.bool_], folds: int = 5) -> tuple[float, NDArray[np.float64]]:
    """Return the inverse penalty whose left-out scores, rescaled, have the least log loss, and those scores."""
    tried = [(left_out(features, labels, s, folds), s) for s in STRENGTHS]
    losses = [_rescaled_loss(scores, labels) for scores, _ in tried]
    scores, strength = tried[int(np.argmin(losses))]
    return strength, scores


def _packed(features: Matrix) -> tuple[NDArray[np.int64], Any]:
    """Return the columns that occur, and the features restricted to them in double precision."""
    if not sparse.issparse(features):
        dense = np.asarray(features, dtype=np.float64)
        return np.arange(dense.shape[1]), dense
    present, inverse = np.unique(features.indices, return_inverse=True)
    data = features.data.astype(np.float64)
    shape = (features.shape[0], max(len(present), 1))
    return present.astype(np.int64), sparse.csr_matrix((data, inverse.astype(np.int32), features.indptr), shape=shape)


def _solve(packed: Any, labels: NDArray[np.bool_], strength: float) -> tuple[NDArray[np.float64], float]:
    yes = int(labels.sum())
    if yes in {0, len(labels)}:
        return np.zeros(packed.shape[1]), float(np.log((yes + 0.5) / (len(labels) - yes + 0.5)))
    model = LogisticRegression(  # type: ignore[no-untyped-call]
        C=strength, solver="liblinear", dual=True, tol=_TOLERANCE, max_iter=300, intercept_scaling=3.0, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # an unconverged proxy is still a proxy
        model.fit(packed, labels)
    return model.coef_.ravel(), float(model.intercept_[0])


def _rescaled_loss(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Log loss after the best rescaling: what the ranking and its smoothness are worth, whatever the scale."""
    slope, offset = platt(scores, labels)
    margins = np.where(labels, 1.0, -1.0) * (slope * scores + offset)
    return float(np.logaddexp(0.0, -margins).mean())
