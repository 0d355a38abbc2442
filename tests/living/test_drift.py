"""The drift alarm: false alarms over many versions, and how soon a shift is told."""

import numpy as np
from scipy.stats import binom

from rowsight.guarantees.drift import FALSE_ALARM, Evidence, established_rate, log_evidence


def life(rng, rates, chances, versions=20, drawn=30):
    """One table's life: whether there ever is an alarm, looked for after every ten draws, and in which version."""
    evidence = Evidence()
    for version in range(1, versions + 1):
        wrong = rng.random((len(rates), drawn)) < np.array(chances(version))[:, None]
        for seen in range(10, drawn + 1, 10):
            evidence.observe(wrong[:, :seen].sum(axis=1).tolist(), seen, rates)
            if evidence.alarm:
                return version
        evidence = evidence.after()
    return None


def test_false_alarms_are_as_rare_as_is_said_where_the_rate_is_just_what_was_established():
    rng = np.random.default_rng(1)
    rates = (0.05, 0.02)
    alarms = sum(life(rng, rates, lambda _: rates) is not None for _ in range(400))
    assert alarms <= binom.ppf(0.999, 400, FALSE_ALARM)


def test_a_rate_that_depends_on_the_past_but_stays_below_raises_no_more():
    rng = np.random.default_rng(2)
    alarms = sum(life(rng, (0.1,), lambda v: (0.1 if v % 2 else 0.02,)) is not None for _ in range(300))
    assert alarms <= binom.ppf(0.999, 300, FALSE_ALARM)


def test_a_shift_is_told_in_the_version_in_which_it_comes():
    rng = np.random.default_rng(3)
    found = [life(rng, (0.05,), lambda v: (0.05 if v < 6 else 0.5,)) for _ in range(100)]
    assert sum(version == 6 for version in found) >= 95


def test_a_small_lasting_shift_is_told_in_time():
    rng = np.random.default_rng(4)
    found = [life(rng, (0.05,), lambda v: (0.05 if v < 4 else 0.15,)) for _ in range(100)]
    assert sum(version is not None and version <= 12 for version in found) >= 80


def test_evidence_is_an_e_value_under_the_established_rate():
    counts = np.arange(31)
    chances = binom.pmf(counts, 30, 0.1)
    evidence = np.exp([log_evidence(int(x), 30, 0.1) for x in counts])
    assert abs(float(chances @ evidence) - 1) < 1e-9
    assert float(binom.pmf(counts, 30, 0.05) @ evidence) < 1


def test_after_an_alarm_the_next_takes_more():
    evidence = Evidence()
    evidence.observe([30], 30, [0.05])
    assert evidence.alarm
    assert evidence.after().threshold == 3 * Evidence().threshold
    assert Evidence().threshold == 2 / FALSE_ALARM


def test_what_is_established_is_above_the_share_seen():
    assert established_rate(50, 1000) > 0.05
    assert established_rate(0, 1000) < 0.006
    assert established_rate(10, 10) == 1.0
