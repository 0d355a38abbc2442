"""Requests about several rows: the form of one row's answer, and how answers about many go wrong."""

from __future__ import annotations

from collections.abc import Mapping

from rowsight.calls.simulated.answers import CannotAnswerError, Form


def form_of_one(whole: Form) -> Form:
    """Return the form of one row's answer out of that of all; ``CannotAnswerError`` where rows have none."""
    schema = whole.schema or {}
    one = next(iter(schema.get("properties", {}).values()), None)
    if one is None:
        raise CannotAnswerError("the answer's form has no member for a row")
    return Form({**one, "$defs": schema.get("$defs", {})})


def together(rows: Mapping[int, str]) -> str:
    """Return the rows' answers, JSON each, as one object."""
    return "{" + ",".join(f'"{number}":{text}' for number, text in rows.items()) + "}"


BROKEN = 4
"""Ways in which an answer about several rows breaks."""


def broken(rows: Mapping[int, str], variant: int) -> str:
    """Return the rows' answers with one left out, one said twice, one too many, or one of another kind."""
    last = max(rows, default=1)
    if variant == 0:
        return together({number: text for number, text in rows.items() if number != last})
    if variant == 1:
        return together(rows)[:-1] + f',"{last}":{rows.get(last, "null")}}}'
    if variant == 2:  # noqa: PLR2004 - the third way
        return together({**rows, last + 1: rows.get(last, "null")})
    return together({**rows, last: "[[]]"})
