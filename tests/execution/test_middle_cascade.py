"""A middle model in a cascade: adopted where it saves, evidence and never an answer, and no way to a false promise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binom
from tables import ArrayRows, drive

from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.middle import HARD, PILOT_SHARE, SAVES, Middle
from rowsight.execution.cascade.protocol import SKIPPED, UNANSWERED, Ask, AskMiddle, Freeze, Note, Prices
from rowsight.guarantees.verifier import verify
from rowsight.plan.guarantee import Guarantee

ACCURACY = Guarantee(accuracy=0.9)
ZONES = Guarantee(precision=0.9, recall=0.9)


def coins(seed, rows=2400, share=0.5, said_wrong=0.05):
    """Features that say nothing, labels, and what a middle model says of them."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(rows) < share).astype(np.int64)
    said = np.where(rng.random(rows) < said_wrong, 1 - labels, labels).astype(float)
    return rng.normal(size=(rows, 4)).astype(np.float32) * 0.3, labels, said


class Models:
    """Both models: answers out of columns; counts what each is asked; dry after ``money`` rows."""

    def __init__(self, labels, said, *, price=0.05, logprob=None, money=None):
        self.labels, self.said, self.price, self.money = labels, said, price, money
        self.logprob = np.full(len(labels), np.nan) if logprob is None else logprob
        self.asked, self.bought = np.zeros(len(labels), dtype=int), np.zeros(len(labels), dtype=int)
        self.frozen, self.notes, self.log = [], [], []

    @property
    def left(self):
        return len(self.labels) * 9 if self.money is None else max(0, self.money - self.asked.sum() - self.bought.sum())

    def reply(self, request):
        self.log.append(type(request).__name__)
        match request:
            case Ask(rows=rows):
                answers = self.labels[rows].copy()
                answers[self.left :] = -np.inf if answers.dtype == float else SKIPPED
                self.asked[rows[: self.left]] += 1
                return answers
            case AskMiddle(rows=rows):
                answers = np.column_stack([self.said[rows], self.logprob[rows]])
                answers[self.left :, 0] = -np.inf
                self.bought[rows[: self.left]] += 1
                return answers
            case Prices():
                return np.array([1.0, self.price])
            case Freeze(record=record):
                self.frozen.append(record)
            case Note(kind="middle", values=values):
                self.notes.append(values)
        return None


def run(features, models, demand=ACCURACY, *, seed=0, classes=2, groups=None, middle=True):
    steps = cascade_for(
        ArrayRows(features), demand, classes=classes, seed=seed, known=None, groups=groups, attempt=1, middle=middle
    )
    return drive(steps, models)


@pytest.mark.parametrize("demand", [ACCURACY, ZONES], ids=["accuracy", "zones"])
def test_it_is_bought_where_words_say_nothing_and_saves_most_of_the_money(demand):
    features, labels, said = coins(1)
    models = Models(labels, said)
    decision = run(features, models, demand)
    plain = Models(labels, said)
    run(features, plain, demand, middle=False)
    assert decision.certificate["certified"]
    assert models.asked.sum() + 0.05 * models.bought.sum() < 0.6 * plain.asked.sum()
    assert plain.bought.sum() == 0
    assert max(models.asked.max(), models.bought.max()) == 1
    found = decision.summary["middle"]
    assert found["adopted"]
    assert found == {**found, "asked": int(models.bought.sum()), "helped": int(decision.helped.sum())}
    assert np.all(models.bought[decision.helped] == 1)
    assert not np.any(decision.helped & decision.asked)
    verify(json.loads(json.dumps(decision.certificate)))
    json.dumps(decision.summary)


@pytest.mark.parametrize("demand", [ACCURACY, ZONES], ids=["accuracy", "zones"])
def test_what_helps_too_little_costs_the_pilot_and_changes_nothing(demand):
    features, labels, said = coins(2, rows=1800, said_wrong=0.42)
    models, plain = Models(labels, said), Models(labels, said)
    decision, without = run(features, models, demand), run(features, plain, demand, middle=False)
    found = decision.summary["middle"]
    assert not found["adopted"]
    assert found["with"] > SAVES * found["without"]
    assert models.bought.sum() == found["tried"] > 0
    assert 0.05 * found["tried"] <= PILOT_SHARE * found["without"]
    assert np.array_equal(models.asked, plain.asked)
    assert decision.certificate == without.certificate
    assert len(models.notes) == 1


def test_a_dear_one_is_not_even_tried():
    features, labels, said = coins(3, said_wrong=0.0)
    models = Models(labels, said, price=0.9)
    decision = run(features, models)
    assert models.bought.sum() == 0
    assert decision.summary["middle"] == {"adopted": False, "tried": 0, "asked": 0, "helped": 0}


def test_an_easy_table_needs_none():
    middle = Middle(1000, 2, 0)
    assert not middle.due(100, 1000, HARD * 100 - 1)
    assert middle.due(100, 1000, HARD * 100)
    assert not middle.due(99, 1000, HARD * 100)
    assert not Middle(1000, 77, 0).due(1500, 1000, 1e6)


def test_an_inverted_model_is_as_good_as_a_right_one():
    features, labels, said = coins(4)
    models = Models(labels, 1 - said)
    decision = run(features, models)
    assert decision.summary["middle"]["adopted"]
    assert np.mean(decision.answers == labels) >= 0.9


def test_rows_that_it_fails_on_are_rows_without_evidence():
    features, labels, said = coins(5)
    said[::3] = np.nan
    models = Models(labels, said)
    decision = run(features, models)
    assert decision.summary["middle"]["adopted"]
    assert not decision.helped[::3].any()
    assert decision.certificate["certified"]
    assert np.mean(decision.answers == labels) >= 0.9


def test_log_probabilities_say_which_answers_to_trust():
    features, labels, said = coins(6, said_wrong=0.2)
    sure = np.where(said == labels, np.log(0.98), np.log(0.6))
    blind, seeing = Models(labels, said), Models(labels, said, logprob=sure)
    run(features, blind)
    assert run(features, seeing).certificate["certified"]
    assert seeing.asked.sum() < 0.7 * blind.asked.sum()


def test_scores_and_many_classes_and_groups():
    rng = np.random.default_rng(7)
    features, _, _ = coins(7)
    points = rng.uniform(0, 10, len(features)).round(1)
    near = np.where(
        rng.random(len(points)) < 0.04, rng.uniform(0, 10, len(points)), points + rng.normal(size=len(points)) * 0.2
    )
    decision = run(features, Models(points, near), Guarantee(accuracy=0.8, within=1.5), classes=None)
    assert decision.summary["middle"]["adopted"]
    assert np.mean(np.abs(decision.answers - points) <= 1.5) >= 0.8
    topics = rng.integers(0, 6, len(features))
    wrong = rng.random(len(topics)) < 0.05
    said = np.where(wrong, (topics + 1) % 6, topics).astype(float)
    groups = (np.arange(len(topics)) % 2).astype(np.int64)
    demand = Guarantee(accuracy=0.85, by="g")
    decision = run(features, Models(topics, said), demand, classes=6, groups=groups)
    assert decision.summary["middle"]["adopted"]
    assert min(np.mean((decision.answers == topics)[groups == g]) for g in (0, 1)) >= 0.85
    labels = (topics < 3).astype(np.int64)
    models = Models(labels, np.where(wrong, 1 - labels, labels).astype(float))
    decision = run(features, models, Guarantee(precision=0.85, recall=0.85, by="g"), groups=groups)
    assert decision.summary["middle"]["adopted"]
    for g in (0, 1):
        kept, yes = (decision.answers == 1)[groups == g], (labels == 1)[groups == g]
        assert min((kept & yes).sum() / kept.sum(), (kept & yes).sum() / yes.sum()) >= 0.85


@pytest.mark.parametrize("demand", [ACCURACY, ZONES], ids=["accuracy", "zones"])
def test_a_table_beyond_the_sample_is_bought_by_the_same_rule(demand):
    features, labels, said = coins(8, rows=103_000)
    features[:, 0] = np.where(np.arange(len(labels)) % 2, 3.0 * (2 * labels - 1), 0.0)  # words settle every other row
    models = Models(labels, said)
    decision = run(features, models, demand)
    assert decision.certificate["certified"]
    assert decision.summary["middle"]["adopted"]
    doubtful = np.arange(len(labels)) % 2 == 0
    assert models.bought[doubtful].mean() > 0.6
    assert models.bought[~doubtful].mean() < 0.1
    assert np.mean(decision.answers == labels) >= 0.9
    verify(decision.certificate)


@pytest.mark.parametrize("demand", [ACCURACY, ZONES], ids=["accuracy", "zones"])
@pytest.mark.parametrize("money", [120, 500, 1500, 3600])
def test_money_may_run_out_anywhere(demand, money):
    features, labels, said = coins(9)
    models = Models(labels, said, money=money)
    decision = run(features, models, demand)
    assert models.asked.sum() + models.bought.sum() <= money
    body = decision.certificate
    assert body["asked"] + body["proxied"] + body["skipped"] + body["unanswered"] == len(labels)
    given = decision.answers >= 0
    assert np.sum(given) == body["asked"] + body["proxied"]
    if "accuracy" in body["reached"]:
        assert np.mean(decision.answers == labels) >= body["reached"]["accuracy"] - 1e-12


@pytest.mark.parametrize("demand", [ACCURACY, ZONES], ids=["accuracy", "zones"])
def test_a_run_that_goes_on_asks_the_same_and_freezes_the_same(demand):
    features, labels, said = coins(10)
    first, second = Models(labels, said), Models(labels, said)
    assert run(features, first, demand).certificate == run(features, second, demand).certificate
    assert first.frozen == second.frozen
    assert first.log == second.log


def turning(labels, rng):
    """Right on the first rows that it is asked about, wrong on many of the others."""
    wrong = rng.random(len(labels)) < rng.uniform(0.05, 0.5)

    class Turning(Models):
        def reply(self, request):
            if isinstance(request, AskMiddle):
                drifted = self.bought.sum() >= 300
                self.said = np.where(wrong & drifted, 1 - labels, labels).astype(float)
            return super().reply(request)

    return Turning(labels, labels.astype(float), price=0.01)


def near_the_level(labels, rng):
    """Wrong on about as many rows as the level bears."""
    wrong = rng.random(len(labels)) < 0.1 * rng.uniform(0.9, 1.6)
    return Models(labels, np.where(wrong, 1 - labels, labels).astype(float), price=0.01)


@pytest.mark.parametrize("demand", [ACCURACY, ZONES], ids=["accuracy", "zones"])
def test_a_promise_is_false_no_oftener_than_it_may_be(demand):
    runs, failures, taken = (14 if demand is ACCURACY else 6), 0, 0
    for seed in range(runs):
        rng = np.random.default_rng([12, seed])
        features, labels, _ = coins([13, seed], rows=1000, share=0.4)
        labels[rng.choice(1000, 10, replace=False)] = UNANSWERED
        make = turning if seed % 2 else near_the_level
        models = make(np.maximum(labels, 0), rng)
        models.labels = labels
        decision = run(features, models, demand, seed=seed)
        taken += decision.summary["middle"]["adopted"]
        failures += decision.certificate["certified"] and not holds(decision.answers, labels, demand)
    assert taken > runs / 4
    assert failures <= binom.ppf(0.999, runs, 0.05)


def holds(answers, labels, demand):
    if demand.accuracy is not None:
        return np.mean((answers == labels) & (labels >= 0)) >= demand.accuracy
    kept, hits = np.sum(answers == 1), np.sum((answers == 1) & (labels == 1))
    positives = np.sum(labels == 1) + np.sum((labels < 0) & (answers != 1))
    return hits >= demand.precision * kept and hits >= demand.recall * positives
