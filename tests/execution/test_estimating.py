"""Counts, shares and means: intervals that hold, for few calls, whatever the proxy is worth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from rowsight.execution.cascade.estimating import Estimated, estimating
from rowsight.execution.cascade.protocol import Ask, Freeze
from rowsight.plan.goal import Goal

FAILURE = 0.05
RUNS = 16


class Memory:
    """Rows whose features are in memory."""

    def __init__(self, features: np.ndarray) -> None:
        self.all = features.astype(np.float32)
        self.count = len(features)

    def features(self, rows: np.ndarray) -> np.ndarray:
        return self.all[rows]

    def chunks(self):
        yield 0, self.all


def driven(features, answers, goal, *, bounds=(0.0, 1.0), whole=True, budget=None, **given) -> tuple[Estimated, list]:
    """Run an estimate against known answers; return it and the rows in the order in which they were asked."""
    course = estimating(Memory(features), goal, bounds=bounds, whole=whole, **given)
    reply, asked = None, []
    while True:
        try:
            request = course.send(reply)
        except StopIteration as end:
            return end.value, asked
        reply = None
        if isinstance(request, Ask):
            reply = answers[request.rows].astype(float)
            if budget is not None:
                reply[max(budget - len(asked), 0) :] = -np.inf
            asked += request.rows.tolist()
        elif isinstance(request, Freeze):
            assert not asked, "what fixes the draw is written before the first draw"


def table(seed: int, rows: int = 800, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([3, seed])
    x = rng.normal(size=(rows, 3))
    return x, (x[:, 0] + noise * rng.normal(size=rows) > 1).astype(float)


def _inverted(seed):
    x, y = table(seed)
    x[: len(x) // 2, 0] *= -1  # what the proxy learns from one half is wrong for the other
    return x, y


def _sorted(seed):
    x, y = table(seed)
    order = np.argsort(y, kind="stable")
    return x[order], y[order]


def _rare(seed):
    x, _ = table(seed)
    y = np.zeros(len(x))
    y[np.random.default_rng(seed).choice(len(x), 5, replace=False)] = 1
    return x, y


def _all_yes(seed):
    x, y = table(seed)
    return x, np.ones_like(y)


@pytest.mark.parametrize("make", [table, _inverted, _sorted, _rare, _all_yes])
def test_the_interval_holds_the_truth(make):
    missed = 0
    for seed in range(RUNS):
        x, y = make(seed)
        found, asked = driven(x, y, Goal(figure="share", within=0.05), seed=seed)
        assert found.reached
        assert len(set(asked)) == len(asked) == found.total.asked
        assert found.total.high - found.total.low <= 2 * 0.05 * len(y) + 1e-6
        missed += not found.total.low <= y.sum() <= found.total.high
    assert missed <= binom.ppf(0.999, RUNS, FAILURE)


def test_all_groups_hold_at_once():
    missed = 0
    for seed in range(8):
        x, y = table(seed, rows=900)
        groups = np.where(np.arange(900) < 20, 0, np.where(np.arange(900) < 300, 1, 2))
        y = np.where(groups == 1, 1 - y, y)
        found, _ = driven(x, y, Goal(figure="share", within=0.1, by="g"), seed=seed, groups=groups)
        sums = [y[groups == g].sum() for g in range(3)]
        assert [part.rows for part in found.groups] == [20, 280, 600]
        inside = [p.low <= s <= p.high for p, s in zip((*found.groups, found.total), (*sums, y.sum()), strict=True)]
        missed += not all(inside)
    assert missed <= binom.ppf(0.999, 8, FAILURE)


def test_means_of_scores():
    missed, savings = 0, []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(1500, 2))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        y = np.clip(5 + 3 * x[:, 0] + rng.normal(size=1500), 0, 10)
        found, asked = driven(x, y, Goal(figure="mean", within=0.2), bounds=(0.0, 10.0), whole=False, seed=seed)
        _, plainly = driven(x * 0, y, Goal(figure="mean", within=0.2), bounds=(0.0, 10.0), whole=False, seed=seed)
        missed += not found.total.low <= y.sum() <= found.total.high
        savings.append(len(asked) / len(plainly))
    assert missed <= binom.ppf(0.999, 6, FAILURE)
    assert np.mean(savings) < 0.6


def test_a_good_proxy_halves_the_calls_and_a_worthless_one_costs_nothing():
    good, worthless, plain = [], [], []
    for seed in range(4):
        x, y = table(seed, rows=3000)
        shuffled = np.random.default_rng(seed).permutation(x)
        for features, calls in ((x, good), (shuffled, worthless), (x * 0, plain)):
            calls.append(len(driven(features, y, Goal(figure="share", within=0.03), seed=seed)[1]))
    assert np.mean(good) < 0.5 * np.mean(plain)
    assert np.mean(worthless) < 1.05 * np.mean(plain)


def test_no_run_asks_many_times_what_others_do():
    """A variance thought too small at first leaves bets that lose; the interval must become narrow all the same."""
    calls = []
    for seed in range(8):
        y = (np.random.default_rng([1, seed]).random(20_000) < 0.03).astype(float)
        calls.append(len(driven(np.zeros((20_000, 1)), y, Goal(figure="share", within=0.02), seed=seed)[1]))
    assert np.median(calls) < 650
    assert max(calls) < 3000


def test_groups_may_be_narrow_before_the_table_is():
    x, y = table(0, rows=3000)
    groups = y.astype(np.int64)  # all rows of a group answer alike
    found, _ = driven(x * 0, y, Goal(figure="share", within=0.05, by="g"), seed=0, groups=groups)
    assert found.reached
    assert found.total.low <= y.sum() <= found.total.high


def test_so_many_calls_and_no_more():
    x, y = table(1)
    found, asked = driven(x, y, Goal(figure="count", calls=150), seed=4)
    assert len(asked) == 150
    assert found.total.low <= y.sum() <= found.total.high
    again, same = driven(x, y, Goal(figure="count", calls=150), seed=4)
    assert (again.total, same) == (found.total, asked)


def test_known_answers_are_counted_and_not_drawn():
    x, y = table(2)
    known = np.flatnonzero(y == 1)[:50]  # a biased choice, and no harm in it
    found, asked = driven(x, y, Goal(figure="count", calls=100), seed=4, known=(known, y[known]))
    assert not set(known) & set(asked)
    assert found.total.low >= 50
    assert found.total.low <= y.sum() <= found.total.high


def test_rows_without_an_answer_leave_the_interval_open():
    x, y = table(3, rows=200)
    answers = np.where(np.arange(200) % 10 == 0, np.nan, y)
    found, _ = driven(x, answers, Goal(figure="count", calls=200), seed=1)
    assert found.total.unanswered == 20
    assert (found.total.low, found.total.high) == (np.nansum(answers), np.nansum(answers) + 20)


def test_when_the_budget_is_spent_the_interval_reached_is_given():
    x, y = table(5)
    found, _ = driven(x, y, Goal(figure="share", within=0.01), seed=1, budget=230)
    assert not found.reached
    assert found.total.asked == 230
    assert 0 < found.total.low <= y.sum() <= found.total.high < len(y)


def test_an_empty_table_has_a_total_of_nothing():
    found, asked = driven(np.zeros((0, 2)), np.zeros(0), Goal(figure="count", within=0.01))
    assert (found.total.rows, found.total.low, found.total.high, asked) == (0, 0, 0, [])
