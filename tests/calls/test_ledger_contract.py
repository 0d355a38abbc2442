"""What every ledger promises."""

import asyncio

import pytest
from ledger_support import answer, failure, key

from rowsight.calls.budget import Amounts, Budget
from rowsight.calls.ledger import Answered, Granted, Held, MemoryLedger, OverBudget, Recorded, SqliteLedger
from rowsight.core.errors import InputError, LedgerError

ONE = Amounts(1, 100, 50)
CHEAP = Amounts(1, 40, 20)
NOTHING = Amounts()


@pytest.fixture(params=["sqlite", "memory"])
async def ledger(request, tmp_path):
    opened = SqliteLedger.open(tmp_path / "state") if request.param == "sqlite" else MemoryLedger()
    await opened.begin_run("run", {"command": "filter"}, Budget("calls", 3))
    yield opened
    opened.close()


async def test_an_answer_is_kept_with_all_it_says(ledger):
    assert await ledger.claim("run", key(1), ONE) == Granted()
    assert await ledger.lookup([key(1)]) == {}
    assert await ledger.settle("run", key(1), answer("是"), CHEAP) == answer("是")
    assert await ledger.lookup([key(0), key(1)]) == {key(1): answer("是")}
    assert await ledger.claim("run", key(1), ONE) == Answered(answer("是"))


async def test_many_are_looked_up_at_once(ledger):
    await ledger.resume("run", Budget("calls", 1000))
    await asyncio.gather(*[ledger.claim("run", key(i), ONE) for i in range(300)])
    await asyncio.gather(*[ledger.settle("run", key(i), answer(i), CHEAP) for i in range(300)])
    found = await ledger.lookup([key(i) for i in range(350)])
    assert found == {key(i): answer(i) for i in range(300)}


async def test_a_failure_is_never_an_answer_and_is_asked_again(ledger):
    for _ in range(2):
        assert await ledger.claim("run", key(1), ONE) == Granted()
        assert await ledger.settle("run", key(1), failure(), CHEAP) == failure()
        assert await ledger.lookup([key(1)]) == {}
    assert (await ledger.provenance([key(1)])) == {key(1): Recorded("run", failure(), 2, 2)}
    await ledger.claim("run", key(1), ONE)
    await ledger.settle("run", key(1), answer(), CHEAP)
    assert (await ledger.provenance([key(1), key(2)])) == {key(1): Recorded("run", answer(), 1, 0)}


async def test_what_was_reserved_becomes_what_was_spent(ledger):
    await ledger.claim("run", key(1), ONE)
    account = await ledger.account("run")
    assert (account.spent, account.reserved, account.left) == (NOTHING, ONE, 2)
    await ledger.settle("run", key(1), answer(), CHEAP)
    account = await ledger.account("run")
    assert (account.spent, account.reserved) == (CHEAP, NOTHING)


async def test_every_request_counts(ledger):
    await ledger.claim("run", key(1), ONE)
    assert await ledger.reserve_again("run", key(1), ONE)
    assert (await ledger.account("run")).reserved == Amounts(2, 200, 100)
    assert await ledger.reserve_again("run", key(1), ONE, spent=Amounts(2, 80, 40))
    assert (await ledger.account("run")).reserved == Amounts(3, 180, 90)
    assert not await ledger.reserve_again("run", key(1), ONE, spent=Amounts(3, 90, 45))
    assert (await ledger.account("run")).reserved == Amounts(3, 180, 90)
    await ledger.settle("run", key(1), answer(), Amounts(3, 100, 60))
    account = await ledger.account("run")
    assert (account.spent, account.reserved, account.left) == (Amounts(3, 100, 60), NOTHING, 0)


async def test_a_request_without_a_claim_is_refused(ledger):
    with pytest.raises(LedgerError, match="claim"):
        await ledger.reserve_again("run", key(1), ONE)


async def test_a_spent_budget_grants_nothing_but_gives_answers(ledger):
    for i in range(3):
        assert await ledger.claim("run", key(i), ONE) == Granted()
    assert await ledger.claim("run", key(0), ONE) == Held()
    refused = await ledger.claim("run", key(9), ONE)
    assert isinstance(refused, OverBudget)
    assert refused.account.reserved.calls == 3
    await ledger.settle("run", key(0), answer(), CHEAP)
    assert await ledger.claim("run", key(0), ONE) == Answered(answer())
    await ledger.release("run", key(1))
    assert await ledger.claim("run", key(9), ONE) == Granted()


async def test_a_release_gives_all_back(ledger):
    await ledger.claim("run", key(1), ONE)
    await ledger.release("run", key(1))
    account = await ledger.account("run")
    assert (account.spent, account.reserved) == (NOTHING, NOTHING)
    assert await ledger.claim("run", key(1), ONE) == Granted()


async def test_the_first_answer_stays(ledger):
    await ledger.claim("run", key(1), ONE)
    await ledger.settle("run", key(1), answer("first"), CHEAP)
    assert await ledger.settle("run", key(1), answer("second"), CHEAP) == answer("first")
    assert await ledger.settle("run", key(1), failure(), CHEAP) == answer("first")
    assert (await ledger.account("run")).spent == CHEAP


async def test_a_held_key_is_waited_for(ledger):
    await ledger.claim("run", key(1), ONE)
    await ledger.claim("run", key(2), ONE)
    waits = [asyncio.ensure_future(ledger.wait(key(i))) for i in (1, 2, 3)]
    await asyncio.sleep(0.05)
    assert [w.done() for w in waits] == [False, False, True]
    await ledger.settle("run", key(1), answer(), CHEAP)
    await ledger.settle("run", key(2), failure(), CHEAP)
    assert await asyncio.gather(*waits) == [answer(), None, None]


async def test_a_resumed_run_goes_on_with_its_account(ledger):
    await ledger.claim("run", key(1), ONE)
    await ledger.settle("run", key(1), answer(), CHEAP)
    await ledger.claim("run", key(2), ONE)
    await ledger.end_run("run", "interrupted", {"calls": 2})
    ended = await ledger.run("run")
    assert (ended.status, ended.report, ended.ended is None) == ("interrupted", {"calls": 2}, False)
    assert (ended.account.spent, ended.account.reserved) == (CHEAP + ONE, NOTHING)
    resumed = await ledger.resume("run")
    assert (resumed.status, resumed.resumed, resumed.spec) == ("running", 1, {"command": "filter"})
    assert resumed.account.left == 1
    assert await ledger.claim("run", key(2), ONE) == Granted()
    assert isinstance(await ledger.claim("run", key(3), ONE), OverBudget)
    raised = await ledger.resume("run", Budget("tokens", 10**6))
    assert raised.account.left == 10**6 - 240


async def test_runs_have_accounts_of_their_own(ledger):
    await ledger.begin_run("other", {}, Budget("tokens", 150))
    assert await ledger.claim("other", key(1), ONE) == Granted()
    assert isinstance(await ledger.claim("other", key(2), ONE), OverBudget)
    assert await ledger.claim("run", key(2), ONE) == Granted()
    assert await ledger.claim("run", key(1), ONE) == Held()


async def test_unknown_runs_and_runs_begun_twice(ledger):
    with pytest.raises(InputError, match="did you mean 'run'"):
        await ledger.claim("runn", key(1), ONE)
    with pytest.raises(InputError, match="no run 'zebra'"):
        await ledger.account("zebra")
    with pytest.raises(InputError, match="no run"):
        await ledger.resume("zebra")
    with pytest.raises(LedgerError, match="resume it"):
        await ledger.begin_run("run", {})


async def test_one_bad_operation_leaves_its_neighbours_alone(ledger):
    results = await asyncio.gather(
        ledger.claim("run", key(1), ONE),
        ledger.claim("nowhere", key(2), ONE),
        ledger.claim("run", key(3), ONE),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [Granted, InputError, Granted]
    assert (await ledger.account("run")).reserved == ONE + ONE


async def test_records_are_kept_by_name(ledger):
    assert await ledger.get_record("run", "freeze") is None
    await ledger.put_record("run", "freeze", {"order": [3, 1, 2], "seed": 7})
    await ledger.put_record("run", "plan", {"x": None})
    await ledger.put_record("run", "plan", {"x": 1.5})
    assert await ledger.get_record("run", "freeze") == {"order": [3, 1, 2], "seed": 7}
    assert await ledger.get_record("run", "plan") == {"x": 1.5}
    assert await ledger.get_record("other", "plan") is None


async def test_attempts_are_counted_once_a_run(ledger):
    assert await ledger.next_attempt("run", b"s") == 1
    assert await ledger.next_attempt("run", b"s") == 1
    assert await ledger.next_attempt("second", b"s") == 2
    assert await ledger.next_attempt("second", b"t") == 1
    await ledger.put_certificate("second", b"s", {"accuracy": 0.95})
    assert [(a.number, a.run, a.certificate) for a in await ledger.certificates(b"s")] == [
        (1, "run", None),
        (2, "second", {"accuracy": 0.95}),
    ]
    assert await ledger.certificates(b"u") == []
    with pytest.raises(LedgerError, match="next_attempt"):
        await ledger.put_certificate("third", b"s", {})


async def test_lone_surrogates_do_not_stop_a_ledger(ledger):
    await ledger.claim("run", key(1), ONE)
    odd = answer()
    odd = type(odd)('"\ud83d"', *[getattr(odd, name) for name in ("model", "endpoint", "at", "usage", "cost")])
    await ledger.settle("run", key(1), odd, CHEAP)
    assert (await ledger.lookup([key(1)]))[key(1)].text in ('"\ud83d"', '"\\ud83d"')
