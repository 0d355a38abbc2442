"""Several processes on one ledger, and processes that are killed."""

import asyncio
import json
import random
import sqlite3
from contextlib import closing

import pytest
from ledger_child import RESERVE, SPENT
from ledger_support import answer, child, failure, finished, key

from rowsight.calls.budget import Amounts, Budget
from rowsight.calls.ledger import Answered, Granted, Held, OverBudget, SqliteLedger
from rowsight.calls.ledger.admin import LedgerAdmin
from rowsight.calls.ledger.schema import FILE_NAME

NOTHING = Amounts()
DONE = {"claimed": RESERVE, "again": RESERVE + RESERVE, "released": NOTHING, "settled": SPENT, "failed": SPENT + SPENT}


async def began(directory, *budgets):
    ledger = SqliteLedger.open(directory)
    for i, budget in enumerate(budgets):
        await ledger.begin_run(f"run{i}", {}, budget)
    ledger.close()


async def test_two_processes_ask_each_key_once(tmp_path):
    await began(tmp_path, None)
    said = [finished(p) for p in [child("hammer", tmp_path, "run0", 0, 300, seed) for seed in "xy"]]
    asked = [name for lines in said for what, name in lines if what == "asked"]
    assert sorted(asked) == list(range(300))
    run = LedgerAdmin(tmp_path).run("run0")
    assert (run.account.spent, run.account.reserved) == (Amounts(300, 300 * 40, 300 * 20), NOTHING)
    assert LedgerAdmin(tmp_path).verify()["ok"]


@pytest.mark.parametrize("budget", [Budget("calls", 120), Budget("tokens", 4930), Budget("microusd", 2399)])
async def test_processes_together_never_pass_a_cap(tmp_path, budget):
    await began(tmp_path, budget, None)
    children = [child("hammer", tmp_path, "run0", 0, 200, "x"), child("hammer", tmp_path, "run0", 100, 200, "y")]
    children.append(child("hammer", tmp_path, "run1", 250, 100, "z"))
    seen = []
    ledger = SqliteLedger.open(tmp_path)
    while any(c.poll() is None for c in children):
        account = await ledger.account("run0")
        seen.append(budget.part(account.spent) + budget.part(account.reserved))
        await asyncio.sleep(0.002)
    ledger.close()
    asked = [name for c in children[:2] for what, name in finished(c) if what == "asked"]
    finished(children[2])
    account = LedgerAdmin(tmp_path).run("run0").account
    assert max(seen) <= budget.limit
    assert budget.part(account.spent) <= budget.limit
    assert account.spent == Amounts(len(asked), 40 * len(asked), 20 * len(asked))
    assert len(set(asked)) == len(asked) > 0


def acknowledged(said):
    """Return each key's last acknowledged state, and whether an operation may have happened unacknowledged."""
    return {line[1]: line[0] for line in said if len(line) > 1}


async def test_killed_at_each_write_nothing_acknowledged_is_lost(tmp_path):
    points = finished(child("crashes", tmp_path))
    assert len(points) > 40
    for step, said in points:
        ledger = SqliteLedger.open(tmp_path / str(step))
        try:
            if ["begun"] in said:
                await check_after_crash(ledger, said)
        finally:
            ledger.close()
        assert LedgerAdmin(tmp_path / str(step)).verify()["ok"]


async def check_after_crash(ledger, said):
    states = acknowledged(said)
    assert (await ledger.run("run")).status == "interrupted"
    assert not (["record"] in said and await ledger.get_record("run", "freeze") is None)
    assert not (["attempt"] in said and await ledger.next_attempt("run", b"subject") != 1)
    found = await ledger.lookup([key(name) for name in "abcde"])
    for name, state in states.items():
        if state == "settled":
            assert found[key(name)] == answer(name)
        if state == "failed":
            assert (await ledger.provenance([key(name)]))[key(name)].outcome == failure()
    before = await ledger.account("run")
    least = sum((DONE[state] for state in states.values()), NOTHING)
    used = before.spent + before.reserved
    for part in ("calls", "tokens", "microusd"):
        # at most what was acknowledged and the operations under way: two claims, or one settled or released
        assert abs(getattr(used, part) - getattr(least, part)) <= 2 * getattr(RESERVE, part)
    await ledger.resume("run", Budget("calls", 100))
    after = await ledger.account("run")
    assert (after.spent, after.reserved) == (used, NOTHING)
    for name in "abc":
        again = await ledger.claim("run", key(name), RESERVE)
        assert again == (Answered(found[key(name)]) if key(name) in found else Granted())


@pytest.mark.parametrize("seed", range(3))
async def test_killed_in_the_middle_of_a_crowd(tmp_path, seed):
    await began(tmp_path, Budget("calls", 5000))
    process = child("hammer", tmp_path, "run0", 0, 4000, seed)
    lines = [process.stdout.readline() for _ in range(5)]
    await asyncio.sleep(random.Random(seed).uniform(0, 0.4))
    process.kill()
    lines += process.stdout.read().splitlines()
    process.communicate()
    said = [json.loads(line) for line in lines if line.rstrip().endswith("]")]
    asked, settled = ({name for what, name in said if what == w} for w in ("asked", "settled"))
    ledger = SqliteLedger.open(tmp_path)
    found = await ledger.lookup([key(name) for name in settled])
    assert found == {key(name): answer(name) for name in settled}
    account = await ledger.account("run0")
    used = account.spent + account.reserved
    assert len(asked) <= used.calls <= len(asked) + 16
    await ledger.resume("run0")
    account = await ledger.account("run0")
    assert (account.spent, account.reserved) == (used, NOTHING)
    ledger.close()
    again = finished(child("hammer", tmp_path, "run0", 0, 400, "again"))
    assert not {name for what, name in again if what == "asked"} & settled


async def test_a_live_owner_keeps_its_claim_and_a_dead_one_loses_it(tmp_path):
    await began(tmp_path, Budget("calls", 2))
    holder = child("hold", tmp_path, "run0", "a")
    assert json.loads(holder.stdout.readline()) == ["Granted"]
    ledger = SqliteLedger.open(tmp_path)
    assert await ledger.claim("run0", key("a"), RESERVE) == Held()
    waiting = asyncio.ensure_future(ledger.wait(key("a")))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    holder.kill()
    assert await asyncio.wait_for(waiting, 5) is None
    assert await ledger.claim("run0", key("a"), RESERVE) == Granted()
    assert isinstance(await ledger.claim("run0", key("b"), RESERVE), OverBudget)
    account = await ledger.account("run0")
    assert (account.spent, account.reserved) == (RESERVE, RESERVE)
    holder.communicate()
    ledger.close()


async def test_an_owner_whose_lease_lapsed_loses_its_claim_but_not_its_answer(tmp_path):
    await began(tmp_path, Budget("calls", 9))
    slow, quick = SqliteLedger.open(tmp_path), SqliteLedger.open(tmp_path)
    assert await slow.claim("run0", key("a"), RESERVE) == Granted()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as clock, clock:
        clock.execute("UPDATE owners SET expires=0")
    assert await quick.wait(key("a")) is None
    assert await quick.claim("run0", key("a"), RESERVE) == Granted()
    assert await slow.settle("run0", key("a"), answer("late"), SPENT) == answer("late")
    assert await quick.settle("run0", key("a"), answer("second"), SPENT) == answer("late")
    account = await quick.account("run0")
    assert (account.spent, account.reserved) == (RESERVE + SPENT, NOTHING)
    assert await slow.claim("run0", key("b"), RESERVE) == Granted()
    assert await quick.claim("run0", key("b"), RESERVE) == Held()
    slow.close()
    assert await quick.claim("run0", key("b"), RESERVE) == Granted()
    quick.close()
