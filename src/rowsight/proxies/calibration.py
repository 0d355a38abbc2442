"""From scores to expected numbers of positives, with the tail taken from rows that were drawn uniformly.

Rows asked because they are near a threshold are no sample of anything: a fit that sees them expects several times too many
positives far away from it. So only uniform rows calibrate, and since few of them are positive there, the fitted curve is
corrected by a ratio of observed to expected counts that is shrunk towards one (an empirical-Bayes Poisson-gamma estimate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray

PSEUDO = 2.0
"""Positives that the fitted curve is worth beside those observed."""


def platt(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> tuple[float, float]:
    """Return (slope, offset) of the logistic curve of ``labels`` on ``scores``; weak priors keep few labels sane.

    Newton's method on the penalised likelihood (Platt 1999, with his pseudo-labels replaced by a normal prior).
    """
    weight = np.ones(len(scores)) if weights is None else weights
    design = np.column_stack([scores, np.ones(len(scores))])
    centre, precision = np.array([1.0, 0.0]), np.array([1.0, 0.04])
    theta = centre.copy()
    for _ in range(30):
        p = expit(design @ theta)
        gradient = design.T @ (weight * (p - labels)) + precision * (theta - centre)
        hessian = (design.T * (weight * p * (1 - p))) @ design + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        theta -= np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:  # noqa: PLR2004
            break
    return float(max(theta[0], 1e-3)), float(theta[1])


def expected_tail(
    ordered: NDArray[np.float64],
    uniform_scores: NDArray[np.float64],
    uniform_labels: NDArray[np.bool_],
    weights: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the positives expected among the first u rows of ``ordered``, u = 0..len(ordered), and their relative error.

    ``ordered``: scores, ascending; ``weights``: for how many rows each stands. ``uniform_scores`` (left out of the fit)
    and ``uniform_labels``: of rows drawn uniformly. The relative error is one standard deviation. For the negatives above
    a threshold, negate scores and labels.
    """
    slope, offset = platt(uniform_scores, uniform_labels)
    order = np.argsort(uniform_scores, kind="stable")
    ranked = uniform_scores[order]
    observed = np.concatenate([[0.0], np.cumsum(uniform_labels[order])])
    fitted = np.concatenate([[0.0], np.cumsum(expit(slope * ranked + offset))])
    place = np.searchsorted(ranked, ordered, side="right")
    chances = expit(slope * ordered + offset)
    total = (
        np.cumsum(chances if weights is None else weights * chances) * ((observed + PSEUDO) / (fitted + PSEUDO))[place]
    )
    spread = np.concatenate([[1.0], 1 / np.sqrt(observed[place] + PSEUDO)])
    return np.concatenate([[0.0], np.maximum.accumulate(total)]), spread
