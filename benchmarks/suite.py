"""The benchmark suite: what Rowsight takes in CPU, memory, calls and time, each case in a process of its own.

    python benchmarks/suite.py [--only plain,certified,...] [--rows 5000] [--repeats 3] [--certified-rows 5000 50000 500000]

Cases: ``plain`` asking at 0 and 200 ms beside a bare aiohttp loop to the same server; ``sharing`` (1, 5 and 10 rows in a request,
with and without faults); ``faults``; ``duplicates`` (half of the rows are repeats); ``resume`` after SIGKILL; ``certified``
filter and classify by rows; ``limit`` (DuckDB and NumPy alone over the same tables); ``memory`` by rows; ``start`` (import and help);
``size`` (megabytes installed). CPU time and peak memory are what to compare; wall time depends on what else the machine does,
so ``plain`` runs several times and its spread is kept, beside the load average. Results are kept in ``results/bench.json``, case
by case; ``make bench`` then writes docs/benchmarks.md with ``report.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chaos import Server

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "bench.json"
FAULTS = {"rate-429": 0.05, "rate-500": 0.02, "rate-malformed": 0.01}
SHARED_FAULTS = {"rate-429": 0.05, "rate-500": 0.02, "rate-malformed": 0.05}
IN_FLIGHT = 256
COUNTED = ("requests", "repaid_prompts", "prompt_tokens", "completion_tokens", "cached_tokens")
COMPLAINT = "Is {body} a complaint, that is, is the customer unhappy with something that we did or failed to do?"
TOPIC = "What is {body} about?"
MAKE = """
import json, sys
from rowsight.worlds import generate_batches, questions
path, rows, column, distinct = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "distinct"
seen, number = set(), 0
with open(path, "w") as file:
    for batch in generate_batches("support", rows=2 * rows + 100, seed=0):
        for text, truth in zip(batch["text"].to_pylist(), batch[column].to_pylist()):
            if text and truth is not None and number < rows and not (distinct and text in seen):
                seen.add(text)
                file.write(json.dumps({"id": number, "body": text, "late": truth}) + "\\n")
                number += 1
assert number == rows
print(json.dumps(questions("support").labels))
"""


@contextlib.contextmanager
def served(table: Path, **flags: float) -> Iterator[Server]:
    server = Server(table, **flags)
    try:
        yield server
    finally:
        server.stop()


class Bench:
    """A folder for tables and states, and the results so far."""

    def __init__(self, folder: Path, rows: int, certified_rows: list[int], repeats: int) -> None:
        self.folder, self.rows, self.certified_rows, self.repeats = folder, rows, certified_rows, repeats
        self.runs = 0

    def table(self, rows: int, column: str = "model_complaint", *, distinct: bool = True) -> Path:
        """Messages to a support desk as JSON lines, and what the model says of each in ``late``."""
        path = self.folder / f"{column}-{rows}-{distinct}.jsonl"
        if not path.exists():
            words = [str(path), str(rows), column, "distinct" if distinct else "as drawn"]
            made = subprocess.run([sys.executable, "-c", MAKE, *words], check=True, capture_output=True, text=True)
            self.labels = json.loads(made.stdout)
        return path

    def command(self, report: Path, verb: str, table: Path, question: str, *words: object) -> list[str]:
        given = ["--model", "sim", "--concurrency", IN_FLIGHT, "--json", "--yes", *words]
        return [str(w) for w in (sys.executable, HERE / "measured.py", report, verb, table, question, *given)]

    def state(self) -> Path:
        self.runs += 1
        return self.folder / f"state-{self.runs}"

    def run(self, server: Server, verb: str, table: Path, question: str, *words: object) -> dict[str, Any]:
        """Run the command; return what it said, what it took and what the server counted meanwhile."""
        report = self.folder / "report.json"
        before = server.alive()
        if "--state" not in words and "--no-ledger" not in words:
            words = (*words, "--state", self.state())
        command = self.command(report, verb, table, question, "--base-url", server.url, *words)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[2:])} ended with {done.returncode}: {done.stderr[-500:]}")
        said, after = json.loads(done.stdout), server.alive()
        counted = {name: after[name] - before[name] for name in COUNTED}
        found = {**json.loads(report.read_text()), **counted}
        if said["certificates"]:
            found["certified"] = all(certificate["certified"] for certificate in said["certificates"])
        return {**found, **{name: said[name] for name in ("rows", "asked", "proxied", "failed")}}


def plain(bench: Bench) -> dict[str, Any]:
    """Every row asked once, at no latency and at 200 ms; wall time beside rows x latency / in flight."""
    found: dict[str, Any] = {}
    table = bench.table(bench.rows)
    for latency in (0, 200):
        rounds: dict[str, list[dict[str, Any]]] = {"ledger": [], "no ledger": []}
        bares: list[float] = []
        for _ in range(bench.repeats):
            with served(table, latency=latency) as server:
                rounds["ledger"].append(bench.run(server, "filter", table, COMPLAINT))
                rounds["no ledger"].append(bench.run(server, "filter", table, COMPLAINT, "--no-ledger"))
            bares.append(bare(bench, table))
        ideal = bench.rows * latency / 1000 / IN_FLIGHT
        taken = {name: middle(runs) for name, runs in rounds.items()}
        found[f"{latency} ms"] = {**taken, "bare_cpu": statistics.median(bares), "ideal": ideal}
    return found


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run with the median CPU, and the wall and CPU seconds of all, in order."""
    ordered = sorted(runs, key=lambda run: float(run["cpu"]))
    return {**ordered[len(ordered) // 2], **{f"{n}s": sorted(r[n] for r in runs) for n in ("wall", "cpu")}}


def sharing(bench: Bench) -> dict[str, Any]:
    """1, 5 and 10 rows in a request: requests, tokens, CPU, and answers that aren't the model's; the same under faults."""
    table, out = bench.table(bench.rows), bench.folder / "shared.jsonl"
    found: dict[str, Any] = {}
    for name, flags in (("calm", {}), ("faults", SHARED_FAULTS)):
        for together in (1, 5, 10):
            with served(table, **flags) as server:
                words = ("--rows-per-call", together, "--keep-all", "--out", out)
                took = bench.run(server, "filter", table, COMPLAINT, *words)
            told = [row for row in lines(out) if row["answer_status"] == "asked"]
            found[f"{name} {together}"] = took | {"wrong": sum(row["answer"] != row["late"] for row in told)}
    return found


def limit(bench: Bench) -> dict[str, Any]:
    """Reading, scoring and writing tables of certified runs with DuckDB and NumPy alone."""
    found = {}
    for rows in bench.certified_rows:
        table = bench.table(rows, distinct=False)
        command = [sys.executable, HERE / "rows_limit.py", table, bench.folder / "kept.jsonl"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[str(rows)] = json.loads(done.stdout)
    return found


def bare(bench: Bench, table: Path) -> float:
    """CPU seconds of a loop that does nothing but ask, starting aside."""
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    given, told = bench.folder / "job.json", bench.folder / "told.json"
    with served(table) as server:
        job = {"rows": rows, "question": COMPLAINT, "url": server.url, "in_flight": IN_FLIGHT}
        given.write_text(json.dumps({**job, "best": True, "scratch": ""}))
        subprocess.run([sys.executable, HERE / "rivals" / "run_bare.py", given, told], check=True)
    report = json.loads(told.read_text())
    assert len(report["answers"]) == len(rows)
    return float(report["cpu"])


def faults(bench: Bench) -> dict[str, Any]:
    """5% of 429, 2% of 500, 1% malformed: calls and CPU beside a server without faults."""
    table = bench.table(bench.rows)
    found = {}
    for name, flags in (("calm", {}), ("faults", FAULTS)):
        with served(table, **flags) as server:
            found[name] = bench.run(server, "filter", table, COMPLAINT)
    return found


def duplicates(bench: Bench) -> dict[str, Any]:
    """Half of the rows repeat another: each text is asked once."""
    single = bench.table(bench.rows // 2).read_text().splitlines()
    table = bench.folder / "twice.jsonl"
    table.write_text("\n".join(single + single) + "\n")
    with served(table) as server:
        return bench.run(server, "filter", table, COMPLAINT)


def resume(bench: Bench) -> dict[str, Any]:
    """Killed when half of the calls are made, then started again: calls repeated, CPU of the second start."""
    table, state = bench.table(bench.rows), bench.state()
    with served(table, latency=50) as server:
        words = ("--base-url", server.url, "--state", state)
        command = bench.command(bench.folder / "killed.json", "filter", table, COMPLAINT, *words)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while server.alive()["requests"] < bench.rows // 2 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(0.2)
        before = server.alive()["requests"]
        found = bench.run(server, "filter", table, COMPLAINT, "--state", state)
    return {**found, "requests_before": before}


def certified(bench: Bench) -> dict[str, Any]:
    """A filter at precision and recall .9 and a classify at accuracy .9, at confidence .95, by rows."""
    found: dict[str, Any] = {}
    for rows in bench.certified_rows:
        table, kept = bench.table(rows, distinct=False), bench.folder / "kept.jsonl"
        with served(table) as server:
            words = ("--precision", 0.9, "--recall", 0.9, "--out", kept)
            took = bench.run(server, "filter", table, COMPLAINT, *words)
        found[f"filter {rows}"] = took | precision_recall(table, kept)
        table, out = bench.table(rows, "model_topic", distinct=False), bench.folder / "topics.jsonl"
        with served(table) as server:
            words = ("--labels", ",".join(bench.labels), "--accuracy", 0.9, "--out", out)
            took = bench.run(server, "classify", table, TOPIC, *words)
        found[f"classify {rows}"] = took | {"true_accuracy": accuracy(out)}
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    with path.open() as file:
        return [json.loads(line) for line in file]


def precision_recall(table: Path, kept: Path) -> dict[str, float]:
    chosen = lines(kept)
    hits = sum(row["late"] for row in chosen)
    positives = sum(row["late"] for row in lines(table))
    return {"true_precision": hits / max(len(chosen), 1), "true_recall": hits / max(positives, 1)}


def accuracy(out: Path) -> float:
    rows = lines(out)
    return sum(row["answer"] == row["late"] for row in rows) / len(rows)


def memory(bench: Bench) -> dict[str, Any]:
    """Peak memory of a run that asks every row, by rows."""
    found = {}
    for rows in (1_000, 4_000, 16_000):
        table = bench.table(rows)
        out = bench.folder / "out.parquet"
        with served(table) as server:
            found[str(rows)] = bench.run(server, "filter", table, COMPLAINT, "--keep-all", "--out", out)
    return found


def start(_bench: Bench) -> dict[str, Any]:
    """CPU seconds of an import, of the command's help, and of Python itself; medians of five."""
    commands = {
        "python": ["-c", "pass"],
        "import rowsight": ["-c", "import rowsight"],
        "rowsight --help": ["-c", "from rowsight.surfaces.cli import main; main()", "--help"],
    }
    return {name: statistics.median(child_cpu(words) for _ in range(5)) for name, words in commands.items()}


def child_cpu(words: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def size(_bench: Bench) -> dict[str, Any]:
    """Megabytes of the installed packages that Rowsight needs, itself included."""
    done = subprocess.run(
        [sys.executable, HERE / "installed.py", "rowsight"], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


CASES: tuple[Callable[[Bench], dict[str, Any]], ...] = (
    *(size, start, plain, sharing, faults, duplicates, resume),
    *(memory, limit, certified),
)


def keep(name: str, found: dict[str, Any]) -> None:
    held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    held[name] = {
        **held.get(name, {}),
        **found,
        "load_average": round(os.getloadavg()[0], 1),
        "at": time.strftime("%Y-%m-%d %H:%M"),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    scratch = RESULTS.with_suffix(".tmp")
    scratch.write_text(json.dumps(held, indent=1, sort_keys=True, default=str) + "\n")
    scratch.replace(RESULTS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=", ".join(case.__name__ for case in CASES))
    parser.add_argument("--rows", type=int, default=5000, help="of the cases that ask every row")
    parser.add_argument(
        "--certified-rows", type=int, nargs="+", default=[5_000, 50_000, 500_000], help="tables to certify"
    )
    parser.add_argument("--repeats", type=int, default=3, help="runs of each plain case")
    options = parser.parse_args()
    for case in CASES:
        if options.only and case.__name__ not in options.only.split(","):
            continue
        with tempfile.TemporaryDirectory(prefix="rowsight-bench-") as folder:
            found = case(Bench(Path(folder), options.rows, options.certified_rows, options.repeats))
        keep(case.__name__, found)
        print(case.__name__, json.dumps(found, default=str)[:600], flush=True)


if __name__ == "__main__":
    main()
