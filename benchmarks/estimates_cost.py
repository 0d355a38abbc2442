"""What a share to within one per cent costs: calls of Rowsight, of plain sampling, of prediction-powered inference.

    python benchmarks/estimates_cost.py --seeds 10
    python benchmarks/estimates_cost.py --table

The truth column is the oracle; calls include training. ``plain`` is Rowsight's own interval without a proxy; ``normal`` is
the number of rows after which a normal interval of plain sampling is narrow enough, if one looks once: the floor of what
promises nothing at small samples. PPI++ (Angelopoulos, Duchi and Zrnic 2023) with the same features: a logistic
regression on 500 uniform labels, which are charged, then uniform labels until its normal interval is narrow enough, looked
at after every 100. ``informed`` is Rowsight's interval with a proxy that costs nothing. Results are kept one a
run, so that an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy import sparse
from scipy.special import expit

from documented import put
from replayed import Rows, decided
from rowsight.execution.cascade import estimating as estimating_module
from rowsight.execution.cascade.estimating import estimating
from rowsight.execution.cascade.foresight import Foresight
from rowsight.execution.cascade.protocol import Ask
from rowsight.plan.goal import Goal
from rowsight.proxies import linear
from rowsight.proxies.calibration import platt
from rowsight.proxies.features import Featurizer
from zones_cost import PREDICATES, load

RESULTS = Path(__file__).parent / "results" / "estimates_cost.json"
DOCS = Path(__file__).resolve().parents[1] / "docs" / "estimates.md"
WITHIN = 0.01
FRESH = 1000
"""Seeds from here on chose no setting of Rowsight's."""
NORMAL = 1.959964
BOUGHT, STEP = 500, 100
SYSTEMS = ("ours", "plain", "informed", "ppi")


def ours(rows: Rows, truth: np.ndarray, seed: int) -> dict[str, Any]:
    course = estimating(rows, Goal(figure="share", within=WITHIN), bounds=(0.0, 1.0), whole=True, seed=seed)
    found = decided(course, lambda request: truth[request.rows].astype(float) if isinstance(request, Ask) else None)
    held = found.total.low <= truth.sum() <= found.total.high
    return {"calls": found.total.asked, "held": bool(held), "explained": found.summary["explained"]}


def informed(rows: Rows, truth: np.ndarray, seed: int, labels: int) -> dict[str, Any]:
    """The same with a proxy that is given: fitted on as many uniform labels as ours asked, which aren't charged."""
    known = np.random.default_rng([seed, 1]).permutation(len(truth))[:labels]
    given = Foresight(rows, 0.0, 1.0, binary=True).fit(known, truth[known].astype(float), np.ones(labels))
    with (
        patch.object(estimating_module.Foresight, "due", lambda *_: False),
        patch.object(estimating_module.Foresight, "plain", lambda *_: given),
    ):
        return ours(rows, truth, seed)


def normal(truth: np.ndarray) -> int:
    """Rows after which the normal interval of plain sampling without replacement is narrow enough."""
    needed = NORMAL**2 * truth.mean() * (1 - truth.mean()) / WITHIN**2
    return int(np.ceil(needed / (1 + needed / len(truth))))


def ppi(rows: Rows, truth: np.ndarray, seed: int) -> dict[str, Any]:
    order = np.random.default_rng(seed).permutation(len(truth))
    bought, rest = order[:BOUGHT], order[BOUGHT:]
    labels = truth[bought]
    if labels.all() or not labels.any():
        return {"calls": len(truth), "held": True}
    slope, shift = platt(linear.left_out(rows.features(bought), labels, 10.0), labels)
    guess = expit(slope * linear.fit(rows.features(bought), labels, 10.0).scores(rows.all) + shift)
    for n in [*range(STEP, len(rest), STEP), len(rest)]:
        y, f = truth[rest[:n]].astype(float), guess[rest[:n]]
        left = len(truth) - BOUGHT
        power = np.cov(y, f)[0, 1] / max(np.var(f), 1e-12)
        errors = y - power * f
        half = NORMAL * np.sqrt(errors.var(ddof=1) / n * (1 - n / left)) * left / len(truth)
        if half <= WITHIN or n == len(rest):
            mean = power * guess[rest].mean() + errors.mean()
            total = labels.sum() + left * mean
            held = abs(total - truth.sum()) <= half * len(truth) + 1e-6
            return {"calls": BOUGHT + n, "held": bool(held)}
    raise AssertionError("all rows were asked")


def measured(name: str, seeds: int, kept: dict[str, Any]) -> None:
    texts, truth = load(name)
    sample = np.random.default_rng(0).permutation(len(texts))[:20_000]
    rows = Rows(Featurizer.fit([texts[i] for i in sample]).transform(texts))
    blank = Rows(sparse.csr_matrix((len(texts), 2), dtype=np.float32))
    entry = kept.setdefault(
        name, {"rows": len(truth), "share": float(truth.mean()), "normal": normal(truth), "runs": {}}
    )
    for seed in range(FRESH, FRESH + seeds):
        for system, run in (
            ("ours", lambda s: ours(rows, truth, s)),
            ("plain", lambda s: ours(blank, truth, s)),
            ("informed", lambda s: informed(rows, truth, s, entry["runs"][f"ours {s}"]["calls"])),
            ("ppi", lambda s: ppi(rows, truth, s)),
        ):
            if f"{system} {seed}" not in entry["runs"]:
                entry["runs"][f"{system} {seed}"] = run(seed)
                RESULTS.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        print(name, seed, {s: entry["runs"][f"{s} {seed}"]["calls"] for s in SYSTEMS}, flush=True)


def table(kept: dict[str, Any]) -> str:
    lines = [
        "| predicate | rows | yes | explained | Rowsight | most | plain | Rowsight / plain | proxy given / plain | normal, plain | PPI++ | missed: Rowsight; plain; PPI++ |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    ratios = []
    for name, entry in kept.items():
        of = {s: [r for k, r in entry["runs"].items() if k.startswith(s + " ")] for s in SYSTEMS}
        mean = {s: float(np.mean([r["calls"] for r in runs])) for s, runs in of.items()}
        missed = "; ".join(f"{sum(not r['held'] for r in of[s])}/{len(of[s])}" for s in ("ours", "plain", "ppi"))
        explained = float(np.mean([r["explained"] for r in of["ours"]]))
        ratios.append(mean["ours"] / mean["plain"])
        lines.append(
            f"| {name} | {entry['rows']:,} | {entry['share']:.1%} | {explained:.0%} | **{mean['ours']:,.0f}** "
            f"| {max(r['calls'] for r in of['ours']):,} | {mean['plain']:,.0f} | {ratios[-1]:.2f} "
            f"| {mean['informed'] / mean['plain']:.2f} | {entry['normal']:,} | {mean['ppi']:,.0f} | {missed} |"
        )
    lines += [
        "",
        f"Geometric mean of Rowsight / plain: {np.exp(np.mean(np.log(ratios))):.2f}; largest {max(ratios):.2f}.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", default="")
    parser.add_argument("--table", action="store_true", help="write the table from what is kept, and stop")
    options = parser.parse_args()
    kept: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in () if options.table else PREDICATES:
        if options.only in name:
            measured(name, options.seeds, kept)
    if set(PREDICATES) <= set(kept):  # a part of the table would read like all of it
        put(DOCS, "estimates cost", table(kept))


if __name__ == "__main__":
    main()
