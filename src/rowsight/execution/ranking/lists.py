"""The first of a list of argument tuples: a query's ORDER BY by a ranking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa

from rowsight.execution.asking import Arguments, Told
from rowsight.execution.distinct import DistinctRows, numbered
from rowsight.execution.ranking.ranker import Ranked, Ranker
from rowsight.execution.ranking.windows import Windows
from rowsight.operators.rank import HIGHEST
from rowsight.plan.gathers import Rank
from rowsight.plan.nodes import Scan
from rowsight.plan.schema import Number

if TYPE_CHECKING:
    from rowsight.calls.gateway import Gateway
    from rowsight.execution.options import RunOptions
    from rowsight.operators import Question

UNCERTIFIED = "the first rows are those of a ranking (top_k => 'fast'): rows that were not graded may score higher"
_APART = 1e-9
_PIECE = 4096


async def first_of_list(
    question: Question, listed: Sequence[Arguments], k: int, gateway: Gateway, options: RunOptions
) -> dict[Arguments, Told]:
    """Return what each distinct tuple is told: a score on those of the first ``k``, falling in their order.

    The scores are the grades of these rows from the highest down, so that they agree with the order, moved into the
    question's range. Tuples that failed say so; the others are proxied, without a score.
    """
    columns = question.template.columns
    ask = Rank(Scan("list", columns), question.template, max(1, k))
    with TemporaryDirectory(prefix="rowsight-") as directory:
        rows = await DistinctRows.read(numbered(_batches(listed, columns)), columns, Path(directory), seed=options.seed)
        windows = Windows(ask, rows, gateway, options)
        ranked = await Ranker(ask, rows, windows).ranked()
        arguments = rows.arguments(range(rows.count))
    scores = _falling(ranked, question.answer)
    return {arguments[number]: _told(number, scores, windows) for number in range(rows.count)}


def _falling(ranked: Ranked, answer: object) -> dict[int, float]:
    low, high = (answer.low, answer.high) if isinstance(answer, Number) else (0.0, float(HIGHEST))
    grades = sorted((ranked.grades[n] for n in ranked.order), reverse=True)
    places = zip(ranked.order, grades, strict=True)
    return {n: low + (high - low) * grade / HIGHEST - _APART * place for place, (n, grade) in enumerate(places)}


def _told(number: int, scores: dict[int, float], windows: Windows) -> Told:
    heard = windows.status.get(number)
    if heard is None:
        return Told(None, "proxied")
    return Told(scores.get(number), heard.status, heard.key, heard.reason, heard.detail, heard.from_ledger)


def _batches(listed: Sequence[Arguments], columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(listed), _PIECE):
        arrays = [pa.array(v, pa.string()) for v in zip(*listed[start : start + _PIECE], strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, list(columns))
