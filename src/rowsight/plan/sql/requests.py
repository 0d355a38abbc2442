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
    """Decide rows under a guarantee, and let ``name`` say in SQL which stay, by the texts of their parts.

    ``population``: the rows, numbered in ``__row``, with their parts ``p0``, ``p1``, ... (``width`` of them), to be kept
    as ``table``. ``texts``: the parts that are arguments of calls. ``asks``: for each call, in the order in which calls
    decide a row, the SQL of its distinct arguments on the rows listed in table ``__wanted`` (column ``__row``).
    ``outcome``: SQL of ``__row``, ``holds``, ``decided``, ``lost`` for all rows. ``levels``: what is demanded.
    """

    name: str
    table: str
    population: str
    width: int
    texts: tuple[int, ...]
    asks: tuple[tuple[int, str], ...]
    outcome: str
    levels: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Total:
    """Estimate totals over the groups of rows from few calls, and let ``name`` say them in SQL.

    The rows are those of ``rows``, whose ``population`` has the group's ``keys`` in ``g0``, ... and the numbers that rows are
    weighed by in ``e0``, ... (``measures`` of them, NULL where a row doesn't count), beside the parts. Its ``outcome`` has
    the answer itself in ``holds``, a number in ``bounds``. ``name(which, keys...)`` is a figure as a number: ``which`` is
    the kind (count, share, avg, sum), the measure and v, l or h, as in ``sum 0 l``. ``demand``: how narrow, by name.
    """

    name: str
    rows: Certify
    keys: int
    measures: int
    averaged: tuple[int, ...]
    bounds: tuple[float, float]
    demand: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Top:
    """Find the ``most`` first rows of ``sql`` by call ``number``, highest first, and answer it on these alone."""

    number: int
    sql: str
    most: int


Request = Columns | Measure | Ask | Materialize | Certify | Top | Total
Planning = Generator[Request, Any, str]
Steps = Generator[Request, Any, None]
Giving = Generator[Request, Any, T]
