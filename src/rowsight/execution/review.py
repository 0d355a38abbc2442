"""A random sample of a result's answers, frozen, and written to a sheet for people to fill in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa

from rowsight.core.errors import ColumnError, InputError, OutputError, nearest
from rowsight.core.identity import digest
from rowsight.core.numbers import check_number, check_whole
from rowsight.core.replacing import replacing
from rowsight.engines.arrow import as_text, python_values
from rowsight.engines.sheets import cell_text, check_sheet, steady, write_sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rowsight.execution.report import Report

FORMAT = "rowsight-review/2"
ROW, REVIEW, QUESTION, ANSWER, YOURS = "rowsight_row", "rowsight_review", "question", "answer", "your_answer"
OWN_COLUMNS = (ROW, REVIEW, QUESTION, ANSWER, YOURS)
ANSWERED = ("asked", "proxied")
_LISTED = 30
"""Most labels that the sheet lists beside the question."""
Kind = Literal["yes or no", "label", "number", "judged"]


@dataclass(frozen=True)
class Asked:
    """What is under review: the question and the column of its answers (``None``: all rows are those kept by a filter)."""

    run: str
    question: str
    operator: str
    into: str | None


@dataclass(frozen=True)
class Review:
    """What was frozen when the sample was drawn. One entry a row drawn, in the order of the draw, in every list.

    ``positions``: in the result, from 0. ``answers``: the final answers as text. ``statuses``: asked or proxied, where
    that is known. ``shown``: a digest of each cell that the sheet shows of the row. ``labels``: every answer of a question
    for a label. ``parts``: how many of the ``rows`` answers are
    asked and proxied, and of a yes/no question yes and no.
    """

    id: str
    run: str
    question: str
    column: str | None
    kind: Kind
    rows: int
    parts: dict[str, int]
    seed: int
    attempt: int
    confidence: float
    within: float
    columns: tuple[str, ...]
    positions: tuple[int, ...]
    answers: tuple[str, ...]
    statuses: tuple[str, ...]
    shown: tuple[Sequence[str], ...]
    labels: tuple[str, ...]
    show_answers: bool
    path: str


def question_of(report: Report, into: str | None) -> Asked:
    """Return the question of a run that answers into ``into``, the last one where none is named."""
    names = [ask.into for ask in report.asks]
    if not names or (into is not None and into not in names):
        raise ColumnError(f"no question of this run answers into {into!r}{nearest(into or '', names)}")
    ask = report.asks[-1 if into is None else names.index(into)]
    return Asked(report.run, ask.question, ask.operator, ask.into)


@dataclass(frozen=True)
class ReviewOptions:
    """How a sample is drawn and shown: rows, seed, the tolerance of scores, the confidence, whether answers are shown."""

    count: int
    seed: int = 0
    within: float = 0.0
    confidence: float = 0.95
    show_answers: bool = False

    def __post_init__(self) -> None:
        check_whole("count", self.count, 200)
        check_number("confidence", self.confidence, 0.95)
        check_number("within", self.within, 0.5)
        if self.count < 1:
            raise InputError(f"a review of {self.count} rows shows nothing; give the number of rows, such as 200")
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence={self.confidence:g} is not between 0 and 1; give one such as 0.95")
        if not self.within >= 0:
            raise InputError(
                f"within={self.within:g} is negative; give the largest difference that counts as agreement"
            )


def drawn_for_review(table: pa.Table, asked: Asked, path: Path, state: Path, options: ReviewOptions) -> Review:
    """Draw answered rows of ``table``, freeze them in ``state``, and write the sheet ``path``."""
    check_sheet(path)
    answered = _answered(table, asked)
    order = np.random.default_rng([options.seed, len(answered.places)]).permutation(len(answered.places))
    chosen = answered.places[order[: options.count]]
    context = [n for n in table.column_names if n not in (answered.column, f"{answered.column}_status")]
    cells = _cells(table.take(pa.array(chosen)), context)
    review = Review(
        id="",
        run=asked.run,
        question=asked.question,
        column=answered.column,
        kind=answered.kind,
        rows=len(answered.places),
        parts=_parts(answered),
        seed=options.seed,
        attempt=0,
        confidence=options.confidence,
        within=options.within,
        columns=tuple(cells),
        positions=tuple(chosen.tolist()),
        answers=tuple(answered.answers[p] for p in chosen.tolist()),
        statuses=tuple(answered.statuses[p] for p in chosen.tolist()),
        shown=tuple([cell_digest(column[n]) for column in cells.values()] for n in range(len(chosen))),
        labels=_labels(answered),
        show_answers=options.show_answers or answered.kind == "judged",
        path=str(path),
    )
    name = digest({**asdict(review), "path": ""})[:16]
    review = replace(review, id=name, attempt=_attempt(state, name, review.run, review.column))
    write_sheet(path, _sheet(review, cells))
    _freeze(review, state)
    return review


@dataclass(frozen=True)
class _Answered:
    """The final answers of a table as text, their statuses ("" where unknown), and the places of the answered rows."""

    column: str | None
    kind: Kind
    answers: list[str]
    statuses: list[str]
    places: NDArray[np.int64]


def _answered(table: pa.Table, asked: Asked) -> _Answered:
    column = asked.into if asked.into in table.column_names else None
    if column is None and asked.operator != "filter":
        raise ColumnError(
            f"the table has no column {asked.into!r} with answers{nearest(asked.into or '', table.column_names)}"
        )
    statuses = _statuses(table, column)
    values = [True] * len(table) if column is None else table.column(column).to_pylist()
    rows = enumerate(zip(values, statuses, strict=True))
    places = [place for place, (value, status) in rows if value is not None and status in (*ANSWERED, "")]
    if not places:
        raise InputError("no row has an answer, so that there is nothing to review")
    kind = "yes or no" if column is None else _kind(table.schema.field(column).type, asked.operator)
    answers = ["yes" if v is True else "no" if v is False else as_text(v) or "" for v in values]
    return _Answered(column, kind, answers, statuses, np.array(places, np.int64))


def frozen_review(name: str, state: Path) -> Review:
    """Return the review that was frozen under a name; ``InputError`` where there is none or it was changed."""
    path = _folder(state) / f"{name}.json"
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"the review {name} is not known in {state}; audit with the state directory (--state) of its run"
        ) from error
    if body.pop("digest", None) != digest(body):
        raise InputError(f"{path} was changed after the sample was drawn; draw a new sample")
    if (form := body.pop("format", None)) != FORMAT:
        raise InputError(
            f"{path} has the form {form!r}, and this Rowsight reads {FORMAT!r}; move it away, and draw anew"
        )
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in body.items()}
    return Review(**fields)


def _statuses(table: pa.Table, column: str | None) -> list[str]:
    name = f"{column}_status"
    return table.column(name).to_pylist() if name in table.column_names else [""] * len(table)


def _kind(kind: pa.DataType, operator: str) -> Kind:
    if pa.types.is_boolean(kind):
        return "yes or no"
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return "number"
    return "label" if pa.types.is_string(kind) and operator == "classify" else "judged"


def cell_digest(cell: str) -> str:
    """Return the digest of what must not change in a cell."""
    return digest(steady(cell))[:16]


def _labels(answered: _Answered) -> tuple[str, ...]:
    return tuple(sorted({answered.answers[p] for p in answered.places.tolist()})) if answered.kind == "label" else ()


def _parts(answered: _Answered) -> dict[str, int]:
    """Count the answered rows by status, where all are known, and of a yes/no question by answer."""
    statuses = [answered.statuses[p] for p in answered.places.tolist()]
    parts = {} if "" in statuses else {name: statuses.count(name) for name in ANSWERED}
    if answered.kind == "yes or no":
        said = [answered.answers[p] for p in answered.places.tolist()]
        parts |= {name: said.count(name) for name in ("yes", "no")}
    return parts


def _cells(rows: pa.Table, names: Sequence[str]) -> dict[str, list[str]]:
    """Return what the sheet shows of the rows; a column named like one of the sheet's own gets another name."""
    shown = {name if name not in OWN_COLUMNS else f"{name}_": name for name in names}
    return {new: [cell_text(_plainly(v)) for v in python_values(rows.column(old))] for new, old in shown.items()}


def _plainly(value: Any) -> str:
    """Return a value as people read it: dates and times without the quotes of JSON."""
    return value.isoformat() if isinstance(value, (date, time)) else as_text(value) or ""


def _sheet(review: Review, cells: dict[str, list[str]]) -> dict[str, list[str]]:
    count = len(review.positions)
    sheet = {ROW: [str(n + 1) for n in range(count)], REVIEW: [review.id] * count, **cells}
    sheet[QUESTION] = [cell_text(f"{review.question} ({_how(review)})")] * count
    if review.show_answers:
        sheet[ANSWER] = [cell_text(answer) for answer in review.answers]
    return {**sheet, YOURS: [""] * count}


def _how(review: Review) -> str:
    return {
        "yes or no": "yes or no",
        "number": "a number",
        "label": f"one label: {', '.join(review.labels)}" if len(review.labels) <= _LISTED else "one label",
        "judged": "is the answer right? yes or no",
    }[review.kind]


def _folder(state: Path) -> Path:
    return state / "reviews"


def _attempt(state: Path, name: str, run: str, column: str | None) -> int:
    """Return the how-manieth sample of these answers this is; the same sample again is the same attempt."""
    others = []
    for path in sorted(_folder(state).glob("*.json")):
        found = frozen_review(path.stem, state)
        if found.id == name:
            return found.attempt
        others += [found.attempt] if (found.run, found.column) == (run, column) else []
    return max(others, default=0) + 1


def _freeze(review: Review, state: Path) -> None:
    body = json.loads(json.dumps({"format": FORMAT, **asdict(review)}))
    try:
        _folder(state).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{_folder(state)} can't be written: {error.strerror or error}") from error
    with replacing(_folder(state) / f"{review.id}.json") as file:
        file.write(json.dumps({**body, "digest": digest(body)}, ensure_ascii=False).encode())
