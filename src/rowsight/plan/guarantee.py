"""What the user demands of the answers: a metric, a level, a confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rowsight.core.errors import InputError
from rowsight.core.numbers import check_number

if TYPE_CHECKING:
    from collections.abc import Iterable

BEST = "best"
"""The level of a metric that isn't demanded but found: the best that the budget buys."""

_USUAL = {"accuracy": 0.9, "precision": 0.9, "recall": 0.9, "missed": 0.001, "confidence": 0.95}
"""What is demanded, and what one usually demands."""

Level = float | str | None
"""A level such as 0.9, ``"best"``, or no demand."""


@dataclass(frozen=True)
class Guarantee:
    """A demand on one question's answers over one table.

    ``accuracy``: share of rows whose answer equals the oracle's (within ``within`` of it for numbers). ``precision`` and
    ``recall``: of the rows kept by a filter. ``missed``: the largest share of all rows that a filter should have kept and
    did not; it says something where rows to keep are too rare for recall. ``confidence`` is 1 - d, d being the
    probability that the statement is false. ``by`` names a column in each group of which the statement must hold.
    ``best`` names metrics without a level: the run promises the best that its budget buys.
    """

    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    confidence: float = 0.95
    within: float | None = None
    by: str | None = None
    missed: float | None = None
    best: tuple[str, ...] = ()

    def _check_numbers(self) -> None:
        for name, usual in {**_USUAL, "within": 1}.items():
            if (value := getattr(self, name)) is not None:
                check_number(name, value, usual)

    def __post_init__(self) -> None:
        self._check_numbers()
        for name, usual in _USUAL.items():
            level = getattr(self, name)
            if level is not None and not 0 < level < 1:
                raise InputError(f"{name}={level:g} is not between 0 and 1; give a share such as {name}={usual}")
        if "accuracy" in self.metrics and {"precision", "recall"} & set(self.metrics):
            raise InputError(
                "accuracy and precision/recall are different demands; give accuracy alone, or precision and/or recall"
            )
        if self.missed is not None and {"accuracy", "recall"} & set(self.metrics):
            raise InputError(
                "missed bounds the rows that a filter loses, as recall and accuracy do in their way; give one of the three"
            )
        if self.missed is not None and self.best:
            raise InputError(
                "missed goes with a level of precision, not with the best; give precision=0.9, or leave it out"
            )
        if self.within is not None and "accuracy" not in self.metrics:
            raise InputError("within is the tolerance of accuracy; give accuracy=0.95, within=1")
        if self.within is not None and not 0 <= self.within < math.inf:
            raise InputError(f"within={self.within:g} is no distance; give the largest difference that counts as right")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics demanded, of accuracy, precision, recall, missed."""
        metrics = ("accuracy", "precision", "recall", "missed")
        return tuple(m for m in metrics if m in self.best or getattr(self, m) is not None)

    def lost(self, metric: str) -> float:
        """Return the share of errors that a metric's level allows."""
        level: float = getattr(self, metric)
        return level if metric == "missed" else 1.0 - level


def demanded(
    *,
    offered: Iterable[str],
    operator: str,
    accuracy: Level = None,
    precision: Level = None,
    recall: Level = None,
    missed: float | None = None,
    confidence: float | None = None,
    within: float | None = None,
    by: str | None = None,
    certify: bool | None = None,
) -> Guarantee | None:
    """Return the guarantee that the options ask for, or ``None`` where no level is given.

    ``offered`` are the metrics that ``operator`` can be certified by; another one is an ``InputError``. A level may be
    ``"best"``: the best that the budget buys. ``certify`` without any level asks that of what the operator is usually
    judged by: precision and recall where it has both, else accuracy.
    """
    offers = tuple(offered)
    levels = {"accuracy": accuracy, "precision": precision, "recall": recall, "missed": missed}
    asked = {name: level for name, level in levels.items() if level is not None}
    if certify and not asked:
        usual = tuple(m for m in offers if m in ("precision", "recall"))
        asked = dict.fromkeys(usual or ("accuracy",), BEST)
    for name in asked:
        if name not in offers:
            has = "has no guarantee" if not offers else f"is certified by {' or '.join(offers)}"
            raise InputError(f"{operator} has no {name} guarantee: it {has}; leave {name} out")
    if not asked:
        for name, value in (("confidence", confidence), ("within", within), ("by", by)):
            if value is not None:
                raise InputError(
                    f"{name} says how a guarantee holds but no level is given; add one of {', '.join(offers) or 'none'}"
                )
        return None
    best = tuple(name for name, level in asked.items() if level == BEST)
    given = {name: _share(name, level) for name, level in asked.items() if level != BEST}
    return Guarantee(confidence=0.95 if confidence is None else confidence, within=within, by=by, best=best, **given)


def _share(name: str, level: Level) -> float:
    if isinstance(level, bool) or not isinstance(level, (int, float)):
        raise InputError(f"{name}={level!r} is neither a share such as 0.9 nor {BEST!r}, the best that the budget buys")
    return float(level)
