"""The grades that rows not yet asked about would get: regression on the grades of those that were.

Gaussian process regression with a linear kernel over the rows' features (Rasmussen and Williams, "Gaussian Processes for
Machine Learning", 2006, chapter 2), around a mean that is a line in a first score. Equivalent to ridge regression, solved
in as many dimensions as there are graded rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOISE = 0.3
"""Variance of a grade beside that of the function, whose kernel is the features' inner product."""
RISE = 1.0
"""Rows that the line in the first score is imagined to have seen at a slope of one spread of the grades."""


@dataclass(frozen=True)
class Expectation:
    """What is expected of rows: ``line`` by their first score (one value a row), ``weights`` of their features beside it."""

    line: NDArray[np.float64]
    weights: NDArray[np.float64]

    def beside(self, features: Any) -> NDArray[np.float64]:
        """Return what the features add to the line, for the rows of ``features``."""
        return np.asarray(features @ self.weights, dtype=np.float64).ravel()


def fitted(
    known: Any, first: NDArray[np.float64], graded: NDArray[np.int64], grades: NDArray[np.float64]
) -> Expectation:
    """Fit to the ``grades`` of the rows ``graded``, one at least.

    ``known``: their features, sparse or dense, of about equal norms. ``first``: a score of every row that grades may grow
    with.
    """
    line = _line(first, graded, grades)
    product = known @ known.T
    kernel = np.array(product.toarray() if hasattr(product, "toarray") else product, dtype=np.float64)
    kernel[np.diag_indices(len(graded))] += NOISE
    dual = cho_solve(cho_factor(kernel, lower=True, check_finite=False), grades - line[graded], check_finite=False)
    return Expectation(line, np.asarray(known.T @ dual, dtype=np.float64).ravel())


def _line(first: NDArray[np.float64], graded: NDArray[np.int64], grades: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a line in the first score, fitted to the grades and held to a rising one while they are few."""
    spread = float(first.std()) or 1.0
    scaled = (first - first.mean()) / spread
    centre = float(scaled[graded].mean())
    x, y = scaled[graded] - centre, grades - grades.mean()
    slope = (x @ y + RISE * float(grades.std())) / (x @ x + RISE)
    return np.asarray(grades.mean() + max(0.0, float(slope)) * (scaled - centre))
