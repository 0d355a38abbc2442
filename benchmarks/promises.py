"""Print what Rowsight promises, twelve rows: what it means, the figure here, the best rival's, the command that measures it.

    python benchmarks/promises.py [--quick]

Figures come from the results that the other benchmarks kept; those that take seconds are measured now (``--quick`` leaves
them out). A promise without a figure, or whose figure falls short, says so. Written to results/promises.md, too.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import os
import stat
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binom

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "rivals")]

import run as rivals  # noqa: E402 - the benchmarks are scripts, not a package

from chaos import Server  # noqa: E402

SECRET = "sk-promise-5b1f0c77"
QUESTION = "Is {body} a complaint about delivery?"
UNKNOWN = "not measured"


@dataclass(frozen=True)
class Promise:
    """``kept`` is None where nothing was measured."""

    name: str
    meaning: str
    figure: str
    rival: str
    command: str
    kept: bool | None

    @property
    def cells(self) -> tuple[str, ...]:
        said = {True: "kept", False: "**not kept yet**", None: "**not measured yet**"}[self.kept]
        return self.name, self.meaning, self.figure, self.rival, said, f"`{self.command}`"


class Results:
    """What the benchmarks kept."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.bench, self.rivals = self._load("bench.json"), self._load("rivals.json")
        self.accuracy, self.zones = self._load("accuracy_cost.json"), self._load("zones_cost.json")
        self.validity = self._load("validity.json")

    def _load(self, name: str) -> Any:
        path = HERE / "results" / name
        return json.loads(path.read_text()) if path.exists() else {}

    def rival_cases(self, case: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for system in rivals.RIVALS:
            if found := self.rivals.get(system, {}).get(case):
                yield rivals.NAMES[system], found

    def own(self, case: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.rivals.get("rowsight", {}).get(case)
        return found

    def cheapest(self, case: str) -> tuple[str, float] | None:
        """The rival with the least CPU per further row among those that answered every row."""
        done = [(n, c) for n, f in self.rival_cases(case) if f["right"] == f["rows"] and (c := rivals.further(f))]
        return min(done, key=lambda pair: pair[1], default=None)


def understanding(_: Results) -> Promise:
    meaning = "profile, themes, summaries and a report of a whole table"
    return Promise(
        "understanding of data", meaning, "not built: it answers questions about rows", UNKNOWN, "-", kept=False
    )


def business(results: Results) -> Promise:
    meaning = "rows that must be asked to filter 50,000 messages, proven right to precision and recall .9"
    took = results.bench.get("certified", {}).get("filter 50000")
    pairs = [
        (mean_calls(results.zones, "ours", k), mean_calls(results.zones, "bargain", k)) for k in shared(results.zones)
    ]
    rival = (
        f"BARGAIN-PR: {geometric([b / a for a, b in pairs]):.1f} x our calls, {len(pairs)} tables" if pairs else UNKNOWN
    )
    figure = f"{100 * took['asked'] / took['rows']:.1f}%" if took else UNKNOWN
    command = "make bench; python benchmarks/zones_cost.py"
    return Promise(
        "efficiency of business", meaning, figure, rival, command, kept=took["asked"] < took["rows"] if took else None
    )


def shared(zones: dict[str, Any]) -> list[str]:
    """Table and level of what both ours and BARGAIN ran."""
    ran = [{k.split("|", 1)[1].rsplit("|", 1)[0] for k in zones if k.startswith(f"{s}|")} for s in ("ours", "bargain")]
    return sorted(ran[0] & ran[1])


def mean_calls(zones: dict[str, Any], system: str, case: str) -> float:
    return statistics.mean(run["calls"] for key, run in zones.items() if key.startswith(f"{system}|{case}|"))


def geometric(ratios: list[float]) -> float:
    return math.exp(statistics.mean(math.log(ratio) for ratio in ratios))


def quality(results: Results) -> Promise:
    meaning = "every row ends with the model's answer or a reason, also when 8% of the replies are faults"
    own = results.own("best-0-faults")
    figure = f"{own['right']:,} right, {own['wrong']} wrong, {own['lost']} lost of {own['rows']:,}" if own else UNKNOWN
    best = max(results.rival_cases("best-0-faults"), key=lambda pair: pair[1]["right"] / pair[1]["rows"], default=None)
    rival = (
        f"{best[0]}: {best[1]['right']:,} right, {best[1]['lost']:,} lost of {best[1]['rows']:,}" if best else UNKNOWN
    )
    kept = own["wrong"] == 0 and own["lost"] <= own["rows"] // 1000 if own else None
    return Promise(
        "product quality", meaning, figure, rival, "python benchmarks/rivals/run.py --cases best-0-faults", kept=kept
    )


def cost(results: Results) -> Promise:
    meaning = "tokens paid for a row that is asked (prompt, of which cached, and completion)"
    own = results.own("best-0")
    least = min(((spent(f), name) for name, f in results.rival_cases("best-0") if f["right"]), default=None)
    figure = f"{spent(own):.0f}, of which {own['cached_tokens'] / own['rows']:.0f} cached" if own else UNKNOWN
    if took := results.bench.get("certified", {}).get("filter 50000"):
        figure += f"; {took['prompt_tokens'] / took['rows']:.0f} for each row of a certified table of {took['rows']:,}"
    rival = f"{least[1]}: {least[0]:.0f}" if least else UNKNOWN
    kept = spent(own) <= least[0] if own and least else None
    return Promise("cost", meaning, figure, rival, "python benchmarks/rivals/run.py --cases best-0", kept=kept)


def spent(found: dict[str, Any]) -> float:
    return float(found["prompt_tokens"] + found["completion_tokens"]) / int(found["rows"])


def competitiveness(results: Results) -> Promise:
    meaning = "CPU of each further row at most a quarter of the best rival's"
    own, least = results.own("best-0"), results.cheapest("best-0")
    mine = rivals.further(own) if own else None
    figure = f"{mine:.2f} ms ({started(own)})" if own and mine else UNKNOWN
    rival = f"{least[0]}: {least[1]:.2f} ms, {least[1] / mine:.1f} x" if least and mine else UNKNOWN
    if whole := min(((f["cpu"], f, n) for n, f in results.rival_cases("best-0") if "cpu" in f), default=None):
        rival += f"; {whole[2]}: {started(whole[1])}"
    kept = mine <= least[1] / 4 if least and mine else None
    return Promise(
        "competitiveness", meaning, figure, rival, "python benchmarks/rivals/run.py --cases best-0", kept=kept
    )


def started(found: dict[str, Any]) -> str:
    return f"with starting, {found['rows']:,} rows: {found['cpu'] / found['rows'] * 1000:.2f} ms"


def efficiency(results: Results) -> Promise:
    meaning = "import in 150 ms CPU, help in 300 ms, installed in 600 MB"
    start, size = results.bench.get("start"), results.bench.get("size")
    smallest = min((c["installed"]["megabytes"] for c in results.rivals.values() if "installed" in c), default=None)
    rival = f"{smallest} MB" if smallest else UNKNOWN
    if not (start and size):
        return Promise("efficiency", meaning, UNKNOWN, rival, "make bench", kept=None)
    imported, helped, megabytes = start["import rowsight"], start["rowsight --help"], size["megabytes"]
    figure = f"{1000 * imported:.0f} ms, {1000 * helped:.0f} ms, {megabytes} MB"
    kept = imported <= 0.15 and helped <= 0.3 and megabytes <= 600
    return Promise("efficiency", meaning, figure, rival, "make bench", kept=kept)


def accuracy(results: Results) -> Promise:
    meaning = "certificates that turn out false, in attacks built to make them so (promised: at most 5%)"
    runs = {engine: [r for r in results.validity or () if r["engine"] == engine] for engine in ("rowsight", "bargain")}
    said = {engine: false_ones(rows) for engine, rows in runs.items()}
    # An attack counts against the promise when so many failures have a chance below one in a thousand at 5%.
    kept = (
        all(binom.sf(r["failures"] - 1, r["runs"], 0.05) >= 0.001 for r in runs["rowsight"])
        if runs["rowsight"]
        else None
    )
    return Promise("accuracy", meaning, said["rowsight"], f"BARGAIN: {said['bargain']}", "make validity", kept=kept)


def false_ones(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return UNKNOWN
    failures, runs = sum(r["failures"] for r in rows), sum(r["runs"] for r in rows)
    worst = max(rows, key=lambda r: r["failures"] / r["runs"])
    return f"{100 * failures / runs:.1f}% of {runs:,} runs, worst attack {worst['failures']} of {worst['runs']}"


def reliability(results: Results) -> Promise:
    meaning = "killed half-way and started again: recorded calls that are paid twice; rows lost"
    again = results.bench.get("resume")
    if not again:
        return Promise("reliability", meaning, UNKNOWN, UNKNOWN, "make bench; make chaos", kept=None)
    figure = f"{again['repaid_prompts']} of {again['requests_before']:,} repeated (in flight at the kill); {again['failed']} rows lost"
    kept = again["failed"] == 0 and again["repaid_prompts"] <= 256
    return Promise("reliability", meaning, figure, UNKNOWN, "make bench; make chaos", kept=kept)


def security(results: Results) -> Promise:
    meaning = "files of a run that hold the API key; files that others can read"
    if results.quick:
        return Promise("security", meaning, UNKNOWN, UNKNOWN, "make promises", kept=None)
    leaked, readable, files = key_in_files()
    figure = f"{leaked} and {readable} of {files} files"
    return Promise("security", meaning, figure, UNKNOWN, "make promises", kept=not leaked and not readable)


def key_in_files() -> tuple[int, int, int]:
    """Ask 200 rows with a key; count the state's files that hold it, and those that others than the owner can read."""
    with tempfile.TemporaryDirectory(prefix="rowsight-promises-") as folder:
        table, state = Path(folder, "table.jsonl"), Path(folder, "state")
        rows = ({"id": n, "body": f"Message {n}: it has not come.", "late": n % 3 == 0} for n in range(200))
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
        server = Server(table)
        try:
            main = "from rowsight.surfaces.cli import main; main()"
            words = ["filter", table, QUESTION, "--model", "sim", "--base-url", server.url, "--state", state, "--json"]
            environment = {**os.environ, "OPENAI_API_KEY": SECRET}
            subprocess.run([sys.executable, "-c", main, *words], check=True, env=environment, capture_output=True)
        finally:
            server.stop()
        files = [path for path in state.rglob("*") if path.is_file()]
        leaked = sum(SECRET.encode() in path.read_bytes() for path in files)
        return leaked, sum(bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)) for path in files), len(files)


def scalability(results: Results) -> Promise:
    meaning = "ten million rows certified in 2 GB; here: peak memory of a certified filter by rows"
    cases = [c for n, c in results.bench.get("certified", {}).items() if n.startswith("filter")]
    cases.sort(key=lambda case: case["rows"])
    figure = "; ".join(f"{c['rows']:,} rows {c['peak_mb']:.0f} MB" for c in cases) or UNKNOWN
    return Promise("scalability", meaning, f"{figure}; ten million not measured", UNKNOWN, "make bench", kept=None)


def maintainability(_: Results) -> Promise:
    meaning = "lines of a function: median, longest"
    lengths = function_lengths(HERE.parent / "src" / "rowsight")
    best = min(
        ((statistics.median(found), max(found), rivals.NAMES[name]) for name, found in rival_lengths()), default=None
    )
    rival = f"{best[2]}: {best[0]:.0f}, {best[1]}" if best else UNKNOWN
    figure = f"{statistics.median(lengths):.0f}, {max(lengths)}"
    kept = statistics.median(lengths) < 10 and max(lengths) <= 60
    return Promise("maintainability", meaning, figure, rival, "make promises; make lint", kept=kept)


def rival_lengths() -> Iterator[tuple[str, list[int]]]:
    for system, package in (("lotus", "lotus"), ("docetl", "docetl"), ("curator", "bespokelabs"), ("daft", "daft")):
        folder = rivals.ENVIRONMENTS / system / "lib" / "python3.11" / "site-packages" / package
        if folder.exists():
            yield system, function_lengths(folder)


def function_lengths(folder: Path) -> list[int]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in folder.rglob("*.py"))
    return [(n.end_lineno or n.lineno) - n.lineno + 1 for tree in trees for n in ast.walk(tree) if isinstance(n, kinds)]


def availability(results: Results) -> Promise:
    meaning = "one of two servers dies during a run: rows lost, output as undisturbed"
    command = "python benchmarks/chaos.py --quick --only endpoint_death"
    if results.quick:
        return Promise("availability", meaning, UNKNOWN, UNKNOWN, command, kept=None)
    with tempfile.TemporaryDirectory(prefix="rowsight-promises-") as folder:
        told = Path(folder, "verdicts.json")
        subprocess.run(
            [sys.executable, *command.split()[1:], "--json", told], check=False, capture_output=True, cwd=HERE.parent
        )
        if not told.exists():
            return Promise("availability", meaning, UNKNOWN, UNKNOWN, command, kept=None)
        verdict = json.loads(told.read_text())[0]
    lost, same = verdict["missing"] + verdict["failed"], "the same bytes" if verdict["bytes"] else "other bytes"
    figure = f"{lost} of {verdict['rows']:,}, {same}"
    return Promise("availability", meaning, figure, UNKNOWN, command, kept=bool(verdict["kept"]))


PROMISES: tuple[Callable[[Results], Promise], ...] = (
    *(understanding, business, quality, cost, competitiveness, efficiency),
    *(accuracy, reliability, security, scalability, maintainability, availability),
)


def table(promises: list[Promise]) -> str:
    lines = ["| promise | what it means here | here | best rival | | measured by |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(promise.cells)} |" for promise in promises), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only what is kept; measure nothing now")
    results = Results(quick=parser.parse_args().quick)
    said = table([promise(results) for promise in PROMISES])
    (HERE / "results" / "promises.md").write_text(said)
    print(said)


if __name__ == "__main__":
    main()
