"""What the user demands of the answers: a metric, a level, a confidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rowsight.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Guarantee:
    """A demand on one question's answers over one table.

    ``accuracy``: share of rows whose answer equals the oracle's (within ``within`` of it for numbers). ``precision`` and
    ``recall``: of the rows kept by a filter. ``missed``: the largest share of all rows that a filter should have kept and
    did not; it says something where rows to keep are too rare for recall. ``confidence`` is 1 - d, d being the
    probability that the statement is false. ``by`` names a column in each group of which the statement must hold.
    """

    accuracy: float | None = None
    precision: float | None = None
    recall: float | None = None
    confidence: float = 0.95
    within: float | None = None
    by: str | None = None
    missed: float | None = None

    def __post_init__(self) -> None:
        for name in ("accuracy", "precision", "recall", "missed", "confidence"):
            level = getattr(self, name)
            if level is not None and not 0 < level < 1:
                raise InputError(f"{name}={level:g} is not between 0 and 1; give a share such as {name}=0.9")
        if self.accuracy is not None and (self.precision is not None or self.recall is not None):
            raise InputError(
                "accuracy and precision/recall are different demands; give accuracy alone, or precision and/or recall"
            )
        if self.missed is not None and (self.accuracy is not None or self.recall is not None):
            raise InputError(
                "missed bounds the rows that a filter loses, as recall and accuracy do in their way; give one of the three"
            )
        if self.within is not None and self.accuracy is None:
            raise InputError("within is the tolerance of accuracy; give accuracy=0.95, within=1")
        if self.within is not None and self.within < 0:
            raise InputError(f"within={self.within:g} is negative; give the largest difference that counts as right")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics demanded, of accuracy, precision, recall, missed."""
        return tuple(m for m in ("accuracy", "precision", "recall", "missed") if getattr(self, m) is not None)

    def lost(self, metric: str) -> float:
        """Return the share of errors that a metric's level allows."""
        level: float = getattr(self, metric)
        return level if metric == "missed" else 1.0 - level


def demanded(
    *,
    accuracy: float | None,
    precision: float | None,
    recall: float | None,
    confidence: float | None,
    within: float | None,
    by: str | None,
    missed: float | None = None,
    offered: Iterable[str],
    operator: str,
) -> Guarantee | None:
    """Return the guarantee that the options ask for, or ``None`` where no level is given.

    ``offered`` are the metrics that ``operator`` can be certified by; another one is an ``InputError``.
    """
    levels = {"accuracy": accuracy, "precision": precision, "recall": recall, "missed": missed}
    asked = {name: level for name, level in levels.items() if level is not None}
    offers = tuple(offered)
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
    return Guarantee(confidence=0.95 if confidence is None else confidence, within=within, by=by, **asked)
