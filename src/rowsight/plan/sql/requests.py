"""What a query's plan asks of whoever runs it.

A plan is a generator, as a cascade is: it yields requests and is sent the replies, does no I/O and knows no model. It
returns the SQL that gives the result once every answer it needs is there.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a query's columns. The reply is a tuple of names, ``None`` where the query doesn't bind."""

    sql: str


@dataclass(frozen=True, slots=True)
class Measure:
    """A query of one row of numbers. The reply is that row."""

    sql: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask call ``number`` about the argument tuples of the rows of ``sql``, of which it has one column an argument.

    ``most``: no more than this many distinct tuples, ``None`` for all. ``sample``: they are to be drawn at random.
    ``why`` names the clause. The reply is the number of tuples that were not answered before.
    """

    number: int
    sql: str
    why: str
    most: int | None = None
    sample: bool = False


@dataclass(frozen=True, slots=True)
class Materialize:
    """Keep the rows of ``sql`` under ``name``, since running it twice could give other rows."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Certify:
    """Decide the rows of ``population`` under a guarantee, and keep the numbers of those that stay under ``name``.

    ``population`` is a table with the row's number in column ``__row``; ``asks`` are the calls of the predicate in the
    order in which they decide a row: (call, SQL of the arguments with ``__row`` first); ``outcome`` is the SQL of the
    numbers of the rows for which the predicate holds, of those rows that ``{rows}`` names.
    """

    name: str
    population: str
    asks: tuple[tuple[int, str], ...]
    outcome: str
    levels: tuple[tuple[str, float], ...]


Request = Columns | Measure | Ask | Materialize | Certify
Planning = Generator[Request, Any, str]
Steps = Generator[Request, Any, None]
Giving = Generator[Request, Any, T]
