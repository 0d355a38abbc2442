"""complete: write a text about every row."""

from __future__ import annotations

from rowsight.operators.base import Declaration
from rowsight.plan.schema import Text

COMPLETE = Declaration(
    name="complete",
    summary="Write a text about every row.",
    example="Write a one-line summary of {text}.",
    answer_type=Text,
    max_tokens=4096,
)
