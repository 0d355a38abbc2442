"""Write docs/benchmarks.md and docs/benchmarks.svg from the kept results: ``python benchmarks/report.py``."""

from __future__ import annotations

import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
sys.path[:0] = [str(HERE / "rivals")]

import run as rivals  # noqa: E402 - the benchmarks are scripts, not a package

INTRODUCTION = """# Benchmarks

`make bench` measures and writes this page; `benchmarks/results/` holds the figures. Everything runs on one machine against
`rowsight simulate` in a process of its own. **CPU seconds and peak memory are what to compare**: they depend little on what else
the machine does. Wall times were taken beside other work (the load average stands in the results) and are upper bounds.

## Beside others

One yes/no question about each of {rows:,} support messages (`rowsight.worlds`). Each system runs in an environment of its own,
pinned in `benchmarks/rivals/requirements`, at its *defaults* and at its *best* settings: caches off, 256 calls in flight where it
has such a setting. CPU is user and system time of the asking process; importing is counted apart. *Each further row* leaves out what a
system loads once, from a second run with a tenth of the rows. *Wrong* rows got an answer that isn't the model's, *lost* rows
got none; a system that only says which rows it keeps is taken to say no of the others. `python benchmarks/rivals/run.py --only NAME` repeats one system.

![CPU per further row](benchmarks.svg)
"""
HEADINGS = {
    "best-0": "Best settings, no latency",
    "defaults-0": "Defaults, no latency",
    "best-200": "Best settings, 200 ms",
    "defaults-200": "Defaults, 200 ms",
    "best-0-faults": "Best settings, with faults: 5% of 429, 2% of 500, 1% malformed answers",
    "defaults-0-faults": "Defaults, with the same faults",
}
FALLS_SHORT = """## What falls short, and what is not measured yet

- **Tokens.** A row that is asked alone costs more tokens than with curator, Daft or ThalamusDB: the prompt says more of the rules, and
  fences what a row holds; two thirds of them are a prefix that caches hit. Ten short rows in a request cost less than any of them
  (`--rows-per-call 10`), if the model bears it. A certificate saves most of the rows.
- **Peak memory** of a small run is above Daft's and the bare loop's.
- **A filter's calls** don't grow evenly with its rows: one run each, and what a plan hits differs.
- **Wall time at 200 ms** is above 1.05 x the ideal at 40,000 rows: a loop that does nothing but ask is above 1.02 already, and the
  server's cap is found from below, in 0.5 s.
- Where a row of a table beside others shows one wall time, it ran once.
- curator at its defaults makes about 180 requests a minute where a server sends no rate-limit headers (724 in 240 s, starting included), so that its other
  cases at the defaults were left out. Palimpzest is 0.9.0, on Python 3.12: later versions fetch a list of models over the network when they are
  imported and fail without it, and 0.9.0 declares Python 3.11 but fails there on importing `TypeAliasType`.
  Its five wrong rows may be the simulated model's doing, which finds a row in a prompt that isn't fenced by its text.
"""


def load(name: str) -> dict[str, Any]:
    path = HERE / "results" / name
    return dict(json.loads(path.read_text())) if path.exists() else {}


def beside(kept: dict[str, Any]) -> str:
    rows = kept.get("rowsight", {}).get("best-0", {}).get("rows", 0)
    parts = [INTRODUCTION.format(rows=rows)]
    parts += [f"### {title}\n\n{rivals.table(kept, case)}\n" for case, title in HEADINGS.items()]
    return "\n".join([*parts, tokens(kept), installs(kept)])


def tokens(kept: dict[str, Any]) -> str:
    """Tokens per row at the best settings, as the server counted them: a quarter of the bytes; sharing requests, too."""
    lines = [
        "### Tokens per row\n",
        "The server counts a quarter of the bytes as tokens; *cached* are prompt tokens of a prefix that it saw before, which",
        "providers sell at a discount. A prompt that says more of the rules costs more.\n",
        "| system | prompt | of which cached | completion |",
        "|---|---:|---:|---:|",
    ]
    for system, name in rivals.NAMES.items():
        if (found := kept.get(system, {}).get("best-0")) and found["requests"]:
            counts = [found[f"{kind}_tokens"] / found["rows"] for kind in ("prompt", "cached", "completion")]
            lines.append(f"| {name} | {' | '.join(f'{count:.0f}' for count in counts)} |")
    return "\n".join([*lines, ""])


def installs(kept: dict[str, Any]) -> str:
    """What installing and importing takes."""
    own = load("bench.json").get("size", {})
    lines = [
        "### Installing and importing\n",
        "Megabytes of all packages that a system needs; LOTUS with the CPU build of torch.\n",
        "| system | version | packages | MB | import, CPU s | |",
        "|---|---|---:|---:|---:|---|",
    ]
    for system in ("rowsight", *rivals.RIVALS):
        cases = kept.get(system, {})
        size = own if system == "rowsight" else cases.get("installed", {})
        took = cases.get("defaults-0", cases.get("best-0", {})).get("import_cpu")
        failed = "" if size else cases.get("install", {}).get("error", "not tried")
        cells = [size.get("version", ""), size.get("packages", ""), size.get("megabytes", "")]
        shown = [*map(str, cells), "" if took is None else f"{took:.2f}", failed]
        lines.append(f"| {rivals.NAMES[system]} | {' | '.join(shown)} |")
    return "\n".join([*lines, ""])


def alone(bench: dict[str, Any]) -> str:
    """The tables of the suite: what Rowsight takes."""
    parts = ["## Rowsight alone\n"]
    makers = {
        "plain": plain,
        "sharing": sharing,
        "faults": faults,
        "certified": certified,
        "limit": limit,
        "memory": memory,
        "start": start,
    }
    parts += [maker(bench[name]) for name, maker in makers.items() if name in bench]
    if kept := load("throughput.json"):
        parts.append(throughput(kept))
    if twice := bench.get("duplicates"):
        parts.append(f"**Duplicates.** {twice['rows']:,} rows, half of them repeats: {twice['requests']:,} requests.\n")
    if again := bench.get("resume"):
        parts.append(
            f"**Resume.** Killed (SIGKILL) after {again['requests_before']:,} of {again['rows']:,} calls; the same command then made "
            f"{again['requests']:,} requests, {again['repaid_prompts']:,} of them for calls that had been answered "
            f"but not recorded, all in flight at the kill. {again['failed']} rows failed.\n"
        )
    return "\n".join(parts)


def plain(found: dict[str, Any]) -> str:
    lines = [
        "### Every row asked\n",
        "The bare loop sends a short body over aiohttp, reads the answer and keeps nothing. CPU of Rowsight includes starting. Wall",
        "time: the median of several runs, and in brackets the shortest and the longest.\n",
        "| case | rows | CPU s | x bare loop | peak MB | wall s | ideal wall s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for latency in ("0 ms", "200 ms"):
        for name in ("ledger", "no ledger"):
            took, bare = found[latency][name], found[latency]["bare_cpu"]
            cells = [f"{took['rows']:,}", f"{took['cpu']:.2f}", f"{took['cpu'] / bare:.1f}", f"{took['peak_mb']:.0f}"]
            cells += [rivals.spread(took), f"{found[latency]['ideal']:.1f}"]
            lines.append(f"| {latency}, {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def throughput(found: dict[str, Any]) -> str:
    """Wall time beside the ideal, and CPU of a row beside the bare loop that sends the same bodies."""
    lines = ["### Beside the ideal\n", "`make bench-throughput`: a file is read, a ledger kept, a file written.\n"]
    if walls := found.get("wall"):
        lines += ["| in flight | rows | ideal s | bare loop s | run s | x ideal | x bare loop |", "|---:" * 7 + "|"]
    for in_flight, took in (walls or {}).items():
        shown = [rivals.spread({"walls": sorted(took[name])}) for name in ("bare", "run")]
        ratios = [statistics.median(took["run"]) / of for of in (took["ideal"], statistics.median(took["bare"]))]
        cells = [in_flight, f"{took['rows']:,}", f"{took['ideal']:.1f}", *shown, *(f"{ratio:.3f}" for ratio in ratios)]
        lines.append(f"| {' | '.join(cells)} |")
    said = "; ".join(f"{n} {t['microseconds']:.0f} us ({t['x bare']:.2f} x)" for n, t in found["cpu"].items())
    return "\n".join([*lines, f"\n**CPU of a row**, no latency: {said}.\n"])


def sharing(found: dict[str, Any]) -> str:
    lines = [
        "### Several rows in one request\n",
        "`--rows-per-call`; the faults are 5% of 429, 2% of 500 and 5% malformed answers: broken JSON, prose, a row left out, one",
        "twice, one too many, one of another kind. *Wrong* answers are not the model's.\n",
        "| server | rows per call | requests | prompt tokens/row | of which cached | completion tokens/row | CPU ms/row | failed | wrong |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in (f"{server} {together}" for server in ("calm", "faults") for together in (1, 5, 10)):
        took = found[name]
        each = [took[f"{kind}_tokens"] / took["rows"] for kind in ("prompt", "cached", "completion")]
        shown = [
            f"{took['requests']:,}",
            *(f"{count:.1f}" for count in each),
            f"{took['cpu'] / took['rows'] * 1000:.2f}",
        ]
        cells = [*name.split(), *shown, f"{took['failed']:,}", f"{took['wrong']:,}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def limit(found: dict[str, Any]) -> str:
    cases = sorted((took for took in found.values() if isinstance(took, dict)), key=lambda took: took["rows"])
    said = "; ".join(
        f"{t['rows']:,} rows {t['cpu'] / t['rows'] * 1e6:.1f} us a row, {t['peak_mb']:.0f} MB" for t in cases
    )
    return (
        "**The limit for rows**: DuckDB reads the same messages in one thread, NumPy adds up a weight for each hashed byte trigram, "
        f"half of the rows are written: {said} of CPU and peak memory (`benchmarks/rows_limit.py`). Nothing is trained or proved.\n"
    )


def faults(found: dict[str, Any]) -> str:
    calm, rough = found["calm"], found["faults"]
    return (
        f"**Faults** (5% of 429, 2% of 500, 1% malformed). {rough['requests'] / calm['requests']:.3f} x the requests, "
        f"{rough['cpu'] / calm['cpu']:.2f} x the CPU; {rough['failed']} of {rough['rows']:,} rows failed.\n"
    )


def certified(found: dict[str, Any]) -> str:
    lines = [
        "### Certified\n",
        "Support messages; a filter at precision and recall .9, a classify over seven topics at accuracy .9, confidence .95. *True* is against the",
        "model's answers to all rows.\n",
        "| case | asked | % of rows | requests | CPU s | CPU us/row | peak MB | wall s | true |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    cases = [name for name in found if " " in name]
    for name in sorted(cases, key=lambda n: (n.split()[0] == "classify", int(n.split()[1]))):
        took = found[name]
        rows = took["rows"]
        true = [f"{key.removeprefix('true_')} {took[key]:.3f}" for key in took if key.startswith("true_")]
        cells = [
            f"{took['asked']:,}",
            f"{100 * took['asked'] / rows:.1f}",
            f"{took['requests']:,}",
            f"{took['cpu']:.1f}",
        ]
        true += [] if took["certified"] else ["not certified"]
        cells += [f"{took['cpu'] / rows * 1e6:.0f}", f"{took['peak_mb']:.0f}", f"{took['wall']:.0f}", ", ".join(true)]
        lines.append(f"| {name.split()[0]}, {rows:,} rows | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def memory(found: dict[str, Any]) -> str:
    cases = sorted((took for took in found.values() if isinstance(took, dict)), key=lambda took: took["rows"])
    said = "; ".join(f"{took['rows']:,} rows {took['peak_mb']:.0f} MB" for took in cases)
    return f"**Peak memory by rows**, every row asked and written to a file: {said}.\n"


def start(found: dict[str, Any]) -> str:
    said = "; ".join(
        f"`{name}` {1000 * found[name]:.0f} ms" for name in ("python", "import rowsight", "rowsight --help")
    )
    return f"**Start**, CPU: {said} (the last two include the first).\n"


def picture(kept: dict[str, Any]) -> str:
    """Bars on a logarithmic scale, as an SVG that stands alone: CPU milliseconds of each further row, best settings."""
    bars = []
    for system, name in rivals.NAMES.items():
        cost = rivals.further(kept[system]["best-0"]) if "best-0" in kept.get(system, {}) else None
        if cost is not None and cost > 0:
            bars.append((name, cost, "#888" if system == "bare" else "#3b6fb6" if "rowsight" in system else "#d08a2e"))
    low, left, width, step = 0.05, 210, 400, 30
    high = max((cost for _, cost, _ in bars), default=1.0)
    shapes = []
    for place, (name, cost, fill) in enumerate(bars):
        y, length = 40 + place * step, width * math.log(max(cost, low) / low) / math.log(high / low)
        shapes += [
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{y}" width="{length:.1f}" height="20" fill="{fill}"/>',
            f'<text x="{left + length + 6:.1f}" y="{y + 15}">{cost:.2f}</text>',
        ]
    height = 50 + step * len(bars)
    title = '<text x="10" y="20" font-weight="bold">CPU milliseconds of each further row (logarithmic scale)</text>'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', title, *shapes, "</svg>", ""])


def main() -> None:
    kept, bench = load("rivals.json"), load("bench.json")
    (DOCS / "benchmarks.svg").write_text(picture(kept))
    (DOCS / "benchmarks.md").write_text("\n".join([beside(kept), alone(bench), FALLS_SHORT]))


if __name__ == "__main__":
    main()
