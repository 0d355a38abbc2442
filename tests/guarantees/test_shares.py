"""Exact intervals for shares of finite populations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, hypergeom

from rowsight.guarantees.shares import count_interval


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.data())
def test_every_count_inside_is_likely_enough_and_none_outside(population, data):
    drawn = data.draw(st.integers(0, population))
    seen = data.draw(st.integers(0, drawn))
    low, high = (int(b) for b in count_interval(seen, 0, drawn, population, 0.1))
    possible = range(seen, population - (drawn - seen) + 1)
    fair = [
        k
        for k in possible
        if hypergeom.sf(seen - 1, population, k, drawn) > 0.05 and hypergeom.cdf(seen, population, k, drawn) > 0.05
    ]
    assert (low, high) == (fair[0], fair[-1])


def test_the_whole_population_drawn_leaves_no_doubt():
    assert [int(b) for b in count_interval(7, 0, 20, 20, 0.05)] == [7, 7]
    assert [int(b) for b in count_interval(7, 3, 20, 20, 0.05)] == [7, 10]
    assert [int(b) for b in count_interval(0, 0, 0, 20, 0.05)] == [0, 20]


def test_rows_without_an_answer_may_be_anything():
    narrow, wide = count_interval(30, 0, 90, 1000, 0.05), count_interval(30, 10, 100, 1000, 0.05)
    assert wide[0] <= narrow[0]
    assert wide[1] >= narrow[1]


@pytest.mark.parametrize("share", [0.003, 0.02, 0.3, 0.5])
def test_the_interval_covers_as_often_as_it_says(share):
    rng = np.random.default_rng(0)
    population, drawn, runs = 2000, 150, 4000
    true = round(share * population)
    seen = rng.hypergeometric(true, population - true, drawn, runs)
    low, high = count_interval(seen, 0, drawn, population, 0.05)
    missed = int(((low > true) | (high < true)).sum())
    assert missed <= binom.ppf(0.999, runs, 0.05)


def test_shares_of_many_themes_hold_at_once():
    """Ten themes, failure probability shared among them: all bounds of a draw hold together in 95% of draws."""
    rng = np.random.default_rng(1)
    population, drawn, runs = 1000, 100, 1500
    shares = np.array([0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.04, 0.03, 0.02, 0.01])
    sizes = (shares * population).astype(int)
    seen = rng.multivariate_hypergeometric(sizes, drawn, size=runs)
    low, high = count_interval(seen, 0, drawn, population, 0.05 / len(shares))
    missed = int(((low > sizes) | (high < sizes)).any(axis=1).sum())
    assert missed <= binom.ppf(0.999, runs, 0.05)
