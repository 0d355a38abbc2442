"""Filters that overlook almost nothing: at most so many of all rows are missed, however rare the rows to keep are."""

import json

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

import rowsight
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth
from rowsight.core.errors import InputError
from rowsight.execution.cascade import cascade_for
from rowsight.execution.cascade.protocol import SKIPPED, UNANSWERED, Ask
from rowsight.guarantees import verifier
from rowsight.guarantees.certificate import real_figures
from rowsight.plan.guarantee import Guarantee
from rowsight.plan.nodes import Ask as AskNode

FAILURE = 0.05
ROWS, AT_MOST = 1500, 0.01


class Memory:
    """Rows whose features are in memory."""

    def __init__(self, features):
        self.all, self.count = features.astype(np.float32), len(features)

    def features(self, rows):
        return self.all[rows]

    def chunks(self):
        yield 0, self.all


def decided(features, answers, guarantee, **given):
    course, reply = cascade_for(Memory(features), guarantee, **given), None
    while True:
        try:
            request = course.send(reply)
        except StopIteration as end:
            return end.value
        reply = answers[request.rows] if isinstance(request, Ask) else None


def table(seed, positives, *, hidden=False):
    """Rows with so many positives, that the features tell or (``hidden``) do not."""
    rng = np.random.default_rng([11, seed])
    x = rng.normal(size=(ROWS, 3))
    rank = rng.random(ROWS) if hidden else -x[:, 0]
    y = np.zeros(ROWS, dtype=np.int64)
    y[np.argsort(rank)[:positives]] = 1
    return x, y


@pytest.mark.parametrize(("positives", "hidden"), [(0, False), (16, True), (20, True), (60, False), (ROWS, False)])
def test_few_rows_are_missed_whatever_there_is_to_find(positives, hidden):
    runs, false = 6, 0
    for seed in range(runs):
        x, y = table(seed, positives, hidden=hidden)
        decision = decided(x, y, Guarantee(missed=AT_MOST), seed=seed)
        figures = real_figures(decision.answers, y, ["missed", "precision"], None)
        assert figures["precision"] == 1.0  # every row kept was asked
        assert decision.certificate["certified"]
        false += int(np.sum((y == 1) & (decision.answers != 1))) > int(AT_MOST * ROWS)
    assert false <= binom.ppf(0.999, runs, FAILURE)


def test_it_saves_most_calls_where_there_is_nothing_to_find():
    x, y = table(1, 0)
    decision = decided(x, y, Guarantee(missed=AT_MOST))
    assert decision.asked.sum() < ROWS / 2


def test_the_certificate_verifies_offline_and_no_other_level_does():
    x, y = table(2, 12)
    body = json.loads(json.dumps(decided(x, y, Guarantee(missed=AT_MOST)).certificate))
    assert "at most 1% of all rows are rows that the model would keep" in verifier.verify(body)
    body["metrics"][0]["level"] = 0.001
    body["digest"] = verifier.digest_of({k: v for k, v in body.items() if k != "digest"})
    with pytest.raises(verifier.Refuted):
        verifier.verify(body)


def test_rows_without_an_answer_count_as_missed():
    x, y = table(3, 10)
    lost = np.where(np.arange(ROWS) < 30, UNANSWERED, y)
    body = decided(x, lost, Guarantee(missed=AT_MOST)).certificate
    assert not body["certified"]
    few = np.where(np.arange(ROWS) < 3, UNANSWERED, y)
    assert decided(x, few, Guarantee(missed=AT_MOST)).certificate["certified"]


def test_nothing_is_promised_when_the_money_runs_out():
    x, y = table(4, 10)
    broke = np.full_like(y, SKIPPED)
    assert not decided(x, broke, Guarantee(missed=AT_MOST)).certificate["certified"]


def test_every_group_has_its_own_budget():
    x, y = table(5, 30)
    groups = (np.arange(ROWS) % 3 == 0).astype(np.int64)
    decision = decided(x, y, Guarantee(missed=0.02, by="g"), groups=groups)
    claims = decision.certificate["proof"]["claims"]
    assert [c["budget"] for c in claims] == [20, 10]
    assert all(c["holds"] for c in claims)


def test_with_precision_some_rows_are_accepted_unasked():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 3))
    y = (x[:, 0] > 0).astype(np.int64)
    decision = decided(x, y, Guarantee(missed=0.02, precision=0.9))
    figures = real_figures(decision.answers, y, ["missed", "precision"], None)
    assert decision.certificate["certified"]
    assert figures["missed"] <= 0.02
    assert figures["precision"] >= 0.9
    assert np.sum((decision.answers == 1) & ~decision.asked) > 0


def test_missed_is_a_verb_of_a_filtered_table(tmp_path):
    texts = [f"note {i} is {'urgent now' if i % 100 == 0 else 'calm'}" for i in range(600)]
    rows = pa.table({"text": texts, "urgent": [i % 100 == 0 for i in range(600)]})
    config = SimulationConfig(text="text", truths=(Truth("urgent"),))
    with SimulatedServer(config, rows.to_batches()) as server:
        table = rowsight.read(rows, session=rowsight.Session(state=tmp_path))
        result = table.filter("Is {text} urgent?").missed(at_most=0.02).run("sim", base_url=server.base_url)
    assert "at most 2% of all rows" in result.certificate.statement
    assert result.report.calls < 600
    assert len(result) <= 6
    assert "urgent" in result.to_arrow().column("text")[0].as_py()


def test_missed_belongs_to_a_filter_and_replaces_recall():
    table = rowsight.read(pa.table({"text": ["a"]}))
    asked = table.filter("Is {text} late?", missed=0.01)
    assert asked.plan == table.filter("Is {text} late?").missed(at_most=0.01).plan
    assert isinstance(asked.plan, AskNode)
    with pytest.raises(InputError, match="filter just above"):
        table.missed(at_most=0.01)
    for other in ({"recall": 0.9}, {"accuracy": 0.9}):
        with pytest.raises(InputError, match="one of the three"):
            table.filter("Is {text} late?", missed=0.01, **other)
    with pytest.raises(InputError, match="missed=2"):
        table.filter("Is {text} late?", missed=2)
