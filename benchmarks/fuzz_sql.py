"""Generated SQL queries against the reference that asks every row: ``python benchmarks/fuzz_sql.py [queries] [first seed]``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "sql"))

from sql_compare import compare
from sql_generated import Writer, tables


def main(queries: int, first: int) -> int:
    """Run ``queries`` comparisons, print the calls and every failure; return the number of failures."""
    made = naive = failures = more = 0
    started = time.process_time()
    for seed in range(first, first + queries):
        generated = Writer(seed).query()
        try:
            ours, theirs = compare(generated, tables(seed))
        except Exception as error:  # noqa: BLE001 - the boundary: each failure is shown and counted
            failures += 1
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:600]}\n  {generated.text}")
            continue
        made, naive, more = made + ours, naive + theirs, more + (ours > theirs)
    seconds = time.process_time() - started
    print(
        f"{queries:,} queries, {failures:,} failures; {made:,} calls where naive evaluation makes {naive:,}; more in {more:,}; {seconds:.0f} s CPU"
    )
    return failures


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:3]]
    sys.exit(1 if main(*(numbers + [5000, 0][len(numbers) :])) else 0)
