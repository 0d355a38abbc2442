"""Precision and recall by two zones: degenerate tables, what is counted, and how often the promise fails."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binom
from zone_tables import Numbers, drive, figures, noisy

from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import SKIPPED, Ask
from rowsight.guarantees.draw import Draw, draw_key
from rowsight.guarantees.verifier import verify
from rowsight.plan.guarantee import Guarantee


def test_asks_few_rows_and_holds_its_promise() -> None:
    features, truth = noisy(4000, 0.3, 0, noise=0.5)
    decision, asked, frozen = drive(features, truth, precision=0.9, recall=0.9)
    assert decision.certificate["certified"]
    assert sum(map(len, asked)) == decision.asked.sum() < 1200
    precision, recall = figures(decision.answers, truth)
    assert precision >= 0.9
    assert recall >= 0.9
    assert np.all(decision.answers[decision.asked] == truth[decision.asked])
    assert len(frozen) >= 1
    json.dumps(frozen)
    json.dumps(decision.certificate)
    json.dumps(decision.summary)


def test_no_row_is_asked_twice() -> None:
    features, truth = noisy(1500, 0.2, 1)
    _, asked, _ = drive(features, truth, precision=0.9, recall=0.9)
    rows = np.concatenate(asked)
    assert len(np.unique(rows)) == len(rows)


@pytest.mark.parametrize("positives", [0, 1, 600])
@pytest.mark.parametrize("levels", [{"precision": 0.9}, {"recall": 0.9}, {"precision": 0.9, "recall": 0.9}])
def test_none_one_and_all_positives(positives: int, levels: dict[str, float]) -> None:
    features, _ = noisy(600, 0.5, 2)
    truth = np.zeros(600, dtype=bool)
    truth[:positives] = True
    decision, asked, _ = drive(features, truth, **levels)
    assert decision.certificate["certified"]
    assert sum(map(len, asked)) <= 600
    precision, recall = figures(decision.answers, truth)
    assert precision >= levels.get("precision", 1.0)
    assert recall >= levels.get("recall", 1.0)


@pytest.mark.parametrize("rows", [0, 1, 2, 7])
def test_tiny_tables(rows: int) -> None:
    features, truth = noisy(rows, 0.5, 3)
    decision, asked, _ = drive(features, truth, precision=0.9, recall=0.9)
    assert decision.certificate["certified"]
    assert sum(map(len, asked)) == rows
    assert np.array_equal(decision.answers == 1, truth)


def test_a_worthless_proxy_costs_at_most_every_row() -> None:
    rng = np.random.default_rng(4)
    features, truth = rng.normal(size=(800, 4)), rng.random(800) < 0.5
    decision, asked, _ = drive(features, truth, precision=0.95, recall=0.95)
    assert sum(map(len, asked)) <= 800
    assert min(figures(decision.answers, truth)) >= 0.95


def test_a_metric_that_is_not_demanded_is_held_at_one() -> None:
    features, truth = noisy(2000, 0.3, 5, noise=0.7)
    alone, _, _ = drive(features, truth, recall=0.9)
    assert figures(alone.answers, truth)[0] == 1
    alone, _, _ = drive(features, truth, precision=0.9)
    assert figures(alone.answers, truth)[1] == 1
    assert [m["metric"] for m in alone.certificate["metrics"]] == ["precision"]


def test_known_answers_are_reused_and_not_asked() -> None:
    features, truth = noisy(1000, 0.3, 6)
    known = np.arange(0, 1000, 2)
    decision, asked, _ = drive(features, truth, precision=0.9, recall=0.9, known=(known, truth[known].astype(np.int64)))
    assert not np.isin(np.concatenate(asked), known).any() if asked else True
    assert decision.asked[known].all()


def test_everything_known_asks_nothing() -> None:
    features, truth = noisy(300, 0.3, 7)
    everything = (np.arange(300), truth.astype(np.int64))
    decision, asked, _ = drive(features, truth, precision=0.9, recall=0.9, known=everything)
    assert asked == []
    assert decision.certificate["certified"]


def test_the_same_seed_gives_the_same_run() -> None:
    features, truth = noisy(1200, 0.3, 8)
    first, second = (drive(features, truth, precision=0.9, recall=0.9, seed=5)[0] for _ in range(2))
    assert first.certificate == second.certificate


def test_each_pool_is_drawn_in_the_order_anyone_can_replay() -> None:
    features, truth = noisy(2000, 0.3, 9, noise=0.6)
    decision, _, _ = drive(features, truth, precision=0.9, recall=0.9, seed=3)
    body = decision.certificate
    for pool in body["proof"]["pools"]:
        draw = Draw(draw_key(body["seed"], body["attempt"], pool["key"], pool["name"]), pool["size"])
        places = draw.take(len(pool["rows"]))
        assert len(set(pool["rows"])) == len(places)
        ranks = np.argsort(np.argsort(pool["rows"]))
        assert np.array_equal(ranks, np.argsort(np.argsort(places)))


def test_refused_rows_use_up_recall_and_are_never_mended() -> None:
    features, truth = noisy(1500, 0.3, 10, noise=0.4)
    refused = np.random.default_rng(0).random(1500) < 0.2
    decision, _, _ = drive(features, truth, precision=0.9, recall=0.9, refused=refused)
    assert not decision.certificate["certified"]
    few = refused & (np.arange(1500) < 40)
    decision, _, _ = drive(features, truth, precision=0.9, recall=0.9, refused=few)
    assert decision.certificate["certified"]
    assert figures(decision.answers, truth)[1] >= 0.9


def test_money_that_runs_out_leaves_no_certificate() -> None:
    features, truth = noisy(800, 0.3, 11)
    steps = cascade_for(Numbers(features), Guarantee(precision=0.9, recall=0.9))
    request, bought, reply = steps.send(None), 0, None
    try:
        while True:
            reply = None
            if isinstance(request, Ask):
                reply = truth[request.rows].astype(np.int64)
                reply[max(250 - bought, 0) :] = SKIPPED
                bought += len(request.rows)
            request = steps.send(reply)
    except StopIteration as done:
        decision = done.value
    assert not decision.certificate["certified"]
    assert decision.asked.sum() == 250
    assert (decision.answers == SKIPPED).sum() == 550


def test_every_group_holds() -> None:
    features, truth = noisy(3000, 0.3, 12, noise=0.5)
    groups = np.arange(3000) % 3
    truth[groups == 2] = np.random.default_rng(0).random(1000) < 0.3
    decision, _, _ = drive(features, truth, precision=0.9, recall=0.9, by="region", groups=groups)
    assert decision.certificate["certified"]
    for group in range(3):
        assert min(figures(decision.answers[groups == group], truth[groups == group])) >= 0.9


def _adversary(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tables of 600 rows that look easy and are not."""
    rng = np.random.default_rng(seed)
    truth = rng.random(600) < 0.35
    features = rng.normal(size=(600, 2)) * 0.05
    features[:, 0] += truth
    flip = rng.random(600) < {"just above": 0.045, "surest": 0.05, "inverted": 0.4}[kind]
    if kind == "surest":
        features[:, 0] += np.where(flip, 3 * np.where(truth, -1, 1), 0)
    else:
        features[flip, 0] = 1 - features[flip, 0]
    return features, truth


@pytest.mark.parametrize("kind", ["just above", "surest", "inverted"])
def test_the_promise_fails_no_more_often_than_it_says(kind: str) -> None:
    failures, trials, failure = 0, 30, 0.2
    for seed in range(trials):
        features, truth = _adversary(kind, seed)
        decision, _, _ = drive(features, truth, precision=0.9, recall=0.9, confidence=1 - failure, seed=seed)
        failures += decision.certificate["certified"] and min(figures(decision.answers, truth)) < 0.9
    assert failures <= binom.ppf(0.999, trials, failure)


def test_a_large_table_is_planned_on_a_sample() -> None:
    features, truth = noisy(120_000, 0.3, 13, noise=0.5)
    decision, asked, _ = drive(features, truth, precision=0.9, recall=0.9)
    assert decision.certificate["certified"]
    assert sum(map(len, asked)) < 3000
    assert min(figures(decision.answers, truth)) >= 0.9
    assert len(decision.summary["histogram"]["cuts"]) == 2


def test_a_zone_that_was_planned_anew_ends_in_a_certificate_that_stands() -> None:
    rng = np.random.default_rng(2)
    features = rng.normal(size=(3000, 4))
    truth = features[:, 0] > 0.8
    truth[rng.choice(np.flatnonzero(features[:, 0] < -0.2), 45, replace=False)] = True  # where the proxy is surest
    decision, _, _ = drive(features, truth, precision=0.9, recall=0.9, seed=2)
    assert "rejected:0:1" in [pool["name"] for pool in decision.certificate["proof"]["pools"]]
    assert verify(decision.certificate) == decision.certificate["statement"]["en"]
