"""A program that uses a ledger the way a run does; tests start several and kill some. Each line it prints has happened."""

import asyncio
import json
import os
import random
import resource
import signal
import sys
from pathlib import Path

from ledger_support import answer, failure, key

from rowsight.calls.budget import Amounts
from rowsight.calls.ledger import Answered, Granted, Held, OverBudget, SqliteLedger
from rowsight.calls.ledger.admin import LedgerAdmin
from rowsight.core.errors import LedgerError

NOBODY = 65534
RESERVE = Amounts(1, 100, 50)
SPENT = Amounts(1, 40, 20)


def say(*what) -> None:
    os.write(1, (json.dumps(what) + "\n").encode())


async def scenario(directory: Path, die) -> None:
    """One of everything that a run writes; each line says what is acknowledged and what the account must hold by then."""
    ledger = SqliteLedger.open(directory, on_write=die)
    await ledger.begin_run("run", {"command": "filter"})
    say("begun")
    await ledger.put_record("run", "freeze", {"seed": 7})
    say("record")
    await ledger.next_attempt("run", b"subject")
    say("attempt")
    for name in "ab":
        await ledger.claim("run", key(name), RESERVE)
        say("claimed", name)
        await ledger.settle("run", key(name), answer(name), SPENT)
        say("settled", name)
    await ledger.claim("run", key("c"), RESERVE)
    say("claimed", "c")
    await ledger.reserve_again("run", key("c"), RESERVE)
    say("again", "c")
    await ledger.settle("run", key("c"), failure(), SPENT + SPENT)
    say("failed", "c")
    await asyncio.gather(ledger.claim("run", key("d"), RESERVE), ledger.claim("run", key("e"), RESERVE))
    say("claimed", "d")
    say("claimed", "e")
    await ledger.release("run", key("d"))
    say("released", "d")
    say("end")
    os.kill(os.getpid(), signal.SIGKILL)


def crashes(root: str) -> None:
    """Run the scenario again and again, each time killed one step of writing later, until it ends by itself."""
    steps = 0
    while True:
        directory = Path(root) / str(steps)
        reading, writing = os.pipe()
        if (pid := os.fork()) == 0:
            os.dup2(writing, 1)
            left = [steps]

            def die(_step: str, left=left) -> None:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

            asyncio.run(scenario(directory, die))
        os.close(writing)
        os.waitpid(pid, 0)
        with os.fdopen(reading) as lines:
            said = [json.loads(line) for line in lines]
        say(steps, said)
        if ["end"] in said:
            return
        steps += 1


async def hammer(directory: str, run: str, first: str, many: str, seed: str) -> None:
    """Claim and settle keys in a random order, 16 at a time, until all are answered or the budget is spent."""
    ledger = SqliteLedger.open(Path(directory))
    names = list(range(int(first), int(first) + int(many)))
    random.Random(seed).shuffle(names)
    todo = iter(names)

    async def worker() -> None:
        for name in todo:
            while True:
                claim = await ledger.claim(run, key(name), RESERVE)
                if isinstance(claim, Held):
                    await ledger.wait(key(name))
                    continue
                break
            if isinstance(claim, OverBudget):
                return
            if isinstance(claim, Granted):
                say("asked", name)
                await asyncio.sleep(0)
                await ledger.settle(run, key(name), answer(name), SPENT)
                say("settled", name)
            assert isinstance(claim, Granted | Answered)

    await asyncio.gather(*[worker() for _ in range(16)])
    ledger.close()


async def hold(directory: str, run: str, name: str) -> None:
    """Claim a key and sit on it."""
    ledger = SqliteLedger.open(Path(directory))
    say(type(await ledger.claim(run, key(name), RESERVE)).__name__)
    await asyncio.sleep(60)


async def fill(directory: str, limit: str) -> None:
    """Answer keys until the disk (a limit of the file's size) is full; say how it ended and what happens next."""
    ledger = SqliteLedger.open(Path(directory))
    await ledger.begin_run("run", {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    try:
        for i in range(100_000):
            await ledger.claim("run", key(i), RESERVE)
            await ledger.settle("run", key(i), answer("x" * 2000), SPENT)
            say("settled", i)
    except LedgerError as error:
        say("error", str(error))
    try:
        await ledger.claim("run", key("more"), RESERVE)
    except LedgerError as error:
        say("refused", str(error))
    say("readable", len(await ledger.lookup([key(i) for i in range(1000)])))
    ledger.close()


async def readonly(directory: str) -> None:
    """Use a ledger that this user may not write; root becomes a user who may not, since nothing is read-only to root."""
    if os.getuid() == 0:
        os.setuid(NOBODY)
    try:
        SqliteLedger.open(Path(directory))
    except LedgerError as error:
        say("error", str(error))
    admin = LedgerAdmin(Path(directory))
    say("readable", admin.stats()["answers"], admin.verify()["ok"], len(admin.runs()))


def main(what: str, *args: str) -> None:
    if what == "crashes":
        crashes(*args)
    else:
        asyncio.run({"hammer": hammer, "hold": hold, "fill": fill, "readonly": readonly}[what](*args))


if __name__ == "__main__":
    main(*sys.argv[1:])
