"""The one road that every call takes.

Ledger look-up, then join an identical call in flight, then reserve the budget, then wait for the limits and choose an
endpoint, then send, validate (one repair attempt), record, deliver. An answer is delivered only once it is recorded.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import orjson

from rowsight.calls.answers import PartlyAnsweredError
from rowsight.calls.budget import Amounts, Budget, microusd
from rowsight.calls.client import ChatClient
from rowsight.calls.dispatch import Dispatch
from rowsight.calls.endpoints import Endpoint, Where, endpoints_of, prices
from rowsight.calls.ledger import Ledger, MemoryLedger, SqliteLedger
from rowsight.calls.ledger.base import Answered, Claim, Granted, Held, OverBudget, RunStatus
from rowsight.calls.pool import Ceiling, Pool
from rowsight.calls.reply import Reply, SendFailure, Sent
from rowsight.calls.request import Answer, Failure, FailureReason, Outcome, Request, Usage
from rowsight.calls.retry import RetryPolicy
from rowsight.core.blocking import blocking
from rowsight.core.errors import EndpointError, InputError, LedgerError
from rowsight.plan.schema import InvalidAnswerError

Check = Callable[[str], str]
"""Returns the canonical text of a valid answer, raises ``InvalidAnswerError`` with words for the repair attempt."""
Divide = Callable[[Outcome, Mapping[int, Answer], int], Sequence[Outcome]]
"""Makes the outcome of each row out of a request's, and of what was valid in answers that weren't as a whole."""

AHEAD = 48
"""Calls that may hold a reservation while they wait for a slot, under a budget: what is reserved at a kill stays spent.
Without one there are as many as slots, so that all slots can be filled at once while the ledger commits the next claims."""
TURN = 64
"""Questions put in a row before calls that came back have their turn: a batch must not leave slots idle meanwhile."""
OVERHEAD_TOKENS = 64
"""Tokens of a request that are neither its messages nor its schema, at most."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of a question: an outcome, or ``None`` where the budget was spent; and whether an earlier run paid it."""

    outcome: Outcome | None
    from_ledger: bool = False


@dataclass
class Tally:
    """What the calls of this process came to; ``cost`` in US dollars, ``None`` where a price is unknown.

    ``truncated`` counts distinct questions that were answered about less than the whole row.
    """

    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    cost: float | None = 0.0
    retries: int = 0
    repairs: int = 0
    finished: int = 0
    truncated: int = 0

    def add(self, usage: Usage, cost: float | None) -> None:
        """Count the usage of one request."""
        self.usage = self.usage + usage
        self.cost = None if self.cost is None or cost is None else self.cost + cost

    def __add__(self, other: Tally) -> Tally:
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        usage, retries, repairs = self.usage + other.usage, self.retries + other.retries, self.repairs + other.repairs
        counts = retries, repairs, self.finished + other.finished, self.truncated + other.truncated
        return Tally(self.calls + other.calls, usage, cost, *counts)


def _whole(outcome: Outcome, _valid: Mapping[int, Answer], _rows: int) -> list[Outcome]:
    return [outcome]


class Gateway:
    """The road of one run to one model. Everything happens in one asyncio loop; the ledger is shared with others."""

    def __init__(self, parts: Parts) -> None:
        self.model, self.in_flight = parts.dispatch.pool.model, 0
        self.tally = Tally(cost=None if None in parts.dearest else 0.0)
        self._parts, self._ledger = parts, parts.ledger
        self._started = time.time()
        self._joined: dict[bytes, asyncio.Future[Delivery]] = {}
        self._failed: dict[bytes, Failure] = {}
        self._ahead = asyncio.Semaphore(parts.ahead)
        self._high_water = 2 * parts.concurrency + parts.ahead
        self._roomy = asyncio.Event()
        self._roomy.set()
        self._waiting = self._open = self._undecided = 0
        self._settled = asyncio.Event()
        self._spent = self.stopped = False
        self.beside: Gateway | None = None
        """The road to a second model of the same run (``open_beside``)."""

    async def ask_many(self, requests: Sequence[Request], check: Check) -> list[Delivery]:
        """Return what came of each request, in order. Equal requests are asked once, now and ever."""
        if not requests:
            return []
        found = await self.known([r.key for r in requests])
        deliveries: list[Delivery | asyncio.Future[Delivery]] = []
        pending: list[asyncio.Future[Delivery]] = []
        try:
            for request in requests:
                deliveries.append(known := found.get(request.key) or self._join(request, check))
                if isinstance(known, asyncio.Future):
                    pending.append(known)
                if len(deliveries) % TURN == 0:
                    await asyncio.sleep(0)
            await asyncio.gather(*pending)
        except BaseException:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            raise
        return [d.result() if isinstance(d, asyncio.Future) else d for d in deliveries]

    async def known(self, keys: Sequence[bytes]) -> dict[bytes, Delivery]:
        """Return what is known of ``keys`` already: answers of the ledger, and this run's failures."""
        failed = {key: Delivery(self._failed[key]) for key in keys if key in self._failed} if self._failed else {}
        return failed | {key: self.delivered(answer) for key, answer in (await self._ledger.lookup(keys)).items()}

    def delivered(self, answer: Answer) -> Delivery:
        """Return an answer of the ledger as it is delivered."""
        return Delivery(answer, from_ledger=answer.at < self._started)

    async def room(self) -> None:
        """Return when more questions may be put: few enough wait for a slot."""
        await self._roomy.wait()

    def stop(self) -> None:
        """Send nothing more that isn't on its way: what is left comes back as it does when the budget is spent."""
        self.stopped = self._spent = True
        self._settled.set()
        if self.beside is not None:
            self.beside.stop()

    @property
    def spent(self) -> bool:
        """Whether nothing more is sent: the budget is spent, or the run was asked to stop (``stopped``)."""
        return self._spent or (self.beside is not None and self.beside.spent)

    @property
    def total(self) -> Tally:
        """What the calls of the run came to, those of a second model among them."""
        return self.tally if self.beside is None else self.tally + self.beside.tally

    def open_beside(self, options: Where, environment: Mapping[str, str]) -> Gateway:
        """Open the road to a second model of the same run: its own servers, limits and prices.

        Ledger, budget, credentials and the most calls in flight are the run's. Only the model itself may answer.
        """
        parts = self._parts
        endpoints = [e for e in endpoints_of(options, environment) if not e.substitute]
        pool = Pool(options.model, endpoints, parts.dispatch.pool.ceiling)
        dispatch = Dispatch(pool, parts.dispatch.transport, parts.dispatch.policy)
        self.beside = Gateway(replace(parts, dispatch=dispatch, dearest=prices(options)))
        return self.beside

    async def affordable(self, example: Request) -> int | None:
        """Return about how many calls the money left is enough for, ``None`` without a budget.

        At the mean price of the calls so far; before the first, at the most that a request like ``example`` can cost.
        """
        account = await self._ledger.account(self._parts.run)
        budget, left = account.budget, account.left
        if budget is None or left is None:
            return None
        made = account.spent.calls
        each = budget.part(account.spent) / made if made else budget.part(self._parts.worst(example))
        return int(left / max(each, 1))

    async def recorded(self, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of ``keys`` that have an answer in the ledger."""
        return set(await self._ledger.lookup(keys))

    async def keep(self, name: str, value: dict[str, Any]) -> None:
        """Keep a JSON value of this run under a name, durably."""
        await self._ledger.put_record(self._parts.run, name, value)

    async def kept(self, subject: bytes, name: str) -> dict[str, Any] | None:
        """Return the value that this run, or an earlier attempt at ``subject``, kept under a name."""
        runs = [self._parts.run, *(a.run for a in reversed(await self._ledger.certificates(subject)))]
        for run in dict.fromkeys(runs):
            if (found := await self._ledger.get_record(run, name)) is not None:
                return found
        return None

    async def next_attempt(self, subject: bytes) -> int:
        """Count an attempt at a certificate for ``subject`` and return which it is."""
        return await self._ledger.next_attempt(self._parts.run, subject)

    async def put_certificate(self, subject: bytes, certificate: dict[str, Any]) -> None:
        """Keep the certificate that this run's attempt ended with."""
        await self._ledger.put_certificate(self._parts.run, subject, certificate)

    async def end(self, status: RunStatus, report: dict[str, Any]) -> None:
        """Close the run in the ledger."""
        await self._ledger.end_run(self._parts.run, status, report)

    def provenance(self) -> Callable[[list[bytes]], dict[bytes, Answer]]:
        """Return a function that finds answers by key after the run; it opens the ledger anew."""
        return self._parts.provenance

    def to_finish(self, questions: int) -> dict[str, Any]:
        """Return what asking ``questions`` more would take, by the mean of what was asked."""
        tally = self.tally
        answered = max(tally.calls, tally.finished)  # more than calls where rows share requests
        share = questions / answered if answered else None
        tokens = tally.usage.prompt_tokens + tally.usage.completion_tokens
        return {
            "calls": questions if share is None else math.ceil(tally.calls * share),
            "tokens": None if share is None else round(tokens * share),
            "cost": None if share is None or tally.cost is None else round(tally.cost * share, 6),
        }

    def _join(self, request: Request, check: Check) -> asyncio.Future[Delivery]:
        if (task := self._joined.get(request.key)) is None:
            task = asyncio.ensure_future(self._ask(request, check))
            self._joined[request.key] = task
            self.enter()
        return task

    def enter(self) -> None:
        """Count a request that waits for its slot: many of them keep further questions away."""
        self._waiting += 1
        if self._waiting >= self._high_water:
            self._roomy.clear()

    def leave(self) -> None:
        """Count a request out, whatever came of it."""
        self._waiting -= 1
        if self._waiting < self._high_water:
            self._roomy.set()

    async def turn(self) -> Once:
        """Wait until a request may hold a reservation; return what ends its turn once it has left."""
        await self._ahead.acquire()
        self._undecided += 1
        return Once(self._left)

    def _left(self) -> None:
        """End a turn: the request has left, or won't."""
        self._ahead.release()
        self._undecided -= 1
        if self._open == 0:
            self._settled.set()

    async def _ask(self, request: Request, check: Check) -> Delivery:
        try:
            ahead = await self.turn()
            try:
                worst = self.worst(request)
                known = await self._claimed(request, worst)
                return known or (await self.converse(request, check, worst, ahead, [request.key], _whole))[0]
            finally:
                ahead()
        finally:
            del self._joined[request.key]
            self.leave()

    async def converse(
        self, request: Request, check: Check, worst: Amounts, ahead: Once, keys: Sequence[bytes], divide: Divide
    ) -> list[Delivery]:
        """Send a request whose ``keys`` are claimed, record what ``divide`` makes of its outcome for each, and deliver it.

        The first key holds the reservation and is charged for the request.
        """
        self._open += 1
        talk = Talk(self, self._parts, request, check, worst, ahead)
        try:
            outcome = await talk.outcome()
            recorded = await self._settle(keys, divide(outcome, talk.valid, len(keys)), talk.spent)
        except EndpointError as error:
            await self._give_up(keys, talk, "connection", str(error))
            raise
        except asyncio.CancelledError:
            await self._give_up(keys, talk, "cancelled", "the run was stopped")
            raise
        finally:
            self._open -= 1
            self._settled.set()
        self.tally.finished += len(keys)
        self._failed.update({k: r for k, r in zip(keys, recorded, strict=True) if isinstance(r, Failure)})
        return [Delivery(None if talk.over_budget and isinstance(r, Failure) else r) for r in recorded]

    async def _settle(self, keys: Sequence[bytes], outcomes: Sequence[Outcome], spent: Amounts) -> list[Outcome]:
        """Record an outcome for each key, in one transaction since they are put in one turn of the loop."""
        settle, run = self._ledger.settle, self._parts.run
        first = settle(run, keys[0], outcomes[0], spent)
        if len(keys) == 1:
            return [await first]
        others = [settle(run, key, o, Amounts()) for key, o in zip(keys[1:], outcomes[1:], strict=True)]
        return list(await asyncio.gather(first, *others))

    async def _give_up(self, keys: Sequence[bytes], talk: Talk, reason: FailureReason, detail: str) -> None:
        """End claims without an outcome: what was sent counts; where nothing was, the claims are given back."""
        if talk.sent:
            await self._settle(keys, [talk.failure(reason, detail, None)] * len(keys), talk.spent)
        else:
            await self.release(keys)

    async def claim(self, request: Request, reserve: Amounts) -> Claim:
        """Claim a request's key, once; ``reserve`` is held until it is settled or released."""
        prompt = request.user if self._parts.store_prompts else None
        return await self._ledger.claim(self._parts.run, request.key, reserve, prompt)

    async def reserve(self, key: bytes, amounts: Amounts) -> bool:
        """Hold ``amounts`` for a claimed key in place of what it holds; ``False`` where they don't fit."""
        return await self._ledger.reserve_again(self._parts.run, key, amounts, Amounts())

    async def release(self, keys: Sequence[bytes]) -> None:
        """Give claims back for which nothing was sent."""
        await asyncio.gather(*(self._ledger.release(self._parts.run, key) for key in keys))

    async def held(self, key: bytes) -> Delivery | None:
        """Wait while another owner asks ``key``; return its answer, ``None`` when the key can be claimed."""
        answer = await self._ledger.wait(key)
        return None if answer is None else Delivery(answer)

    def worst(self, request: Request) -> Amounts:
        """Return the most that a request can cost."""
        return self._parts.worst(request)

    async def _claimed(self, request: Request, worst: Amounts) -> Delivery | None:
        """Reserve the call; return a delivery where nothing is to be sent, ``None`` when the call is ours to make."""
        while not self._spent:
            match await self.claim(request, worst):
                case Granted():
                    return None
                case Answered(answer=answer):
                    return self.delivered(answer)
                case Held():
                    if (held := await self.held(request.key)) is not None:
                        return held
                case OverBudget():
                    await self.settlement(worst)
        return Delivery(None)

    async def settlement(self, worst: Amounts) -> None:
        """Wait until a call gives back what it reserved too much, since ``worst`` did not fit.

        Where none is in flight or about to be, and it still doesn't fit, the budget is spent.
        """
        self._undecided -= 1
        try:
            if self._open or self._undecided:
                self._settled.clear()
                await self._settled.wait()
            elif not (await self._ledger.account(self._parts.run)).fits(worst) and not (self._open or self._undecided):
                self._spent = True
                self._settled.set()
        finally:
            self._undecided += 1


@dataclass(frozen=True)
class Parts:
    """What the road is made of.

    ``dearest`` are the highest prices (US dollars per million tokens) among the endpoints; ``concurrency`` the most calls in
    flight, ``ahead`` the most beside them that hold a reservation.
    """

    run: str
    ledger: Ledger
    dispatch: Dispatch
    dearest: tuple[float | None, float | None]
    concurrency: int
    ahead: int
    store_prompts: bool
    provenance: Callable[[list[bytes]], dict[bytes, Answer]]

    def worst(self, request: Request) -> Amounts:
        """Return the most that one request can cost: a token is at least a byte of UTF-8, completions have their cap."""
        texts = [request.system, request.user, *(request.repair or ())]
        prompt = sum(len(t.encode("utf-8", "surrogatepass")) for t in texts) + _schema_bytes(request) + OVERHEAD_TOKENS
        return self.amounts(Usage(prompt, request.sampling.max_tokens))

    def amounts(self, usage: Usage) -> Amounts:
        """Return what one request with this usage costs, at the highest prices."""
        price_in, price_out = self.dearest
        money = 0
        if price_in is not None and price_out is not None:
            money = microusd((usage.prompt_tokens * price_in + usage.completion_tokens * price_out) / 1e6)
        return Amounts(1, usage.prompt_tokens + usage.completion_tokens, money)


class Talk:
    """One question's way to an outcome: requests by the dispatcher, their reservations, one repair.

    ``sent`` counts its requests, ``spent`` is what they came to; ``over_budget`` says that one more was worth it and
    didn't fit; ``valid`` holds the valid parts of answers about several rows that were not valid as a whole.
    """

    def __init__(
        self, gateway: Gateway, parts: Parts, request: Request, check: Check, worst: Amounts, ahead: Once
    ) -> None:
        self.spent, self.over_budget = Amounts(), False
        self._tally, self._gateway, self._parts = gateway.tally, gateway, parts
        self._request, self._check, self._worst, self._ahead = request, check, worst, ahead
        self.sent = 0
        self.valid: dict[int, Answer] = {}
        self._usage = Usage()
        self._cost: float | None = 0.0
        self._last: SendFailure | None = None

    async def outcome(self) -> Outcome:
        """Return an answer or a failure; raise ``EndpointError`` where no server can serve the model at all."""
        result = await self._reply(self._request)
        if isinstance(result, Failure):
            return result
        endpoint, reply = result
        try:
            return self._answer(endpoint, reply)
        except InvalidAnswerError as error:
            fault = str(error)
        self._tally.repairs += 1
        repair = replace(self._request, repair=(reply.text, fault))
        self._worst = self._parts.worst(repair)
        result = await self._reply(repair)
        if isinstance(result, Failure):
            return replace(result, reason="invalid_answer", detail=fault) if self.over_budget else result
        try:
            return self._answer(*result)
        except InvalidAnswerError as error:
            return self.failure("invalid_answer", f"{fault}; its repair: {error}", result[0].name)

    async def _reply(self, request: Request) -> tuple[Endpoint, Reply] | Failure:
        parts = self._parts
        before_any = self.sent
        found = await parts.dispatch.ask(request, _likely_tokens(request), before=self._before, after=self._after)
        self._tally.retries += max(self.sent - before_any - 1, 0)
        if found is None:
            last = self._last
            words = "the budget left no room to try again"
            reason: FailureReason = last.reason if last else "cancelled"
            return self.failure(reason, f"{last.detail}; {words}" if last else words, None)
        if isinstance(found, Failure):
            return replace(found, usage=self._usage, cost=self._cost)
        return found

    async def _before(self, endpoint: Endpoint) -> bool:
        """Reserve a request that is about to leave; the first of a question was reserved with its claim."""
        del endpoint
        self._ahead()
        parts = self._parts
        if self.sent and not await parts.ledger.reserve_again(parts.run, self._request.key, self._worst, self.spent):
            self.over_budget = True
            return False
        self.sent += 1
        self._tally.calls += 1
        self._gateway.in_flight += 1
        return True

    def _after(self, endpoint: Endpoint, sent: Sent | None) -> None:
        """Charge a request: what the server said it used; its worst case where it may have been billed unsaid."""
        self._gateway.in_flight -= 1
        if isinstance(sent, SendFailure):
            self._last = sent
        usage = None if sent is None else sent.usage
        if usage is None and _may_be_billed(sent):
            self.spent += self._worst
            if isinstance(sent, Reply):
                self._cost = self._tally.cost = None
            return
        usage = usage or Usage()
        self.spent += self._parts.amounts(usage)
        cost = endpoint.cost(usage.prompt_tokens, usage.completion_tokens)
        self._usage = self._usage + usage
        self._cost = None if self._cost is None or cost is None else self._cost + cost
        self._tally.add(usage, cost)

    def _answer(self, endpoint: Endpoint, reply: Reply) -> Answer:
        said = reply.model, endpoint.name, time.time(), self._usage, self._cost, reply.fingerprint, reply.logprob
        try:
            return Answer(self._check(reply.text), *said)
        except PartlyAnsweredError as error:
            self.valid |= {row: Answer(text, *said) for row, text in error.rows.items()}
            raise

    def failure(self, reason: FailureReason, detail: str, endpoint: str | None) -> Failure:
        """Return a failure with what the requests so far have used."""
        return Failure(reason, detail, time.time(), self._usage, self._cost, endpoint)


def _may_be_billed(sent: Sent | None) -> bool:
    """Say whether a request of unknown usage may have cost something: an answer, or none at all from a live server."""
    if isinstance(sent, SendFailure):
        return sent.status is None and not sent.unreachable
    return True


def _likely_tokens(request: Request) -> int:
    """Return about how many tokens a request takes: what counts against tokens per minute until the server says."""
    return (len(request.system) + len(request.user)) // 4 + OVERHEAD_TOKENS


class Once:
    """Calls a function at most once."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function

    def __call__(self) -> None:
        """Call it, unless that was done."""
        function, self._function = self._function, None
        if function is not None:
            function()


def _schema_bytes(request: Request) -> int:
    return len(orjson.dumps(request.schema))


class RoadOptions(Where, Protocol):
    """The options that the road needs beside where the model is served; those of a run fit."""

    @property
    def concurrency(self) -> int: ...  # noqa: D102 - as in RunOptions
    @property
    def budget(self) -> str | None: ...  # noqa: D102
    @property
    def attempts(self) -> int: ...  # noqa: D102
    @property
    def ledger(self) -> bool: ...  # noqa: D102
    @property
    def store_prompts(self) -> bool: ...  # noqa: D102


@asynccontextmanager
async def open_gateway(
    options: RoadOptions,
    state: Path,
    environment: Mapping[str, str],
    run: str,
    spec: dict[str, Any],
    *,
    resuming: bool,
    fixed: bool = False,
) -> AsyncIterator[Gateway]:
    """Open the road of a run: its ledger, its account, the client and the servers; closed whatever happens.

    ``fixed``: only the model itself may answer, whatever substitution the endpoints file allows: a proof needs one oracle.
    """
    endpoints = [e for e in endpoints_of(options, environment) if not (fixed and e.substitute)]
    budget = None if options.budget is None else Budget.parse(options.budget)
    dearest = prices(options)
    if budget is not None and budget.unit == "microusd" and None in dearest:
        raise InputError(
            f"the budget {options.budget} is in money but the price of {options.model!r} is unknown; "
            "give --price-in and --price-out, or a budget in calls or tokens"
        )
    ledger: Ledger = SqliteLedger.open(state, store_prompts=options.store_prompts) if options.ledger else MemoryLedger()
    try:
        record = await (ledger.resume(run, budget) if resuming else ledger.begin_run(run, spec, budget))
        async with ChatClient(environment) as client:
            pool = Pool(options.model, endpoints, Ceiling(options.concurrency))
            dispatch = Dispatch(pool, client, RetryPolicy(attempts=options.attempts))
            ahead = AHEAD if record.account.budget else max(AHEAD, options.concurrency)
            limits = dearest, options.concurrency, ahead
            parts = Parts(run, ledger, dispatch, *limits, options.store_prompts, _finder(ledger, state))
            try:
                yield Gateway(parts)
            except BaseException as error:
                stopped = isinstance(error, (asyncio.CancelledError, KeyboardInterrupt))
                with suppress(LedgerError):  # the first error is the one to show
                    await ledger.end_run(run, "interrupted" if stopped else "failed", {"error": str(error)})
                raise
    finally:
        ledger.close()


def _finder(ledger: Ledger, state: Path) -> Callable[[list[bytes]], dict[bytes, Answer]]:
    """Return a function that finds answers by key once the run is over."""

    async def find(keys: list[bytes]) -> dict[bytes, Answer]:
        if isinstance(ledger, MemoryLedger):
            return await ledger.lookup(keys)
        opened = SqliteLedger.open(state)
        try:
            return await opened.lookup(keys)
        finally:
            opened.close()

    return lambda keys: blocking(find(keys))
