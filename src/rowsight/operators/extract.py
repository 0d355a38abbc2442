"""extract: read typed fields out of every row."""

from __future__ import annotations

from typing import Any

from rowsight.core.errors import SchemaError
from rowsight.operators.base import Declaration, Parameter
from rowsight.plan.schema import Struct, struct_of_fields
from rowsight.plan.validation import validator_for


def _struct_type(fields: Any) -> Struct:
    if hasattr(fields, "model_json_schema"):
        return _checked(Struct.of(fields.model_json_schema()))
    if not isinstance(fields, dict):
        raise SchemaError(
            f"extract takes a pydantic model, a dict of types or a JSON Schema; got {type(fields).__name__}"
        )
    if not fields:
        raise SchemaError("extract needs at least one field, such as {'amount': float}")
    is_schema = (
        "$schema" in fields or "$ref" in fields or (isinstance(fields.get("type"), str) and "properties" in fields)
    )
    return _checked(Struct.of(fields) if is_schema else struct_of_fields(fields))


def _checked(struct: Struct) -> Struct:
    validator_for(struct.schema)
    return struct


EXTRACT = Declaration(
    name="extract",
    summary="Read typed fields out of every row.",
    example="Which order number and amount does {text} name?",
    answer_type=_struct_type,
    parameters=(
        Parameter(
            "fields",
            "fields",
            "A pydantic model, a dict of types, or the JSON Schema of an object.",
            required=True,
        ),
    ),
    max_tokens=4096,
)
