"""The plan: a DAG of frozen nodes. ``Scan`` reads, relational nodes are SQL over their inputs, ``Ask`` asks the model.

Nodes are equal when their contents are; ``digest(node)`` names them. A node checks itself when it is made, so that a
plan that exists can run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rowsight.core.errors import ColumnError, InputError, nearest
from rowsight.plan.goal import Goal
from rowsight.plan.guarantee import Guarantee
from rowsight.plan.theming import Theming


@dataclass(frozen=True)
class Scan:
    """All rows of a source. ``source`` names it in the session, ``shown`` names it for people."""

    source: str
    available: tuple[str, ...]
    shown: str = field(default="", compare=False)
    read: tuple[str, ...] | None = None

    @property
    def inputs(self) -> tuple[Node, ...]:
        """Nothing stands below a scan."""
        return ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that come out: all, or those that the optimizer left."""
        return self.available if self.read is None else self.read


@dataclass(frozen=True)
class Where:
    """The rows for which a SQL predicate holds."""

    input: Node
    predicate: str
    uses: tuple[str, ...]

    def __post_init__(self) -> None:
        _known(self.uses, self.input.columns, f"where({self.predicate!r})")

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The node below."""
        return (self.input,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the input."""
        return self.input.columns


@dataclass(frozen=True)
class Project:
    """Some of the columns, in the order named."""

    input: Node
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        _known(self.columns, self.input.columns, "select")
        if not self.columns:
            raise InputError("select needs at least one column")

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The node below."""
        return (self.input,)


@dataclass(frozen=True)
class Limit:
    """The first ``count`` rows."""

    input: Node
    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise InputError(f"limit {self.count} is negative; give the number of rows")

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The node below."""
        return (self.input,)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the input."""
        return self.input.columns


@dataclass(frozen=True)
class Ask:
    """The input with a question's answer in column ``into`` and its row status in ``<into>_status``.

    ``drop``: keep only the rows answered yes. ``show``: let the two columns come out. ``question`` is an
    ``operators.Question``; the plan needs to know of it only its template. ``vectors``: a column that the proxy sees
    beside the words. ``follow`` names a question that is asked again as its table grows. ``capped``: without a level, a
    budget in money is a cap too, and buys no promise.
    """

    input: Node
    question: Any
    into: str
    drop: bool = False
    show: bool = True
    guarantee: Guarantee | None = None
    vectors: str | None = field(default=None, compare=False)
    follow: str | None = None
    capped: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        self.question.template.check(self.input.columns)
        if not self.into.strip():
            raise InputError("into is empty; name the column for the answers")
        if self.show:
            for name in self.added:
                if name in self.input.columns:
                    raise ColumnError(
                        f"the table has a column {name!r} already; choose another name for the answers with into"
                    )
        if self.guarantee and self.guarantee.by:
            _known((self.guarantee.by,), self.input.columns, "by")
        if self.vectors is not None:
            _known((self.vectors,), self.input.columns, "features")

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The node below."""
        return (self.input,)

    @property
    def added(self) -> tuple[str, str]:
        """The columns that the answers go to."""
        return self.into, f"{self.into}_status"

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it needs of its input."""
        further = (self.guarantee.by if self.guarantee else None, self.vectors)
        return (*self.question.template.columns, *(c for c in further if c))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that come out."""
        return (*self.input.columns, *self.added) if self.show else self.input.columns


@dataclass(frozen=True)
class Themes(Ask):
    """The input with the themes of every row: groups of like rows, found and named on the way. Its stage is its own.

    ``guarantee`` is always there: without a level it says the confidence of the shares.
    """

    theming: Theming = field(default_factory=Theming)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("by", "time"):
            if (column := getattr(self.theming, name)) is not None:
                _known((column,), self.input.columns, name)

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it needs of its input."""
        groups = (c for c in (self.theming.by, self.theming.time) if c is not None)
        return (*super().reads, *groups)


@dataclass(frozen=True)
class Figure(Ask):
    """A figure of a question's answers in place of the answers: one row, or one for each group of the goal's column.

    ``guarantee`` is a ``Goal``. Columns: the group's, then ``value``, ``low``, ``high``, ``rows`` and ``asked``.
    """

    @property
    def goal(self) -> Goal:
        """What is sought."""
        if not isinstance(self.guarantee, Goal):
            raise TypeError("a figure needs a goal")
        return self.guarantee

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that come out."""
        return (*(() if self.goal.by is None else (self.goal.by,)), *FIGURE_COLUMNS)


FIGURE_COLUMNS = ("value", "low", "high", "rows", "asked")
Node = Scan | Where | Project | Limit | Ask


def walk(node: Node) -> Iterator[Node]:
    """Yield the nodes of a plan, inputs first, each once."""
    seen: list[Node] = []

    def visit(one: Node) -> Iterator[Node]:
        for below in one.inputs:
            yield from visit(below)
        if one not in seen:
            seen.append(one)
            yield one

    yield from visit(node)


def _known(names: tuple[str, ...], available: tuple[str, ...], where: str) -> None:
    for name in names:
        if name not in available:
            raise ColumnError(
                f"{where} names the column {name!r}, which the table doesn't have{nearest(name, available)}"
            )
