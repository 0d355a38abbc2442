"""filter: keep the rows whose answer is yes."""

from __future__ import annotations

from rowsight.operators.base import Declaration
from rowsight.plan.schema import Bool

FILTER = Declaration(
    name="filter",
    summary="Keep the rows for which the answer is yes.",
    example="Is {text} a complaint about delivery?",
    answer_type=Bool,
    metrics=("precision", "recall", "accuracy", "missed"),
    drops_rows=True,
)
