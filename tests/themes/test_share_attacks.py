"""The bounds of shares under attack, in few seeds; ``python tests/themes/attacks.py`` runs many."""

from __future__ import annotations

import numpy as np
import pytest
from attacks import ATTACKS, FAILURE, drawn_of, failures
from scipy.stats import binom

SEEDS = 30


@pytest.mark.parametrize("name", ATTACKS)
def test_bounds_fail_no_more_often_than_they_say(name):
    assert failures(name, SEEDS).max() <= binom.ppf(0.999, SEEDS, FAILURE)


def test_rows_are_drawn_not_texts():
    """Half of the rows have one text: about half of the rows drawn have it."""
    texts = ["the same"] * 500 + [f"text {i}" for i in range(500)]
    shares = [np.mean(drawn_of(texts, seed, 100) < 500) for seed in range(40)]
    assert 0.47 < np.mean(shares) < 0.53


def test_every_row_is_drawn_as_often_as_any_other():
    texts = [f"text {i // 2}" for i in range(60)]
    counts = np.bincount(np.concatenate([drawn_of(texts, seed, 15) for seed in range(800)]), minlength=60)
    assert abs(counts - 200).max() < 5 * np.sqrt(200 * 0.75)
