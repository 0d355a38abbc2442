"""Intervals for totals: valid at every moment, exact at the end, whole where values are counts."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from rowsight.guarantees.estimate import Aim, TotalBounds
from rowsight.guarantees.urn import drawn, race

FAILURE = 0.2


def _watched(values, predicted, sizes, seed, *, failure=FAILURE, aim=None, silent=None, whole=True):
    """Draw all rows in batches; say whether the total was ever outside, the worst of all moments to stop."""
    rows = len(values)
    bounds = TotalBounds(rows, 0, 1, failure, whole=whole)
    silent = np.zeros(rows, bool) if silent is None else silent
    left, ever = np.arange(rows), False
    while len(left):
        places = race(sizes[left], 7, [seed, bounds.drawn])
        rows_drawn = left[places]
        least = np.where(silent[rows_drawn], 0.0, values[rows_drawn])
        most = np.where(silent[rows_drawn], 1.0, values[rows_drawn])
        draws = drawn(places, sizes[left], predicted[left], least, most, (0.0, 1.0))
        bounds.observe(draws, aim or Aim(0.1, rows // 2))
        left = np.delete(left, places)
        ever |= not bounds.lower <= values.sum() <= bounds.upper
    return ever, bounds


def _tables():
    rng = np.random.default_rng(5)
    half, rare = rng.random(60) < 0.5, rng.random(60) < 0.04
    yield "inverted predictions", half, 1.0 - half
    yield "good predictions", half, np.clip(half + rng.normal(0, 0.2, 60), 0, 1)
    yield "rare", rare, np.full(60, 0.03)
    yield "noise", half, rng.random(60)
    yield "sorted", np.arange(60) < 20, np.linspace(0, 1, 60)


@pytest.mark.parametrize(("name", "values", "predicted"), list(_tables()))
@pytest.mark.parametrize("uneven", [False, True])
def test_the_total_is_seldom_ever_outside(name, values, predicted, uneven):
    del name
    runs = 60
    failures = 0
    for seed in range(runs):
        sizes = np.random.default_rng(seed).uniform(0.2, 3.0, len(values)) if uneven else np.ones(len(values))
        failures += _watched(values.astype(float), predicted, sizes, seed)[0]
    assert failures <= binom.ppf(0.999, runs, FAILURE)


def test_a_test_of_coverage_can_fail():
    """Chances that aren't those of the draw, and a value that is chosen by looking, break the promise."""
    rng = np.random.default_rng(1)
    values = (rng.random(80) < 0.5).astype(float)
    failures = 0
    for seed in range(30):
        bounds = TotalBounds(80, 0, 1, FAILURE, whole=True)
        left, ever = np.arange(80), False
        for _ in range(10):
            places = race(np.where(values[left] > 0, 3.0, 1.0), 5, [seed, bounds.drawn])
            chosen = left[places]
            even = np.ones(len(left))
            draws = drawn(places, even, np.zeros(len(left)), values[chosen], values[chosen], (0.0, 1.0))
            bounds.observe(draws, Aim(0.25, 40))
            left = np.delete(left, places)
            ever |= not bounds.lower <= values.sum() <= bounds.upper
        failures += ever
    assert failures > binom.ppf(0.999, 30, FAILURE)


@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_when_all_rows_are_drawn_the_total_is_known(values, seed):
    y = np.array(values)
    sizes = np.random.default_rng(seed).uniform(0.1, 2, len(y))
    _, bounds = _watched(y, np.full(len(y), 0.3), sizes, seed, whole=False)
    assert bounds.drawn == len(y)
    assert bounds.lower == pytest.approx(y.sum(), abs=1e-6)
    assert bounds.upper == pytest.approx(y.sum(), abs=1e-6)


def test_rows_without_an_answer_leave_their_range_open():
    y = (np.arange(40) % 2).astype(float)
    silent = np.arange(40) < 6
    _, bounds = _watched(y, np.full(40, 0.5), np.ones(40), 3, silent=silent)
    assert bounds.lower == y[~silent].sum()
    assert bounds.upper == y[~silent].sum() + 6


def test_the_capital_against_the_truth_is_fair():
    """Averaged over all orders of the draw, the capital that is bet against the true total is exactly one."""
    values, predicted, sizes = (
        np.array([0.0, 1.0, 1.0, 0.0]),
        np.array([0.1, 0.7, 0.2, 0.6]),
        np.array([1.0, 2, 0.5, 1]),
    )
    expected = 0.0
    for order in permutations(range(4)):
        left, chance = list(range(4)), 1.0
        for row in order:
            chance *= sizes[row] / sizes[left].sum()
            left.remove(row)
        places = np.array(order)
        draws = drawn(places, sizes, predicted, values[places], values[places], (0.0, 1.0))
        mean = (2.0 - np.concatenate([[0.0], np.cumsum(values[places])[:-1]])) / np.arange(4, 0, -1)
        z = draws.weight * (draws.least - draws.predicted) + draws.centre
        assert np.all(z >= draws.bottom - 1e-12)
        assert np.all(z <= draws.top + 1e-12)
        expected += chance * np.prod(1 + 0.3 * (z - mean))
    assert expected == pytest.approx(1.0)


def test_the_race_draws_in_proportion_to_size():
    sizes = np.array([1.0, 2.0, 5.0])
    orders = [tuple(race(sizes, 2, [seed])) for seed in range(4000)]
    for first, second in product(range(3), repeat=2):
        if first != second:
            chance = sizes[first] / 8 * sizes[second] / (8 - sizes[first])
            assert orders.count((first, second)) / 4000 == pytest.approx(chance, abs=0.03)
