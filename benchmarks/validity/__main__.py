"""Count how often promises are false: ``python -m benchmarks.validity [--seeds N] [--rival bargain=PYTHON] [--wheels DIR]``.

Every table and adversary is attacked with seeds of its own; failures are held against the binomial law at the failure
probability of 5%: a row fails when so many failures have a chance of less than one in a thousand.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks import rival_cascades
from benchmarks.validity import anytime, engines, figures, living, middles
from benchmarks.validity.cases import ADVERSARIES, DATA, Case, Maker, tables
from scipy.stats import binom

from rowsight.proxies import ridge

FAILURE = 0.05
KILLED, REPEATED = "killed and resumed", "four attempts, worst counts"
ENGINES = (
    "rowsight",
    "rowsight p+r",
    "rowsight estimate",
    "rowsight missed",
    *(f"rowsight anytime, {kind}" for kind in anytime.KINDS),
    "rowsight middle",
    "rowsight middle p+r",
    *(f"rowsight living, {kind}" for kind in living.LEVELS),
    "bargain",
    "bargain-best",
    "bargain p+r",
    "lotus p+r",
    "lotus p+r, all rows",
)


@dataclass
class Row:
    """The result of one attack on one engine."""

    engine: str
    attack: str
    runs: int
    failures: int
    promised: int
    calls: float

    @property
    def stands(self) -> bool:
        """Whether so many failures are compatible with the failure probability (at one in a thousand)."""
        return bool(self.failures <= binom.ppf(0.999, self.runs, FAILURE))


def attack(
    name: str, engine: engines.Engine, label: str, make: Maker, seeds: int, failed: engines.Verdict = engines.failed
) -> Row:
    failures, promised, calls = 0, 0, 0.0
    for seed in range(seeds):
        case = make(np.random.default_rng([7, seed]))
        outcome = engine(case, seed)
        failures += failed(case, outcome)
        promised += outcome.promised
        calls += outcome.calls / len(outcome.answers) / seeds
    return Row(name, label, seeds, failures, promised, calls)


def ours(seeds: int) -> list[Row]:
    """All attacks on Rowsight."""
    rows = []
    pool = list(tables())
    each = -(-5 * seeds // max(len(pool), 1))
    for label, make in pool:
        rows.append(show(attack("rowsight", engines.accuracy, label, make, each)))
    for label, make in ADVERSARIES.items():
        rows.append(show(attack("rowsight", engines.accuracy, label, make, seeds)))
    just_above = ADVERSARIES["truth just above the budget"]
    killed, again = engines.resumed(engines.accuracy), engines.repeated(engines.accuracy, engines.failed)
    rows.append(show(attack("rowsight", killed, KILLED, just_above, seeds)))
    rows.append(show(attack("rowsight", again, REPEATED, just_above, seeds)))
    return rows


def both(seeds: int) -> list[Row]:
    """The same attacks on precision and recall at once, with tables of two classes."""
    pool = [(label, make) for label, make in tables() if "snips" not in label]
    each = -(-5 * seeds // max(len(pool), 1))
    attacks = [(label, make, each) for label, make in pool]
    attacks += [(label, make, seeds) for label, make in ADVERSARIES.items()]
    rows = [
        show(attack("rowsight p+r", engines.zones, label, make, runs, engines.zones_failed))
        for label, make, runs in attacks
    ]
    just_above = ADVERSARIES["truth just above the budget"]
    killed, again = engines.resumed(engines.zones), engines.repeated(engines.zones, engines.zones_failed)
    rows.append(show(attack("rowsight p+r", killed, KILLED, just_above, seeds, engines.zones_failed)))
    rows.append(show(attack("rowsight p+r", again, REPEATED, just_above, seeds, engines.zones_failed)))
    return rows


def estimates(seeds: int) -> list[Row]:
    """The attacks on counts, shares and means: wrong at any moment is a failure."""
    attacks: list[tuple[str, figures.Maker, Callable[[figures.Sought, int], figures.Found], int]] = []
    if DATA.is_dir():
        attacks += [(name, make, figures.estimated, 5 * seeds) for name, make in figures.REAL.items()]
    attacks += [(name, make, figures.estimated, seeds) for name, make in figures.ATTACKS.items()]
    attacks += [(name, make, figures.estimated, 5 * seeds) for name, make in figures.SMALL.items()]
    attacks.append((REPEATED, figures.worthless, figures.attempts, seeds // 4))
    return [show(_estimates(*one)) for one in attacks]


def _estimates(
    label: str, make: figures.Maker, engine: Callable[[figures.Sought, int], figures.Found], seeds: int
) -> Row:
    found = [engine(make(np.random.default_rng([7, seed])), seed) for seed in range(seeds)]
    wrong, reached = sum(f.wrong for f in found), sum(f.reached for f in found)
    return Row("rowsight estimate", label, seeds, wrong, reached, float(np.mean([f.asked for f in found])))


def overlooked(seeds: int) -> list[Row]:
    """The attacks on filters that may overlook only so many of all rows."""
    return [
        show(attack("rowsight missed", figures.overlooked, label, make, seeds, figures.overlooked_failed))
        for label, make in figures.OVERLOOKED.items()
    ]


def at_any_moment(seeds: int) -> list[Row]:
    """The attacks by someone who stops a run at its worst moment; the oracle keeps still, so that the truth is one."""
    attacks = {label: make for label, make in ADVERSARIES.items() if label != "drift in training"}
    found = []
    for kind in anytime.KINDS:
        watched = partial(anytime.watched, kind)
        for label, make in attacks.items():
            found.append(show(attack(f"rowsight anytime, {kind}", watched, label, make, seeds, anytime.failed)))
    return found


def by_middles(seeds: int) -> list[Row]:
    """The attacks by middle models, on accuracy and on precision and recall."""
    found = []
    for name, zones in (("rowsight middle", False), ("rowsight middle p+r", True)):
        verdict = engines.zones_failed if zones else engines.failed
        for kind in middles.MIDDLES:
            engine = middles.engine(kind, zones=zones)
            for label, make in middles.attacked().items():
                found.append(show(attack(name, engine, f"{kind}: {label}", make, seeds, verdict)))
    return found


def living_tables(seeds: int) -> list[Row]:
    """The attacks on certificates that are extended: one false certificate in a table's life is a failure."""
    found = []
    for kind, levels in living.LEVELS.items():
        for label, make in living.ATTACKS.items():
            lives = [make(np.random.default_rng([7, seed]), levels, seed) for seed in range(seeds)]
            failures, promised = sum(life.false for life in lives), sum(life.promised > 0 for life in lives)
            calls = float(np.mean([life.calls / len(life.truth) for life in lives]))
            found.append(show(Row(f"rowsight living, {kind}", label, seeds, failures, promised, calls)))
    return found


def chances(case: Case, seed: int) -> np.ndarray:
    """What a proxy says, for engines that train none: class probabilities, fitted on 200 labels that aren't charged."""
    known = np.random.default_rng(seed).choice(len(case.features), 200, replace=False)
    labels = np.maximum(case.oracle.labels, 0)
    return ridge.fit(case.features[known], labels[known], case.classes).predict_proba(case.features)


def bearable() -> dict[str, Maker]:
    """The attacks that an engine without training and without refusals can be put to."""
    skip = {"errors can't be answered", "drift in training"}
    return {label: make for label, make in [*tables(), *ADVERSARIES.items()] if label not in skip}


def rival(name: str, python: str, seeds: int) -> list[Row]:
    """A rival that certifies accuracy, under attack."""
    return [show(_rival_attack(name, python, label, make, seeds)) for label, make in bearable().items()]


def rival_zones(name: str, folder: Path, seeds: int) -> list[Row]:
    """A rival that promises precision and recall, under attack on tables of two classes."""
    cascade = RIVAL_ZONES[name]

    def engine(case: Case, seed: int) -> engines.Outcome:
        scores, truth = np.clip(chances(case, seed)[:, 1], 0, 1), case.oracle.labels == 1
        kept, asked = cascade(scores, truth, case.target, case.failure, seed, folder)
        return engines.Outcome(kept.astype(np.int64), int(asked.sum()), True)

    return [
        show(attack(name, engine, label, make, seeds, engines.zones_failed))
        for label, make in bearable().items()
        if "snips" not in label
    ]


def _lotus_from_all(scores: np.ndarray, truth: np.ndarray, *settings: Any) -> tuple[np.ndarray, np.ndarray]:
    return rival_cascades.lotus(scores, truth, *settings, reach=len(truth))


RIVAL_ZONES = {
    "bargain p+r": rival_cascades.bargain_pr,
    "lotus p+r": rival_cascades.lotus,
    "lotus p+r, all rows": _lotus_from_all,
}


def _rival_attack(name: str, python: str, label: str, make: Maker, seeds: int) -> Row:
    cases = [make(np.random.default_rng([7, seed])) for seed in range(seeds)]
    sent: dict[str, object] = {
        "target": [case.target for case in cases],
        "failure": [case.failure for case in cases],
        "seed": list(range(seeds)),
    }
    for i, case in enumerate(cases):
        found = chances(case, i)
        sent[f"guess{i}"], sent[f"score{i}"] = found.argmax(axis=1), found.max(axis=1)
        sent[f"truth{i}"] = case.oracle.labels
    with tempfile.TemporaryDirectory() as folder:
        source, goal = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, **sent)
        subprocess.run([python, Path(__file__).with_name("rivals.py"), name, source, goal], check=True)
        got = np.load(goal)
        outcomes = [engines.Outcome(got[f"answers{i}"], int(got[f"calls{i}"]), True) for i in range(seeds)]
    failures = sum(engines.failed(case, outcome) for case, outcome in zip(cases, outcomes, strict=True))
    calls = float(np.mean([o.calls / len(o.answers) for o in outcomes]))
    return Row(name, label, seeds, failures, seeds, calls)


def show(row: Row) -> Row:
    verdict = "" if row.stands else "  TOO MANY"
    print(f"{row.engine:14}{row.attack:34}{row.failures:5} of {row.runs:5}  calls {row.calls:.2f}{verdict}", flush=True)
    return row


def markdown(rows: list[Row]) -> str:
    """The table for the docs."""
    lines = [
        "# Validity, by simulation",
        "",
        "`make validity` counts how often a promise is false. Every run demands accuracy, or precision and recall",
        "both (p+r), at a failure probability of 5% (one run in twenty may fail); a line says TOO MANY when so many failures have a chance below one in a thousand.",
        "`promised` counts runs that ended in a certificate (a run that can't certify says so); `calls` is the mean share",
        "of rows asked. Tables have at most 2,000 rows, the adversaries 1,200. Rivals get a proxy fitted on 200 labels",
        "that they aren't charged for; Rowsight trains its own and pays for it. An estimate (a share to within 0.04, a mean,",
        "groups) fails when its interval excluded the truth at any moment of the run; `promised` counts runs that reached",
        "the width, or made their calls. `missed`: at most 2% of all rows overlooked. `anytime`: the budget is drawn at random, with a level or",
        "without one (best), and a run fails when any promise that it made on its way was false, wherever it ended; `promised`",
        "counts runs that came to promise something. `middle`: a model at a fiftieth of the price stands between proxy and oracle,",
        "and says what suits the attack. `living`: a run is the life of a table in several versions, and fails when the",
        "certificate of any of them is false.",
        "",
        "| engine | attack | runs | promised | failures | rate | calls | |",
        "|---|---|---:|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        verdict = "stands" if row.stands else "**TOO MANY**"
        rate = f"{100 * row.failures / row.runs:.1f}%"
        lines.append(
            f"| {row.engine} | {row.attack} | {row.runs} | {row.promised} | {row.failures} | {rate} | {row.calls:.2f} | {verdict} |"
        )
    for engine in dict.fromkeys(row.engine for row in rows):
        mine = [row for row in rows if row.engine == engine]
        runs, failures = sum(r.runs for r in mine), sum(r.failures for r in mine)
        lines += ["", f"{engine}: {failures} failures in {runs} runs ({100 * failures / runs:.2f}%)."]
    return "\n".join([*lines, ""])


def kept(rows: list[Row]) -> list[Row]:
    """Keep the new rows, and the last run's of engines that were not attacked this time."""
    file = Path(__file__).parents[1] / "results" / "validity.json"
    before = [Row(**row) for row in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []
    again = {row.engine for row in rows}
    rows = sorted([row for row in before if row.engine not in again] + rows, key=lambda row: ENGINES.index(row.engine))
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps([vars(row) for row in rows], indent=1), encoding="utf-8")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=200, help="seeds for each adversary; the tables share five times as many"
    )
    parser.add_argument("--metrics", default="accuracy,zones,estimates,missed,anytime,middle,living")
    parser.add_argument("--rival", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--wheels", type=Path, help="rivals that promise precision and recall: see rival_cascades")
    parser.add_argument("--rival-seeds", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("docs/validity.md"))
    options = parser.parse_args()
    start = time.process_time()
    rows = []
    if "accuracy" in options.metrics:
        rows += ours(options.seeds)
    if "zones" in options.metrics:
        rows += both(options.seeds)
    if "estimates" in options.metrics:
        rows += estimates(options.seeds)
    if "missed" in options.metrics:
        rows += overlooked(options.seeds)
    if "anytime" in options.metrics:
        rows += at_any_moment(options.seeds)
    if "middle" in options.metrics:
        rows += by_middles(options.seeds // 5)
    if "living" in options.metrics:
        rows += living_tables(options.seeds)
    print(f"{time.process_time() - start:.0f} CPU seconds")
    for named in options.rival:
        name, python = named.split("=", 1)
        rows += rival(name, python, options.rival_seeds)
    for name in RIVAL_ZONES if options.wheels else ():
        rows += rival_zones(name, options.wheels, options.rival_seeds)
    rows = kept(rows)
    options.out.write_text(markdown(rows), encoding="utf-8")
    return 0 if all(row.stands for row in rows if row.engine.startswith("rowsight")) else 1


if __name__ == "__main__":
    sys.exit(main())
