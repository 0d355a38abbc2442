"""The models that a query asks, each behind the one road of its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from rowsight.calls.gateway import Gateway, open_gateway
from rowsight.core.errors import InputError
from rowsight.execution.asking import Arguments, Inquiry, Told
from rowsight.execution.executor import BATCH_ROWS
from rowsight.execution.options import RunOptions
from rowsight.execution.report import Report
from rowsight.execution.run import new_run_id
from rowsight.execution.shared import inquiry_for
from rowsight.execution.summaries.lists import summaries_of_lists
from rowsight.operators import Question


class Roads:
    """An oracle that asks models. The first is opened with the query's run; others when a call names them."""

    def __init__(self, options: RunOptions, state: Path, environment: Mapping[str, str], spec: dict[str, Any]) -> None:
        self.run = new_run_id()
        self.options = options
        self._state, self._environment, self._spec = state, environment, spec
        self._stack = AsyncExitStack()
        self._gateways: dict[str, Gateway] = {}
        self._notes: list[str] = []
        self._inquiries: dict[tuple[Question, str], Inquiry] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._stack.__aexit__(*details)  # type: ignore[arg-type]  # the three of any exit

    async def gateway(self, model: str | None) -> Gateway:
        """Return the road to a model, the connection's where ``model`` is ``None``."""
        name = model or self.options.model
        if name not in self._gateways:
            if self._gateways and self.options.budget is not None:
                known = ", ".join(self._gateways)
                raise InputError(f"a budget holds for one model; the query asks {known} and {name}: leave one out")
            run = self.run if not self._gateways else new_run_id()
            opened = open_gateway(
                replace(self.options, model=name), self._state, self._environment, run, self._spec, resuming=False
            )
            self._gateways[name] = await self._stack.enter_async_context(opened)
        return self._gateways[name]

    async def ask(self, question: Question, model: str | None, distinct: Sequence[Arguments]) -> list[Told]:
        """Return what each of the distinct argument tuples is told, in order."""
        if not distinct:
            return []
        if question.operator == "summarize":
            told, notes = await summaries_of_lists(question, distinct, await self.gateway(model), self.options)
            self._notes += notes
            return told
        inquiry, gateway = await self.inquiry(question, model), await self.gateway(model)
        batches: list[asyncio.Task[list[Told]]] = []
        try:
            for start in range(0, len(distinct), BATCH_ROWS):
                await gateway.room()
                batches.append(asyncio.create_task(inquiry.ask(distinct[start : start + BATCH_ROWS])))
            return [told for batch in await asyncio.gather(*batches) for told in batch]
        finally:
            for batch in batches:
                batch.cancel()
            await asyncio.gather(*batches, return_exceptions=True)

    async def first(
        self, question: Question, model: str | None, rows: Sequence[Arguments], k: int
    ) -> dict[Arguments, Told]:
        """Return what each distinct tuple of ``rows`` is told: a score that falls in order on the first k rows alone."""
        from rowsight.execution.ranking.lists import UNCERTIFIED, first_of_list  # noqa: PLC0415 - scipy loads on use

        told = await first_of_list(question, rows, k, await self.gateway(model), self.options)
        self._notes.append(UNCERTIFIED)
        return told

    async def inquiry(self, question: Question, model: str | None) -> Inquiry:
        """Return the question on its road."""
        key = (question, model or self.options.model)
        if key not in self._inquiries:
            self._inquiries[key] = inquiry_for(question, await self.gateway(model), self.options)
        return self._inquiries[key]

    async def finish(self, report: Report) -> None:
        """Count what the roads did into the report, and close their runs in the ledger."""
        report.run = self.run
        report.notes += self._notes
        for gateway in self._gateways.values():
            tally = gateway.tally
            report.calls, report.retries = report.calls + tally.calls, report.retries + tally.retries
            report.repairs += tally.repairs
            report.prompt_tokens += tally.usage.prompt_tokens
            report.completion_tokens += tally.usage.completion_tokens
            report.cached_tokens += tally.usage.cached_tokens
            report.cost = None if report.cost is None or tally.cost is None else report.cost + tally.cost
            report.note_truncated(tally.truncated)
            await gateway.end("budget" if report.budget_spent else "done", report.as_dict())
