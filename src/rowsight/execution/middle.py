"""The model between proxy and oracle in a run: who may ask for one, its road, its answers as evidence, its prices.

The cascade decides what is asked of it (``execution.cascade.middle``); its answers are never a row's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rowsight.calls.endpoints import prices
from rowsight.calls.request import Usage
from rowsight.core.errors import InputError
from rowsight.execution.asking import ask_each
from rowsight.execution.report import ModelReport
from rowsight.plan.nodes import Ask, Figure, Themes, walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rowsight.calls.gateway import Gateway
    from rowsight.execution.asking import AllOf, Arguments, Inquiry, Told
    from rowsight.execution.options import RunOptions
    from rowsight.execution.report import Report
    from rowsight.plan.nodes import Node


def check_cascade(plan: Node, options: RunOptions) -> None:
    """Refuse a middle model where nothing is certified with it, or where nobody knows what it saves; before any call."""
    middle = options.middle
    if middle is None:
        return
    asks = [n for n in walk(plan) if isinstance(n, Ask)]
    demands = [ask.guarantee for ask in asks if ask.guarantee is not None and ask.guarantee.metrics]
    if any(isinstance(ask, (Figure, Themes)) for ask in asks):
        raise InputError("estimates and themes ask no model between proxy and model; leave cascade out")
    if not demands:
        raise InputError(
            "cascade serves certified answers, and no question here has a level; give one such as accuracy=0.95 or "
            "precision=0.9, recall=0.9, or leave cascade out"
        )
    if any(demand.best for demand in demands):
        raise InputError("cascade needs a level, such as recall=0.9; the best that a budget buys is asked without it")
    for name, options_of, words in ((options.model, options, "price"), (middle.model, middle, "cascade_price")):
        if None in prices(options_of):
            raise InputError(
                f"cascade is used where it saves money, and the price of {name!r} is unknown; give {words}_in and "
                f"{words}_out (dollars per million tokens), or prices in the endpoints file"
            )


class MiddleModel:
    """The middle model's side of a certified question: asks it, codes what it says, measures what a call costs."""

    def __init__(
        self, inquiry: Inquiry | AllOf, gateway: Gateway, options: RunOptions, code: Callable[[Any], float]
    ) -> None:
        middle = options.middle
        assert middle is not None
        self.name, self.inquiry = middle.model, inquiry
        self._gateway, self._code = gateway, code
        self._prices = [prices(one) for one in (options, middle)]
        self._used, self._answered = [Usage(), Usage()], [0, 0]
        self._told: list[list[float]] = []
        self._kept: list[list[float]] | None = None
        self._shares = options.rows_per_call > 1
        self._keys: dict[int, bytes] = {}

    async def said(self, rows: list[int], arguments: list[Arguments]) -> NDArray[np.float64]:
        """Ask about rows; return their answers and log-probabilities as ``AskMiddle`` wants them."""
        told = await ask_each(self.inquiry, arguments)
        self.count(told, place=1)
        if self._shares:
            self._keys |= {row: t.key for row, t in zip(rows, told, strict=True) if t.key is not None}
        return np.array([self._evidence(one) for one in told])

    def _evidence(self, told: Told) -> tuple[float, float]:
        if told.status == "asked":
            return float(self._code(told.value)), np.nan if told.logprob is None else told.logprob
        return (-np.inf if told.status == "skipped" else np.nan), np.nan

    def count(self, told: list[Told], place: int = 0) -> None:
        """Count the tokens of answers, by the oracle (0) or the middle model (1), into what a call costs."""
        for one in told:
            if one.usage is not None:
                self._used[place] += one.usage
                self._answered[place] += 1

    async def price(self, subject: bytes, name: str) -> list[float]:
        """Return what a call costs, the oracle's and the middle model's, in dollars: as it was told before, where it was.

        What is told is kept, durably, so that a run that goes on decides the same whatever prices it is given.
        """
        if self._kept is None:
            found = await self._gateway.kept(subject, name)
            self._kept = [] if found is None else found["prices"]
        place = len(self._told)
        if place == len(self._kept):
            self._kept = [*self._kept, self._measured()]
            await self._gateway.keep(name, {"prices": self._kept})
        self._told.append(self._kept[place])
        return self._told[-1]

    def _measured(self) -> list[float]:
        """Return the mean cost of the answers so far; a model without any is expected to use as many tokens as the other."""
        found = []
        for place, (price_in, price_out) in enumerate(self._prices):
            by = place if self._answered[place] else 1 - place
            used, count = self._used[by], max(self._answered[by], 1)
            assert price_in is not None and price_out is not None  # noqa: PT018 - both were checked before the run
            found.append((used.prompt_tokens * price_in + used.completion_tokens * price_out) / 1e6 / count)
        return found

    def key(self, row: int, arguments: Arguments) -> bytes | None:
        """Return under which key the middle model answered about a row."""
        request = self.inquiry.request(arguments)
        return self._keys.get(row, None if request is None else request.key)


def reported(report: Report, oracle: Gateway, middle: Gateway) -> None:
    """Write into the report what each of the two models did."""
    rows = (report.total("asked"), report.total("helped"))
    for gateway, answered in zip((oracle, middle), rows, strict=True):
        tally = gateway.tally
        tokens = tally.usage.prompt_tokens, tally.usage.completion_tokens
        report.models[gateway.model] = ModelReport(answered, tally.calls, *tokens, tally.cost)
