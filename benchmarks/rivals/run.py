"""Rowsight, its rivals and the limit, side by side: the same rows, the same question, the same simulated server.

    python benchmarks/rivals/run.py [--rows 2000] [--only lotus,docetl] [--cases best-0] [--repeats 3] [--install] [--table]

Each system is ``run_NAME.py`` here and runs in ``benchmarks/.envs/NAME`` (``--install`` makes it from ``requirements/NAME.txt``),
with nothing else in the process; the server is `rowsight simulate` in another. A case is ``defaults`` or ``best`` (256
in flight, caches off), then the latency in milliseconds, then ``faults``: 5% of 429, 2% of 500, 1% malformed answers.
Kept per case in ``results/rivals.json``: CPU seconds (user and system, imports apart), peak memory, wall seconds, requests
and tokens as the server counted them, rows right, wrong (an answer that isn't the model's) and lost (no answer), and the files
left behind that hold the key. Of several runs (``--repeats``) the one with the median CPU is kept, with the wall times of all. The
case ``resume`` kills a system that keeps its answers (RESUMING) when half of the calls are made, and starts it again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from chaos import Server  # noqa: E402 - the benchmarks are scripts, not a package
from measured_files import files_of  # noqa: E402

ENVIRONMENTS = HERE.parent / ".envs"
RESULTS = HERE.parent / "results" / "rivals.json"
RIVALS = ("lotus", "docetl", "palimpzest", "curator", "daft", "thalamusdb")
OWN = ("bare", "rowsight", "rowsight_light", "rowsight_5", "rowsight_10")
RESUMING = ("curator",)
NEWER = ("palimpzest", "thalamusdb")
"""Systems that need Python 3.12: ``python3.12`` on the path, or ``uv python install 3.12``."""
NAMES = {
    "bare": "bare aiohttp loop (the limit)",
    "rowsight": "Rowsight",
    "rowsight_light": "Rowsight, no ledger",
    "rowsight_5": "Rowsight, 5 rows a call",
    "rowsight_10": "Rowsight, 10 rows a call",
    "lotus": "LOTUS",
    "docetl": "DocETL",
    "palimpzest": "Palimpzest",
    "curator": "curator",
    "daft": "Daft",
    "thalamusdb": "ThalamusDB",
}
DISTRIBUTIONS = {
    "lotus": "lotus-ai",
    "docetl": "docetl",
    "palimpzest": "palimpzest",
    "curator": "bespokelabs-curator",
    "daft": "daft[openai]",
    "thalamusdb": "thalamusdb",
}
FAULTS = {"rate-429": 0.05, "rate-500": 0.02, "rate-malformed": 0.01}
CASES = ("best-0", "defaults-0", "best-200", "defaults-0-faults", "best-0-faults", "defaults-200", "resume")
IN_FLIGHT = 256
KEY = "sk-none"
"""What every system is given as its key."""
LONGEST = 240.0
QUESTION = "Is {body} a complaint, that is, is the customer unhappy with something that we did or failed to do?"
COUNTED = ("requests", "prompt_tokens", "completion_tokens", "cached_tokens", "peak_in_flight", "repaid_prompts")


def make_rows(count: int) -> list[dict[str, Any]]:
    """Distinct messages to a support desk, and the model's answer to each, from a seed."""
    from rowsight.worlds import generate

    table = generate("support", rows=count + count // 10 + 50, seed=0)
    known: dict[str, bool] = {}
    for text, late in zip(table["text"].to_pylist(), table["model_complaint"].to_pylist(), strict=True):
        if text and late is not None:
            known.setdefault(text, late)
    pairs = list(known.items())[:count]
    assert len(pairs) == count
    return [{"id": number, "body": text, "late": late} for number, (text, late) in enumerate(pairs)]


def interpreter(system: str) -> Path:
    return Path(sys.executable) if system in OWN else ENVIRONMENTS / system / "bin" / "python"


def install(system: str) -> None:
    """Make the environment of a rival; what fails is kept as its result."""
    started = time.perf_counter()
    home = ENVIRONMENTS / system
    python = shutil.which("python3.12") if system in NEWER else sys.executable
    if python is None:
        keep(system, "install", {"error": "needs Python 3.12 or later, which isn't on this machine", "seconds": 0})
        return
    subprocess.run([python, "-m", "venv", home], check=True)
    requirements = HERE / "requirements" / f"{system}.txt"
    done = subprocess.run(
        [home / "bin" / "pip", "install", "-q", "-r", requirements], capture_output=True, text=True, check=False
    )
    note: dict[str, Any] = {"seconds": round(time.perf_counter() - started)}
    if done.returncode:
        note["error"] = done.stderr[-600:]
    keep(system, "install", note)


def installed(system: str) -> dict[str, Any]:
    """Version, packages and megabytes of a rival with all that it needs."""
    command = [interpreter(system), HERE.parent / "installed.py", DISTRIBUTIONS[system]]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def measure(system: str, case: str, rows: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Run one case of one system against a server of its own."""
    setting, latency, *faulty = case.split("-")
    table = folder / "table.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    server = Server(table, latency=float(latency), **(FAULTS if faulty else {}))
    try:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            report = child(system, rows, server.url, best=setting == "best", scratch=Path(scratch))
            report["left"] = files_of(Path(scratch), KEY)
        stats = server.alive()
    finally:
        server.stop()
    answers = report.pop("answers", {})
    right = sum(answers.get(str(row["id"])) is row["late"] for row in rows)
    scored = {"rows": len(rows), "right": right, "wrong": len(answers) - right, "lost": len(rows) - len(answers)}
    counted = {name: stats[name] for name in COUNTED}
    return {key: round(v, 3) if isinstance(v, float) else v for key, v in {**scored, **report, **counted}.items()}


def median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the run with the median CPU, and the wall and CPU times of all; the first failed run, where one failed."""
    failed = next((r for r in runs if "cpu" not in r), None)
    if failed is not None:
        return failed
    ordered = sorted(runs, key=lambda run: float(run["cpu"]))
    times = {f"{name}s": sorted(run[name] for run in runs) for name in ("wall", "cpu")}
    return {**ordered[len(ordered) // 2], **times}


def resume(system: str, rows: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Kill a system when half of the calls are made, and start it again in the same place."""
    table = folder / "table.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    server, scratch = Server(table, latency=50), folder / "scratch"
    scratch.mkdir()
    try:
        command, environment = commanded(system, rows, server.url, best=True, keep=True, scratch=scratch)
        process = subprocess.Popen(
            command, cwd=scratch, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while server.alive()["requests"] < len(rows) // 2 and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.wait()
        time.sleep(0.5)
        before = server.alive()
        report = child(system, rows, server.url, best=True, scratch=scratch, keep=True)
        after = server.alive()
    finally:
        server.stop()
    answers = report.pop("answers", {})
    right = sum(answers.get(str(row["id"])) is row["late"] for row in rows)
    counted = {name: after[name] - before[name] for name in ("requests", "repaid_prompts")}
    scored = {"rows": len(rows), "right": right, "wrong": len(answers) - right, "lost": len(rows) - len(answers)}
    return {**scored, **report, **counted, "requests_before": before["requests"]}


def commanded(
    system: str, rows: list[dict[str, Any]], url: str, *, best: bool, keep: bool, scratch: Path
) -> tuple[list[Any], dict[str, str]]:
    """Return the command and the environment in which a system does its job."""
    given, told = scratch / "job.json", scratch / "report.json"
    shown = [{"id": row["id"], "body": row["body"]} for row in rows]
    job = {"rows": shown, "question": QUESTION, "url": url, "best": best, "keep": keep, "in_flight": IN_FLIGHT}
    given.write_text(json.dumps({**job, "scratch": str(scratch)}))
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TELEMETRY_DISABLED", "DO_NOT_TRACK"), "1"),
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": url,
        "OPENAI_API_BASE": url,
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HOME": str(scratch),
    }
    bundled = "lib/python3*/site-packages/litellm/litellm_core_utils/tokenizers"
    if tokenizers := next((ENVIRONMENTS / system).glob(bundled), None):
        environment["TIKTOKEN_CACHE_DIR"] = str(tokenizers)  # else some fetch the same file from elsewhere
    return [interpreter(system), HERE / f"run_{system}.py", given, told], environment


def child(
    system: str, rows: list[dict[str, Any]], url: str, *, best: bool, scratch: Path, keep: bool = False
) -> dict[str, Any]:
    command, environment = commanded(system, rows, url, best=best, keep=keep, scratch=scratch)
    told, said = scratch / "report.json", scratch / "output.txt"
    with said.open("w") as output:
        try:
            code = subprocess.run(
                command,
                cwd=scratch,
                env=environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                timeout=LONGEST,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return {"error": f"stopped after {LONGEST:.0f} s"}
    if told.exists():
        return dict(json.loads(told.read_text()))
    return {"error": f"ended with {code}: {said.read_text(errors='replace')[-600:]}"}


def keep(system: str, case: str, found: dict[str, Any]) -> None:
    held = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    held.setdefault(system, {})[case] = found
    scratch = RESULTS.with_suffix(".tmp")
    scratch.write_text(json.dumps(held, indent=1, sort_keys=True) + "\n")
    scratch.replace(RESULTS)


def run(options: argparse.Namespace) -> None:
    systems = [s for s in (*OWN, *RIVALS) if not options.only or s in options.only.split(",")]
    rows = make_rows(options.rows)
    for system in systems:
        if options.install and system in RIVALS and not interpreter(system).exists():
            install(system)
        if not interpreter(system).exists() or not (HERE / f"run_{system}.py").exists():
            continue
        if system in RIVALS:
            keep(system, "installed", installed(system))
        for case in options.cases.split(","):
            with tempfile.TemporaryDirectory(prefix="rowsight-rivals-") as folder:
                if case == "resume":
                    if system in RESUMING:
                        keep(system, case, resume(system, rows, Path(folder)))
                    continue
                found = median([measure(system, case, rows, Path(folder)) for _ in range(options.repeats)])
                if case.endswith("-0"):
                    found["cpu_of_a_tenth"] = measure(system, case, rows[: len(rows) // 10], Path(folder)).get("cpu")
            keep(system, case, found)
            print(system, case, found, flush=True)


def table(results: dict[str, Any], case: str) -> str:
    """The Markdown table of one case, beside Rowsight with its ledger.

    CPU per row includes what a system loads on first use; ``each further row`` doesn't.
    """
    columns = (
        "CPU ms/row",
        "x Rowsight",
        "each further row",
        "peak MB",
        "wall s",
        "calls",
        "tokens/row",
        "right",
        "wrong",
        "lost",
        "",
    )
    lines = [f"| system | {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1) + "---|"]
    base = results.get("rowsight", {}).get(case, {}).get("cpu")
    for system, name in NAMES.items():
        found = results.get(system, {}).get(case)
        lines += [f"| {name} | {' | '.join(cells(found, base))} |"] if found else []
    return "\n".join(lines)


def further(found: dict[str, Any]) -> float | None:
    """CPU milliseconds of one more row: the start-up that every run pays is left out."""
    whole, part, rows = found.get("cpu"), found.get("cpu_of_a_tenth"), found["rows"]
    return None if whole is None or part is None else (whole - part) / (rows - rows // 10) * 1000


def spread(found: dict[str, Any]) -> str:
    """The wall time: the median and, of several runs, the shortest and the longest."""
    walls = found.get("walls", [found["wall"]] if "wall" in found else [])
    if len(walls) <= 1:
        return "".join(f"{wall:.1f}" for wall in walls)
    return f"{walls[len(walls) // 2]:.1f} ({walls[0]:.1f} to {walls[-1]:.1f})"


def cells(found: dict[str, Any], base: float | None) -> list[str]:
    cpu, rows = found.get("cpu"), found["rows"]
    tokens = (found["prompt_tokens"] + found["completion_tokens"]) / rows
    said = " ".join(found.get("error", "").replace("|", "/").split())
    return [
        "" if cpu is None else f"{cpu / rows * 1000:.2f}",
        "" if cpu is None or not base else f"{cpu / base:.1f}",
        "" if further(found) is None else f"{further(found):.2f}",
        f"{found['peak_mb']:.0f}" if found.get("peak_mb") else "",
        spread(found),
        f"{found['requests']:,}",
        f"{tokens:.0f}",
        *(f"{found[name]:,}" for name in ("right", "wrong", "lost")),
        said[:120],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--only", default="", help=", ".join((*OWN, *RIVALS)))
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--repeats", type=int, default=1, help="runs of each case")
    parser.add_argument("--install", action="store_true", help="make the environments that are missing")
    parser.add_argument("--table", action="store_true", help="print what is kept")
    options = parser.parse_args()
    if not options.table:
        run(options)
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for case in CASES[:-1]:
        print(f"\n{case}\n\n{table(results, case)}")


if __name__ == "__main__":
    main()
