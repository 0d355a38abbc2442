"""What a ledger costs: durable claims and outcomes, look-ups, CPU a call; beside one commit a call on the same disk.

python benchmarks/ledger.py [calls] [directory]
"""

import asyncio
import hashlib
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from rowsight.calls.budget import Amounts, Budget
from rowsight.calls.ledger import Granted, Ledger, MemoryLedger, SqliteLedger
from rowsight.calls.request import Answer, Usage

RESERVE, SPENT = Amounts(1, 2000, 900), Amounts(1, 640, 250)


class Clock:
    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


async def measure(ledger: Ledger, calls: int, in_flight: int) -> float:
    run = f"run-{in_flight}"
    await ledger.begin_run(run, {}, Budget("tokens", 10**12))
    keys = [hashlib.sha256(f"{in_flight} {i}".encode()).digest() for i in range(calls)]
    answer = Answer('{"answer":"a label of usual length"}', "sim", "local", time.time(), Usage(600, 40), 0.00025)
    todo = iter(keys)

    async def worker():
        for key in todo:
            assert isinstance(await ledger.claim(run, key, RESERVE), Granted)
            await ledger.settle(run, key, answer, SPENT)

    with Clock() as writing:
        await asyncio.gather(*[worker() for _ in range(in_flight)])
    with Clock() as reading:
        found = sum([len(await ledger.lookup(keys[i : i + 256])) for i in range(0, calls, 256)])
    assert found == calls
    puts = 2 * calls / writing.wall
    print(
        f"{type(ledger).__name__:<13} {in_flight:>4} in flight: {puts:>9,.0f} durable puts/s, "
        f"{writing.cpu / calls * 1e6:>5.1f} us CPU a claim and settle; {calls / reading.wall:>9,.0f} gets/s"
    )
    return puts


def one_commit_a_put(directory: Path, seconds: float = 2.0) -> float:
    connection = sqlite3.connect(directory / "plain.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t(key BLOB PRIMARY KEY, text TEXT) WITHOUT ROWID")
    puts, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        connection.execute("INSERT INTO t VALUES (?, ?)", (hashlib.sha256(b"%d" % puts).digest(), "x" * 100))
        puts += 1
    connection.close()
    return puts / seconds


async def main(calls: int, directory: Path) -> None:
    plain = one_commit_a_put(directory)
    print(f"one commit a put: {plain:,.0f} durable puts/s")
    for in_flight in (16, 64, 256, 1024):
        ledger = SqliteLedger.open(directory)
        puts = await measure(ledger, calls, in_flight)
        ledger.close()
        print(f"{'':<13} {puts / plain:.1f} times one commit a put")
    await measure(MemoryLedger(), calls, 256)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as scratch:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, Path(scratch)))
