"""The bound on rows outside a selection, against every number of rows that may be above: its failures, summed exactly."""

import pytest
from scipy.stats import hypergeom

from rowsight.guarantees.outside import allowance, draws_needed, most_above


@pytest.mark.parametrize(
    ("outside", "drawn", "failure"), [(40, 10, 0.05), (300, 59, 0.05), (300, 59, 0.2), (25, 25, 0.05), (60, 1, 0.1)]
)
def test_the_bound_fails_no_more_often_than_it_says_whatever_the_truth(outside, drawn, failure):
    bounds = [most_above(outside, drawn, above, failure) for above in range(drawn + 1)]
    worst = 0.0
    for truth in range(outside + 1):
        chances = hypergeom.pmf(range(drawn + 1), outside, truth, drawn)
        worst = max(worst, sum(c for c, bound in zip(chances, bounds, strict=True) if bound < truth))
    assert worst <= failure + 1e-12
    if drawn < outside:
        assert worst > failure / 20, "a bound that never fails proves less than it could"


def test_a_bound_at_half_the_draws_would_fail_too_often():
    bounds = [most_above(300, 59, above, 0.4) for above in range(60)]
    chances = hypergeom.pmf(range(60), 300, 15, 59)
    assert sum(c for c, bound in zip(chances, bounds, strict=True) if bound < 15) > 0.05


def test_draws_needed_are_the_fewest():
    assert draws_needed(10**6, allowance(10**6, 0.05), 0.05) == 59
    assert draws_needed(10**6, allowance(10**6, 0.01), 0.05) == 298
    for most in (0, 3, 20):
        needed = draws_needed(200, most, 0.05)
        assert most_above(200, needed, 0, 0.05) <= most
        assert needed == 0 or most_above(200, needed - 1, 0, 0.05) > most
    assert draws_needed(200, 0, 0.05) >= 190, "that no row is above takes nearly all of them"
    assert draws_needed(0, 0, 0.05) == 0
    assert most_above(0, 0, 0, 0.05) == 0
