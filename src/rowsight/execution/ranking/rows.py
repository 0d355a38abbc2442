"""What a ranking knows of all rows before it asks: their first scores and their features, read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.proxies.features import Featurizer, join_columns
from rowsight.proxies.lexical import Lexicon

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.distinct import DistinctRows
    from rowsight.proxies.grading import Expectation

_PIECE = 8192
_HELD = 32_768
"""Rows whose features are held in memory; those of a larger table are made anew for each look at it."""
_FITTED_ON = 4096


class RowScores:
    """First scores (``first``) and, on demand, expected grades of all distinct rows."""

    def __init__(self, rows: DistinctRows, words: str) -> None:
        self._rows = rows
        lexicon = Lexicon(words)
        for start in range(0, rows.count, _PIECE):
            lexicon.add(self._texts(range(start, min(start + _PIECE, rows.count))))
        self.first: NDArray[np.float64] = lexicon.scores()
        # numbers follow a hash, so that the first ones are a uniform sample
        self._words = Featurizer.fit(self._texts(range(min(_FITTED_ON, rows.count))))
        self._features: list[Any] = []

    def features(self, numbers: NDArray[np.int64]) -> Any:
        """Return the features of some rows, in the order given."""
        return self._words.transform(self._texts(numbers))

    def expected(self, by: Expectation) -> NDArray[np.float64]:
        """Return the expected grade of every row."""
        parts = [by.beside(features) for features in self._pieces()]
        return by.line + np.concatenate(parts)

    def _pieces(self) -> Iterator[Any]:
        if self._features:
            yield from self._features
            return
        held = self._rows.count <= _HELD
        for start in range(0, self._rows.count, _PIECE):
            features = self.features(np.arange(start, min(start + _PIECE, self._rows.count)))
            if held:
                self._features.append(features)
            yield features

    def _texts(self, numbers: Any) -> list[str]:
        arguments = self._rows.arguments(np.asarray(numbers, np.int64))
        return join_columns(list(zip(*arguments, strict=True))) if arguments else []
