"""Precision and recall of the personal-data finder on generated sentences, beside presidio-analyzer's pattern recognisers.

``python benchmarks/pii.py`` makes an environment for presidio under ``benchmarks/.envs`` where there is none, runs both
on the same sentences, and writes ``benchmarks/results/pii.json``; ``--table`` prints the table of the documentation.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from pii_cases import MAKERS, Case, cases  # noqa: E402
from rowsight.texts.personal import Finder  # noqa: E402

RESULT = HERE / "results" / "pii.json"
ENV = HERE / ".envs" / "presidio"
Spans = list[list[tuple[str, int, int]]]


def ours(given: list[Case]) -> tuple[Spans, float]:
    finder = Finder()
    finder.find("warm up 4111 1111 1111 1111 +49 30 901820")
    started = time.process_time()
    found = [[(m.kind, m.start, m.end) for m in finder.find(c.text) if not m.bare] for c in given]
    return found, time.process_time() - started


def presidio(given: list[Case]) -> dict:
    if not (ENV / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", ENV], check=True)
        subprocess.run([ENV / "bin" / "pip", "install", "-q", "presidio-analyzer==2.2.366"], check=True)
    done = subprocess.run(
        [ENV / "bin" / "python", HERE / "rivals" / "pii_presidio.py"],
        input=json.dumps([c.text for c in given]),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def scores(given: list[Case], found: Spans) -> dict[str, dict[str, float | int | None]]:
    """Count by kind: a span is right where it is of the right kind and covers at least half of the value."""
    right, wrong, wanted = Counter(), Counter(), Counter()
    for case, spans in zip(given, found, strict=True):
        wanted[case.kind] += case.kind is not None
        hit = False
        for kind, start, end in spans:
            shared = min(end, case.end) - max(start, case.start)
            fits = kind == case.kind and 2 * shared >= case.end - case.start and not hit
            (right if fits else wrong)[kind] += 1
            hit = hit or fits
    total = {"all": (sum(right.values()), sum(wrong.values()), sum(wanted[k] for k in MAKERS))}
    rows = {k: (right[k], wrong[k], wanted[k]) for k in MAKERS} | total
    return {k: _rates(*counts) for k, counts in rows.items()}


def _rates(right: int, wrong: int, wanted: int) -> dict[str, float | int | None]:
    return {
        "precision": right / (right + wrong) if right + wrong else None,
        "recall": right / wanted if wanted else None,
        "right": right,
        "wrong": wrong,
        "wanted": wanted,
    }


def measured(count: int, seed: int) -> dict:
    given = cases(count, seed)
    spans, seconds = ours(given)
    rival = presidio(given)
    result = {
        "cases": len(given),
        "seed": seed,
        "rowsight": {"scores": scores(given, spans), "cpu_seconds": seconds},
        "presidio": {"version": rival["version"], "cpu_seconds": rival["cpu_seconds"], "covers": rival["covers"]},
    }
    for threshold, found in rival["found"].items():
        result["presidio"][f"scores at {threshold}"] = scores(given, [[tuple(s) for s in row] for row in found])
    result["false finds"] = false_finds(given, spans)
    return result


def false_finds(given: list[Case], found: Spans) -> dict[str, int]:
    return dict(
        Counter(
            c.decoy or "value of another kind" for c, s in zip(given, found, strict=True) for k, *_ in s if k != c.kind
        )
    )


def table(result: dict) -> str:
    rival = result["presidio"]
    names = [n for n in rival if n.startswith("scores")]
    head = ["Kind", "Rowsight P", "R", *(x for n in names for x in (f"presidio {n.removeprefix('scores ')} P", "R"))]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for kind in (*MAKERS, "all"):
        cells = [result["rowsight"]["scores"][kind], *(rival[n][kind] for n in names)]
        covered = kind == "all" or kind in rival["covers"]
        shown = [
            f"{_share(c['precision'])} | {_share(c['recall'])}" if i == 0 or covered else "– | –"
            for i, c in enumerate(cells)
        ]
        lines.append(f"| {kind} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--misses", action="store_true", help="print what Rowsight missed or found wrongly")
    given = parser.parse_args()
    if given.table:
        print(table(json.loads(RESULT.read_text())))
        return
    if given.misses:
        show_misses(cases(given.cases, given.seed))
        return
    result = measured(given.cases, given.seed)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(table(result))
    print(
        json.dumps(result["false finds"]),
        f"cpu {result['rowsight']['cpu_seconds']:.2f} s, presidio {result['presidio']['cpu_seconds']:.2f} s",
    )


def show_misses(given: list[Case]) -> None:
    for case, spans in zip(given, ours(given)[0], strict=True):
        if [k for k, *_ in spans] != [k for k in [case.kind] if k]:
            print(asdict(case), spans)


if __name__ == "__main__":
    main()
