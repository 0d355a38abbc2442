"""A proxy as it was when a version of a living table was certified, and how often it was proved to err at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rowsight.execution.cascade.learner import Learner
from rowsight.guarantees.drift import established_rate
from rowsight.proxies.linear import Linear
from rowsight.proxies.ridge import RidgeDiscriminant

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Frozen(Protocol):
    """A frozen proxy with its cuts: which rows it would answer, and which of these answers are wrong."""

    @property
    def rates(self) -> tuple[float, ...]:
        """For each zone, the share of all rows that was established to be answered wrongly in it at most."""

    def wrong(self, features: Any, answers: NDArray[Any]) -> NDArray[np.bool_]:
        """Return for each zone which rows the proxy would answer wrongly, shape (zones, rows)."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that the proxy is made of, as arrays to be kept."""


@dataclass(frozen=True, slots=True)
class FrozenGuesses:
    """The proxy of an accuracy cascade: it answers rows whose doubt is at most ``cut``."""

    proxy: Learner
    cut: float
    rates: tuple[float, ...]

    @classmethod
    def of(cls, proxy: Learner, cut: float, errors: int, rows: int) -> FrozenGuesses:
        """Freeze a proxy that was proved to get at most ``errors`` of ``rows`` rows wrong."""
        return cls(proxy, cut, (established_rate(errors, rows),))

    def wrong(self, features: Any, answers: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which rows the proxy would answer wrongly, shape (1, rows)."""
        guesses, doubt = self.proxy.answer(features)
        return (self.proxy.wrong(answers, guesses) & (doubt <= self.cut))[None]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that the proxy is made of; of the weights only the columns that occur."""
        proxy, model = self.proxy, self.proxy.model
        assert model is not None
        columns = np.flatnonzero(np.any(model.weights != 0, axis=1))
        scores = {"values": proxy.values} if proxy.scores else {}
        return {
            "columns": columns,
            "weights": model.weights[columns],
            "dimensions": np.array(len(model.weights)),
            "offset": model.offset,
            "slope": model.slope,
            "constant": model.constant,
            "curve": np.array([proxy.slope, proxy.shift, proxy.within]),
            "cut": np.array(self.cut),
            "rates": np.array(self.rates),
            **scores,
        }

    @classmethod
    def from_arrays(cls, kept: dict[str, NDArray[Any]]) -> FrozenGuesses:
        """Return the proxy that ``arrays`` took apart."""
        classes = kept["constant"].shape[0]
        slope, shift, within = kept["curve"].tolist()
        proxy = Learner(None if "values" in kept else classes, within)
        if "values" in kept:
            proxy.set_values(kept["values"])
        weights = np.zeros((int(kept["dimensions"]), kept["weights"].shape[1]), dtype=np.float32)
        weights[kept["columns"]] = kept["weights"]
        model = kept["offset"], kept["slope"], kept["constant"], np.empty((0, classes))
        proxy.model, proxy.slope, proxy.shift = RidgeDiscriminant(weights, *model), slope, shift
        return cls(proxy, float(kept["cut"]), tuple(kept["rates"].tolist()))


@dataclass(frozen=True, slots=True)
class FrozenZones:
    """The proxy of a precision and recall cascade: no up to the score ``low``, yes from ``high`` on."""

    model: Linear
    low: float
    high: float
    rates: tuple[float, ...]

    def wrong(self, features: Any, answers: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which rows would be rejected, and which accepted, wrongly: shape (2, rows)."""
        scores = self.model.scores(features)
        return np.array([(scores <= self.low) & (answers == 1), (scores >= self.high) & (answers == 0)])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that the proxy is made of."""
        return {
            "columns": self.model.columns,
            "weights": self.model.weights,
            "dimensions": np.array(self.model.dimensions),
            "cuts": np.array([self.model.offset, self.low, self.high]),
            "rates": np.array(self.rates),
        }

    @classmethod
    def from_arrays(cls, kept: dict[str, NDArray[Any]]) -> FrozenZones:
        """Return the proxy that ``arrays`` took apart."""
        offset, low, high = kept["cuts"].tolist()
        model = Linear(kept["columns"], kept["weights"], offset, int(kept["dimensions"]))
        return cls(model, low, high, tuple(kept["rates"].tolist()))


def frozen_of(kept: dict[str, NDArray[Any]]) -> Frozen | None:
    """Return the proxy that arrays hold, ``None`` where they hold none."""
    if not kept:
        return None
    return FrozenZones.from_arrays(kept) if "cuts" in kept else FrozenGuesses.from_arrays(kept)
