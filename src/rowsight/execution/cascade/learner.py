"""The proxy of an accuracy cascade: its guesses for all rows, and how likely each guess is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import expit

from rowsight.execution.cascade.labels import Labels
from rowsight.proxies import ridge
from rowsight.proxies.calibration import platt

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 24
"""Steps to which answers of a score are rounded for its proxy."""
CALIBRATING = 200
"""Fair rows to which those of earlier versions fill up a version's own."""
CHOSEN_WEIGHT = 0.2
"""How much a row that was chosen for its doubt tells of the classes' frequencies, means and spread."""


class Learner:
    """The light model of a run: guesses and how likely each is wrong. Scores are classes of rounded values."""

    def __init__(self, classes: int | None, within: float | None) -> None:
        self.scores = classes is None
        self.classes = classes or 0
        self.within = within or 0.0
        self.model: ridge.RidgeDiscriminant | None = None
        self.slope, self.shift = 1.0, 0.0
        self.quality: float | None = None
        """Share of the uniform rows that the proxy gets right without having seen them."""
        self.guesses: NDArray[Any] = np.empty(0)

    def wrong(self, answers: NDArray[Any], guesses: NDArray[Any]) -> NDArray[np.bool_]:
        """Whether a guess differs from the oracle's answer; a row without an answer is wrong."""
        if self.scores:
            return np.asarray(~(np.abs(answers - guesses) <= self.within))
        return np.asarray(answers != guesses)

    def refit(
        self,
        features: Any,
        labelled: NDArray[np.int64],
        answers: NDArray[Any],
        fair: NDArray[np.bool_],
        earlier: Labels | None = None,
    ) -> NDArray[np.float64]:
        """Fit on the labelled rows; return how likely each row's guess is wrong (labelled rows: left out).

        ``earlier``: labels of rows that aren't among these; they train, and fill up the rows that calibrate.
        """
        size = len(answers)
        if not len(labelled) and earlier is None:
            self.guesses, self.model = np.zeros(size, dtype=answers.dtype), None
            return np.ones(size)
        labels = Labels.joined(earlier, features[labelled], answers[labelled], fair[labelled])
        codes = self._encode(labels.answers)
        weights = np.where(labels.fair, 1.0, CHOSEN_WEIGHT)
        self.model = ridge.fit(labels.features, codes, max(self.classes, 1), weights=weights)
        chances = self.model.predict_proba(features)
        chances[labelled] = self.model.left_out[len(labels) - len(labelled) :]
        self.guesses, doubt = self._choose(chances)
        check = labelled[fair[labelled]]
        wrong = self.wrong(answers[check], self.guesses[check])
        self.quality = float(1 - wrong.mean()) if len(check) else None
        doubts, errors = doubt[check], wrong
        if earlier is not None:
            doubts, errors = self._filled(labels, len(labelled), doubts, errors)
        self.slope, self.shift = platt(_logit(doubts), errors) if len(doubts) else (1.0, 0.0)
        return self._calibrated(doubt)

    def _filled(
        self, labels: Labels, own: int, doubts: NDArray[np.float64], errors: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Put the latest of the earlier fair labels before a version's own, as far as these are few."""
        missing = CALIBRATING - len(doubts)
        if missing <= 0 or self.model is None:
            return doubts, errors
        old = np.flatnonzero(labels.fair[: len(labels) - own])[-missing:]
        guesses, doubt = self._choose(self.model.left_out[old])
        wrong = self.wrong(labels.answers[old], guesses)
        return np.concatenate([doubt, doubts]), np.concatenate([wrong, errors])

    def answer(self, features: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Guess for new rows, and how likely each guess is wrong."""
        if self.model is None:
            return np.zeros(features.shape[0]), np.ones(features.shape[0])
        guesses, doubt = self._choose(self.model.predict_proba(features))
        return guesses, self._calibrated(doubt)

    def _encode(self, answers: NDArray[Any]) -> NDArray[np.int64]:
        if not self.scores:
            # Codes beyond the classes are rare answers: the proxy knows them as one, whose guess is never right.
            return np.minimum(np.asarray(answers, dtype=np.int64), self.classes - 1)
        self.set_values(np.unique(np.quantile(answers, np.linspace(0, 1, LEVELS), method="nearest")))
        return np.asarray(np.abs(answers[:, None] - self.values).argmin(axis=1), dtype=np.int64)

    def set_values(self, values: NDArray[np.float64]) -> None:
        """Set the numbers that are the classes of a score."""
        self.values, self.classes = values, len(values)
        self.agreement = (np.abs(values[:, None] - values[None, :]) <= self.within).astype(float)

    def _choose(self, chances: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
        if not self.scores:
            best = chances.argmax(axis=1)
            doubt = 1 - chances[np.arange(len(best)), best]
            return best, doubt
        right = chances @ self.agreement
        best = right.argmax(axis=1)
        return self.values[best], 1 - right[np.arange(len(best)), best]

    def _calibrated(self, doubt: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(expit(self.shift + self.slope * _logit(doubt)))


def _logit(doubt: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(doubt, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(clipped / (1 - clipped)))
