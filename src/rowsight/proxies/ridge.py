"""A classifier with exact leave-one-out answers: ridge regression onto the classes, then a discriminant on its scores.

Regressing one-hot targets on the features has a closed form whose leave-one-out predictions cost nothing beyond the fit
(``y_i - (y_i - f_i) / (1 - h_ii)``). Alone it masks classes when there are many; linear discriminant analysis in the
space of the fitted scores undoes that (Hastie, Tibshirani and Buja, "Flexible discriminant analysis by optimal
scoring", JASA 1994) and yields class probabilities. Both stages leave the row itself out, so the probabilities of the
labelled rows say what the classifier would have said without them. One factorisation of an n x n (or p x p) matrix is
the whole cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from scipy.linalg import cho_factor, cho_solve, lapack
from scipy.sparse import issparse

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Matrix = csr_matrix | NDArray[np.float32]

INTERCEPT = 0.1
"""The kernel's constant part: how freely the regression may shift all scores."""
PENALTY = 0.5
SHRINKAGE = 0.2
"""Share of the spherical part in the discriminant's covariance."""
PRIOR_ROWS = 0.5
"""Rows that every class is imagined to have at the mean of all scores; keeps classes of one row sane."""


@dataclass(frozen=True, slots=True)
class RidgeDiscriminant:
    """A fitted classifier. ``left_out``: class probabilities of the training rows, each without itself, (n, C)."""

    weights: NDArray[np.float32]
    offset: NDArray[np.float32]
    slope: NDArray[np.float64]
    constant: NDArray[np.float64]
    left_out: NDArray[np.float64]

    def predict_proba(self, features: Matrix) -> NDArray[np.float64]:
        """Class probabilities, shape (rows, C); classes never seen in training get 0."""
        scores = np.asarray(features @ self.weights) + self.offset
        return _softmax(scores @ self.slope.T + self.constant)


def fit(
    features: Matrix,
    labels: NDArray[np.int64],
    classes: int,
    *,
    weights: NDArray[np.float64] | None = None,
    penalty: float = PENALTY,
) -> RidgeDiscriminant:
    """Fit on rows of unit length or so (n, p) with class codes 0..classes-1. Deterministic.

    ``weights`` (n) say how much a row counts for the classes' frequencies, means and spread: below 1 for rows that were
    chosen because they are doubtful. The regression itself counts all rows alike.
    """
    counted = np.ones(len(labels)) if weights is None else np.asarray(weights, dtype=np.float64)
    targets = np.zeros((len(labels), classes), dtype=np.float32)
    targets[np.arange(len(labels)), labels] = 1
    seen = np.bincount(labels, minlength=classes) > 0
    beta, offset, scores = _ridge(features, targets - targets.mean(axis=0), penalty)
    slope, constant, left_out = _discriminant(scores.astype(np.float64), labels, counted, seen)
    return RidgeDiscriminant(beta, offset, slope, constant, left_out)


@dataclass(frozen=True, slots=True)
class Regression:
    """A fitted ridge regression. ``left_out``: the training rows' predictions, each without itself, (n,)."""

    weights: NDArray[np.float32]
    offset: float
    left_out: NDArray[np.float64]

    def predict(self, features: Matrix) -> NDArray[np.float64]:
        """Predicted values, shape (rows,)."""
        return np.asarray(features @ self.weights, dtype=np.float64) + self.offset


def regress(features: Matrix, targets: NDArray[np.float64], *, penalty: float = PENALTY) -> Regression:
    """Regress centred numbers (n,) on rows of unit length or so (n, p). Deterministic."""
    beta, offset, left_out = _ridge(features, targets.astype(np.float32)[:, None], penalty)
    return Regression(beta[:, 0], float(offset[0]), left_out[:, 0].astype(np.float64))


def _ridge(
    features: Matrix, targets: NDArray[np.float32], penalty: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Solve for weights and offset, and predict every row without itself, in the smaller of n and p dimensions."""
    n, p = features.shape
    if p < n:
        return _primal(_dense(features), targets, penalty)
    gram = _dense(features @ features.T) + np.float32(INTERCEPT)
    gram[np.diag_indices(n)] += np.float32(penalty)
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    dual = cho_solve(factor, targets, check_finite=False)
    inverse, _ = lapack.spotri(factor[0], lower=1, overwrite_c=1)
    left_out = targets - dual / np.diag(inverse)[:, None]
    return np.asarray(features.T @ dual), np.float32(INTERCEPT) * dual.sum(axis=0), left_out


def _primal(
    dense: NDArray[np.float32], targets: NDArray[np.float32], penalty: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    root = np.float32(np.sqrt(INTERCEPT))
    wide = np.hstack([dense, np.full((len(dense), 1), root, dtype=np.float32)])
    gram = wide.T @ wide
    gram[np.diag_indices(len(gram))] += np.float32(penalty)
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    beta = cho_solve(factor, wide.T @ targets, check_finite=False)
    leverage = np.einsum("ij,ji->i", wide, cho_solve(factor, wide.T, check_finite=False))
    slack = np.maximum(1 - leverage, np.float32(1e-4))[:, None]
    return np.asarray(beta[:-1], np.float32), np.asarray(beta[-1] * root), targets - (targets - wide @ beta) / slack


def _discriminant(
    scores: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64], seen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Discriminate the left-out scores linearly; leaving a row out moves the mean of its own class alone."""
    classes, total = len(seen), weights.sum()
    counts = np.bincount(labels, weights, minlength=classes)
    centre = weights @ scores / total
    sums = np.zeros((classes, scores.shape[1]))
    np.add.at(sums, labels, scores * weights[:, None])
    means = (sums + PRIOR_ROWS * centre) / (counts + PRIOR_ROWS)[:, None]
    spread = scores - means[labels]
    precision = np.linalg.inv(_shrunk(spread.T @ (spread * weights[:, None]) / total))
    prior = np.log(np.maximum(counts, 0.5) / total)
    slope = means @ precision
    constant = np.where(seen, prior - 0.5 * np.einsum("ij,ij->i", slope, means), -np.inf)
    logits = scores @ slope.T + constant
    own = counts[labels] + PRIOR_ROWS
    distance = np.einsum("ij,jk,ik->i", spread, precision, spread, optimize=True)
    moved = np.minimum(own / (own - np.minimum(weights, own - 1e-9) + 1e-9), 3.0) ** 2 - 1
    rarer = np.log(np.maximum(counts[labels] - weights, 0.5) / np.maximum(counts[labels], 0.5))
    logits[np.arange(len(labels)), labels] -= 0.5 * distance * moved - rarer
    heat = _temperature(logits, labels, weights)
    return np.asarray(slope / heat), np.asarray(constant / heat), _softmax(logits / heat)


def _temperature(logits: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    """Find the temperature of least left-out log loss; discriminants are over-confident."""
    own = np.arange(len(labels)), labels

    def loss(heat: float) -> float:
        scaled = logits / heat
        top = scaled.max(axis=1)
        return float(weights @ (top + np.log(np.exp(scaled - top[:, None]).sum(axis=1)) - scaled[own]))

    return min((float(2**power) for power in np.arange(-1.0, 4.01, 0.5)), key=loss)


def _shrunk(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    size = len(covariance)
    sphere = np.trace(covariance) / size + 1e-9
    return np.asarray((1 - SHRINKAGE) * covariance + SHRINKAGE * sphere * np.eye(size))


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _dense(matrix: Any) -> NDArray[np.float32]:
    dense = cast("csr_matrix", matrix).toarray() if issparse(matrix) else matrix
    return np.array(dense, dtype=np.float32)
