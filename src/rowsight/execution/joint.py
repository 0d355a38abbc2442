"""A question about several rows at once, on the one road of all calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from rowsight.calls.answers import Checker
from rowsight.calls.gateway import Gateway
from rowsight.calls.request import Answer, Failure, RequestTemplate, Sampling
from rowsight.operators.together import Block, Together, sheet


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of one request: ``status`` is asked, failed or skipped; the value is ``None`` but for the first."""

    value: Any
    status: str
    key: bytes
    reason: str | None = None
    detail: str | None = None
    from_ledger: bool = False

    @property
    def too_long(self) -> bool:
        """Whether the request didn't fit into the model's window."""
        return self.reason == "too_long"


class Joint:
    """One ``Together`` question to one model: makes requests of blocks, sends them down the road, reads the answers."""

    def __init__(self, question: Together, gateway: Gateway, *, max_tokens: int | None = None) -> None:
        self.question, self._gateway = question, gateway
        sampling = Sampling(max_tokens=max_tokens or question.max_tokens)
        self._requests = RequestTemplate(gateway.model, question.system, question.schema, sampling)
        self._shape = Checker(question.schema)

    async def ask(self, blocks: Sequence[Block]) -> Heard:
        """Return what is said of ``blocks``; equal requests are paid once, now and ever."""
        ids = tuple(b.id for b in blocks)
        request = self._requests.request(sheet(blocks))

        def check(text: str) -> str:
            canonical = self._shape(text)
            self.question.read(orjson.loads(canonical), ids)
            return canonical

        (delivery,) = await self._gateway.ask_many([request], check)
        match delivery.outcome:
            case Answer(text=text):
                value = self.question.read(orjson.loads(text), ids)
                return Heard(value, "asked", request.key, from_ledger=delivery.from_ledger)
            case Failure(reason=reason, detail=detail):
                return Heard(None, "failed", request.key, reason, detail)
            case None:
                return Heard(None, "skipped", request.key)
