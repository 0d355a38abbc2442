"""What stands above a plan: it takes all rows of the plan and yields something else than rows with answers.

A ``Node`` yields the rows of its input, fewer or with more columns, and a question of it is asked row by row. A
``Summarize`` or a ``Rank`` reads the rows together, so that it has no row status, no place below a question, and is never
part of another plan: its result is a table of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from rowsight.core.errors import ColumnError, InputError, nearest
from rowsight.plan.nodes import Node
from rowsight.plan.template import Template

CHUNK_TOKENS = 8000
"""Tokens of rows in one request, where nothing else is asked for: most models' windows are several times as wide."""
_LEAST_CHUNK = 200


@dataclass(frozen=True)
class Summarize:
    """A summary of the rows of ``input``, one for each value of ``by``.

    ``key`` names the column that citations are shown by (``None``: the position in the input); ``sentences`` bounds a
    summary; ``chunk_tokens`` the rows of one request.
    """

    input: Node
    template: Template
    by: str | None = None
    key: str | None = None
    sentences: int = 8
    chunk_tokens: int = CHUNK_TOKENS

    def __post_init__(self) -> None:
        self.template.check(self.input.columns)
        for name, column in (("by", self.by), ("key", self.key)):
            if column is not None and column not in self.input.columns:
                raise ColumnError(
                    f"{name} names the column {column!r}, which the table doesn't have{nearest(column, self.input.columns)}"
                )
        if self.sentences < 1:
            raise InputError(
                f"a summary of {self.sentences} sentences says nothing; give the most it may have, such as 8"
            )
        _wide_enough(self.chunk_tokens)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it reads."""
        extra = [c for c in (self.by, self.key) if c is not None]
        return tuple(dict.fromkeys([*self.template.columns, *extra]))


@dataclass(frozen=True)
class Rank:
    """The ``k`` rows of ``input`` that come first by a question, in order, with columns ``into`` and ``<into>_score``.

    ``outside``: certify that at most this share of the other rows scores above the k-th; ``confidence`` of that.
    """

    input: Node
    template: Template
    k: int = 10
    into: str = "rank"
    outside: float | None = None
    confidence: float = 0.95
    chunk_tokens: int = CHUNK_TOKENS

    def __post_init__(self) -> None:
        self.template.check(self.input.columns)
        if self.k < 1:
            raise InputError(f"the first {self.k} rows are none; give k, the number of rows wanted, such as 10")
        for name in self.added:
            if name in self.input.columns:
                raise ColumnError(f"the table has a column {name!r} already; choose another name with into")
        for name, share in (("outside", self.outside), ("confidence", self.confidence)):
            if share is not None and not 0 < share < 1:
                raise InputError(f"{name}={share:g} is no share between 0 and 1; give one such as 0.01")
        _wide_enough(self.chunk_tokens)

    @property
    def added(self) -> tuple[str, str]:
        """The columns that ranks and scores go to."""
        return self.into, f"{self.into}_score"


Gather = Summarize | Rank


def _wide_enough(tokens: int) -> None:
    if tokens < _LEAST_CHUNK:
        raise InputError(f"chunk_tokens={tokens} holds hardly a row; give {_LEAST_CHUNK} or more")
