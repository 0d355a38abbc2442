"""score: give every row a number in a range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rowsight.core.errors import SchemaError
from rowsight.operators.base import Declaration, Parameter
from rowsight.plan.schema import Number


def _number_type(range: Sequence[float] = (0, 10)) -> Number:  # noqa: A002 - the public keyword
    bounds: list[Any] = list(range)
    if len(bounds) != 2 or not all(isinstance(b, (int, float)) and not isinstance(b, bool) for b in bounds):  # noqa: PLR2004
        raise SchemaError(f"the range {range!r} is not two numbers; give one such as (0, 10)")
    return Number(float(bounds[0]), float(bounds[1]))


SCORE = Declaration(
    name="score",
    summary="Give every row a number in a range.",
    example="How angry is the writer of {text}?",
    answer_type=_number_type,
    parameters=(Parameter("range", "range", "The lowest and the highest number, both included."),),
    metrics=("accuracy",),
)
