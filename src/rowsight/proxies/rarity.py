"""How unlike the others a text is: by the texts of a random sample that resemble it most.

A text's hashed TF-IDF features are projected onto the leading directions of the sample (truncated SVD; Deerwester et al.
1990). Its rarity is one minus its mean cosine similarity to the three texts of the sample that are nearest, of other
wording than its own. A text of words that the sample hasn't seen lies outside of these directions, near to none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.proxies.features import Featurizer, Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIRECTIONS = 64
NEAREST = 3
SAME = 0.999
"""Similarity from which on a text of the sample counts as the text itself."""
_RECIPE = Recipe(word_bits=17, char_bits=16, word_orders=(1,), char_orders=(3,), max_chars=2000, shape=False)


class Rarity:
    """The rarity of texts beside a sample of them; ``sample`` of a few thousand texts drawn uniformly suffices."""

    def __init__(self, sample: Sequence[str], seed: int = 0) -> None:
        from sklearn.decomposition import TruncatedSVD  # noqa: PLC0415 - loads on use

        self._featurizer = Featurizer.fit(sample, _RECIPE)
        features = self._featurizer.transform(sample)
        directions = min(DIRECTIONS, max(len(sample) - 1, 1))
        svd: Any = TruncatedSVD  # untyped
        self._svd = svd(directions, n_iter=3, random_state=seed).fit(features)
        self._near = _unit(self._svd.transform(features))

    def of(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the rarity of each text, from 0 (like many others) to 1 (like none)."""
        features = self._featurizer.transform(texts)
        lengths = np.sqrt(np.asarray(features.multiply(features).sum(axis=1))).ravel()
        placed = self._svd.transform(features) / np.maximum(lengths, 1e-12)[:, None]
        alike = placed @ self._near.T
        own = _unit(placed) @ self._near.T > SAME
        alike[own] = -1.0
        nearest = np.sort(
            np.partition(alike, -NEAREST, axis=1)[:, -NEAREST:] if alike.shape[1] > NEAREST else alike, axis=1
        )
        return np.asarray(np.clip(1.0 - np.maximum(nearest, 0.0).mean(axis=1), 0.0, 1.0))


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
