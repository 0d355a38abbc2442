"""What a plan would cost: rows, calls, tokens and money, before anything is spent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rowsight.engines.base import Relations
from rowsight.execution.executor import BATCH_ROWS, has_ask
from rowsight.plan.nodes import Ask, Figure, Limit, Node, Themes, walk

CHARACTERS_PER_TOKEN = 4.0
_FENCE_CHARACTERS = 24
_COMPLETION = {"bool": 8, "label": 12, "number": 8, "text": 120, "struct": 60}


@dataclass(frozen=True)
class Beside:
    """What a model between proxy and oracle would take at most, beside the rest: calls, and US dollars if known."""

    model: str
    calls: int
    cost: float | None


@dataclass(frozen=True)
class Estimate:
    """What a run would take at most.

    ``calls_low`` to ``calls_high`` is the range that the number of calls falls in; without a guarantee they are equal
    but for questions behind a filter. Tokens and ``cost`` (US dollars; ``None`` when a price is unknown) are of the
    upper end. Answers that the ledger holds already are not counted off. ``middle``: what a model between proxy and oracle
    may take beside, which is worth it where it saves more than that.
    """

    rows: int
    calls_low: int
    calls_high: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    middle: Beside | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as ``--dry-run --json`` prints it."""
        return {
            "rows": self.rows,
            "calls": self.calls_high,
            "calls_low": self.calls_low,
            "calls_high": self.calls_high,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cost": self.cost,
            **({} if self.middle is None else {"middle": asdict(self.middle)}),
        }

    def line(self) -> str:
        """Return the estimate in one line."""
        calls = (
            f"{self.calls_high:,}"
            if self.calls_low == self.calls_high
            else f"{self.calls_low:,} to {self.calls_high:,}"
        )
        cost = "cost unknown (no price given)" if self.cost is None else f"at most about ${self.cost:,.4f}"
        tokens = f"at most about {self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens"
        return f"{self.rows:,} rows, {calls} calls, {tokens}, {cost}{self._beside()}"

    def _beside(self) -> str:
        if self.middle is None:
            return ""
        cost = "" if self.middle.cost is None else f", about ${self.middle.cost:,.4f}"
        return f"; {self.middle.model} beside, where that saves money, at most {self.middle.calls:,} calls{cost}"

    def text(self) -> str:
        """Return the estimate for people."""
        return f"Estimate: {self.line()}"

    def __str__(self) -> str:
        return self.text()


def estimated(
    plan: Node,
    relations: Relations,
    price_in: float | None,
    price_out: float | None,
    rows_per_call: int = 1,
    middle: tuple[str, float | None, float | None] | None = None,
) -> Estimate:
    """Return the estimate of an optimized plan; the table is read once for each question, no model is asked.

    ``middle``: name and prices of a model between proxy and oracle.
    """
    asks = [n for n in walk(plan) if isinstance(n, Ask)]
    low = high = prompt = completion = 0
    for ask in asks:
        source, bound = population(ask.input)
        columns = tuple(c for c in ask.question.template.columns if c in source.columns)
        _, distinct, characters = (
            relations.profile(source, columns) if columns else (relations.count(source),) * 2 + (0,)
        )
        rows = min(distinct, bound) if bound is not None else distinct
        if isinstance(ask, Figure) and ask.goal.calls is not None:
            rows = min(rows, ask.goal.calls)
        if isinstance(ask, Themes) and not (ask.guarantee and ask.guarantee.metrics):
            least, rows = ask.theming.calls(rows)
            calls = rows
            low += 0 if source is not ask.input else least
        else:
            calls = _most(ask, rows, rows_per_call)
            low += _least(ask, rows, rows_per_call, behind=source is not ask.input)
        high += calls
        share = rows / distinct if distinct else 0.0
        words = len(ask.question.system) * calls + _FENCE_CHARACTERS * rows
        prompt += round((characters * share + words) / CHARACTERS_PER_TOKEN)
        completion += rows * _COMPLETION[ask.question.answer.kind]
    rows = relations.count(population(asks[0].input)[0]) if asks else relations.count(plan)
    cost = _cost(prompt, completion, price_in, price_out)
    beside = None if middle is None else Beside(middle[0], high, _cost(prompt, completion, *middle[1:]))
    return Estimate(rows, low, high, prompt, completion, cost, beside)


def _cost(prompt: int, completion: int, price_in: float | None, price_out: float | None) -> float | None:
    if price_in is None or price_out is None:
        return None
    return (prompt * price_in + completion * price_out) / 1e6


def population(node: Node) -> tuple[Node, int | None]:
    """Return the relational node whose rows ``node`` may yield, and a bound where a limit above it gives one."""
    bound: int | None = None
    while has_ask(node):
        if isinstance(node, Limit):
            bound = node.count if bound is None else min(bound, node.count)
        node = node.inputs[0]
    return node, bound


def _most(ask: Ask, rows: int, rows_per_call: int) -> int:
    """Return the requests that asking ``rows`` rows takes at most; under a guarantee each may be asked alone.

    Each batch ends with a request that may not be full.
    """
    if ask.guarantee is not None or rows_per_call == 1:
        return rows
    return min(rows, -(-rows // rows_per_call) + -(-rows // BATCH_ROWS))


def _least(ask: Ask, rows: int, rows_per_call: int, *, behind: bool) -> int:
    if behind:
        return 0
    if ask.guarantee is None:
        return -(-rows // rows_per_call)
    from rowsight.execution.cascade.forecast import fewest_calls, fewest_draws  # noqa: PLC0415 - scipy loads on use

    if isinstance(ask, Figure):
        return -(-fewest_draws(ask.goal, rows) // rows_per_call)
    return fewest_calls(ask.guarantee, rows, rows_per_call)
