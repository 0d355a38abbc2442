"""A labelled table whose features are in memory, and a cascade over it that is answered out of its labels."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from rowsight.proxies.features import Featurizer

if TYPE_CHECKING:
    from rowsight.execution.cascade.protocol import Request

T = TypeVar("T")


class Rows:
    """A table whose features are in memory."""

    def __init__(self, features: Any) -> None:
        self.all = features
        self.count = features.shape[0]

    def features(self, rows: np.ndarray) -> Any:
        return self.all[rows]

    def chunks(self) -> Any:
        for first in range(0, self.count, 16_384):
            yield first, self.all[first : first + 16_384]


def featurize(texts: list[str]) -> Any:
    """Features of texts, the words' weights learnt from at most 20,000 of them."""
    sample = np.random.default_rng(1).permutation(len(texts))[:20_000]
    return Featurizer.fit([texts[i] for i in sample]).transform(texts)


def decided(steps: Generator[Request, Any, T], answer: Callable[[Request], np.ndarray | None]) -> T:
    """Answer a cascade's requests to its end; return what it decided."""
    reply: np.ndarray | None = None
    while True:
        try:
            reply = answer(steps.send(reply))
        except StopIteration as done:
            found: T = done.value
            return found
