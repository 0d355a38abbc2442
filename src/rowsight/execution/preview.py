"""A question tried on a small random sample, and two wordings compared on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rowsight.core.errors import InputError
from rowsight.execution.executor import has_ask
from rowsight.execution.rendering import as_html, as_text
from rowsight.plan.nodes import Ask, Node

if TYPE_CHECKING:
    from rowsight.execution.options import RunOptions
    from rowsight.execution.report import Report
    from rowsight.session import Session


@dataclass(frozen=True)
class Preview:
    """Sampled rows with a question's answer and status; ``yes`` is the share answered yes.

    ``into`` is the answers' column: ``answer``, or ``answer_2`` and so on where the table has one of that name.
    """

    question: str
    rows: pa.Table
    report: Report
    into: str = "answer"

    @property
    def yes(self) -> float | None:
        """Share of the judged rows answered yes, ``None`` when no row was judged."""
        share: float | None = pc.mean(self.rows.column(self.into).cast(pa.float64())).as_py()
        return share

    def __repr__(self) -> str:
        return f"<Preview of {self._said}>\n{as_text(self.rows)}"

    def _repr_html_(self) -> str:
        return as_html(self.rows, self._said)

    @property
    def _said(self) -> str:
        said = "no row was judged" if self.yes is None else f"{self.yes:.0%} yes"
        return f"{self.question!r}: {len(self.rows)} rows, {said}"


@dataclass(frozen=True)
class Difference:
    """Two wordings on the same rows. ``rows`` are those on which they disagree, with both answers."""

    first: Preview
    second: Preview

    @property
    def into(self) -> tuple[str, str]:
        """The columns of the two answers: ``answer`` and ``answer_2`` unless the table has such columns."""
        return self.first.into, free_name(self.first.rows.column_names)

    @property
    def judged(self) -> int:
        """How many rows have an answer to both wordings; of the others it isn't known whether they differ."""
        one, other = (found.rows.column(found.into) for found in (self.first, self.second))
        return int(pc.sum(pc.and_(one.is_valid(), other.is_valid())).as_py() or 0)

    @property
    def rows(self) -> pa.Table:
        """The rows on which the two wordings were answered differently, with both answers."""
        one, other = self.into
        both = self.first.rows.append_column(other, self.second.rows.column(self.second.into))
        return both.filter(pc.fill_null(pc.not_equal(both.column(one), both.column(other)), fill_value=False))

    def __repr__(self) -> str:
        return f"<Difference: {self._said}>\n{as_text(self.rows)}"

    def _repr_html_(self) -> str:
        return as_html(self.rows, self._said)

    @property
    def _said(self) -> str:
        return f"{len(self.rows)} of {self.judged} rows with both answers are answered differently"


def previewed(session: Session, plan: Node, questions: list[Any], n: int, options: RunOptions) -> Difference:
    """Ask ``questions`` (one or two) of the same ``n`` rows, drawn without replacement by the options' seed."""
    if n <= 0:
        raise InputError(f"a preview of {n} rows shows nothing; give the number of rows, such as 50")
    if has_ask(plan):
        raise InputError("preview samples a table that was not asked yet; preview first, then ask")
    sample = _sample(session, plan, n, options.seed)
    previews = [_answered(session, sample, question, options) for question in questions]
    return Difference(previews[0], previews[-1])


def _sample(session: Session, plan: Node, n: int, seed: int) -> pa.Table:
    with session.opened(plan) as relations:
        total = relations.count(plan)
        chosen = np.sort(np.random.default_rng(seed).choice(total, min(n, total), replace=False))
        pieces, start = [], 0
        for batch in relations.stream(plan, (), 8192):
            inside = chosen[(chosen >= start) & (chosen < start + batch.num_rows)] - start
            pieces.append(batch.take(pa.array(inside, pa.int64())))
            start += batch.num_rows
        return pa.Table.from_batches(pieces, relations.schema(plan))


def _answered(session: Session, sample: pa.Table, question: Any, options: RunOptions) -> Preview:
    ask = Ask(session.scan(sample), question, free_name(sample.column_names), drop=False)
    result = session.run(ask, options, spec={"command": "preview"})
    return Preview(question.template.source, result.to_arrow(), result.report, ask.into)


def free_name(taken: Sequence[str]) -> str:
    """Return ``answer``, or ``answer_2`` and so on: the first that is no column yet, nor is its status."""
    names = ("answer", *(f"answer_{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken and f"{name}_status" not in taken)
