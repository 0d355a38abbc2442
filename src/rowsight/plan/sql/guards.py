"""When is a call's answer needed? The condition under which a row isn't decided before the call is reached.

Going up from the call to the expression it stands in, each AND, OR, CASE, IF and COALESCE adds what must hold of its
earlier parts. Where only truth counts (WHERE, HAVING, QUALIFY), AND needs its other side true; as a value, not false.
Parts without calls guard from either side, since they cost nothing.
"""

from __future__ import annotations

from sqlglot import exp

from rowsight.plan.sql.calls import known
from rowsight.plan.sql.walk import conjunction, has_lookup, lookups

_TRANSPARENT = (exp.Paren, exp.And, exp.Or)


def guard(node: exp.Expr, top: exp.Expr, *, truth: bool) -> list[exp.Expr]:
    """Return the conditions, each TRUE or FALSE, under which ``node``'s value can matter for ``top``.

    ``truth`` says that ``top`` counts only as TRUE or not TRUE.
    """
    found: list[exp.Expr] = []
    child = node
    while child is not top:
        parent = child.parent
        assert parent is not None
        found += _step(parent, child, truth=truth and _truth(parent, top))
        child = parent
    return found[::-1]


def decided(top: exp.Expr, *, truth: bool) -> list[exp.Expr]:
    """Return the conditions under which every call that matters for ``top`` has its answer."""
    parts: list[exp.Expr] = []
    for call in lookups(top):
        needed = conjunction(guard(call, top, truth=truth))
        there = known(call)
        parts.append(there if needed is None else exp.Or(this=exp.Not(this=exp.Paren(this=needed)), expression=there))
    return parts


def _truth(node: exp.Expr, top: exp.Expr) -> bool:
    """Say whether only the truth of ``node`` counts for ``top``."""
    while node is not top:
        if not isinstance(node, _TRANSPARENT):
            return False
        assert node.parent is not None
        node = node.parent
    return isinstance(node, _TRANSPARENT)


def _step(parent: exp.Expr, child: exp.Expr, *, truth: bool) -> list[exp.Expr]:  # noqa: PLR0911 - one case a construct
    match parent:
        case exp.And():
            return [true(p) if truth else _not_false(p) for p in _before(parent, child)]
        case exp.Or():
            return [_not_true(p) for p in _before(parent, child)]
        case exp.Case():
            return _case_default(parent) if child.arg_key == "default" else []
        case exp.If() if isinstance(parent.parent, exp.Case) and parent.arg_key == "ifs":
            return _case_branch(parent, child)
        case exp.If():
            return _if_branch(parent, child)
        case exp.Coalesce():
            earlier = [parent.this, *parent.expressions]
            place = next(i for i, e in enumerate(earlier) if e is child)
            return [exp.Is(this=_paren(e), expression=exp.Null()) for e in earlier[:place]]
    return []


def _before(parent: exp.Expr, child: exp.Expr) -> list[exp.Expr]:
    if child is parent.expression:
        return [parent.this]
    return [] if has_lookup(parent.expression) else [parent.expression]


def _conditions(case: exp.Case) -> list[exp.Expr]:
    operand = case.this
    whens = [branch.this for branch in case.args["ifs"]]
    return [w if operand is None else exp.EQ(this=_paren(operand), expression=_paren(w)) for w in whens]


def _case_default(case: exp.Case) -> list[exp.Expr]:
    return [_not_true(c) for c in _conditions(case)]


def _case_branch(branch: exp.If, child: exp.Expr) -> list[exp.Expr]:
    case = branch.parent
    assert isinstance(case, exp.Case)
    place = next(i for i, b in enumerate(case.args["ifs"]) if b is branch)
    conditions = _conditions(case)
    found = [_not_true(c) for c in conditions[:place]]
    return [*found, true(conditions[place])] if child.arg_key == "true" else found


def _if_branch(node: exp.If, child: exp.Expr) -> list[exp.Expr]:
    if child.arg_key == "true":
        return [true(node.this)]
    return [_not_true(node.this)] if child.arg_key == "false" else []


def _paren(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=node.copy())


def true(node: exp.Expr) -> exp.Expr:
    """Return the condition that ``node`` is TRUE, itself never NULL."""
    return exp.NullSafeEQ(this=_bool(node), expression=exp.true())


def _not_true(node: exp.Expr) -> exp.Expr:
    return exp.NullSafeNEQ(this=_bool(node), expression=exp.true())


def _not_false(node: exp.Expr) -> exp.Expr:
    return exp.NullSafeNEQ(this=_bool(node), expression=exp.false())


def _bool(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=exp.Cast(this=_paren(node), to=exp.DataType.build("BOOLEAN")))
