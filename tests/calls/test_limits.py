from __future__ import annotations

import asyncio
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run_virtually

from rowsight.calls.endpoints import Endpoint
from rowsight.calls.limits import FIRST_LIMIT, Concurrency, TokenBucket
from rowsight.calls.pool import Ceiling, Lease, Pool
from rowsight.calls.reply import Reply, SendFailure

REPLY = Reply("{}", "m", None)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(
    st.integers(1, 5000),
    st.lists(st.tuples(st.floats(0, 40), st.integers(1, 60)), min_size=1, max_size=80),
)
@settings(max_examples=150, deadline=None)
def test_no_window_of_a_minute_holds_more_than_the_rate(per_minute, arrivals):
    clock = Clock()
    bucket = TokenBucket(per_minute, clock=clock)
    passed: list[tuple[float, int]] = []
    for gap, asked in arrivals:
        clock.now += gap
        amount = min(asked, int(bucket.burst))
        clock.now += bucket.delay(amount)
        assert bucket.delay(amount) == pytest.approx(0, abs=1e-6)
        bucket.take(amount)
        passed.append((clock.now, amount))
    for start, _ in passed:
        assert sum(n for at, n in passed if start <= at < start + 59.999) <= per_minute


def test_an_amount_above_the_burst_passes_when_full_and_is_repaid():
    clock = Clock()
    bucket = TokenBucket(60, clock=clock)
    assert bucket.delay(30) == 0.0
    bucket.take(30)
    assert bucket.delay(1) == pytest.approx(30.0)
    bucket.settle(30, 1)
    assert bucket.delay(1) == pytest.approx(1.0)


@given(st.integers(1, 300), st.lists(st.sampled_from(["go", "ok", "overload", "neutral", "wait"]), max_size=300))
@settings(max_examples=150, deadline=None)
def test_the_limit_stays_within_its_bounds(cap, steps):
    clock = Clock()
    limiter = Concurrency(cap, clock=clock)
    out: list[int] = []
    for step in steps:
        if step == "go" and limiter.room:
            out.append(limiter.enter())
            assert limiter.in_flight <= limiter.limit
        elif step == "wait":
            clock.now += 5
        elif step != "go" and out:
            limiter.leave(out.pop(), step)
        assert 1 <= limiter.limit <= cap
        assert limiter.in_flight == len(out)


class Served:
    """A server in virtual time: ``cap`` calls at once, each takes ``latency``; what comes above is rejected."""

    def __init__(
        self, cap: int, *, latency: float = 0.2, retry_after: float | None = None, random: float = 0.0, seed: int = 1
    ) -> None:
        self.cap, self.latency, self.retry_after, self.random = cap, latency, retry_after, random
        self.at_once = self.served = self.rejected = self.peak = 0
        self._random = Random(seed)

    async def call(self) -> Reply | SendFailure:
        await asyncio.sleep(0.001)
        if self.at_once >= self.cap or self._random.random() < self.random:
            self.rejected += 1
            return SendFailure("rate_limited", "slow down", 429, self.retry_after)
        self.at_once += 1
        self.peak = max(self.peak, self.at_once)
        await asyncio.sleep(self.latency * self._random.uniform(0.7, 1.3))
        self.at_once -= 1
        self.served += 1
        return REPLY


async def drive(server: Served, seconds: float, *, most: int = 256, later=None) -> Pool:
    loop = asyncio.get_running_loop()
    pool = Pool("m", [Endpoint("a", "http://a/v1", "m")], Ceiling(most), clock=loop.time)
    end = loop.time() + seconds

    async def rows() -> None:
        while loop.time() < end:
            lease = await pool.acquire()
            assert isinstance(lease, Lease)
            assert pool.servers[0].concurrency.in_flight <= most
            pool.release(lease, await server.call())

    if later is not None:
        loop.call_later(*later)
    await asyncio.gather(*(rows() for _ in range(most + 20)))
    return pool


@pytest.mark.parametrize("retry_after", [None, 0.5])
@pytest.mark.parametrize("cap", [1, 37, 120])
def test_it_finds_a_servers_cap_and_keeps_nine_tenths_of_its_capacity(cap, retry_after):
    server = Served(cap, retry_after=retry_after)
    seconds = 40.0
    run_virtually(drive(server, seconds))
    assert server.served >= 0.9 * cap * seconds / 0.201
    assert server.rejected < 0.05 * server.served + 300


def test_a_server_without_a_cap_is_asked_with_all_that_the_user_allows():
    server = Served(10_000)
    run_virtually(drive(server, 10.0, most=100))
    assert server.peak == 100
    assert server.served >= 0.9 * 100 * 10 / 0.201


@pytest.mark.parametrize(("retry_after", "share"), [(None, 0.7), (1.0, 0.4)])
def test_rejections_that_have_nothing_to_do_with_load_do_not_slow_it_down(retry_after, share):
    server = Served(10_000, random=0.2, retry_after=retry_after)
    pool = run_virtually(drive(server, 30.0))
    assert server.served >= share * 256 * 30 / 0.201
    assert 0.02 < pool.servers[0].concurrency.base < 0.3


@pytest.mark.parametrize("seed", range(8))
def test_rejections_at_a_base_rate_never_hold_it_at_a_crawl(seed):
    server = Served(10_000, latency=0.03, random=0.25, retry_after=0.1, seed=seed)
    run_virtually(drive(server, 12.0, most=64))
    assert server.served >= 0.25 * 64 * 12 / 0.031


def test_it_follows_a_cap_down_and_up_again():
    server = Served(100)

    def lower() -> None:
        server.cap = 20

    run_virtually(drive(server, 60.0, later=(20.0, lower)))
    assert server.served >= 0.85 * (100 * 20 + 20 * 40) / 0.201
    server = Served(20)

    def raise_cap() -> None:
        server.cap = 100

    run_virtually(drive(server, 120.0, later=(20.0, raise_cap)))
    assert server.served >= 0.75 * (20 * 20 + 100 * 100) / 0.201


def test_a_rate_per_minute_is_kept():
    async def main() -> int:
        loop = asyncio.get_running_loop()
        endpoint = Endpoint("a", "http://a/v1", "m", rpm=120, tpm=6000)
        pool = Pool("m", [endpoint], Ceiling(64), clock=loop.time)
        server, end = Served(1000, latency=0.01), loop.time() + 59.9

        async def rows() -> None:
            while loop.time() < end:
                lease = await pool.acquire(100)
                assert isinstance(lease, Lease)
                if loop.time() < end:
                    await server.call()
                pool.release(lease, REPLY)

        await asyncio.gather(*(rows() for _ in range(10)))
        return server.served

    assert 50 <= run_virtually(main()) <= 60


def test_a_server_that_works_one_by_one_is_not_asked_until_it_times_out():
    """Calls that take a quarter of their timeout end the growth; the queue gets shorter, not longer."""
    limit = Concurrency(256, clock=lambda: 0.0)
    for _ in range(10):
        limit.leave(limit.enter(), "slow")
    before = limit.limit
    for _ in range(400):
        limit.leave(limit.enter(), "slow")
    assert limit.limit < before <= FIRST_LIMIT
