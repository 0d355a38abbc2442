"""What a filled sheet proves: how many of a result's answers people agree with, the model's own and the proxy's."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from fractions import Fraction
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rowsight.core.errors import ColumnError, InputError, nearest
from rowsight.engines.sheets import NO, YES, Cells, cell_text, read_sheet, steady
from rowsight.execution.review import ANSWER, REVIEW, ROW, YOURS, Review, cell_digest, frozen_review
from rowsight.guarantees.agreement import UNFILLED, Agreement, agreement
from rowsight.guarantees.certify import attempt_share

_WHOLE_SHARE = 0.5
"""Share of the failure probability that the statement about all answers has; the parts divide the rest."""


@dataclass(frozen=True)
class Audit:
    """How far people agree with the final answers. All intervals hold at once, at any moment of filling in.

    ``answers``: all final answers. ``parts``: those that the model gave (``asked``), those that the proxy gave
    (``proxied``), where the result tells them apart; of a yes/no question also ``yes`` and ``no``. ``differing``: the
    reviewed rows on which people disagree. ``missing``: rows of the sample (from 1) that the sheet no longer has.
    """

    review: Review
    answers: Agreement
    parts: dict[str, Agreement]
    differing: pa.Table
    missing: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def model(self) -> Agreement | None:
        """How far people agree with the model itself, on rows that it was asked about; ``None`` where unknown."""
        return self.parts.get("asked")

    @property
    def statement(self) -> str:
        """The promise in one English sentence."""
        one = self.answers
        return (
            f"Over these {one.rows:,} final answers, between {one.low:.1%} and {one.high:.1%} are what people would say "
            f"({_counted(one)}); the chance that this is wrong is at most "
            f"{1 - self.review.confidence:.3g}."
        )

    def lines(self) -> list[str]:
        """Return the statement, and a line for each part."""
        names = {
            "asked": "the model's own answers",
            "proxied": "the proxy's answers",
            "yes": "rows answered yes",
            "no": "rows answered no",
        }
        shown = [self.statement]
        for name, part in self.parts.items():
            ends = f"{part.low:.1%} to {part.high:.1%}"
            shown.append(f"  {names[name]} ({part.rows:,}): people agree with {ends} ({_counted(part)})")
        return [*shown, *self.notes]

    def as_dict(self) -> dict[str, Any]:
        """Return the audit as JSON can hold it."""
        return {
            "review": self.review.id,
            "run": self.review.run,
            "question": self.review.question,
            "confidence": self.review.confidence,
            "attempt": self.review.attempt,
            "answers": asdict(self.answers),
            "parts": {name: asdict(part) for name, part in self.parts.items()},
            "missing": list(self.missing),
            "notes": list(self.notes),
            "statement": self.statement,
        }


def audited(path: Path, state: Path) -> Audit:
    """Audit the sheet ``path`` against what was frozen in ``state`` when its sample was drawn.

    A sheet whose rows were changed, doubled or come from elsewhere is refused with the row named; a row that was removed
    counts as one that isn't filled in.
    """
    cells = read_sheet(path)
    review = frozen_review(_name(cells, path), state)
    given, lines = _given(cells, review, path)
    outcomes = np.array([_outcome(review, number, text, path) for number, text in enumerate(given)], np.int64)
    failure = attempt_share(float(1 - Fraction(repr(review.confidence))), review.attempt)
    whole = agreement(outcomes, review.rows, len(outcomes), failure * _WHOLE_SHARE)
    each = failure * (1 - _WHOLE_SHARE) / max(len(review.parts), 1)
    parts = {name: _part(review, outcomes, name, size, each) for name, size in review.parts.items()}
    missing = tuple(n + 1 for n in range(len(given)) if n not in lines)
    notes = [f"rows {_list(missing)} were removed from the sheet; they count as not agreed with"] if missing else []
    notes += _unknown_labels(review, given)
    return Audit(review, whole, parts, _differing(cells, review, outcomes, given, lines), missing, tuple(notes))


def _counted(one: Agreement) -> str:
    """Return what became of the rows drawn, in a few words."""
    empty = f", {one.unfilled:,} not filled in" if one.unfilled else ""
    drawn = one.reviewed + one.unfilled
    return f"of {drawn:,} drawn {one.reviewed - one.wrong:,} agreed with{empty}" if drawn else "none drawn"


def _name(cells: Cells, path: Path) -> str:
    for column in (ROW, REVIEW, YOURS):
        if column not in cells:
            raise ColumnError(
                f"{path} has no column {column!r}; give the sheet of sample_for_review, filled in{nearest(column, cells)}"
            )
    if not cells[ROW]:
        raise InputError(f"{path} has no rows left; give the sheet of sample_for_review, filled in")
    if None in cells[REVIEW]:
        line = cells[REVIEW].index(None)
        raise InputError(f"{path}, line {line + 2}: the cell {REVIEW} is empty; restore it, or remove the row")
    names = sorted({str(name) for name in cells[REVIEW]})
    if len(names) != 1:
        raise InputError(f"{path} holds rows of {len(names)} reviews ({', '.join(names[:3])}); audit them one by one")
    return names[0]


def _given(cells: Cells, review: Review, path: Path) -> tuple[list[str | None], dict[int, int]]:
    """Return people's answers in the order of the draw, and the sheet's line of each row that it still has."""
    given: list[str | None] = [None] * len(review.positions)
    lines: dict[int, int] = {}
    for name in review.columns:
        if name not in cells:
            raise ColumnError(f"{path} lost its column {name!r}; the sheet must show what was reviewed")
    for line, label in enumerate(cells[ROW]):
        number = _row_number(label)
        if not 0 <= number < len(given):
            raise InputError(f"{path}, line {line + 2}: there is no row {label!r} in this review")
        if number in lines:
            raise InputError(
                f"{path}, line {line + 2}: row {label} stands there twice (line {lines[number] + 2}); keep one"
            )
        _check_unchanged(cells, review, number, line, path)
        lines[number], given[number] = line, cells[YOURS][line]
    return given, lines


def _row_number(label: str | None) -> int:
    """Return which row of the sample a cell names, from 0; -1 where it names none."""
    number = steady(label or "")
    return int(number) - 1 if number.isdecimal() else -1


def _check_unchanged(cells: Cells, review: Review, number: int, line: int, path: Path) -> None:
    for name, drawn in zip(review.columns, review.shown[number], strict=True):
        if cell_digest(cells[name][line] or "") != drawn:
            raise InputError(
                f"{path}, line {line + 2}: row {number + 1} no longer shows what was drawn in its column {name!r}; restore "
                f"the cell, and change {YOURS} alone"
            )
    if review.show_answers and steady(cells.get(ANSWER, [None] * (line + 1))[line] or "") != steady(
        cell_text(review.answers[number])
    ):
        raise InputError(
            f"{path}, line {line + 2}: row {number + 1} shows another answer than the one drawn; restore it"
        )


def _outcome(review: Review, number: int, text: str | None, path: Path) -> int:
    """Return 1 where people disagree with a row's answer, 0 where they agree, ``UNFILLED`` where they said nothing."""
    said = (text or "").strip()
    if not said:
        return UNFILLED
    answer = review.answers[number]
    if review.kind == "number":
        return int(not abs(_number(said, number, path) - float(answer)) <= review.within)
    if review.kind == "label":
        return int(said.casefold() != cell_text(answer).strip().casefold())
    word = said.casefold()
    if word not in YES | NO:
        raise InputError(
            f"{path}: row {number + 1} says {said!r} in {YOURS}, which is neither yes nor no; write one of them, or "
            "leave the cell empty"
        )
    return int((word in YES) != (answer == "yes" if review.kind == "yes or no" else True))


def _unknown_labels(review: Review, given: list[str | None]) -> list[str]:
    """Return a note where people wrote what is no label of any row: they disagree there, unless it is a slip of the pen."""
    known = {steady(cell_text(label)).casefold() for label in review.labels}
    strange = [n for n, said in enumerate(given) if review.labels and said and steady(said).casefold() not in known]
    if not strange:
        return []
    said, rows = (given[strange[0]] or "").strip(), _list(tuple(n + 1 for n in strange))
    hint = nearest(said, review.labels)
    return [f"no row has the label of rows {rows}, such as {said!r}{hint}; they count as not agreed with"]


def _number(said: str, number: int, path: Path) -> float:
    try:
        found = float(said.replace(",", ".") if "." not in said else said)
    except ValueError:
        found = nan
    if isfinite(found):
        return found
    raise InputError(
        f"{path}: row {number + 1} says {said!r} in {YOURS}, which is not a number; write one such as 7.5, or leave the cell "
        "empty"
    )


def _part(
    review: Review, outcomes: np.ndarray[Any, np.dtype[np.int64]], name: str, size: int, failure: float
) -> Agreement:
    of = review.answers if name in ("yes", "no") else review.statuses
    mine = outcomes[[one == name for one in of]]
    planned = max(len(mine), 1)
    return agreement(mine, size, planned, failure)


def _differing(
    cells: Cells,
    review: Review,
    outcomes: np.ndarray[Any, np.dtype[np.int64]],
    given: list[str | None],
    lines: dict[int, int],
) -> pa.Table:
    """Return the rows on which people disagree, with both answers."""
    rows = [n for n in np.flatnonzero(outcomes == 1).tolist() if n in lines]
    columns: dict[str, list[Any]] = {"row": [review.positions[n] for n in rows]}
    columns |= {name: [cells[name][lines[n]] for n in rows] for name in review.columns}
    columns |= {ANSWER: [review.answers[n] for n in rows], YOURS: [given[n] for n in rows]}
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _list(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return shown if len(numbers) <= 5 else f"{shown} and {len(numbers) - 5} more"  # noqa: PLR2004 - as many as one reads
