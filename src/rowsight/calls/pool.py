"""The servers of one model at work: who is asked next, who waits, and what an outage means.

Calls wait in one queue, first come, first served. A call leaves as soon as some server has room, is not paused, keeps its
rates and its breaker lets calls pass. While no server does, calls wait and one probe at a time asks whether a server is
back: an outage costs time and no rows, until it outlasts the pool's patience.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from rowsight.calls.breaker import Breaker
from rowsight.calls.endpoints import Endpoint
from rowsight.calls.limits import Clock, Concurrency, Signal, TokenBucket
from rowsight.calls.reply import Reply, SendFailure, Sent
from rowsight.calls.request import Failure
from rowsight.core.errors import EndpointError

LEARNING = 3.0
"""Seconds for which a server that never answered gets one call at a time, so that its ways are learnt once."""
SHORT_PAUSE = 1.0
"""A server that is paused for longer counts as unhealthy: calls go to the next priority."""
UNREACHABLE = 3
"""Failed connections in a row after which a server that never answered is given up for now."""
QUEUES_AT = 0.25
"""A call that took this share of its timeout stood in a queue: more at once would only wait, and time out."""
_OVERLOADED = frozenset({503, 529})
_DEAF = frozenset({"connection", "server_error", "timeout"})


class Ceiling:
    """The most calls in flight over all pools of a run (``--concurrency``)."""

    __slots__ = ("in_flight", "limit", "pools")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.pools: list[Pool] = []

    def wake(self) -> None:
        """Let waiting calls of any pool take what was freed."""
        for pool in self.pools:
            pool.pump()


class Server:
    """An endpoint and what is known of it at this moment."""

    __slots__ = (
        "answered",
        "breaker",
        "concurrency",
        "dead",
        "endpoint",
        "first_sent",
        "paused_until",
        "rates",
        "unreachable",
    )

    def __init__(self, endpoint: Endpoint, cap: int, clock: Clock) -> None:
        self.endpoint = endpoint
        self.concurrency = Concurrency(cap, clock=clock)
        self.breaker = Breaker(clock=clock)
        self.rates = _rates(endpoint, clock)
        self.paused_until = 0.0
        self.answered = False
        self.first_sent: float | None = None
        self.dead: str | None = None
        self.unreachable: str | None = None

    def ready_in(self, tokens: int, now: float) -> float:
        """Return the seconds until a call may leave: 0 now, infinity until some call comes back."""
        if self.dead is not None or self.concurrency.room < 1:
            return math.inf
        wait = 0.0 if self.breaker.state == "closed" else self.breaker.ready_in()
        if self.paused_until > now:
            wait = max(wait, self.paused_until - now)
        if not self.answered and self.concurrency.in_flight and self.first_sent is not None:
            wait = max(wait, self.first_sent + LEARNING - now)
        for bucket, counts_tokens in self.rates:
            wait = max(wait, bucket.delay(tokens if counts_tokens else 1))
        return wait

    def healthy(self, now: float) -> bool:
        """Whether it is worth waiting for this server before those of the next priority."""
        return self.dead is None and self.breaker.state == "closed" and self.paused_until - now <= SHORT_PAUSE

    @property
    def given_up(self) -> str | None:
        """Why this server is not to be waited for: it can't serve the model, or it never answered."""
        if self.dead is not None:
            return self.dead
        return self.unreachable if not self.answered and self.breaker.state != "closed" else None


def _rates(endpoint: Endpoint, clock: Clock) -> list[tuple[TokenBucket, bool]]:
    rates: list[tuple[TokenBucket, bool]] = []
    if endpoint.rpm is not None:
        rates.append((TokenBucket(endpoint.rpm, clock=clock), False))
    if endpoint.tpm is not None:
        rates.append((TokenBucket(endpoint.tpm, clock=clock, burst_seconds=5.0), True))
    return rates


@dataclass(slots=True)
class Lease:
    """The right to send one request to one server; every lease is released exactly once."""

    server: Server
    tokens: int
    position: int
    ticket: int
    left_at: float

    @property
    def endpoint(self) -> Endpoint:
        """Where the request goes."""
        return self.server.endpoint


Waiter = tuple["asyncio.Future[Lease | Failure]", int, str | None]


class Pool:
    """All servers of one model behind one queue.

    outage_patience: seconds that calls wait while no server is healthy, before they fail. ``clock`` counts monotonic
    seconds, at the same rate as the event loop's.
    """

    def __init__(
        self,
        model: str,
        endpoints: Sequence[Endpoint],
        ceiling: Ceiling,
        *,
        clock: Clock = time.monotonic,
        outage_patience: float = 300.0,
    ) -> None:
        self.model = model
        self.servers = [Server(e, ceiling.limit, clock) for e in endpoints]
        self.outage_patience = outage_patience
        self._clock = clock
        self._groups = _grouped(self.servers)
        self._waiters: deque[Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._down_since: float | None = None
        self.ceiling = ceiling
        ceiling.pools.append(self)

    async def acquire(self, tokens: int = 0, avoid: str | None = None) -> Lease | Failure:
        """Wait for a server; ``avoid`` names the endpoint at which this question just failed.

        ``tokens`` is the estimate that counts against tokens per minute. Return a ``Failure`` when no server was healthy
        for longer than the patience; raise ``EndpointError`` when none can serve the model at all.
        """
        if not self._waiters:
            found = self._take(tokens, avoid)
            if isinstance(found, Lease):
                return found
        future: asyncio.Future[Lease | Failure] = asyncio.get_running_loop().create_future()
        self._waiters.append((future, tokens, avoid))
        if len(self._waiters) == 1:
            self.pump()
        try:
            return await future
        except asyncio.CancelledError:
            self._abandon(future)
            raise

    def release(self, lease: Lease, sent: Sent | None) -> bool:
        """Give a lease back with what came of it (``None`` when it was cancelled).

        Return whether the attempt counts: one that ran into an outage says nothing about the row.
        """
        server = lease.server
        now = self._clock()
        self._note(server, sent)
        pause = sent.retry_after or 0.0 if isinstance(sent, SendFailure) else 0.0
        signal = _signal(sent)
        if signal == "ok" and now - lease.left_at > QUEUES_AT * lease.endpoint.timeout:
            signal = "slow"
        excess = server.concurrency.leave(lease.position, signal, pause)
        if pause and (excess or signal != "overload"):
            server.paused_until = max(server.paused_until, now + pause)
        server.breaker.record(lease.ticket, good=_good(sent))
        self._settle(lease, sent)
        self.ceiling.in_flight -= 1
        counts = sent is None or not _is_deaf(sent) or server.breaker.state == "closed"
        if self._waiters or len(self.ceiling.pools) > 1:
            self.ceiling.wake()
        return counts

    def pump(self) -> None:
        """Hand out what can be handed out, in the order of the queue, and see when to look again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            future, tokens, avoid = self._waiters[0]
            if future.done():
                self._waiters.popleft()
                continue
            found = self._try(tokens, avoid)
            if isinstance(found, float):
                self._look_again(found)
                return
            self._waiters.popleft()
            if isinstance(found, EndpointError):
                future.set_exception(found)
            else:
                future.set_result(found)

    def _look_again(self, wait: float) -> None:
        if math.isfinite(wait):
            self._timer = asyncio.get_running_loop().call_later(max(wait, 0.0005), self.pump)

    def _try(self, tokens: int, avoid: str | None) -> Lease | Failure | EndpointError | float:
        found = self._take(tokens, avoid)
        if isinstance(found, Lease):
            return found
        now = self._clock()
        if all(server.given_up is not None for server in self.servers):
            return self._verdict()
        if any(server.healthy(now) for server in self.servers):
            self._down_since = None
            return found
        if self._down_since is None:
            self._down_since = now
        left = self._down_since + self.outage_patience - now
        return min(found, left) if left > 0 else self._outage()

    def _take(self, tokens: int, avoid: str | None) -> Lease | float:
        """Return a lease at the best server, else the seconds until one may be had."""
        ceiling = self.ceiling
        if ceiling.in_flight >= ceiling.limit:
            return math.inf
        server = self._choose(tokens, avoid)
        if not isinstance(server, Server):
            return server
        if server.first_sent is None:
            server.first_sent = self._clock()
        for bucket, counts_tokens in server.rates:
            bucket.take(tokens if counts_tokens else 1)
        ceiling.in_flight += 1
        return Lease(server, tokens, server.concurrency.enter(), server.breaker.enter(), self._clock())

    def _choose(self, tokens: int, avoid: str | None) -> Server | float:
        now = self._clock()
        if avoid is not None:
            others = [s for s in self.servers if s.endpoint.name != avoid and not s.endpoint.substitute]
            best, _ = _least_loaded(others, tokens, now)
            if best is not None:
                return best
        soonest = math.inf
        for group in self._groups:
            best, wait = _least_loaded(group, tokens, now)
            if best is not None:
                return best
            soonest = min(soonest, wait)
            if any(server.healthy(now) for server in group):
                break
        return soonest

    def _note(self, server: Server, sent: Sent | None) -> None:
        """Note what an answer says of its server."""
        if sent is None:
            return
        if isinstance(sent, Reply):
            server.answered = True
            self._down_since = None
            return
        if sent.fatal:
            server.dead = sent.detail
        elif sent.unreachable and not server.answered:
            server.unreachable = sent.detail
            server.breaker.threshold = UNREACHABLE
        elif not sent.adapted and sent.status is not None and not _is_deaf(sent):
            server.answered = server.answered or sent.reason != "rate_limited"

    def _settle(self, lease: Lease, sent: Sent | None) -> None:
        usage = sent.usage if sent is not None else None
        if usage is not None:
            for bucket, counts_tokens in lease.server.rates:
                if counts_tokens:
                    bucket.settle(lease.tokens, usage.prompt_tokens + usage.completion_tokens)

    def _verdict(self) -> EndpointError:
        reasons = list(dict.fromkeys(s.given_up or "" for s in self.servers))
        return EndpointError("; ".join(reasons))

    def _outage(self) -> Failure:
        now = self._clock()
        names = ", ".join(s.endpoint.name for s in self.servers)
        paused = any(s.paused_until > now for s in self.servers)
        words = "takes calls" if paused else "answers"
        detail = f"no endpoint of {self.model!r} {words} ({names}), for longer than {self.outage_patience:g} s"
        return Failure("rate_limited" if paused else "connection", detail, time.time())

    def _abandon(self, future: asyncio.Future[Lease | Failure]) -> None:
        """Give back what was handed to a caller that was cancelled at the same moment."""
        if future.done() and not future.cancelled() and future.exception() is None:
            lease = future.result()
            if isinstance(lease, Lease):
                self.release(lease, None)
        self.pump()


def _grouped(servers: Sequence[Server]) -> list[list[Server]]:
    """Return the servers by priority, the model's own before its substitutes'."""
    groups: dict[tuple[bool, int], list[Server]] = {}
    for server in servers:
        groups.setdefault((server.endpoint.substitute, server.endpoint.priority), []).append(server)
    return [groups[key] for key in sorted(groups)]


def _least_loaded(servers: Sequence[Server], tokens: int, now: float) -> tuple[Server | None, float]:
    best, least, soonest = None, math.inf, math.inf
    for server in servers:
        wait = server.ready_in(tokens, now)
        if wait > 0.0:
            soonest = min(soonest, wait)
            continue
        load = (server.concurrency.in_flight + 1) / server.endpoint.weight
        if load < least:
            best, least = server, load
    return best, soonest


def _is_deaf(sent: Sent) -> bool:
    return not isinstance(sent, Reply) and sent.reason in _DEAF


def _signal(sent: Sent | None) -> Signal:
    if isinstance(sent, Reply):
        return "ok"
    if sent is None:
        return "neutral"
    if sent.reason in ("rate_limited", "timeout") or sent.status in _OVERLOADED:
        return "overload"
    return "neutral" if _is_deaf(sent) or sent.adapted else "ok"


def _good(sent: Sent | None) -> bool | None:
    """Whether the server is alive, by what came of a call; ``None`` when that says nothing."""
    if sent is None or isinstance(sent, Reply):
        return None if sent is None else True
    return sent.adapted or not _is_deaf(sent)
