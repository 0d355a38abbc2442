"""How a certified run grows with its rows: CPU, peak memory, calls, and the true figures.

    python benchmarks/scale.py [--rows 100000 1000000] [--predicates easy,hard] [--only filter,limit,arxiv,profile]
    python benchmarks/scale.py --report

``filter``: precision .9 and recall .9 at confidence .95 over generated rows (``scale_rows.py``), the model in a process of
its own. ``limit``: DuckDB and NumPy read and hash the same rows, which no run can do without. ``arxiv``: a classify of
527,053 titles by archive at accuracy .9. ``profile``: where the CPU of one million easy rows goes. Each run is a process
of its own, measured whole. Results are kept in ``results/scale.json``, case by case; ``--report`` writes docs/scale.md
and docs/scale.svg. Ten million rows take about a quarter of an hour for each predicate; hard ones are asked about by the
thousand, so they end at one million.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import pstats
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from scale_rows import PREDICATES, QUESTION, write

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
RESULTS = HERE / "results" / "scale.json"
ARXIV = HERE.parent.parent / "shared" / "data" / "arxiv_titles.parquet"
ROWS = (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
MOST_HARD = 1_000_000
RARE = 1_000
"""Archives with fewer titles are called ``other``."""
TARGETS = {"cpu": 2400.0, "peak_mb": 2048.0, "requests": 2000}
LIMIT = """
import resource, sys
import duckdb, numpy as np
reader = duckdb.sql(f"SELECT id, hash(text) AS h, length(text) AS n FROM '{sys.argv[1]}'").to_arrow_reader(65536)
total = np.uint64(0)
for batch in reader:
    total ^= np.bitwise_xor.reduce(batch.column(1).to_numpy())
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")) / 1024
print(used.ru_utime + used.ru_stime, peak)
"""
WITHIN = ("zones, strata, draws", "reading back, features, scoring of all rows")
"""The second is called by the first."""
STAGES = {
    "planning: features of the sample": ("certified.py", "features"),
    "training and planning": ("zones.py", "_refit", "_plan"),
    "reading back, features, scoring of all rows": ("zones.py", "_all_scores"),
    "zones, strata, draws": ("zones.py", "_band", "_new_trial", "_freeze", "_decide"),
    "table digest and askable rows": ("certified.py", "of"),
    "what each row was told, trace": ("certified.py", "_rows_told"),
    "counting, trace": ("asking.py", "record", "write"),
    "answers as columns": ("asking.py", "answered"),
    "writing the output": ("writers.py", "write"),
}


@contextlib.contextmanager
def served(path: Path, truth: str) -> Iterator[str]:
    """The model that knows column ``truth`` of the table at ``path``, at the URL given."""
    words = [sys.executable, str(HERE / "scale_rows.py"), "serve", str(path), "text", truth]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def run(folder: Path, path: Path, url: str, *words: object, profile: Path | None = None) -> dict[str, Any]:
    """Run the command in a process of its own; return what it said and what it took."""
    report, state = folder / "report.json", tempfile.mkdtemp(dir=folder)
    first = [] if profile is None else [HERE / "profiled.py", profile]
    command = [sys.executable, *first, HERE / "measured.py", report, words[0], path, *words[1:], "--model", "sim"]
    command += ["--base-url", url, "--state", state, "--json", "--yes", "--certificate", folder / "certificate.json"]
    done = subprocess.run([str(w) for w in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the command ended with {done.returncode}: {done.stderr[-800:]}")
    said, took = json.loads(done.stdout), json.loads(report.read_text())
    certificate = said["certificates"][0]
    found = {name: certificate[name] for name in ("certified", "training", "certifying", "reached")}
    size = (folder / "certificate.json").stat().st_size / 1e6
    return {**took, "rows": said["rows"], "asked": said["asked"], "requests": said["calls"], "proof_mb": size, **found}


def verified(folder: Path) -> dict[str, float]:
    """CPU and peak memory of `rowsight verify` of the certificate that the last run left."""
    report = folder / "verified.json"
    words = [sys.executable, HERE / "measured.py", report, "verify", folder / "certificate.json"]
    subprocess.run([str(w) for w in words], check=True, capture_output=True)
    took = json.loads(report.read_text())
    return {"verify_cpu": took["cpu"], "verify_mb": took["peak_mb"]}


def filtered(folder: Path, rows: int, predicate: str) -> dict[str, Any]:
    path, kept = write(folder / "rows.parquet", rows), folder / "kept.parquet"
    with served(path, predicate) as url:
        took = run(folder, path, url, "filter", QUESTION, "--precision", 0.9, "--recall", 0.9, "--out", kept)
    counts = f"SELECT (SELECT count(*) FROM '{kept}' WHERE {predicate}), (SELECT count(*) FROM '{kept}'), count(*) "
    right, given, positives = duckdb.sql(f"{counts} FROM '{path}' WHERE {predicate}").fetchall()[0]
    return {**took, **verified(folder), "true_precision": right / max(given, 1), "true_recall": right / positives}


def limit(folder: Path, rows: int) -> dict[str, float]:
    path = write(folder / "rows.parquet", rows)
    done = subprocess.run([sys.executable, "-c", LIMIT, str(path)], check=True, capture_output=True, text=True)
    cpu, peak = map(float, done.stdout.split())
    return {"cpu": cpu, "peak_mb": peak}


def arxiv(folder: Path) -> dict[str, Any]:
    path, out = folder / "titles.parquet", folder / "answers.parquet"
    merged = f"CASE WHEN count(*) OVER (PARTITION BY archive) < {RARE} THEN 'other' ELSE archive END AS archive"
    duckdb.sql(f"COPY (SELECT id, text, {merged} FROM '{ARXIV}' ORDER BY id) TO '{path}' (FORMAT parquet)")
    labels = [row[0] for row in duckdb.sql(f"SELECT DISTINCT archive FROM '{path}' ORDER BY 1").fetchall()]
    with served(path, "archive") as url:
        words = ("classify", "To which arXiv archive does {text} belong?", "--labels", ",".join(labels))
        took = run(folder, path, url, *words, "--accuracy", 0.9, "--out", out)
    right = duckdb.sql(f"SELECT avg((answer = archive)::INT) FROM '{out}'").fetchall()[0][0]
    return {**took, **verified(folder), "labels": len(labels), "true_accuracy": right}


def profile(folder: Path) -> dict[str, Any]:
    """CPU seconds by stage, of the thread that runs the plan; what is left is DuckDB's reading, calls, and the loop."""
    rows, found = 1_000_000, folder / "profile"
    path = write(folder / "rows.parquet", rows)
    words = ("filter", QUESTION, "--precision", 0.9, "--recall", 0.9, "--out", folder / "kept.parquet")
    with served(path, "easy") as url:
        plain = run(folder, path, url, *words)
        profiled = run(folder, path, url, *words, profile=found)
    statistics: Any = pstats.Stats(str(found))
    times = {}
    for stage, (file, *functions) in STAGES.items():
        times[stage] = sum(
            cumulative
            for (name, _, function), (_, _, _, cumulative, _) in statistics.stats.items()
            if name.endswith(f"/rowsight/{folder_of(file)}/{file}") and function in functions
        )
    times[WITHIN[0]] -= times[WITHIN[1]]
    return {"rows": rows, "cpu": plain["cpu"], "profiled_cpu": profiled["cpu"], "stages": times}


def folder_of(file: str) -> str:
    return {"zones.py": "execution/cascade", "writers.py": "engines"}.get(file, "execution")


def kept() -> dict[str, Any]:
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else {}


def keep(case: str, name: str, found: dict[str, Any]) -> None:
    held = kept()
    held.setdefault(case, {})[name] = {**found, "load_average": round(os.getloadavg()[0], 1), "at": time.strftime("%F")}
    scratch = RESULTS.with_suffix(".tmp")
    scratch.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")
    scratch.replace(RESULTS)
    print(case, name, json.dumps(found), flush=True)


def measure(cases: list[str], rows: list[int], predicates: list[str]) -> None:
    for count in rows if "limit" in cases else []:
        with tempfile.TemporaryDirectory(prefix="rowsight-scale-") as folder:
            keep("limit", str(count), limit(Path(folder), count))
    for count in rows if "filter" in cases else []:
        for predicate in predicates:
            if predicate != "hard" or count <= MOST_HARD:
                with tempfile.TemporaryDirectory(prefix="rowsight-scale-") as folder:
                    keep("filter", f"{predicate} {count}", filtered(Path(folder), count, predicate))
    for name, case in (("arxiv", arxiv), ("profile", profile)):
        if name in cases and (name != "arxiv" or ARXIV.exists()):
            with tempfile.TemporaryDirectory(prefix="rowsight-scale-") as folder:
                keep(name, "found", case(Path(folder)))


# --- the page -----------------------------------------------------------------------------------------------------------


def series(found: dict[str, Any], predicate: str) -> list[dict[str, Any]]:
    """The runs of one predicate, by rows."""
    named = [took for name, took in found.get("filter", {}).items() if name.split()[0] == predicate]
    return sorted(named, key=lambda took: int(took["rows"]))


def exponent(runs: list[dict[str, Any]], figure: str) -> float:
    """The slope of the figure on the rows, both in logarithms, by least squares."""
    rows, values = (np.log([run[name] for run in runs]) for name in ("rows", figure))
    return float(np.polyfit(rows, values, 1)[0])


def line(runs: list[dict[str, Any]], figure: str) -> tuple[float, float]:
    """Intercept and slope per million rows that fit best in relative terms."""
    rows, values = (np.array([run[name] for run in runs], float) for name in ("rows", figure))
    slope, start = np.polyfit(rows / 1e6, values, 1, w=1 / values)
    return float(start), float(slope)


def table(found: dict[str, Any]) -> str:
    lines = [
        "| predicate | rows | calls | of which training, certifying | CPU s | us a row | peak MB | true precision, recall | proof MB | verify: CPU s, MB |",
        "|---|---:|---:|---:|---:|---:|---:|---|---:|---:|",
    ]
    for predicate in PREDICATES:
        for took in series(found, predicate):
            cells = [f"{took['rows']:,}", f"{took['requests']:,}", f"{took['training']:,}, {took['certifying']:,}"]
            cells += [f"{took['cpu']:.0f}", f"{took['cpu'] / took['rows'] * 1e6:.0f}", f"{took['peak_mb']:.0f}"]
            cells += [f"{took['true_precision']:.3f}, {took['true_recall']:.3f}", f"{took['proof_mb']:.2f}"]
            cells += [f"{took['verify_cpu']:.1f}, {took['verify_mb']:.0f}"]
            lines.append(f"| {predicate} | {' | '.join(cells)} |")
    return "\n".join(lines)


def fits(found: dict[str, Any]) -> str:
    lines = ["| predicate | calls grow as rows to the | CPU s = | peak MB = |", "|---|---:|---:|---:|"]
    for predicate in PREDICATES:
        if len(runs := series(found, predicate)) > 1:
            cpu, memory = line(runs, "cpu"), line(runs, "peak_mb")
            cells = [f"{exponent(runs, 'requests'):.2f}", f"{cpu[0]:.0f} + {cpu[1]:.0f} a million"]
            lines.append(f"| {predicate} | {' | '.join(cells)} | {memory[0]:.0f} + {memory[1]:.0f} a million |")
    return "\n".join(lines)


def limits(found: dict[str, Any]) -> str:
    lines = [
        "| rows | DuckDB and NumPy: CPU s, peak MB | certified filter, easy: CPU s, peak MB | times |",
        "|---:|---:|---:|---:|",
    ]
    for took in series(found, "easy"):
        if least := found.get("limit", {}).get(str(took["rows"])):
            cells = [f"{least['cpu']:.1f}, {least['peak_mb']:.0f}", f"{took['cpu']:.0f}, {took['peak_mb']:.0f}"]
            lines.append(f"| {took['rows']:,} | {' | '.join(cells)} | {took['cpu'] / least['cpu']:.0f} |")
    return "\n".join(lines)


def stages(found: dict[str, Any]) -> str:
    took = found["profile"]["found"]
    lines = ["| stage | CPU s (profiled) | share |", "|---|---:|---:|"]
    every = {**took["stages"]}
    every["DuckDB's reading, calls, the loop, starting"] = took["profiled_cpu"] - sum(every.values())
    for stage, seconds in sorted(every.items(), key=lambda item: -item[1]):
        lines.append(f"| {stage} | {seconds:.1f} | {100 * seconds / took['profiled_cpu']:.0f}% |")
    said = f"{took['rows']:,} easy rows: {took['cpu']:.1f} CPU s, {took['profiled_cpu']:.1f} with the profiler on."
    return "\n".join([said, "", *lines])


def verdicts(found: dict[str, Any]) -> str:
    took = found.get("filter", {}).get("easy 10000000")
    if took is None:
        return "Ten million rows are not measured yet."
    names = {"cpu": ("CPU s", "{:,.0f}"), "peak_mb": ("MB at the peak", "{:,.0f}"), "requests": ("calls", "{:,}")}
    said = [f"{form.format(took[k])} {name} (at most {TARGETS[k]:,.0f} wanted)" for k, (name, form) in names.items()]
    return f"Ten million easy rows: {', '.join(said)}."


def page(found: dict[str, Any]) -> str:
    parts = [
        INTRODUCTION,
        verdicts(found),
        table(found),
        "## How it grows\n\n![Calls, CPU and memory by rows](scale.svg)",
        fits(found),
    ]
    parts.append(GROWTH)
    if took := found.get("arxiv", {}).get("found"):
        parts.append(
            f"## A classify\n\n{took['rows']:,} arXiv titles by archive, {took['labels']} labels (archives with fewer than {RARE:,} titles are "
            f"`other`), accuracy .9 at confidence .95: {took['requests']:,} calls ({100 * took['asked'] / took['rows']:.1f}% of the rows), "
            f"{took['cpu']:.0f} CPU s, {took['peak_mb']:.0f} MB at the peak, true accuracy {took['true_accuracy']:.3f}."
        )
    if "profile" in found:
        parts.append(f"## Where the time goes\n\n{stages(found)}")
    if "limit" in found:
        parts.append(f"## The limit\n\n{LIMITS}\n\n{limits(found)}")
    return "\n\n".join([*parts, ""])


INTRODUCTION = """# Scale

How CPU, memory and calls of a certified run grow with its rows. `make bench-scale` measures (an hour or more), `python benchmarks/scale.py
--report` writes this page. Each run is the whole `rowsight` command in a process of its own, and the model another; CPU is
user and system time of the command, *peak* the most memory it held, files mapped into it included. Two cores, shared with other work.

The rows are short messages (84 characters), all different, made by `benchmarks/scale_rows.py`. The filter asks for precision
and recall of .9 at confidence .95. **Easy**: the words say it all. **Middling** and **hard**: the truth is a weighted sum over
the parts of the message plus noise that no proxy can know, a tenth or a third of the sum's spread. *True* is against the model's answers to all rows."""
GROWTH = """**Calls.** Certifying takes the same number of draws however large a table is: it depends on shares. So where a proxy that
learnt from a few thousand labels separates the answers well enough, calls don't grow. Where it doesn't, the rows between the
zones are asked, and they are a share of the table: calls grow in proportion.

**CPU** is a start (reading the sample, training, planning: bounded, since a plan looks at 100,000 rows at most) and a price a row,
most of it for hashing the row's words and characters once, after the freeze.

**Memory** is bounded but for what a row's state takes: its score (4 bytes), its place (4), its zone (4), its answer and a few flags (8 or so)."""
LIMITS = """What nobody can do without: DuckDB reads the same file on two cores and hashes each text, NumPy folds the hashes."""


def picture(found: dict[str, Any]) -> str:
    """Three panels with logarithmic scales, as an SVG that stands alone."""
    colours = {"easy": "#3b6fb6", "middling": "#d08a2e", "hard": "#b03a3a"}
    panels = (("calls", "requests"), ("CPU seconds", "cpu"), ("peak MB", "peak_mb"))
    width, height, shapes = 240, 200, []
    for number, (title, figure) in enumerate(panels):
        left, top = 55 + number * (width + 65), 40
        values = [run[figure] for p in PREDICATES for run in series(found, p)] or [1]
        low, high = 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values) * 1.01))

        def at(
            rows: float, value: float, left: int = left, top: int = top, low: float = low, high: float = high
        ) -> str:
            x = left + width * math.log10(rows / ROWS[0]) / math.log10(ROWS[-1] / ROWS[0])
            return f"{x:.1f},{top + height - height * math.log10(value / low) / math.log10(high / low):.1f}"

        shapes.append(f'<text x="{left}" y="{top - 12}" font-weight="bold">{title}</text>')
        shapes.append(f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#999"/>')
        for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
            x, y = at(ROWS[0], 10**power).split(",")
            shapes.append(f'<path d="M{x} {y}h{width}" stroke="#ddd"/>')
            shapes.append(f'<text x="{left - 6}" y="{float(y) + 4}" text-anchor="end">{10**power:,}</text>')
        for rows, name in ((100_000, "100k"), (1_000_000, "1M"), (10_000_000, "10M rows")):
            x = at(rows, low).split(",")[0]
            shapes.append(f'<text x="{x}" y="{top + height + 16}" text-anchor="middle">{name}</text>')
        for predicate, colour in colours.items():
            runs = series(found, predicate)
            points = [at(run["rows"], run[figure]) for run in runs]
            shapes.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>')
            shapes += [f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="3" fill="{colour}"/>' for p in points]
    for number, (predicate, colour) in enumerate(colours.items()):
        shapes.append(f'<text x="{55 + 90 * number}" y="{height + 85}" fill="{colour}">{predicate}</text>')
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 950 300" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="#fff"/>', *shapes, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--predicates", default=",".join(PREDICATES))
    parser.add_argument("--only", default="limit,filter,arxiv,profile")
    parser.add_argument(
        "--report", action="store_true", help="write the page out of the kept results, and measure nothing"
    )
    options = parser.parse_args()
    if not options.report:
        measure(options.only.split(","), options.rows, options.predicates.split(","))
    (DOCS / "scale.md").write_text(page(kept()))
    (DOCS / "scale.svg").write_text(picture(kept()))


if __name__ == "__main__":
    main()
