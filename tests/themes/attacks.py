"""Attacks on the bounds of shares: tables on which they should be wrong as often as they may be, and no more.

    python tests/themes/attacks.py 2000

Each run draws rows as ``themes`` does, by keyed hashes of the texts, and counts as failed when any bound of any theme,
``no theme`` included, in the whole table or in any cell of a split, misses the truth: once for the whole table and
once for the split, each of which has its own failure probability.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from rowsight.execution.themes.parts import Parts
from rowsight.execution.themes.shares import Evidence, theme_cells
from rowsight.execution.themes.texts import Texts, _hashed

FAILURE, DRAWN = 0.05, 120
NAMES = ("a", "b", "c")
SETS = ((), ("a",), ("b",), ("a", "b"), ("c",))


@dataclass
class Case:
    """A table: its texts, each row's true set (an index into SETS), its guess, its part, and which rows never answer."""

    texts: list[str]
    truth: np.ndarray
    guess: np.ndarray
    part: np.ndarray
    silent: np.ndarray


def plain(rng, rows=900, shares=(0.5, 0.3, 0.1, 0.07, 0.03)):
    truth = rng.choice(len(SETS), rows, p=shares)
    part = rng.choice(3, rows, p=(0.6, 0.3, 0.1))
    return Case([f"text {i}" for i in range(rows)], truth, truth.copy(), part, np.zeros(rows, bool))


def repeated(rng):
    """A tenth of the texts makes half of the rows, all of one theme: texts drawn for rows would be far off."""
    case = plain(rng)
    case.texts[:450] = [f"text {i % 45}" for i in range(450)]
    case.truth[:450] = 1
    return case


def sorted_table(rng):
    """Themes come one after another, as rows sorted by topic do."""
    case = plain(rng)
    case.truth.sort()
    return case


def lying(rng):
    """The guesses are wrong everywhere, and sure of it."""
    case = plain(rng)
    case.guess = (case.truth + 1) % len(SETS)
    return case


def silent(rng):
    """Rows of one theme rarely have an answer."""
    case = plain(rng)
    case.silent = (case.truth == 3) & (rng.random(len(case.truth)) < 0.8)
    return case


def rare(rng):
    return plain(rng, shares=(0.9, 0.08, 0.015, 0.003, 0.002))


def lopsided(rng):
    """One part holds all of a theme."""
    case = plain(rng)
    case.part = np.where(case.truth == 2, 2, case.part % 2)
    return case


ATTACKS = {f.__name__: f for f in (plain, repeated, sorted_table, lying, silent, rare, lopsided)}


def drawn_of(texts, seed, most=DRAWN):
    key = hashlib.sha256(f"themes {seed}".encode()).digest()
    hashes = np.frombuffer(b"".join(_hashed((t,), key) for t in texts), np.uint64)
    return Texts(None, hashes).drawn(most)


def missed(case, seed):
    """Return whether a bound of the whole table misses, and whether one of the parts does."""
    drawn = drawn_of(case.texts, seed)
    said = [None if case.silent[i] else SETS[case.truth[i]] for i in drawn]
    evidence = Evidence(SETS, case.guess, drawn, said, [SETS[g] for g in case.guess[drawn]])
    whole = Parts(("",), np.zeros(len(case.texts), dtype=np.int64))
    return tuple(
        any(
            cell.rows and not cell.low - 1e-12 <= _true(case, parts.code == p, theme) <= cell.high + 1e-12
            for theme, row in enumerate(theme_cells(evidence, NAMES, parts, FAILURE))
            for p, cell in enumerate(row)
        )
        for parts in (whole, Parts(("x", "y", "z"), case.part))
    )


def _true(case, inside, theme):
    has = np.array([NAMES[theme] in s if theme < len(NAMES) else not s for s in SETS])
    return has[case.truth[inside]].mean()


def failures(name, seeds):
    """Return how often the whole table's bounds and the parts' bounds failed."""
    found = [missed(ATTACKS[name](np.random.default_rng([3, s])), s) for s in range(seeds)]
    return np.array(found).sum(axis=0)


def main() -> int:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    limit = binom.ppf(0.999, seeds, FAILURE)
    worst = 0
    for name in ATTACKS:
        whole, parts = failures(name, seeds)
        worst = max(worst, whole, parts)
        sys.stdout.write(f"{name:<14} {whole} and {parts} of {seeds:,} runs failed; {limit:.0f} may\n")
    return int(worst > limit)


if __name__ == "__main__":
    sys.exit(main())
