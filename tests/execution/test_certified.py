"""Certified questions through the whole road: groups, scores, interruptions, attempts, reruns."""

import pyarrow as pa
import pytest

import rowsight
from rowsight import worlds
from rowsight.calls.simulated import SimulatedServer, SimulationConfig, Truth

ROWS = 2000
TABLE = worlds.generate("retail", "en", ROWS, seed=5)
ASKED = worlds.questions("retail", "en")


@pytest.fixture(scope="module")
def model():
    truths = (
        Truth(ASKED.classify.truth, "- " + ASKED.labels[0]),
        Truth(ASKED.score.truth, "number from"),
        Truth(ASKED.filter.truth),
    )
    with SimulatedServer(SimulationConfig(text="text", truths=truths), TABLE.to_batches()) as server:
        yield server


@pytest.fixture
def run(model, tmp_path):
    def ask(plan_of, state="state", **options):
        table = rowsight.read(TABLE, session=rowsight.Session(state=tmp_path / state))
        return plan_of(table).run("sim", base_url=model.base_url, **options)

    return ask


def certified_filter(table, **demand):
    return table.filter(
        ASKED.filter.prompt, into="kept", keep_all=True, **(demand or {"precision": 0.9, "recall": 0.9})
    )


def figures(answers, truth):
    both = sum(a is True and t is True for a, t in zip(answers, truth, strict=True))
    return both / max(sum(a is True for a in answers), 1), both / max(sum(t is True for t in truth), 1)


def test_precision_and_recall_hold_and_calls_are_saved(run):
    result = run(certified_filter)
    precision, recall = figures(
        result.to_arrow().column("kept").to_pylist(), TABLE.column(ASKED.filter.truth).to_pylist()
    )
    assert min(precision, recall) >= 0.9
    assert result.certificate.certified
    assert result.report.calls < ROWS
    assert "zone" in result.explain()


def test_every_group_has_its_certificate(run):
    result = run(lambda t: certified_filter(t, accuracy=0.9, by="channel"))
    rows = result.to_arrow().to_pylist()
    for channel in {r["channel"] for r in rows}:
        inside = [r for r in rows if r["channel"] == channel and r["kept_status"] != "null"]
        right = sum(r["kept"] == r[ASKED.filter.truth] for r in inside)
        assert right >= 0.9 * len(inside)
    assert "every group of channel" in result.certificate.statement


def test_scores_are_certified_within_a_tolerance(run):
    result = run(
        lambda t: t.score(ASKED.score.prompt, range=(0, 10), accuracy=0.8, within=2, into="points"),
    )
    rows = [r for r in result.to_arrow().to_pylist() if r["points_status"] != "null"]
    near = sum(abs(r["points"] - r[ASKED.score.truth]) <= 2 for r in rows)
    assert near >= 0.8 * len(rows)
    assert result.certificate.certified


def test_a_run_that_ran_out_of_money_goes_on_to_the_same_certificate(run):
    whole = run(certified_filter, state="whole")
    broken = run(certified_filter, state="broken", budget="150calls")
    assert broken.report.budget_spent
    assert not broken.certificate.certified
    again = run(certified_filter, state="broken")
    assert again.certificate.body["proof"] == whole.certificate.body["proof"]
    assert again.report.calls == whole.report.calls - 150
    assert again.to_arrow().column("kept").equals(whole.to_arrow().column("kept"))


def test_the_same_demand_again_is_the_same_attempt_and_another_is_the_next(run):
    first = run(certified_filter)
    same = run(certified_filter)
    assert (same.report.calls, same.certificate.body["attempt"]) == (0, 1)
    assert same.certificate.body["digest"] == first.certificate.body["digest"]
    other = run(certified_filter, seed=1)
    assert other.certificate.body["attempt"] == 2
    assert other.certificate.body["share"] < first.certificate.body["share"]


def test_a_worthless_proxy_costs_no_more_than_asking_all(tmp_path):
    import random

    draw = random.Random(3)
    table = pa.table(
        {"text": [f"{draw.random()}" for _ in range(600)], "coin": [draw.random() < 0.5 for _ in range(600)]}
    )
    with SimulatedServer(SimulationConfig(text="text", truths=(Truth("coin"),)), table.to_batches()) as model:
        read = rowsight.read(table, session=rowsight.Session(state=tmp_path))
        for demand in ({"accuracy": 0.95}, {"precision": 0.9, "recall": 0.9}):
            result = read.filter("Is {text} heads?", **demand).run("sim", base_url=model.base_url)
            assert result.certificate.certified
        assert model.stats()["requests"] <= 600


def test_a_column_of_vectors_helps_the_proxy(run, tmp_path, model):
    vectors = [[1.0, 0.0] if t else [0.0, 1.0] for t in TABLE.column(ASKED.filter.truth).to_pylist()]
    table = TABLE.append_column("vector", pa.array(vectors, pa.list_(pa.float32())))
    read = rowsight.read(table, session=rowsight.Session(state=tmp_path / "vectors"))
    plan = read.filter(ASKED.filter.prompt, accuracy=0.95)
    result = plan.run("sim", base_url=model.base_url, features="vector")
    assert result.report.calls < run(lambda t: certified_filter(t, accuracy=0.95)).report.calls


def test_other_vectors_are_another_attempt(tmp_path, model):
    table = TABLE.append_column("vector", pa.array([[1.0, 0.5]] * len(TABLE)))
    read = rowsight.read(table, session=rowsight.Session(state=tmp_path))

    def attempt(features):
        plan = read.filter(ASKED.filter.prompt, accuracy=0.8)
        return plan.run("sim", base_url=model.base_url, features=features).certificate.body["attempt"]

    sees = [None, "vector", lambda texts: [[len(t), 1] for t in texts], lambda texts: [[1, len(t)] for t in texts]]
    assert [attempt(features) for features in [*sees, *sees]] == [1, 2, 3, 4, 1, 2, 3, 4]


def test_a_column_of_vectors_is_read_though_it_does_not_come_out(tmp_path, model):
    table = TABLE.append_column("vector", pa.array([[1.0, 0.5]] * len(TABLE)))
    read = rowsight.read(table, session=rowsight.Session(state=tmp_path))
    kept = read.filter(ASKED.filter.prompt, accuracy=0.8).select("text")
    assert kept.run("sim", base_url=model.base_url, features="vector").to_arrow().column_names == ["text"]


@pytest.mark.parametrize(
    ("column", "said"), [("vectr", "did you mean 'vector'"), ("text", "holds string, not vectors")]
)
def test_a_column_of_vectors_that_is_none_is_said_before_a_call(tmp_path, model, column, said):
    table = TABLE.append_column("vector", pa.array([[1.0, 0.5]] * len(TABLE)))
    plan = rowsight.read(table, session=rowsight.Session(state=tmp_path)).filter(ASKED.filter.prompt, recall=0.8)
    before = model.stats()["requests"]
    with pytest.raises(rowsight.RowsightError, match=said):
        plan.run("sim", base_url=model.base_url, features=column)
    assert model.stats()["requests"] == before


def test_saved_certificates_hold_offline(run, tmp_path, capsys):
    from rowsight.guarantees import verifier

    for name, demand in (("a", {"accuracy": 0.9}), ("p", {"precision": 0.9, "recall": 0.9})):
        run(lambda t, demand=demand: certified_filter(t, **demand)).certificate.save(tmp_path / f"{name}.json")
        assert verifier.main([str(tmp_path / f"{name}.json")]) == 0, capsys.readouterr().out


def test_the_models_agreement_with_itself_is_measured(tmp_path):
    truths = (Truth(ASKED.filter.truth),)
    noisy = SimulationConfig(text="text", truths=truths, noise=0.3, noise_mode="call")
    with SimulatedServer(noisy, TABLE.to_batches()) as model:
        read = rowsight.read(TABLE, session=rowsight.Session(state=tmp_path)).limit(400)
        plan = read.filter(ASKED.filter.prompt, accuracy=0.9)
        result = plan.run("sim", base_url=model.base_url, self_agreement=100)
    measured = result.certificate.body["self_agreement"]
    assert 80 <= measured["rows"] <= 100
    assert 0.35 < measured["agreed"] / measured["rows"] < 0.85
    assert "agrees with itself" in result.explain()
