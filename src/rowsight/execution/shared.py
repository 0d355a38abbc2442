"""One question over rows that share requests (``rows_per_call``): short rows go together, the others and the lost alone."""

from __future__ import annotations

from collections.abc import Sequence

from rowsight.calls.gateway import Delivery, Gateway
from rowsight.calls.request import Failure, RequestTemplate
from rowsight.calls.sharing import LONGEST_SHARED, Sharer, Sharing
from rowsight.execution.asking import Arguments, Inquiry, Told
from rowsight.execution.options import RunOptions
from rowsight.operators import Question

_THE_ROWS = frozenset({"invalid_answer", "too_long", "content_filter", "refused"})
"""Reasons that may lie with one row of a request, or with their being together: each row is asked alone then."""


def inquiry_for(question: Question, gateway: Gateway, options: RunOptions, *, logprobs: bool = False) -> Inquiry:
    """Return a question on a road, its rows sharing requests where the options say so.

    ``logprobs``: ask for the answers' log-probabilities, where a request is about one row.
    """
    tokens, cut, most = options.max_tokens, options.truncate, options.rows_per_call
    if most > 1:
        return SharedInquiry(question, gateway, rows_per_call=most, max_tokens=tokens, truncate=cut)
    return Inquiry(question, gateway, max_tokens=tokens, truncate=cut, logprobs=logprobs)


class SharedInquiry(Inquiry):
    """An ``Inquiry`` that puts up to ``rows_per_call`` rows into a request.

    What was answered about a row alone serves here too; what was answered in company never serves a row that is to be
    asked alone.
    """

    def __init__(
        self,
        question: Question,
        gateway: Gateway,
        *,
        rows_per_call: int,
        max_tokens: int | None = None,
        truncate: bool = False,
    ) -> None:
        super().__init__(question, gateway, max_tokens=max_tokens, truncate=truncate)
        sampling = self.requests.sampling
        self._named = RequestTemplate(gateway.model, question.shared_system, question.answer.schema, sampling)
        self._sharing = Sharing(question, gateway, sampling, self.check, rows_per_call)

    async def ask(self, distinct: Sequence[Arguments], *, alone: bool = False) -> list[Told]:
        """Return what each of the distinct arguments is told, in order."""
        if alone:
            return await super().ask(distinct)
        told = await self._together(distinct)
        left = [i for i in range(len(distinct)) if i not in told]
        told |= dict(zip(left, await super().ask([distinct[i] for i in left]), strict=True))
        return [told[i] for i in range(len(distinct))]

    async def recorded(self, rows: Sequence[Arguments]) -> list[bool]:
        """Return for each argument tuple whether the ledger holds its answer, alone or in company."""
        sharers = [None if self.request(a) is None else self._sharer(a) for a in rows]
        found = await self.gateway.recorded([s.key for s in sharers if s is not None])
        single = await super().recorded(rows)
        return [one or (s is not None and s.key in found) for one, s in zip(single, sharers, strict=True)]

    async def _together(self, distinct: Sequence[Arguments]) -> dict[int, Told]:
        """Return what the rows are told that share requests, by place; those to be asked alone are left out."""
        requests = [self.request(a) for a in distinct]
        known = await self.gateway.recorded([r.key for r in requests if r is not None])
        places = [
            i for i, r in enumerate(requests) if r is not None and r.key not in known and len(r.user) <= LONGEST_SHARED
        ]
        sharers = [self._sharer(distinct[i]) for i in places]
        deliveries = await self._sharing.ask(sharers)
        return {
            i: self.told(sharer.request, delivery)
            for i, sharer, delivery in zip(places, sharers, deliveries, strict=True)
            if not _to_be_asked_alone(delivery)
        }

    def _sharer(self, arguments: Arguments) -> Sharer:
        values = tuple(a or "" for a in arguments)
        return Sharer(self._named.request(self.question.template.fence(values)), values)


def _to_be_asked_alone(delivery: Delivery) -> bool:
    return isinstance(delivery.outcome, Failure) and delivery.outcome.reason in _THE_ROWS
