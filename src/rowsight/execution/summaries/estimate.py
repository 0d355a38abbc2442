"""What a summary would cost, before anything is spent."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rowsight.core.blocking import blocking
from rowsight.execution.distinct import DistinctRows, numbered
from rowsight.execution.estimate import Estimate, estimated, population
from rowsight.execution.executor import BATCH_ROWS, has_ask
from rowsight.execution.summaries.planning import cost_of, grouped
from rowsight.execution.summaries.tree import Cost, Shape
from rowsight.plan.gathers import Summarize

if TYPE_CHECKING:
    from rowsight.engines.base import Relations
    from rowsight.plan.nodes import Node


def estimated_summary(
    ask: Summarize, plan: Node, relations: Relations, price_in: float | None, price_out: float | None, seed: int
) -> Estimate:
    """Return the estimate of a summary of an optimized ``plan``'s rows; the table is read once, no model is asked.

    Where questions stand below, all rows that they may be put to count as summarised: an upper end.
    """
    source, _ = population(plan)
    columns = tuple(c for c in ask.template.columns if c in source.columns)
    by = ask.by if ask.by in source.columns else None
    with TemporaryDirectory(prefix="rowsight-") as directory:
        pieces = numbered(relations.stream(source, columns, BATCH_ROWS))
        rows = blocking(DistinctRows.read(pieces, columns, Path(directory), by=by, seed=seed))
        cost = cost_of(rows, grouped(rows), Shape(ask.chunk_tokens, ask.sentences)) if columns else Cost()
    below = estimated(plan, relations, price_in, price_out) if has_ask(plan) else Estimate(rows.rows, 0, 0, 0, 0, 0.0)
    prompt, completion = (
        below.prompt_tokens + cost.prompt_tokens,
        below.completion_tokens + cost.completion_tokens,
    )
    known = price_in is not None and price_out is not None
    money = (prompt * (price_in or 0.0) + completion * (price_out or 0.0)) / 1e6 if known else None
    low = below.calls_low if has_ask(plan) else cost.calls
    return Estimate(rows.rows, low, below.calls_high + cost.calls, prompt, completion, money)
