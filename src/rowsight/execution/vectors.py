"""The column of vectors that a proxy sees beside the words (``features="embedding"``): read with a question, checked first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa

from rowsight.core.errors import ColumnError
from rowsight.plan.nodes import Ask, Node, Scan


def with_vectors(plan: Node, features: Any) -> Node:
    """Return ``plan`` with the column ``features`` read by every question under a guarantee; other features are none of it.

    Raises ``ColumnError`` where the question's input has no such column.
    """
    if not isinstance(features, str) or isinstance(plan, Scan):
        return plan
    below = with_vectors(plan.input, features)
    if isinstance(plan, Ask) and plan.guarantee is not None:
        return replace(plan, input=below, vectors=features)
    return replace(plan, input=below)


def check_vectors(name: str, kind: pa.DataType) -> None:
    """Raise ``ColumnError`` where the type of a column isn't that of vectors."""
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise ColumnError(f"features names the column {name!r}, which holds {kind}, not vectors (lists of numbers)")
