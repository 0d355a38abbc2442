"""classify: give every row one label of a list, or several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rowsight.core.errors import SchemaError
from rowsight.operators.base import Declaration, Parameter
from rowsight.plan.schema import Label


def _label_type(labels: Iterable[str] | Mapping[str, str], *, several: bool = False) -> Label:
    if isinstance(labels, str):
        raise SchemaError(f"labels is the text {labels!r}; give a list such as ['a', 'b']")
    if isinstance(labels, Mapping):
        return Label(tuple(labels), tuple((k, v) for k, v in labels.items() if v), several)
    return Label(tuple(labels), (), several)


CLASSIFY = Declaration(
    name="classify",
    summary="Give every row one label of a list, or every label that fits.",
    example="What is {text} about?",
    answer_type=_label_type,
    parameters=(
        Parameter("labels", "labels", "The labels: a list, or a mapping of label to description.", required=True),
        Parameter("several", "flag", "Allow any number of labels for a row."),
    ),
    metrics=("accuracy",),
)
