"""What a budget buys: the promise of runs without a level, beside what the same promise costs when it is demanded.

    python benchmarks/anytime_curve.py --seeds 3
    python benchmarks/anytime_curve.py --table

The truth column is the oracle; calls include training. For each budget a run without a level states the best it can
prove: accuracy, or precision and recall at once (the smaller of the two is shown). ``demanded`` is the level at which a
run that was told its level from the start costs as much, ``informed`` the level at which the informed limit does (a proxy
of 500 uniform and 500 active labels, with the truth known to the planner); both are read off between measured levels.
Results are kept one a run, so that an interrupted benchmark goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from documented import put
from informed_limit import informed_limit
from replayed import Rows, decided
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import SKIPPED, Afford, Ask
from rowsight.plan.guarantee import Guarantee
from rowsight.proxies.features import Featurizer
from zones_cost import load

if TYPE_CHECKING:
    from rowsight.execution.cascade.protocol import Request

RESULTS = Path(__file__).parent / "results" / "anytime_curve.json"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "anytime.md"
TABLES = (
    "sms_spam is_spam",
    "goemotions gratitude",
    "hotel_reviews_zh is_positive",
    "hate_offensive not neither",
)
BUDGETS = (200, 400, 800, 1600, 3200, 6400)
DEMANDED = (0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98)
KINDS = {"accuracy": ("accuracy",), "precision and recall": ("precision", "recall")}


def drive(cascade: Any, truth: np.ndarray, money: int) -> tuple[Any, int]:
    """Answer a cascade out of the truth, at most ``money`` rows; return its decision and the rows asked."""
    spent = 0

    def answer(request: Request) -> np.ndarray | None:
        nonlocal spent
        if isinstance(request, Ask):
            reply = truth[request.rows].astype(np.int64)
            reply[max(money - spent, 0) :] = SKIPPED
            spent += min(len(reply), money - spent)
            return reply
        return np.array([money - spent]) if isinstance(request, Afford) else None

    return decided(cascade, answer), spent


def achieved(answers: np.ndarray, truth: np.ndarray, kind: str) -> float:
    """The real figure: the share of right answers, or the smaller of precision and recall."""
    if kind == "accuracy":
        return float(np.mean((answers == truth) & (answers >= 0)))
    hits, kept = int(np.sum((answers == 1) & truth)), int(np.sum(answers == 1))
    return min(hits / kept if kept else 1.0, hits / truth.sum() if truth.any() else 1.0)


def promise(features: Any, truth: np.ndarray, kind: str, budget: int, seed: int) -> dict[str, float]:
    """One run without a level."""
    guarantee = Guarantee(best=KINDS[kind])
    more: dict[str, Any] = {"classes": 2, "seed": seed, "known": None, "groups": None, "attempt": 1}
    decision, spent = drive(cascade_for(Rows(features), guarantee, **more), truth, budget)
    body = decision.certificate
    promised = min((m["level"] for m in body["metrics"]), default=0.0)
    counts = {name: body[name] for name in ("training", "certifying")}
    return {"promised": promised, "true": achieved(decision.answers, truth, kind), "calls": spent, **counts}


def demanded(features: Any, truth: np.ndarray, kind: str, level: float, seed: int) -> int:
    """Calls of one run that is told its level."""
    guarantee = Guarantee(**dict.fromkeys(KINDS[kind], level))
    more: dict[str, Any] = {"classes": 2, "seed": seed, "known": None, "groups": None, "attempt": 1}
    return drive(cascade_for(Rows(features), guarantee, **more), truth, len(truth))[1]


def measured(name: str, seeds: int, kept: dict[str, Any]) -> None:
    """Measure what is missing of one table."""
    texts, truth = load(name)
    features = Featurizer.fit(texts[:20_000]).transform(texts)
    for seed in range(seeds):
        for kind in KINDS:
            for budget in (b for b in BUDGETS if b < len(truth)):
                found = f"{name}|{kind}|{budget}|{seed}"
                if found not in kept:
                    keep(kept, found, promise(features, truth, kind, budget, seed))
            for level in DEMANDED if seed == 0 else ():
                found = f"{name}|{kind}|demanded {level}|{seed}"
                if found not in kept:
                    keep(kept, found, {"calls": demanded(features, truth, kind, level, seed)})
    for level in DEMANDED:
        found = f"{name}|informed {level}"
        if found not in kept:
            limit = informed_limit(features, truth, precision=level, recall=level)
            keep(kept, found, {"calls": float(limit.calls)})


def keep(kept: dict[str, Any], name: str, value: dict[str, float]) -> None:
    print(name, value, flush=True)
    kept[name] = value
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(kept, indent=0, sort_keys=True), encoding="utf-8")


def table(kept: dict[str, Any]) -> str:
    """The Markdown table of what is measured."""
    lines = [
        "| predicate | metric | budget | promised | true | false promises | demanded | informed |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in TABLES:
        for kind in KINDS:
            for budget in BUDGETS:
                runs = [v for k, v in kept.items() if k.startswith(f"{name}|{kind}|{budget}|")]
                if runs:
                    levels = _read_off(kept, f"{name}|{kind}|demanded ", budget), None
                    if "recall" in kind:
                        levels = levels[0], _read_off(kept, f"{name}|informed ", budget)
                    lines.append(_line([name, kind, f"{budget:,}"], runs, levels))
    return "\n".join(lines)


def _line(head: list[str], runs: list[dict[str, float]], levels: tuple[str | None, str | None]) -> str:
    promised, true = (np.mean([run[figure] for run in runs]) for figure in ("promised", "true"))
    false = sum(run["true"] < run["promised"] for run in runs)
    cells = [*head, f"{promised:.3f}", f"{true:.3f}", f"{false} of {len(runs)}", *(level or "–" for level in levels)]
    return f"| {' | '.join(cells)} |"


def _read_off(kept: dict[str, Any], start: str, budget: int) -> str | None:
    """Return the level whose calls are ``budget``, between measured levels; ``None`` where none was measured."""
    found = {float(k[len(start) :].split("|")[0]): v["calls"] for k, v in kept.items() if k.startswith(start)}
    levels = sorted(found)
    calls = np.maximum.accumulate([found[level] for level in levels]) if levels else np.empty(0)
    if len(calls) < len(DEMANDED):
        return None
    if budget < calls[0]:
        return f"< {levels[0]:g}"
    return f"> {levels[-1]:g}" if budget > calls[-1] else f"{np.interp(budget, calls, levels):.3f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--table", action="store_true", help="put the table of what is kept into the docs")
    options = parser.parse_args()
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if options.table:
        put(PAGE, "anytime", table(kept))
        return 0
    for name in options.tables.split(","):
        measured(name, options.seeds, kept)
    return 0


if __name__ == "__main__":
    sys.exit(main())
