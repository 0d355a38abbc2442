import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowsight.calls.budget import Account, Amounts, Budget, microusd
from rowsight.calls.gateway import Delivery, Gateway, Parts
from rowsight.calls.ledger import MemoryLedger
from rowsight.calls.request import Failure, Request, Sampling, Usage
from rowsight.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "unit", "limit"),
    [
        ("500calls", "calls", 500),
        ("1 call", "calls", 1),
        ("500 CALLS", "calls", 500),
        ("1,500calls", "calls", 1500),
        ("2Mtokens", "tokens", 2_000_000),
        ("2_000k tokens", "tokens", 2_000_000),
        ("1.5Mtokens", "tokens", 1_500_000),
        ("3.50usd", "microusd", 3_500_000),
        ("$3.50", "microusd", 3_500_000),
        ("$ 1k", "microusd", 1_000_000_000),
        ("$2 USD", "microusd", 2_000_000),
        ("0.1234567usd", "microusd", 123_456),
        ("0calls", "calls", 0),
    ],
)
def test_budgets_are_read(text, unit, limit):
    assert Budget.parse(text) == Budget(unit, limit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "500",
        "calls",
        "-5calls",
        "5 euros",
        "$5calls",
        "1.5calls",
        "1..2usd",
        "1,00calls",
        "0.3tokens",
        "nancalls",
        "1e5calls",
    ],
)
def test_what_is_no_budget_is_bad_input(text):
    with pytest.raises(InputError, match=r"calls|whole number"):
        Budget.parse(text)


def test_a_cap_beyond_all_counting_is_bad_input():
    with pytest.raises(InputError, match="too large"):
        Budget.parse("9" * 30 + "calls")


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (Budget("calls", 1500), "1,500 calls"),
        (Budget("tokens", 2_000_000), "2,000,000 tokens"),
        (Budget("microusd", 3_500_000), "$3.50"),
        (Budget("microusd", 123), "$0.000123"),
    ],
)
def test_budgets_are_shown(budget, text):
    assert str(budget) == text


@given(st.sampled_from(["calls", "tokens", "microusd"]), st.integers(0, 10**15))
def test_what_is_shown_is_read_back(unit, limit):
    assert Budget.parse(str(Budget(unit, limit))) == Budget(unit, limit)


@given(st.integers(0, 10**12))
def test_money_is_exact_in_millionths(amount):
    assert microusd(amount / 1_000_000) == amount


def test_money_is_rounded_up():
    assert microusd(0.0000001) == 1
    assert microusd(0.0) == 0


amounts = st.builds(Amounts, st.integers(0, 9), st.integers(0, 900), st.integers(0, 90))


@given(
    st.sampled_from(["calls", "tokens", "microusd"]),
    st.integers(0, 2000),
    st.lists(st.tuples(amounts, st.floats(0, 1), st.booleans()), max_size=40),
)
def test_no_interleaving_passes_the_cap(unit, limit, calls):
    account, in_flight = Account(Budget(unit, limit)), []
    for reserve, share, settles in calls:
        if settles and in_flight:
            held, part = in_flight.pop(0)
            account.settle(held, Amounts(*(int(v * part) for v in (held.calls, held.tokens, held.microusd))))
        if account.fits(reserve):
            account.reserve(reserve)
            in_flight.append((reserve, share))
        used = account.budget.part(account.spent) + account.budget.part(account.reserved)
        assert used <= limit
        assert account.left == limit - used


def test_without_a_budget_all_fits():
    account = Account()
    assert account.fits(Amounts(10**9, 10**12, 10**12))
    assert account.left is None


def test_a_copy_stays_as_it_was():
    account = Account(Budget("calls", 5))
    copy = account.copy()
    account.reserve(Amounts(1))
    assert copy.reserved == Amounts()


class Held:
    """Servers that answer when they are told to."""

    def __init__(self) -> None:
        self.pool, self.answering = SimpleNamespace(model="m"), asyncio.Event()

    async def ask(self, request: Request, likely: object, before: Any, after: Any) -> Failure | None:
        del request, likely
        if not await before(None):
            return None
        await self.answering.wait()
        after(None, None)
        return Failure("timeout", "no answer", 0.0, Usage(), 0.0, None)


def test_a_question_that_is_given_up_while_it_waits_for_money_leaves_no_count_behind() -> None:
    async def scenario() -> None:
        ledger, servers = MemoryLedger(), Held()
        await ledger.begin_run("run", {}, Budget("calls", 1))
        gateway = Gateway(Parts("run", ledger, servers, (1.0, 1.0), 4, 48, False, lambda _: {}))  # type: ignore[arg-type]

        def asked(n: int) -> asyncio.Task[list[Delivery]]:
            request = Request("m", "system", f"row {n}", {}, Sampling(), b"key %d" % n)
            return asyncio.ensure_future(gateway.ask_many([request], lambda text: text))  # type: ignore[arg-type,return-value]

        first = asked(1)
        await asyncio.sleep(0.01)
        waiting = asked(2)
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        servers.answering.set()
        await first
        (last,) = await asyncio.wait_for(asked(3), 5)
        assert last.outcome is None
        assert gateway.spent

    asyncio.run(scenario())
