from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run_virtually

from rowsight.calls.endpoints import Endpoint
from rowsight.calls.pool import Ceiling, Lease, Pool
from rowsight.calls.reply import Reply, SendFailure
from rowsight.calls.request import Failure
from rowsight.core.errors import EndpointError

REPLY = Reply("{}", "m", None)
BROKEN = SendFailure("connection", "broke")
REFUSED = SendFailure("connection", "no connection", unreachable=True)


def endpoint(name: str, **more) -> Endpoint:
    return Endpoint(name, f"http://{name}/v1", "m", **more)


def pool_of(*endpoints: Endpoint, most: int = 64, **more) -> Pool:
    return Pool("m", endpoints, Ceiling(most), clock=asyncio.get_running_loop().time, **more)


async def warmed(pool: Pool) -> Pool:
    """Let every server answer until its limit is high."""
    for server in pool.servers:
        server.answered = True
        server.concurrency.limit = float(pool.ceiling.limit)
    return pool


async def lease_of(pool: Pool, avoid: str | None = None) -> Lease:
    lease = await pool.acquire(avoid=avoid)
    assert isinstance(lease, Lease)
    return lease


@given(
    st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from(["ask", "done", "cancel", "fail"]), st.integers(0, 30)), max_size=60),
)
@settings(max_examples=100, deadline=None)
def test_no_permit_is_lost_and_the_ceiling_holds(most, steps):
    async def main() -> None:
        pool = await warmed(pool_of(endpoint("a"), endpoint("b"), most=most))
        ceiling = pool.ceiling
        doors: list[asyncio.Event] = []
        tasks: list[asyncio.Task[None]] = []
        fails: set[int] = set()

        async def call(number: int, door: asyncio.Event) -> None:
            lease = await lease_of(pool)
            assert ceiling.in_flight <= most
            sent = None
            try:
                await door.wait()
                sent = SendFailure("refused", "no", 400) if number in fails else REPLY
            finally:
                pool.release(lease, sent)

        for what, which in steps:
            if what == "ask":
                doors.append(asyncio.Event())
                tasks.append(asyncio.create_task(call(len(doors), doors[-1])))
            elif tasks and what == "cancel":
                tasks[which % len(tasks)].cancel()
            elif tasks:
                fails.update({which % len(tasks) + 1} if what == "fail" else ())
                doors[which % len(tasks)].set()
            if which % 3:
                await asyncio.sleep(0)
        for door in doors:
            door.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert ceiling.in_flight == 0
        assert all(s.concurrency.in_flight == 0 for s in pool.servers)

    run_virtually(main())


def test_calls_leave_in_the_order_in_which_they_came():
    async def main() -> list[int]:
        pool = await warmed(pool_of(endpoint("a"), most=2))
        order: list[int] = []

        async def call(number: int) -> None:
            lease = await lease_of(pool)
            order.append(number)
            await asyncio.sleep(0.1)
            pool.release(lease, REPLY)

        await asyncio.gather(*(call(i) for i in range(20)))
        return order

    assert run_virtually(main()) == list(range(20))


def test_weights_share_calls_and_priorities_come_first():
    async def main() -> dict[str, int]:
        servers = endpoint("a", weight=3), endpoint("b", weight=1), endpoint("c", priority=2)
        pool = await warmed(pool_of(*servers, most=40))
        leases = [await lease_of(pool) for _ in range(40)]
        return {s.endpoint.name: s.concurrency.in_flight for s in pool.servers if leases}

    assert run_virtually(main()) == {"a": 30, "b": 10, "c": 0}


def test_a_failed_call_goes_elsewhere_first_even_to_a_lower_priority():
    async def main() -> str:
        pool = await warmed(pool_of(endpoint("a"), endpoint("b", priority=2)))
        pool.release(await lease_of(pool), BROKEN)
        return (await lease_of(pool, avoid="a")).endpoint.name

    assert run_virtually(main()) == "b"


def test_a_substitute_answers_only_in_an_outage():
    async def main() -> list[str]:
        pool = await warmed(pool_of(endpoint("a"), endpoint("other", substitute=True)))
        names = []
        for _ in range(9):
            lease = await lease_of(pool, avoid="a")
            names.append(lease.endpoint.name)
            pool.release(lease, BROKEN)
        return names

    assert run_virtually(main()) == ["a"] * 8 + ["other"]


def test_a_pause_is_honoured_and_spills_to_the_next_priority_when_it_is_long():
    async def main() -> tuple[float, str]:
        loop = asyncio.get_running_loop()
        pool = await warmed(pool_of(endpoint("a"), endpoint("b", priority=2)))
        pool.release(await lease_of(pool), SendFailure("rate_limited", "", 429, retry_after=0.5))
        start = loop.time()
        lease = await lease_of(pool)
        waited = loop.time() - start
        assert lease.endpoint.name == "a"
        pool.release(lease, SendFailure("rate_limited", "", 429, retry_after=30.0))
        return waited, (await lease_of(pool)).endpoint.name

    waited, name = run_virtually(main())
    assert waited == pytest.approx(0.5, abs=0.01)
    assert name == "b"


def test_an_outage_waits_with_one_probe_at_a_time_and_ends_with_a_good_one():
    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        pool = await warmed(pool_of(endpoint("a"), most=16))
        back, sent = loop.time() + 60, 0

        async def row() -> None:
            nonlocal sent
            while True:
                lease = await lease_of(pool)
                sent += 1
                up = loop.time() >= back
                await asyncio.sleep(0.01)
                counts = pool.release(lease, REPLY if up else BROKEN)
                if up:
                    return
                assert not counts or sent < 32

        await asyncio.gather(*(row() for _ in range(100)))
        return sent, loop.time() - back

    sent, late = run_virtually(main())
    assert sent < 100 + 50
    assert late < 16


def test_an_outage_beyond_patience_fails_rows_and_says_so():
    async def main() -> Failure:
        pool = await warmed(pool_of(endpoint("a"), outage_patience=20))
        while True:
            lease = await pool.acquire()
            if isinstance(lease, Failure):
                return lease
            pool.release(lease, BROKEN)

    failure = run_virtually(main())
    assert failure.reason == "connection"
    assert failure.detail == "no endpoint of 'm' answers (a), for longer than 20 s"


def test_a_server_that_was_never_there_is_an_error_at_once():
    async def main() -> float:
        pool = pool_of(endpoint("a"))
        for _ in range(3):
            pool.release(await lease_of(pool), REFUSED)
        with pytest.raises(EndpointError, match="no connection"):
            await pool.acquire()
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) < 1001


def test_all_that_wait_learn_that_no_endpoint_serves_the_model():
    async def main() -> list[object]:
        pool = pool_of(endpoint("a"))
        lease = await lease_of(pool)
        waiting = [asyncio.create_task(pool.acquire()) for _ in range(5)]
        await asyncio.sleep(0)
        pool.release(lease, SendFailure("refused", "the key is refused", 401, fatal=True))
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(e, EndpointError) for e in run_virtually(main()))


def test_a_server_that_never_answered_is_asked_one_call_at_a_time_but_not_for_long():
    async def main() -> tuple[bool, bool]:
        pool = pool_of(endpoint("a"))
        await lease_of(pool)
        second = asyncio.create_task(pool.acquire())
        await asyncio.sleep(1)
        early = second.done()
        await asyncio.sleep(3)
        return early, second.done()

    assert run_virtually(main()) == (False, True)


def test_the_ceiling_is_shared_by_pools():
    async def main() -> int:
        loop = asyncio.get_running_loop()
        ceiling = Ceiling(3)
        pools = [Pool(m, [endpoint(m)], ceiling, clock=loop.time) for m in ("x", "y")]
        for pool in pools:
            await warmed(pool)
        peak = 0

        async def call(pool: Pool) -> None:
            nonlocal peak
            lease = await lease_of(pool)
            peak = max(peak, ceiling.in_flight)
            await asyncio.sleep(0.1)
            pool.release(lease, REPLY)

        await asyncio.gather(*(call(pools[i % 2]) for i in range(20)))
        return peak

    assert run_virtually(main()) == 3
