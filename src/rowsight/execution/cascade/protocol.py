"""What a cascade and its driver say to each other.

A cascade is a generator: it yields requests (``Ask``, ``Freeze``, ``Note``) and is sent the replies. It does no I/O and
knows no model, so the same code runs against a model server, against recorded answers in the validity simulations, and
inside a resumed run. The driver (``execution``) answers requests through the one road that every call takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from rowsight.execution.cascade.earlier import Learnt

UNANSWERED = -1
"""The code of a row that the oracle could not answer (refused, failed): never mended, always counted against the budget."""
SKIPPED = -2
"""The code of a row that was not asked because the money ran out."""


class Rows(Protocol):
    """The rows of the table under the question, by position 0..count-1. Features come as sparse or dense rows."""

    @property
    def count(self) -> int:
        """Rows in the population (rows whose status is ``null`` are not part of it)."""

    def features(self, rows: NDArray[np.int64]) -> csr_matrix | NDArray[np.float32]:
        """Features of the given rows, in the given order; shape (len(rows), dimensions)."""

    def chunks(self) -> Iterator[tuple[int, csr_matrix | NDArray[np.float32]]]:
        """Features of all rows, in order, as (first row, features) pieces that fit in memory."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the oracle about these rows. The reply is an ``NDArray`` of answers in the same order.

    Answers are class codes >= 0 (int64) for filter (0 no, 1 yes) and classify, floats for score (NaN unanswered);
    ``UNANSWERED`` and ``SKIPPED`` stand for rows without an answer. Asking a row again costs nothing and gives the
    same answer. ``purpose`` is one of: uniform, active, certify, band, rest, estimate.
    """

    rows: NDArray[np.integer[Any]]
    purpose: str


@dataclass(frozen=True, slots=True)
class Afford:
    """Ask how many more rows the money left is about enough for. The reply is an ``NDArray`` of one whole number.

    Asked again in a run that goes on, it gets the same reply, so that the same rows are chosen.
    """


@dataclass(frozen=True, slots=True)
class AskMiddle:
    """Ask the middle model about these rows. The reply is a float ``NDArray`` of shape (rows, 2): answer, log-probability.

    Answers are coded as in ``Ask``; NaN where the middle model gave none, -inf where the money ran out. A log-probability
    is NaN where the server gave none. They are evidence for the proxy, never answers.
    """

    rows: NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Prices:
    """Ask what a call costs. The reply is an ``NDArray`` of two amounts: the oracle's and the middle model's.

    Asked again in a run that goes on, it gets the same replies, so that the same is decided.
    """


@dataclass(frozen=True, slots=True)
class Freeze:
    """Write this record durably before anything else is asked. The reply is ``None``.

    ``record`` is JSON-serialisable and holds all that a replay of the proof needs from before certification.
    """

    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Note:
    """Progress for people (`explain()`, the live line, the report's curve). The reply is ``None``.

    ``kind`` "promise": what could be promised if the run stopped here; its values are ``stage``, ``asked`` (rows) and
    ``promise`` (a level a metric).
    """

    kind: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """The cascade's result.

    answers: one per row, of the same kind as the replies to ``Ask``; asked: whether the row's answer is the oracle's
    (bool, N); certificate: the JSON-serialisable body of the certificate; summary: what ``explain()`` shows; helped: which
    rows the proxy answered with the middle model's answer before it (bool, N), ``None`` without a middle model; learnt: what
    a later version of the table can start from, where there may be one.
    """

    answers: NDArray[Any]
    asked: NDArray[np.bool_]
    certificate: dict[str, Any]
    summary: dict[str, Any] = field(default_factory=dict)
    helped: NDArray[np.bool_] | None = None
    learnt: Learnt | None = None


class Dry(Exception):  # noqa: N818 - a signal between a cascade's steps, not an error
    """The budget ran out, or the run was asked to stop: some rows came back skipped."""


if TYPE_CHECKING:
    Request = Ask | AskMiddle | Afford | Prices | Freeze | Note
    Steps = Generator[Request, NDArray[Any] | None, None]
    Cascade = Generator[Request, NDArray[Any] | None, Decision]
    Known = tuple[NDArray[np.int64], NDArray[Any]]
