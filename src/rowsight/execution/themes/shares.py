"""How large the themes are: estimates from rows drawn and guessed, bounds from the rows drawn alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rowsight.execution.themes.found import Cell
from rowsight.guarantees.shares import count_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rowsight.execution.themes.assigned import Set
    from rowsight.execution.themes.parts import Parts

STEADY = 30
"""Drawn rows of a part at which its own correction of the guesses counts as much as the whole table's."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the rows of a population.

    ``guess`` (N): each row's guessed set, an index into ``sets``, -1 without a guess. ``drawn`` (n): the rows drawn
    uniformly, ``said`` their answered sets (``None``: no answer), ``left_out`` what would have been guessed of them.
    """

    sets: Sequence[Set]
    guess: NDArray[np.int64]
    drawn: NDArray[np.int64]
    said: Sequence[Set | None]
    left_out: Sequence[Set | None]


def theme_cells(evidence: Evidence, names: Sequence[str], parts: Parts, failure: float) -> list[list[Cell]]:
    """Return for each theme, and last for no theme, a cell for each part; all bounds hold but with chance ``failure``."""
    inside = np.array([[*(n in s for n in names), not s] for s in evidence.sets], dtype=float).reshape(
        -1, len(names) + 1
    )
    having, answered, wrong = _counted(evidence, names, parts)
    drawn = np.bincount(parts.code[evidence.drawn], minlength=len(parts.names))
    sizes = parts.sizes
    level = failure / max(having.size, 1)
    low, high = count_interval(having, (drawn - answered)[:, None], drawn[:, None], sizes[:, None], level)
    estimate = _estimate(evidence, inside, parts, answered, wrong)
    found: list[list[Cell]] = []
    for theme in range(len(names) + 1):
        column = estimate[:, theme]
        found.append(
            [
                _cell(
                    parts.names[p],
                    int(sizes[p]),
                    int(drawn[p]),
                    float(column[p]),
                    int(low[p, theme]),
                    int(high[p, theme]),
                )
                for p in range(len(parts.names))
            ]
        )
    return found


def _counted(
    evidence: Evidence, names: Sequence[str], parts: Parts
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return by part: drawn rows said to speak of each theme, drawn rows answered, and by how much guesses fell short."""
    shape = (len(parts.names), len(names) + 1)
    having, short = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    answered = np.zeros(shape[0], dtype=np.int64)
    for row, said, guessed in zip(evidence.drawn.tolist(), evidence.said, evidence.left_out, strict=True):
        if said is None:
            continue
        part = parts.code[row]
        true = np.array([*(n in said for n in names), not said])
        having[part] += true
        answered[part] += 1
        if guessed is not None:
            short[part] += true.astype(float) - np.array([*(n in guessed for n in names), not guessed])
    return having, answered, short


def _estimate(
    evidence: Evidence,
    inside: NDArray[np.float64],
    parts: Parts,
    answered: NDArray[np.int64],
    short: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return shares by part and theme: of the guesses over all rows, corrected by how they fell short on drawn rows.

    A difference estimator. A part with few drawn rows borrows the correction of the whole table. NaN without guesses.
    """
    if not len(evidence.sets) or not answered.sum():
        return np.full(short.shape, np.nan)
    kinds = len(evidence.sets)
    counts = np.bincount(parts.code * kinds + evidence.guess, minlength=len(parts.names) * kinds)
    guessed = counts.reshape(len(parts.names), kinds) @ inside / np.maximum(parts.sizes, 1)[:, None]
    overall = short.sum(axis=0) / answered.sum()
    own = short / np.maximum(answered, 1)[:, None]
    trust = (answered / (answered + STEADY))[:, None] if len(parts.names) > 1 else 1.0
    return np.asarray(guessed + trust * own + (1 - trust) * overall)


def _cell(name: str | None, rows: int, drawn: int, estimate: float, low: int, high: int) -> Cell:
    if not rows:
        return Cell(name, rows, drawn, None, None, None)
    bounds = (low / rows, high / rows)
    share = None if np.isnan(estimate) else float(np.clip(estimate, *bounds))
    return Cell(name, rows, drawn, share, *bounds)
