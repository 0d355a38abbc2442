from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from rowsight.guarantees.certify import (
    ErrorBound,
    allowed_errors,
    attempt_share,
    labels_needed,
    log_likelihood,
    scaled_prior,
    upper_bounds,
)
from rowsight.guarantees.draw import Draw, draw_key


@given(st.integers(1, 10**7), st.integers(1, 999))
def test_budget_is_the_largest_integer_that_the_level_allows(rows, thousandths):
    level = thousandths / 1000
    budget, exact = allowed_errors(level, rows), 1 - Fraction(thousandths, 1000)
    assert Fraction(budget, rows) <= exact < Fraction(budget + 1, rows)


def test_rounding_a_budget_would_allow_too_much():
    assert allowed_errors(0.95, 1013) == 50
    assert round((1 - 0.95) * 1013) == 51  # what condition 3 forbids: 51 of 1,013 rows are more than 5%


@given(st.integers(2, 60), st.data())
def test_likelihood_is_the_hypergeometric_one(population, data):
    total = data.draw(st.integers(0, population))
    drawn = data.draw(st.integers(1, population))
    errors = data.draw(st.integers(max(0, drawn - population + total), min(drawn, total)))
    orders = float(hypergeom.logpmf(errors, population, total, drawn)) - float(np.log(_choose(drawn, errors)))
    assert float(log_likelihood(errors, drawn, total, population)) == pytest.approx(orders, abs=1e-8)


def _choose(n, k):
    return float(np.exp(np.sum(np.log(np.arange(n - k + 1, n + 1))) - np.sum(np.log(np.arange(1, k + 1)))))


@given(st.integers(5, 80), st.data())
@settings(max_examples=60, deadline=None)
def test_bisection_finds_what_a_search_of_all_totals_finds(population, data):
    drawn = data.draw(st.integers(1, population))
    errors = data.draw(st.integers(0, drawn))
    level = data.draw(st.sampled_from([0.01, 0.05, 0.5]))
    prior = scaled_prior(population, population // 10)
    bound = int(upper_bounds(np.array([errors]), np.array([drawn]), population, level, prior)[0])
    possible = np.arange(errors, errors + population - drawn + 1)
    evidence = prior.log_probability(errors, drawn) - log_likelihood(errors, drawn, possible, population)
    standing = possible[evidence < np.log(1 / level) + 1e-6]
    assert bound == standing.max()


@given(st.integers(1, 300), st.data())
@settings(max_examples=40, deadline=None)
def test_batches_of_any_size_give_the_same_bound(population, data):
    errors = np.array(data.draw(st.lists(st.booleans(), min_size=population, max_size=population)))
    whole, pieces = ErrorBound(population, 5, 0.05), ErrorBound(population, 5, 0.05)
    whole.observe(errors)
    cut = data.draw(st.integers(0, population))
    for part in (errors[:cut], errors[cut:]):
        pieces.observe(part)
    assert (whole.upper, whole.reached) == (pieces.upper, pieces.reached)
    assert whole.upper == errors.sum()  # every row was seen, and the sample is the last word


def coverage(total, population, level, runs=400, peek=16):
    """Runs in which the bound was ever below the truth."""
    misses = 0
    for seed in range(runs):
        errors = np.random.default_rng(seed).permutation(np.arange(population) < total)
        bound = ErrorBound(population, 40, level)
        misses += any(bound.observe(errors[i : i + peek]) < total for i in range(0, population // 2, peek))
    return misses


@pytest.mark.parametrize("total", [30, 45, 60])
def test_bound_holds_at_all_times(total):
    assert coverage(total, 800, 0.05) <= binom.ppf(0.999, 400, 0.05)


def test_a_fixed_sample_test_looked_at_again_and_again_would_fail():
    """What 'anytime-valid' buys: the textbook hypergeometric test, repeated after each batch, fails far too often."""
    misses = 0
    for seed in range(200):
        errors = np.random.default_rng(seed).permutation(np.arange(800) < 45)
        found = np.cumsum(errors)[15:400:16]
        misses += any(hypergeom.cdf(found, 800, 45, np.arange(16, 401, 16)) <= 0.05)
    assert misses > binom.ppf(0.999, 200, 0.05)


def test_planner_agrees_with_the_test_itself():
    planned = float(labels_needed(3000, 150, 0.0, 0.05))
    bound = ErrorBound(3000, 150, 0.05)
    drawn = 0
    while bound.upper > 150:
        bound.observe(np.zeros(1, dtype=bool))
        drawn += 1
    assert drawn == pytest.approx(planned, abs=2)
    assert float(labels_needed(3000, -1, 0.01, 0.05)) == 3000


def test_attempts_share_the_failure_probability():
    assert sum(attempt_share(0.05, k) for k in range(1, 5000)) <= 0.05
    assert attempt_share(0.05, 2) < attempt_share(0.05, 1)


@given(st.integers(0, 500), st.lists(st.integers(0, 60), max_size=20))
def test_draw_is_a_permutation_however_it_is_taken(size, pieces):
    draw = Draw(draw_key(1, 1, "d", "p"), size)
    parts = [draw.take(n) for n in pieces] + [draw.take(size)]
    places = np.concatenate(parts)
    assert sorted(places.tolist()) == list(range(size))
    assert np.array_equal(places, Draw(draw_key(1, 1, "d", "p"), size).take(size))


def test_draw_is_uniform():
    counts = np.zeros((4, 4), dtype=int)
    for seed in range(4000):
        counts[range(4), Draw(draw_key(seed, 1, "d", "p"), 4).take(4)] += 1
    assert abs(counts - 1000).max() < 130
