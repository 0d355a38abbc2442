"""What a sample of the rows outside the first k says of all of them.

The scores are the model's answers to the ``score`` question about each row alone, the ones that a table asked whole would
have: grades of rows that stood together in a request are no fixed oracle.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from rowsight.core.identity import digest
from rowsight.execution.asking import ask_each
from rowsight.execution.certified import TableDigest
from rowsight.guarantees.draw import Draw, draw_key
from rowsight.guarantees.outside import allowance, draws_needed, most_above
from rowsight.operators import operator

if TYPE_CHECKING:
    from rowsight.execution.asking import Inquiry
    from rowsight.execution.distinct import DistinctRows
    from rowsight.execution.executor import Work
    from rowsight.plan.gathers import Rank


@dataclass(frozen=True)
class Outside:
    """What is proved of the rows outside the first k, as these stood when the sample was drawn.

    ``rows`` are outside, ``drawn`` of them were scored, ``above`` of those score above ``bar``, the score of the row that
    stood k-th (or could not be scored). ``at_most`` rows outside score above it, with probability ``confidence``.
    ``share`` was demanded; ``certified`` says whether ``at_most`` keeps it.
    """

    rows: int
    drawn: int
    above: int
    bar: float | None
    at_most: int
    share: float
    confidence: float
    attempt: int
    certified: bool

    @property
    def statement(self) -> str:
        """The promise in one sentence, and what it doesn't promise."""
        if self.bar is None:
            return "Not certified: the row in the k-th place could not be scored."
        reached = f"{self.at_most:,} of the {self.rows:,} rows outside ({100 * self.at_most / max(1, self.rows):.3g}%)"
        said = f"at most {reached} score above {self.bar:g}, the score of the k-th row"
        chance = f"the chance that this is false is at most {1 - self.confidence:.3g}"
        wanted = "" if self.certified else f"Not certified for {100 * self.share:g}%; proved: "
        return f"{wanted}{said}; {chance}. That none does is not certified: no sample can show it."

    def as_dict(self) -> dict[str, Any]:
        """Return the figures and the statement."""
        return {**asdict(self), "statement": self.statement}


async def certified_outside(
    ask: Rank, rows: DistinctRows, order: list[int], work: Work
) -> tuple[Outside, dict[int, float]]:
    """Score a uniform sample of the rows outside ``order``; return what it proves, and the scores above the bar by row."""
    assert ask.outside is not None
    inquiry = work.inquiry(operator("score").question(ask.template.source, range=(0, 10)))
    outside = np.flatnonzero((rows.number_of_row >= 0) & ~np.isin(rows.number_of_row, order))
    (bar,) = await _scores(inquiry, rows, order[-1:])
    attempt = await _attempt(ask, rows, order, inquiry, work)
    failure = (1 - ask.confidence) * 6 / (math.pi**2 * attempt**2)
    most = allowance(len(outside), ask.outside)
    wanted = draws_needed(len(outside), most, failure) if bar is not None else 0
    name = digest([order, float(ask.outside), ask.confidence])
    places = Draw(draw_key(work.options.seed, attempt, name, "outside"), len(outside)).take(wanted)
    drawn = rows.number_of_row[outside[places]].tolist()
    scores = await _scores(inquiry, rows, drawn)
    above = sum(bar is None or s is None or s > bar for s in scores)
    at_most = most_above(len(outside), wanted, above, failure)
    proved = Outside(
        len(outside),
        wanted,
        above,
        bar,
        at_most,
        ask.outside,
        ask.confidence,
        attempt,
        bar is not None and at_most <= most,
    )
    better = {n: s for n, s in zip(drawn, scores, strict=True) if bar is not None and s is not None and s > bar}
    return proved, better


async def _scores(inquiry: Inquiry, rows: DistinctRows, numbers: list[int]) -> list[float | None]:
    told = await ask_each(inquiry, rows.arguments(numbers), alone=True)  # they are drawn: no row may lean on another
    return [t.value if t.status == "asked" else None for t in told]


async def _attempt(ask: Rank, rows: DistinctRows, order: list[int], inquiry: Inquiry, work: Work) -> int:
    """Return which attempt at this table and question this is: the same ranking has the same one, whenever it is run."""
    read = TableDigest()
    for arguments in rows.every():
        read.update([pa.array(column, pa.string()) for column in zip(*arguments, strict=True)])
    subject = hashlib.sha256(b"outside" + read.digest() + inquiry.identity.encode()).digest()
    name = (
        f"outside:{digest([order, ask.k, float(ask.outside or 0), ask.confidence, work.options.seed])}:{subject.hex()}"
    )
    kept = await work.gateway.kept(subject, name)
    if kept is None:
        kept = {"number": await work.gateway.next_attempt(subject)}
        await work.gateway.keep(name, kept)
    return int(kept["number"])
