"""The validator of an answer's JSON Schema, closed: it reads nothing but the schema itself.

A schema may come from a query that a model wrote, so a ``$ref`` to a file or an address is refused, not followed.
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from rowsight.core.errors import SchemaError


def _refused(uri: str) -> Any:
    raise ValueError(f"no schema is read from {uri}")


def validator_for(schema: dict[str, Any], mask: str | None = None) -> jsonschema_rs.Validator:
    """Return the validator of ``schema``; its complaints say ``mask`` in place of the values they are about.

    Raises ``SchemaError`` where ``schema`` isn't one or refers to anything outside it.
    """
    try:
        return jsonschema_rs.validator_for(schema, mask=mask, retriever=_refused)
    except ValueError as error:  # ValidationError is one
        raise SchemaError(f"not a valid JSON Schema: {_said(error)}") from error


def _said(error: ValueError) -> str:
    kind = getattr(error, "kind", None)
    outside = isinstance(kind, jsonschema_rs.ValidationErrorKind.Referencing)
    remedy = "; what it refers to must stand under $defs of the schema itself" if outside else ""
    return str(error).partition("\n")[0] + remedy
