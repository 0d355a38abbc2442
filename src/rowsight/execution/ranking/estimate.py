"""What a ranking would cost at most, before anything is spent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rowsight.execution.estimate import CHARACTERS_PER_TOKEN, Estimate, estimated, population
from rowsight.execution.executor import has_ask
from rowsight.execution.ranking.windows import WINDOW
from rowsight.execution.summaries.tree import FENCE_TOKENS, PROMPT_TOKENS
from rowsight.guarantees.outside import allowance, draws_needed

if TYPE_CHECKING:
    from rowsight.engines.base import Relations
    from rowsight.plan.gathers import Rank
    from rowsight.plan.nodes import Node

_GRADE_TOKENS = 12
_PASSES = 3


def estimated_ranking(
    ask: Rank, plan: Node, relations: Relations, price_in: float | None, price_out: float | None
) -> Estimate:
    """Return the estimate of a ranking of an optimized ``plan``'s rows: the fewest rounds and the most."""
    from rowsight.execution.ranking.ranker import IDLE, most_graded  # noqa: PLC0415 - scipy loads on use

    source, _ = population(plan)
    columns = tuple(c for c in ask.template.columns if c in source.columns)
    rows, distinct, characters = (
        relations.profile(source, columns) if columns else (relations.count(source),) * 2 + (0,)
    )
    each = FENCE_TOKENS + characters / CHARACTERS_PER_TOKEN / max(1, distinct)
    window = max(1, min(WINDOW, int(ask.chunk_tokens // each)))
    most = min(distinct, most_graded(ask.k))
    least = min(distinct, (2 + IDLE) * WINDOW)
    ordered = min(distinct, ask.k + WINDOW // 2)
    orders = math.ceil(2 * max(0, ordered - window) / window) + 1 if ordered > 1 else 0
    sample = _sample(ask, rows) if ask.outside is not None else 0
    calls_low = math.ceil(least / window) + orders + sample
    calls = math.ceil(most / window) + _PASSES * orders + sample
    shown = (most + _PASSES * orders * window + sample) * each
    below = estimated(plan, relations, price_in, price_out) if has_ask(plan) else Estimate(rows, 0, 0, 0, 0, 0.0)
    prompt = below.prompt_tokens + round(shown) + calls * PROMPT_TOKENS
    completion = below.completion_tokens + (most + _PASSES * orders * window + sample) * _GRADE_TOKENS
    known = price_in is not None and price_out is not None
    money = (prompt * (price_in or 0.0) + completion * (price_out or 0.0)) / 1e6 if known else None
    total = relations.count(source)
    return Estimate(total, below.calls_low + calls_low, below.calls_high + calls, prompt, completion, money)


def _sample(ask: Rank, rows: int) -> int:
    outside = max(0, rows - ask.k)
    failure = (1 - ask.confidence) * 6 / math.pi**2
    return 1 + draws_needed(outside, allowance(outside, ask.outside or 0.0), failure)
