"""Constants in a query as Python values: labels, formats, levels."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from rowsight.plan.sql.place import Place, SqlError


def constant(node: exp.Expr, what: str, place: Place) -> Any:  # noqa: PLR0911 - one case a kind of constant
    """Return the value of a constant expression; ``SqlError`` naming ``what`` where it isn't constant."""
    match node:
        case exp.Literal():
            return node.this if node.is_string else _number(node.this)
        case exp.Boolean():
            return bool(node.this)
        case exp.Null():
            return None
        case exp.Paren():
            return constant(node.this, what, place)
        case exp.Neg():
            return -constant(node.this, what, place)
        case exp.Array() | exp.Tuple():
            return [constant(e, what, place) for e in node.expressions]
        case exp.Struct():
            return {_key(e): constant(e.expression, what, place) for e in node.expressions if _keyed(e, what, place)}
        case exp.Map() | exp.VarMap() | exp.ToMap():
            return _mapping(node, what, place)
    raise SqlError(f"{what} must be constants; {node.sql('duckdb')[:60]} is computed", place)


def _number(text: str) -> int | float:
    return int(text) if text.isdigit() else float(text)


def _keyed(node: exp.Expr, what: str, place: Place) -> bool:
    if not isinstance(node, (exp.PropertyEQ, exp.Slice)):
        raise SqlError(f"{what} must be written {{'name': value}}", place)
    return True


def _key(node: exp.Expr) -> str:
    return str(node.this.name)


def _mapping(node: exp.Expr, what: str, place: Place) -> dict[str, Any]:
    inner = node.this
    if isinstance(node, exp.ToMap) and isinstance(inner, exp.Struct):
        found: dict[str, Any] = constant(inner, what, place)
        return found
    keys, values = node.args.get("keys"), node.args.get("values")
    if keys is None or values is None:
        raise SqlError(f"{what} must be written {{'name': value}}", place)
    pairs = zip(constant(keys, what, place), constant(values, what, place), strict=False)
    return {str(k): v for k, v in pairs}
