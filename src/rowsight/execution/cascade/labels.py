"""Answered rows that a proxy is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Labels:
    """Features (rows, dimensions), the oracle's answers, and which rows were drawn uniformly; the latest rows come last."""

    features: Any
    answers: NDArray[Any]
    fair: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.answers)

    def last(self, count: int) -> Labels:
        """Return the latest ``count`` labels, all where there are fewer."""
        first = max(len(self) - count, 0)
        return Labels(self.features[first:], self.answers[first:], self.fair[first:])

    @classmethod
    def joined(cls, earlier: Labels | None, features: Any, answers: NDArray[Any], fair: NDArray[np.bool_]) -> Labels:
        """Return labels with earlier ones before them."""
        if earlier is None:
            return cls(features, answers, fair)
        rows: Any = [earlier.features, features]
        return cls(
            sparse.vstack(rows, format="csr") if sparse.issparse(features) else np.vstack(rows),
            np.concatenate([earlier.answers, answers]),
            np.concatenate([earlier.fair, fair]),
        )
