"""What the earlier versions of a living table leave to the next: labels, budgets not spent, and a watch for drift."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.guarantees.drift import Evidence
from rowsight.guarantees.living import Carried

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.cascade.frozen import Frozen
    from rowsight.execution.cascade.labels import Labels

PROBE = 30
"""Uniform rows that are asked whatever the plan, where labels of earlier versions fit."""


@dataclass
class Watch:
    """Holds the earlier proxy against uniform rows of a version, to see whether it errs more often than was established."""

    frozen: Frozen
    evidence: Evidence = field(default_factory=Evidence)
    drawn: int = 0
    errors: tuple[int, ...] = ()

    def observe(self, features: Any, answers: NDArray[Any]) -> None:
        """Look at all uniform rows answered so far."""
        if len(answers) <= self.drawn:
            return
        self.drawn = len(answers)
        self.errors = tuple(self.frozen.wrong(features, answers).sum(axis=1).tolist())
        self.evidence.observe(self.errors, self.drawn, self.frozen.rates)


@dataclass
class Earlier:
    """What one version starts from. ``labels`` go when the watch raises its alarm.

    They train the proxy and calibrate it; they are never drawn and never counted.
    """

    carried: Carried = field(default_factory=Carried)
    labels: Labels | None = None
    watch: Watch | None = None

    def observe(self, features: Any, rows: NDArray[np.int64], answers: NDArray[Any]) -> None:
        """Show the watch the uniform rows that are answered; ``rows`` are places in ``features`` and ``answers``."""
        if self.watch is None or not len(rows):
            return
        self.watch.observe(features[rows], answers[rows])
        if self.watch.evidence.alarm:
            self.labels = None


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a version leaves: its answered rows, which of them were drawn uniformly, and its frozen proxy if it used one."""

    rows: NDArray[np.int64]
    fair: NDArray[np.bool_]
    frozen: Frozen | None
