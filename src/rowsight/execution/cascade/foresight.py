"""The proxy of an estimate: what each row's answer is expected to be, and how far off that may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from rowsight.proxies import linear, ridge
from rowsight.proxies.calibration import platt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.protocol import Rows

HELD = 100_000
"""Rows whose features are held in memory; those of larger tables are made anew for every fit."""
FEWEST = 30
"""Labels below which nothing is fitted."""
TRAINED = 12_000
"""Labels beyond which nothing is fitted anew."""
TUNED = 2_000
GAIN = 0.97
"""A proxy that leaves more than this share of the variance is not used at all."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Expected answers of all rows and their standard deviations; for the labelled rows without their own answers."""

    expected: NDArray[np.float64]
    spread: NDArray[np.float64]
    """Standard deviations, as shares of the range."""
    explained: float
    """Share of the answers' variance that the expectations take away."""


class Foresight:
    """Fits a light model to answers in [low, high] and foresees the others."""

    def __init__(self, rows: Rows, low: float, high: float, *, binary: bool) -> None:
        self._rows, self._low, self._high, self._binary = rows, low, high, binary
        self._held: Any = None
        self._strength, self._tuned_at = 10.0, 0
        self.fitted_on = 0

    def plain(self, answers: NDArray[np.float64], weights: NDArray[np.float64]) -> Outlook:
        """Expect of every row the weighted mean of the answers so far: what to do without a model."""
        count = len(answers)
        mean = float((weights @ answers + (self._low + self._high) / 2) / (weights.sum() + 1)) if count else 0.0
        mean = mean if count else (self._low + self._high) / 2
        share = (mean - self._low) / (self._high - self._low)
        spread = float(np.sqrt(share * (1 - share)))  # the most that values with this mean can vary
        return Outlook(np.full(self._rows.count, mean), np.full(self._rows.count, spread), 0.0)

    def due(self, labels: int) -> bool:
        """Whether so many labels are worth a new fit."""
        return labels >= max(FEWEST, 1.5 * self.fitted_on) and self.fitted_on < TRAINED

    def fit(self, labelled: NDArray[np.int64], answers: NDArray[np.float64], weights: NDArray[np.float64]) -> Outlook:
        """Fit to the answers of the rows ``labelled``; ``weights`` make them count like uniform draws."""
        self.fitted_on = len(labelled)
        plain = self.plain(answers, weights)
        if len(labelled) < FEWEST or np.ptp(answers) == 0:
            return plain
        make = self._chances if self._binary else self._values
        expected, own = make(labelled, answers, weights)
        left = weights @ (answers - own) ** 2
        before = weights @ (answers - plain.expected[0]) ** 2
        if left >= GAIN * before:
            return plain
        expected[labelled] = own
        share = (expected - self._low) / (self._high - self._low)
        typical = np.sqrt(left / weights.sum()) / (self._high - self._low)
        spread = np.sqrt(share * (1 - share)) if self._binary else np.full(len(share), typical)
        return Outlook(expected, spread, float(1 - left / before))

    def _chances(
        self, labelled: NDArray[np.int64], answers: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the chance of a yes for all rows, and for the labelled rows by proxies that haven't seen them."""
        features, yes = self._features(labelled), answers > (self._low + self._high) / 2
        if self._tuned_at < TUNED and len(labelled) >= 2 * self._tuned_at:
            self._strength, left_out = linear.choose_strength(features, yes)
            self._tuned_at = len(labelled)
        else:
            left_out = linear.left_out(features, yes, self._strength)
        slope, shift = platt(left_out, yes, weights / weights.mean())
        model = linear.fit(features, yes, self._strength)
        scores = self._everywhere(model.scores)
        least = 0.5 / (len(labelled) + 1)
        return tuple(np.clip(expit(slope * s + shift), least, 1 - least) for s in (scores, left_out))  # type: ignore[return-value]

    def _values(
        self, labelled: NDArray[np.int64], answers: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the expected value of all rows, and of the labelled rows by a regression that hasn't seen them."""
        centre = float(np.average(answers, weights=weights))
        fitted = ridge.regress(self._features(labelled), answers - centre)
        power = float(np.clip((weights * (answers - centre)) @ fitted.left_out / (weights @ fitted.left_out**2), 0, 1))
        scores = self._everywhere(fitted.predict)
        return tuple(np.clip(centre + power * s, self._low, self._high) for s in (scores, fitted.left_out))  # type: ignore[return-value]

    def _features(self, rows: NDArray[np.int64]) -> Any:
        return self._rows.features(rows) if self._rows.count > HELD else self._all()[rows]

    def _all(self) -> Any:
        if self._held is None:
            self._held = self._rows.features(np.arange(self._rows.count))
        return self._held

    def _everywhere(self, score: Any) -> NDArray[np.float64]:
        if self._rows.count <= HELD:
            return np.asarray(score(self._all()), dtype=np.float64)
        return np.concatenate([np.asarray(score(features), dtype=np.float64) for _, features in self._rows.chunks()])
