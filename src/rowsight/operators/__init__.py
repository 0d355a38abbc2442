"""The operators: one declaration a file, and the tuple that lists them all."""

from __future__ import annotations

from rowsight.operators.base import Conjunction, Declaration, Parameter, Question
from rowsight.operators.classify import CLASSIFY
from rowsight.operators.complete import COMPLETE
from rowsight.operators.extract import EXTRACT
from rowsight.operators.filter import FILTER
from rowsight.operators.score import SCORE

OPERATORS: tuple[Declaration, ...] = (FILTER, CLASSIFY, EXTRACT, SCORE, COMPLETE)


def operator(name: str) -> Declaration:
    """Return the declaration of the operator ``name``."""
    return next(o for o in OPERATORS if o.name == name)


__all__ = ["OPERATORS", "Conjunction", "Declaration", "Parameter", "Question", "operator"]
