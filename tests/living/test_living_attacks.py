"""A short form of the attacks on certificates that are extended; ``make validity`` runs the long one."""

import numpy as np
import pytest
from benchmarks.validity import living
from scipy.stats import binom

from rowsight.guarantees.living import Part


@pytest.mark.parametrize(("kind", "seeds"), [("accuracy", 2), ("p+r", 1)])
def test_certificates_are_false_no_more_often_than_is_said(kind, seeds):
    lives = [
        attack(np.random.default_rng([7, seed]), living.LEVELS[kind], seed)
        for attack in living.ATTACKS.values()
        for seed in range(seeds)
    ]
    assert sum(life.false for life in lives) <= binom.ppf(0.999, len(lives), living.FAILURE)


class Trusting(living.Life):
    """Takes what earlier versions left to the proxy for right."""

    def standing(self, places):
        return [
            Part(dict.fromkeys(p.bounds, 0), p.rows, p.proxied, p.kept, p.accepted) for p in super().standing(places)
        ]


def test_who_forgets_the_bounds_of_earlier_versions_is_caught():
    attack, levels = living.ATTACKS["only wrong rows stay"], living.LEVELS["accuracy"]
    false = sum(attack(np.random.default_rng([7, seed]), levels, seed, Trusting).false for seed in range(6))
    assert false > binom.ppf(0.999, 6, living.FAILURE)
