"""Anytime-valid upper bounds on the errors of a finite population, from rows drawn without replacement.

A population of ``M`` rows holds a fixed, unknown number ``K`` of errors. Rows are drawn one after another in a
uniform random order; after ``n`` rows, ``x`` of them were errors. Under ``K`` this ordered sequence has probability

    L_K = (K)_x (M - K)_{n-x} / (M)_n                        ((a)_k: falling factorial)

and any other distribution ``Q`` over sequences, fixed before the first draw, gives the martingale
``E_n(K) = Q / L_K``, which starts at 1. By Ville's inequality ``P(E_n(K) >= 1/alpha for some n) <= alpha``. So, with
probability at least ``1 - alpha`` and *for all n at once*, the true K is among the values whose ``E_n`` has stayed
below ``1/alpha``. ``Q`` is a mixture of beta-binomial laws (the method of mixtures; Waudby-Smith and Ramdas,
"Confidence sequences for sampling without replacement", NeurIPS 2020). As a function of K, ``L_K`` rises up to about
``K = x (M + 1) / n`` and falls from there on; ``E_n`` is at most 1 at the peak, since a beta-binomial law is itself a
mixture of the ``L_K``. So the rejected values beyond the peak are exactly those above a bound ``U_n``, and the
running minimum of ``U_n`` holds for all n at once.

Why mended errors are free. An error that was drawn is corrected by the oracle's answer, so ``K - mended`` errors
remain. ``K <= U`` holds at every moment simultaneously, hence so does ``remaining <= U - mended``: no extra factor is
due for one population, however many rows are mended, inside the sample or outside. A row whose answer can't be had
is an error that is never mended: it counts in ``x`` and not in ``mended``.

Why several populations share alpha. With nested populations (the prefixes of a frozen order) the smallest one that
is still wrong when sampling stops depends on what was mended, so testing them in a fixed sequence at full alpha each
is not covered by Ville's inequality. Each gets a share of alpha, fixed beforehand, and the union bound holds for all
of them at all times.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import log, pi
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaln, gammaln, logsumexp

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PRIOR_MEANS = (0.03, 0.15, 0.35, 0.6)
"""Means of the mixture's components, as fractions of the error share that the budget allows."""
PRIOR_STRENGTH = 10.0
"""The first parameter of every beta component; larger is narrower."""
MARGIN = 1e-6
"""Evidence (in nats) demanded beyond the threshold, so that rounding can never decide."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A mixture of beta-binomial laws over sequences of draws; fixed before the first draw."""

    weights: tuple[float, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]

    def log_probability(self, errors: ArrayLike, drawn: ArrayLike) -> NDArray[np.float64]:
        """Log probability of an ordered sequence of ``drawn`` rows with ``errors`` errors (arrays broadcast)."""
        x = np.asarray(errors, dtype=np.float64)[..., None]
        n = np.asarray(drawn, dtype=np.float64)[..., None]
        a, b = np.asarray(self.a), np.asarray(self.b)
        parts = betaln(a + x, b + n - x) - betaln(a, b) + np.log(self.weights)
        return np.asarray(logsumexp(parts, axis=-1))


def scaled_prior(population: int, budget: int) -> Prior:
    """Mix equal weights of laws whose means stand at fixed fractions of the share that the budget allows.

    Priors scaled by the budget beat priors taken from the proxy's calibration, which is wrong exactly when it matters.
    """
    share = min(0.95, (budget + 1) / max(population, 1))
    means = [fraction * share for fraction in PRIOR_MEANS]
    a = tuple(PRIOR_STRENGTH for _ in means)
    b = tuple(PRIOR_STRENGTH / mean - PRIOR_STRENGTH for mean in means)
    return Prior(tuple(1 / len(means) for _ in means), a, b)


def log_likelihood(errors: ArrayLike, drawn: ArrayLike, total: ArrayLike, population: ArrayLike) -> NDArray[np.float64]:
    """Log probability of an ordered draw without replacement: ``(K)_x (M-K)_{n-x} / (M)_n``.

    ``total`` is K, ``population`` M. Real-valued arguments are allowed (planning uses expected counts); they must
    satisfy ``errors <= total <= population - drawn + errors``.
    """
    x, n = np.asarray(errors, dtype=np.float64), np.asarray(drawn, dtype=np.float64)
    k, m = np.asarray(total, dtype=np.float64), np.asarray(population, dtype=np.float64)
    wrong = gammaln(k + 1) - gammaln(k - x + 1)
    right = gammaln(m - k + 1) - gammaln(m - k - n + x + 1)
    return np.asarray(wrong + right - gammaln(m + 1) + gammaln(m - n + 1))


class ErrorBound:
    """A running upper bound on the number of errors in a population of which rows are drawn in random order.

    ``level`` is the probability alpha that the bound is ever wrong. ``budget`` (errors) only scales the prior; the
    bound itself is valid for any budget asked of it later. ``upper`` holds for all moments at once: it may be read
    after every batch, and sampling may stop whenever one likes.
    """

    def __init__(self, population: int, budget: int, level: float, prior: Prior | None = None) -> None:
        self.population = population
        self.level = level
        self.prior = prior or scaled_prior(population, max(budget, 0))
        self.drawn = 0
        self.errors = 0
        self.upper = population
        """The least bound reached so far: with probability 1 - level the population holds no more errors."""
        self.reached = (0, 0)
        """(drawn, errors) at the moment when ``upper`` was reached."""

    def observe(self, errors: NDArray[np.bool_]) -> int:
        """Take the next drawn rows, in the order of the draw (True: an error), and return ``upper``."""
        if len(errors):
            drawn = self.drawn + np.arange(1, len(errors) + 1)
            found = self.errors + np.cumsum(errors)
            bounds = upper_bounds(found, drawn, self.population, self.level, self.prior)
            best = int(np.argmin(bounds))
            if bounds[best] < self.upper:
                self.upper, self.reached = int(bounds[best]), (int(drawn[best]), int(found[best]))
            self.drawn, self.errors = int(drawn[-1]), int(found[-1])
            self.upper = max(self.upper, self.errors)  # the sample itself is the better witness
        return self.upper


def upper_bounds(
    errors: NDArray[np.int64], drawn: NDArray[np.int64], population: int, level: float, prior: Prior
) -> NDArray[np.int64]:
    """Find the largest K that each (errors, drawn) leaves standing: all larger ones have ``E >= 1/level``."""
    ceiling = errors + population - drawn  # what is certain: every row not drawn may be wrong
    peak = -(-errors * (population + 1) // drawn) - 1
    low = np.minimum(np.maximum(errors, peak), ceiling)  # never rejected: the likelihood peaks here
    high = ceiling + 1  # rejected: impossible
    target = prior.log_probability(errors, drawn) - log(1 / level) - MARGIN
    while np.any(high - low > 1):
        middle = (low + high) // 2
        rejected = log_likelihood(errors, drawn, np.minimum(middle, ceiling), population) <= target
        rejected |= middle > ceiling
        high = np.where(rejected & (middle > low), middle, high)
        low = np.where(rejected, low, middle)
    return np.asarray(low, dtype=np.int64)


def labels_needed(
    population: ArrayLike, budget: ArrayLike, share: ArrayLike, level: float, *, mended: bool = True
) -> NDArray[np.float64]:
    """Rows to draw until ``remaining errors <= budget`` is shown, if the sample holds the expected share of errors.

    ``population`` (rows), ``budget`` (errors allowed to remain; negative: all rows are needed) and ``share`` (expected
    error share of the population) broadcast. For planners and for the informed limit; it promises nothing.
    """
    m, b, e = (np.asarray(v, dtype=np.float64) for v in np.broadcast_arrays(population, budget, share))
    low, high = np.zeros(m.shape), np.maximum(m - np.maximum(b, 0), 0)
    for _ in range(max(1, int(np.ceil(np.log2(max(float(m.max(initial=2.0)), 2.0)))))):
        n = np.maximum(np.ceil((low + high) / 2), 1)
        fires = _expected_evidence(m, b, e, n, mended=mended) >= log(1 / level)
        low, high = np.where(fires, low, np.minimum(n, high)), np.where(fires, np.minimum(n, high), high)
    return np.where(b < 0, m, high)


def _expected_evidence(
    m: NDArray[np.float64], b: NDArray[np.float64], e: NDArray[np.float64], n: NDArray[np.float64], *, mended: bool
) -> NDArray[np.float64]:
    """Log evidence against ``budget + mended + 1`` errors if n drawn rows hold ``e n`` errors; -inf: none."""
    x = e * n
    null = np.maximum(b, 0) + 1 + (x if mended else 0.0)
    usable = (null + 1 >= x * (m + 1) / n) & (null <= m - n + x)
    safe_m, safe_n, safe_x, safe_k = (np.where(usable, v, d) for v, d in ((m, 2.0), (n, 1.0), (x, 0.0), (null, 1.0)))
    share = np.minimum(0.95, (np.maximum(b, 0) + 1) / np.maximum(safe_m, 1))[..., None]
    second = PRIOR_STRENGTH / (np.asarray(PRIOR_MEANS) * share) - PRIOR_STRENGTH
    seen = betaln(PRIOR_STRENGTH + safe_x[..., None], second + (safe_n - safe_x)[..., None])
    mixture = logsumexp(seen - betaln(PRIOR_STRENGTH, second), axis=-1) - log(len(PRIOR_MEANS))
    evidence = mixture - log_likelihood(safe_x, safe_n, safe_k, safe_m)
    return np.where(usable, evidence, np.where(null > m - n + x, np.inf, -np.inf))


def allowed_errors(level: float, rows: int) -> int:
    """Count the rows that may be wrong: ``floor((1 - level) rows)``, exactly, reading the level as it is written."""
    return int((1 - Fraction(repr(float(level)))) * rows)


def attempt_share(failure: float, attempt: int) -> float:
    """Return the failure probability that the ``attempt``-th try at one table, question and model may spend.

    Nine tenths for the first; the rest is divided as ``6 / (pi^2 (k-1)^2)`` among the later ones. The shares add up to
    ``failure``, so the statement holds even for the best-looking of any number of attempts.
    """
    if attempt == 1:
        return 0.9 * failure
    return 0.1 * failure * 6 / (pi**2 * (attempt - 1) ** 2)
