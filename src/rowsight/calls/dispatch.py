"""From a question to its reply or its final failure: limits, endpoint, send, and again where that is worth it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from rowsight.calls.client import Transport
from rowsight.calls.endpoints import Endpoint
from rowsight.calls.pool import Pool
from rowsight.calls.reply import Reply, SendFailure, Sent
from rowsight.calls.request import Failure, Request
from rowsight.calls.retry import RetryPolicy

MOST_ADAPTATIONS = 12
"""Free repetitions of one question while an endpoint's ways are learnt: more than there are ways to learn."""

Before = Callable[[Endpoint], Awaitable[bool]]
"""Called with the endpoint just before a request leaves; ``False`` keeps it back (the budget is spent)."""
After = Callable[[Endpoint, Sent | None], None]
"""Called with what came of each request that left; ``None`` for one that was cancelled."""


@dataclass
class Dispatch:
    """Sends a pool's questions: waits for the limits, sends, tries again elsewhere, gives up honestly."""

    pool: Pool
    transport: Transport
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    random: Random = field(default_factory=Random)

    async def once(
        self, request: Request, tokens: int, *, avoid: str | None, before: Before | None, after: After | None
    ) -> tuple[Endpoint, Sent, bool] | Failure | None:
        """Send a request once: (endpoint, what came of it, whether the attempt counts).

        ``Failure`` when no endpoint is to be had, ``None`` when ``before`` kept the request back.
        """
        lease = await self.pool.acquire(tokens, avoid)
        if isinstance(lease, Failure):
            return lease
        sent: Sent | None = None
        left = False
        try:
            if before is not None and not await before(lease.endpoint):
                return None
            left = True
            sent = await self.transport.send(lease.endpoint, request)
        finally:
            counts = self.pool.release(lease, sent)
            if left and after is not None:
                after(lease.endpoint, sent)
        return lease.endpoint, sent, counts

    async def ask(
        self, request: Request, tokens: int = 0, *, before: Before | None = None, after: After | None = None
    ) -> tuple[Endpoint, Reply] | Failure | None:
        """Send a request until a reply comes or trying is no longer worth it.

        Return the endpoint with its reply, the final ``Failure``, or ``None`` when ``before`` kept the request back. Raise
        ``EndpointError`` when no endpoint can serve the model. ``tokens`` estimates prompt and completion.
        """
        attempt, free, started, avoid = 1, MOST_ADAPTATIONS, 0.0, None
        while True:
            result = await self.once(request, tokens, avoid=avoid, before=before, after=after)
            if result is None or isinstance(result, Failure):
                return result
            endpoint, sent, counts = result
            if isinstance(sent, Reply):
                return endpoint, sent
            started = started or time.monotonic()
            if free and (sent.adapted or sent.fatal or not counts):
                free -= sent.adapted
                avoid = None if sent.adapted else endpoint.name
                continue
            delay = self.policy.delay(attempt, self.random, sent.retry_after if len(self.pool.servers) == 1 else None)
            if not self.policy.again(sent.reason, attempt, time.monotonic() - started, delay):
                return failure_at(endpoint, sent)
            attempt += 1
            avoid = endpoint.name
            await asyncio.sleep(delay)


def failure_at(endpoint: Endpoint, sent: SendFailure) -> Failure:
    """Return the row's failure for the last failure of its requests."""
    usage = sent.usage
    cost = endpoint.cost(usage.prompt_tokens, usage.completion_tokens) if usage is not None else None
    detail = sent.detail
    if usage is None:
        return Failure(sent.reason, detail, time.time(), cost=cost, endpoint=endpoint.name)
    return Failure(sent.reason, detail, time.time(), usage, cost, endpoint.name)
