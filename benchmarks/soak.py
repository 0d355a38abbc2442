"""Ask 200,000 questions of a faulty server in one process, and see that memory and file descriptors stay flat.

    python benchmarks/soak.py [--calls 200000] [--every 10]

The run reads a file, keeps a ledger and writes a file; the server is `rowsight simulate` in a process of its own. The run's
process is sampled from /proc. Flat means: the median resident memory of the last third is at most 15% above that of the
second third (the first fills caches), and the highest number of descriptors of the last third at most 16 above that of the
second. Ends with 1 where either isn't flat, or an answer is missing or wrong.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from chaos import MAIN, QUESTION, Server, truth, write_table

FAULTS = {
    "rate-429": 0.05,
    "retry-after": 0.05,
    "rate-500": 0.03,
    "rate-drop": 0.01,
    "rate-hang": 0.001,
    "rate-malformed": 0.01,
    "rate-refusal": 0.005,
    "latency": 20,
    "latency-sigma": 0.5,
}
GROWTH = 1.15
MORE_DESCRIPTORS = 16


def sample(pid: int) -> tuple[float, int]:
    """Return resident megabytes and open file descriptors."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    return resident, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def watch(process: subprocess.Popen[str], server: Server, every: float) -> list[tuple[float, int]]:
    """Sample a process until it ends, and print each sample."""
    print(f"{'seconds':>8}{'calls':>10}{'MB':>8}{'files':>7}", flush=True)
    started, samples = time.monotonic(), []
    while True:
        try:
            process.wait(every)
        except subprocess.TimeoutExpired:
            samples.append(sample(process.pid))
            calls = server.alive()["requests"]
            resident, files = samples[-1]
            print(f"{time.monotonic() - started:>8.0f}{calls:>10,}{resident:>8.0f}{files:>7}", flush=True)
        else:
            return samples


def flat(samples: list[tuple[float, int]]) -> bool:
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[2 * third :]
    if not middle:
        return False
    before, after = (statistics.median(m for m, _ in part) for part in (middle, last))
    files_before, files_after = (max(f for _, f in part) for part in (middle, last))
    print(f"memory {before:.0f} -> {after:.0f} MB, descriptors {files_before} -> {files_after}")
    return after <= GROWTH * before and files_after <= files_before + MORE_DESCRIPTORS


def judged(out: Path, rows: int) -> bool:
    found: Counter[str] = Counter()
    with out.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            row = json.loads(line)
            found[row["said_status"]] += 1
            right = row["said"] is (truth(number) if row["said_status"] == "asked" else None)
            found["wrong"] += not right or row["id"] != number
    print(dict(found))
    return found["asked"] + found["failed"] == rows and not found["wrong"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between samples")
    parser.add_argument("--concurrency", type=int, default=128)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rowsight-soak-") as folder:
        table, out = Path(folder) / "table.jsonl", Path(folder) / "out.jsonl"
        write_table(table, options.calls)
        server = Server(table, **FAULTS)
        where = ["--model", "sim", "--base-url", server.url, "--timeout", 3, "--concurrency", options.concurrency]
        kept = ["--into", "said", "--keep-all", "--state", Path(folder) / "state", "--out", out, "--json"]
        command = [*MAIN, *map(str, ["filter", table, QUESTION, *where, *kept])]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            samples = watch(process, server, options.every)
            assert process.stdout is not None
            report = json.loads(process.stdout.read())
        server.stop()
        names = ("calls", "retries", "repairs", "asked", "failed", "failures", "seconds")
        print({name: report[name] for name in names})
        steady, right = flat(samples), judged(out, options.calls)
    print("flat and right" if steady and right else "NOT flat" if right else "NOT right")
    sys.exit(0 if steady and right else 1)


if __name__ == "__main__":
    main()
